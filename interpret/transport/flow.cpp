// interpret/transport/flow.cpp: layers and their limit.
#include "interpret/transport/flow.h"

#include "framework/core/error.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/statistics.h"
#include "interpret/numerics/transport.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace limpid::interpret {
namespace {

void check_taus(const char* op, std::span<const double> taus) {
  check_value(!taus.empty(), op, "needs at least one layer");
  for (const double tau : taus) {
    check_value(
        tau > 0 && std::isfinite(tau), op, "a layer's noise variance is finite and above 0, got ",
        tau);
  }
}

// [n, L + 1, m] of L + 1 clouds [n, m]
Tensor path_of(const std::vector<Tensor>& clouds) { return stack(clouds, 1); }

Tensor points_of(std::span<const double> state, int64_t n, int64_t m) {
  return Tensor::of({n, m}, state.first(static_cast<size_t>(n * m)), DType::f64);
}

// log det of each Jacobian [m, m], which is similar to a positive semi-definite matrix
Tensor log_dets(const Tensor& jacobians, const NoiseShape& noise) {
  const int64_t n = jacobians.size(0), m = jacobians.size(1);
  Tensor result = Tensor::empty({n}, DType::f64);
  for (int64_t i = 0; i < n; ++i) {
    Tensor J = reshape(slice(jacobians, 0, i, i + 1), {m, m});
    // L^-1 J L is symmetric
    if (!noise.is_round()) J = matmul(noise.inverse(), matmul(J, noise.factor()));
    double sum = 0;
    if (m == 1) {
      sum = std::log(std::abs(J.item()));
    } else {
      for (const double v : eigen_symmetric(J).values.to_vector()) sum += std::log(std::abs(v));
    }
    result.mutable_data<double>()[i] = sum;
  }
  return result;
}

}  // namespace

Tensor Flow::at(int64_t layer) const {
  const int64_t l = layer < 0 ? layer + layers() + 1 : layer;
  check_value(l >= 0 && l <= layers(), "flow", "no layer ", layer, " among ", layers());
  return reshape(slice(path, 1, l, l + 1), {path.size(0), path.size(2)});
}

std::vector<double> equal_steps(double t, int64_t n) {
  check_value(
      n >= 1 && t > 0 && std::isfinite(t), "equal_steps", "needs t > 0 and n >= 1, got ", t,
      " and ", n);
  return std::vector<double>(static_cast<size_t>(n), t / static_cast<double>(n));
}

Flow composed_flow(
    const Tensor& points, std::span<const double> taus, const Layer& layer,
    const NoiseShape& noise) {
  check_points("composed_flow", points);
  check_taus("composed_flow", taus);
  Flow flow = {.time = {0}, .energy = {0}, .length = {0}, .entropy_change = {0}};
  std::vector<Tensor> clouds = {points};
  for (size_t l = 0; l < taus.size(); ++l) {
    const LayerStep step = layer(static_cast<int64_t>(l), clouds.back(), taus[l]);
    const double square = paired_cost(clouds.back(), step.points, noise);
    flow.time.push_back(flow.time.back() + taus[l]);
    flow.energy.push_back(flow.energy.back() + square / taus[l]);
    flow.length.push_back(flow.length.back() + std::sqrt(square));
    flow.entropy_change.push_back(
        flow.entropy_change.back() + mean_of(step.log_det.values<double>()));
    clouds.push_back(step.points);
  }
  flow.path = path_of(clouds);
  flow.evaluations = std::ssize(taus);
  return flow;
}

LayerStep exact_step(const Law& law, const Tensor& points, double tau) {
  return {law.dae(points, tau), log_dets(law.dae_jacobian(points, tau), law.noise())};
}

Flow shallow_flow(const Law& law, const Tensor& points, double t) {
  const double taus[] = {t};
  return composed_flow(
      points, taus, [&](int64_t, const Tensor& x, double tau) { return exact_step(law, x, tau); },
      law.noise());
}

MixtureLaw pushed_by_dae(const MixtureLaw& normal, double t) {
  check_value(
      normal.components() == 1, "pushed_by_dae", "a mixture of ", normal.components(),
      " has no push-forward in closed form");
  const int64_t m = normal.dimension();
  const Tensor A = reshape(normal.dae_jacobian(normal.means(), t), {m, m});
  const Tensor S = matmul(matmul(A, normal.covariance()), A, {.transpose_b = true});
  Tensor symmetric = S.clone();
  double* out = symmetric.mutable_data<double>();
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < i; ++j) out[i * m + j] = out[j * m + i];
  }
  return normal_law(normal.mean(), symmetric, normal.noise());
}

Flow compose_normal(const MixtureLaw& normal, const Tensor& points, std::span<const double> taus) {
  check_value(
      normal.components() == 1, "compose_normal", "a mixture of ", normal.components(),
      " is carried by compose_mixture()");
  const MixtureLaw::Whitened law = normal.whitened(0);
  const int64_t m = normal.dimension();
  std::vector<double> variances = law.variances.to_vector();
  return composed_flow(
      points, taus,
      [&](int64_t, const Tensor& x, double tau) {
        const int64_t n = x.size(0);
        Tensor centred = normal.noise().whitened(x).clone();
        double* c = centred.mutable_data<double>();
        for (int64_t i = 0; i < n * m; ++i) c[i] -= law.centre.data<double>()[i % m];
        Tensor along = matmul(centred, law.V);
        double* a = along.mutable_data<double>();
        double log_det = 0;
        for (int64_t j = 0; j < m; ++j) {
          double& v = variances[static_cast<size_t>(j)];
          const double factor = v / (v + tau);
          for (int64_t i = 0; i < n; ++i) a[i * m + j] *= factor;
          log_det += std::log(factor);
          v *= factor * factor;
        }
        Tensor back = matmul(along, law.V, {.transpose_b = true});
        double* b = back.mutable_data<double>();
        for (int64_t i = 0; i < n * m; ++i) b[i] += law.centre.data<double>()[i % m];
        return LayerStep{normal.noise().coloured(back), Tensor::full({n}, log_det, DType::f64)};
      },
      normal.noise());
}

Flow compose_particles(
    const Law& law, const Tensor& particles, const Tensor& points, std::span<const double> taus,
    const ParticleOptions& options) {
  check_points("compose_particles", particles);
  Tensor moved = particles;
  return composed_flow(
      points, taus,
      [&](int64_t l, const Tensor& x, double tau) {
        if (l == 0) {
          moved = law.dae(moved, tau);
          return exact_step(law, x, tau);
        }
        double h = options.bandwidth;
        if (options.refits_bandwidth) {
          // Particles that have met have no width left to fit
          h = mean_variance(moved) > 0 ? choose_bandwidth(moved, law.noise()).value : 0;
        }
        const KernelLaw fitted(moved, h, law.noise(), options.weights);
        const LayerStep step = exact_step(fitted, x, tau);
        if (l + 1 < std::ssize(taus)) moved = fitted.dae(moved, tau);
        return step;
      },
      law.noise());
}

Flow compose_mixture(
    const MixtureLaw& law, const Tensor& points, std::span<const double> taus, double spacing) {
  check_taus("compose_mixture", taus);
  if (law.components() == 1) return compose_normal(law, points, taus);
  if (taus.size() == 1) return shallow_flow(law, points, taus[0]);
  const double least = *std::ranges::min_element(taus);
  const Nodes nodes = quadrature_nodes(law, spacing * std::sqrt(least));
  return compose_particles(law, nodes.points, points, taus, {.weights = nodes.weights});
}

namespace {

// State of the continuous flow: n m coordinates, then energy and length, then n log densities.
// It runs in t, or in l = ln(margin - 2 t).
class ContinuousField {
 public:
  ContinuousField(const Law& law, int64_t n, bool is_log, bool tracks_density)
      : law_(law), n_(n), m_(law.dimension()), is_log_(is_log), tracks_density_(tracks_density) {}

  double variable_at(double t) const { return is_log_ ? std::log(law_.margin() - 2 * t) : t; }

  void operator()(double at, std::span<const double> state, std::span<double> change) const {
    const double left = is_log_ ? std::exp(at) : law_.margin() - 2 * at;
    const double rate = is_log_ ? -left / 2 : 1;  // dt / d(variable)
    const double shift = left - law_.margin();
    const Tensor x = points_of(state, n_, m_);
    const Tensor score = law_.score(x, shift);
    const NoiseShape& noise = law_.noise();
    const Tensor v = noise.is_round() ? score : matmul(score, noise.matrix(m_));
    double power = 0;  // E v' D^-1 v
    const int64_t coordinates = n_ * m_;
    for (int64_t i = 0; i < coordinates; ++i) {
      change[static_cast<size_t>(i)] = rate * v.data<double>()[i];
      power += score.data<double>()[i] * v.data<double>()[i] / static_cast<double>(n_);
    }
    change[static_cast<size_t>(coordinates)] = rate * power;
    change[static_cast<size_t>(coordinates) + 1] = rate * std::sqrt(power);
    if (!tracks_density_) return;
    const Tensor divergence = law_.divergence(x, shift);
    for (int64_t i = 0; i < n_; ++i) {
      change[static_cast<size_t>(coordinates + 2 + i)] = -rate * divergence.data<double>()[i];
    }
  }

 private:
  const Law& law_;
  int64_t n_, m_;
  bool is_log_, tracks_density_;
};

std::vector<double> start_state(const Tensor& points, const Tensor& log_density) {
  std::vector<double> state = points.to_vector();
  state.insert(state.end(), {0.0, 0.0});
  if (log_density.defined()) {
    const auto values = log_density.values<double>();
    state.insert(state.end(), values.begin(), values.end());
  }
  return state;
}

Flow flow_of(const OdeResult& solved, const std::vector<double>& time, int64_t n, int64_t m) {
  Flow flow = {.time = time, .evaluations = solved.evaluations};
  std::vector<Tensor> clouds;
  for (const std::vector<double>& state : solved.states) {
    clouds.push_back(points_of(state, n, m));
    flow.energy.push_back(state[static_cast<size_t>(n * m)]);
    flow.length.push_back(state[static_cast<size_t>(n * m) + 1]);
  }
  flow.path = path_of(clouds);
  return flow;
}

std::vector<double> equal_times(double T, int64_t layers) {
  std::vector<double> time;
  for (int64_t l = 0; l <= layers; ++l) {
    time.push_back(T * static_cast<double>(l) / static_cast<double>(layers));
  }
  return time;
}

}  // namespace

Flow continuous_flow(
    const Law& law, const Tensor& points, double T, int64_t layers,
    const ContinuousOptions& options) {
  check_points("continuous_flow", points);
  check_value(
      layers >= 1 && T >= 0 && std::isfinite(T), "continuous_flow",
      "needs a time of at least 0 and an interval, got ", T, " and ", layers);
  check_value(
      T < law.blow_up_time(), "continuous_flow", "the noise variance t = ", T,
      " reaches t* = ", law.blow_up_time(), ", half the smallest variance of the ", law.name(),
      ", where the flow ends; choose t < t*");
  const double last = (1 - options.least_margin) * law.blow_up_time();
  Flow flow;
  const bool is_clamped = T > last;
  const std::vector<double> time = equal_times(is_clamped ? last : T, layers);
  const bool is_log = options.variable == FlowVariable::log_margin ||
                      (options.variable == FlowVariable::automatic && T > 0.9 * law.blow_up_time());
  const int64_t n = points.size(0), m = law.dimension();
  const ContinuousField field(law, n, is_log, options.tracks_density);
  std::vector<double> variables;
  for (const double t : time) variables.push_back(field.variable_at(t));
  const Tensor log_density = law.log_density(points);
  const OdeResult solved = solve_ode(
      std::cref(field), start_state(points, options.tracks_density ? log_density : Tensor()),
      variables, options.ode);
  flow = flow_of(solved, time, n, m);
  flow.is_clamped = is_clamped;

  // -log mu_t of a point estimates the entropy at t
  const double start = mean_of(log_density.values<double>());
  for (int64_t l = 0; l <= layers; ++l) {
    const Tensor now = law.log_density(flow.at(l), -2 * time[static_cast<size_t>(l)]);
    flow.entropy_change.push_back(start - mean_of(now.values<double>()));
  }
  if (options.tracks_density) {
    std::vector<Tensor> columns;
    for (const std::vector<double>& state : solved.states) {
      columns.push_back(
          Tensor::of({n}, std::span(state).subspan(static_cast<size_t>(n * m) + 2), DType::f64));
    }
    flow.log_density = stack(columns, 1);
  }
  return flow;
}

Flow particle_flow(
    const Tensor& points, double T, int64_t layers, double bandwidth, const OdeOptions& ode) {
  check_points("particle_flow", points);
  check_value(
      layers >= 1 && T >= 0 && std::isfinite(T), "particle_flow",
      "needs a time of at least 0 and an interval, got ", T, " and ", layers);
  check_value(
      bandwidth > 0 && std::isfinite(bandwidth), "particle_flow", "needs a bandwidth above 0, got ",
      bandwidth);
  const int64_t n = points.size(0), m = points.size(1);
  const OdeField field = [&](double, std::span<const double> state, std::span<double> change) {
    const Tensor x = points_of(state, n, m);
    const Tensor v = KernelLaw(x, bandwidth).score(x);
    double power = 0;
    for (int64_t i = 0; i < n * m; ++i) {
      const double vi = v.data<double>()[i];
      change[static_cast<size_t>(i)] = vi;
      power += vi * vi / static_cast<double>(n);
    }
    change[static_cast<size_t>(n * m)] = power;
    change[static_cast<size_t>(n * m) + 1] = std::sqrt(power);
  };
  const std::vector<double> time = equal_times(T, layers);
  Flow flow = flow_of(solve_ode(field, start_state(points, Tensor()), time, ode), time, n, m);
  flow.entropy_change.assign(time.size(), std::numeric_limits<double>::quiet_NaN());
  return flow;
}

double composed_variance(double s, std::span<const double> taus) {
  for (const double tau : taus) s = s * (s / (s + tau)) * (s / (s + tau));
  return s;
}

NormalPath normal_path(std::span<const double> variances, double T) {
  check_value(!variances.empty() && T >= 0, "normal_path", "needs variances and a time");
  NormalPath path;
  double square = 0;
  for (const double v : variances) {
    check_value(2 * T < v, "normal_path", "t = ", T, " reaches t* = ", v / 2);
    path.energy += std::log(v / (v - 2 * T)) / 2;
    square += std::pow(std::sqrt(v) - std::sqrt(v - 2 * T), 2);
  }
  path.w2 = std::sqrt(square);
  const OdeField speed = [&](double u, std::span<const double>, std::span<double> change) {
    double sum = 0;
    for (const double v : variances) sum += 1 / (v - 2 * u);
    change[0] = std::sqrt(sum);
  };
  const double start[] = {0}, times[] = {0, T};
  path.length =
      solve_ode(speed, start, times, {.relative = 1e-12, .absolute = 1e-14}).states.back()[0];
  return path;
}

double paired_cost(const Tensor& x, const Tensor& y, const NoiseShape& noise) {
  check_shape(
      x.shape() == y.shape() && x.rank() == 2, "paired_cost", "needs two clouds [n, m], got ",
      x.shape(), " and ", y.shape());
  const Tensor a = noise.whitened(x), b = noise.whitened(y);
  double sum = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double d = a.data<double>()[i] - b.data<double>()[i];
    sum += d * d;
  }
  return sum / static_cast<double>(x.size(0));
}

double optimal_cost(const Tensor& x, const Tensor& y, const NoiseShape& noise) {
  check_shape(
      x.shape() == y.shape() && x.rank() == 2, "optimal_cost", "needs two clouds [n, m], got ",
      x.shape(), " and ", y.shape());
  return wasserstein2_exact(noise.whitened(x), noise.whitened(y)).squared;
}

}  // namespace limpid::interpret
