// framework/ops/resample.cpp: resizing and its adjoint.
#include "framework/ops/resample.h"

#include "framework/core/error.h"
#include "framework/kernels/resample.h"
#include "framework/tensor/record.h"

namespace limpid {
namespace {

void check_sizes(const char* op, const Shape& x, int64_t height, int64_t width) {
  check_shape(
      x.rank() == 4 && x[2] > 0 && x[3] > 0 && height > 0 && width > 0, op,
      "needs images [N, C, H, W] and sizes of at least 1, got ", x, " to ", height, "x", width);
}

}  // namespace

Tensor resize_bilinear(const Tensor& x, int64_t height, int64_t width) {
  check_sizes("resize_bilinear", x.shape(), height, width);
  const Shape& s = x.shape();
  Tensor y = Tensor::empty({s[0], s[1], height, width}, x.dtype());
  visit_float("resize_bilinear", x.dtype(), [&]<class T>() {
    kernels::resize_bilinear<T>(
        {s[0] * s[1], s[2], s[3], height, width}, x.data<T>(), y.mutable_data<T>());
  });
  return record("resize_bilinear", y, wrt(x, [H = s[2], W = s[3]](const Tensor& g) {
                  return resize_bilinear_input(g, H, W);
                }));
}

Tensor resize_bilinear_input(const Tensor& g, int64_t height, int64_t width) {
  check_sizes("resize_bilinear_input", g.shape(), height, width);
  const Shape& s = g.shape();
  Tensor dx = Tensor::empty({s[0], s[1], height, width}, g.dtype());
  visit_float("resize_bilinear_input", g.dtype(), [&]<class T>() {
    kernels::resize_bilinear_input<T>(
        {s[0] * s[1], height, width, s[2], s[3]}, g.data<T>(), dx.mutable_data<T>());
  });
  return record("resize_bilinear_input", dx, wrt(g, [P = s[2], Q = s[3]](const Tensor& v) {
                  return resize_bilinear(v, P, Q);
                }));
}

Tensor resize_nearest(const Tensor& x, int64_t height, int64_t width) {
  check_sizes("resize_nearest", x.shape(), height, width);
  const Shape& s = x.shape();
  Tensor y = Tensor::empty({s[0], s[1], height, width}, x.dtype());
  visit_float("resize_nearest", x.dtype(), [&]<class T>() {
    kernels::resize_nearest<T>(
        {s[0] * s[1], s[2], s[3], height, width}, x.data<T>(), y.mutable_data<T>());
  });
  return record("resize_nearest", y, wrt(x, [H = s[2], W = s[3]](const Tensor& g) {
                  return resize_nearest_input(g, H, W);
                }));
}

Tensor resize_nearest_input(const Tensor& g, int64_t height, int64_t width) {
  check_sizes("resize_nearest_input", g.shape(), height, width);
  const Shape& s = g.shape();
  Tensor dx = Tensor::empty({s[0], s[1], height, width}, g.dtype());
  visit_float("resize_nearest_input", g.dtype(), [&]<class T>() {
    kernels::resize_nearest_input<T>(
        {s[0] * s[1], height, width, s[2], s[3]}, g.data<T>(), dx.mutable_data<T>());
  });
  return record("resize_nearest_input", dx, wrt(g, [P = s[2], Q = s[3]](const Tensor& v) {
                  return resize_nearest(v, P, Q);
                }));
}

}  // namespace limpid
