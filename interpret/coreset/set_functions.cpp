// interpret/coreset/set_functions.cpp: gains of the set functions, kept up to date as A grows.
#include "interpret/coreset/set_functions.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace limpid::interpret {
namespace {

constexpr int64_t kPerBlock = 1024;  // samples
constexpr int64_t kTogether = 64;    // columns made at once
constexpr int64_t kLanes = 8;

// sum_i max(0, column_i - best_i), in a fixed order.
double improvement(const float* column, const float* best, int64_t n) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) {
      lanes[l] += static_cast<double>(std::max(0.0F, column[i + l] - best[i + l]));
    }
  }
  for (; i < n; ++i) lanes[0] += static_cast<double>(std::max(0.0F, column[i] - best[i]));
  return std::accumulate(lanes, lanes + kLanes, 0.0);
}

std::vector<float> one_column(const Similarities& S, int64_t j) {
  std::vector<float> column(static_cast<size_t>(S.size()));
  S.columns(std::span(&j, 1), column.data());
  return column;
}

}  // namespace

FacilityLocation::FacilityLocation(std::shared_ptr<const Similarities> S, int64_t bytes)
    : S_(std::move(S)), best_(static_cast<size_t>(S_->size())) {
  const int64_t column = size() * static_cast<int64_t>(sizeof(float));
  most_ = std::max(2 * kTogether, bytes / column);
}

std::vector<const FacilityLocation::Column*> FacilityLocation::columns(
    std::span<const int64_t> which) {
  const auto n = static_cast<size_t>(size());
  std::vector<int64_t> missing;
  for (const int64_t j : which) {
    const auto found = kept_.find(j);
    if (found == kept_.end()) {
      missing.push_back(j);
    } else {
      use_.splice(use_.begin(), use_, found->second.place);
    }
  }
  if (!missing.empty()) {
    std::vector<float> made(missing.size() * n);
    S_->columns(missing, made.data());
    for (size_t c = 0; c < missing.size(); ++c) {
      Column column;
      if (std::ssize(use_) >= most_) {  // the memory of the one that was used longest ago
        column = std::move(kept_.at(use_.back()).column);
        kept_.erase(use_.back());
        use_.pop_back();
      }
      column.assign(made.data() + c * n, made.data() + (c + 1) * n);
      use_.push_front(missing[c]);
      kept_[missing[c]] = {std::move(column), use_.begin()};
    }
  }
  std::vector<const Column*> result;
  for (const int64_t j : which) result.push_back(&kept_.at(j).column);
  return result;
}

void FacilityLocation::gains(std::span<const int64_t> candidates, std::span<double> out) {
  for (size_t begin = 0; begin < candidates.size(); begin += kTogether) {
    const size_t count = std::min<size_t>(kTogether, candidates.size() - begin);
    const auto some = columns(candidates.subspan(begin, count));
    parallel::for_blocks(static_cast<int64_t>(count), 1, [&](int64_t c, int64_t) {
      const auto k = static_cast<size_t>(c);
      out[begin + k] = improvement(some[k]->data(), best_.data(), size());
    });
  }
}

void FacilityLocation::add(int64_t j) {
  const Column& column = *columns(std::span(&j, 1)).front();
  representative_.resize(best_.size());
  for (size_t i = 0; i < best_.size(); ++i) {
    if (added_ == 0 || column[i] > best_[i]) {
      best_[i] = column[i];
      representative_[i] = added_;
    }
  }
  ++added_;
}

GraphCut::GraphCut(std::shared_ptr<const Similarities> S, double lambda)
    : S_(std::move(S)), redundancy_(static_cast<size_t>(S_->size())) {
  const auto n = static_cast<size_t>(size());
  std::vector<float> some(kTogether * n);
  for (int64_t begin = 0; begin < size(); begin += kTogether) {
    std::vector<int64_t> which(static_cast<size_t>(std::min(kTogether, size() - begin)));
    std::iota(which.begin(), which.end(), begin);
    S_->columns(which, some.data());
    for (size_t c = 0; c < which.size(); ++c) {
      const auto column = std::span(some).subspan(c * n, n);
      worth_.push_back(lambda * std::accumulate(column.begin(), column.end(), 0.0));
    }
  }
}

void GraphCut::gains(std::span<const int64_t> candidates, std::span<double> out) {
  for (size_t c = 0; c < candidates.size(); ++c) {
    const auto j = static_cast<size_t>(candidates[c]);
    out[c] = worth_[j] - 2 * redundancy_[j] - S_->diagonal(candidates[c]);
  }
}

void GraphCut::add(int64_t j) {
  const std::vector<float> column = one_column(*S_, j);
  for (size_t i = 0; i < column.size(); ++i) redundancy_[i] += static_cast<double>(column[i]);
}

LogDeterminant::LogDeterminant(std::shared_ptr<const Similarities> S, double epsilon)
    : S_(std::move(S)), epsilon_(epsilon) {
  check_value(epsilon > 0, "log-det", "epsilon must be positive, got ", epsilon);
  for (int64_t j = 0; j < size(); ++j) pivot_.push_back(S_->diagonal(j) + epsilon);
}

void LogDeterminant::gains(std::span<const int64_t> candidates, std::span<double> out) {
  for (size_t c = 0; c < candidates.size(); ++c) {
    out[c] = std::log(pivot_[static_cast<size_t>(candidates[c])]);
  }
}

void LogDeterminant::add(int64_t j) {
  const std::vector<float> column = one_column(*S_, j);
  const auto p = static_cast<size_t>(j);
  const double root = std::sqrt(pivot_[p]);
  std::vector<double> next(column.size());
  parallel::for_blocks(size(), kPerBlock, [&](int64_t begin, int64_t end) {
    const auto first = static_cast<size_t>(begin), last = static_cast<size_t>(end);
    for (size_t i = first; i < last; ++i) next[i] = static_cast<double>(column[i]);
    for (const std::vector<double>& before : rows_) {
      const double factor = before[p];
      for (size_t i = first; i < last; ++i) next[i] -= before[i] * factor;
    }
    for (size_t i = first; i < last; ++i) {
      next[i] /= root;
      pivot_[i] = std::max(std::numeric_limits<double>::epsilon(), pivot_[i] - next[i] * next[i]);
    }
  });
  rows_.push_back(std::move(next));
}

}  // namespace limpid::interpret
