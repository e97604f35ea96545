// tests/ops/op_table_families.cpp: records of matmul.h, conv.h, pool.h and norm.h.
#include "framework/ops/conv.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/norm.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/pool.h"
#include "tests/ops/op_table.h"
#include "tests/reference/reference.h"

#include <cmath>
#include <cstring>

namespace limpid {
namespace {

// ---- Matrix products ----

OpCase product(
    const std::string& name, const Shape& a, const Shape& b, const MatmulOptions& o = {}) {
  return {
      .name = "matmul " + name,
      .op = [o](Inputs t) { return matmul(t[0], t[1], o); },
      .inputs = {normal(a), normal(b)},
      .reference =
          [o](Inputs t) { return reference::matmul(t[0], t[1], o.transpose_a, o.transpose_b); }};
}

std::vector<OpCase> matmul_cases() {
  OpCase plain = product("plain", {2, 3}, {3, 4});
  plain.order = 3;
  plain.throws = {
      {{{2, 3}, {4, 3}}, "inner sizes 3 and 4 differ"},
      {{{2, 3}, {3}}, "needs two tensors of one rank"},
      {{{2, 2, 3}, {3, 3, 4}}, "leading dimensions differ"},
      {{{2, 2, 3}, {4, 4}}, "inner sizes 3 and 4 differ"}};
  OpCase large = product("large", {300, 70}, {70, 200});
  OpCase large_columns = product("large by columns", {70, 90}, {300, 90}, {.transpose_b = true});
  OpCase large_batch = product("large batch", {40, 30, 40}, {40, 40, 50});
  for (OpCase* record : {&large, &large_columns, &large_batch}) record->is_large = true;
  return {
      plain,
      product("left transposed", {3, 2}, {3, 4}, {.transpose_a = true}),
      product("right transposed", {2, 3}, {4, 3}, {.transpose_b = true}),
      product("both transposed", {3, 2}, {4, 3}, {.transpose_a = true, .transpose_b = true}),
      product("to one number", {1, 5}, {5, 1}),
      product("outer", {3, 1}, {1, 4}),
      product("batched", {2, 2, 3}, {2, 3, 2}),
      product("batched left transposed", {2, 3, 2}, {2, 3, 2}, {.transpose_a = true}),
      product("batched right transposed", {2, 2, 3}, {2, 2, 3}, {.transpose_b = true}),
      product(
          "batched both transposed", {2, 3, 2}, {2, 2, 3},
          {.transpose_a = true, .transpose_b = true}),
      product("rank 4", {2, 2, 1, 3}, {2, 2, 3, 2}),
      product("shared right side", {2, 2, 3}, {3, 4}),
      product("shared right side transposed", {2, 2, 3}, {4, 3}, {.transpose_b = true}),
      {.name = "matmul with itself",
       .op = [](Inputs t) { return matmul(t[0], t[0], {.transpose_b = true}); },
       .inputs = {{2, 3}},
       .reference = [](Inputs t) { return reference::matmul(t[0], t[0], false, true); }},
      large,
      large_columns,
      large_batch,
  };
}

// ---- Convolution: each geometry gives a record of all three members ----

struct Geometry {
  std::string name;
  Shape x, w;
  ConvOptions o = {};
  bool is_large = false;
  double single = 2e-5;
};

const std::vector<Geometry>& geometries() {
  static const std::vector<Geometry> list = {
      {"plain", {2, 2, 4, 5}, {3, 2, 3, 3}},
      {"padding 1", {2, 2, 3, 4}, {2, 2, 3, 3}, {.padding = 1}},
      {"stride 2 padding 1", {2, 2, 5, 6}, {2, 2, 3, 3}, {.stride = 2, .padding = 1}},
      {"stride 2 remainder", {1, 2, 6, 6}, {2, 2, 3, 3}, {.stride = 2}},
      {"stride 3 wider than filter", {1, 1, 7, 8}, {2, 1, 2, 2}, {.stride = 3}},
      {"stride 2 groups 2", {2, 4, 6, 6}, {6, 2, 3, 3}, {.stride = 2, .padding = 1, .groups = 2}},
      {"depthwise", {2, 3, 4, 4}, {3, 1, 3, 3}, {.padding = 1, .groups = 3}},
      {"depthwise multiplied", {1, 2, 4, 4}, {4, 1, 2, 2}, {.groups = 2}},
      {"dilation 2", {1, 2, 6, 7}, {2, 2, 3, 3}, {.padding = 1, .dilation = 2}},
      {"dilation 3 stride 2", {1, 1, 8, 9}, {2, 1, 2, 3}, {.stride = 2, .dilation = 3}},
      {"1x1", {2, 3, 3, 2}, {4, 3, 1, 1}},
      {"1x1 one image", {1, 3, 3, 2}, {4, 3, 1, 1}},
      {"1x1 one image groups 2", {1, 4, 3, 2}, {2, 2, 1, 1}, {.groups = 2}},
      {"1x1 stride 2", {2, 3, 5, 4}, {2, 3, 1, 1}, {.stride = 2}},
      {"1x1 padding 1", {2, 2, 3, 2}, {2, 2, 1, 1}, {.padding = 1}},
      {"1x3", {2, 2, 3, 5}, {2, 2, 1, 3}},
      {"3x1", {1, 2, 5, 3}, {2, 2, 3, 1}},
      {"filter as large as the image", {2, 2, 3, 4}, {3, 2, 3, 4}},
      {"mostly padding", {1, 1, 2, 2}, {2, 1, 3, 3}, {.padding = 4}},
      {"one pixel", {2, 2, 1, 1}, {3, 2, 1, 1}},
      // 100 positions per image: three images share a tile, and the last tile has one
      {"joined images", {4, 1, 12, 12}, {2, 1, 3, 3}},
      // 361 positions: a tile per image, ten tiles for eight partial weight gradients
      {"an image per tile", {10, 1, 19, 19}, {1, 1, 3, 3}, {.padding = 1}},
      {"1x1 an image per tile", {2, 2, 17, 16}, {2, 2, 1, 1}},
      // 288 unfolded rows of 1,089 positions exceed a tile: 27 rows of the image, then 6
      {"tiles of rows", {1, 32, 33, 33}, {2, 32, 3, 3}, {.padding = 1}, false, 1e-4},
      {"tiles of rows stride 2", {1, 36, 61, 65}, {2, 36, 3, 3}, {.stride = 2, .padding = 1}},
      // Winograd in f32: values near 0 carry the rounding of their neighbours, which are up to 200
      {"large", {9, 16, 20, 20}, {8, 16, 3, 3}, {.padding = 1}, true, 1e-3},
      {"large groups", {9, 16, 20, 20}, {8, 4, 3, 3}, {.stride = 2, .groups = 4}, true},
  };
  return list;
}

const std::vector<BadCall> kBadConv = {
    {{{2, 3, 8, 8}, {4, 1, 3, 3}}, "input has 3 channels but weight expects 1"},
    {{{2, 3, 8}, {4, 3, 3}}, "needs images [N, C, H, W]"},
    {{{2, 3, 2, 8}, {4, 3, 3, 3}}, "filter 3x3 exceeds the padded image"},
    {{{2, 3, 8, 8}, {4, 3, 0, 3}}, "exceeds"},
    {{{2, 3, 8, 8}, {4, 3, 3, 3}},
     "needs stride",
     Throws::value_error,
     [](Inputs t) { return conv2d(t[0], t[1], {.stride = 0}); }},
    {{{2, 3, 8, 8}, {4, 3, 3, 3}},
     "padding >= 0",
     Throws::value_error,
     [](Inputs t) { return conv2d(t[0], t[1], {.padding = -1}); }},
    {{{2, 4, 8, 8}, {3, 2, 3, 3}}, "groups 2", Throws::shape_error, [](Inputs t) {
       return conv2d(t[0], t[1], {.groups = 2});
     }}};

std::vector<OpCase> conv_cases() {
  std::vector<OpCase> cases;
  for (const Geometry& geometry : geometries()) {
    const Shape x = geometry.x;
    const Shape w = geometry.w;
    const ConvOptions o = geometry.o;
    const auto outputs = [&](int d) {
      return (x[d] + 2 * o.padding - (w[d] - 1) * o.dilation - 1) / o.stride + 1;
    };
    const Shape g = {x[0], w[0], outputs(2), outputs(3)};
    const int order = cases.empty() ? 3 : 2;
    const auto add = [&](const std::string& op, const Shape& first, const Shape& second,
                         const Function& f, const Function& expected) {
      cases.push_back(
          {.name = op + " " + geometry.name,
           .op = f,
           .inputs = {normal(first), normal(second)},
           .reference = expected,
           .order = order,
           .is_large = geometry.is_large,
           .single = geometry.single});
    };
    add(
        "conv2d", x, w, [o](Inputs t) { return conv2d(t[0], t[1], o); },
        [o](Inputs t) { return reference::conv2d(t[0], t[1], o); });
    add(
        "conv2d_input", g, w, [o, x](Inputs t) { return conv2d_input(t[0], t[1], x, o); },
        [o, x](Inputs t) { return reference::conv2d_input(t[0], t[1], x, o); });
    add(
        "conv2d_weight", g, x, [o, w](Inputs t) { return conv2d_weight(t[0], t[1], w, o); },
        [o, w](Inputs t) { return reference::conv2d_weight(t[0], t[1], w, o); });
  }

  // The plain geometry: x [2, 2, 4, 5], w [3, 2, 3, 3], g [2, 3, 2, 3]
  cases[0].throws = kBadConv;
  cases[1].throws = {
      {{{2, 3, 3, 3}, {3, 2, 3, 3}}, "is not the output shape [2, 3, 2, 3]"},
      {{{2, 3, 2, 3}, {3, 1, 3, 3}},
       "input has 2 channels but weight expects 1 (input [2, 2, 4, 5], weight [3, 1, 3, 3]"}};
  cases[2].throws = {
      {{{2, 3, 3, 3}, {2, 2, 4, 5}}, "is not the output shape [2, 3, 2, 3]"},
      {{{2, 3, 2, 3}, {2, 1, 4, 5}},
       "input has 1 channels but weight expects 2 (input [2, 1, 4, 5], weight [3, 2, 3, 3]"}};
  return cases;
}

// The output shape is stated here, not computed.
OpCase transposed(
    const std::string& name, const Shape& g, const Shape& w, const Shape& output,
    const ConvOptions& o, int64_t output_padding = 0) {
  return {
      .name = "conv_transpose2d" + name,
      .op = [=](Inputs t) { return conv_transpose2d(t[0], t[1], o, output_padding); },
      .inputs = {normal(g), normal(w)},
      .reference =
          [=](Inputs t) {
            return reference::conv2d_input(t[0], t[1], output.with(0, t[0].size(0)), o);
          }};
}

std::vector<OpCase> transposed_cases() {
  const ConvOptions half = {.stride = 2, .padding = 1};
  const ConvOptions groups = {.stride = 2, .groups = 2};
  const ConvOptions wide = {.stride = 3, .padding = 2, .dilation = 2};
  std::vector<OpCase> cases = {
      transposed("", {2, 3, 2, 4}, {3, 2, 3, 3}, {2, 2, 4, 6}, {}),
      transposed(" doubling", {2, 3, 3, 2}, {3, 2, 4, 4}, {2, 2, 6, 4}, half),
      transposed(" output padding", {1, 2, 3, 2}, {2, 2, 3, 3}, {1, 2, 6, 4}, half, 1),
      transposed(" groups", {2, 4, 2, 3}, {4, 1, 2, 3}, {2, 2, 4, 7}, groups),
      transposed(" dilation", {1, 2, 3, 2}, {2, 1, 3, 2}, {1, 1, 9, 4}, wide, 2),
  };
  const auto call = [](const ConvOptions& o, int64_t output_padding) -> Function {
    return [=](Inputs t) { return conv_transpose2d(t[0], t[1], o, output_padding); };
  };
  cases[0].throws = {
      {{{3, 2, 4}, {3, 2, 3, 3}}, "needs maps [N, K, P, Q]"},
      {{{2, 3, 2, 4}, {3, 2, 3, 3}},
       "needs 0 <= output padding < stride, got 1, 1",
       Throws::value_error,
       call({}, 1)},
      {{{2, 3, 2, 4}, {3, 2, 3, 3}},
       "needs 0 <= output padding < stride",
       Throws::value_error,
       call({}, -1)},
      {{{2, 3, 1, 1}, {3, 2, 3, 3}},
       "padding 2 leaves nothing of the output",
       Throws::shape_error,
       call({.padding = 2}, 0)},
      {{{2, 2, 2, 4}, {3, 2, 3, 3}}, "", Throws::shape_error, {}, "conv2d_input"}};
  return cases;
}

// ---- Pooling ----

// An index as max_pool2d writes it, with the positions given.
PlaneIndex plane_index(const std::vector<int>& positions, const Shape& input, const Shape& output) {
  Tensor cells = Tensor::empty(output);
  static_assert(sizeof(int) == 4);
  std::memcpy(cells.mutable_data<float>(), positions.data(), positions.size() * sizeof(int));
  return {keep(cells), input, output};
}

struct Pooling {
  std::string name;
  Shape x;
  PoolOptions o = {};
  bool is_large = false;
};

std::vector<OpCase> window_cases() {
  const std::vector<Pooling> poolings = {
      {"2x2", {2, 2, 4, 6}},
      {"2x2 odd image", {1, 2, 5, 7}},
      {"3x3", {1, 2, 6, 7}, {.size = 3}},
      {"overlapping", {1, 2, 5, 6}, {.size = 3, .stride = 1}},
      {"3x3 stride 2 padding 1", {2, 1, 5, 6}, {.size = 3, .stride = 2, .padding = 1}},
      {"2x2 padding 1", {1, 2, 3, 4}, {.size = 2, .padding = 1}},
      {"stride wider than window", {1, 2, 7, 8}, {.size = 2, .stride = 3}},
      {"whole image", {2, 2, 3, 3}, {.size = 3}},
      {"ceil", {1, 2, 5, 7}, {.ceil = true}},
      {"ceil without effect", {1, 2, 4, 6}, {.ceil = true}},
      {"ceil 3x3 stride 2", {1, 2, 6, 7}, {.size = 3, .stride = 2, .ceil = true}},
      {"ceil one row behind", {1, 1, 3, 4}, {.stride = 2, .padding = 1, .ceil = true}},
      {"ceil wide stride", {1, 1, 7, 6}, {.size = 2, .stride = 3, .ceil = true}},
      {"large", {40, 10, 16, 16}, {}, true},
      {"large ceil", {40, 10, 17, 17}, {.ceil = true}, true},
      {"large overlapping", {30, 10, 15, 15}, {.size = 3, .stride = 2, .padding = 1}, true},
  };
  std::vector<OpCase> cases;
  for (const Pooling& pooling : poolings) {
    const std::string& name = pooling.name;
    const Shape x = pooling.x;
    const PoolOptions o = pooling.o;
    const bool is_large = pooling.is_large;
    const int64_t stride = o.stride == 0 ? o.size : o.stride;
    const Shape g = {
        x[0], x[1], (x[2] + 2 * o.padding - o.size) / stride + 1,
        (x[3] + 2 * o.padding - o.size) / stride + 1};
    cases.push_back(
        {.name = "max_pool2d " + name,
         .op = [o](Inputs t) { return max_pool2d(t[0], o); },
         .inputs = {distinct(x)},
         .reference = [o](Inputs t) { return reference::max_pool2d(t[0], o); },
         .is_large = is_large});
    if (o.ceil) continue;
    cases.push_back(
        {.name = "avg_pool2d " + name,
         .op = [o](Inputs t) { return avg_pool2d(t[0], o); },
         .inputs = {normal(x)},
         .reference = [o](Inputs t) { return reference::avg_pool2d(t[0], o); },
         .is_large = is_large});
    cases.push_back(
        {.name = "avg_pool2d_input " + name,
         .op = [o, x](Inputs t) { return avg_pool2d_input(t[0], x, o); },
         .inputs = {normal(g)},
         .reference = [o, x](Inputs t) { return reference::avg_pool2d_input(t[0], x, o); },
         .is_large = is_large});
  }
  const Function with_border = [](Inputs t) { return max_pool2d(t[0], {.size = 3, .padding = 2}); };
  cases[0].throws = {
      {{{2, 4, 6}}, "needs images [N, C, H, W]"},
      {{{1, 1, 1, 6}}, "window 2x2 exceeds the padded image"},
      {{{1, 1, 6, 6}}, "padding <= size / 2", Throws::value_error, with_border}};
  const std::string max_only = "windows over the edge are offered for max_pool2d only";
  cases[1].throws = {
      {{{2, 4, 6}}, "needs images [N, C, H, W]"},
      {{{1, 1, 1, 6}}, "window 2x2 exceeds the padded image"},
      {{{1, 1, 5, 5}}, max_only, Throws::value_error, [](Inputs t) {
         return avg_pool2d(t[0], {.ceil = true});
       }}};
  cases[2].throws = {
      {{{2, 2, 3, 3}}, "does not fit an input of [2, 2, 4, 6]"},
      {{{1, 1, 3, 3}}, max_only, Throws::value_error, [](Inputs t) {
         return avg_pool2d_input(t[0], {1, 1, 5, 5}, {.ceil = true});
       }}};
  return cases;
}

std::vector<OpCase> pool_cases() {
  std::vector<OpCase> cases = window_cases();
  const Shape wide = {2, 1, 3, 3};
  const Shape narrow = {2, 1, 2, 2};
  const std::vector<int> positions = {0, 4, 4, 8, 2, 2, 2, 7};  // with repetitions
  const PlaneIndex index = plane_index(positions, wide, narrow);
  cases.push_back(
      {.name = "plane_pick",
       .op = [index](Inputs t) { return plane_pick(t[0], index); },
       .inputs = {normal(wide)},
       .reference = [=](Inputs t) { return reference::plane_pick(t[0], positions, narrow); },
       .throws = {{{normal(narrow)}, "index was made for [2, 1, 3, 3]"}}});
  cases.push_back(
      {.name = "plane_spread",
       .op = [index](Inputs t) { return plane_spread(t[0], index); },
       .inputs = {normal(narrow)},
       .reference = [=](Inputs t) { return reference::plane_spread(t[0], positions, wide); },
       .throws = {{{normal(wide)}, "index was made for [2, 1, 2, 2]"}}});
  cases.push_back(
      {.name = "max_pool2d squared",
       .op = [](Inputs t) { return max_pool2d(t[0] * t[0]); },
       .inputs = {distinct({1, 2, 4, 4})},
       .reference =
           [](Inputs t) {
             return reference::max_pool2d(reference::map(t[0], [](double x) { return x * x; }));
           },
       .order = 3});
  cases.push_back(
      {.name = "global_avg_pool2d",
       .op = [](Inputs t) { return global_avg_pool2d(t[0]); },
       .inputs = {{2, 3, 2, 4}},
       .reference =
           [](Inputs t) {
             return reference::reduce(t[0], {2, 3}, reference::average);
           },
       .throws = {{{{2, 3, 4}}, "needs images [N, C, H, W]"}}});
  return cases;
}

struct Adaptive {
  std::string name;
  Shape x;
  int64_t height, width;
  bool is_large = false;
};

std::vector<OpCase> adaptive_cases() {
  const std::vector<Adaptive> variants = {
      {"even", {2, 2, 4, 6}, 2, 3},
      {"overlapping", {1, 2, 5, 7}, 3, 4},
      {"to a point", {2, 2, 3, 5}, 1, 1},
      {"to more cells", {1, 2, 3, 2}, 5, 4},
      {"to the same size", {1, 1, 3, 4}, 3, 4},
      {"large", {40, 20, 13, 13}, 6, 7, true},
  };
  std::vector<OpCase> cases;
  for (const auto& [name, shape, height, width, is_large] : variants) {
    const Shape x = shape;
    const int64_t P = height;
    const int64_t Q = width;
    cases.push_back(
        {.name = "adaptive_avg_pool2d " + name,
         .op = [=](Inputs t) { return adaptive_avg_pool2d(t[0], P, Q); },
         .inputs = {normal(x)},
         .reference = [=](Inputs t) { return reference::adaptive_avg_pool2d(t[0], P, Q); },
         .is_large = is_large});
    cases.push_back(
        {.name = "adaptive_avg_pool2d_input " + name,
         .op = [=](Inputs t) { return adaptive_avg_pool2d_input(t[0], x); },
         .inputs = {normal({x[0], x[1], P, Q})},
         .reference = [=](Inputs t) { return reference::adaptive_avg_pool2d_input(t[0], x); },
         .is_large = is_large});
  }
  cases[0].throws = {
      {{{2, 4, 6}}, "needs images [N, C, H, W]"},
      {{{2, 2, 0, 6}}, "needs images [N, C, H, W]"},
      {{{2, 2, 4, 6}}, "to 0x3", Throws::shape_error, [](Inputs t) {
         return adaptive_avg_pool2d(t[0], 0, 3);
       }}};
  cases[1].throws = {
      {{{2, 3, 2, 3}}, "does not fit an input of [2, 2, 4, 6]"},
      {{{2, 2, 3}}, "does not fit an input of [2, 2, 4, 6]"}};
  return cases;
}

// ---- Standardizing ----

// The optional gamma and beta of a call that has them at the end of its inputs.
Tensor input_or_none(Inputs t, size_t i) { return i < t.size() ? t[i] : Tensor(); }

struct Normed {
  std::string name;
  Shape x;
  NormOptions o = {};
  bool is_large = false;
};

std::vector<OpCase> standardize_cases() {
  const std::vector<Normed> variants = {
      {"images", {3, 2, 2, 3}},
      {"rows", {5, 3}},
      {"sequences", {3, 2, 4}},
      {"per image", {2, 3, 2, 3}, {.groups = NormGroups::image_and_channel}},
      {"per sequence", {3, 2, 4}, {.groups = NormGroups::image_and_channel, .epsilon = 0.1}},
      {"two values", {2, 3}, {.epsilon = 0.5}},
      {"large", {40, 8, 20, 20}, {}, true},
      {"large per image", {9, 30, 20, 20}, {.groups = NormGroups::image_and_channel}, true},
  };
  std::vector<OpCase> cases;
  for (const Normed& variant : variants) {
    const std::string& name = variant.name;
    const Shape x = variant.x;
    const NormOptions o = variant.o;
    const bool is_large = variant.is_large;
    const Sample values = normal(x);
    const Sample gamma = positive({x[1]});
    const Sample beta = normal({x[1]});
    const int order = name == "images" ? 3 : 2;
    const auto full = [o](Inputs t) {
      return standardize(t[0], input_or_none(t, 1), input_or_none(t, 2), o);
    };
    const auto full_expected = [o](Inputs t) {
      return reference::standardize(t[0], input_or_none(t, 1), input_or_none(t, 2), o);
    };
    const auto input = [o](Inputs t) {
      return standardize_input(t[0], t[1], input_or_none(t, 2), o);
    };
    const auto input_expected = [o](Inputs t) {
      return reference::standardize_input(t[0], t[1], input_or_none(t, 2), o);
    };
    const auto add = [&](const std::string& op, const std::string& detail, const Function& f,
                         const std::vector<Sample>& inputs, const Function& expected) {
      cases.push_back(
          {.name = op + " " + name + detail,
           .op = f,
           .inputs = inputs,
           .reference = expected,
           .order = order,
           .is_large = is_large});
    };
    add("standardize", "", full, {values, gamma, beta}, full_expected);
    add("standardize", " alone", full, {values}, full_expected);
    add("standardize", " with gamma", full, {values, gamma}, full_expected);
    add("standardize_input", "", input, {normal(x), values, gamma}, input_expected);
    add("standardize_input", " alone", input, {normal(x), values}, input_expected);
    add(
        "standardize_gamma", "", [o](Inputs t) { return standardize_gamma(t[0], t[1], o); },
        {normal(x), values}, [o](Inputs t) { return reference::standardize_gamma(t[0], t[1], o); });
  }
  return cases;
}

std::vector<OpCase> norm_cases() {
  std::vector<OpCase> cases = standardize_cases();
  const NormOptions per_image = {.groups = NormGroups::image_and_channel};
  cases[0].throws = {
      {{{3}},
       "needs [N, C, ...]",
       Throws::shape_error,
       [](Inputs t) { return standardize(t[0], {}, {}); }},
      {{{1, 3}},
       "a group needs at least two values",
       Throws::shape_error,
       [](Inputs t) { return standardize(t[0], {}, {}); }},
      {{{3, 2, 2}, {3}},
       "needs one value per channel",
       Throws::shape_error,
       [](Inputs t) { return standardize(t[0], t[1], {}); }},
      {{{4, 2}, {3}}, "does not fit the moments", Throws::shape_error, [](Inputs t) {
         const Tensor wrong = t[1].detach();
         return standardize(t[0], {}, {}, {}, {wrong, wrong, wrong});
       }}};
  cases[3].throws = {
      {{{3, 2, 2, 2}, {3, 2, 2, 3}}, "does not fit the input", Throws::shape_error, [](Inputs t) {
         return standardize_input(t[0], t[1], {});
       }}};
  cases[5].throws = {{{{3, 2, 2, 2}, {3, 2, 2, 3}}, "does not fit the input"}};

  const auto joined_moments = [](const Moments& m) {
    return concat({m.mean, m.scale, m.variance}, 0);
  };
  cases.push_back(
      {.name = "moments channels",
       .op = [=](Inputs t) { return joined_moments(moments(t[0])); },
       .inputs = {{3, 2, 2, 3}},
       .reference = [](Inputs t) { return reference::moments(t[0]); },
       .order = 0,
       .throws =
           {{{{3}}, "needs [N, C, ...]"},
            {{{1, 3}}, "a group needs at least two values"},
            {{{0, 3, 2}}, "statistics over an empty batch"}}});
  cases.push_back(
      {.name = "moments per image",
       .op = [=](Inputs t) { return joined_moments(moments(t[0], per_image)); },
       .inputs = {{3, 2, 2, 3}},
       .reference = [=](Inputs t) { return reference::moments(t[0], per_image); },
       .order = 0});
  cases.push_back(
      {.name = "standardize with known moments",
       .op = [](Inputs t) { return standardize(t[0], t[1], t[2], {}, moments(t[0])); },
       .inputs = {{3, 2, 2, 3}, positive({2}), normal({2})},
       .reference = [](Inputs t) { return reference::standardize(t[0], t[1], t[2]); }});
  cases.push_back(
      {.name = "standardize_shared",  // of one rank: tests/cli/ranks_test.cpp has more
       .op =
           [](Inputs t) {
             Moments batch;
             return standardize_shared(t[0], t[1], t[2], t[0].size(0), 1e-5, batch);
           },
       .inputs = {{3, 2, 2, 3}, positive({2}), normal({2})},
       .reference = [](Inputs t) { return reference::standardize(t[0], t[1], t[2]); }});
  cases.push_back(
      {.name = "standardize with beta alone",
       .op = [](Inputs t) { return standardize(t[0], {}, t[1]); },
       .inputs = {{3, 2, 2}, {2}},
       .reference = [](Inputs t) { return reference::standardize(t[0], Tensor(), t[1]); }});
  cases.push_back(
      {.name = "standardize squared",
       .op =
           [](Inputs t) {
             const Tensor y = standardize(t[0], t[1], t[2]);
             return y * y;
           },
       .inputs = {{4, 2, 3}, positive({2}), normal({2})},
       .reference =
           [](Inputs t) {
             return reference::map(
                 reference::standardize(t[0], t[1], t[2]), [](double y) { return y * y; });
           },
       .order = 3});
  cases.push_back(
      {.name = "scale_shift",
       .op = [](Inputs t) { return scale_shift(t[0], t[1], t[2]); },
       .inputs = {{2, 3, 2, 2}, {3}, {3}},
       .reference = [](Inputs t) { return reference::scale_shift(t[0], t[1], t[2]); },
       .throws =
           {{{{3}, {3}, {3}}, "needs [N, C, ...]"},
            {{{2, 3}, {2}, {3}}, "needs one value per channel"},
            {{{2, 3}, {3}, {2}}, "needs one value per channel"}}});
  cases.push_back(
      {.name = "scale_shift without shift",
       .op = [](Inputs t) { return scale_shift(t[0], t[1], {}); },
       .inputs = {{3, 2, 5}, {2}},
       .reference = [](Inputs t) { return reference::scale_shift(t[0], t[1], {}); }});
  cases.push_back(
      {.name = "normalize",
       .op = [](Inputs t) { return normalize(t[0], t[1], t[2], t[3], t[4]); },
       .inputs = {{2, 3, 2, 2}, {3}, positive({3}), positive({3}), {3}},
       .reference = [](Inputs t) { return reference::normalize(t[0], t[1], t[2], t[3], t[4]); },
       .throws =
           {{{{3}, {3}, {3}, {3}, {3}}, "needs [N, C, ...]"},
            {{{2, 3}, {2}, {3}, {3}, {3}}, "needs one value per channel"}}});
  cases.push_back(
      {.name = "normalize alone",
       .op = [](Inputs t) { return normalize(t[0], t[1], t[2], {}, {}, 0.25); },
       .inputs = {{2, 3}, {3}, positive({3})},
       .reference = [](Inputs t) { return reference::normalize(t[0], t[1], t[2], {}, {}, 0.25); }});
  return cases;
}

// Group norm and layer norm with every choice of gamma and beta.
std::vector<OpCase> feature_norm_cases() {
  std::vector<OpCase> cases;
  const auto add = [&](const std::string& op, const std::string& detail, const Shape& x,
                       int64_t features, const Function& f, const Function& expected,
                       bool is_large = false) {
    const Sample gamma = positive({features});
    const Sample beta = normal({features});
    for (const std::vector<Sample>& inputs :
         {std::vector<Sample>{normal(x), gamma, beta}, {normal(x)}, {normal(x), gamma}}) {
      const std::string given[] = {" alone", " with gamma", ""};
      cases.push_back(
          {.name = op + detail + given[inputs.size() - 1],
           .op = f,
           .inputs = inputs,
           .reference = expected,
           .is_large = is_large});
    }
  };
  const auto add_groups = [&](const std::string& detail, const Shape& x, int64_t groups,
                              double epsilon = 1e-5, bool is_large = false) {
    const auto f = [=](Inputs t) {
      return group_norm(t[0], groups, input_or_none(t, 1), input_or_none(t, 2), epsilon);
    };
    const auto expected = [=](Inputs t) {
      return reference::group_norm(t[0], groups, input_or_none(t, 1), input_or_none(t, 2), epsilon);
    };
    add("group_norm", detail, x, x[1], f, expected, is_large);
  };
  const auto add_layer = [&](const std::string& detail, const Shape& x, double epsilon = 1e-5,
                             bool is_large = false) {
    const auto f = [=](Inputs t) {
      return layer_norm(t[0], input_or_none(t, 1), input_or_none(t, 2), epsilon);
    };
    const auto expected = [=](Inputs t) {
      return reference::layer_norm(t[0], input_or_none(t, 1), input_or_none(t, 2), epsilon);
    };
    add("layer_norm", detail, x, x[x.rank() - 1], f, expected, is_large);
  };
  add_groups("", {2, 4, 2, 3}, 2);
  add_groups(" of all channels", {3, 2, 4}, 1);
  add_groups(" rows", {2, 6}, 2, 0.1);
  add_groups(" per channel", {2, 3, 4}, 3);
  add_groups(" large", {9, 30, 20, 20}, 5, 1e-5, true);
  add_layer("", {3, 5});
  add_layer(" sequences", {2, 3, 4});
  add_layer(" rank 1", {6}, 0.1);
  add_layer(" large", {40, 30, 50}, 1e-5, true);

  for (OpCase& record : cases) {
    if (record.name == "group_norm") {
      record.throws = {
          {{{3}, {3}, {3}}, "needs [N, C, ...]"},
          {{{2, 3, 2}, {3}, {3}}, "2 groups do not divide the 3 channels of [2, 3, 2]"},
          {{{2, 4, 2}, {3}, {4}}, "needs one value per channel"},
          {{{2, 4, 2}, {4}, {4}},
           "0 groups do not divide the 4 channels of [2, 4, 2]",
           Throws::shape_error,
           [](Inputs t) { return group_norm(t[0], 0, t[1], t[2]); }},
          {{{2, 2}, {2}, {2}},
           "a group needs at least two values ([2, 2], groups 2)",
           Throws::shape_error,
           [](Inputs t) { return group_norm(t[0], 2, {}, {}); }}};
    } else if (record.name == "layer_norm") {
      record.throws = {
          {{normal({}), {1}, {1}}, "no dimension -1 in []"},
          {{{3, 1}, {1}, {1}}, "the last dimension of [3, 1] needs at least two features"},
          {{{3, 5}, {3}, {5}}, "needs one value per feature, got [3] for [3, 5]"},
          {{{3, 5}, {5}, {1, 5}}, "needs one value per feature, got [1, 5] for [3, 5]"}};
    }
  }
  return cases;
}

}  // namespace

std::vector<OpCase> family_cases() {
  std::vector<OpCase> all = matmul_cases();
  for (const auto& more :
       {conv_cases(), transposed_cases(), pool_cases(), adaptive_cases(), norm_cases(),
        feature_norm_cases()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace limpid
