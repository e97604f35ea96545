// framework/import/onnx_windows.cpp: convolution and pooling, with ONNX's rules for borders.
//
// ONNX states a border for each side, or lets it follow from the size of the image (auto_pad), and
// a window may reach over the far edge (ceil_mode). limpid's ops know one border for all sides.
// What does not fit is written as padding first, then an op without border.
#include "framework/core/error.h"
#include "framework/import/onnx_operators.h"
#include "framework/ops/conv.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/pool.h"
#include "framework/ops/reduce.h"

#include <algorithm>
#include <array>

namespace limpid::onnx {
namespace {

constexpr int64_t kMaxCells = 4096;  // of a window, a step or a border: keeps memory in bounds

enum class AutoPad : uint8_t { explicit_pads, same_upper, same_lower, valid };

/// Borders in cells.
struct Border {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
  bool is_even() const { return top == left && top == bottom && top == right; }
  bool operator==(const Border&) const = default;
};

/// The attributes that convolution and pooling share, for images.
struct Windows {
  std::array<int64_t, 2> size = {0, 0};  // 0 if the filter says it
  int64_t stride = 1;
  int64_t dilation = 1;
  AutoPad auto_pad = AutoPad::explicit_pads;
  Border pads;
  bool ceil = false;
};

/// Two numbers of `least` or more; `fallback` where the attribute is absent.
std::array<int64_t, 2> pair(
    Attributes& a, const char* name, int64_t least, const std::vector<int64_t>& fallback) {
  const std::vector<int64_t> values = a.integers(name, fallback);
  if (values.size() != 2) {
    a.fail(join_text(name, ": only images are supported, got ", values.size(), " dimensions"));
  }
  for (const int64_t value : values) {
    if (value < least || value > kMaxCells) {
      a.fail(join_text(name, ": ", value, " is not in ", least, " to ", kMaxCells));
    }
  }
  return {values[0], values[1]};
}

/// One number that holds in both directions, since limpid's ops have only one.
int64_t square(Attributes& a, const char* name) {
  const auto [vertical, horizontal] = pair(a, name, 1, {1, 1});
  if (vertical != horizontal) {
    a.fail(join_text(
        name, ": ", vertical, " by ", horizontal, " is not supported, both must be the same"));
  }
  return vertical;
}

Windows read_windows(Attributes& a) {
  Windows w;
  if (a.has("kernel_shape")) w.size = pair(a, "kernel_shape", 1, {});
  w.stride = square(a, "strides");
  w.dilation = square(a, "dilations");
  w.ceil = a.integer("ceil_mode", 0) != 0;

  const std::string_view rule = a.text("auto_pad", "NOTSET");
  if (rule == "SAME_UPPER") {
    w.auto_pad = AutoPad::same_upper;
  } else if (rule == "SAME_LOWER") {
    w.auto_pad = AutoPad::same_lower;
  } else if (rule == "VALID") {
    w.auto_pad = AutoPad::valid;
  } else if (rule != "NOTSET") {
    a.fail("auto_pad: unknown rule");
  }

  const std::vector<int64_t> pads = a.integers("pads", {0, 0, 0, 0});
  if (pads.size() != 4) {
    a.fail(join_text("pads: only images are supported, got ", pads.size(), " numbers"));
  }
  for (const int64_t cells : pads) {
    if (cells < 0 || cells > kMaxCells) {
      a.fail(join_text("pads: ", cells, " is not in 0 to ", kMaxCells));
    }
  }
  if (w.auto_pad == AutoPad::explicit_pads) w.pads = {pads[0], pads[1], pads[2], pads[3]};
  return w;
}

/// The border for an image, where it depends on its size: enough that ceil(cells / stride) windows
/// fit. The odd cell goes to the end (upper) or to the beginning (lower).
Border border_for(const Windows& w, const Shape& x, std::array<int64_t, 2> size) {
  if (w.auto_pad != AutoPad::same_upper && w.auto_pad != AutoPad::same_lower) return w.pads;
  std::array<int64_t, 2> before, after;
  for (int k = 0; k < 2; ++k) {
    const auto side = static_cast<size_t>(k);
    const int64_t cells = x[2 + k];
    const int64_t count = (cells + w.stride - 1) / w.stride;
    const int64_t reach = (count - 1) * w.stride + (size[side] - 1) * w.dilation + 1;
    const int64_t total = std::max<int64_t>(reach - cells, 0);
    before[side] = w.auto_pad == AutoPad::same_upper ? total / 2 : total - total / 2;
    after[side] = total - before[side];
  }
  return {before[0], before[1], after[0], after[1]};
}

Tensor with_border(const Tensor& x, const Border& b, double value) {
  return pad_with(pad_with(x, 2, b.top, b.bottom, value), 3, b.left, b.right, value);
}

void check_images(const char* op, const Tensor& x) {
  check_shape(x.rank() == 4, op, "needs images [N, C, H, W], got ", x.shape());
}

// ---- Conv ----

Function make_conv(Attributes& a) {
  const Windows w = read_windows(a);
  const int64_t groups = a.integer("group", 1);
  if (groups < 1) a.fail(join_text("group: ", groups, " is below 1"));
  return [=](Operands in) {
    const Tensor& x = in[0];       // [N, C, H, W]
    const Tensor& filter = in[1];  // [K, C/groups, R, S]
    check_images("conv", x);
    check_shape(filter.rank() == 4, "conv", "needs filters [K, C, R, S], got ", filter.shape());
    const std::array<int64_t, 2> size = {filter.size(2), filter.size(3)};
    check_shape(groups <= filter.size(0), "conv", groups, " groups for filters ", filter.shape());
    check_shape(
        w.size[0] == 0 || w.size == size, "conv", "kernel_shape differs from the filter ",
        filter.shape());

    const Border border = border_for(w, x.shape(), size);
    const ConvOptions options{
        .stride = w.stride,
        .padding = border.is_even() ? border.top : 0,
        .dilation = w.dilation,
        .groups = groups};
    Tensor y = conv2d(border.is_even() ? x : with_border(x, border, 0), filter, options);
    if (in.size() < 3 || !in[2].defined()) return y;
    return y + reshape(in[2], {1, filter.size(0), 1, 1});
  };
}

// ---- Pooling ----

/// Pooling windows are squares, side by side or `stride` apart.
Windows read_pool(Attributes& a) {
  Windows w = read_windows(a);
  if (w.size[0] == 0) a.fail("kernel_shape: is missing");
  if (w.size[0] != w.size[1]) {
    a.fail(join_text(
        "kernel_shape: ", w.size[0], " by ", w.size[1],
        " is not supported, both must be the same"));
  }
  if (w.dilation != 1) a.fail(join_text("dilations: ", w.dilation, " is not supported"));
  return w;
}

/// The cells that ceil_mode adds behind the border, so that the last window is complete. A window
/// that would begin behind the image and its border in front is none.
Border extra_for(const Windows& w, const Shape& x, const Border& b) {
  const auto extra = [&](int64_t cells, int64_t before, int64_t after) {
    const int64_t room = cells + before + after - w.size[0];
    if (!w.ceil || room < 0) return int64_t{0};
    int64_t steps = (room + w.stride - 1) / w.stride;
    if (steps * w.stride >= cells + before) --steps;
    return std::max<int64_t>(steps * w.stride - room, 0);
  };
  return {.bottom = extra(x[2], b.top, b.bottom), .right = extra(x[3], b.left, b.right)};
}

Function make_max_pool(Attributes& a) {
  const Windows w = read_pool(a);
  a.integer("storage_order", 0);  // concerns the indices, which are not offered
  return [=](Operands in) {
    const Tensor& x = in[0];
    check_images("max pool", x);
    const Border border = border_for(w, x.shape(), w.size);
    PoolOptions options{.size = w.size[0], .stride = w.stride};
    if (border.is_even() && 2 * border.top <= w.size[0]) {
      options.padding = border.top;
      options.ceil = w.ceil;
      return max_pool2d(x, options);
    }
    const double never = -std::numeric_limits<double>::infinity();
    const Tensor padded = with_border(x, border, never);
    return max_pool2d(with_border(padded, extra_for(w, x.shape(), border), never), options);
  };
}

/// Mean of each window, over the cells that count: those of the image, or with its border.
/// mean = pool(x) / pool(1 where a cell counts), both with zeros around.
Function make_average_pool(Attributes& a) {
  const Windows w = read_pool(a);
  const bool border_counts = a.integer("count_include_pad", 0) != 0;
  return [=](Operands in) {
    const Tensor& x = in[0];
    check_images("average pool", x);
    const Border none;
    const Border border = border_for(w, x.shape(), w.size);
    const Border extra = extra_for(w, x.shape(), border);
    const PoolOptions options{.size = w.size[0], .stride = w.stride};
    const auto pooled = [&](const Tensor& t) {
      return avg_pool2d(with_border(t, extra, 0), options);
    };

    Tensor y = pooled(with_border(x, border, 0));
    if (extra == none && (border == none || border_counts)) return y;
    const Tensor image = Tensor::ones({1, 1, x.size(2), x.size(3)}, x.dtype());
    return y / pooled(with_border(image, border, border_counts ? 1 : 0));
  };
}

/// Reduces all positions of [N, C, ...], one dimension after the other; they keep size 1.
template <class Reduce>
Tensor over_positions(const Tensor& x, Reduce reduce) {
  check_shape(x.rank() >= 2, "global pool", "needs [N, C, ...], got ", x.shape());
  Tensor y = x;
  for (int64_t axis = 2; axis < x.rank(); ++axis) y = reduce(y, axis);
  return y;
}

Function make_global_average_pool(Attributes&) {
  return [](Operands in) {
    return over_positions(in[0], [](const Tensor& t, int64_t axis) { return mean(t, {axis}); });
  };
}

Function make_global_max_pool(Attributes&) {
  return [](Operands in) {
    return over_positions(in[0], [](const Tensor& t, int64_t axis) { return max(t, axis); });
  };
}

}  // namespace

const std::vector<Operator>& window_operators() {
  static const std::vector<Operator> kTable = {
      {"AveragePool", 1, 1, make_average_pool},
      {"Conv", 2, 3, make_conv, {"weight", "bias"}},
      {"GlobalAveragePool", 1, 1, make_global_average_pool},
      {"GlobalMaxPool", 1, 1, make_global_max_pool},
      {"MaxPool", 1, 1, make_max_pool},
  };
  return kTable;
}

}  // namespace limpid::onnx
