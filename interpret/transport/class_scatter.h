// interpret/transport/class_scatter.h: how far apart the classes lie, against how wide they are.
//
//     S_b = (1/n) sum_k n_k (c_k - c)(c_k - c)'      c_k the mean of class k, c that of all
//     S_w = (1/n) sum_k sum_{i in k} (x_i - c_k)(x_i - c_k)'
//
// Paper    He and Su, A Law of Data Separation in Deep Learning (PNAS 2023): D = tr(S_w S_b^+), of
//          which they find that log D falls about evenly from layer to layer of a trained network
// Tests    tests/interpret/class_scatter_test.cpp
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>

namespace limpid::interpret {

/// tr S_b / (tr S_b + tr S_w), in [0, 1]: the share of the variance that lies between the classes;
/// 0 where nothing varies. X [n, d], f32 or f64. Throws ShapeError unless there is one label per
/// row.
double separation_share(const Tensor& X, std::span<const int64_t> labels);

/// D = tr(S_w S_b^+): small where classes are narrow and far apart, NaN where all class means
/// coincide. S_b has rank below the number of classes; its pseudo-inverse is taken there. X [n, d],
/// computed in f64. Throws ShapeError unless there is one label per row.
double separation_fuzziness(const Tensor& X, std::span<const int64_t> labels);

}  // namespace limpid::interpret
