// interpret/numerics/alignment.h: two clouds of the same samples, brought into one frame.
//
// Row i of X [n, d] and of Y [n, e] belongs to the same sample i, as in two layers of one network,
// whose axes have nothing to do with each other. Both are centred, filled up with columns of 0 to
// the width k = max(d, e), and X is turned onto Y:
//
//     Q = argmin |X Q - Y|  over  Q'Q = 1:   Q = U V',   X'Y = U diag(s) V'   (Schoenemann 1966)
//     residual = 1 - (sum s)^2 / (|X|^2 |Y|^2)   in [0, 1]: 0 if Y is X turned and scaled
//
// and linear CKA, which needs no frame: |Y'X|^2 / (|X'X| |Y'Y|) (Kornblith et al., ICML 2019), 1 if
// Y is X turned and scaled. |.| is the Frobenius norm.
//
// All throw ShapeError unless both have as many rows, at least one.
//
// Tests  tests/interpret/alignment_test.cpp
#pragma once

#include "framework/tensor/tensor.h"

namespace limpid::interpret {

struct ProcrustesOptions {
  bool has_unit_trace = false;  // both are divided by the root of the trace of their covariance
};

struct Procrustes {
  Tensor rotation;              // Q [k, k]
  Tensor x, y;                  // [n, k]: X Q and Y, both centred, filled up and scaled
  double residual = 0;          // 0 also of two clouds that are points, 1 if only one is
  double distance_squared = 0;  // |X Q - Y|^2
};
/// f64. Throws also as svd().
Procrustes procrustes(const Tensor& X, const Tensor& Y, const ProcrustesOptions& options = {});

/// By products of the smaller of columns and rows. 1 of two clouds that are points, 0 if only one
/// is.
double linear_cka(const Tensor& X, const Tensor& Y);

}  // namespace limpid::interpret
