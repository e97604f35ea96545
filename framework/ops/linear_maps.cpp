// framework/ops/linear_maps.cpp: each linear map next to its adjoint.
#include "framework/ops/linear_maps.h"

#include "framework/core/error.h"
#include "framework/kernels/elementwise.h"
#include "framework/kernels/index.h"
#include "framework/kernels/reduce.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <array>

namespace limpid {

namespace {

// The shape with a dimension of size 1 put in at `axis` (-1: at the end).
Shape with_dimension(const char* op, const Shape& shape, int64_t axis) {
  const int64_t at = axis < 0 ? axis + shape.rank() + 1 : axis;
  check_shape(at >= 0 && at <= shape.rank(), op, "no place for dimension ", axis, " in ", shape);
  std::vector<int64_t> sizes(shape.sizes().begin(), shape.sizes().end());
  sizes.insert(sizes.begin() + at, 1);
  return Shape(std::span<const int64_t>(sizes));
}

}  // namespace

// ---- reshape: its own adjoint ----

Tensor reshape(const Tensor& x, const Shape& shape) {
  check_shape(
      x.numel() == shape.numel(), "reshape", "element counts differ (", x.shape(), ", ", shape,
      ")");
  return record("reshape", x.viewed_as(shape), wrt(x, [s = x.shape()](const Tensor& g) {
                  return reshape(g, s);
                }));
}

Tensor flatten(const Tensor& x) {
  check_shape(x.rank() >= 1, "flatten", "needs a batch dimension, got ", x.shape());
  const AxisSplit split = split_at(x.shape(), 0);
  return reshape(x, {split.size, split.inner});
}

// ---- permute and its inverse ----

Tensor permute(const Tensor& x, std::span<const int64_t> order) {
  std::array<int, kMaxRank> from{};
  std::array<int64_t, kMaxRank> sizes{};
  std::array<int64_t, kMaxRank> inverse{};
  std::array<bool, kMaxRank> seen{};
  check_shape(
      static_cast<int>(order.size()) == x.rank(), "permute", order.size(), " dimensions named for ",
      x.shape());
  for (size_t d = 0; d < order.size(); ++d) {
    const auto source = static_cast<size_t>(resolve_axis("permute", order[d], x.shape()));
    check_shape(!seen[source], "permute", "dimension ", source, " named twice (", x.shape(), ")");
    seen[source] = true;
    from[d] = static_cast<int>(source);
    sizes[d] = x.shape()[static_cast<int>(source)];
    inverse[source] = static_cast<int64_t>(d);
  }
  Tensor y = Tensor::empty(Shape(std::span<const int64_t>(sizes.data(), order.size())), x.dtype());
  visit_any(x.dtype(), [&]<class T>() {
    kernels::permute<T>(x.shape(), from.data(), x.data<T>(), y.mutable_data<T>());
  });
  return record("permute", y, wrt(x, [inverse, rank = order.size()](const Tensor& g) {
                  return permute(g, std::span<const int64_t>(inverse.data(), rank));
                }));
}

Tensor permute(const Tensor& x, std::initializer_list<int64_t> order) {
  return permute(x, std::span<const int64_t>(order.begin(), order.size()));
}

Tensor transpose(const Tensor& x) {
  check_shape(x.rank() >= 2, "transpose", "needs two dimensions, got ", x.shape());
  std::array<int64_t, kMaxRank> order{0, 1, 2, 3, 4, 5};
  const auto rank = static_cast<size_t>(x.rank());
  std::swap(order[rank - 1], order[rank - 2]);
  return permute(x, std::span<const int64_t>(order.data(), rank));
}

// ---- broadcast_to and sum_to ----

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  check_shape(
      broadcast("broadcast_to", x.shape(), shape) == shape, "broadcast_to", "cannot broadcast ",
      x.shape(), " to ", shape);
  Tensor y = Tensor::empty(shape, x.dtype());
  visit_float("broadcast_to", x.dtype(), [&]<class T>() {
    kernels::repeat<T>(
        kernels::broadcast_dims(x.shape(), shape, shape), x.data<T>(), y.mutable_data<T>());
  });
  return record(
      "broadcast_to", y, wrt(x, [s = x.shape()](const Tensor& g) { return sum_to(g, s); }));
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  check_shape(
      broadcast("sum_to", shape, x.shape()) == x.shape(), "sum_to", "cannot sum ", x.shape(),
      " to ", shape);
  const int lead = x.rank() - shape.rank();
  const auto is_summed = [&](int d) {
    return d < lead || (shape[d - lead] == 1 && x.shape()[d] != 1);
  };
  int left = 0;  // dimensions still to sum
  for (int d = 0; d < x.rank(); ++d) left += is_summed(d);

  // Sum one dimension after the other, the innermost first; neighbours in one go. Sums between two
  // passes stay in double: they may be far larger than their total.
  Tensor y = x.detach();
  Shape rest = x.shape();
  for (int last = x.rank() - 1; last >= 0; --last) {
    if (!is_summed(last)) continue;
    int first = last;
    while (first > 0 && is_summed(first - 1)) --first;
    int64_t outer = 1, n = 1, inner = 1;
    for (int d = 0; d < first; ++d) outer *= rest[d];
    for (int d = first; d <= last; ++d) n *= rest[d];
    for (int d = last + 1; d < rest.rank(); ++d) inner *= rest[d];
    for (int d = first; d <= last; ++d) rest = rest.with(d, 1);
    left -= last - first + 1;
    Tensor sums = Tensor::empty(rest, left == 0 ? x.dtype() : DType::f64);
    visit_float("sum_to", y.dtype(), [&]<class T>() {
      visit_float("sum_to", sums.dtype(), [&]<class Sum>() {
        kernels::sum_axis(outer, n, inner, y.data<T>(), sums.mutable_data<Sum>());
      });
    });
    y = sums;
    last = first;
  }
  y = y.viewed_as(shape);
  return record(
      "sum_to", y, wrt(x, [s = x.shape()](const Tensor& g) { return broadcast_to(g, s); }));
}

// ---- slice, pad, concat ----

Tensor slice(const Tensor& x, int64_t axis, int64_t begin, int64_t end) {
  const int d = resolve_axis("slice", axis, x.shape());
  const int64_t size = x.shape()[d];
  check_shape(
      0 <= begin && begin <= end && end <= size, "slice", "range ", begin, " to ", end,
      " leaves dimension ", d, " of ", x.shape());
  const AxisSplit split = split_at(x.shape(), d);
  const Shape shape = x.shape().with(d, end - begin);
  const auto formula = [d, begin, after = size - end](const Tensor& g) {
    return pad(g, d, begin, after);
  };
  if (split.outer == 1) {  // leading entries lie together: share the buffer
    const int64_t offset = begin * split.inner * size_of(x.dtype());
    return record(
        "slice", Tensor::wrap(x.buffer().from(offset), shape, x.dtype()), wrt(x, formula));
  }
  Tensor y = Tensor::empty(shape, x.dtype());
  visit_any(x.dtype(), [&]<class T>() {
    kernels::copy_slices<T>(
        split.outer, split.inner, end - begin, x.data<T>(), size, begin, y.mutable_data<T>(),
        end - begin, 0);
  });
  return record("slice", y, wrt(x, formula));
}

Tensor pad(const Tensor& x, int64_t axis, int64_t before, int64_t after) {
  const int d = resolve_axis("pad", axis, x.shape());
  check_shape(
      before >= 0 && after >= 0, "pad", "negative padding ", before, ", ", after, " (", x.shape(),
      ")");
  const AxisSplit split = split_at(x.shape(), d);
  Tensor y = Tensor::zeros(x.shape().with(d, before + split.size + after), x.dtype());
  visit_any(x.dtype(), [&]<class T>() {
    kernels::copy_slices<T>(
        split.outer, split.inner, split.size, x.data<T>(), split.size, 0, y.mutable_data<T>(),
        before + split.size + after, before);
  });
  return record("pad", y, wrt(x, [d, before, end = before + split.size](const Tensor& g) {
                  return slice(g, d, before, end);
                }));
}

Tensor concat(std::span<const Tensor> parts, int64_t axis) {
  check_value(!parts.empty(), "concat", "needs at least one tensor");
  const Tensor& first = parts.front();
  const int d = resolve_axis("concat", axis, first.shape());

  // The sum of the sizes on the axis; all else must agree
  int64_t total = 0;
  for (const Tensor& part : parts) {
    check_shape(
        part.rank() == first.rank() && part.shape().with(d, first.shape()[d]) == first.shape(),
        "concat", "shapes differ beside dimension ", d, " (", first.shape(), ", ", part.shape(),
        ")");
    check_dtype(
        part.dtype() == first.dtype(), "concat", "mixes ", name_of(first.dtype()), " with ",
        name_of(part.dtype()));
    total += part.shape()[d];
  }

  // Copy each part to its place; the gradient is the slice of that place
  Tensor y = Tensor::empty(first.shape().with(d, total), first.dtype());
  std::vector<std::pair<Tensor, Vjp>> rules;
  int64_t begin = 0;
  for (const Tensor& part : parts) {
    const AxisSplit split = split_at(part.shape(), d);
    const int64_t end = begin + split.size;
    visit_any(first.dtype(), [&]<class T>() {
      kernels::copy_slices<T>(
          split.outer, split.inner, split.size, part.data<T>(), split.size, 0, y.mutable_data<T>(),
          total, begin);
    });
    rules.emplace_back(
        part, Vjp([d, begin, end](const Tensor& g) { return slice(g, d, begin, end); }));
    begin = end;
  }
  return record_all("concat", y, std::move(rules));
}

Tensor concat(std::initializer_list<Tensor> parts, int64_t axis) {
  return concat(std::span<const Tensor>(parts.begin(), parts.size()), axis);
}

Tensor stack(std::span<const Tensor> parts, int64_t axis) {
  check_value(!parts.empty(), "stack", "needs at least one tensor");
  const Shape& shape = parts.front().shape();
  check_shape(shape.rank() < kMaxRank, "stack", "no room for a dimension beside ", shape);
  const Shape longer = with_dimension("stack", shape, axis);
  std::vector<Tensor> raised;
  for (const Tensor& part : parts) {
    check_shape(part.shape() == shape, "stack", "shapes differ (", shape, ", ", part.shape(), ")");
    raised.push_back(reshape(part, longer));
  }
  return concat(raised, axis);
}

std::vector<Tensor> split(const Tensor& x, int64_t axis, int64_t size) {
  check_value(size >= 1, "split", "needs pieces of at least 1 entry, got ", size);
  const int64_t total = x.shape()[resolve_axis("split", axis, x.shape())];
  std::vector<Tensor> parts;
  for (int64_t begin = 0; begin < total; begin += size) {
    parts.push_back(slice(x, axis, begin, std::min(total, begin + size)));
  }
  return parts;
}

// ---- cumsum and its reverse ----

namespace {

Tensor running_sum(const char* op, const Tensor& x, int d, bool from_the_end) {
  const AxisSplit s = split_at(x.shape(), d);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_float(op, x.dtype(), [&]<class T>() {
    kernels::cumsum<T>(s.outer, s.size, s.inner, from_the_end, x.data<T>(), y.mutable_data<T>());
  });
  return y;
}

}  // namespace

Tensor cumsum(const Tensor& x, int64_t axis) {
  const int d = resolve_axis("cumsum", axis, x.shape());
  return record("cumsum", running_sum("cumsum", x, d, false), wrt(x, [d](const Tensor& g) {
                  return reverse_cumsum(g, d);
                }));
}

Tensor reverse_cumsum(const Tensor& x, int64_t axis) {
  const int d = resolve_axis("reverse_cumsum", axis, x.shape());
  return record(
      "reverse_cumsum", running_sum("reverse_cumsum", x, d, true),
      wrt(x, [d](const Tensor& g) { return cumsum(g, d); }));
}

// ---- take_rows and add_rows: gather and scatter_add of whole rows ----

namespace {

void check_rows(const char* op, const Tensor& index, int64_t rows) {
  check_dtype(index.dtype() == DType::i64, op, "index must be i64, got ", name_of(index.dtype()));
  for (const int64_t i : index.values<int64_t>()) {
    check_value(i >= 0 && i < rows, op, "index ", i, " is not in [0, ", rows, ")");
  }
}

}  // namespace

Tensor take_rows(const Tensor& x, const Tensor& index) {
  check_shape(
      x.rank() == 2 && index.rank() < kMaxRank, "take_rows", "needs a table [R, D] (", x.shape(),
      ", index ", index.shape(), ")");
  check_rows("take_rows", index, x.size(0));
  const Shape shape = with_dimension("take_rows", index.shape(), -1).with(index.rank(), x.size(1));
  Tensor y = Tensor::empty(shape, x.dtype());
  visit_any(x.dtype(), [&]<class T>() {
    kernels::take_rows<T>(
        index.numel(), x.size(1), x.data<T>(), index.data<int64_t>(), y.mutable_data<T>());
  });
  return record("take_rows", y, wrt(x, [index = keep(index), rows = x.size(0)](const Tensor& g) {
                  return add_rows(g, index, rows);
                }));
}

Tensor take_rows(const Tensor& x, std::span<const int64_t> rows) {
  check_shape(x.rank() >= 1 && x.size(0) >= 1, "take_rows", "no rows to take from ", x.shape());
  const Tensor index = Tensor::of_integers({std::ssize(rows)}, rows);
  const Tensor table = reshape(x, {x.size(0), x.numel() / x.size(0)});
  return reshape(take_rows(table, index), x.shape().with(0, std::ssize(rows)));
}

Tensor add_rows(const Tensor& g, const Tensor& index, int64_t rows) {
  const int last = resolve_axis("add_rows", -1, g.shape());
  const int64_t width = g.shape()[last];
  check_shape(
      with_dimension("add_rows", index.shape(), -1).with(index.rank(), width) == g.shape(),
      "add_rows", "index ", index.shape(), " does not fit ", g.shape());
  check_rows("add_rows", index, rows);
  Tensor y = Tensor::zeros({rows, width}, g.dtype());
  visit_float("add_rows", g.dtype(), [&]<class T>() {
    kernels::add_rows<T>(
        index.numel(), width, g.data<T>(), index.data<int64_t>(), y.mutable_data<T>());
  });
  return record("add_rows", y, wrt(g, [index = keep(index)](const Tensor& v) {
                  return take_rows(v, index);
                }));
}

Tensor one_hot(const Tensor& index, int64_t classes, DType dtype) {
  check_shape(index.rank() < kMaxRank, "one_hot", "no room for a dimension beside ", index.shape());
  check_rows("one_hot", index, classes);
  Tensor y = Tensor::zeros(
      with_dimension("one_hot", index.shape(), -1).with(index.rank(), classes), dtype);
  visit_any(dtype, [&]<class T>() {
    T* out = y.mutable_data<T>();
    const auto values = index.values<int64_t>();
    for (size_t k = 0; k < values.size(); ++k) {
      out[static_cast<int64_t>(k) * classes + values[k]] = T(1);
    }
  });
  return y;
}

// ---- gather and scatter_add ----

namespace {

// Checks that `index` fits x beside the axis and stays in [0, size).
void check_index(const char* op, const Shape& x, const Tensor& index, int d, int64_t size) {
  check_dtype(index.dtype() == DType::i64, op, "index must be i64, got ", name_of(index.dtype()));
  check_shape(
      index.rank() == x.rank() && index.shape().with(d, x[d]) == x, op, "index ", index.shape(),
      " does not fit ", x, " beside dimension ", d);
  for (const int64_t i : index.values<int64_t>()) {
    check_value(i >= 0 && i < size, op, "index ", i, " is not in [0, ", size, ")");
  }
}

}  // namespace

Tensor gather(const Tensor& x, const Tensor& index, int64_t axis) {
  const int d = resolve_axis("gather", axis, x.shape());
  const AxisSplit split = split_at(x.shape(), d);
  check_index("gather", x.shape(), index, d, split.size);
  Tensor y = Tensor::empty(index.shape(), x.dtype());
  visit_any(x.dtype(), [&]<class T>() {
    kernels::gather<T>(
        split.outer, split.size, index.shape()[d], split.inner, x.data<T>(), index.data<int64_t>(),
        y.mutable_data<T>());
  });
  const auto formula = [index = keep(index), d, size = split.size](const Tensor& g) {
    return scatter_add(g, index, d, size);
  };
  return record("gather", y, wrt(x, formula));
}

Tensor scatter_add(const Tensor& g, const Tensor& index, int64_t axis, int64_t size) {
  const int d = resolve_axis("scatter_add", axis, g.shape());
  check_shape(
      g.shape() == index.shape(), "scatter_add", "index ", index.shape(), " does not fit ",
      g.shape());
  check_index("scatter_add", g.shape(), index, d, size);
  const AxisSplit split = split_at(g.shape(), d);
  Tensor y = Tensor::empty(g.shape().with(d, size), g.dtype());
  visit_float("scatter_add", g.dtype(), [&]<class T>() {
    kernels::scatter_add<T>(
        split.outer, size, split.size, split.inner, g.data<T>(), index.data<int64_t>(),
        y.mutable_data<T>());
  });
  return record("scatter_add", y, wrt(g, [index = keep(index), d](const Tensor& v) {
                  return gather(v, index, d);
                }));
}

Tensor select(const Tensor& x, std::span<const int64_t> columns) {
  check_shape(
      x.rank() == 2 && x.size(0) == static_cast<int64_t>(columns.size()), "select", columns.size(),
      " columns named for ", x.shape());
  return gather(x, Tensor::of_integers({x.size(0), 1}, columns), 1);
}

Tensor detach(const Tensor& x) { return x.detach(); }

}  // namespace limpid
