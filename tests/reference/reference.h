// tests/reference/reference.h: naive twins of the ops, written from their formulas.
//
// Plain loops over doubles, without a thought for speed, sharing no code with the framework's
// kernels beyond Tensor and Shape as containers. Everything takes and returns f64 unless said.
#pragma once

#include "framework/ops/augment.h"
#include "framework/ops/conv.h"
#include "framework/ops/norm.h"
#include "framework/ops/pool.h"
#include "framework/tensor/tensor.h"

#include <functional>
#include <span>
#include <vector>

namespace limpid::reference {

/// y = f(x), y = f(a, b), element by element; the second broadcasts.
Tensor map(const Tensor& x, const std::function<double(double)>& f);
Tensor map(const Tensor& a, const Tensor& b, const std::function<double(double, double)>& f);

// ---- Rearrangements; axes count from 0 ----

Tensor permute(const Tensor& x, const std::vector<int>& order);
Tensor broadcast_to(const Tensor& x, const Shape& shape);
Tensor sum_to(const Tensor& x, const Shape& shape);
Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end);
Tensor pad(const Tensor& x, int axis, int64_t before, int64_t after);
Tensor concat(const std::vector<Tensor>& parts, int axis);
Tensor gather(const Tensor& x, const Tensor& index, int axis);
Tensor scatter_add(const Tensor& g, const Tensor& index, int axis, int64_t size);

Tensor stack(const std::vector<Tensor>& parts, int axis);
Tensor cumsum(const Tensor& x, int axis, bool from_the_end = false);
/// Rows of a table x [R, D] at index [...], and the adjoint.
Tensor take_rows(const Tensor& x, const Tensor& index);
Tensor add_rows(const Tensor& g, const Tensor& index, int64_t rows);
Tensor one_hot(const Tensor& index, int64_t classes);

/// f of the values along the named axes, in row-major order; the axes keep size 1.
using Summary = std::function<double(std::span<const double>)>;
Tensor reduce(const Tensor& x, const std::vector<int>& axes, const Summary& f);
Tensor reduce(const Tensor& x, const Summary& f);  // of all values, to a scalar
double total(std::span<const double> values);
double average(std::span<const double> values);
double spread(std::span<const double> values);  // mean squared distance from the average
double length(std::span<const double> values);  // Euclidean
double largest(std::span<const double> values);
double where_largest(std::span<const double> values);  // NaN counts as largest, first of equals
/// Positions, as f64; equal entries keep their order, NaN comes last.
Tensor arg_sort(const Tensor& x, int axis, bool descending = false);
Tensor log_sum_exp(const Tensor& x);

/// a [..., M, K] b [..., K, N], or b [K, N] for all; with either side stored transposed.
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

// ---- The trilinear form of convolution, differentiated by its three arguments ----

Tensor conv2d(const Tensor& x, const Tensor& w, const ConvOptions& o = {});
Tensor conv2d_input(
    const Tensor& g, const Tensor& w, const Shape& input, const ConvOptions& o = {});
Tensor conv2d_weight(
    const Tensor& g, const Tensor& x, const Shape& weight, const ConvOptions& o = {});

// ---- Pooling and resizing ----

Tensor max_pool2d(const Tensor& x, const PoolOptions& o = {});
/// The position in its plane of each winner, as f64.
Tensor max_pool2d_positions(const Tensor& x, const PoolOptions& o = {});
Tensor avg_pool2d(const Tensor& x, const PoolOptions& o = {});
Tensor avg_pool2d_input(const Tensor& g, const Shape& input, const PoolOptions& o = {});
/// y[n,c,i] = x[n,c,positions[n,c,i]], and its adjoint.
Tensor plane_pick(const Tensor& x, const std::vector<int>& positions, const Shape& output);
Tensor plane_spread(const Tensor& g, const std::vector<int>& positions, const Shape& input);

Tensor resize_bilinear(const Tensor& x, int64_t height, int64_t width);
Tensor resize_bilinear_input(const Tensor& g, int64_t height, int64_t width);
Tensor resize_nearest(const Tensor& x, int64_t height, int64_t width);
Tensor resize_nearest_input(const Tensor& g, int64_t height, int64_t width);
Tensor adaptive_avg_pool2d(const Tensor& x, int64_t height, int64_t width);
Tensor adaptive_avg_pool2d_input(const Tensor& g, const Shape& input);

// ---- Augmentation; one parameter per image ----

Tensor sample_bilinear(
    const Tensor& x, const std::vector<PixelMap>& maps, int64_t height, int64_t width,
    Border border = Border::zero);
Tensor spread_bilinear(
    const Tensor& g, const std::vector<PixelMap>& maps, int64_t height, int64_t width,
    Border border = Border::zero);
Tensor shift(const Tensor& x, const std::vector<Offset>& offsets);
Tensor flip_horizontal(const Tensor& x, const std::vector<bool>& flipped);
Tensor rotate(const Tensor& x, const std::vector<double>& degrees);
Tensor crop_resize(const Tensor& x, const std::vector<Box>& boxes, int64_t height, int64_t width);
Tensor cutout(const Tensor& x, const std::vector<Box>& boxes);
Tensor add_noise(const Tensor& x, const std::vector<double>& deviations, const Tensor& noise);
Tensor brightness(const Tensor& x, const std::vector<double>& factors);
Tensor contrast(const Tensor& x, const std::vector<double>& factors);

// ---- Standardizing; gamma and beta may be undefined ----

/// Mean, scale and variance of the groups, joined: [3 groups].
Tensor moments(const Tensor& x, const NormOptions& o = {});
Tensor standardize(
    const Tensor& x, const Tensor& gamma, const Tensor& beta, const NormOptions& o = {});
/// s (u - mean(u) - h mean(u h)) with u = gamma g.
Tensor standardize_input(
    const Tensor& g, const Tensor& x, const Tensor& gamma, const NormOptions& o = {});
Tensor standardize_gamma(const Tensor& g, const Tensor& x, const NormOptions& o = {});
Tensor scale_shift(const Tensor& x, const Tensor& scale, const Tensor& shift);
Tensor normalize(
    const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& gamma,
    const Tensor& beta, double epsilon = 1e-5);
Tensor group_norm(
    const Tensor& x, int64_t groups, const Tensor& gamma, const Tensor& beta,
    double epsilon = 1e-5);
Tensor layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon = 1e-5);

// ---- Losses ----

Tensor log_softmax(const Tensor& x);
Tensor cross_entropy(const Tensor& logits, const Tensor& labels);
/// With the targets smoothed and weighted; weights [K] may be undefined.
Tensor cross_entropy(
    const Tensor& logits, const Tensor& labels, double smoothing, const Tensor& weights);
Tensor soft_cross_entropy(const Tensor& logits, const Tensor& target);
Tensor nll(const Tensor& log_probabilities, const Tensor& labels);
Tensor l1(const Tensor& a, const Tensor& b);
Tensor huber(const Tensor& a, const Tensor& b, double delta = 1);
Tensor bce_with_logits(const Tensor& x, const Tensor& t);
Tensor kl_divergence(const Tensor& log_q, const Tensor& log_p);
Tensor hinge(const Tensor& x, const Tensor& t);
Tensor cosine_similarity(const Tensor& a, const Tensor& b, double epsilon);

}  // namespace limpid::reference
