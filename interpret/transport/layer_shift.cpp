// interpret/transport/layer_shift.cpp: distances against what chance gives.
#include "interpret/transport/layer_shift.h"

#include "framework/core/error.h"
#include "framework/core/rank_map.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/integers.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/statistics.h"
#include "interpret/numerics/transport.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace limpid::interpret {
namespace {

using Rows = std::vector<int64_t>;

Tensor picked(const Tensor& values, const Rows& rows) {
  return to(take_rows(values, rows), DType::f64);
}

constexpr int64_t kDivisionsOfW2 = 19;

double variance_of(const Tensor& values) {
  const Recording off(false);
  const Tensor Z = to(values, DType::f64);
  return sum_of_squares(centred(Z)) / static_cast<double>(Z.size(0));
}

// Squared distances between all rows of both sets, known ones first, in units of sigma^2: every
// cloud that is compared is a choice of rows
class PooledDistances {
 public:
  PooledDistances(const Tensor& known, const Tensor& fresh, double variance) {
    const Recording off(false);
    squared_ =
        squared_distances_within(concat({known, fresh}, 0)) * (variance > 0 ? 1 / variance : 1);
    distances_ = sqrt(squared_);
  }

  double squared(int64_t i, int64_t j) const { return squared_.data<double>()[i * size() + j]; }
  double distance(int64_t i, int64_t j) const { return distances_.data<double>()[i * size() + j]; }
  int64_t size() const { return squared_.size(0); }

  // W2 of two clouds of as many points
  double w2(std::span<const int64_t> a, std::span<const int64_t> b) const {
    Tensor C = Tensor::empty({std::ssize(a), std::ssize(b)}, DType::f64);
    double* out = C.mutable_data<double>();
    for (const int64_t i : a) {
      for (const int64_t j : b) *out++ = squared(i, j);
    }
    return std::sqrt(std::max(0.0, optimal_transport(C).cost));
  }

 private:
  Tensor squared_, distances_;
};

// `count` of the rows in a random order
Rows drawn(const Rows& from, int64_t count, Rng& rng) {
  const std::vector<int64_t> order = rng.permutation(std::ssize(from));
  Rows rows;
  for (int64_t i = 0; i < count; ++i) {
    rows.push_back(from[static_cast<size_t>(order[static_cast<size_t>(i)])]);
  }
  return rows;
}

double deviation_of(const std::vector<double>& values, double mean) {
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

LayerShift shift_of(
    const LayerFeatures& known, const LayerFeatures& fresh, const LayerShiftOptions& o) {
  // Of more examples than that, which stand in any order, the first ones
  const int64_t N = std::min(known.values.size(0), 4 * o.samples);
  const int64_t M = std::min(fresh.values.size(0), 2 * o.samples);
  const int64_t n = std::min({N / 2, M, o.samples});
  const PooledDistances distances(
      picked(known.values, index_range(0, N)), picked(fresh.values, index_range(0, M)),
      variance_of(known.values));
  struct Repeat {
    double shift, null;
  };
  const auto repeats = ranks::map<Repeat>(o.repeats, [&](int64_t r) {
    Rng rng = Rng(o.seed).child(static_cast<uint64_t>(r));
    const Rows a = drawn(index_range(0, N), 2 * n, rng);
    const Rows b = drawn(index_range(N, N + M), n, rng);
    const std::span<const int64_t> first(a.data(), static_cast<size_t>(n));
    const std::span<const int64_t> second(a.data() + n, static_cast<size_t>(n));
    return Repeat{.shift = distances.w2(first, b), .null = distances.w2(first, second)};
  });
  std::vector<double> shift, null;
  for (const Repeat& repeat : repeats) {
    shift.push_back(repeat.shift);
    null.push_back(repeat.null);
  }
  LayerShift s;
  s.name = known.name;
  s.shift = mean_of(shift);
  s.null_mean = mean_of(null);
  s.null_deviation = deviation_of(null, s.null_mean);
  s.z = s.null_deviation > 0 ? (s.shift - s.null_mean) / s.null_deviation : 0;
  s.is_outside = s.z > 3;
  return s;
}

// The energy distance of the first and the last half of `order`: with signs s of the halves of n
// points each, -s' D s / n^2
double energy_of(const PooledDistances& distances, const Rows& order) {
  const int64_t n = std::ssize(order) / 2;
  std::vector<double> sign(order.size());
  for (size_t k = 0; k < order.size(); ++k) {
    sign[static_cast<size_t>(order[k])] = static_cast<int64_t>(k) < n ? 1 : -1;
  }
  double total = 0;
  for (int64_t i = 0; i < 2 * n; ++i) {
    double row = 0;
    for (int64_t j = 0; j < i; ++j) row += sign[static_cast<size_t>(j)] * distances.distance(i, j);
    total += sign[static_cast<size_t>(i)] * row;
  }
  return -2 * total / static_cast<double>(n * n);
}

double chi_squared(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  double na = 0, nb = 0, total = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    na += static_cast<double>(a[k]);
    nb += static_cast<double>(b[k]);
  }
  for (size_t k = 0; k < a.size(); ++k) {
    const auto both = static_cast<double>(a[k] + b[k]);
    if (both == 0) continue;
    const double ea = both * na / (na + nb), eb = both * nb / (na + nb);
    total += (static_cast<double>(a[k]) - ea) * (static_cast<double>(a[k]) - ea) / ea +
             (static_cast<double>(b[k]) - eb) * (static_cast<double>(b[k]) - eb) / eb;
  }
  return total;
}

// p of the class counts, against random divisions of all labels into sets of these sizes
double p_of_classes(
    std::span<const int64_t> known, std::span<const int64_t> fresh, const LayerShiftOptions& o) {
  std::map<int64_t, size_t> place;
  std::vector<size_t> all;
  for (const auto labels : {known, fresh}) {
    for (const int64_t label : labels) {
      all.push_back(place.emplace(label, place.size()).first->second);
    }
  }
  const auto statistic = [&](const std::vector<int64_t>& order) {
    std::vector<int64_t> a(place.size(), 0), b(place.size(), 0);
    for (size_t i = 0; i < order.size(); ++i) {
      ++(i < known.size() ? a : b)[all[static_cast<size_t>(order[i])]];
    }
    return chi_squared(a, b);
  };
  const double own = statistic(index_range(0, std::ssize(all)));
  int64_t extreme = 0;
  for (int64_t d = 0; d < o.divisions; ++d) {
    Rng rng = Rng(o.seed).child(static_cast<uint64_t>(d));
    if (statistic(rng.permutation(std::ssize(all))) >= own * (1 - 1e-12)) ++extreme;
  }
  return static_cast<double>(1 + extreme) / static_cast<double>(1 + o.divisions);
}

}  // namespace

std::vector<LayerShift> layer_shifts(
    const std::vector<LayerFeatures>& known, const std::vector<LayerFeatures>& fresh,
    const LayerShiftOptions& options) {
  const char* op = "layer_shifts";
  check_value(known.size() == fresh.size() && !known.empty(), op, "the steps are not the same");
  check_value(
      known[0].values.size(0) >= 4 && fresh[0].values.size(0) >= 2, op,
      "needs at least 4 known and 2 new examples, got ", known[0].values.size(0), " and ",
      fresh[0].values.size(0));
  check_value(options.repeats >= 2, op, "needs two repeats or more");
  std::vector<LayerShift> all;
  for (size_t l = 0; l < known.size(); ++l) {
    check_value(known[l].name == fresh[l].name, op, "the steps are not the same");
    all.push_back(shift_of(known[l], fresh[l], options));
    const LayerShift& input = all.front();
    LayerShift& s = all.back();
    s.amplification =
        input.is_outside ? (s.shift - s.null_mean) / (input.shift - input.null_mean) : double{NAN};
  }
  return all;
}

const char* name_of(ShiftKind kind) {
  switch (kind) {
    case ShiftKind::none: return "no shift";
    case ShiftKind::label: return "label shift";
    case ShiftKind::covariate: return "covariate shift";
    case ShiftKind::both: return "label and covariate shift";
  }
  return "";
}

ClassShift class_shift(
    const LayerFeatures& known, std::span<const int64_t> known_labels, const LayerFeatures& fresh,
    std::span<const int64_t> fresh_labels, const LayerShiftOptions& o) {
  const char* op = "class_shift";
  const int64_t N = known.values.size(0), M = fresh.values.size(0);
  check_value(
      N == std::ssize(known_labels) && M == std::ssize(fresh_labels), op,
      "needs one label per example");
  std::map<int64_t, std::pair<Rows, Rows>> members;
  for (int64_t i = 0; i < N; ++i) members[known_labels[static_cast<size_t>(i)]].first.push_back(i);
  for (int64_t i = 0; i < M; ++i) {
    members[fresh_labels[static_cast<size_t>(i)]].second.push_back(i);
  }
  ClassShift result;
  const double variance = variance_of(known.values);
  double own = 0;
  std::vector<double> chance(static_cast<size_t>(o.divisions), 0.0);
  for (const auto& [label, rows] : members) {
    const int64_t count =
        std::min({std::ssize(rows.first), std::ssize(rows.second), o.most_per_class});
    if (count < o.least_per_class) continue;
    const Rng rng = Rng(o.seed).child(static_cast<uint64_t>(label));
    Rng of_known = rng.child(0), of_fresh = rng.child(1);
    const PooledDistances distances(
        picked(known.values, drawn(rows.first, count, of_known)),
        picked(fresh.values, drawn(rows.second, count, of_fresh)), variance);
    const Rows all = index_range(0, 2 * count);
    const auto w2_of = [&](const Rows& order) {
      const std::span<const int64_t> both(order);
      return distances.w2(
          both.first(static_cast<size_t>(count)), both.last(static_cast<size_t>(count)));
    };
    const auto division = [&](int64_t d) {
      Rng random = rng.child(2 + static_cast<uint64_t>(d));
      return drawn(all, 2 * count, random);
    };
    own += energy_of(distances, all);
    const auto energies = ranks::map<double>(
        o.divisions, [&](int64_t d) { return energy_of(distances, division(d)); });
    for (size_t d = 0; d < chance.size(); ++d) chance[d] += energies[d];
    const auto w2 = ranks::map<double>(
        std::min(o.divisions, kDivisionsOfW2), [&](int64_t d) { return w2_of(division(d)); });
    result.compared.push_back(label);
    result.w2.push_back(w2_of(all));
    result.null_mean.push_back(mean_of(w2));
  }
  check_value(
      !result.compared.empty(), op, "no class has ", o.least_per_class, " examples in both sets");
  const auto extreme = std::ranges::count_if(chance, [&](double t) { return t >= own; });
  result.p_conditional = static_cast<double>(1 + extreme) / static_cast<double>(1 + o.divisions);
  result.p_classes = p_of_classes(known_labels, fresh_labels, o);
  const bool is_label = result.p_classes <= o.level, is_covariate = result.p_conditional <= o.level;
  result.kind = is_label ? (is_covariate ? ShiftKind::both : ShiftKind::label)
                         : (is_covariate ? ShiftKind::covariate : ShiftKind::none);
  return result;
}

}  // namespace limpid::interpret
