// interpret/transport/layer_shift.cpp: distances against what chance gives.
#include "interpret/transport/layer_shift.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/squared_distances.h"
#include "interpret/numerics/statistics.h"
#include "interpret/numerics/transport.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace limpid::interpret {
namespace {

using Rows = std::vector<int64_t>;

// Squared distances between all rows of both sets, known ones first, in units of sigma^2: every
// cloud that is compared is a choice of rows
class PooledDistances {
 public:
  PooledDistances(const Tensor& known, const Tensor& fresh) {
    const Recording off(false);
    const Tensor Z = to(known, DType::f64);
    const Tensor centred = Z - mean(Z, {0});
    const double variance = sum(centred * centred).item() / static_cast<double>(Z.size(0));
    const Tensor all = concat({Z, to(fresh, DType::f64)}, 0);
    distances_ = squared_distances(all, all);
    size_ = all.size(0);
    scale_ = variance > 0 ? 1 / variance : 1;
  }

  // W2 of two clouds of as many points
  double w2(std::span<const int64_t> a, std::span<const int64_t> b) const {
    Tensor C = Tensor::empty({std::ssize(a), std::ssize(b)}, DType::f64);
    double* out = C.mutable_data<double>();
    const double* all = distances_.data<double>();
    for (const int64_t i : a) {
      for (const int64_t j : b) *out++ = all[i * size_ + j] * scale_;
    }
    return std::sqrt(std::max(0.0, optimal_transport(C).cost));
  }

 private:
  Tensor distances_;
  int64_t size_ = 0;
  double scale_ = 1;
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

Rows counted(int64_t begin, int64_t end) {
  Rows rows;
  for (int64_t i = begin; i < end; ++i) rows.push_back(i);
  return rows;
}

double deviation_of(const std::vector<double>& values, double mean) {
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

LayerShift shift_of(
    const LayerFeatures& known, const LayerFeatures& fresh, const LayerShiftOptions& o) {
  const int64_t N = known.values.size(0), M = fresh.values.size(0);
  const int64_t n = std::min({N / 2, M, o.samples});
  const PooledDistances distances(known.values, fresh.values);
  std::vector<double> shift(static_cast<size_t>(o.repeats)), null(shift);
  parallel::for_each(o.repeats, [&](int64_t r) {
    Rng rng = Rng(o.seed).child(static_cast<uint64_t>(r));
    const Rows a = drawn(counted(0, N), 2 * n, rng);
    const Rows b = drawn(counted(N, N + M), n, rng);
    const std::span<const int64_t> first(a.data(), static_cast<size_t>(n));
    const std::span<const int64_t> second(a.data() + n, static_cast<size_t>(n));
    null[static_cast<size_t>(r)] = distances.w2(first, second);
    shift[static_cast<size_t>(r)] = distances.w2(first, b);
  });
  LayerShift s;
  s.name = known.name;
  s.shift = mean_of(shift);
  s.null_mean = mean_of(null);
  s.null_deviation = deviation_of(null, s.null_mean);
  s.z = s.null_deviation > 0 ? (s.shift - s.null_mean) / s.null_deviation : 0;
  s.is_outside = s.z > 3;
  return s;
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
  const double own = statistic(counted(0, std::ssize(all)));
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
    members[fresh_labels[static_cast<size_t>(i)]].second.push_back(N + i);
  }
  ClassShift result;
  const PooledDistances distances(known.values, fresh.values);
  std::vector<double> own, null(static_cast<size_t>(o.divisions), 0.0);
  for (auto& [label, rows] : members) {
    const int64_t count =
        std::min({std::ssize(rows.first), std::ssize(rows.second), o.most_per_class});
    if (count < o.least_per_class) continue;
    Rng rng = Rng(o.seed).child(static_cast<uint64_t>(label));
    Rows pooled = drawn(rows.first, count, rng);
    const Rows other = drawn(rows.second, count, rng);
    pooled.insert(pooled.end(), other.begin(), other.end());
    const auto divided = [&](const Rows& all) {
      const std::span<const int64_t> both(all);
      return distances.w2(
          both.first(static_cast<size_t>(count)), both.last(static_cast<size_t>(count)));
    };
    std::vector<double> chance(null.size());
    parallel::for_each(o.divisions, [&](int64_t d) {
      Rng division =
          Rng(o.seed).child(static_cast<uint64_t>(label)).child(1 + static_cast<uint64_t>(d));
      chance[static_cast<size_t>(d)] = divided(drawn(pooled, 2 * count, division));
    });
    for (size_t d = 0; d < null.size(); ++d) null[d] += chance[d];
    result.compared.push_back(label);
    result.w2.push_back(divided(pooled));
    result.null_mean.push_back(mean_of(chance));
  }
  check_value(
      !result.compared.empty(), op, "no class has ", o.least_per_class, " examples in both sets");
  double total = 0;
  for (const double w : result.w2) total += w;
  const auto extreme =
      std::ranges::count_if(null, [&](double t) { return t >= total * (1 - 1e-12); });
  result.p_conditional = static_cast<double>(1 + extreme) / static_cast<double>(1 + o.divisions);
  result.p_classes = p_of_classes(known_labels, fresh_labels, o);
  const bool is_label = result.p_classes <= o.level, is_covariate = result.p_conditional <= o.level;
  result.kind = is_label ? (is_covariate ? ShiftKind::both : ShiftKind::label)
                         : (is_covariate ? ShiftKind::covariate : ShiftKind::none);
  return result;
}

}  // namespace limpid::interpret
