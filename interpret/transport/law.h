// interpret/transport/law.h: laws with known scores, and the denoiser optimal for each.
//
// Paper 5, Transport Analysis of Infinitely Deep Neural Network (Sonoda and Murata, JMLR 20(2),
// 2019; arXiv 1605.02832). A DAE sees y = x + noise and learns x. Of all maps, the one of least
// squared error is the posterior mean, which by Tweedie's formula follows the score:
//
//     Phi_t(y) = E[x | y] = y + t D grad log p_t(y),      p_t = law * N(0, t D)
//     its Jacobian          I + t D hess log p_t(y)  =  Cov(x | y) (t D)^-1
//
//   symbol     code            shape     meaning
//   t          noise_variance            variance per coordinate, not the standard deviation
//   D          NoiseShape      [m, m]    symmetric positive definite; I unless said otherwise
//   s          shift                     variance added to the law: the law meant is law * N(0, s
//   D).
//                                        s < 0 takes it away, which is possible down to -margin()
//   y          points          [q, m]
//
// Everything is f64. With D = L L' all laws are kept in coordinates L^-1 y, where the noise is
// round, and one eigendecomposition per component serves every shift.
#pragma once

#include "framework/core/rng.h"
#include "framework/tensor/tensor.h"
#include "interpret/numerics/point_clouds.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace limpid::interpret {

/// How far the derivatives of a log density are wanted.
enum class Order : uint8_t { density, score, hessian };

/// log p, its gradient and its second derivatives at q points.
struct LocalDensity {
  Tensor log_density;  // [q]
  Tensor score;        // [q, m]
  Tensor hessian;      // [q, m, m]
};

/// The shape D of the noise.
class NoiseShape {
 public:
  /// D = I.
  NoiseShape() = default;
  /// Throws ShapeError unless D is square, NumericError unless it is positive definite.
  explicit NoiseShape(const Tensor& D);

  bool is_round() const { return !D_.defined(); }
  /// D [m, m].
  Tensor matrix(int64_t m) const;
  /// Rows L^-1 y and L y of points [q, m].
  Tensor whitened(const Tensor& points) const;
  Tensor coloured(const Tensor& points) const;
  /// L^-T g of gradients [q, m] in whitened coordinates.
  Tensor gradient(const Tensor& g) const;
  double log_det() const { return log_det_; }  // of L
  const Tensor& factor() const { return L_; }
  const Tensor& inverse() const { return L_inverse_; }

 private:
  Tensor D_, L_, L_inverse_;  // undefined if round
  double log_det_ = 0;
};

/// A law on R^m whose density has known derivatives, with any noise added.
class Law {
 public:
  virtual ~Law() = default;

  int64_t dimension() const { return dimension_; }
  const NoiseShape& noise() const { return noise_; }
  /// The most variance that can be taken away, exclusively: the law is another one convolved with
  /// N(0, s D) for all s < margin().
  virtual double margin() const = 0;
  /// Where the continuous DAE ends: noise variance t takes away 2 t.
  double blow_up_time() const { return margin() / 2; }
  /// What stands in outputs: "normal law in 2 dimensions".
  virtual std::string name() const = 0;

  /// log p, and what `order` asks for. Throws ShapeError unless points are [q, m], ValueError
  /// unless they are finite and shift > -margin().
  LocalDensity at(const Tensor& points, double shift, Order order) const;
  Tensor log_density(const Tensor& points, double shift = 0) const;  // [q]
  Tensor score(const Tensor& points, double shift = 0) const;        // [q, m]
  /// Of the whole law, by D: the velocity D grad log p [q, m] of the continuous DAE.
  Tensor velocity(const Tensor& points, double shift = 0) const;
  /// div(D grad log p) [q]; the Laplacian of log p if D = I.
  Tensor divergence(const Tensor& points, double shift = 0) const;

  /// Phi_t [q, m] and its Jacobian [q, m, m], of the law with variance `shift` added. Throw
  /// ValueError unless noise_variance is finite and at least 0.
  Tensor dae(const Tensor& points, double noise_variance, double shift = 0) const;
  Tensor dae_jacobian(const Tensor& points, double noise_variance, double shift = 0) const;

  /// n draws [n, m] from the law with variance `shift` added.
  Tensor sample(int64_t n, Rng rng, double shift = 0) const;
  /// Mean [m] and covariance [m, m].
  virtual Tensor mean() const = 0;
  virtual Tensor covariance(double shift = 0) const = 0;

 protected:
  Law(int64_t dimension, NoiseShape noise);

 private:
  // The same in whitened coordinates; arguments are checked.
  virtual LocalDensity at_whitened(const Tensor& points, double shift, Order order) const = 0;
  virtual Tensor sample_whitened(int64_t n, Rng& rng, double shift) const = 0;

  int64_t dimension_;
  NoiseShape noise_;
};

/// sum_k w_k N(m_k, Sigma_k). With shift s the components have covariance Sigma_k + s D; margin()
/// is the smallest eigenvalue of all D^-1 Sigma_k. The noisy posterior is a mixture as well:
///   Phi_t(y) = sum_k g_k(y) [m_k + Sigma_k (Sigma_k + t D)^-1 (y - m_k)],
/// g_k the posterior probability of component k.
class MixtureLaw : public Law {
 public:
  /// weights [K] above 0, scaled to the sum 1, means [K, m], covariances [K, m, m]. Throws
  /// ShapeError if they do not fit, ValueError for weights or values out of range, NumericError
  /// unless the covariances are positive definite.
  MixtureLaw(
      const Tensor& weights, const Tensor& means, const Tensor& covariances, NoiseShape noise = {});

  double margin() const override { return margin_; }
  std::string name() const override;
  Tensor mean() const override;
  Tensor covariance(double shift = 0) const override;

  int64_t components() const { return weights_.numel(); }
  const Tensor& weights() const { return weights_; }
  const Tensor& means() const { return means_; }
  const Tensor& covariances() const { return covariances_; }
  /// Component k in whitened coordinates L^-1 y: N(centre, V diag(variances) V').
  struct Whitened {
    Tensor centre, V, variances;  // [m], [m, m], [m] ascending
  };
  Whitened whitened(int64_t k) const;

 private:
  LocalDensity at_whitened(const Tensor& points, double shift, Order order) const override;
  Tensor sample_whitened(int64_t n, Rng& rng, double shift) const override;

  Tensor weights_, means_, covariances_;
  // In whitened coordinates, where Sigma_k = V diag(values) V'
  Tensor centres_;              // [K, m]
  std::vector<Tensor> axes_;    // V [m, m]
  std::vector<Tensor> values_;  // [m], ascending
  double margin_ = 0;
};

/// N(mean, covariance): a mixture of one.
MixtureLaw normal_law(const Tensor& mean, const Tensor& covariance, NoiseShape noise = {});
/// The normal law with mean and covariance (divided by n) of points [n, m].
MixtureLaw fitted_normal(const Tensor& points, NoiseShape noise = {});

/// Points x_1 ... x_n, each spread as N(x_i, h D): a kernel density, and for h = 0 the points
/// themselves, which have no density until noise is added. With p_i(y) the softmax over i of
/// log w_i - |y - x_i|^2 / 2 (h + t), w_i the weight of x_i,
///   Phi_t(y) = (1 - a) y + a sum_i p_i(y) x_i,   a = t / (h + t):
/// a DAE that fits its training points perfectly is a softmax over them.
class KernelLaw : public Law {
 public:
  /// points [n, m], n >= 1; bandwidth h >= 0 is a variance; weights [n] above 0, scaled to the sum
  /// 1, or undefined: all equal. Throws ShapeError or ValueError.
  KernelLaw(
      const Tensor& points, double bandwidth, NoiseShape noise = {}, const Tensor& weights = {});

  double margin() const override { return bandwidth_; }
  std::string name() const override;
  Tensor mean() const override;
  Tensor covariance(double shift = 0) const override;

  const Tensor& points() const { return points_; }
  double bandwidth() const { return bandwidth_; }
  /// at() of the points themselves, where each is left out of its own law: no point copies itself.
  /// Throws ValueError for fewer than two points, weights, and noise that is not round.
  LocalDensity at_own_points(double shift, Order order) const;

 private:
  LocalDensity at_whitened(const Tensor& points, double shift, Order order) const override;
  Tensor sample_whitened(int64_t n, Rng& rng, double shift) const override;
  LocalDensity evaluate(const Tensor& points, double shift, Order order, bool leaves_own_out) const;

  Tensor points_;
  Tensor whitened_;    // [n, m]
  Tensor weights_;     // [n], or undefined
  Tensor cumulative_;  // [n]: w_1 + ... + w_i, or undefined
  double bandwidth_;
};

struct BandwidthOptions {
  int64_t steps = 25;  // of a logarithmic grid
  double low = 1e-3;   // its ends, in units of Silverman's rule for the same points
  double high = 10;
  int64_t max_points = 1000;  // random ones of more
};

struct Bandwidth {
  double value = 0;                 // h
  double log_likelihood = 0;        // mean over points
  bool is_at_end = false;           // the best of the grid is its first or last: no optimum inside
  std::vector<double> grid, score;  // what was compared
};

/// The h whose kernel density gives the points the greatest likelihood, each under the density of
/// the others (leave-one-out). Silverman's rule h = v (4 / ((m + 2) n))^(2 / (m + 4)), v the mean
/// variance, only sets the scale of the grid. Throws ValueError for fewer than three points and if
/// all are equal.
Bandwidth choose_bandwidth(
    const Tensor& points, const NoiseShape& noise = {}, const BandwidthOptions& options = {});

/// Shannon entropy H = -E log p in nats and Fisher information I = E score' D score of the law with
/// variance `shift` added.
struct Functionals {
  double entropy = 0;
  double fisher = 0;
};
/// By the trapezoidal rule, whose error falls exponentially for smooth densities, over 10 standard
/// deviations beyond every component, in up to two dimensions. Throws ValueError beyond those.
Functionals functionals(const MixtureLaw& law, double shift = 0, int64_t nodes = 0);

/// A law as weighted points: the nodes of the trapezoidal rule in one or two dimensions, with their
/// masses. Sums over them are integrals over the law, up to an error that falls exponentially with
/// the width of what is integrated over the spacing.
struct Nodes {
  Tensor points;   // [n, m]
  Tensor weights;  // [n], sum 1; nodes of relative mass below 1e-20 are left out
};
/// Nodes at most `spacing` apart, in each direction of the axes, but no more than fit `most`.
/// Throws ValueError for more than two dimensions.
Nodes quadrature_nodes(const MixtureLaw& law, double spacing, int64_t most = 8000);

/// tr Cov / m: the mean variance of a coordinate.
double mean_variance(const Tensor& points);

}  // namespace limpid::interpret
