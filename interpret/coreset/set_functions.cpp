// interpret/coreset/set_functions.cpp: gains of the set functions, kept up to date as A grows.
#include "interpret/coreset/set_functions.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/tensor/integers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace limpid::interpret {
namespace {

constexpr int64_t kPerBlock = 1024;  // samples
constexpr int64_t kTogether = 64;    // columns made at once

std::vector<float> one_column(const Similarities& S, int64_t j) {
  std::vector<float> column(static_cast<size_t>(S.size()));
  S.columns(std::span(&j, 1), column.data());
  return column;
}

// f(which_c, column) for all of `which`, a few at a time.
template <class F>
void each_column(const Similarities& S, std::span<const int64_t> which, F f) {
  const auto n = static_cast<size_t>(S.size());
  std::vector<float> some(std::min<size_t>(kTogether, which.size()) * n);
  for (size_t begin = 0; begin < which.size(); begin += kTogether) {
    const auto part = which.subspan(begin, std::min<size_t>(kTogether, which.size() - begin));
    S.columns(part, some.data());
    f(part, some.data());
  }
}

// gain_j += max(0, s_j - now) - max(0, s_j - before), which is before - min(max(s_j, before), now).
void move_bound(const float* s, float before, float now, int64_t begin, int64_t end, double* gain) {
  const auto low = static_cast<double>(before);
  for (int64_t j = begin; j < end; ++j) {
    gain[j] -= static_cast<double>(std::min(std::max(s[j], before), now)) - low;
  }
}

}  // namespace

FacilityLocation::FacilityLocation(std::shared_ptr<const Similarities> S)
    : S_(std::move(S)),
      gain_(static_cast<size_t>(S_->size())),
      best_(static_cast<size_t>(S_->size())) {
  each_column(
      *S_, index_range(0, size()), [&](std::span<const int64_t> part, const float* columns) {
        parallel::for_blocks(size(), kPerBlock, [&](int64_t begin, int64_t end) {
          for (size_t c = 0; c < part.size(); ++c) {
            const float* row = columns + static_cast<int64_t>(c) * size();
            for (int64_t j = begin; j < end; ++j)
              gain_[static_cast<size_t>(j)] += static_cast<double>(row[j]);
          }
        });
      });
}

void FacilityLocation::gains(std::span<const int64_t> candidates, std::span<double> out) {
  for (size_t c = 0; c < candidates.size(); ++c) {
    out[c] = gain_[static_cast<size_t>(candidates[c])];
  }
}

void FacilityLocation::add(int64_t j) {
  const std::vector<float> column = one_column(*S_, j);
  representative_.resize(best_.size());
  std::vector<int64_t> moved;  // samples that j represents from now on
  for (int64_t i = 0; i < size(); ++i) {
    const auto k = static_cast<size_t>(i);
    if (added_ > 0 && column[k] <= best_[k]) continue;
    moved.push_back(i);
    representative_[k] = added_;
  }
  each_column(*S_, moved, [&](std::span<const int64_t> part, const float* columns) {
    parallel::for_blocks(size(), kPerBlock, [&](int64_t begin, int64_t end) {
      for (size_t c = 0; c < part.size(); ++c) {
        const auto i = static_cast<size_t>(part[c]);
        move_bound(
            columns + static_cast<int64_t>(c) * size(), best_[i], column[i], begin, end,
            gain_.data());
      }
    });
  });
  for (const int64_t i : moved) {
    best_[static_cast<size_t>(i)] = column[static_cast<size_t>(i)];
  }
  ++added_;
}

GraphCut::GraphCut(std::shared_ptr<const Similarities> S, double lambda)
    : S_(std::move(S)), redundancy_(static_cast<size_t>(S_->size())) {
  each_column(
      *S_, index_range(0, size()), [&](std::span<const int64_t> part, const float* columns) {
        for (size_t c = 0; c < part.size(); ++c) {
          const float* column = columns + static_cast<int64_t>(c) * size();
          worth_.push_back(lambda * std::accumulate(column, column + size(), 0.0));
        }
      });
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
