// interpret/metrics/similarity.h: how alike two maps of one image are.
#pragma once

#include "framework/tensor/tensor.h"

#include <vector>

namespace limpid::interpret {

/// <a, b> / (|a| |b|) of each image's values, a and b [N, ...], in double; exactly 1 where they are
/// equal, NaN where either is 0 everywhere. Throws ShapeError if shapes differ.
std::vector<double> cosines(const Tensor& a, const Tensor& b);

/// Spearman's rank correlation of each image's values, a and b [N, ...]; NaN where either is
/// constant or not finite. Throws ShapeError if shapes differ.
std::vector<double> rank_correlations(const Tensor& a, const Tensor& b);

/// Structural similarity of a and b [N, 1, H, W], whose values span `range`, per image:
///   mean over windows of (2 m_a m_b + c1)(2 s_ab + c2) / ((m_a^2 + m_b^2 + c1)(s_a^2 + s_b^2 +
///   c2))
/// with means m, variances s^2 and covariance s_ab under a Gaussian window of 11 x 11, sigma 1.5,
/// inside the image, c1 = (0.01 range)^2, c2 = (0.03 range)^2 (Wang et al., IEEE Transactions on
/// Image Processing 2004, eq. 13). Images below 11 pixels get the largest odd window that fits.
/// 1 for equal maps. Throws ShapeError if shapes differ.
std::vector<double> structural_similarity(const Tensor& a, const Tensor& b, double range = 1);

}  // namespace limpid::interpret
