// framework/ops/ops.h: all differentiable operations, in reading order.
#pragma once

// Not formatted: the order is for reading
// clang-format off
#include "framework/ops/conv.h"         // convolution and its adjoints
#include "framework/ops/linear_maps.h"  // reshape, permute, broadcast, slice, concat, gather
#include "framework/ops/loss.h"         // log-softmax, cross-entropy, mse, ...
#include "framework/ops/matmul.h"       // matrix products
#include "framework/ops/norm.h"         // the standardize family
#include "framework/ops/pointwise.h"    // arithmetic, exp, log, relu, ...
#include "framework/ops/pool.h"         // max and average pooling
#include "framework/ops/reduce.h"       // sum, mean, variance, norm, max
#include "framework/ops/resample.h"     // bilinear and nearest resizing
#include "framework/ops/rank_sum.h"     // sums over processes
#include "framework/ops/augment.h"      // shift, flip, rotate, crop, cutout, noise, contrast
// clang-format on
