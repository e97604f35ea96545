// tests/ops/op_table_maps.cpp: records of framework/ops/linear_maps.h, reduce.h and resample.h.
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/ops/resample.h"
#include "tests/ops/op_table.h"
#include "tests/reference/reference.h"

#include <numeric>

namespace limpid {
namespace {

// The values of x under another shape.
Tensor relabelled(const Tensor& x, const Shape& shape) {
  return Tensor::of(shape, x.to_vector(), DType::f64);
}

std::vector<OpCase> form_cases() {
  const std::vector<int64_t> order = {2, 0, 1};
  return {
      {.name = "reshape",
       .op =
           [](Inputs t) {
             return reshape(t[0], {3, 4});
           },
       .inputs = {{2, 3, 2}},
       .reference =
           [](Inputs t) {
             return relabelled(t[0], {3, 4});
           },
       .throws = {{{{2, 3}}, "element counts differ"}}},
      {.name = "reshape to a scalar",
       .op = [](Inputs t) { return reshape(t[0], {}); },
       .inputs = {{1, 1}},
       .reference = [](Inputs t) { return relabelled(t[0], {}); }},
      {.name = "reshape of a product",
       .op = [](Inputs t) { return reshape(t[0] * t[0], {6}); },
       .inputs = {{2, 3}},
       .reference =
           [](Inputs t) {
             return relabelled(reference::map(t[0], [](double x) { return x * x; }), {6});
           }},
      {.name = "flatten",
       .op = [](Inputs t) { return flatten(t[0]); },
       .inputs = {{2, 3, 2}},
       .reference =
           [](Inputs t) {
             return relabelled(t[0], {t[0].size(0), 6});
           },
       .throws = {{{normal({})}, "needs a batch dimension"}}},
      {.name = "permute",
       .op =
           [](Inputs t) {
             return permute(t[0], {2, 0, 1});
           },
       .inputs = {{2, 3, 4}},
       .reference =
           [](Inputs t) {
             return reference::permute(t[0], {2, 0, 1});
           },
       .throws =
           {{{{2, 3}}, "3 dimensions named"},
            {{{2, 3, 4}},
             "dimension 1 named twice",
             Throws::shape_error,
             [](Inputs t) {
               return permute(t[0], {0, 1, 1});
             }},
            {{{2, 3, 4}},
             "no dimension 3",
             Throws::shape_error,
             [](Inputs t) {
               return permute(t[0], {0, 1, 3});
             }}}},
      {.name = "permute by a list",
       .op = [order](Inputs t) { return permute(t[0], order); },
       .inputs = {{2, 3, 4}},
       .reference =
           [](Inputs t) {
             return reference::permute(t[0], {2, 0, 1});
           }},
      {.name = "permute images",
       .op =
           [](Inputs t) {
             return permute(t[0], {0, -2, -1, 1});
           },
       .inputs = {{2, 3, 2, 2}},
       .reference =
           [](Inputs t) {
             return reference::permute(t[0], {0, 2, 3, 1});
           }},
      {.name = "transpose",
       .op = [](Inputs t) { return transpose(t[0]); },
       .inputs = {{3, 4}},
       .reference =
           [](Inputs t) {
             return reference::permute(t[0], {1, 0});
           },
       .throws = {{{{3}}, "needs two dimensions"}}},
      {.name = "transpose batched",
       .op = [](Inputs t) { return transpose(t[0]); },
       .inputs = {{2, 3, 4}},
       .reference =
           [](Inputs t) {
             return reference::permute(t[0], {0, 2, 1});
           }},
      {.name = "detach",
       .op = [](Inputs t) { return detach(t[0] * t[0]); },
       .inputs = {{2, 3}},
       .reference = [](Inputs t) { return reference::map(t[0], [](double x) { return x * x; }); },
       .order = 0},
  };
}

std::vector<OpCase> broadcast_cases() {
  const auto widen = [](const Shape& shape) -> Function {
    return [shape](Inputs t) { return broadcast_to(t[0], shape); };
  };
  const auto widened = [](const Shape& shape) -> Function {
    return [shape](Inputs t) { return reference::broadcast_to(t[0], shape); };
  };
  const auto shrink = [](const Shape& shape) -> Function {
    return [shape](Inputs t) { return sum_to(t[0], shape); };
  };
  const auto shrunk = [](const Shape& shape) -> Function {
    return [shape](Inputs t) { return reference::sum_to(t[0], shape); };
  };
  return {
      {.name = "broadcast_to row",
       .op = widen({2, 3}),
       .inputs = {{3}},
       .reference = widened({2, 3}),
       .throws =
           {{{{4}}, "cannot broadcast [4] with [2, 3]"},
            {{{4, 2, 3}}, "cannot broadcast [4, 2, 3] to [2, 3]"}}},
      {.name = "broadcast_to column",
       .op = widen({2, 3, 4}),
       .inputs = {{3, 1}},
       .reference = widened({2, 3, 4})},
      {.name = "broadcast_to middle",
       .op = widen({2, 3, 4}),
       .inputs = {{2, 1, 4}},
       .reference = widened({2, 3, 4})},
      {.name = "broadcast_to from a scalar",
       .op = widen({2, 3}),
       .inputs = {normal({})},
       .reference = widened({2, 3})},
      {.name = "broadcast_to the same shape",
       .op = widen({2, 3}),
       .inputs = {{2, 3}},
       .reference = widened({2, 3})},
      {.name = "sum_to row",
       .op = shrink({3}),
       .inputs = {{2, 3}},
       .reference = shrunk({3}),
       .throws =
           {{{{2, 4}}, "cannot broadcast [3] with [2, 4]"}, {{{1}}, "cannot sum [1] to [3]"}}},
      {.name = "sum_to column",
       .op = shrink({3, 1}),
       .inputs = {{2, 3, 4}},
       .reference = shrunk({3, 1})},
      {.name = "sum_to middle",
       .op = shrink({2, 1, 4}),
       .inputs = {{2, 3, 4}},
       .reference = shrunk({2, 1, 4})},
      {.name = "sum_to outer and inner",
       .op = shrink({1, 3, 1}),
       .inputs = {{2, 3, 4}},
       .reference = shrunk({1, 3, 1})},
      {.name = "sum_to a scalar", .op = shrink({}), .inputs = {{2, 3}}, .reference = shrunk({})},
      {.name = "sum_to the same shape",
       .op = shrink({2, 3}),
       .inputs = {{2, 3}},
       .reference = shrunk({2, 3})},
  };
}

std::vector<OpCase> slice_cases() {
  const std::vector<BadCall> no_axis = {
      {{{2, 3}}, "no dimension 2"},
      {{{2, 3, 2}}, "leaves dimension 2", Throws::shape_error, [](Inputs t) {
         return slice(t[0], -1, 1, 3);
       }}};
  return {
      {.name = "slice leading",
       .op = [](Inputs t) { return slice(t[0], 0, 1, 3); },
       .inputs = {{4, 3}},
       .reference = [](Inputs t) { return reference::slice(t[0], 0, 1, 3); },
       .throws = {{{{2, 3}}, "range 1 to 3 leaves dimension 0 of [2, 3]"}}},
      {.name = "slice inner",
       .op = [](Inputs t) { return slice(t[0], 1, 2, 4); },
       .inputs = {{2, 5, 3}},
       .reference = [](Inputs t) { return reference::slice(t[0], 1, 2, 4); }},
      {.name = "slice last",
       .op = [](Inputs t) { return slice(t[0], -1, 0, 1); },
       .inputs = {{2, 5, 3}},
       .reference = [](Inputs t) { return reference::slice(t[0], 2, 0, 1); }},
      {.name = "slice twice",
       .op = [](Inputs t) { return slice(t[0], 0, 0, 2) * slice(t[0], 0, 1, 3); },
       .inputs = {{3, 4}},
       .reference =
           [](Inputs t) {
             return reference::map(
                 reference::slice(t[0], 0, 0, 2), reference::slice(t[0], 0, 1, 3),
                 [](double a, double b) { return a * b; });
           }},
      {.name = "pad",
       .op = [](Inputs t) { return pad(t[0], 1, 2, 1); },
       .inputs = {{2, 3, 2}},
       .reference = [](Inputs t) { return reference::pad(t[0], 1, 2, 1); },
       .throws =
           {{{{2}}, "no dimension 1"},
            {{{2, 3}},
             "negative padding",
             Throws::shape_error,
             [](Inputs t) { return pad(t[0], 0, -1, 2); }}}},
      {.name = "pad leading",
       .op = [](Inputs t) { return pad(t[0], 0, 0, 2); },
       .inputs = {{2, 3}},
       .reference = [](Inputs t) { return reference::pad(t[0], 0, 0, 2); }},
      {.name = "pad last",
       .op = [](Inputs t) { return pad(t[0], -1, 1, 0); },
       .inputs = {{2, 3}},
       .reference = [](Inputs t) { return reference::pad(t[0], 1, 1, 0); }},
      {.name = "concat rows",
       .op =
           [](Inputs t) {
             return concat({t[0], t[1]}, 0);
           },
       .inputs = {{2, 3}, {1, 3}},
       .reference =
           [](Inputs t) {
             return reference::concat({t[0], t[1]}, 0);
           },
       .throws =
           {{{{2, 3}, {1, 4}}, "shapes differ beside dimension 0"},
            {{{2, 3}, {3}}, "shapes differ beside dimension 0"},
            {{},
             "needs at least one tensor",
             Throws::value_error,
             [](Inputs t) { return concat(t, 0); }}}},
      {.name = "concat channels",
       .op = [](Inputs t) { return concat(t, 1); },
       .inputs = {{2, 3, 2}, {2, 1, 2}, {2, 2, 2}},
       .reference = [](Inputs t) { return reference::concat(t, 1); }},
      {.name = "concat last",
       .op =
           [](Inputs t) {
             return concat({t[0], t[1]}, -1);
           },
       .inputs = {{2, 3}, {2, 2}},
       .reference =
           [](Inputs t) {
             return reference::concat({t[0], t[1]}, 1);
           }},
      {.name = "concat of one tensor twice",
       .op =
           [](Inputs t) {
             return concat({t[0], t[0] * t[0]}, 0);
           },
       .inputs = {{2, 3}},
       .reference =
           [](Inputs t) {
             return reference::concat(
                 {t[0], reference::map(t[0], [](double x) { return x * x; })}, 0);
           }},
  };
}

std::vector<OpCase> index_cases() {
  const std::vector<BadCall> bad_gather = {
      {{{4, 3}, labels({2, 2}, 4)}, "does not fit [4, 3] beside dimension 0"},
      {{{4, 3}, labels({3}, 4)}, "does not fit"},
      {{{4, 3}, {2, 3}},
       "index must be i64, got f32",
       Throws::dtype_error,
       [](Inputs t) {
         return gather(t[0], Tensor::zeros({2, 3}), 0);
       }},
      {{{1, 3}, labels({4, 3}, 2)}, "index 1 is not in [0, 1)", Throws::value_error}};
  const std::vector<BadCall> bad_scatter = {
      {{{2, 3}, labels({2, 2}, 5)}, "does not fit"},
      {{{2, 3}, labels({2, 3}, 5)}, "is not in [0, 1)", Throws::value_error, [](Inputs t) {
         return scatter_add(t[0], t[1], 0, 1);
       }}};
  const std::vector<int64_t> columns = {2, 0, 2, 1};
  const Tensor column_index = Tensor::of_integers({4, 1}, columns);
  return {
      {.name = "gather rows",
       .op = [](Inputs t) { return gather(t[0], t[1], 0); },
       .inputs = {{4, 3}, labels({6, 3}, 4)},
       .reference = [](Inputs t) { return reference::gather(t[0], t[1], 0); },
       .throws = bad_gather},
      {.name = "gather middle",
       .op = [](Inputs t) { return gather(t[0], t[1], 1); },
       .inputs = {{2, 3, 2}, labels({2, 5, 2}, 3)},
       .reference = [](Inputs t) { return reference::gather(t[0], t[1], 1); }},
      {.name = "gather last",
       .op = [](Inputs t) { return gather(t[0], t[1], -1); },
       .inputs = {{2, 5}, labels({2, 2}, 5)},
       .reference = [](Inputs t) { return reference::gather(t[0], t[1], 1); }},
      {.name = "scatter_add rows",
       .op = [](Inputs t) { return scatter_add(t[0], t[1], 0, 4); },
       .inputs = {{6, 3}, labels({6, 3}, 4)},
       .reference = [](Inputs t) { return reference::scatter_add(t[0], t[1], 0, 4); },
       .throws = bad_scatter},
      {.name = "scatter_add middle",
       .op = [](Inputs t) { return scatter_add(t[0], t[1], 1, 7); },
       .inputs = {{2, 3, 2}, labels({2, 3, 2}, 7)},
       .reference = [](Inputs t) { return reference::scatter_add(t[0], t[1], 1, 7); }},
      {.name = "scatter_add last",
       .op = [](Inputs t) { return scatter_add(t[0], t[1], -1, 3); },
       .inputs = {{2, 5}, labels({2, 5}, 3)},
       .reference = [](Inputs t) { return reference::scatter_add(t[0], t[1], 1, 3); }},
      {.name = "select",
       .op = [columns](Inputs t) { return select(t[0], columns); },
       .inputs = {{4, 3}},
       .reference = [column_index](Inputs t) { return reference::gather(t[0], column_index, 1); },
       .throws =
           {{{{3, 3}}, "4 columns named"},
            {{{4, 2}}, "index 2 is not in [0, 2)", Throws::value_error, {}, "gather"}}},
  };
}

std::vector<OpCase> reduce_cases() {
  using reference::reduce;
  const std::vector<BadCall> bad_axes = {{{{2}}, "no dimension"}};
  const std::vector<BadCall> empty = {{{{0, 3}}, "mean of an empty set"}};
  return {
      {.name = "sum",
       .op = [](Inputs t) { return sum(t[0]); },
       .inputs = {{2, 3}},
       .reference = [](Inputs t) { return reduce(t[0], reference::total); }},
      {.name = "sum rows",
       .op = [](Inputs t) { return sum(t[0], {0}); },
       .inputs = {{2, 3}},
       .reference = [](Inputs t) { return reduce(t[0], {0}, reference::total); },
       .throws =
           {{{normal({})}, "no dimension 0"},
            {{{2, 3}},
             "named twice",
             Throws::shape_error,
             [](Inputs t) {
               return sum(t[0], {0, -2});
             }}}},
      {.name = "sum outer and inner",
       .op =
           [](Inputs t) {
             return sum(t[0], {0, 2});
           },
       .inputs = {{2, 3, 4}},
       .reference =
           [](Inputs t) {
             return reduce(t[0], {0, 2}, reference::total);
           }},
      {.name = "sum last",
       .op = [](Inputs t) { return sum(t[0], {-1}); },
       .inputs = {{2, 3, 4}},
       .reference = [](Inputs t) { return reduce(t[0], {2}, reference::total); }},
      {.name = "mean",
       .op = [](Inputs t) { return mean(t[0]); },
       .inputs = {{2, 3}},
       .reference = [](Inputs t) { return reduce(t[0], reference::average); },
       .throws = empty},
      {.name = "mean channels",
       .op =
           [](Inputs t) {
             return mean(t[0], {0, 2, 3});
           },
       .inputs = {{2, 3, 2, 2}},
       .reference =
           [](Inputs t) {
             return reduce(t[0], {0, 2, 3}, reference::average);
           },
       .throws = {{{{2, 3}}, "no dimension 2"}}},
      {.name = "variance",
       .op = [](Inputs t) { return variance(t[0], {1}); },
       .inputs = {{2, 5}},
       .reference = [](Inputs t) { return reduce(t[0], {1}, reference::spread); },
       .order = 3,
       .throws = bad_axes},
      {.name = "variance of all",
       .op =
           [](Inputs t) {
             return variance(t[0], {0, 1});
           },
       .inputs = {{2, 3}},
       .reference =
           [](Inputs t) {
             return reduce(t[0], {0, 1}, reference::spread);
           }},
      {.name = "norm",
       .op = [](Inputs t) { return norm(t[0], {1}); },
       .inputs = {{2, 5}},
       .reference = [](Inputs t) { return reduce(t[0], {1}, reference::length); },
       .order = 3,
       .throws = bad_axes},
      {.name = "norm of all",
       .op =
           [](Inputs t) {
             return norm(t[0], {0, 1});
           },
       .inputs = {{2, 3}},
       .reference =
           [](Inputs t) {
             return reduce(t[0], {0, 1}, reference::length);
           }},
      {.name = "arg_max",
       .op = [](Inputs t) { return arg_max(t[0], 1); },
       .inputs = {distinct({3, 4})},
       .reference = [](Inputs t) { return reduce(t[0], {1}, reference::where_largest); },
       .order = 0,
       .throws = {{{{3}}, "no dimension 1"}, {{{3, 0}}, "dimension 1 is empty"}}},
      {.name = "arg_max leading",
       .op = [](Inputs t) { return arg_max(t[0], -3); },
       .inputs = {distinct({3, 2, 2})},
       .reference = [](Inputs t) { return reduce(t[0], {0}, reference::where_largest); },
       .order = 0},
      {.name = "max",
       .op = [](Inputs t) { return max(t[0], 1); },
       .inputs = {distinct({3, 4})},
       .reference = [](Inputs t) { return reduce(t[0], {1}, reference::largest); },
       .throws = {{{{3}}, "no dimension 1"}, {{{3, 0}}, "dimension 1 is empty"}}},
      {.name = "max leading",
       .op = [](Inputs t) { return max(t[0], 0); },
       .inputs = {distinct({3, 4})},
       .reference = [](Inputs t) { return reduce(t[0], {0}, reference::largest); }},
      {.name = "max middle",
       .op = [](Inputs t) { return max(t[0], -2); },
       .inputs = {distinct({2, 4, 2})},
       .reference = [](Inputs t) { return reduce(t[0], {1}, reference::largest); }},
  };
}

std::vector<OpCase> resize_cases() {
  const auto to_size = [](int64_t height, int64_t width) -> Function {
    return [=](Inputs t) { return resize_bilinear(t[0], height, width); };
  };
  const auto expected = [](int64_t height, int64_t width) -> Function {
    return [=](Inputs t) { return reference::resize_bilinear(t[0], height, width); };
  };
  const auto back_to = [](int64_t height, int64_t width) -> Function {
    return [=](Inputs t) { return resize_bilinear_input(t[0], height, width); };
  };
  const auto expected_back = [](int64_t height, int64_t width) -> Function {
    return [=](Inputs t) { return reference::resize_bilinear_input(t[0], height, width); };
  };
  const std::vector<BadCall> no_images = {
      {{{2, 3, 4}}, "needs images"}, {{{2, 3, 0, 4}}, "needs images"}};
  return {
      {.name = "resize_bilinear doubled",
       .op = to_size(6, 8),
       .inputs = {{2, 2, 3, 4}},
       .reference = expected(6, 8),
       .throws = no_images},
      {.name = "resize_bilinear up to odd sizes",
       .op = to_size(5, 7),
       .inputs = {{1, 2, 3, 4}},
       .reference = expected(5, 7)},
      {.name = "resize_bilinear down",
       .op = to_size(2, 3),
       .inputs = {{1, 2, 5, 7}},
       .reference = expected(2, 3)},
      {.name = "resize_bilinear up and down",
       .op = to_size(7, 2),
       .inputs = {{1, 1, 3, 5}},
       .reference = expected(7, 2)},
      {.name = "resize_bilinear to a point",
       .op = to_size(1, 1),
       .inputs = {{1, 2, 3, 4}},
       .reference = expected(1, 1)},
      {.name = "resize_bilinear from a point",
       .op = to_size(3, 2),
       .inputs = {{1, 2, 1, 1}},
       .reference = expected(3, 2)},
      {.name = "resize_bilinear to the same size",
       .op = to_size(3, 4),
       .inputs = {{1, 2, 3, 4}},
       .reference = expected(3, 4)},
      {.name = "resize_bilinear_input doubled",
       .op = back_to(3, 4),
       .inputs = {{2, 2, 6, 8}},
       .reference = expected_back(3, 4),
       .throws = no_images},
      {.name = "resize_bilinear_input down",
       .op = back_to(5, 7),
       .inputs = {{1, 2, 2, 3}},
       .reference = expected_back(5, 7)},
      {.name = "resize_bilinear_input up and down",
       .op = back_to(3, 5),
       .inputs = {{1, 1, 7, 2}},
       .reference = expected_back(3, 5)},
      {.name = "resize_bilinear large",
       .op = to_size(30, 40),
       .inputs = {{40, 3, 6, 8}},
       .reference = expected(30, 40),
       .is_large = true},
      {.name = "resize_bilinear_input large",
       .op = back_to(6, 8),
       .inputs = {{40, 3, 30, 40}},
       .reference = expected_back(6, 8),
       .is_large = true},
  };
}

std::vector<OpCase> large_cases() {
  using reference::reduce;
  return {
      {.name = "sum large",
       .op = [](Inputs t) { return sum(t[0]); },
       .inputs = {{300, 401}},
       .reference = [](Inputs t) { return reduce(t[0], reference::total); },
       .is_large = true},
      {.name = "sum large rows",
       .op = [](Inputs t) { return sum(t[0], {1}); },
       .inputs = {{300, 401}},
       .reference = [](Inputs t) { return reduce(t[0], {1}, reference::total); },
       .is_large = true},
      {.name = "sum large columns",
       .op = [](Inputs t) { return sum(t[0], {0}); },
       .inputs = {{300, 601}},
       .reference = [](Inputs t) { return reduce(t[0], {0}, reference::total); },
       .is_large = true},
      {.name = "sum large middle",
       .op = [](Inputs t) { return sum(t[0], {1}); },
       .inputs = {{40, 50, 60}},
       .reference = [](Inputs t) { return reduce(t[0], {1}, reference::total); },
       .is_large = true},
      {.name = "max large",
       .op = [](Inputs t) { return max(t[0], 1); },
       .inputs = {distinct({40, 50, 60})},
       .reference = [](Inputs t) { return reduce(t[0], {1}, reference::largest); },
       .is_large = true},
      {.name = "permute large",
       .op =
           [](Inputs t) {
             return permute(t[0], {2, 0, 1});
           },
       .inputs = {{40, 50, 60}},
       .reference =
           [](Inputs t) {
             return reference::permute(t[0], {2, 0, 1});
           },
       .is_large = true},
      {.name = "broadcast_to large",
       .op =
           [](Inputs t) {
             return broadcast_to(t[0], {40, 50, 60});
           },
       .inputs = {{50, 1}},
       .reference =
           [](Inputs t) {
             return reference::broadcast_to(t[0], {40, 50, 60});
           },
       .is_large = true},
      {.name = "concat large",
       .op =
           [](Inputs t) {
             return concat({t[0], t[1]}, 1);
           },
       .inputs = {{900, 50}, {900, 41}},
       .reference =
           [](Inputs t) {
             return reference::concat({t[0], t[1]}, 1);
           },
       .is_large = true},
      {.name = "gather large",
       .op = [](Inputs t) { return gather(t[0], t[1], 1); },
       .inputs = {{300, 50, 5}, labels({300, 60, 5}, 50)},
       .reference = [](Inputs t) { return reference::gather(t[0], t[1], 1); },
       .is_large = true},
      {.name = "scatter_add large",
       .op = [](Inputs t) { return scatter_add(t[0], t[1], 1, 50); },
       .inputs = {{300, 60, 5}, labels({300, 60, 5}, 50)},
       .reference = [](Inputs t) { return reference::scatter_add(t[0], t[1], 1, 50); },
       .is_large = true},
  };
}

}  // namespace

std::vector<OpCase> map_cases() {
  std::vector<OpCase> all = form_cases();
  for (const auto& more :
       {broadcast_cases(), slice_cases(), index_cases(), reduce_cases(), resize_cases(),
        large_cases()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace limpid
