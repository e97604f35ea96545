// interpret/transport/ridgelet_units.h: finite networks beside the spectrum that they sample.
//
//     g(x) = sum_j c_j eta(a_j.x - b_j) + d
//
// is a quadrature of the dual (ridgelet.h). So units may be drawn instead of trained (oracle
// sampling: density |T(a, b)| / Z, Z = int int |T|), with outer weights
//     c_j = sign T(a_j, b_j) Z / (K N)        Monte Carlo: no training, no fit
// or by least squares; and units that were trained may be laid over the spectrum.
//
// For relu the units (a, b, c) and (s a, s b, c / s), s > 0, are one and the same. A spectrum tells
// them apart, training does not: compare places b / |a| as well, where they agree.
//
//   symbol    code     shape
//   N                            units
//   a_j       a        [N, m]
//   b_j       b        [N]
//   c_j       c        [N, p]
//   d         bias     [p]
#pragma once

#include "framework/nn/module.h"
#include "interpret/transport/ridgelet.h"

namespace limpid::interpret {

struct RidgeUnits {
  RidgeUnit unit = RidgeUnit::relu;
  int64_t dimension = 1;
  int64_t outputs = 1;
  std::vector<double> a, b, c;
  std::vector<double> bias;

  int64_t size() const { return static_cast<int64_t>(b.size()); }
};

/// g at x [q, m]: [q, p]. Throws ShapeError if numbers do not fit.
std::vector<double> values_of(const RidgeUnits& units, std::span<const double> x);

/// `count` units with density |T| over the cells of the spectrum, uniform within a cell, drawn by
/// rejection, and their Monte Carlo weights. Throws ValueError for no units and for T = 0.
RidgeUnits oracle_units(const RidgeletSpectrum& spectrum, int64_t count, uint64_t seed);

/// Where random units lie, to compare with.
///   box     (a, b) uniform with |a| <= A, |b| <= B: no knowledge of the data
///   placed  a uniform with |a| <= A, b = a.x at a uniform place x of [-L, L]^m: every unit bends
///           within the data
///   layer   a and b uniform within 1 / sqrt(m), as a layer of a network starts
enum class RandomUnits : uint8_t { box, placed, layer };
const char* name_of(RandomUnits kind);
/// Units without outer weights.
RidgeUnits random_units(
    const RidgeletSpectrum& spectrum, RandomUnits kind, double half_width, int64_t count,
    uint64_t seed);

/// c and d of least squares at x [n, m] for y [n, p]; the shortest of all that are equally good.
void fit_outer(RidgeUnits& units, std::span<const double> x, std::span<const double> y);

/// The transform for any m: `candidates` places with |a| <= A and |b| <= B, uniform, and
/// c_j = T(a_j, b_j) V / (K N) with V the volume of all places. The error of the dual falls like
/// 1 / sqrt(N), with a factor that grows with V.
RidgeUnits monte_carlo_units(
    const RidgeletSamples& samples, const DualPair& pair, double frequency, double offset,
    int64_t candidates, uint64_t seed);
/// `count` of the units, drawn by |c| with rejection: oracle sampling where no grid is possible.
RidgeUnits oracle_units(const RidgeUnits& candidates, int64_t count, uint64_t seed);

// ---- Networks that were trained ----

/// The one hidden layer of a network: Linear, ReLU or Tanh, Linear, perhaps after Flatten.
/// Throws ValueError naming the layers of a network of another form.
RidgeUnits units_of(Module& model);

/// A network of u = (x - mean) / deviation as the same network of x.
RidgeUnits moved_units(
    const RidgeUnits& units, std::span<const double> mean, std::span<const double> deviation);
/// Output `index` alone. Throws ValueError unless it is there.
RidgeUnits one_output(const RidgeUnits& units, int64_t index);
/// Along the line x = s v through 0: one input s. `v` [m] has length 1.
RidgeUnits slice_along(const RidgeUnits& units, std::span<const double> v);
/// The unit vector v [m] with the largest sum_j (a_j.v)^2.
std::vector<double> principal_direction(const RidgeUnits& units);

struct UnitAgreement {
  double spearman = 0;  // over bins of (r, b): sum |c_j| against int |T|
  double places = 0;    // over bins of (sign r, b / |r|): sum |a_j c_j| against int |a T|
  int64_t bins = 0, occupied = 0;  // of (r, b): compared, and with a unit in them
  int64_t place_bins = 0;
  int64_t units = 0, outside = 0;  // of the units, those beyond |a| <= A or bent outside
};
/// Bins of equal size, `side` along r in [-A, A] and along b in [-A L, A L] for L = reach; those
/// are compared where a unit bends within |x| <= L. r < 0 where a lies in the lower half plane. A
/// is `frequency`, that of the spectrum if it is 0: units of a network that was trained lie near 0.
/// Throws ShapeError unless both have the same inputs, ValueError unless side >= 2.
UnitAgreement compare_units(
    const RidgeletSpectrum& spectrum, const RidgeUnits& units, double reach, int64_t side = 16,
    double frequency = 0);
/// r and b of unit j, as compare_units() places it.
struct UnitPlace {
  double r = 0, b = 0;
};
UnitPlace place_of(const RidgeUnits& units, int64_t j);

// ---- Networks without back-propagation ----

/// x' = v_t(x) as a residual network: layer l adds tau v_(l tau)(x), tau = T / layers, as `width`
/// oracle units with least squares for c (the double continuum of depth and width, made finite).
/// `velocity(t)` must vanish outside of [-half_width, half_width]^m.
struct FlowSynthesis {
  double duration = 1;
  int64_t layers = 1, width = 100;
  double half_width = 1;
  int64_t side = 200;
};
std::vector<RidgeUnits> synthesise_flow(
    const std::function<RidgeletFunction(double t)>& velocity, const DualPair& pair,
    const RidgeletGrid& grid, const FlowSynthesis& o, uint64_t seed);
/// x [q, m] after all layers x + g_l(x).
std::vector<double> run_flow(const std::vector<RidgeUnits>& layers, std::vector<double> x);

}  // namespace limpid::interpret
