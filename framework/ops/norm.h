// framework/ops/norm.h: standardizing groups of values, a family closed under differentiation.
//
// For a group of M values with mean m and variance v (divided by M), h = (x - m) / sqrt(v +
// epsilon). All three members are partial derivatives of one form, with one gamma per channel:
//     T(g, x, gamma) = sum g gamma h(x)
//     standardize = dT/dg = gamma h      standardize_input = dT/dx      standardize_gamma =
//     dT/dgamma
// With s = 1 / sqrt(v + epsilon) and P(u) = u - mean(u) - h mean(u h):  dT/dx = s P(gamma g).
// T is linear in g and in gamma, so those gradients are members again; the gradient of
// standardize_input with respect to x is a closed formula in ordinary ops (norm.cpp).
// Batch norm: Ioffe and Szegedy, ICML 2015. Instance norm: Ulyanov et al., arXiv 1607.08022.
#pragma once

#include "framework/tensor/tensor.h"

namespace limpid {

/// Which values of x [N, C, ...] form a group.
enum class NormGroups : uint8_t {
  channel,           // one per channel, over the batch and all positions: batch norm
  image_and_channel  // one per image and channel, over all positions: instance norm
};

struct NormOptions {
  NormGroups groups = NormGroups::channel;
  double epsilon = 1e-5;
};

/// Mean and variance of each group, as values without a graph.
struct Moments {
  Tensor mean;      // [groups]
  Tensor scale;     // [groups], 1 / sqrt(variance + epsilon)
  Tensor variance;  // [groups], divided by M
};
Moments moments(const Tensor& x, const NormOptions& options = {});

/// y = gamma h + beta, with gamma and beta [C]; either may be undefined (1 and 0).
/// Throws ShapeError if a group has fewer than two values or gamma does not have C entries.
Tensor standardize(
    const Tensor& x, const Tensor& gamma, const Tensor& beta, const NormOptions& options = {});
/// The same with moments(x) computed before, for callers that need both.
Tensor standardize(
    const Tensor& x, const Tensor& gamma, const Tensor& beta, const NormOptions& options,
    const Moments& known);
/// s P(gamma g), shaped like x; gamma may be undefined.
Tensor standardize_input(
    const Tensor& g, const Tensor& x, const Tensor& gamma, const NormOptions& options = {});
/// sum of g h over each channel, [C].
Tensor standardize_gamma(const Tensor& g, const Tensor& x, const NormOptions& options = {});

/// Standardizing by channel over a batch whose rows are spread over all ranks (core/ranks.h): x
/// holds the rows of this rank, possibly none, of `rows` in all. The same value and derivatives as
/// standardize() of the whole batch, with the moments of the whole batch in `batch`:
///     m = S(sum x) / M,   c = x - m,   v = S(sum c^2) / M,   y = gamma c / sqrt(v + epsilon) +
///     beta
/// where S adds over the ranks (rank_sum.h) and M counts the values of a channel in all rows.
/// Throws ShapeError unless M >= 2.
Tensor standardize_shared(
    const Tensor& x, const Tensor& gamma, const Tensor& beta, int64_t rows, double epsilon,
    Moments& batch);

/// scale x + shift in one pass, x [N, C, ...] with one scale and one shift per channel, [C]; shift
/// may be undefined (0). Linear in each of the three.
/// Throws ShapeError unless scale and shift have C entries.
Tensor scale_shift(const Tensor& x, const Tensor& scale, const Tensor& shift);

/// Batch norm with frozen statistics: gamma (x - mean) / sqrt(variance + epsilon) + beta, all [C].
Tensor normalize(
    const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& gamma,
    const Tensor& beta, double epsilon = 1e-5);

/// Group norm (Wu and He, ECCV 2018): the C channels of each image in `groups` groups; gamma and
/// beta [C] or undefined. x [N, C, ...]. Throws ShapeError unless groups divides C.
Tensor group_norm(
    const Tensor& x, int64_t groups, const Tensor& gamma, const Tensor& beta,
    double epsilon = 1e-5);

/// Layer norm (Ba et al. 2016): the last dimension, D, of each position; gamma and beta [D] or
/// undefined.
Tensor layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon = 1e-5);

}  // namespace limpid
