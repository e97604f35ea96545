// framework/optim/weight_average.cpp: one pass over each weight.
#include "framework/optim/weight_average.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

namespace limpid {

WeightAverage::WeightAverage(NamedParameters parameters) : parameters_(std::move(parameters)) {
  for (const auto& [name, weight] : parameters_) {
    check_dtype(is_float(weight.dtype()), "WeightAverage", "'", name, "' is i64");
    averages_.push_back(weight.clone());
  }
}

void WeightAverage::update(double decay) {
  check_value(decay >= 0 && decay <= 1, "WeightAverage", "needs 0 <= decay <= 1, got ", decay);
  if (scopes_ > 0) raise<Error>("WeightAverage", "the averages stand in for the weights");
  for (size_t k = 0; k < averages_.size(); ++k) {
    const Tensor& weight = parameters_[k].second;
    visit_float("WeightAverage", weight.dtype(), [&]<class T>() {
      const T* w = weight.data<T>();
      T* a = averages_[k].mutable_data<T>();
      const T rest = static_cast<T>(1 - decay);
      parallel::for_blocks(weight.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) a[i] += rest * (w[i] - a[i]);
      });
    });
  }
}

void WeightAverage::become_weights() {
  for (size_t k = 0; k < averages_.size(); ++k) parameters_[k].second.assign(averages_[k]);
}

NamedParameters WeightAverage::averages() const {
  NamedParameters named;
  for (size_t k = 0; k < averages_.size(); ++k) {
    named.emplace_back(parameters_[k].first, averages_[k]);
  }
  return named;
}

AveragedWeights::AveragedWeights(WeightAverage& average) : average_(average) {
  for (const auto& [name, weight] : average_.parameters_) weights_.push_back(weight.clone());
  average_.become_weights();
  ++average_.scopes_;
}

AveragedWeights::~AveragedWeights() {
  for (size_t k = 0; k < weights_.size(); ++k) {
    average_.parameters_[k].second.assign(weights_[k]);
  }
  --average_.scopes_;
}

}  // namespace limpid
