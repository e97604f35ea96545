// interpret/shallow/shapley.cpp: local, path and interventional values.
#include "interpret/shallow/shapley.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "interpret/numerics/linear_program.h"
#include "interpret/numerics/statistics.h"
#include "interpret/shallow/coalitions.h"
#include "interpret/shallow/local_model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

namespace limpid::interpret {
namespace {

constexpr int64_t kLanes = Coalitions::kLanes;
constexpr int64_t kMostPlayers = 26;  // 2^26 values are half a gigabyte

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// The network with one of its outputs
PiecewiseLinear one_output(const PiecewiseLinear& net, int64_t output) {
  check_value(
      output >= 0 && output < net.outputs(), "Shapley", "output ", output, " is not in 0 to ",
      net.outputs() - 1);
  AffineStage last = net.output();
  for (AffineBlock& block : last.blocks) {
    const int64_t columns = std::ssize(block.weight) / last.rows;
    const auto row = block.weight.begin() + output * columns;
    block.weight = std::vector<double>(row, row + columns);
  }
  last.bias = {last.bias[static_cast<size_t>(output)]};
  last.rows = 1;
  return {net.inputs(), net.hidden(), std::move(last)};
}

// The centre of the largest ball inside the half-spaces and the box [low, high]; inputs whose range
// is one value stay there.
std::vector<double> chebyshev_centre(
    const HalfSpaceRows& half_spaces, const std::vector<double>& low,
    const std::vector<double>& high) {
  // Variables: the centre c, the radius r, a slack per row; a . c - |a| r - slack = -offset
  const size_t n = low.size();
  std::vector<double> rows = half_spaces.rows;
  for (size_t i = 0; i < n; ++i) {
    if (low[i] == high[i]) continue;
    for (const double side : {1.0, -1.0}) {
      std::vector<double> row(n + 1, 0.0);
      row[i] = side;
      row[n] = side > 0 ? -low[i] : high[i];
      rows.insert(rows.end(), row.begin(), row.end());
    }
  }
  const size_t m = rows.size() / (n + 1), columns = n + 1 + m;
  std::vector<double> A(m * columns, 0.0), b(m), c(columns, 0.0), lower(low), upper(high);
  lower.resize(columns, 0.0);
  upper.resize(columns, std::numeric_limits<double>::infinity());
  c[n] = -1;
  for (size_t k = 0; k < m; ++k) {
    double square = 0;
    for (size_t i = 0; i < n; ++i) {
      const double a = rows[k * (n + 1) + i];
      A[k * columns + i] = a;
      if (low[i] != high[i]) square += a * a;
    }
    A[k * columns + n] = -std::sqrt(square);
    A[k * columns + n + 1 + k] = -1;
    b[k] = -rows[k * (n + 1) + n];
  }
  if (m == 0) return low;
  const auto tensor = [](Shape shape, const std::vector<double>& values) {
    return Tensor::of(shape, values, DType::f64);
  };
  const auto wide = static_cast<int64_t>(columns), tall = static_cast<int64_t>(m);
  const LinearResult result = linear_program(
      {.c = tensor({wide}, c),
       .A = tensor({tall, wide}, A),
       .b = tensor({tall}, b),
       .lower = tensor({wide}, lower),
       .upper = tensor({wide}, upper)});
  if (result.status != LinearStatus::optimal) {
    throw Error(join_text("Shapley: centre of a region: ", name_of(result.status)));
  }
  std::vector<double> centre = result.x.to_vector();
  centre.resize(n);
  return centre;
}

// ---- Path ----

// A segment from z (t = 0) to x (t = 1), cut where units change sign. Values along it are lines
// v + t s.
struct Lines {
  std::vector<double> v, s;
};

class Segment {
 public:
  Segment(const PiecewiseLinear& net, std::span<const double> z, std::span<const double> x)
      : net_(net), mean_slope_(z.size(), 0.0) {
    lines_.push_back({.v = {z.begin(), z.end()}, .s = {x.begin(), x.end()}});
    for (size_t i = 0; i < z.size(); ++i) lines_[0].s[i] -= z[i];
    walk(0, 0, 1);
  }

  /// alpha, averaged over the segment [n].
  const std::vector<double>& mean_slope() const { return mean_slope_; }
  int64_t regions() const { return regions_; }

 private:
  // Stage l on the part [from, to], where all earlier units keep their sign
  void walk(size_t l, double from, double to) {
    if (l == net_.hidden().size()) {
      const std::vector<double> alpha = net_.gradient(pattern_, 0);
      for (size_t i = 0; i < alpha.size(); ++i) mean_slope_[i] += (to - from) * alpha[i];
      ++regions_;
      return;
    }
    const Lines z = lines_of(net_.hidden()[l]);
    std::vector<double> ends = {from, to};
    for (size_t i = 0; i < z.v.size(); ++i) {
      const double t = -z.v[i] / z.s[i];
      if (t > from && t < to) ends.push_back(t);  // never for NaN or infinity
    }
    std::ranges::sort(ends);
    for (size_t k = 0; k + 1 < ends.size(); ++k) {
      if (ends[k] == ends[k + 1]) continue;
      const double middle = ends[k] + (ends[k + 1] - ends[k]) / 2;
      Lines h = z;
      for (size_t i = 0; i < z.v.size(); ++i) {
        const bool is_on = z.v[i] + middle * z.s[i] > 0;
        pattern_.push_back(is_on ? 1 : 0);
        if (!is_on) h.v[i] = h.s[i] = 0;
      }
      lines_.push_back(std::move(h));
      walk(l + 1, ends[k], ends[k + 1]);
      lines_.pop_back();
      pattern_.resize(pattern_.size() - z.v.size());
    }
  }

  Lines lines_of(const AffineStage& stage) const {
    Lines z{.v = stage.bias, .s = std::vector<double>(stage.bias.size(), 0.0)};
    for (const AffineBlock& block : stage.blocks) {
      const Lines& h = lines_[static_cast<size_t>(block.source)];
      const double* w = block.weight.data();
      for (size_t i = 0; i < z.v.size(); ++i) {
        for (size_t j = 0; j < h.v.size(); ++j, ++w) {
          z.v[i] += *w * h.v[j];
          z.s[i] += *w * h.s[j];
        }
      }
    }
    return z;
  }

  const PiecewiseLinear& net_;
  std::vector<Lines> lines_;  // h^(0), h^(1), ... on the part at hand
  Pattern pattern_;
  std::vector<double> mean_slope_;
  int64_t regions_ = 0;
};

// ---- Interventional ----

// Whether every unit keeps the sign it has at x on the whole box between x and z
bool is_one_region(
    const std::vector<LocalMap>& stage_maps, const Pattern& pattern, std::span<const double> x,
    std::span<const double> z) {
  const size_t n = x.size();
  size_t unit = 0;
  for (size_t l = 0; l + 1 < stage_maps.size(); ++l) {
    const LocalMap& map = stage_maps[l];
    for (size_t r = 0; r < map.bias.size(); ++r, ++unit) {
      double low = map.bias[r], high = map.bias[r];
      for (size_t i = 0; i < n; ++i) {
        const double a = map.weight[r * n + i];
        low += std::min(a * x[i], a * z[i]);
        high += std::max(a * x[i], a * z[i]);
      }
      if (pattern[unit] != 0 ? !(low > 0) : high > 0) return false;
    }
  }
  return true;
}

// sum over S without player i of |S|! (m - |S| - 1)! / m! (v(S + i) - v(S)); v [2^m] by bit mask
double shapley_sum(const std::vector<double>& v, int64_t m, int64_t i) {
  std::vector<double> weight(static_cast<size_t>(m));  // 1 / (m C(m - 1, s))
  double w = 1 / static_cast<double>(m);
  for (int64_t s = 0; s < m; ++s) {
    weight[static_cast<size_t>(s)] = w;
    w *= static_cast<double>(s + 1) / static_cast<double>(std::max<int64_t>(1, m - 1 - s));
  }
  const uint64_t bit = uint64_t{1} << i, below = bit - 1;
  return parallel::sum_blocks(int64_t{1} << (m - 1), 4096, [&](int64_t begin, int64_t end) {
    double sum = 0;
    for (auto k = static_cast<uint64_t>(begin); k < static_cast<uint64_t>(end); ++k) {
      const uint64_t S = ((k & ~below) << 1) | (k & below);  // bit i is left out
      sum += weight[static_cast<size_t>(std::popcount(S))] * (v[S | bit] - v[S]);
    }
    return sum;
  });
}

// What setting player j adds to u, as [m, rows], and the sums of it over the bits of b for lane b
// of [rows, lanes]: the players below low_bits
struct Steps {
  std::vector<double> delta, lanes;
  Steps(
      const Coalitions& coalitions, const std::vector<size_t>& inputs, std::span<const double> z,
      std::span<const double> x, int64_t low_bits)
      : lanes(static_cast<size_t>(coalitions.rows() * kLanes), 0.0) {
    const auto rows = static_cast<size_t>(coalitions.rows());
    for (const size_t i : inputs) {
      const double* column = coalitions.columns().data() + i * rows;
      for (size_t r = 0; r < rows; ++r) delta.push_back(column[r] * (x[i] - z[i]));
    }
    for (size_t k = 0; k < lanes.size(); ++k) {
      const size_t r = k / kLanes, b = k % kLanes;
      for (size_t j = 0; j < static_cast<size_t>(low_bits); ++j) {
        if ((b >> j & 1) != 0) lanes[k] += delta[j * rows + r];
      }
    }
  }
};

}  // namespace

// Inputs that matter, and background points by what they need
struct Shapley::Players {
  std::vector<size_t> inputs;   // not 0 by definition
  std::vector<int64_t> rows;    // background points that need coalitions
  std::vector<int64_t> affine;  // those in one region with all of the box between
  std::vector<double> alpha;    // of the region of x [n]
};

Shapley::Shapley(const PiecewiseLinear& net, int64_t output, std::vector<double> background)
    : net_(one_output(net, output)), background_(std::move(background)) {
  const int64_t n = net_.inputs();
  check_shape(
      !background_.empty() && std::ssize(background_) % n == 0, "Shapley", "a background of ",
      background_.size(), " numbers is no table of points with ", n, " inputs");
  const auto is_finite = [](double v) { return std::isfinite(v); };
  check_value(
      std::ranges::all_of(background_, is_finite), "Shapley", "a background value is not finite");
  size_ = std::ssize(background_) / n;
  std::vector<double> outputs;
  for (int64_t k = 0; k < size_; ++k) {
    patterns_.push_back(net_.pattern(this->background(k)));
    outputs.push_back(net_(this->background(k))[0]);
  }
  mean_output_ = mean_of(outputs);
}

void Shapley::check_point(std::span<const double> x) const {
  check_shape(
      std::ssize(x) == net_.inputs(), "Shapley", "needs ", net_.inputs(), " inputs, got ",
      x.size());
  const auto is_finite = [](double v) { return std::isfinite(v); };
  check_value(std::ranges::all_of(x, is_finite), "Shapley", "an input is not finite");
}

ShapleyValues Shapley::finish(const char* variant, ShapleyValues result) const {
  double sum = 0, size = 1 + std::abs(result.prediction) + std::abs(result.base);
  for (const double v : result.values) {
    sum += v;
    size += std::abs(v);
  }
  result.residual = result.prediction - result.base - sum;
  result.gap = result.prediction - mean_output_ - sum;
  if (!(std::abs(result.residual) <= 1e-9 * size)) {
    throw Error(join_text(
        "Shapley: ", variant, " values do not add up: ", result.residual, " is left of ",
        result.prediction - result.base));
  }
  return result;
}

// ---- Local linear model ----

ShapleyValues Shapley::local(std::span<const double> x, std::span<const double> mean) const {
  const LocalMap map = net_.local_map(net_.pattern(x));
  ShapleyValues result;
  for (size_t i = 0; i < x.size(); ++i) {
    result.values.push_back(map.weight[i] * (x[i] - mean[i]));
  }
  result.prediction = net_(x)[0];
  result.base = map.bias[0] + dot(map.weight, mean);
  result.evaluations = 1;
  return result;
}

ShapleyValues Shapley::global(std::span<const double> x) const {
  check_point(x);
  std::vector<double> mean(x.size(), 0.0);
  for (int64_t k = 0; k < size_; ++k) {
    for (size_t i = 0; i < x.size(); ++i) mean[i] += background(k)[i];
  }
  for (double& v : mean) v /= static_cast<double>(size_);
  ShapleyValues result = local(x, mean);
  result.points = size_;
  return finish("global", std::move(result));
}

ShapleyValues Shapley::region(std::span<const double> x) const {
  check_point(x);
  const Pattern pattern = net_.pattern(x);
  std::vector<double> mean(x.size(), 0.0);
  int64_t members = 0;
  for (int64_t k = 0; k < size_; ++k) {
    if (patterns_[static_cast<size_t>(k)] != pattern) continue;
    ++members;
    for (size_t i = 0; i < x.size(); ++i) mean[i] += background(k)[i];
  }
  for (double& v : mean) v /= static_cast<double>(members);
  if (members == 0) {
    std::vector<double> low(x.begin(), x.end()), high = low;
    for (int64_t k = 0; k < size_; ++k) {
      for (size_t i = 0; i < x.size(); ++i) {
        low[i] = std::min(low[i], background(k)[i]);
        high[i] = std::max(high[i], background(k)[i]);
      }
    }
    mean = chebyshev_centre(half_space_rows(net_, pattern), low, high);
  }
  ShapleyValues result = local(x, mean);
  result.points = members;
  return finish("region", std::move(result));
}

// ---- Path ----

ShapleyValues Shapley::path(std::span<const double> x) const {
  check_point(x);
  const size_t n = x.size();
  std::vector<std::vector<double>> slopes(static_cast<size_t>(size_));
  std::vector<int64_t> regions(static_cast<size_t>(size_));
  parallel::for_blocks(size_, 4, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const Segment segment(net_, background(k), x);
      slopes[static_cast<size_t>(k)] = segment.mean_slope();
      regions[static_cast<size_t>(k)] = segment.regions();
    }
  });
  ShapleyValues result;
  result.values.assign(n, 0.0);
  for (int64_t k = 0; k < size_; ++k) {
    const auto z = background(k);
    for (size_t i = 0; i < n; ++i) {
      result.values[i] += (x[i] - z[i]) * slopes[static_cast<size_t>(k)][i];
    }
    result.evaluations += regions[static_cast<size_t>(k)];
  }
  for (double& v : result.values) v /= static_cast<double>(size_);
  result.prediction = net_(x)[0];
  result.base = mean_output_;
  result.points = size_;
  return finish("path", std::move(result));
}

// ---- Interventional ----

Shapley::Players Shapley::players(std::span<const double> x) const {
  check_point(x);
  Players p;
  const Coalitions coalitions(net_);
  const auto rows = static_cast<size_t>(coalitions.rows());
  for (size_t i = 0; i < x.size(); ++i) {
    const double* column = coalitions.columns().data() + i * rows;
    bool differs = false;
    for (int64_t k = 0; k < size_ && !differs; ++k) differs = background(k)[i] != x[i];
    const bool is_read = std::any_of(column, column + rows, [](double w) { return w != 0; });
    if (is_read && differs) p.inputs.push_back(i);
  }
  const Pattern pattern = net_.pattern(x);
  const std::vector<LocalMap> maps = net_.stage_maps(pattern);
  p.alpha = maps.back().weight;
  for (int64_t k = 0; k < size_; ++k) {
    const bool is_affine = patterns_[static_cast<size_t>(k)] == pattern &&
                           is_one_region(maps, pattern, x, background(k));
    (is_affine ? p.affine : p.rows).push_back(k);
  }
  return p;
}

ShapleyCost Shapley::cost(std::span<const double> x) const {
  const Players p = players(x);
  const Coalitions coalitions(net_);
  ShapleyCost c;
  c.players = std::ssize(p.inputs);
  if (p.rows.empty()) return c;
  const double each = std::exp2(static_cast<double>(c.players));
  c.evaluations = each * static_cast<double>(p.rows.size());
  c.operations = c.evaluations * static_cast<double>(coalitions.operations() + coalitions.rows()) +
                 each * static_cast<double>(c.players);
  return c;
}

// v(S) by bit mask: the mean over all of B, where those z that need no coalitions count as 0
std::vector<double> Shapley::coalition_values(std::span<const double> x, const Players& p) const {
  const Coalitions coalitions(net_);
  const auto rows = static_cast<size_t>(coalitions.rows());
  const int64_t m = std::ssize(p.inputs), low_bits = std::min<int64_t>(m, 6);
  const double share = 1 / static_cast<double>(size_);
  std::vector<double> v(size_t{1} << m, 0.0);
  for (const int64_t k : p.rows) {
    const std::vector<double> start = coalitions.start(background(k));
    const Steps steps(coalitions, p.inputs, background(k), x, low_bits);
    parallel::for_blocks(int64_t{1} << (m - low_bits), 16, [&](int64_t begin, int64_t end) {
      Coalitions::Scratch scratch;
      std::vector<double> u(steps.lanes.size()), out(static_cast<size_t>(kLanes));
      for (int64_t high = begin; high < end; ++high) {
        std::vector<double> common = start;  // what all lanes of this block share
        for (int64_t j = low_bits; j < m; ++j) {
          if ((high >> (j - low_bits) & 1) == 0) continue;
          const double* delta = steps.delta.data() + static_cast<size_t>(j) * rows;
          for (size_t r = 0; r < rows; ++r) common[r] += delta[r];
        }
        for (size_t i = 0; i < u.size(); ++i) u[i] = common[i / kLanes] + steps.lanes[i];
        coalitions.evaluate(u.data(), out.data(), scratch);
        double* to = v.data() + (high << low_bits);
        for (int64_t b = 0; b < int64_t{1} << low_bits; ++b) {
          to[b] += share * out[static_cast<size_t>(b)];
        }
      }
    });
  }
  return v;
}

ShapleyValues Shapley::interventional(std::span<const double> x, double max_operations) const {
  const Players p = players(x);
  const ShapleyCost price = cost(x);
  const int64_t m = price.players;
  check_value(
      p.rows.empty() || (m <= kMostPlayers && price.operations <= max_operations), "Shapley",
      "exact interventional values of ", m, " inputs over ", p.rows.size(),
      " background points take 2^", m, " coalitions each, ", price.evaluations, " evaluations and ",
      price.operations, " multiplications in all; the limit is ", max_operations, " and ",
      kMostPlayers,
      " inputs; sample permutations instead (--permutations 2 or more), or take fewer background "
      "points");
  ShapleyValues result;
  result.values.assign(x.size(), 0.0);

  // Regions that hold the whole box between x and z
  for (const int64_t k : p.affine) {
    const auto z = background(k);
    for (const size_t i : p.inputs) result.values[i] += p.alpha[i] * (x[i] - z[i]);
  }
  for (double& v : result.values) v /= static_cast<double>(size_);

  if (!p.rows.empty() && m > 0) {
    const std::vector<double> v = coalition_values(x, p);
    for (int64_t j = 0; j < m; ++j) {
      result.values[p.inputs[static_cast<size_t>(j)]] += shapley_sum(v, m, j);
    }
  }
  result.prediction = net_(x)[0];
  result.base = mean_output_;
  result.points = size_;
  result.evaluations = static_cast<int64_t>(price.evaluations) + std::ssize(p.affine);
  return finish("interventional", std::move(result));
}

// Adds half of what each player adds to f when they are set one after the other, 64 steps at a time
void Shapley::add_order(
    const Coalitions& coalitions, std::span<const double> z, std::span<const double> x,
    const std::vector<size_t>& order, double* phi) const {
  const auto rows = static_cast<size_t>(coalitions.rows());
  Coalitions::Scratch scratch;
  std::vector<double> here = coalitions.start(z), u(rows * kLanes), out(kLanes);
  double before = 0;
  for (size_t done = 0; done <= order.size(); done += kLanes) {
    const size_t count = std::min<size_t>(kLanes, order.size() + 1 - done);
    for (size_t b = 0; b < count; ++b) {
      if (done + b > 0) {  // the first lane of all is z itself
        const size_t i = order[done + b - 1];
        const double* column = coalitions.columns().data() + i * rows;
        for (size_t r = 0; r < rows; ++r) here[r] += column[r] * (x[i] - z[i]);
      }
      for (size_t r = 0; r < rows; ++r) u[r * kLanes + b] = here[r];
    }
    coalitions.evaluate(u.data(), out.data(), scratch);
    for (size_t b = 0; b < count; ++b) {
      if (done + b > 0) phi[order[done + b - 1]] += (out[b] - before) / 2;
      before = out[b];
    }
  }
}

ShapleyValues Shapley::sampled(std::span<const double> x, const SampleOptions& options) const {
  check_value(options.rounds >= 2, "Shapley", "needs 2 rounds for an interval");
  const Players p = players(x);
  const Coalitions coalitions(net_);
  const size_t n = x.size();
  const Rng rng(options.seed);

  std::vector<std::vector<double>> rounds(n);  // mean over the background, per input and round
  for (int64_t round = 0; round < options.rounds; ++round) {
    std::vector<double> phi(static_cast<size_t>(size_) * n, 0.0);
    parallel::for_blocks(size_, 4, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        Rng own = rng.child(static_cast<uint64_t>(round * size_ + k));
        std::vector<size_t> order;
        for (const int64_t j : own.permutation(std::ssize(p.inputs))) {
          order.push_back(p.inputs[static_cast<size_t>(j)]);
        }
        double* to = phi.data() + k * static_cast<int64_t>(n);
        add_order(coalitions, background(k), x, order, to);
        std::ranges::reverse(order);
        add_order(coalitions, background(k), x, order, to);
      }
    });
    for (size_t i = 0; i < n; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < size_; ++k) sum += phi[static_cast<size_t>(k) * n + i];
      rounds[i].push_back(sum / static_cast<double>(size_));
    }
  }
  ShapleyValues result;
  for (size_t i = 0; i < n; ++i) {
    const Interval interval = bootstrap_mean(rounds[i], {.seed = options.seed});
    result.values.push_back(mean_of(rounds[i]));
    result.low.push_back(interval.low);
    result.high.push_back(interval.high);
  }
  result.prediction = net_(x)[0];
  result.base = mean_output_;
  result.points = size_;
  result.evaluations = 2 * options.rounds * size_ * (std::ssize(p.inputs) + 1);
  return finish("sampled", std::move(result));
}

}  // namespace limpid::interpret
