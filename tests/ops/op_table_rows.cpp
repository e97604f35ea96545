// tests/ops/op_table_rows.cpp: records of stacks, running sums, table rows, orders and copies.
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/ops/resample.h"
#include "framework/tensor/integers.h"
#include "tests/ops/op_table.h"
#include "tests/reference/reference.h"

namespace limpid {
namespace {

std::vector<OpCase> stack_cases() {
  const auto along = [](int64_t axis) -> Function {
    return [=](Inputs t) { return stack(t, axis); };
  };
  const auto expected = [](int axis) -> Function {
    return [=](Inputs t) { return reference::stack(t, axis); };
  };
  const auto parts_times_position = [](Inputs t) {
    const std::vector<Tensor> parts = split(t[0], -1, 2);
    Tensor joined = parts[0];
    for (size_t i = 1; i < parts.size(); ++i) {
      joined = concat({parts[i] * (1.0 + static_cast<double>(i)), joined}, -1);
    }
    return joined;
  };
  const auto expected_parts = [](Inputs t) {
    const auto part = [&](int64_t begin, int64_t end, double factor) {
      return reference::map(
          reference::slice(t[0], 1, begin, end), [=](double x) { return factor * x; });
    };
    return reference::concat({part(4, 5, 3), part(2, 4, 2), part(0, 2, 1)}, 1);
  };
  return {
      {.name = "stack",
       .op = along(0),
       .inputs = {{2, 3}, {2, 3}, {2, 3}},
       .reference = expected(0),
       .throws =
           {{{{2, 3}, {2, 4}}, "shapes differ ([2, 3], [2, 4])"},
            {{{2, 3}, {2, 3}}, "no place for dimension 3 in [2, 3]", Throws::shape_error, along(3)},
            {{{2, 3}, {2, 3}}, "no place for dimension -4", Throws::shape_error, along(-4)},
            {{}, "needs at least one tensor", Throws::value_error},
            {{{1, 1, 1, 1, 1, 1}}, "no room for a dimension beside [1, 1, 1, 1, 1, 1]"}}},
      {.name = "stack middle",
       .op = along(-2),
       .inputs = {{2, 3}, {2, 3}},
       .reference = expected(1)},
      {.name = "stack last", .op = along(-1), .inputs = {{2, 3}, {2, 3}}, .reference = expected(2)},
      {.name = "stack of scalars",
       .op = along(0),
       .inputs = {normal({}), normal({})},
       .reference = expected(0)},
      {.name = "stack of one tensor twice",
       .op =
           [](Inputs t) {
             return stack(std::vector<Tensor>{t[0] * t[0], t[0]}, 1);
           },
       .inputs = {{2, 3}},
       .reference =
           [](Inputs t) {
             return reference::stack(
                 {reference::map(t[0], [](double x) { return x * x; }), t[0]}, 1);
           }},
      {.name = "split",
       .op = parts_times_position,
       .inputs = {{3, 5}},
       .reference = expected_parts,
       .throws =
           {{{{2, 3}},
             "needs pieces of at least 1 entry, got 0",
             Throws::value_error,
             [](Inputs t) { return split(t[0], 1, 0)[0]; }},
            {{{2, 3}},
             "no dimension 2",
             Throws::shape_error,
             [](Inputs t) { return split(t[0], 2, 1)[0]; }}}},
  };
}

std::vector<OpCase> running_cases() {
  std::vector<OpCase> cases;
  const auto add = [&](const std::string& detail, const Shape& shape, int axis, int64_t named,
                       bool is_large = false) {
    cases.push_back(
        {.name = "cumsum" + detail,
         .op = [=](Inputs t) { return cumsum(t[0], named); },
         .inputs = {normal(shape)},
         .reference = [=](Inputs t) { return reference::cumsum(t[0], axis); },
         .is_large = is_large});
    cases.push_back(
        {.name = "reverse_cumsum" + detail,
         .op = [=](Inputs t) { return reverse_cumsum(t[0], named); },
         .inputs = {normal(shape)},
         .reference = [=](Inputs t) { return reference::cumsum(t[0], axis, true); },
         .is_large = is_large});
  };
  add("", {3, 5}, 1, 1);
  add(" leading", {4, 3}, 0, 0);
  add(" middle", {2, 4, 3}, 1, -2);
  add(" rank 1", {6}, 0, -1);
  add(" large", {300, 30, 11}, 1, 1, true);
  cases[0].throws = cases[1].throws = {{{{3}}, "no dimension 1"}};
  return cases;
}

std::vector<OpCase> row_table_cases() {
  const Function take = [](Inputs t) { return take_rows(t[0], t[1]); };
  const Function expected = [](Inputs t) { return reference::take_rows(t[0], t[1]); };
  const auto add = [](int64_t rows) -> Function {
    return [=](Inputs t) { return add_rows(t[0], t[1], rows); };
  };
  const auto added = [](int64_t rows) -> Function {
    return [=](Inputs t) { return reference::add_rows(t[0], t[1], rows); };
  };
  const auto hot = [](int64_t classes) -> Function {
    return [=](Inputs t) { return one_hot(t[0], classes); };
  };
  const auto expected_hot = [](int64_t classes) -> Function {
    return [=](Inputs t) { return reference::one_hot(t[0], classes); };
  };
  const BadCall float_index = {{{4, 3}, {2}}, "index must be i64, got f64", Throws::dtype_error};
  return {
      {.name = "take_rows",
       .op = take,
       .inputs = {{4, 3}, labels({6}, 4)},
       .reference = expected,
       .throws =
           {float_index,
            {{{4}, labels({2}, 4)}, "needs a table [R, D] ([4], index [2])"},
            {{{1, 3}, labels({9}, 4)}, "is not in [0, 1)", Throws::value_error}}},
      {.name = "take_rows sentences",
       .op = take,
       .inputs = {{5, 2}, labels({3, 4}, 5)},
       .reference = expected},
      {.name = "take_rows one row",
       .op = take,
       .inputs = {{5, 2}, labels({}, 5)},
       .reference = expected},
      {.name = "take_rows large",
       .op = take,
       .inputs = {{50, 70}, labels({40, 30}, 50)},
       .reference = expected,
       .is_large = true},
      {.name = "take_rows of a list",
       .op = [](Inputs t) { return take_rows(t[0], to_integers(t[1])); },
       .inputs = {{4, 2, 3}, labels({5}, 4)},
       .reference =
           [](Inputs t) {
             return reshape(
                 reference::take_rows(reshape(t[0], {t[0].size(0), 6}), t[1]), {5, 2, 3});
           },
       .throws =
           {{{normal({}), labels({2}, 4)}, "no rows to take from []"},
            {{{2, 3}, labels({9}, 4)}, "is not in [0, 2)", Throws::value_error}}},
      {.name = "add_rows",
       .op = add(4),
       .inputs = {{6, 3}, labels({6}, 4)},
       .reference = added(4),
       .throws =
           {{{{2, 3}, {2}}, "index must be i64, got f64", Throws::dtype_error},
            {{{6, 3}, labels({5}, 4)}, "index [5] does not fit [6, 3]"},
            {{normal({}), labels({}, 4)}, "no dimension -1 in []"},
            {{{9, 3}, labels({9}, 4)}, "is not in [0, 1)", Throws::value_error, add(1)}}},
      {.name = "add_rows sentences",
       .op = add(5),
       .inputs = {{3, 4, 2}, labels({3, 4}, 5)},
       .reference = added(5)},
      {.name = "add_rows large",
       .op = add(50),
       .inputs = {{40, 30, 70}, labels({40, 30}, 50)},
       .reference = added(50),
       .is_large = true},
      {.name = "one_hot",
       .op = hot(4),
       .inputs = {labels({5}, 4)},
       .reference = expected_hot(4),
       .order = 0,
       .throws =
           {{{{3}}, "index must be i64, got f64", Throws::dtype_error},
            {{labels({9}, 4)}, "is not in [0, 1)", Throws::value_error, hot(1)},
            {{labels({1, 1, 1, 1, 1, 1}, 4)}, "no room for a dimension"}},
       .keeps_type = false},
      {.name = "one_hot images",
       .op = hot(3),
       .inputs = {labels({2, 3, 2}, 3)},
       .reference = expected_hot(3),
       .order = 0,
       .keeps_type = false},
  };
}

// Draws each value from a few, so that many are equal.
Sample few(const Shape& shape) {
  const auto fill = [](Rng& rng, std::span<double> v) {
    for (double& value : v) value = static_cast<double>(rng.integer(4)) - 1.5;
  };
  return {shape, fill};
}

std::vector<OpCase> order_cases() {
  std::vector<OpCase> cases;
  const auto add = [&](const std::string& detail, const Sample& x, int axis, int64_t named,
                       bool descending, bool is_large = false) {
    cases.push_back(
        {.name = "arg_sort" + detail,
         .op = [=](Inputs t) { return arg_sort(t[0], named, descending); },
         .inputs = {x},
         .reference = [=](Inputs t) { return reference::arg_sort(t[0], axis, descending); },
         .order = 0,
         .is_large = is_large});
  };
  add("", distinct({3, 6}), 1, 1, false);
  add(" descending", distinct({3, 6}), 1, -1, true);
  add(" equal values", few({3, 20}), 1, 1, false);
  add(" equal values descending", few({3, 20}), 1, 1, true);
  add(" leading", few({5, 3}), 0, 0, false);
  add(" middle", distinct({2, 5, 3}), 1, -2, true);
  add(" large", few({150, 20, 11}), 1, 1, true, true);
  cases[0].throws = {{{{3}}, "no dimension 1"}};

  const auto top = [](int64_t axis, int64_t count) -> Function {
    return [=](Inputs t) { return arg_top(t[0], axis, count); };
  };
  const auto expected_top = [](int axis, int64_t count) -> Function {
    return [=](Inputs t) {
      return reference::slice(reference::arg_sort(t[0], axis, true), axis, 0, count);
    };
  };
  cases.push_back(
      {.name = "arg_top",
       .op = top(1, 2),
       .inputs = {distinct({3, 6})},
       .reference = expected_top(1, 2),
       .order = 0,
       .throws = {
           {{{3, 1}}, "needs 1 to 1 entries, got 2 ([3, 1])", Throws::value_error},
           {{{3, 4}}, "needs 1 to 4 entries, got 0", Throws::value_error, top(1, 0)},
           {{{3}}, "no dimension 1"}}});
  cases.push_back(
      {.name = "arg_top middle equal values",
       .op = top(-2, 3),
       .inputs = {few({2, 6, 4})},
       .reference = expected_top(1, 3),
       .order = 0});
  // What the positions are for: a sorted copy that is differentiable
  cases.push_back(
      {.name = "gather of the largest three",
       .op =
           [](Inputs t) {
             const Tensor y = gather(t[0], arg_top(t[0], 1, 3), 1);
             return y * y;
           },
       .inputs = {distinct({3, 6})},
       .reference =
           [](Inputs t) {
             const Tensor index = reference::slice(reference::arg_sort(t[0], 1, true), 1, 0, 3);
             return reference::map(
                 reference::gather(t[0], index, 1), [](double x) { return x * x; });
           }});

  const Function sums = [](Inputs t) { return log_sum_exp(t[0]); };
  const auto add_sum = [&](const std::string& detail, const Sample& x, bool is_large = false) {
    cases.push_back(
        {.name = "log_sum_exp" + detail,
         .op = sums,
         .inputs = {x},
         .reference = [](Inputs t) { return reference::log_sum_exp(t[0]); },
         .order = is_large ? 2 : 3,
         .is_large = is_large});
  };
  const size_t first = cases.size();
  add_sum("", {3, 4});
  add_sum(" rank 1", {5});
  add_sum(" rank 3", {2, 3, 2});
  add_sum(" of single values", {3, 1});
  add_sum(" large", {500, 101}, true);
  cases[first].throws = {
      {{normal({})}, "no dimension -1", Throws::shape_error, {}, "max"},
      {{{3, 0}}, "dimension 1 is empty", Throws::shape_error, {}, "max"}};
  return cases;
}

struct Resized {
  std::string name;
  Shape x;
  int64_t height, width;
  bool is_large = false;
};

std::vector<OpCase> nearest_cases() {
  const std::vector<Resized> variants = {
      {"doubled", {2, 2, 3, 4}, 6, 8},
      {"up to odd sizes", {1, 2, 3, 4}, 5, 7},
      {"down", {1, 2, 5, 7}, 2, 3},
      {"up and down", {1, 1, 3, 5}, 7, 2},
      {"to a point", {1, 2, 3, 4}, 1, 1},
      {"from a point", {1, 2, 1, 1}, 3, 2},
      {"to the same size", {1, 2, 3, 4}, 3, 4},
      {"large", {40, 30, 6, 8}, 13, 9, true},
  };
  std::vector<OpCase> cases;
  for (const auto& [name, x, height, width, is_large] : variants) {
    const Shape g = {x[0], x[1], height, width};
    cases.push_back(
        {.name = "resize_nearest " + name,
         .op = [P = height, Q = width](Inputs t) { return resize_nearest(t[0], P, Q); },
         .inputs = {normal(x)},
         .reference = [P = height,
                       Q = width](Inputs t) { return reference::resize_nearest(t[0], P, Q); },
         .is_large = is_large});
    cases.push_back(
        {.name = "resize_nearest_input " + name,
         .op = [H = x[2], W = x[3]](Inputs t) { return resize_nearest_input(t[0], H, W); },
         .inputs = {normal(g)},
         .reference = [H = x[2],
                       W = x[3]](Inputs t) { return reference::resize_nearest_input(t[0], H, W); },
         .is_large = is_large});
  }
  cases[0].throws =
      cases[1].throws = {{{{2, 3, 4}}, "needs images"}, {{{2, 3, 0, 4}}, "needs images"}};
  return cases;
}

}  // namespace

std::vector<OpCase> row_cases() {
  std::vector<OpCase> all = stack_cases();
  for (const auto& more : {running_cases(), row_table_cases(), order_cases(), nearest_cases()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace limpid
