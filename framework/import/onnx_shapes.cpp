// framework/import/onnx_shapes.cpp: operators that rearrange, and those that compute shapes.
#include "framework/core/error.h"
#include "framework/import/onnx_operators.h"
#include "framework/ops/linear_maps.h"

#include <algorithm>
#include <limits>

namespace limpid::onnx {
namespace {

constexpr int64_t kMaxBorder = 4096;  // cells that Pad adds to a side: keeps memory in bounds
constexpr int64_t kMaxGathered = 4096;

std::vector<int64_t> sizes_of(const Tensor& x) {
  return {x.shape().sizes().begin(), x.shape().sizes().end()};
}

/// A list that old versions state as an attribute and new ones as the second operand.
using List = std::function<std::vector<int64_t>(Operands)>;
List list_of(Attributes& a, const char* name, int64_t first_with_operand, size_t operand = 1) {
  if (a.opset() >= first_with_operand) {
    return [operand](Operands in) {
      return operand < in.size() ? integers_of(in[operand]) : std::vector<int64_t>{};
    };
  }
  return [values = a.integers(name)](Operands) { return values; };
}

// ---- Reshaping ----

/// [product of the dimensions before `axis`, product of the rest].
Function make_flatten(Attributes& a) {
  return [axis = a.integer("axis", 1)](Operands in) {
    const Shape& s = in[0].shape();
    const int64_t d = axis < 0 ? axis + s.rank() : axis;
    check_shape(d >= 0 && d <= s.rank(), "flatten", "no axis ", axis, " in ", s);
    const auto front = s.sizes().first(static_cast<size_t>(d));
    const auto back = s.sizes().subspan(static_cast<size_t>(d));
    return reshape(in[0], {Shape(front).numel(), Shape(back).numel()});
  };
}

/// 0 stands for the size that is there (unless zeros are allowed), -1 for what is left.
Function make_reshape(Attributes& a) {
  return [allows_zero = a.integer("allowzero", 0) != 0](Operands in) {
    const Tensor& x = in[0];
    std::vector<int64_t> sizes = integers_of(in[1]);
    int64_t known = 1;  // product of the sizes that are stated
    auto open = sizes.end();
    for (auto size = sizes.begin(); size != sizes.end(); ++size) {
      if (*size == 0 && !allows_zero) *size = x.size(size - sizes.begin());
      check_shape(
          *size >= 0 || (*size == -1 && open == sizes.end()), "reshape", "size ", *size,
          " is negative, or a second -1");
      if (*size == -1) {
        open = size;
      } else {
        check_shape(
            *size == 0 || known <= std::numeric_limits<int64_t>::max() / *size, "reshape",
            "shape overflow");
        known *= *size;
      }
    }
    if (open != sizes.end()) {
      check_shape(
          known > 0 && x.numel() % known == 0, "reshape", x.numel(), " values do not divide by ",
          known);
      *open = x.numel() / known;
    }
    return reshape(x, Shape(sizes));
  };
}

Function make_transpose(Attributes& a) {
  return [order = a.integers("perm")](Operands in) {
    if (!order.empty()) return permute(in[0], order);
    std::vector<int64_t> reversed;
    for (int64_t d = in[0].rank(); d > 0; --d) reversed.push_back(d - 1);
    return permute(in[0], reversed);
  };
}

Function make_squeeze(Attributes& a) {
  return [axes_of = list_of(a, "axes", 13)](Operands in) {
    const Tensor& x = in[0];
    std::vector<int64_t> sizes = sizes_of(x);
    const std::vector<int64_t> axes = axes_of(in);
    for (const int64_t axis : axes) {
      const int d = resolve_axis("squeeze", axis, x.shape());
      check_shape(x.size(d) == 1, "squeeze", "dimension ", d, " is not 1 in ", x.shape());
      sizes[static_cast<size_t>(d)] = -1;
    }
    std::erase(sizes, axes.empty() ? 1 : -1);
    return reshape(x, Shape(sizes));
  };
}

/// The axes count in the result.
Function make_unsqueeze(Attributes& a) {
  return [axes_of = list_of(a, "axes", 13)](Operands in) {
    const Tensor& x = in[0];
    const std::vector<int64_t> axes = axes_of(in);
    const int64_t rank = x.rank() + std::ssize(axes);
    check_shape(rank <= kMaxRank, "unsqueeze", "rank ", rank, " is over ", kMaxRank);
    std::vector<int64_t> sizes(static_cast<size_t>(rank), -1);
    for (const int64_t axis : axes) {
      const int64_t d = axis < 0 ? axis + rank : axis;
      check_shape(
          d >= 0 && d < rank && sizes[static_cast<size_t>(d)] == -1, "unsqueeze", "axis ", axis,
          " is out of range or occurs twice (", x.shape(), ")");
      sizes[static_cast<size_t>(d)] = 1;
    }
    int k = 0;
    for (int64_t& size : sizes) {
      if (size == -1) size = x.shape()[k++];
    }
    return reshape(x, Shape(sizes));
  };
}

// ---- Joining, padding, cutting ----

Function make_concat(Attributes& a) {
  if (!a.has("axis")) a.fail("attribute \"axis\" is missing");
  return [axis = a.integer("axis", 0)](Operands in) { return concat(in, axis); };
}

/// Borders of one value; negative ones cut. `pads` holds all beginnings, then all ends.
Tensor pad_all(
    const Tensor& x, const std::vector<int64_t>& pads, std::vector<int64_t> axes, double value) {
  if (axes.empty()) {
    for (int64_t d = 0; d < x.rank(); ++d) axes.push_back(d);
  }
  check_shape(
      pads.size() == 2 * axes.size(), "pad", pads.size(), " pads for ", axes.size(), " dimensions");
  Tensor y = x;
  for (size_t k = 0; k < axes.size(); ++k) {
    const int64_t before = pads[k];
    const int64_t after = pads[k + axes.size()];
    for (const int64_t cells : {before, after}) {
      check_value(
          cells >= -kMaxBorder && cells <= kMaxBorder, "pad", cells, " is over ", kMaxBorder);
    }
    y = pad_with(y, axes[k], std::max<int64_t>(before, 0), std::max<int64_t>(after, 0), value);
    if (before < 0 || after < 0) {
      y = slice(
          y, axes[k], std::max<int64_t>(-before, 0),
          y.size(axes[k]) - std::max<int64_t>(-after, 0));
    }
  }
  return y;
}

Function make_pad(Attributes& a) {
  const std::string_view mode = a.text("mode", "constant");
  if (mode != "constant") a.fail("mode: only constant is supported");
  if (a.opset() < 11) {
    return [pads = a.integers("pads"), value = a.real("value", 0)](Operands in) {
      return pad_all(in[0], pads, {}, value);
    };
  }
  return [](Operands in) {
    check_shape(in.size() > 1, "pad", "pads are missing");
    const double value = in.size() > 2 ? number_of(in[2], 0) : 0;
    return pad_all(
        in[0], integers_of(in[1]), in.size() > 3 ? integers_of(in[3]) : std::vector<int64_t>{},
        value);
  };
}

/// Positions begin ... end-1 along each axis, where negative ones count from the end and what lies
/// outside is cut off.
Function make_slice(Attributes& a) {
  const List starts_of = list_of(a, "starts", 10, 1);
  const List ends_of = list_of(a, "ends", 10, 2);
  const List axes_of = list_of(a, "axes", 10, 3);
  return [=](Operands in) {
    const std::vector<int64_t> starts = starts_of(in);
    const std::vector<int64_t> ends = ends_of(in);
    std::vector<int64_t> axes = axes_of(in);
    if (axes.empty()) {
      for (int64_t d = 0; d < std::ssize(starts); ++d) axes.push_back(d);
    }
    check_shape(
        starts.size() == ends.size() && starts.size() == axes.size(), "slice",
        "needs as many starts as ends and axes");
    for (const int64_t step : in.size() > 4 ? integers_of(in[4]) : std::vector<int64_t>{}) {
      check_value(step == 1, "slice", "step ", step, " is not supported");
    }
    Tensor y = in[0];
    for (size_t k = 0; k < axes.size(); ++k) {
      const int64_t size = y.size(axes[k]);
      const auto inside = [&](int64_t position) {
        return std::clamp<int64_t>(position < 0 ? position + size : position, 0, size);
      };
      const int64_t begin = inside(starts[k]);
      y = slice(y, axes[k], begin, std::max(begin, inside(ends[k])));
    }
    return y;
  };
}

/// y[..., i, ...] = x[..., index[i], ...]: the index's dimensions stand in place of the axis.
Function make_gather(Attributes& a) {
  return [axis = a.integer("axis", 0)](Operands in) {
    const Tensor& x = in[0];
    const Tensor& index = in[1];
    const int d = resolve_axis("gather", axis, x.shape());
    check_value(
        index.numel() >= 1 && index.numel() <= kMaxGathered, "gather", index.numel(),
        " positions are not in 1 to ", kMaxGathered);
    std::vector<Tensor> parts;
    for (const int64_t position : index.values<int64_t>()) {
      const int64_t begin = position < 0 ? position + x.size(d) : position;
      check_value(begin >= 0 && begin < x.size(d), "gather", "no position ", position);
      parts.push_back(slice(x, d, begin, begin + 1));
    }
    std::vector<int64_t> sizes = sizes_of(x);
    const auto at = sizes.erase(sizes.begin() + d);
    sizes.insert(at, index.shape().sizes().begin(), index.shape().sizes().end());
    return reshape(concat(parts, d), Shape(sizes));
  };
}

/// The sizes of x as a tensor, from `start` up to `end`.
Function make_shape(Attributes& a) {
  const int64_t start = a.integer("start", 0);
  const int64_t end = a.integer("end", std::numeric_limits<int64_t>::max());
  return [=](Operands in) {
    const auto sizes = in[0].shape().sizes();
    const auto inside = [&](int64_t position) {
      return std::clamp<int64_t>(
          position < 0 ? position + std::ssize(sizes) : position, 0, std::ssize(sizes));
    };
    const int64_t begin = inside(start);
    const int64_t count = std::max<int64_t>(inside(end) - begin, 0);
    return Tensor::of_integers(
        {count}, sizes.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)));
  };
}

}  // namespace

const std::vector<Operator>& shape_operators() {
  static const std::vector<Operator> kTable = {
      {"Concat", 1, kAnyCount, make_concat},
      {"Flatten", 1, 1, make_flatten},
      {"Gather", 2, 2, make_gather, {kNumbers}},
      {"Pad", 1, 4, make_pad, {kNumbers, kNumbers, kNumbers}},
      {"Reshape", 2, 2, make_reshape, {kNumbers}},
      {"Shape", 1, 1, make_shape},
      {"Slice", 1, 5, make_slice, {kNumbers, kNumbers, kNumbers, kNumbers}},
      {"Squeeze", 1, 2, make_squeeze, {kNumbers}},
      {"Transpose", 1, 1, make_transpose},
      {"Unsqueeze", 1, 2, make_unsqueeze, {kNumbers}},
  };
  return kTable;
}

}  // namespace limpid::onnx
