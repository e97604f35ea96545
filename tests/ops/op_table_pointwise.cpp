// tests/ops/op_table_pointwise.cpp: records of framework/ops/pointwise.h.
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "tests/ops/op_table.h"
#include "tests/reference/reference.h"

#include <cmath>

namespace limpid {
namespace {

double plus(double a, double b) { return a + b; }
double minus(double a, double b) { return a - b; }
double times(double a, double b) { return a * b; }
double over(double a, double b) { return a / b; }
double rectified(double x) { return x > 0 ? x : 0.0; }
double rectified6(double x) { return x < 0 ? 0.0 : x > 6 ? 6.0 : x; }

const std::vector<BadCall> kNoBroadcast = {
    {{{2, 3}, {2, 4}}, "cannot broadcast [2, 3] with [2, 4]"},
    {{{4, 3}, {2, 3, 3}}, "cannot broadcast [4, 3] with [2, 3, 3]"}};

std::vector<OpCase> arithmetic_cases() {
  const Function sum = [](Inputs t) { return add(t[0], t[1]); };
  const Function difference = [](Inputs t) { return sub(t[0], t[1]); };
  const Function product = [](Inputs t) { return mul(t[0], t[1]); };
  const Function quotient = [](Inputs t) { return div(t[0], t[1]); };
  return {
      {.name = "add",
       .op = sum,
       .inputs = {{2, 3}, {2, 3}},
       .reference = each_pair(plus),
       .throws = kNoBroadcast},
      {.name = "add row", .op = sum, .inputs = {{2, 3}, {3}}, .reference = each_pair(plus)},
      {.name = "add column",
       .op = sum,
       .inputs = {{2, 1, 3}, {4, 1}},
       .reference = each_pair(plus)},
      {.name = "add scalar tensor",
       .op = sum,
       .inputs = {normal({}), {2, 3}},
       .reference = each_pair(plus)},
      {.name = "add middle",
       .op = sum,
       .inputs = {{2, 3, 2}, {1, 3, 1}},
       .reference = each_pair(plus)},
      {.name = "add to itself",
       .op = [](Inputs t) { return add(t[0], t[0]); },
       .inputs = {{2, 3}},
       .reference = [](Inputs t) { return reference::map(t[0], t[0], plus); }},
      {.name = "sub",
       .op = difference,
       .inputs = {{2, 3}, {2, 3}},
       .reference = each_pair(minus),
       .throws = kNoBroadcast},
      {.name = "sub row from matrix",
       .op = difference,
       .inputs = {{2, 3}, {3}},
       .reference = each_pair(minus)},
      {.name = "sub matrix from row",
       .op = difference,
       .inputs = {{3}, {2, 3}},
       .reference = each_pair(minus)},
      {.name = "sub from itself",
       .op = [](Inputs t) { return sub(t[0], t[0] * t[0]); },
       .inputs = {{2, 3}},
       .reference =
           [](Inputs t) { return reference::map(t[0], [](double x) { return x - x * x; }); }},
      {.name = "mul",
       .op = product,
       .inputs = {{2, 3}, {2, 3}},
       .reference = each_pair(times),
       .order = 3,
       .throws = kNoBroadcast},
      {.name = "mul outer",
       .op = product,
       .inputs = {{3, 1}, {1, 4}},
       .reference = each_pair(times)},
      {.name = "mul rank 6",
       .op = product,
       .inputs = {{2, 1, 2, 1, 2, 1}, {1, 2, 1, 2, 1, 2}},
       .reference = each_pair(times)},
      {.name = "mul by a scalar tensor",
       .op = product,
       .inputs = {{2, 3}, normal({})},
       .reference = each_pair(times)},
      {.name = "mul square",
       .op = [](Inputs t) { return mul(t[0], t[0]); },
       .inputs = {{5}},
       .reference = [](Inputs t) { return reference::map(t[0], t[0], times); }},
      {.name = "div",
       .op = quotient,
       .inputs = {{2, 3}, positive({2, 3})},
       .reference = each_pair(over),
       .order = 3,
       .throws = kNoBroadcast},
      {.name = "div by row",
       .op = quotient,
       .inputs = {{2, 3}, positive({3})},
       .reference = each_pair(over)},
      {.name = "div scalar by matrix",
       .op = quotient,
       .inputs = {normal({}), positive({2, 3})},
       .reference = each_pair(over)},
      {.name = "neg",
       .op = [](Inputs t) { return neg(t[0]); },
       .inputs = {{2, 3}},
       .reference = each([](double x) { return -x; })},
      {.name = "affine",
       .op = [](Inputs t) { return affine(t[0], -2.5, 0.75); },
       .inputs = {{2, 3}},
       .reference = each([](double x) { return -2.5 * x + 0.75; })},
      {.name = "affine scalar",
       .op = [](Inputs t) { return affine(t[0], 3, 0); },
       .inputs = {normal({})},
       .reference = each([](double x) { return 3 * x; })},
  };
}

std::vector<OpCase> operator_cases() {
  return {
      {.name = "operator+ tensors",
       .op = [](Inputs t) { return t[0] + t[1]; },
       .inputs = {{2, 3}, {3}},
       .reference = each_pair(plus)},
      {.name = "operator+ number right",
       .op = [](Inputs t) { return t[0] + 1.5; },
       .inputs = {{2, 3}},
       .reference = each([](double x) { return x + 1.5; })},
      {.name = "operator+ number left",
       .op = [](Inputs t) { return 1.5 + t[0]; },
       .inputs = {{2, 3}},
       .reference = each([](double x) { return 1.5 + x; })},
      {.name = "operator- tensors",
       .op = [](Inputs t) { return t[0] - t[1]; },
       .inputs = {{2, 3}, {3}},
       .reference = each_pair(minus)},
      {.name = "operator- sign",
       .op = [](Inputs t) { return -t[0]; },
       .inputs = {{2, 3}},
       .reference = each([](double x) { return -x; })},
      {.name = "operator- number right",
       .op = [](Inputs t) { return t[0] - 1.5; },
       .inputs = {{2, 3}},
       .reference = each([](double x) { return x - 1.5; })},
      {.name = "operator- number left",
       .op = [](Inputs t) { return 1.5 - t[0]; },
       .inputs = {{2, 3}},
       .reference = each([](double x) { return 1.5 - x; })},
      {.name = "operator* tensors",
       .op = [](Inputs t) { return t[0] * t[1]; },
       .inputs = {{2, 3}, {3}},
       .reference = each_pair(times)},
      {.name = "operator* number right",
       .op = [](Inputs t) { return t[0] * 1.5; },
       .inputs = {{2, 3}},
       .reference = each([](double x) { return x * 1.5; })},
      {.name = "operator* number left",
       .op = [](Inputs t) { return 1.5 * t[0]; },
       .inputs = {{2, 3}},
       .reference = each([](double x) { return 1.5 * x; })},
      {.name = "operator/ tensors",
       .op = [](Inputs t) { return t[0] / t[1]; },
       .inputs = {{2, 3}, positive({3})},
       .reference = each_pair(over)},
      {.name = "operator/ by number",
       .op = [](Inputs t) { return t[0] / 4.0; },
       .inputs = {{2, 3}},
       .reference = each([](double x) { return x / 4; })},
  };
}

std::vector<OpCase> function_cases() {
  const auto masked = [](double g, double x) { return x > 0 ? g : 0.0; };
  const auto masked6 = [](double g, double x) { return x > 0 && x < 6 ? g : 0.0; };
  const std::vector<BadCall> shapes_differ = {{{{2, 3}, {3}}, "shapes differ"}};
  return {
      {.name = "exp",
       .op = [](Inputs t) { return exp(t[0]); },
       .inputs = {{3, 5}},
       .reference = each(std::exp),
       .order = 3},
      {.name = "log",
       .op = [](Inputs t) { return log(t[0]); },
       .inputs = {positive({3, 5})},
       .reference = each(std::log),
       .order = 3},
      {.name = "sqrt",
       .op = [](Inputs t) { return sqrt(t[0]); },
       .inputs = {positive({3, 5})},
       .reference = each(std::sqrt),
       .order = 3},
      {.name = "tanh",
       .op = [](Inputs t) { return tanh(t[0]); },
       .inputs = {{3, 5}},
       .reference = each(std::tanh),
       .order = 3},
      {.name = "sigmoid",
       .op = [](Inputs t) { return sigmoid(t[0]); },
       .inputs = {{3, 5}},
       .reference = each([](double x) { return 1 / (1 + std::exp(-x)); }),
       .order = 3},
      {.name = "relu",
       .op = [](Inputs t) { return relu(t[0]); },
       .inputs = {away_from({0}, {3, 5})},
       .reference = each(rectified)},
      {.name = "relu squared",
       .op = [](Inputs t) { return relu(t[0]) * t[0]; },
       .inputs = {away_from({0}, {3, 5})},
       .reference = each([](double x) { return rectified(x) * x; }),
       .order = 3},
      {.name = "relu6",
       .op = [](Inputs t) { return relu6(t[0]); },
       .inputs = {away_from({0, 6}, {3, 9}, 6)},
       .reference = each(rectified6)},
      {.name = "relu6 squared",
       .op = [](Inputs t) { return relu6(t[0]) * t[0]; },
       .inputs = {away_from({0, 6}, {3, 9}, 6)},
       .reference = each([](double x) { return rectified6(x) * x; })},
      {.name = "mask",
       .op = [](Inputs t) { return mask(t[0], t[1]); },
       .inputs = {{3, 5}, away_from({0}, {3, 5})},
       .reference = each_pair(masked),
       .throws = shapes_differ},
      {.name = "mask6",
       .op = [](Inputs t) { return mask6(t[0], t[1]); },
       .inputs = {{3, 9}, away_from({0, 6}, {3, 9}, 6)},
       .reference = each_pair(masked6),
       .throws = shapes_differ},
      // Rounding to f32 is a staircase; but the map is linear, so a wide step shows its slope
      {.name = "to f32 and back",
       .op = [](Inputs t) { return to(to(t[0], DType::f32), DType::f64); },
       .inputs = {{3, 5}},
       .reference = each([](double x) { return x; }),
       .step = 1,
       .keeps_type = false},
      {.name = "to the same type",
       .op = [](Inputs t) { return to(t[0], t[0].dtype()); },
       .inputs = {{3, 5}},
       .reference = each([](double x) { return x; })},
      {.name = "to i64",
       .op = [](Inputs t) { return to(4 * t[0], DType::i64); },
       .inputs = {away_from({0}, {3, 5})},
       .reference = each([](double x) { return std::trunc(4 * x); }),
       .order = 0},
  };
}

// Past 32,768 elements the work is cut into blocks that run in parallel.
std::vector<OpCase> large_cases() {
  return {
      {.name = "add large",
       .op = [](Inputs t) { return add(t[0], t[1]); },
       .inputs = {{3, 33333}, {3, 33333}},
       .reference = each_pair(plus),
       .is_large = true},
      {.name = "mul large rows",
       .op = [](Inputs t) { return mul(t[0], t[1]); },
       .inputs = {{700, 101}, {101}},
       .reference = each_pair(times),
       .is_large = true},
      {.name = "div large columns",
       .op = [](Inputs t) { return div(t[0], t[1]); },
       .inputs = {{7, 101, 150}, positive({101, 1})},
       .reference = each_pair(over),
       .is_large = true},
      {.name = "sub large fixed left",
       .op = [](Inputs t) { return sub(t[0], t[1]); },
       .inputs = {normal({}), {70001}},
       .reference = each_pair(minus),
       .is_large = true},
      {.name = "affine large",
       .op = [](Inputs t) { return affine(t[0], -2.5, 0.75); },
       .inputs = {{70001}},
       .reference = each([](double x) { return -2.5 * x + 0.75; }),
       .is_large = true},
      {.name = "tanh large",
       .op = [](Inputs t) { return tanh(t[0]); },
       .inputs = {{70001}},
       .reference = each(std::tanh),
       .is_large = true},
      {.name = "sigmoid large",
       .op = [](Inputs t) { return sigmoid(t[0]); },
       .inputs = {{70001}},
       .reference = each([](double x) { return 1 / (1 + std::exp(-x)); }),
       .is_large = true},
      {.name = "log large",
       .op = [](Inputs t) { return log(t[0]); },
       .inputs = {positive({70001})},
       .reference = each(std::log),
       .is_large = true},
      {.name = "relu large",
       .op = [](Inputs t) { return relu(t[0]); },
       .inputs = {away_from({0}, {70001})},
       .reference = each(rectified),
       .is_large = true},
  };
}

}  // namespace

std::vector<OpCase> pointwise_cases() {
  std::vector<OpCase> all = arithmetic_cases();
  for (const auto& more : {operator_cases(), function_cases(), large_cases()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace limpid
