// interpret/numerics/statistics.cpp: correlations and resampling.
#include "interpret/numerics/statistics.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace limpid::interpret {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kRoundsPerBlock = 16;

void check_options(const char* op, const ResampleOptions& o) {
  check_value(
      o.rounds >= 1 && o.level > 0 && o.level < 1, op, "needs rounds >= 1 and 0 < level < 1, got ",
      o.rounds, " and ", o.level);
}

// The mean of each round: round r draws one uniform number per value from a stream of its own.
template <class Term>
std::vector<double> resampled_means(
    std::span<const double> values, const ResampleOptions& o, Term term) {
  std::vector<double> means(static_cast<size_t>(o.rounds));
  const Rng rng(o.seed);
  parallel::for_blocks(o.rounds, kRoundsPerBlock, [&](int64_t begin, int64_t end) {
    std::vector<double> draws(values.size());
    for (int64_t r = begin; r < end; ++r) {
      rng.child(static_cast<uint64_t>(r)).uniform(std::span<double>(draws), 0, 1);
      double total = 0;
      for (size_t n = 0; n < values.size(); ++n) total += term(n, draws[n]);
      means[static_cast<size_t>(r)] = total / static_cast<double>(values.size());
    }
  });
  return means;
}

// Linear interpolation between order statistics.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

}  // namespace

double mean_of(std::span<const double> values) {
  if (values.empty()) return kNan;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double upper_median(std::vector<double> values) {
  if (values.empty()) return kNan;
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

std::vector<double> average_ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(
      order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t first = 0; first < order.size();) {
    size_t last = first;
    while (last < order.size() && values[order[last]] == values[order[first]]) ++last;
    last = std::max(last, first + 1);                               // NaN equals nothing
    const double rank = static_cast<double>(first + last + 1) / 2;  // mean of first+1 ... last
    for (; first < last; ++first) ranks[order[first]] = rank;
  }
  return ranks;
}

double pearson(std::span<const double> a, std::span<const double> b) {
  check_shape(a.size() == b.size(), "pearson", "lengths differ (", a.size(), ", ", b.size(), ")");
  const double mean_a = mean_of(a);
  const double mean_b = mean_of(b);
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  const bool is_meaningful = aa > 0 && bb > 0 && std::isfinite(aa) && std::isfinite(bb);
  return is_meaningful ? std::clamp(ab / (std::sqrt(aa) * std::sqrt(bb)), -1.0, 1.0) : kNan;
}

double spearman(std::span<const double> a, std::span<const double> b) {
  const auto is_finite = [](double v) { return std::isfinite(v); };
  const bool is_usable = std::ranges::all_of(a, is_finite) && std::ranges::all_of(b, is_finite);
  return is_usable ? pearson(average_ranks(a), average_ranks(b)) : kNan;
}

double gini(std::span<const double> values) {
  std::vector<double> v(values.size());
  std::ranges::transform(values, v.begin(), [](double x) { return std::abs(x); });
  std::ranges::sort(v);
  const auto n = static_cast<double>(v.size());
  double weighted = 0, total = 0;
  for (size_t j = 0; j < v.size(); ++j) {
    weighted += (2 * static_cast<double>(j + 1) - n - 1) * v[j];
    total += v[j];
  }
  return total > 0 ? weighted / (n * total) : kNan;
}

Interval bootstrap_mean(std::span<const double> values, const ResampleOptions& o) {
  check_options("bootstrap_mean", o);
  if (values.empty()) return {kNan, kNan};
  const auto count = static_cast<double>(values.size());
  std::vector<double> means = resampled_means(
      values, o, [&](size_t, double draw) { return values[static_cast<size_t>(draw * count)]; });
  std::ranges::sort(means);
  return {quantile(means, (1 - o.level) / 2), quantile(means, (1 + o.level) / 2)};
}

PairedTest paired_test(std::span<const double> differences, const ResampleOptions& o) {
  check_options("paired_test", o);
  PairedTest result{mean_of(differences), bootstrap_mean(differences, o)};
  if (differences.empty()) return result;
  const std::vector<double> means = resampled_means(differences, o, [&](size_t n, double draw) {
    return draw < 0.5 ? differences[n] : -differences[n];
  });
  // Rounding must not decide between a sum and the same sum in another order
  const double observed = std::abs(result.mean) * (1 - 1e-12);
  const auto extreme =
      std::ranges::count_if(means, [&](double mean) { return std::abs(mean) >= observed; });
  result.p_value = static_cast<double>(1 + extreme) / static_cast<double>(1 + o.rounds);
  return result;
}

}  // namespace limpid::interpret
