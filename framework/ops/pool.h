// framework/ops/pool.h: pooling over windows of images [N, C, H, W].
#pragma once

#include "framework/tensor/record.h"
#include "framework/tensor/tensor.h"

namespace limpid {

struct PoolOptions {
  int64_t size = 2;     // windows are size x size
  int64_t stride = 0;   // 0 means: the size
  int64_t padding = 0;  // border cells; max ignores them, average counts them as zeros
  bool ceil = false;    // max only: a last window may reach over the edge
};

/// Positions within the input plane that a max-pool picked, [N, C, P, Q].
struct PlaneIndex {
  Kept positions;  // int32 values in the four-byte cells of an f32 tensor
  Shape input;     // [N, C, H, W]
  Shape output;    // [N, C, P, Q]
};

/// Largest value of each window, [N, C, P, Q]; the first of equals, NaN always wins.
/// Throws ShapeError if a window exceeds the padded image, ValueError for a border over size / 2.
Tensor max_pool2d(const Tensor& x, const PoolOptions& options = {});
/// y[n,c,i] = x[n,c,index[n,c,i]]: what a max-pool with these winners reads.
Tensor plane_pick(const Tensor& x, const PlaneIndex& index);
/// The adjoint of plane_pick: g added at the winners, zeros elsewhere.
Tensor plane_spread(const Tensor& g, const PlaneIndex& index);

/// Mean of each window.
Tensor avg_pool2d(const Tensor& x, const PoolOptions& options = {});
/// The adjoint of avg_pool2d, for an input of shape `input`.
Tensor avg_pool2d_input(const Tensor& g, const Shape& input, const PoolOptions& options = {});
/// Means over height x width windows that cover the image as evenly as whole cells allow: output
/// row p averages input rows floor(p H / height) to ceil((p + 1) H / height) - 1, columns alike.
Tensor adaptive_avg_pool2d(const Tensor& x, int64_t height, int64_t width);
/// The adjoint of adaptive_avg_pool2d, for an input of shape `input`.
Tensor adaptive_avg_pool2d_input(const Tensor& g, const Shape& input);
/// Mean of each plane: [N, C, H, W] -> [N, C, 1, 1].
Tensor global_avg_pool2d(const Tensor& x);

}  // namespace limpid
