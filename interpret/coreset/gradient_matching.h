// interpret/coreset/gradient_matching.h: few weighted samples whose gradients stand for all.
//
//   GradMatch  (Killamsetty et al., ICML 2021)   w >= 0, k entries:
//              min |sum_j w_j G_j - sum_i G_i|^2 + lambda |w|^2
//   Glister    (Killamsetty et al., AAAI 2021)   the sample whose step lowers the loss of the
//              validation samples most, to first order: argmax_j <G_j, grad L_V>; after each choice
//              their logits move by -eta G_p and grad L_V is taken anew
// with the gradients G of the last layer (last_layer.h). Of equals the smallest index; prefixes of
// an order are the choices for smaller k, weights are not.
#pragma once

#include "framework/tensor/tensor.h"
#include "interpret/coreset/distances.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

struct Pursuit {
  std::vector<int64_t> support;  // in the order of choice
  std::vector<double> weights;   // at least 0, one per entry of the support
};
/// Orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad 1993) of b by columns a_j of A,
/// from K = A'A and c = A'b: the entry with the largest <a_j, residual> joins, then
/// (K_SS + lambda I) w = c_S is solved again; in the end with w >= 0 (numerics/nnls.h).
/// Throws ValueError unless 1 <= k <= n and ridge > 0.
Pursuit matching_pursuit(const Similarities& K, std::span<const double> c, int64_t k, double ridge);

/// Pursuit of sum_i G_i: slopes g [n, K] and features h [n, d], f32.
Pursuit gradient_match(const Tensor& g, const Tensor& h, int64_t k, double ridge = 1);

/// The samples that Glister asks: probabilities are softmax(logits).
struct ValidationSamples {
  Tensor features;  // [m, d] f32
  Tensor logits;    // [m, K] f32
  Tensor labels;    // [m] i64
};
std::vector<int64_t> glister(
    const Tensor& g, const Tensor& h, const ValidationSamples& validation, int64_t k, double eta);

}  // namespace limpid::interpret
