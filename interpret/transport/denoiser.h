// interpret/transport/denoiser.h: denoising autoencoders that learn, against exact maps.
//
//     g(y) = M y + b + C sigma(A y + a)        least mean |g(x + e) - x|^2,  e ~ N(0, t D) fresh
//
//   symbol   code     shape     meaning
//   A, a     A, a     [w, m]    encoder E(y) = sigma(A y + a), w hidden units
//   C, b     C, b     [m, w]    decoder D(z) = C z + b
//   M        M        [m, m]    I: the network learns a displacement, the score times t;
//                               0: an autoencoder whose code can be stacked
//
// The minimum over all maps is Phi_t (law.h), with loss  tr(t D) - t^2 E |D score|^2. So a trained
// one holds the score of the noisy law: D grad log p_t(y) = (g(y) - y) / t.
#pragma once

#include "interpret/transport/flow.h"
#include "interpret/transport/law.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace limpid::interpret {

/// g(y) = M y + b + C sigma(A y + a).
class Denoiser {
 public:
  /// Shapes as above, all f64; A, a and C undefined for an affine map without hidden units. Throws
  /// ShapeError if they do not fit.
  Denoiser(Tensor M, Tensor b, Tensor A, Tensor a, Tensor C);

  int64_t dimension() const { return b_.numel(); }
  int64_t width() const { return A_.defined() ? A_.size(0) : 0; }
  /// g of points [n, m].
  Tensor operator()(const Tensor& points) const;
  /// The Jacobian [n, m, m]: M + C diag(sigma') A.
  Tensor jacobian(const Tensor& points) const;
  /// E [n, w] and D [n, m].
  Tensor encode(const Tensor& points) const;
  Tensor decode(const Tensor& codes) const;
  const Tensor& decoder() const { return C_; }
  const Tensor& linear_part() const { return M_; }

 private:
  Tensor M_, b_, A_, a_, C_;
};

struct DenoiserOptions {
  int64_t width = 64;
  int64_t steps = 4000;  // of Adam, each on a batch of its own with noise of its own
  int64_t batch = 256;
  double learning_rate = 1e-2;  // falls to 0 along a cosine
  bool is_residual = true;      // M = I, else 0
  DType dtype = DType::f32;     // of the network while it learns
  uint64_t seed = 0;
  /// F [m, k]: the noise is F N(0, t I), of covariance t F F'; undefined: t I.
  Tensor noise_factor = {};
  /// Called every 100 steps; training stops where it is if this returns false.
  std::function<bool(int64_t step, int64_t steps)> progress = {};
};

/// Trains one hidden layer of tanh units; coordinates are centred and scaled by one number inside.
/// Throws ValueError for points that are not finite, t <= 0 and options out of range.
Denoiser train_denoiser(const Tensor& points, double t, const DenoiserOptions& options = {});

/// The affine map of least squares from one noisy copy of the points to the points. Throws
/// ValueError unless there are more than m points.
Denoiser fit_linear_denoiser(const Tensor& points, double t, uint64_t seed);

/// A denoiser against the exact map of the law it should have learned, at fresh noisy draws.
struct DenoiserQuality {
  double loss = 0;          // E |g(y) - x|^2
  double floor = 0;         // E |Phi(y) - x|^2 of the same draws: no map does better in the mean
  double least_loss = 0;    // tr(t D) - t^2 E |D score|^2, the same by formula
  double error = 0;         // E |g(y) - Phi(y)|^2
  double displacement = 0;  // E |Phi(y) - y|^2
  double relative_error() const { return error / displacement; }
  /// Mean of |J - J'| / |J| (Frobenius) and the smallest eigenvalue of (J + J') / 2 anywhere: 0 and
  /// at least 0 for a map that follows a score, D = I.
  double asymmetry = 0;
  double smallest_eigenvalue = 0;
};
DenoiserQuality measure_denoiser(
    const Denoiser& denoiser, const Law& law, double t, int64_t draws, uint64_t seed);

/// The trained map as one layer of a flow.
LayerStep trained_step(const Denoiser& denoiser, const Tensor& points);

/// Layers that are trained one after the other, each on where the ones before carried the points;
/// layer l takes the seed seed + l. They act on clean points.
struct TrainedComposition {
  std::vector<Denoiser> layers;
  Flow flow;
};
TrainedComposition train_composition(
    const Tensor& points, std::span<const double> taus, const DenoiserOptions& options = {});

/// Stacked denoising autoencoders and the composition they should equal once decoded. Layer l is
/// trained on the codes z_l with noise tau_l I among them; z_{l+1} = E_l(z_l), decoded =
/// D_0(...D_{L-1}(z_L)). In the ground space that noise is tau_l C_l C_l', C_l the linear part of
/// D_0 ... D_{l-1}, and the composition is trained with it. The two are equal if every D_l is
/// injective on the span of the codes and every layer optimal; networks come close at best.
struct StackComparison {
  std::vector<Denoiser> stack;  // M = 0
  Tensor codes;                 // z_L
  Tensor decoded;               // [n, m]
  TrainedComposition composition;
  double gap = 0;  // mean |decoded - x_L|^2 / tr Cov(x)
};
StackComparison train_stack(
    const Tensor& points, std::span<const double> taus, std::span<const int64_t> widths,
    const DenoiserOptions& options = {});

}  // namespace limpid::interpret
