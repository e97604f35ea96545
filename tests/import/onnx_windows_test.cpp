// tests/import/onnx_windows_test.cpp: convolution and pooling with every rule for borders.
#include "framework/core/error.h"
#include "framework/ops/ops.h"
#include "tests/import/onnx_writer.h"
#include "tests/import/run_node.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

using namespace limpid;
using write::integer;
using write::integers;

namespace {

/// 1, 2, 3, ... as one image.
Tensor counting(int64_t height, int64_t width) {
  Tensor x = Tensor::empty({1, 1, height, width});
  for (int64_t k = 0; k < x.numel(); ++k) x.mutable_data<float>()[k] = static_cast<float>(k + 1);
  return x;
}

}  // namespace

TEST_CASE("onnx operators: Conv with every rule for the border") {
  const Tensor x = random({2, 4, 7, 6}, 1);
  const Tensor w = random({6, 2, 3, 2}, 2);  // two groups
  const Tensor bias = random({6}, 3);
  const Tensor column = reshape(bias, {1, 6, 1, 1});
  const write::Message groups = integer("group", 2);
  CHECK(close(
      run_node(
          "Conv", {x, w, bias},
          {groups, integers("kernel_shape", {3, 2}), integers("strides", {2, 2}),
           integers("pads", {1, 1, 1, 1})}),
      conv2d(x, w, {.stride = 2, .padding = 1, .groups = 2}) + column));
  CHECK(close(
      run_node("Conv", {x, w}, {groups, integers("dilations", {2, 2})}),
      conv2d(x, w, {.dilation = 2, .groups = 2})));
  CHECK(close(
      run_node("Conv", {x, w, Tensor()}, {groups, write::text("auto_pad", "VALID")}),
      conv2d(x, w, {.groups = 2})));
  // Top, left, bottom, right
  CHECK(close(
      run_node("Conv", {x, w}, {groups, integers("pads", {2, 0, 1, 3})}),
      conv2d(pad(pad(x, 2, 2, 1), 3, 0, 3), w, {.groups = 2})));
  // Stride 2 on 7x6: 4x3 windows reach over 9x6 cells, so two rows are missing, one at each end
  for (const char* rule : {"SAME_UPPER", "SAME_LOWER"}) {
    CAPTURE(rule);
    CHECK(close(
        run_node(
            "Conv", {x, w}, {groups, integers("strides", {2, 2}), write::text("auto_pad", rule)}),
        conv2d(pad(x, 2, 1, 1), w, {.stride = 2, .groups = 2})));
  }
  // Stride 1: one column is missing, at the end or at the beginning
  CHECK(close(
      run_node("Conv", {x, w}, {groups, write::text("auto_pad", "SAME_UPPER")}),
      conv2d(pad(pad(x, 2, 1, 1), 3, 0, 1), w, {.groups = 2})));
  CHECK(close(
      run_node("Conv", {x, w}, {groups, write::text("auto_pad", "SAME_LOWER")}),
      conv2d(pad(pad(x, 2, 1, 1), 3, 1, 0), w, {.groups = 2})));

  CHECK_THROWS_AS(run_node("Conv", {x, w, Tensor::ones({5})}, {groups}), FormatError);
  CHECK_THROWS_AS(run_node("Conv", {x, w}, {integer("group", int64_t{1} << 62)}), FormatError);
  CHECK_THROWS_AS(
      run_node("Conv", {x, w}, {groups, integers("kernel_shape", {3, 3})}), FormatError);
}

TEST_CASE("onnx operators: MaxPool, whose border never wins") {
  const Tensor x = neg(counting(4, 4));  // all negative: a border of zeros would win
  const auto kernel = [](int64_t size) { return integers("kernel_shape", {size, size}); };
  CHECK(close(
      run_node("MaxPool", {x}, {kernel(2), integers("strides", {2, 2})}),
      Tensor::of({1, 1, 2, 2}, {-1, -3, -9, -11})));
  CHECK(close(
      run_node(
          "MaxPool", {x}, {kernel(3), integers("strides", {2, 2}), integers("pads", {1, 1, 1, 1})}),
      Tensor::of({1, 1, 2, 2}, {-1, -2, -5, -6})));
  CHECK(close(  // a border at the end only, which is not the same on all sides
      run_node(
          "MaxPool", {x}, {kernel(3), integers("strides", {2, 2}), integers("pads", {0, 0, 1, 1})}),
      Tensor::of({1, 1, 2, 2}, {-1, -3, -9, -11})));
  CHECK(close(
      run_node(
          "MaxPool", {x}, {kernel(3), integers("strides", {2, 2}), integer("ceil_mode", 1)}, 10),
      Tensor::of({1, 1, 2, 2}, {-1, -3, -9, -11})));
  CHECK(close(
      run_node(
          "MaxPool", {x},
          {kernel(3), integers("strides", {2, 2}), integers("pads", {1, 0, 0, 0}),
           integer("ceil_mode", 1)}),
      Tensor::of({1, 1, 2, 2}, {-1, -3, -5, -7})));
  CHECK(close(
      run_node(
          "MaxPool", {x},
          {kernel(3), integers("strides", {2, 2}), write::text("auto_pad", "SAME_UPPER")}),
      Tensor::of({1, 1, 2, 2}, {-1, -3, -9, -11})));
  CHECK(close(
      run_node(
          "MaxPool", {x},
          {kernel(3), integers("strides", {2, 2}), write::text("auto_pad", "SAME_LOWER")}),
      Tensor::of({1, 1, 2, 2}, {-1, -2, -5, -6})));
  CHECK(close(run_node("GlobalMaxPool", {x}), Tensor::full({1, 1, 1, 1}, -1)));
}

TEST_CASE("onnx operators: AveragePool divides by the cells that count") {
  const Tensor x = counting(3, 3);  // 1 2 3 / 4 5 6 / 7 8 9
  const auto kernel = [](int64_t size) { return integers("kernel_shape", {size, size}); };
  CHECK(close(
      run_node("AveragePool", {x}, {kernel(2)}), Tensor::of({1, 1, 2, 2}, {3, 4, 6, 7}), 1e-6));
  // Border of one on all sides, windows of 3, stride 2: corners hold four cells of the image
  const write::Message strides = integers("strides", {2, 2});
  const write::Message border = integers("pads", {1, 1, 1, 1});
  CHECK(close(
      run_node("AveragePool", {x}, {kernel(3), strides, border}),
      Tensor::of({1, 1, 2, 2}, {3, 4, 6, 7}), 1e-6));
  CHECK(close(
      run_node("AveragePool", {x}, {kernel(3), strides, border, integer("count_include_pad", 1)}),
      Tensor::of({1, 1, 2, 2}, {12 / 9.0, 16 / 9.0, 24 / 9.0, 28 / 9.0}), 1e-6));
  // Windows of 2, stride 2: the last ones reach over the edge by a row and a column
  CHECK(close(
      run_node("AveragePool", {x}, {kernel(2), strides, integer("ceil_mode", 1)}, 10),
      Tensor::of({1, 1, 2, 2}, {3, 4.5, 7.5, 9}), 1e-6));
  // Border of one at the top and left counts, the cells behind the edge do not
  CHECK(close(
      run_node(
          "AveragePool", {x},
          {kernel(3), strides, integers("pads", {1, 1, 0, 0}), integer("count_include_pad", 1),
           integer("ceil_mode", 1)},
          10),
      Tensor::of({1, 1, 2, 2}, {12 / 9.0, 16 / 6.0, 24 / 6.0, 28 / 4.0}), 1e-6));
  CHECK(close(
      run_node("AveragePool", {x}, {kernel(2), strides, write::text("auto_pad", "SAME_UPPER")}),
      Tensor::of({1, 1, 2, 2}, {3, 4.5, 7.5, 9}), 1e-6));
  CHECK(close(run_node("GlobalAveragePool", {x}), Tensor::full({1, 1, 1, 1}, 5), 1e-6));
}
