// framework/ops/pool.cpp: max-pooling as arg-max and a linear pick; average pooling as a pair.
#include "framework/ops/pool.h"

#include "framework/core/error.h"
#include "framework/kernels/pool.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/gates.h"
#include "framework/tensor/record.h"

namespace limpid {
namespace {

using kernels::PoolDims;

PoolDims pool_dims(const char* op, const Shape& x, const PoolOptions& o) {
  check_shape(x.rank() == 4, op, "needs images [N, C, H, W], got ", x);
  const int64_t stride = o.stride == 0 ? o.size : o.stride;
  check_value(
      o.size >= 1 && stride >= 1 && o.padding >= 0 && 2 * o.padding <= o.size, op,
      "needs size, stride >= 1 and 0 <= padding <= size / 2, got ", o.size, ", ", o.stride, ", ",
      o.padding);
  check_shape(
      o.size <= x[2] + 2 * o.padding && o.size <= x[3] + 2 * o.padding, op, "window ", o.size, "x",
      o.size, " exceeds the padded image (", x, ", padding ", o.padding, ")");
  check_shape(x[2] * x[3] <= INT32_MAX, op, "planes over 2^31 cells are not supported (", x, ")");
  const auto windows = [&](int64_t cells) {
    const int64_t room = cells + 2 * o.padding - o.size;
    const int64_t count = (room + (o.ceil ? stride - 1 : 0)) / stride + 1;
    // A last window that would start behind the image is none
    return o.ceil && (count - 1) * stride >= cells + o.padding ? count - 1 : count;
  };
  return {
      .planes = x[0] * x[1],
      .H = x[2],
      .W = x[3],
      .P = windows(x[2]),
      .Q = windows(x[3]),
      .k = o.size,
      .stride = stride,
      .padding = o.padding};
}

int64_t plane_cells(const Shape& shape) { return shape[2] * shape[3]; }

const int32_t* positions(const PlaneIndex& index) {
  return reinterpret_cast<const int32_t*>(index.positions->data<float>());
}

}  // namespace

Tensor max_pool2d(const Tensor& x, const PoolOptions& o) {
  const PoolDims d = pool_dims("max_pool2d", x.shape(), o);
  const Shape shape = {x.shape()[0], x.shape()[1], d.P, d.Q};
  const Tensor held = held_gate("max_pool2d", x.shape());
  if (held.defined()) {
    check_graph(
        held.shape() == shape, "max_pool2d", "the gate held for it makes ", held.shape(),
        ", but it makes ", shape);
    return plane_pick(x, {keep(held), x.shape(), shape});
  }
  Tensor y = Tensor::empty(shape, x.dtype());

  // Winners are only written down if a gradient or another pass may ask for them
  PlaneIndex index{{}, x.shape(), shape};
  int32_t* winners = nullptr;
  if ((Recording::is_on() && x.requires_gradient()) || GateScope::current() != nullptr) {
    Tensor cells = Tensor::empty(shape);
    winners = reinterpret_cast<int32_t*>(cells.mutable_data<float>());
    index.positions = keep(cells);
  }
  visit_float("max_pool2d", x.dtype(), [&]<class T>() {
    kernels::max_pool2d<T>(d, x.data<T>(), y.mutable_data<T>(), winners);
  });
  if (winners != nullptr) note_gate("max_pool2d", x.shape(), index.positions);
  return record(
      "max_pool2d", y, wrt(x, [index](const Tensor& g) { return plane_spread(g, index); }));
}

Tensor plane_pick(const Tensor& x, const PlaneIndex& index) {
  check_shape(
      x.shape() == index.input, "plane_pick", "index was made for ", index.input, ", got ",
      x.shape());
  Tensor y = Tensor::empty(index.output, x.dtype());
  visit_float("plane_pick", x.dtype(), [&]<class T>() {
    kernels::plane_pick<T>(
        index.input[0] * index.input[1], plane_cells(index.input), plane_cells(index.output),
        x.data<T>(), positions(index), y.mutable_data<T>());
  });
  return record(
      "plane_pick", y, wrt(x, [index](const Tensor& g) { return plane_spread(g, index); }));
}

Tensor plane_spread(const Tensor& g, const PlaneIndex& index) {
  check_shape(
      g.shape() == index.output, "plane_spread", "index was made for ", index.output, ", got ",
      g.shape());
  Tensor y = Tensor::empty(index.input, g.dtype());
  visit_float("plane_spread", g.dtype(), [&]<class T>() {
    kernels::plane_spread<T>(
        index.input[0] * index.input[1], plane_cells(index.input), plane_cells(index.output),
        g.data<T>(), positions(index), y.mutable_data<T>());
  });
  return record(
      "plane_spread", y, wrt(g, [index](const Tensor& v) { return plane_pick(v, index); }));
}

Tensor avg_pool2d(const Tensor& x, const PoolOptions& o) {
  check_value(!o.ceil, "avg_pool2d", "windows over the edge are offered for max_pool2d only");
  const PoolDims d = pool_dims("avg_pool2d", x.shape(), o);
  Tensor y = Tensor::empty({x.shape()[0], x.shape()[1], d.P, d.Q}, x.dtype());
  visit_float("avg_pool2d", x.dtype(), [&]<class T>() {
    kernels::avg_pool2d<T>(d, x.data<T>(), y.mutable_data<T>());
  });
  return record("avg_pool2d", y, wrt(x, [s = x.shape(), o](const Tensor& g) {
                  return avg_pool2d_input(g, s, o);
                }));
}

Tensor avg_pool2d_input(const Tensor& g, const Shape& input, const PoolOptions& o) {
  check_value(!o.ceil, "avg_pool2d_input", "windows over the edge are offered for max_pool2d only");
  const PoolDims d = pool_dims("avg_pool2d_input", input, o);
  check_shape(
      g.shape() == Shape({input[0], input[1], d.P, d.Q}), "avg_pool2d_input", "gradient ",
      g.shape(), " does not fit an input of ", input);
  Tensor dx = Tensor::empty(input, g.dtype());
  visit_float("avg_pool2d_input", g.dtype(), [&]<class T>() {
    kernels::avg_pool2d_input<T>(d, g.data<T>(), dx.mutable_data<T>());
  });
  return record("avg_pool2d_input", dx, wrt(g, [o](const Tensor& v) { return avg_pool2d(v, o); }));
}

namespace {

PoolDims adaptive_dims(const char* op, const Shape& x, int64_t height, int64_t width) {
  check_shape(
      x.rank() == 4 && x[2] >= 1 && x[3] >= 1 && height >= 1 && width >= 1, op,
      "needs images [N, C, H, W] and sizes of at least 1, got ", x, " to ", height, "x", width);
  return {
      .planes = x[0] * x[1],
      .H = x[2],
      .W = x[3],
      .P = height,
      .Q = width,
      .k = 0,
      .stride = 0,
      .padding = 0};
}

}  // namespace

Tensor adaptive_avg_pool2d(const Tensor& x, int64_t height, int64_t width) {
  const PoolDims d = adaptive_dims("adaptive_avg_pool2d", x.shape(), height, width);
  Tensor y = Tensor::empty({x.size(0), x.size(1), height, width}, x.dtype());
  visit_float("adaptive_avg_pool2d", x.dtype(), [&]<class T>() {
    kernels::adaptive_avg_pool2d<T>(d, x.data<T>(), y.mutable_data<T>());
  });
  return record("adaptive_avg_pool2d", y, wrt(x, [s = x.shape()](const Tensor& g) {
                  return adaptive_avg_pool2d_input(g, s);
                }));
}

Tensor adaptive_avg_pool2d_input(const Tensor& g, const Shape& input) {
  check_shape(
      g.rank() == 4 && input.rank() == 4 && g.shape()[0] == input[0] && g.shape()[1] == input[1],
      "adaptive_avg_pool2d_input", "gradient ", g.shape(), " does not fit an input of ", input);
  const PoolDims d = adaptive_dims("adaptive_avg_pool2d_input", input, g.size(2), g.size(3));
  Tensor dx = Tensor::empty(input, g.dtype());
  visit_float("adaptive_avg_pool2d_input", g.dtype(), [&]<class T>() {
    kernels::adaptive_avg_pool2d_input<T>(d, g.data<T>(), dx.mutable_data<T>());
  });
  return record("adaptive_avg_pool2d_input", dx, wrt(g, [P = d.P, Q = d.Q](const Tensor& v) {
                  return adaptive_avg_pool2d(v, P, Q);
                }));
}

Tensor global_avg_pool2d(const Tensor& x) {
  check_shape(x.rank() == 4, "global_avg_pool2d", "needs images [N, C, H, W], got ", x.shape());
  return mean(x, {2, 3});
}

}  // namespace limpid
