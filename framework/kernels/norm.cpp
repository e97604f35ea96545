// framework/kernels/norm.cpp: group statistics and their gradients, parallel over groups.
#include "framework/kernels/norm.h"

#include "framework/core/parallel.h"
#include "framework/kernels/dispatch.h"

#include <algorithm>
#include <cmath>

namespace limpid::kernels {
namespace {

int64_t groups_per_block(const NormDims& d) { return (1 << 14) / (d.outer * d.inner + 1) + 1; }

// The elements of a group, from offset group * inner on.
Runs runs(const NormDims& d) { return {d.outer, d.groups * d.inner, d.inner}; }

// Means over one group of v, g, v h, g h and v g.
struct JointMeans {
  double v = 0, g = 0, vh = 0, gh = 0, vg = 0;

  double covariance() const { return vg - v * g - vh * gh; }  // of v and g, beside h
};
template <class T>
JointMeans joint_means(const NormDims& d, const T* v, const T* g, const T* x, T mean, T scale) {
  const double count = static_cast<double>(d.outer * d.inner);
  const double s = static_cast<double>(scale) / count;
  double sum_v = 0, sum_g = 0, vx = 0, gx = 0, vg = 0;
  table<T>().centred_sums(runs(d), mean, v, x, &sum_v, &vx);
  table<T>().centred_sums(runs(d), mean, g, x, &sum_g, &gx);
  table<T>().centred_sums(runs(d), T(0), v, g, &sum_v, &vg);
  return {sum_v / count, sum_g / count, s * vx, s * gx, vg / count};
}

}  // namespace

template <class T>
void group_moments(const NormDims& d, double epsilon, const T* x, T* mean, T* scale, T* variance) {
  const double count = static_cast<double>(d.outer * d.inner);
  parallel::for_blocks(d.groups, groups_per_block(d), [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      const T* values = x + group * d.inner;
      const T centre = static_cast<T>(table<T>().sum_runs(runs(d), values) / count);

      // Two passes: squares of differences lose no digits where the mean is large
      const double squares = table<T>().squares(runs(d), centre, values);
      mean[group] = centre;
      scale[group] = static_cast<T>(1 / std::sqrt(squares / count + epsilon));
      if (variance != nullptr) variance[group] = static_cast<T>(squares / count);
    }
  });
}

template <class T>
void standardize(
    const NormDims& d, const T* x, const T* mean, const T* scale, const T* gamma, const T* beta,
    T* y) {
  parallel::for_blocks(d.groups, groups_per_block(d), [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      // gamma (x - mean) scale + beta as one factor on x - mean and one constant
      const int64_t c = group % d.channels;
      const T factor = scale[group] * (gamma == nullptr ? T(1) : gamma[c]);
      const T constant = beta == nullptr ? T(0) : beta[c];
      const int64_t at = group * d.inner;
      table<T>().project(runs(d), T(0), factor, constant, mean[group], x + at, x + at, y + at);
    }
  });
}

template <class T>
void standardize_input(
    const NormDims& d, const T* g, const T* x, const T* mean, const T* scale, const T* gamma,
    T* dx) {
  const double count = static_cast<double>(d.outer * d.inner);
  parallel::for_blocks(d.groups, groups_per_block(d), [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      double sum = 0;
      double product = 0;
      const int64_t at = group * d.inner;
      table<T>().centred_sums(runs(d), mean[group], g + at, x + at, &sum, &product);

      // dx = a g + b (x - mean) + c
      const double s = static_cast<double>(scale[group]);
      const double a =
          s * (gamma == nullptr ? 1.0 : static_cast<double>(gamma[group % d.channels]));
      const double b = -a * s * s * product / count;
      const double c = -a * sum / count;
      table<T>().project(
          runs(d), static_cast<T>(a), static_cast<T>(b), static_cast<T>(c), mean[group], g + at,
          x + at, dx + at);
    }
  });
}

// out[channel] = the sum of term(group) over the groups of a channel.
template <class T, class Term>
void sum_over_groups(const NormDims& d, T* out, const Term& term) {
  parallel::for_blocks(
      d.channels, groups_per_block(d) / (d.groups / d.channels + 1) + 1,
      [&](int64_t begin, int64_t end) {
        for (int64_t channel = begin; channel < end; ++channel) {
          double total = 0;
          for (int64_t group = channel; group < d.groups; group += d.channels) {
            total += term(group);
          }
          out[channel] = static_cast<T>(total);
        }
      });
}

template <class T>
void standardize_gamma(
    const NormDims& d, const T* g, const T* x, const T* mean, const T* scale, T* dgamma) {
  sum_over_groups(d, dgamma, [&](int64_t group) {
    double sum = 0;
    double product = 0;
    const int64_t at = group * d.inner;
    table<T>().centred_sums(runs(d), mean[group], g + at, x + at, &sum, &product);
    return static_cast<double>(scale[group]) * product;
  });
}

template <class T>
void standardize_second(
    const NormDims& d, const T* v, const T* g, const T* x, const T* mean, const T* scale,
    const T* gamma, T* dx) {
  parallel::for_blocks(d.groups, groups_per_block(d), [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      const int64_t at = group * d.inner;
      const JointMeans m = joint_means(d, v + at, g + at, x + at, mean[group], scale[group]);
      const double s = static_cast<double>(scale[group]);
      const double factor =
          -s * s * (gamma == nullptr ? 1.0 : static_cast<double>(gamma[group % d.channels]));

      // dx = by_v v + by_x (x - mean) + constant, then + by_g g
      const double by_v = factor * m.gh, by_g = factor * m.vh;
      const double by_x = factor * s * (m.covariance() - 2 * m.vh * m.gh);
      const double constant = -by_v * m.v - by_g * m.g;
      table<T>().project(
          runs(d), static_cast<T>(by_v), static_cast<T>(by_x), static_cast<T>(constant),
          mean[group], v + at, x + at, dx + at);
      table<T>().project(runs(d), T(1), static_cast<T>(by_g), T(0), T(0), dx + at, g + at, dx + at);
    }
  });
}

template <class T>
void standardize_second_gamma(
    const NormDims& d, const T* v, const T* g, const T* x, const T* mean, const T* scale,
    T* dgamma) {
  const double count = static_cast<double>(d.outer * d.inner);
  sum_over_groups(d, dgamma, [&](int64_t group) {
    const int64_t at = group * d.inner;
    const JointMeans m = joint_means(d, v + at, g + at, x + at, mean[group], scale[group]);
    return count * static_cast<double>(scale[group]) * m.covariance();
  });
}

template <class T>
void scale_shift(
    int64_t images, int64_t channels, int64_t inner, const T* x, const T* scale, const T* shift,
    T* y) {
  const int64_t planes_per_block = (1 << 15) / (inner + 16) + 1;
  parallel::for_blocks(images * channels, planes_per_block, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end;) {  // channels of one image at a time
      const int64_t c = plane % channels;
      const int64_t count = std::min(end - plane, channels - c);
      const int64_t at = plane * inner;
      table<T>().scale_shift(
          count, inner, scale + c, shift == nullptr ? nullptr : shift + c, x + at, y + at);
      plane += count;
    }
  });
}

template void group_moments(const NormDims&, double, const float*, float*, float*, float*);
template void group_moments(const NormDims&, double, const double*, double*, double*, double*);
template void standardize(
    const NormDims&, const float*, const float*, const float*, const float*, const float*, float*);
template void standardize(
    const NormDims&, const double*, const double*, const double*, const double*, const double*,
    double*);
template void standardize_input(
    const NormDims&, const float*, const float*, const float*, const float*, const float*, float*);
template void standardize_input(
    const NormDims&, const double*, const double*, const double*, const double*, const double*,
    double*);
template void standardize_gamma(
    const NormDims&, const float*, const float*, const float*, const float*, float*);
template void standardize_gamma(
    const NormDims&, const double*, const double*, const double*, const double*, double*);
template void standardize_second(
    const NormDims&, const float*, const float*, const float*, const float*, const float*,
    const float*, float*);
template void standardize_second(
    const NormDims&, const double*, const double*, const double*, const double*, const double*,
    const double*, double*);
template void standardize_second_gamma(
    const NormDims&, const float*, const float*, const float*, const float*, const float*, float*);
template void standardize_second_gamma(
    const NormDims&, const double*, const double*, const double*, const double*, const double*,
    double*);
template void scale_shift(
    int64_t, int64_t, int64_t, const float*, const float*, const float*, float*);
template void scale_shift(
    int64_t, int64_t, int64_t, const double*, const double*, const double*, double*);

}  // namespace limpid::kernels
