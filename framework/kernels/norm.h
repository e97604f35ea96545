// framework/kernels/norm.h: the standardize family, and its form with frozen statistics.
//
// x is seen as [outer, groups, inner]; each group is standardized over its M = outer*inner values:
//   h = (x - mean) * scale,  scale = 1 / sqrt(variance + epsilon)   (variance divided by M)
// Group c uses gamma[c % channels] and beta[c % channels]. Batch norm: outer N, groups C, inner HW.
// Instance norm: outer 1, groups N*C, inner HW. gamma and beta may be null (1 and 0).
#pragma once

#include <cstdint>

namespace limpid::kernels {

struct NormDims {
  int64_t outer, groups, inner, channels;
};

/// mean and scale of every group; variance (may be null) as it stands in the formula.
template <class T>
void group_moments(const NormDims& d, double epsilon, const T* x, T* mean, T* scale, T* variance);

/// y = gamma h + beta.
template <class T>
void standardize(
    const NormDims& d, const T* x, const T* mean, const T* scale, const T* gamma, const T* beta,
    T* y);

/// dx = scale gamma (g - mean(g) - h mean(g h)), means over the group.
template <class T>
void standardize_input(
    const NormDims& d, const T* g, const T* x, const T* mean, const T* scale, const T* gamma,
    T* dx);

/// dgamma[c] = sum of g h over all groups of channel c.
template <class T>
void standardize_gamma(
    const NormDims& d, const T* g, const T* x, const T* mean, const T* scale, T* dgamma);

/// The gradient of <v, standardize_input(g, x, gamma)> by x. With the group means V of v, G of g,
/// a of v h, b of g h and q of v g:
///   dx = -scale^2 gamma (h (q - V G - 3 a b) + b (v - V) + a (g - G))
template <class T>
void standardize_second(
    const NormDims& d, const T* v, const T* g, const T* x, const T* mean, const T* scale,
    const T* gamma, T* dx);

/// The same by gamma: dgamma[c] = sum of M scale (q - V G - a b) over all groups of channel c.
template <class T>
void standardize_second_gamma(
    const NormDims& d, const T* v, const T* g, const T* x, const T* mean, const T* scale,
    T* dgamma);

/// y = scale[c] x + shift[c] for x [images, channels, inner] in one pass; shift may be null (0).
template <class T>
void scale_shift(
    int64_t images, int64_t channels, int64_t inner, const T* x, const T* scale, const T* shift,
    T* y);

}  // namespace limpid::kernels
