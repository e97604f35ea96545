// framework/ops/conv.cpp: six one-line gradients for three kernels.
#include "framework/ops/conv.h"

#include "framework/core/error.h"
#include "framework/kernels/conv.h"
#include "framework/tensor/record.h"

namespace limpid {
namespace {

using kernels::ConvDims;

ConvDims conv_dims(const char* op, const Shape& x, const Shape& w, const ConvOptions& o) {
  check_value(
      o.stride >= 1 && o.dilation >= 1 && o.groups >= 1 && o.padding >= 0, op,
      "needs stride, dilation, groups >= 1 and padding >= 0, got ", o.stride, ", ", o.dilation,
      ", ", o.groups, ", ", o.padding);
  check_shape(
      x.rank() == 4 && w.rank() == 4, op,
      "needs images [N, C, H, W] and filters [K, C/groups, R, S]", " (input ", x, ", weight ", w,
      ")");
  ConvDims d{
      .N = x[0],
      .C = x[1],
      .H = x[2],
      .W = x[3],
      .K = w[0],
      .R = w[2],
      .S = w[3],
      .P = 0,
      .Q = 0,
      .stride = o.stride,
      .padding = o.padding,
      .dilation = o.dilation,
      .groups = o.groups};
  check_shape(
      d.C == w[1] * o.groups && d.K % o.groups == 0, op, "input has ", d.C,
      " channels but weight expects ", w[1] * o.groups, " (input ", x, ", weight ", w, ", groups ",
      o.groups, ")");
  const int64_t height = d.H + 2 * d.padding - (d.R - 1) * d.dilation;
  const int64_t width = d.W + 2 * d.padding - (d.S - 1) * d.dilation;
  check_shape(
      d.R >= 1 && d.S >= 1 && height >= 1 && width >= 1, op, "filter ", d.R, "x", d.S,
      " exceeds the padded image (input ", x, ", weight ", w, ", padding ", o.padding,
      ", dilation ", o.dilation, ")");
  d.P = (height - 1) / d.stride + 1;
  d.Q = (width - 1) / d.stride + 1;
  return d;
}

// Checks that g is what conv2d of x and w, of these dimensions, gives.
void check_output(
    const char* op, const ConvDims& d, const Shape& g, const Shape& x, const Shape& w) {
  check_shape(
      g == Shape({d.N, d.K, d.P, d.Q}), op, "gradient ", g, " is not the output shape ",
      Shape({d.N, d.K, d.P, d.Q}), " (input ", x, ", weight ", w, ")");
}

void check_types(const char* op, const Tensor& a, const Tensor& b) {
  check_dtype(
      a.dtype() == b.dtype(), op, "mixes ", name_of(a.dtype()), " with ", name_of(b.dtype()), " (",
      a.shape(), ", ", b.shape(), ")");
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const ConvOptions& o) {
  const ConvDims d = conv_dims("conv2d", x.shape(), w.shape(), o);
  check_types("conv2d", x, w);
  Tensor y = Tensor::empty({d.N, d.K, d.P, d.Q}, x.dtype());
  visit_float("conv2d", x.dtype(), [&]<class T>() {
    Tensor scratch = Tensor::empty({kernels::conv2d_scratch<T>(d)}, x.dtype());
    kernels::conv2d<T>(d, x.data<T>(), w.data<T>(), y.mutable_data<T>(), scratch.mutable_data<T>());
  });
  return record(
      "conv2d", y,
      wrt(x, [w = keep(w), o, s = x.shape()](const Tensor& g) { return conv2d_input(g, w, s, o); }),
      wrt(w,
          [x = keep(x), o, s = w.shape()](const Tensor& g) { return conv2d_weight(g, x, s, o); }));
}

Tensor conv2d_input(const Tensor& g, const Tensor& w, const Shape& input, const ConvOptions& o) {
  const ConvDims d = conv_dims("conv2d_input", input, w.shape(), o);
  check_output("conv2d_input", d, g.shape(), input, w.shape());
  check_types("conv2d_input", g, w);
  Tensor dx = Tensor::empty(input, g.dtype());
  visit_float("conv2d_input", g.dtype(), [&]<class T>() {
    Tensor scratch = Tensor::empty({kernels::conv2d_input_scratch<T>(d)}, g.dtype());
    kernels::conv2d_input<T>(
        d, g.data<T>(), w.data<T>(), dx.mutable_data<T>(), scratch.mutable_data<T>());
  });
  return record(
      "conv2d_input", dx, wrt(g, [w = keep(w), o](const Tensor& v) { return conv2d(v, w, o); }),
      wrt(w,
          [g = keep(g), o, s = w.shape()](const Tensor& v) { return conv2d_weight(g, v, s, o); }));
}

Tensor conv2d_weight(const Tensor& g, const Tensor& x, const Shape& weight, const ConvOptions& o) {
  const ConvDims d = conv_dims("conv2d_weight", x.shape(), weight, o);
  check_output("conv2d_weight", d, g.shape(), x.shape(), weight);
  check_types("conv2d_weight", g, x);
  Tensor dw = Tensor::empty(weight, g.dtype());
  visit_float("conv2d_weight", g.dtype(), [&]<class T>() {
    Tensor scratch = Tensor::empty({kernels::conv2d_weight_scratch<T>(d)}, g.dtype());
    kernels::conv2d_weight<T>(
        d, g.data<T>(), x.data<T>(), dw.mutable_data<T>(), scratch.mutable_data<T>());
  });
  return record(
      "conv2d_weight", dw, wrt(g, [x = keep(x), o](const Tensor& v) { return conv2d(x, v, o); }),
      wrt(x,
          [g = keep(g), o, s = x.shape()](const Tensor& v) { return conv2d_input(g, v, s, o); }));
}

Tensor conv_transpose2d(
    const Tensor& g, const Tensor& w, const ConvOptions& o, int64_t output_padding) {
  check_shape(
      g.rank() == 4 && w.rank() == 4, "conv_transpose2d",
      "needs maps [N, K, P, Q] and filters [K, C/groups, R, S] (", g.shape(), ", ", w.shape(), ")");
  check_value(
      output_padding >= 0 && output_padding < o.stride, "conv_transpose2d",
      "needs 0 <= output padding < stride, got ", output_padding, ", ", o.stride);
  const auto size = [&](int64_t out, int64_t taps) {
    return (out - 1) * o.stride - 2 * o.padding + o.dilation * (taps - 1) + 1 + output_padding;
  };
  const int64_t height = size(g.size(2), w.size(2));
  const int64_t width = size(g.size(3), w.size(3));
  check_shape(
      height >= 1 && width >= 1, "conv_transpose2d", "padding ", o.padding,
      " leaves nothing of the output (", g.shape(), ", ", w.shape(), ")");
  return conv2d_input(g, w, {g.size(0), w.size(1) * o.groups, height, width}, o);
}

}  // namespace limpid
