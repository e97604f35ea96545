// interpret/transport/ridgelet.cpp: dual pairs, the transform on a grid, its dual, the low-pass.
#include "interpret/transport/ridgelet.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "interpret/numerics/dot.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <map>
#include <numbers>

namespace limpid::interpret {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kReach = 9;       // G(9) = 2.6e-18
constexpr double kTanhReach = 20;  // tanh(20) = 1 in f64
constexpr int64_t kMostValues = int64_t{1} << 27;

size_t at(int64_t i) { return static_cast<size_t>(i); }

// He_k(z) = z He_(k-1) - (k-1) He_(k-2)
double hermite(int k, double z) {
  double before = 0, now = 1;
  for (int i = 1; i <= k; ++i) {
    const double next = z * now - static_cast<double>(i - 1) * before;
    before = now;
    now = next;
  }
  return now;
}

// Powers of i that conj(psi^) eta^ leaves over, with the sign of psi; 0 where the product is odd
double phase(RidgeUnit unit, const Ridgelet& psi) {
  const bool is_odd = unit == RidgeUnit::tanh;
  if ((psi.order % 2 == 1) != is_odd) return 0;
  const int half = (psi.order + (unit == RidgeUnit::gaussian ? 0 : is_odd ? 1 : 2)) / 2;
  return half % 2 == 0 ? psi.sign : -psi.sign;
}

// What |z|^(order - m) is divided by so that eta^ stays finite at 0
int pole(RidgeUnit unit) {
  return unit == RidgeUnit::gaussian ? 0 : unit == RidgeUnit::relu ? 2 : 1;
}

// |eta^(z)| |z|^pole
double spectrum_of(RidgeUnit unit, double z) {
  switch (unit) {
    case RidgeUnit::gaussian: return std::sqrt(2 * kPi) * std::exp(-z * z / 2);
    case RidgeUnit::relu: return 1;
    case RidgeUnit::tanh: return z == 0 ? 2 : kPi * z / std::sinh(kPi * z / 2);
  }
  return 0;
}

// The positions of the offsets, evenly spaced, and sums over them
class Offsets {
 public:
  Offsets(double offset, double step)
      : count_(static_cast<int64_t>(std::ceil(2 * offset / step))),
        step_(2 * offset / static_cast<double>(count_)),
        first_(-offset + step_ / 2) {}

  int64_t count() const { return count_; }
  double step() const { return step_; }
  double value(int64_t j) const { return first_ + step_ * static_cast<double>(j); }
  int64_t nearest(double z) const {
    return std::clamp<int64_t>(std::llround((z - first_) / step_), 0, count_ - 1);
  }

 private:
  int64_t count_;
  double step_, first_;
};

// G(z - b_j) for all b_j in reach of z: with b_j = b_0 + k h and d = z - b_0 it is
// exp(-d^2 / 2) exp(d h)^k exp(-(k h)^2 / 2), two exponentials for all (Greengard and Lee 2004).
class GaussianWindow {
 public:
  explicit GaussianWindow(const Offsets& offsets)
      : offsets_(offsets),
        half_(static_cast<int64_t>(std::ceil(kReach / offsets.step()))),
        table_(at(half_ + 1)),
        values_(at(2 * half_ + 1)) {
    for (int64_t k = 0; k <= half_; ++k) {
      const double u = static_cast<double>(k) * offsets.step();
      table_[at(k)] = std::exp(-u * u / 2);
    }
  }

  void move_to(double z) {
    const int64_t centre = offsets_.nearest(z);
    const double d = z - offsets_.value(centre);
    begin_ = std::max<int64_t>(0, centre - half_);
    end_ = std::min(offsets_.count(), centre + half_ + 1);
    if (std::abs(d) > kReach) end_ = begin_;
    if (end_ == begin_) return;
    const double base = std::exp(-d * d / 2), up = std::exp(d * offsets_.step()), down = 1 / up;
    double power = 1;
    for (int64_t j = centre; j < end_; ++j, power *= up) {
      values_[at(j - begin_)] = base * power * table_[at(j - centre)];
    }
    power = down;
    for (int64_t j = centre - 1; j >= begin_; --j, power *= down) {
      values_[at(j - begin_)] = base * power * table_[at(centre - j)];
    }
  }

  int64_t begin() const { return begin_; }
  int64_t end() const { return end_; }
  double operator[](int64_t j) const { return values_[at(j - begin_)]; }
  double& operator[](int64_t j) { return values_[at(j - begin_)]; }

 private:
  const Offsets& offsets_;
  int64_t half_, begin_ = 0, end_ = 0;
  std::vector<double> table_, values_;
};

// sum_j T_j eta(z - b_j) for one row of T and many z
class DualRow {
 public:
  DualRow(RidgeUnit unit, const Offsets& offsets)
      : unit_(unit), offsets_(offsets), window_(offsets) {
    const int64_t reach = static_cast<int64_t>(std::ceil(kTanhReach / offsets.step()));
    if (unit != RidgeUnit::tanh) return;
    for (int64_t k = -reach; k <= reach; ++k) {
      decay_.push_back(std::exp(-2 * static_cast<double>(k) * offsets.step()));
    }
  }

  void set(std::span<const double> row) {
    row_ = row;
    if (unit_ == RidgeUnit::gaussian) return;
    sums_.assign(row.size() + 1, 0);
    moments_.assign(row.size() + 1, 0);
    for (size_t j = 0; j < row.size(); ++j) {
      sums_[j + 1] = sums_[j] + row[j];
      moments_[j + 1] = moments_[j] + row[j] * offsets_.value(static_cast<int64_t>(j));
    }
  }

  double operator()(double z) {
    switch (unit_) {
      case RidgeUnit::gaussian: return gaussian(z);
      case RidgeUnit::relu: return relu(z);
      case RidgeUnit::tanh: return hyperbolic(z);
    }
    return 0;
  }

 private:
  double gaussian(double z) {
    window_.move_to(z);
    double sum = 0;
    for (int64_t j = window_.begin(); j < window_.end(); ++j) sum += row_[at(j)] * window_[j];
    return sum;
  }

  double relu(double z) const {
    const int64_t centre = offsets_.nearest(z);
    const size_t below = at(offsets_.value(centre) < z ? centre + 1 : centre);
    return z * sums_[below] - moments_[below];
  }

  // 1 and -1 out of reach; 1 - 2 / (1 + exp(2 (z - b_j))) within
  double hyperbolic(double z) const {
    const int64_t reach = std::ssize(decay_) / 2, centre = offsets_.nearest(z);
    const int64_t begin = std::max<int64_t>(0, centre - reach);
    const int64_t end = std::min(offsets_.count(), centre + reach + 1);
    double sum = sums_[at(begin)] - (sums_.back() - sums_[at(end)]);
    const double scale = std::exp(2 * (z - offsets_.value(centre)));
    for (int64_t j = begin; j < end; ++j) {
      sum += row_[at(j)] * (1 - 2 / (1 + scale * decay_[at(j - centre + reach)]));
    }
    return sum;
  }

  RidgeUnit unit_;
  const Offsets& offsets_;
  GaussianWindow window_;
  std::span<const double> row_;
  std::vector<double> sums_, moments_, decay_;
};

void check_samples(const char* op, const RidgeletSamples& s) {
  check_value(s.dimension >= 1 && s.outputs >= 1 && s.size() >= 1, op, "holds no points");
  check_shape(
      std::ssize(s.x) == s.size() * s.dimension && std::ssize(s.mass) == s.size() * s.outputs, op,
      s.x.size(), " coordinates and ", s.mass.size(), " masses are not those of ", s.size(),
      " points");
  const auto finite = [](double v) { return std::isfinite(v); };
  check_value(
      std::ranges::all_of(s.x, finite) && std::ranges::all_of(s.mass, finite), op,
      "holds NaN or infinity");
}

std::vector<double> unit_directions(int64_t dimension, int64_t count) {
  if (dimension == 1) return {1};
  std::vector<double> directions;
  for (int64_t d = 0; d < count; ++d) {
    const double angle = kPi * static_cast<double>(d) / static_cast<double>(count);
    directions.insert(directions.end(), {std::cos(angle), std::sin(angle)});
  }
  return directions;
}

double largest_length(const RidgeletSamples& s) {
  double largest = 0;
  for (int64_t i = 0; i < s.size(); ++i) {
    const auto x = std::span(s.x).subspan(at(i * s.dimension), at(s.dimension));
    largest = std::max(largest, std::sqrt(dot(x, x)));
  }
  return largest;
}

// Everything but the values
RidgeletSpectrum frame_of(const RidgeletSamples& s, const DualPair& pair, const RidgeletGrid& g) {
  constexpr const char* kOp = "ridgelet_transform";
  check_samples(kOp, s);
  check_value(s.dimension <= 2, kOp, "a grid is for 1 or 2 inputs, got ", s.dimension);
  check_shape(
      pair.dimension == s.dimension, kOp, "the pair is for ", pair.dimension,
      " inputs, the points have ", s.dimension);
  check_value(
      std::isfinite(g.frequency) && g.frequency > 0 && g.radii >= 1, kOp,
      "an empty grid: frequency ", g.frequency, " in ", g.radii, " cells");
  check_value(
      std::isfinite(g.offset) && g.offset >= 0 && g.offset_step > 0 && g.directions >= 0, kOp,
      "an empty grid: offsets to ", g.offset, " in steps of ", g.offset_step, ", ", g.directions,
      " directions");
  RidgeletSpectrum t;
  t.pair = pair;
  t.outputs = s.outputs;
  t.frequency = g.frequency;
  t.offset = g.offset > 0 ? g.offset : g.frequency * largest_length(s) + kReach;
  t.directions = unit_directions(s.dimension, g.directions > 0 ? g.directions : 24);
  const double step = 2 * g.frequency / static_cast<double>(g.radii);
  const double cells = 2 * t.offset / g.offset_step * static_cast<double>(g.radii) *
                       static_cast<double>(t.direction_count() * s.outputs);
  check_value(
      cells <= static_cast<double>(kMostValues), kOp, "a grid of ", cells, " values; at most ",
      kMostValues);
  for (int64_t i = 0; i < g.radii; ++i) {
    t.radii.push_back(-g.frequency + step * (static_cast<double>(i) + 0.5));
  }
  const Offsets offsets(t.offset, g.offset_step);
  for (int64_t j = 0; j < offsets.count(); ++j) t.offsets.push_back(offsets.value(j));
  return t;
}

Offsets offsets_of(const RidgeletSpectrum& t) {
  return {t.offset, 2 * t.offset / static_cast<double>(t.offsets.size())};
}

// u.x of every point, by direction: [D, n]
std::vector<double> projections(
    std::span<const double> directions, std::span<const double> x, size_t m) {
  std::vector<double> s;
  for (size_t d = 0; d < directions.size(); d += m) {
    for (size_t i = 0; i < x.size(); i += m) {
      s.push_back(dot(directions.subspan(d, m), x.subspan(i, m)));
    }
  }
  return s;
}

}  // namespace

// ---- Pairs ----

const char* name_of(RidgeUnit unit) {
  switch (unit) {
    case RidgeUnit::gaussian: return "gaussian";
    case RidgeUnit::relu: return "relu";
    case RidgeUnit::tanh: return "tanh";
  }
  return "";
}

RidgeUnit ridge_unit_named(const std::string& name) {
  for (const RidgeUnit unit : {RidgeUnit::gaussian, RidgeUnit::relu, RidgeUnit::tanh}) {
    if (name == name_of(unit)) return unit;
  }
  raise<ValueError>("ridge unit", "'", name, "' is none of gaussian, relu, tanh");
}

double value_of(RidgeUnit unit, double z) {
  switch (unit) {
    case RidgeUnit::gaussian: return std::exp(-z * z / 2);
    case RidgeUnit::relu: return std::max(0.0, z);
    case RidgeUnit::tanh: return std::tanh(z);
  }
  return 0;
}

double Ridgelet::operator()(double z) const {
  const double value = sign * hermite(order, z) * std::exp(-z * z / 2);
  return order % 2 == 0 ? value : -value;
}

std::string Ridgelet::text() const {
  const std::string power = order <= 4 ? std::string(at(order), '\'') : join_text("^(", order, ")");
  return (sign < 0 ? "-G" : "G") + power;
}

double admissibility(RidgeUnit unit, const Ridgelet& psi, int64_t dimension, double from) {
  const double sign = phase(unit, psi);
  const int64_t power = psi.order - dimension - pole(unit);
  check_value(
      sign != 0, "admissibility", psi.text(), " and ", name_of(unit),
      " have different parities, so K = 0");
  check_value(
      power >= 0, "admissibility", psi.text(), " has too few vanishing moments for ", name_of(unit),
      " in ", dimension, " dimensions");
  check_value(from >= 0, "admissibility", "starts at ", from, ", below 0");
  constexpr double kEnd = 14;  // exp(-14^2 / 2) = 2.7e-43
  constexpr int kHalves = 2000;
  if (from >= kEnd) return 0;
  const auto f = [&](double z) {
    return std::pow(z, static_cast<double>(power)) * std::sqrt(2 * kPi) * std::exp(-z * z / 2) *
           spectrum_of(unit, z);
  };
  const double h = (kEnd - from) / (2 * kHalves);
  double sum = f(from) + f(kEnd);
  for (int i = 1; i < 2 * kHalves; ++i) sum += (i % 2 == 1 ? 4 : 2) * f(from + h * i);
  return sign * 2 * std::pow(2 * kPi, static_cast<double>(dimension - 1)) * sum * h / 3;
}

DualPair dual_pair(RidgeUnit unit, int64_t dimension) {
  check_value(
      dimension >= 1 && dimension <= 12, "dual_pair", "needs 1 to 12 inputs, got ", dimension);
  const auto m = static_cast<double>(dimension);
  const int parity = unit == RidgeUnit::tanh ? 1 : 0;
  int order = static_cast<int>(dimension) + (unit == RidgeUnit::relu ? 2 : 1);
  if (order % 2 != parity) ++order;
  DualPair pair{.unit = unit, .psi = {order, 1}, .dimension = dimension, .K = 0};
  // K > 0, except that one input and relu keep G''''
  const double sign = phase(unit, pair.psi);
  if (!(unit == RidgeUnit::relu && dimension == 1)) pair.psi.sign = sign;
  switch (unit) {
    case RidgeUnit::gaussian:
      pair.K = std::pow(2 * kPi, m) * std::tgamma((order - m + 1) / 2);
      break;
    case RidgeUnit::relu:
      pair.K = sign * pair.psi.sign * std::pow(2 * kPi, m - 0.5) *
               std::pow(2, (order - m - 1) / 2) * std::tgamma((order - m - 1) / 2);
      break;
    case RidgeUnit::tanh: pair.K = admissibility(unit, pair.psi, dimension); break;
  }
  return pair;
}

// ---- Samples ----

RidgeletSamples sample_grid(
    const RidgeletFunction& f, int64_t dimension, int64_t outputs, double half_width,
    int64_t side) {
  constexpr const char* kOp = "sample_grid";
  check_value(
      dimension >= 1 && dimension <= 2, kOp, "a grid is for 1 or 2 inputs, got ", dimension);
  check_value(
      side >= 1 && outputs >= 1 && std::isfinite(half_width) && half_width > 0, kOp,
      "an empty grid: ", side, " points a side of [-", half_width, ", ", half_width, "], ", outputs,
      " outputs");
  RidgeletSamples s{
      .dimension = dimension,
      .outputs = outputs,
      .x = {},
      .mass = {},
      .half_width = half_width,
      .side = side};
  const double step = 2 * half_width / static_cast<double>(side);
  const int64_t count = dimension == 1 ? side : side * side;
  const double volume = dimension == 1 ? step : step * step;
  std::vector<double> x(at(dimension)), y(at(outputs));
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t k = 0, rest = i; k < dimension; ++k, rest /= side) {
      x[at(dimension - 1 - k)] = -half_width + step * (static_cast<double>(rest % side) + 0.5);
    }
    f(x, y);
    for (const double value : y) {
      check_value(std::isfinite(value), kOp, "the function is ", value, " at x = ", x[0]);
      s.mass.push_back(value * volume);
    }
    s.x.insert(s.x.end(), x.begin(), x.end());
  }
  return s;
}

RidgeletSamples sample_data(const Tensor& X, const Tensor& Y, DataWeight weight) {
  constexpr const char* kOp = "sample_data";
  check_shape(
      X.rank() == 2 && Y.rank() == 2 && X.size(0) == Y.size(0), kOp,
      "needs X [n, m] and Y [n, p], got ", X.shape(), " and ", Y.shape());
  RidgeletSamples s{
      .dimension = X.size(1), .outputs = Y.size(1), .x = X.to_vector(), .mass = Y.to_vector()};
  check_samples(kOp, s);
  const int64_t n = s.size(), m = s.dimension;
  const double count = static_cast<double>(n);
  for (double& mass : s.mass) mass /= count;
  if (weight == DataWeight::density) return s;

  // Scott's bandwidths: deviation n^(-1 / (m + 4))
  std::vector<double> scaled = s.x;
  double volume = std::pow(2 * kPi, static_cast<double>(m) / 2);
  for (int64_t k = 0; k < m; ++k) {
    double mean = 0, square = 0;
    for (int64_t i = 0; i < n; ++i) mean += s.x[at(i * m + k)] / count;
    for (int64_t i = 0; i < n; ++i) square += std::pow(s.x[at(i * m + k)] - mean, 2) / count;
    const double h = std::sqrt(square) * std::pow(count, -1 / static_cast<double>(m + 4));
    check_value(h > 0, kOp, "input ", k, " is constant, so that no density can be estimated");
    volume *= h;
    for (int64_t i = 0; i < n; ++i) scaled[at(i * m + k)] /= h;
  }
  parallel::for_blocks(n, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double density = 0;
      for (int64_t j = 0; j < n; ++j) {
        double squared = 0;
        for (int64_t k = 0; k < m; ++k) {
          const double gap = scaled[at(i * m + k)] - scaled[at(j * m + k)];
          squared += gap * gap;
        }
        density += std::exp(-squared / 2);
      }
      density /= count * volume;
      for (int64_t c = 0; c < s.outputs; ++c) s.mass[at(i * s.outputs + c)] /= density;
    }
  });
  return s;
}

double box_window(std::span<const double> x, double half_width, double taper) {
  double product = 1;
  for (const double value : x) {
    const double u = (std::abs(value) / half_width - (1 - taper)) / taper;
    if (u >= 1) return 0;
    if (u > 0) product *= (1 + std::cos(kPi * u)) / 2;
  }
  return product;
}

// ---- Transform and dual ----

int64_t RidgeletSpectrum::direction_count() const {
  return std::ssize(directions) / pair.dimension;
}

double RidgeletSpectrum::size_at(int64_t direction, int64_t radius, int64_t offset_index) const {
  const int64_t R = std::ssize(radii), N = std::ssize(offsets), D = direction_count();
  double squared = 0;
  for (int64_t c = 0; c < outputs; ++c) {
    const double v = values[at(((c * D + direction) * R + radius) * N + offset_index)];
    squared += v * v;
  }
  return std::sqrt(squared);
}

double RidgeletSpectrum::cell(int64_t radius) const {
  const double area = 4 * frequency * offset / static_cast<double>(radii.size() * offsets.size());
  if (pair.dimension == 1) return area;
  return area * std::abs(radii[at(radius)]) * kPi / static_cast<double>(direction_count());
}

RidgeletSpectrum ridgelet_transform(
    const RidgeletSamples& samples, const DualPair& pair, const RidgeletGrid& grid) {
  return ridgelet_transform(samples, pair, pair.psi, grid);
}

RidgeletSpectrum ridgelet_transform(
    const RidgeletSamples& samples, const DualPair& pair, const Ridgelet& psi,
    const RidgeletGrid& grid) {
  RidgeletSpectrum t = frame_of(samples, pair, grid);
  const int64_t R = std::ssize(t.radii), N = std::ssize(t.offsets), D = t.direction_count();
  const int64_t n = samples.size(), p = samples.outputs;
  t.values.assign(at(p * D * R * N), 0);
  const std::vector<double> s = projections(t.directions, samples.x, at(samples.dimension));
  const Offsets offsets = offsets_of(t);
  const double sign = psi.order % 2 == 0 ? psi.sign : -psi.sign;
  parallel::for_blocks(D * R, 8, [&](int64_t begin, int64_t end) {
    GaussianWindow g(offsets);
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t i = 0; i < n; ++i) {
        const double z = t.radii[at(row % R)] * s[at(row / R * n + i)];
        g.move_to(z);
        for (int64_t j = g.begin(); j < g.end(); ++j) {
          g[j] *= sign * hermite(psi.order, z - offsets.value(j));
        }
        for (int64_t c = 0; c < p; ++c) {
          const double mass = samples.mass[at(i * p + c)];
          double* out = t.values.data() + (c * D * R + row) * N;
          for (int64_t j = g.begin(); j < g.end(); ++j) out[j] += mass * g[j];
        }
      }
    }
  });
  return t;
}

std::vector<double> ridgelet_at(
    const RidgeletSamples& samples, const Ridgelet& psi, std::span<const double> a, double b) {
  check_shape(
      std::ssize(a) == samples.dimension, "ridgelet_at", "a has ", a.size(),
      " coordinates, the points ", samples.dimension);
  std::vector<double> sum(at(samples.outputs), 0.0);
  for (int64_t i = 0; i < samples.size(); ++i) {
    const auto x = std::span(samples.x).subspan(at(i) * a.size(), a.size());
    const double value = psi(dot(a, x) - b);
    for (size_t c = 0; c < sum.size(); ++c) sum[c] += samples.mass[at(i) * sum.size() + c] * value;
  }
  return sum;
}

std::vector<double> ridgelet_dual(const RidgeletSpectrum& t, std::span<const double> x) {
  const int64_t m = t.pair.dimension, q = std::ssize(x) / m, p = t.outputs;
  check_shape(std::ssize(x) == q * m, "ridgelet_dual", x.size(), " numbers for ", m, " inputs");
  const int64_t R = std::ssize(t.radii), N = std::ssize(t.offsets), rows = t.direction_count() * R;
  const std::vector<double> s = projections(t.directions, x, at(m));
  const Offsets offsets = offsets_of(t);
  // Blocks of rows, added up in their order
  constexpr int64_t kBlock = 64;
  const int64_t blocks = (rows + kBlock - 1) / kBlock;
  std::vector<double> parts(at(blocks * q * p), 0);
  parallel::for_blocks(rows, kBlock, [&](int64_t begin, int64_t end) {
    double* part = parts.data() + begin / kBlock * q * p;
    DualRow dual(t.pair.unit, offsets);
    for (int64_t row = begin; row < end; ++row) {
      const double weight = t.cell(row % R) / t.pair.K;
      for (int64_t c = 0; c < p; ++c) {
        dual.set(std::span(t.values).subspan(at((c * rows + row) * N), at(N)));
        for (int64_t k = 0; k < q; ++k) {
          part[k * p + c] += weight * dual(t.radii[at(row % R)] * s[at(row / R * q + k)]);
        }
      }
    }
  });
  std::vector<double> sum(at(q * p), 0);
  for (size_t k = 0; k < parts.size(); ++k) sum[k % sum.size()] += parts[k];
  return sum;
}

std::vector<double> low_passed(
    const RidgeletSamples& s, const DualPair& pair, double frequency, std::span<const double> x) {
  using Complex = std::complex<double>;
  constexpr const char* kOp = "low_passed";
  check_samples(kOp, s);
  check_value(s.side > 0, kOp, "needs samples on a grid");
  check_shape(
      std::ssize(x) % s.dimension == 0 && pair.dimension == s.dimension, kOp, x.size(),
      " numbers for ", s.dimension, " inputs and a pair for ", pair.dimension);
  // Frequencies k pi / (2 L), |k| < side, along each axis
  const int64_t m = s.dimension, axis = 2 * s.side - 1, p = s.outputs, q = std::ssize(x) / m;
  const int64_t count = m == 1 ? axis : axis * axis;
  const double step = kPi / (2 * s.half_width);
  const auto index = [&](int64_t f, int64_t k) {  // along axis k
    return (k == m - 1 ? f % axis : f / axis) - (s.side - 1);
  };
  const auto wave = [&](std::span<const double> point, int64_t f) {
    double phase_of = 0;
    for (int64_t k = 0; k < m; ++k) {
      phase_of += step * static_cast<double>(index(f, k)) * point[at(k)];
    }
    return std::polar(1.0, phase_of);
  };
  std::map<int64_t, double> transfer;  // by |k|^2
  for (int64_t f = 0; f < count; ++f) {
    int64_t squared = 0;
    for (int64_t k = 0; k < m; ++k) squared += index(f, k) * index(f, k);
    const auto [place, is_new] = transfer.try_emplace(squared, 0);
    if (!is_new) continue;
    const double radius = step * std::sqrt(static_cast<double>(squared)) / frequency;
    place->second = admissibility(pair.unit, pair.psi, m, radius) / pair.K;
  }
  std::vector<Complex> coefficients(at(count * p));
  const double volume = std::pow(4 * s.half_width, static_cast<double>(m));
  parallel::for_blocks(count, 16, [&](int64_t begin, int64_t end) {
    for (int64_t f = begin; f < end; ++f) {
      int64_t squared = 0;
      for (int64_t k = 0; k < m; ++k) squared += index(f, k) * index(f, k);
      Complex* out = coefficients.data() + f * p;
      for (int64_t i = 0; i < s.size(); ++i) {
        const Complex w = std::conj(wave(std::span(s.x).subspan(at(i * m), at(m)), f));
        for (int64_t c = 0; c < p; ++c) out[c] += s.mass[at(i * p + c)] * w;
      }
      for (int64_t c = 0; c < p; ++c) out[c] *= transfer.at(squared) / volume;
    }
  });
  std::vector<double> values(at(q * p), 0);
  parallel::for_blocks(q, 16, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      for (int64_t f = 0; f < count; ++f) {
        const Complex w = wave(x.subspan(at(k * m), at(m)), f);
        for (int64_t c = 0; c < p; ++c) {
          values[at(k * p + c)] += (coefficients[at(f * p + c)] * w).real();
        }
      }
    }
  });
  return values;
}

double relative_l2(std::span<const double> u, std::span<const double> v) {
  check_shape(u.size() == v.size(), "relative_l2", u.size(), " against ", v.size(), " numbers");
  double gap = 0, size = 0;
  for (size_t k = 0; k < u.size(); ++k) {
    gap += (u[k] - v[k]) * (u[k] - v[k]);
    size += v[k] * v[k];
  }
  return std::sqrt(gap / size);
}

}  // namespace limpid::interpret
