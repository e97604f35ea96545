// interpret/transport/ridgelet_units.cpp: units drawn from a spectrum, fitted, read out, compared.
#include "interpret/transport/ridgelet_units.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/nn/layers.h"
#include "framework/ops/matmul.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/dot.h"
#include "interpret/numerics/statistics.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace limpid::interpret {
namespace {

constexpr double kPi = std::numbers::pi;

size_t at(int64_t i) { return static_cast<size_t>(i); }

std::span<const double> row(const std::vector<double>& values, int64_t i, int64_t width) {
  return std::span(values).subspan(at(i * width), at(width));
}

double length(std::span<const double> v) { return std::sqrt(dot(v, v)); }

RidgeUnits like(const RidgeUnits& u) {
  return {
      .unit = u.unit,
      .dimension = u.dimension,
      .outputs = u.outputs,
      .a = {},
      .b = {},
      .c = {},
      .bias = u.bias};
}

RidgeUnits empty_units(const DualPair& pair, int64_t outputs) {
  return {
      .unit = pair.unit,
      .dimension = pair.dimension,
      .outputs = outputs,
      .a = {},
      .b = {},
      .c = {},
      .bias = std::vector<double>(at(outputs), 0.0)};
}

// A random index with probability proportional to weight, by rejection
template <class Weight>
int64_t drawn(Rng& rng, int64_t count, double largest, const Weight& weight) {
  while (true) {
    const int64_t i = rng.integer(count);
    if (rng.uniform() * largest < weight(i)) return i;
  }
}

// [q, N]: eta(a_j.x_k - b_j)
Tensor features(const RidgeUnits& u, std::span<const double> x, int64_t extra) {
  const int64_t m = u.dimension, q = std::ssize(x) / m, N = u.size();
  Tensor H = Tensor::ones({q, N + extra}, DType::f64);
  double* out = H.mutable_data<double>();
  parallel::for_blocks(q, 32, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      for (int64_t j = 0; j < N; ++j) {
        const double z = dot(row(u.a, j, m), x.subspan(at(k * m), at(m))) - u.b[at(j)];
        out[k * (N + extra) + j] = value_of(u.unit, z);
      }
    }
  });
  return H;
}

void check_units(const char* op, const RidgeUnits& u, std::span<const double> x) {
  const int64_t N = u.size();
  check_shape(
      std::ssize(u.a) == N * u.dimension && std::ssize(u.bias) == u.outputs &&
          std::ssize(x) % u.dimension == 0,
      op, u.a.size(), " weights of ", N, " units, ", x.size(), " numbers for ", u.dimension,
      " inputs");
}

}  // namespace

std::vector<double> values_of(const RidgeUnits& u, std::span<const double> x) {
  check_units("values_of", u, x);
  check_shape(
      std::ssize(u.c) == u.size() * u.outputs, "values_of", u.c.size(), " outer weights of ",
      u.size(), " units");
  const Recording off(false);
  const Tensor H = features(u, x, 0);
  std::vector<double> y = matmul(H, Tensor::of({u.size(), u.outputs}, u.c, DType::f64)).to_vector();
  for (size_t k = 0; k < y.size(); ++k) y[k] += u.bias[k % u.bias.size()];
  return y;
}

// ---- Units that are drawn ----

RidgeUnits oracle_units(const RidgeletSpectrum& t, int64_t count, uint64_t seed) {
  const int64_t R = std::ssize(t.radii), N = std::ssize(t.offsets), D = t.direction_count();
  const int64_t m = t.pair.dimension, cells = D * R * N;
  check_value(count >= 1, "oracle_units", "needs at least 1 unit, got ", count);
  const auto weight = [&](int64_t k) {
    return t.size_at(k / (R * N), k / N % R, k % N) * t.cell(k / N % R);
  };
  double largest = 0, Z = 0;
  for (int64_t k = 0; k < cells; ++k) {
    largest = std::max(largest, weight(k));
    Z += weight(k);
  }
  check_value(largest > 0, "oracle_units", "the spectrum is 0 everywhere");
  const double dr = 2 * t.frequency / static_cast<double>(R);
  const double db = 2 * t.offset / static_cast<double>(N);
  RidgeUnits u = empty_units(t.pair, t.outputs);
  Rng rng(seed);
  for (int64_t j = 0; j < count; ++j) {
    const int64_t k = drawn(rng, cells, largest, weight);
    const int64_t d = k / (R * N), i = k / N % R;
    const double r = t.radii[at(i)] + dr * rng.uniform(-0.5, 0.5);
    u.b.push_back(t.offsets[at(k % N)] + db * rng.uniform(-0.5, 0.5));
    if (m == 1) {
      u.a.push_back(r);
    } else {
      const double angle =
          kPi * (static_cast<double>(d) + rng.uniform(-0.5, 0.5)) / static_cast<double>(D);
      u.a.insert(u.a.end(), {r * std::cos(angle), r * std::sin(angle)});
    }
    const double scale = Z / (t.pair.K * static_cast<double>(count) * t.size_at(d, i, k % N));
    for (int64_t c = 0; c < t.outputs; ++c) {
      u.c.push_back(scale * t.values[at(c * cells + k)]);
    }
  }
  return u;
}

const char* name_of(RandomUnits kind) {
  switch (kind) {
    case RandomUnits::box: return "box";
    case RandomUnits::placed: return "placed";
    case RandomUnits::layer: return "layer";
  }
  return "";
}

namespace {

// Uniform in the ball of that radius
std::vector<double> in_ball(Rng& rng, int64_t m, double radius) {
  std::vector<double> a(at(m));
  rng.normal(std::span(a), 0, 1);
  const double scale = radius * std::pow(rng.uniform(), 1 / static_cast<double>(m)) / length(a);
  for (double& v : a) v *= scale;
  return a;
}

}  // namespace

RidgeUnits random_units(
    const RidgeletSpectrum& t, RandomUnits kind, double half_width, int64_t count, uint64_t seed) {
  check_value(count >= 1, "random_units", "needs at least 1 unit, got ", count);
  RidgeUnits u = empty_units(t.pair, t.outputs);
  const int64_t m = t.pair.dimension;
  const double bound = 1 / std::sqrt(static_cast<double>(m));
  Rng rng(seed);
  for (int64_t j = 0; j < count; ++j) {
    std::vector<double> a = in_ball(rng, m, t.frequency), x(at(m));
    double b = rng.uniform(-t.offset, t.offset);
    if (kind == RandomUnits::placed) {
      rng.uniform(std::span(x), -half_width, half_width);
      b = dot(a, x);
    } else if (kind == RandomUnits::layer) {
      rng.uniform(std::span(a), -bound, bound);
      b = rng.uniform(-bound, bound);
    }
    u.a.insert(u.a.end(), a.begin(), a.end());
    u.b.push_back(b);
  }
  return u;
}

void fit_outer(RidgeUnits& u, std::span<const double> x, std::span<const double> y) {
  check_units("fit_outer", u, x);
  const int64_t n = std::ssize(x) / u.dimension, N = u.size(), p = u.outputs;
  check_shape(
      std::ssize(y) == n * p, "fit_outer", y.size(), " values at ", n, " points of ", p,
      " outputs");
  const Recording off(false);
  const Tensor Y = Tensor::of({n, p}, y, DType::f64);
  std::vector<double> c = least_squares(features(u, x, 1), Y).x.to_vector();
  u.bias.assign(c.end() - p, c.end());
  c.resize(at(N * p));
  u.c = std::move(c);
}

RidgeUnits monte_carlo_units(
    const RidgeletSamples& samples, const DualPair& pair, double frequency, double offset,
    int64_t candidates, uint64_t seed) {
  constexpr const char* kOp = "monte_carlo_units";
  check_value(
      candidates >= 1 && frequency > 0 && offset > 0, kOp, "an empty grid: ", candidates,
      " places, |a| <= ", frequency, ", |b| <= ", offset);
  check_value(samples.size() >= 1, kOp, "holds no points");
  check_shape(
      pair.dimension == samples.dimension, kOp, "the pair is for ", pair.dimension,
      " inputs, the points have ", samples.dimension);
  RidgeUnits u = empty_units(pair, samples.outputs);
  const int64_t m = pair.dimension;
  Rng rng(seed);
  for (int64_t j = 0; j < candidates; ++j) {
    const std::vector<double> a = in_ball(rng, m, frequency);
    u.a.insert(u.a.end(), a.begin(), a.end());
    u.b.push_back(rng.uniform(-offset, offset));
  }
  const double half = static_cast<double>(m) / 2;
  const double volume = std::pow(std::sqrt(kPi) * frequency, static_cast<double>(m)) /
                        std::tgamma(half + 1) * 2 * offset;
  u.c.assign(at(candidates * samples.outputs), 0);
  parallel::for_each((candidates + 63) / 64, [&](int64_t block) {
    for (int64_t j = 64 * block; j < std::min(candidates, 64 * block + 64); ++j) {
      const std::vector<double> T = ridgelet_at(samples, pair.psi, row(u.a, j, m), u.b[at(j)]);
      for (size_t c = 0; c < T.size(); ++c) {
        u.c[at(j) * T.size() + c] = T[c] * volume / (pair.K * static_cast<double>(candidates));
      }
    }
  });
  return u;
}

RidgeUnits oracle_units(const RidgeUnits& candidates, int64_t count, uint64_t seed) {
  check_value(count >= 1, "oracle_units", "needs at least 1 unit, got ", count);
  const int64_t m = candidates.dimension, p = candidates.outputs;
  std::vector<double> sizes;
  double sum = 0;
  for (int64_t j = 0; j < candidates.size(); ++j) {
    sizes.push_back(length(row(candidates.c, j, p)));
    sum += sizes.back();
  }
  check_value(sum > 0 && std::isfinite(sum), "oracle_units", "all weights are 0, or not finite");
  const double largest = *std::ranges::max_element(sizes);
  RidgeUnits u = like(candidates);
  Rng rng(seed);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t j =
        drawn(rng, candidates.size(), largest, [&](int64_t i) { return sizes[at(i)]; });
    const auto a = row(candidates.a, j, m);
    u.a.insert(u.a.end(), a.begin(), a.end());
    u.b.push_back(candidates.b[at(j)]);
    for (const double c : row(candidates.c, j, p)) {
      u.c.push_back(c / sizes[at(j)] * sum / static_cast<double>(count));
    }
  }
  return u;
}

// ---- Networks that were trained ----

RidgeUnits units_of(Module& model) {
  std::vector<Module*> parts;
  std::string names;
  for (const auto& [name, layer] : layers(model)) {
    const std::string type = layer->type();
    if (type == "Flatten" || type == "Sequential") continue;
    names += (names.empty() ? "" : ", ") + (parts.size() < 8 ? type : std::string("..."));
    parts.push_back(layer);
    if (parts.size() > 8) break;
  }
  const auto* first = parts.size() == 3 ? dynamic_cast<Linear*>(parts[0]) : nullptr;
  const auto* second = parts.size() == 3 ? dynamic_cast<Linear*>(parts[2]) : nullptr;
  const std::string unit = parts.size() == 3 ? parts[1]->type() : "";
  check_value(
      first != nullptr && second != nullptr && (unit == "ReLU" || unit == "Tanh"), "units_of",
      "needs a single hidden layer (Linear, ReLU or Tanh, Linear), the network is ", names);
  RidgeUnits u{
      .unit = unit == "ReLU" ? RidgeUnit::relu : RidgeUnit::tanh,
      .dimension = first->weight().size(1),
      .outputs = second->weight().size(0),
      .a = first->weight().to_vector(),
      .b = first->bias().to_vector(),
      .c = {},
      .bias = second->bias().to_vector()};
  for (double& b : u.b) b = -b;
  const std::vector<double> C = second->weight().to_vector();  // [p, N]
  const int64_t N = u.size();
  for (int64_t j = 0; j < N; ++j) {
    for (int64_t c = 0; c < u.outputs; ++c) u.c.push_back(C[at(c * N + j)]);
  }
  for (const std::vector<double>* values : {&u.a, &u.b, &u.c, &u.bias}) {
    check_value(
        std::ranges::all_of(*values, [](double v) { return std::isfinite(v); }), "units_of",
        "a weight is NaN or infinite");
  }
  return u;
}

RidgeUnits moved_units(
    const RidgeUnits& units, std::span<const double> mean, std::span<const double> deviation) {
  check_shape(
      std::ssize(mean) == units.dimension && mean.size() == deviation.size(), "moved_units",
      mean.size(), " means for ", units.dimension, " inputs");
  RidgeUnits u = units;
  for (size_t k = 0; k < u.a.size(); ++k) {
    const size_t i = k % mean.size();
    u.a[k] /= deviation[i];
    u.b[k / mean.size()] += u.a[k] * mean[i];
  }
  return u;
}

RidgeUnits one_output(const RidgeUnits& units, int64_t index) {
  check_value(
      index >= 0 && index < units.outputs, "one_output", "output ", index, " is not in 0 to ",
      units.outputs - 1);
  RidgeUnits u = units;
  u.outputs = 1;
  u.bias = {units.bias[at(index)]};
  u.c.clear();
  for (int64_t j = 0; j < units.size(); ++j) {
    u.c.push_back(units.c[at(j * units.outputs + index)]);
  }
  return u;
}

RidgeUnits slice_along(const RidgeUnits& units, std::span<const double> v) {
  check_shape(
      std::ssize(v) == units.dimension, "slice_along", v.size(), " numbers for ", units.dimension,
      " inputs");
  RidgeUnits u = units;
  u.dimension = 1;
  u.a.clear();
  for (int64_t j = 0; j < units.size(); ++j) {
    u.a.push_back(dot(row(units.a, j, units.dimension), v));
  }
  return u;
}

std::vector<double> principal_direction(const RidgeUnits& units) {
  const Svd parts = svd(Tensor::of({units.size(), units.dimension}, units.a, DType::f64));
  const std::vector<double> vt = parts.vt.to_vector();
  return {vt.begin(), vt.begin() + units.dimension};
}

UnitPlace place_of(const RidgeUnits& units, int64_t j) {
  const auto a = row(units.a, j, units.dimension);
  const bool is_lower =
      units.dimension == 1 ? a[0] < 0 : a.back() < 0 || (a.back() == 0 && a.front() < 0);
  return {.r = is_lower ? -length(a) : length(a), .b = units.b[at(j)]};
}

namespace {

// Bins of [-width, width]; outside: -1
int64_t bin_of(double value, double width, int64_t side) {
  const auto bin =
      static_cast<int64_t>(std::floor((value + width) / (2 * width) * static_cast<double>(side)));
  return bin >= 0 && bin < side ? bin : -1;
}

double centre_of(int64_t bin, double width, int64_t side) {
  return width * ((2 * static_cast<double>(bin) + 1) / static_cast<double>(side) - 1);
}

// Sums by bins of (r, b) and of (sign r, b / |r|)
struct Binned {
  Binned(double A, double L, int64_t side)
      : frequency(A), reach(L), count(side), grid(at(side * side), 0), places(at(2 * side), 0) {}

  // Whether it lies in both
  bool add(double r, double b, double size) {
    const int64_t i = bin_of(r, frequency, count), j = bin_of(b, frequency * reach, count);
    if (i >= 0 && j >= 0) grid[at(i * count + j)] += size;
    const int64_t place = r == 0 ? -1 : bin_of(b / std::abs(r), reach, count);
    if (place >= 0) places[at((r > 0 ? count : 0) + place)] += size * std::abs(r);
    return i >= 0 && j >= 0 && place >= 0;
  }

  double frequency, reach;
  int64_t count;
  std::vector<double> grid, places;
};

}  // namespace

UnitAgreement compare_units(
    const RidgeletSpectrum& t, const RidgeUnits& units, double reach, int64_t side,
    double frequency) {
  check_shape(
      t.pair.dimension == units.dimension && t.outputs == units.outputs, "compare_units",
      "the spectrum has ", t.pair.dimension, " inputs and ", t.outputs, " outputs, the units ",
      units.dimension, " and ", units.outputs);
  check_value(side >= 2, "compare_units", "needs at least 2 bins a side, got ", side);
  const double A = frequency > 0 ? std::min(frequency, t.frequency) : t.frequency;
  Binned spectrum(A, reach, side), network(A, reach, side);
  const int64_t R = std::ssize(t.radii), N = std::ssize(t.offsets);
  for (int64_t k = 0; k < t.direction_count() * R * N; ++k) {
    const int64_t i = k / N % R;
    spectrum.add(
        t.radii[at(i)], t.offsets[at(k % N)], t.size_at(k / (R * N), i, k % N) * t.cell(i));
  }
  UnitAgreement result;
  result.units = units.size();
  for (int64_t j = 0; j < units.size(); ++j) {
    const UnitPlace place = place_of(units, j);
    if (!network.add(place.r, place.b, length(row(units.c, j, units.outputs)))) ++result.outside;
  }
  std::vector<double> T, c;
  for (int64_t i = 0; i < side; ++i) {
    for (int64_t j = 0; j < side; ++j) {
      const double r = centre_of(i, A, side);
      if (std::abs(centre_of(j, A * reach, side)) > std::abs(r) * reach) continue;
      T.push_back(spectrum.grid[at(i * side + j)]);
      c.push_back(network.grid[at(i * side + j)]);
    }
  }
  result.spearman = spearman(T, c);
  result.places = spearman(spectrum.places, network.places);
  result.bins = std::ssize(T);
  result.occupied = std::ssize(c) - std::ranges::count(c, 0.0);
  result.place_bins = std::ssize(spectrum.places);
  return result;
}

// ---- Networks without back-propagation ----

std::vector<RidgeUnits> synthesise_flow(
    const std::function<RidgeletFunction(double t)>& velocity, const DualPair& pair,
    const RidgeletGrid& grid, const FlowSynthesis& o, uint64_t seed) {
  check_value(
      o.layers >= 1 && o.width >= 1 && o.duration > 0, "synthesise_flow", o.layers, " layers of ",
      o.width, " units in time ", o.duration);
  const double tau = o.duration / static_cast<double>(o.layers);
  std::vector<RidgeUnits> layers;
  for (int64_t l = 0; l < o.layers; ++l) {
    const RidgeletFunction v = velocity(static_cast<double>(l) * tau);
    const RidgeletSamples samples =
        sample_grid(v, pair.dimension, pair.dimension, o.half_width, o.side);
    Rng rng = Rng(seed).child(static_cast<uint64_t>(l));
    RidgeUnits units = oracle_units(
        ridgelet_transform(samples, pair, grid), o.width,
        static_cast<uint64_t>(rng.integer(INT64_MAX)));
    std::vector<double> step = samples.mass;
    const double volume = std::pow(
        2 * o.half_width / static_cast<double>(o.side), static_cast<double>(pair.dimension));
    for (double& value : step) value *= tau / volume;
    fit_outer(units, samples.x, step);
    layers.push_back(std::move(units));
  }
  return layers;
}

std::vector<double> run_flow(const std::vector<RidgeUnits>& layers, std::vector<double> x) {
  for (const RidgeUnits& layer : layers) {
    const std::vector<double> step = values_of(layer, x);
    check_shape(
        step.size() == x.size(), "run_flow", "a layer gives ", step.size(), " numbers for ",
        x.size());
    for (size_t k = 0; k < x.size(); ++k) x[k] += step[k];
  }
  return x;
}

}  // namespace limpid::interpret
