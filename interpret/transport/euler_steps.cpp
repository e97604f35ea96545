// interpret/transport/euler_steps.cpp: differences of features of one shape.
#include "interpret/transport/euler_steps.h"

#include "framework/core/error.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/metrics/similarity.h"

#include <cmath>
#include <string_view>

namespace limpid::interpret {
namespace {

constexpr double kMerge = 0.3, kHalve = 1;

bool is_residual(const LayerFeatures& step, const LayerFeatures& before) {
  const std::string_view type = step.type;
  const bool is_plain = type == "Linear" || type == "Conv2d" || type == "ConvTranspose2d" ||
                        type == "Embedding" || type.empty();
  return !is_plain && step.shape == before.shape && step.pooling == before.pooling;
}

double length(const Tensor& t) { return std::sqrt(mean(t * t).item()); }

double mean_defined(const std::vector<double>& values) {
  double total = 0;
  int64_t count = 0;
  for (const double v : values) {
    if (!std::isfinite(v)) continue;
    total += v;
    ++count;
  }
  return count > 0 ? total / static_cast<double>(count) : double{NAN};
}

}  // namespace

std::vector<EulerStep> euler_steps(const std::vector<LayerFeatures>& steps) {
  const Recording off(false);
  std::vector<EulerStep> result;
  Tensor before;  // f_{l-1}, undefined after a change of shape
  for (size_t l = 1; l < steps.size(); ++l) {
    if (!is_residual(steps[l], steps[l - 1])) {
      before = Tensor();
      continue;
    }
    const Tensor f = steps[l].values - steps[l - 1].values;
    EulerStep step{.name = steps[l].name, .doubling = NAN, .turn = NAN};
    const double start = length(steps[l - 1].values);
    step.size = start > 0 ? length(f) / start : double{NAN};
    if (before.defined()) {
      const double both = length(f + before);
      step.doubling = both > 0 ? length(f - before) / both : double{NAN};
      step.turn = mean_defined(cosines(f, before));
    }
    result.push_back(step);
    before = f;
  }
  return result;
}

std::vector<std::string> euler_advice(const std::vector<EulerStep>& steps) {
  std::vector<std::string> advice;
  for (const EulerStep& step : steps) {
    if (step.doubling < kMerge) {
      advice.push_back(
          step.name + " goes on where the block before it went (" +
          join_text("step-doubling error ", step.doubling) + "): one block may do");
    } else if (step.doubling > kHalve) {
      advice.push_back(
          step.name + " undoes part of the block before it (" +
          join_text("step-doubling error ", step.doubling) +
          "): the steps are too coarse; try more blocks or a lower learning rate");
    }
  }
  return advice;
}

}  // namespace limpid::interpret
