// interpret/transport/flow.h: where layers of denoising autoencoders carry points.
//
// Four maps spend the same noise variance t and differ:
//
//   shallow      x + t D grad log p_t(x), once                                     shallow_flow()
//   composition  x_{l+1} = x_l + tau_l D grad log (mu_l * N(0, tau_l D))(x_l),
//                layer l fitted to mu_l, where the layers before carried the law   composed_flow()
//   stacked      in feature spaces; decoded it is a composition                    denoiser.h
//   continuous   x' = D grad log mu_t(x), max tau_l -> 0 continuous_flow()
//
// The last one sharpens the law: d mu_t / dt = -div(D grad mu_t), the heat equation backwards, so
// mu_t is the law with variance 2 t D taken away, and it ends at t* = margin / 2. Its entropy H
// falls by as much as is spent on motion:
//
//     H(mu_0) - H(mu_T) = int_0^T E |x'|^2 dt,    |v|^2 = v' D^-1 v
//
//   symbol   code            shape           meaning
//   x_l      path            [n, L + 1, m]   where each point is after layer l; l = 0: at the start
//   t_l      time            [L + 1]         noise variance spent so far
//            energy          [L + 1]         sum of E |x_{l+1} - x_l|^2 / tau_l, or the integral
//            length          [L + 1]         sum of sqrt(E |x_{l+1} - x_l|^2), or the integral
//            entropy_change  [L + 1]         H(mu_l) - H(mu_0) = E log |det d x_l / d x_0|
//
// E is the mean over the n points that were given.
#pragma once

#include "interpret/numerics/ode.h"
#include "interpret/transport/law.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace limpid::interpret {

struct Flow {
  Tensor path = {};
  std::vector<double> time = {}, energy = {}, length = {}, entropy_change = {};
  /// continuous_flow(): log mu_t of the points [n, L + 1], if asked for.
  Tensor log_density = {};
  bool is_clamped = false;  // the last time was too close to t* and was moved before it
  int64_t evaluations = 0;  // of the velocity of all points

  int64_t points() const { return path.size(0); }
  int64_t layers() const { return path.size(1) - 1; }
  /// x_l [n, m]; layer counts from the end if negative. Throws ValueError.
  Tensor at(int64_t layer) const;
};

/// One layer at the points where it acts: where they go and log |det| of its Jacobian there.
struct LayerStep {
  Tensor points;   // [n, m]
  Tensor log_det;  // [n]
};
/// Layer l, which spends tau, on points [n, m].
using Layer = std::function<LayerStep(int64_t l, const Tensor& points, double tau)>;

/// t / n, n times. Throws ValueError unless t is finite and above 0, n >= 1.
std::vector<double> equal_steps(double t, int64_t n);

/// Any layers one after the other. Throws ValueError unless there are taus, all finite and above 0.
Flow composed_flow(
    const Tensor& points, std::span<const double> taus, const Layer& layer,
    const NoiseShape& noise = {});

/// The exact DAE of a law as a layer step: Phi_tau and log det Cov(x | y) (tau D)^-1.
LayerStep exact_step(const Law& law, const Tensor& points, double tau);

/// One exact layer.
Flow shallow_flow(const Law& law, const Tensor& points, double t);

/// The law N(m, A S A'), A = S (S + t D)^-1, that the exact DAE makes of N(m, S). Throws ValueError
/// unless the law has one component.
MixtureLaw pushed_by_dae(const MixtureLaw& normal, double t);

/// Exact layers, each fitted to where the ones before carried a normal law, in closed form: along
/// each eigenvector of D^-1 S coordinates shrink by v / (v + tau) and v becomes v^3 / (v + tau)^2.
/// It goes on beyond t*, where variances underflow and entropy_change is -infinity.
Flow compose_normal(const MixtureLaw& normal, const Tensor& points, std::span<const double> taus);

/// How particles stand for a law that has no closed form.
struct ParticleOptions {
  Tensor weights = {};            // [particles]; undefined: all equal
  double bandwidth = 0;           // variance h of the kernels around the particles
  bool refits_bandwidth = false;  // by likelihood at every layer, see choose_bandwidth()
};
/// The first layer is exact for `law`, each later one for the kernel density of particles, which
/// start at `particles` and move along. With h = 0 nothing is smoothed beyond the noise tau of the
/// layer itself, so that many thin layers amplify what is random in the particles, as the heat
/// equation does backwards.
Flow compose_particles(
    const Law& law, const Tensor& particles, const Tensor& points, std::span<const double> taus,
    const ParticleOptions& options = {});

/// Exact layers of a mixture in up to two dimensions: the law is carried along as quadrature nodes,
/// without randomness. `spacing` of the nodes in units of sqrt(min tau). For small t the layers
/// approach the continuous flow with order 1. For larger t, still below t*, thin layers amplify
/// between the components what earlier ones left out, as the heat equation does backwards: for
/// 0.3 N(-2, 1) + 0.7 N(1, 1.44) and t = 0.3 it is closest at 20 layers, whatever the spacing.
/// Throws ValueError beyond two dimensions, unless there is one layer or one component.
Flow compose_mixture(
    const MixtureLaw& law, const Tensor& points, std::span<const double> taus,
    double spacing = 0.75);

enum class FlowVariable : uint8_t {
  time,
  /// l = ln(margin - 2 t), dx / dl = -(margin - 2 t) / 2 v, which stays moderate where v explodes.
  log_margin,
  automatic,  // log_margin for more than nine tenths of t*
};

struct ContinuousOptions {
  OdeOptions ode = {};
  FlowVariable variable = FlowVariable::automatic;
  /// The flow stops where this share of the margin is left.
  double least_margin = 1e-6;
  bool tracks_density = false;  // integrates d log mu_t(x_t) / dt = -div v along with the points
};

/// The continuous DAE to time T, at `layers` equal intervals. Throws ValueError for T >= t*, naming
/// both.
Flow continuous_flow(
    const Law& law, const Tensor& points, double T, int64_t layers,
    const ContinuousOptions& options = {});

/// The same for particles alone: each follows the score of the kernel density, bandwidth h, of
/// where all of them are. It sharpens the smoothed law and never blows up: points meet at last.
/// entropy_change is left out (NaN).
Flow particle_flow(
    const Tensor& points, double T, int64_t layers, double bandwidth, const OdeOptions& ode = {});

// ---- Closed forms of normal laws, D = I ----

/// Variance after layers tau_l from variance s: s <- s^3 / (s + tau)^2 each.
double composed_variance(double s, std::span<const double> taus);

/// The continuous DAE from N(m, diag(variances)) to time T: kinetic energy, path length and W2 from
/// start to end. length >= w2, equal if all variances are.
struct NormalPath {
  double energy = 0;  // 1/2 sum ln(v / (v - 2 T)), also the entropy lost
  double length = 0;  // int sqrt(sum 1 / (v - 2 u)) du
  double w2 = 0;      // sqrt(sum (sqrt v - sqrt(v - 2 T))^2)
};
/// Throws ValueError for T >= t*.
NormalPath normal_path(std::span<const double> variances, double T);

// ---- How far clouds are apart ----

/// mean_i |x_i - y_i|^2, in the metric of D^-1 if the noise has a shape.
double paired_cost(const Tensor& x, const Tensor& y, const NoiseShape& noise = {});
/// The same for the best pairing, so its root is W2 of the two clouds. O(n^3).
double optimal_cost(const Tensor& x, const Tensor& y, const NoiseShape& noise = {});

}  // namespace limpid::interpret
