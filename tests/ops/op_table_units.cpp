// tests/ops/op_table_units.cpp: records of the functions, units and comparisons of pointwise.h.
#include "framework/ops/pointwise.h"
#include "framework/ops/rank_sum.h"
#include "tests/ops/op_table.h"
#include "tests/reference/reference.h"

#include <cmath>

namespace limpid {
namespace {

OpCase unary(const std::string& name, Tensor (*op)(const Tensor&), double (*f)(double)) {
  return {
      .name = name,
      .op = [op](Inputs t) { return op(t[0]); },
      .inputs = {{3, 5}},
      .reference = each(f),
      .order = 3};
}

OpCase large(OpCase record) {
  record.name += " large";
  for (Sample& sample : record.inputs) sample = sample.of({70001});
  record.is_large = true;
  record.throws = {};
  return record;
}

double softened(double x) { return x > 30 ? x : std::log1p(std::exp(x)); }
double gated(double x) { return x / (1 + std::exp(-x)); }
double bell_gated(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }

std::vector<OpCase> smooth_cases() {
  std::vector<OpCase> cases = {
      unary("sin", sin, std::sin), unary("cos", cos, std::cos),
      unary("erf", erf, std::erf), unary("softplus", softplus, softened),
      unary("silu", silu, gated),  unary("gelu", gelu, bell_gated),
  };
  for (size_t i = 0; i < 4; ++i) cases.push_back(large(cases[i]));
  // Of one rank: tests/cli/ranks_test.cpp has more
  cases.push_back(unary("sum_over_ranks", sum_over_ranks, [](double x) { return x; }));
  return cases;
}

OpCase power(const std::string& name, double p, const Sample& x) {
  return {
      .name = "pow " + name,
      .op = [p](Inputs t) { return pow(t[0], p); },
      .inputs = {x},
      .reference =
          [p](Inputs t) { return reference::map(t[0], [p](double v) { return std::pow(v, p); }); },
      .order = 3};
}

std::vector<OpCase> power_cases() {
  return {
      power("square", 2, {3, 5}),
      power("cube", 3, {3, 5}),
      power("itself", 1, {3, 5}),
      power("root", 0.5, positive({3, 5})),
      power("negative", -1.5, positive({3, 5})),
      power("negative whole", -2, away_from({0}, {3, 5})),
      large(power("odd", 2.5, positive({3, 5}))),
  };
}

std::vector<OpCase> kinked_cases() {
  const Function rectify = [](Inputs t) { return leaky_relu(t[0]); };
  const Function limit = [](Inputs t) { return clamp(t[0], -0.5, 0.75); };
  return {
      {.name = "abs",
       .op = [](Inputs t) { return abs(t[0]); },
       .inputs = {away_from({0}, {3, 5})},
       .reference = each([](double x) { return std::abs(x); })},
      {.name = "abs of a product",
       .op = [](Inputs t) { return abs(t[0] * t[1]); },
       .inputs = {away_from({0}, {3, 5}), away_from({0}, {5})},
       .reference = each_pair([](double a, double b) { return std::abs(a * b); })},
      {.name = "clamp",
       .op = limit,
       .inputs = {away_from({-0.5, 0.75, 0}, {3, 9}, 2)},
       .reference = each([](double x) { return x < -0.5   ? -0.5
                                               : x > 0.75 ? 0.75
                                                          : x; }),
       .throws =
           {{{{2}},
             "needs low <= high, got 1, 0",
             Throws::value_error,
             [](Inputs t) { return clamp(t[0], 1, 0); }},
            {{{2}},
             "needs low <= high",
             Throws::value_error,
             [](Inputs t) { return clamp(t[0], std::nan(""), 0); }}}},
      {.name = "clamp squared",
       .op =
           [limit](Inputs t) {
             const Tensor y = limit(t);
             return y * t[0];
           },
       .inputs = {away_from({-0.5, 0.75, 0}, {3, 9}, 2)},
       .reference = each([](double x) { return x * (x < -0.5   ? -0.5
                                                    : x > 0.75 ? 0.75
                                                               : x); })},
      {.name = "leaky_relu",
       .op = rectify,
       .inputs = {away_from({0}, {3, 5})},
       .reference = each([](double x) { return x > 0 ? x : 0.01 * x; })},
      {.name = "leaky_relu steep",
       .op = [](Inputs t) { return leaky_relu(t[0], 1.5) * t[0]; },
       .inputs = {away_from({0}, {3, 5})},
       .reference = each([](double x) { return x * (x > 0 ? x : 1.5 * x); })},
      {.name = "elu",
       .op = [](Inputs t) { return elu(t[0]); },
       .inputs = {away_from({0}, {3, 5}, 3)},
       .reference = each([](double x) { return x > 0 ? x : std::expm1(x); }),
       .order = 3},
      {.name = "elu alpha",
       .op = [](Inputs t) { return elu(t[0], 0.25) * t[0]; },
       .inputs = {away_from({0}, {3, 5}, 3)},
       .reference = each([](double x) { return x * (x > 0 ? x : 0.25 * std::expm1(x)); })},
  };
}

// Multiples of 0.2 in [-1, 1], shifted: two of them meet in every pair of values, or never.
Sample steps(const Shape& shape, double shift) {
  const auto fill = [shift](Rng& rng, std::span<double> v) {
    for (double& value : v) value = 0.2 * static_cast<double>(rng.integer(11) - 5) + shift;
  };
  return {shape, fill};
}

using Pairwise = Tensor (*)(const Tensor&, const Tensor&);

// Three shapes of a function of two tensors that must not be equal anywhere.
std::vector<OpCase> choices(const std::string& name, Pairwise op, double (*f)(double, double)) {
  const Function call = [op](Inputs t) { return op(t[0], t[1]); };
  return {
      {.name = name,
       .op = call,
       .inputs = {steps({3, 5}, 0), steps({3, 5}, 0.1)},
       .reference = each_pair(f),
       .throws = {{{{2, 3}, {2, 4}}, "cannot broadcast"}}},
      {.name = name + " row",
       .op = call,
       .inputs = {steps({3, 5}, 0), steps({5}, 0.1)},
       .reference = each_pair(f)},
      {.name = name + " outer",
       .op = call,
       .inputs = {steps({3, 1}, 0), steps({1, 4}, 0.1)},
       .reference = each_pair(f)},
      {.name = name + " of products",
       .op = [op](Inputs t) { return op(t[0] * t[0], t[1]) * t[1]; },
       .inputs = {steps({3, 5}, 0), steps({3, 5}, 0.1)},
       .reference =
           [f](Inputs t) {
             return reference::map(t[0], t[1], [f](double a, double b) { return f(a * a, b) * b; });
           }},
  };
}

// Values that often meet, and two shapes that broadcast.
std::vector<OpCase> comparison(const std::string& name, Pairwise op, double (*f)(double, double)) {
  const Function call = [op](Inputs t) { return op(t[0], t[1]); };
  const OpCase plain = {
      .name = name,
      .op = call,
      .inputs = {steps({4, 5}, 0), steps({4, 5}, 0)},
      .reference = each_pair(f),
      .order = 0,
      .throws = {{{{2, 3}, {2, 4}}, "cannot broadcast"}}};
  return {
      plain,
      {.name = name + " outer",
       .op = call,
       .inputs = {steps({4, 1}, 0), steps({5}, 0)},
       .reference = each_pair(f),
       .order = 0},
      large(plain),
  };
}

Tensor where_expected(Inputs t) {
  const Tensor either = reference::map(t[1], t[2], [](double, double) { return 0.0; });
  const Tensor all = reference::map(t[0], either, [](double, double) { return 0.0; });
  const auto wide = [&](size_t i) { return reference::broadcast_to(t[i], all.shape()); };
  const std::vector<double> yes = wide(0).to_vector();
  std::vector<double> y = wide(2).to_vector();
  const std::vector<double> a = wide(1).to_vector();
  for (size_t i = 0; i < y.size(); ++i) y[i] = yes[i] > 0 ? a[i] : y[i];
  return Tensor::of(all.shape(), y, DType::f64);
}

std::vector<OpCase> where_cases() {
  const Function choose = [](Inputs t) { return where(t[0], t[1], t[2]); };
  const auto variant = [&](const std::string& detail, const std::vector<Sample>& inputs) {
    return OpCase{
        .name = "where" + detail, .op = choose, .inputs = inputs, .reference = where_expected};
  };
  std::vector<OpCase> cases = {
      variant("", {away_from({0}, {3, 5}), {3, 5}, {3, 5}}),
      variant(" row condition", {away_from({0}, {5}), {3, 5}, {3, 5}}),
      variant(" column condition", {away_from({0}, {7, 1}), {1, 5}, {7, 5}}),
      variant(" wide condition", {away_from({0}, {2, 3, 4}), {4}, {3, 1}}),
      variant(" scalars", {away_from({0}, {3, 5}), normal({}), normal({})}),
      large(variant("", {away_from({0}, {3, 5}), {3, 5}, {3, 5}})),
  };
  cases[0].throws = {
      {{{2, 3}, {2, 4}, {2, 3}}, "cannot broadcast [2, 3] with [2, 4]"},
      {{{2, 3}, {2, 3}, {2, 4}}, "cannot broadcast [2, 3] with [2, 4]"}};
  return cases;
}

}  // namespace

std::vector<OpCase> unit_cases() {
  OpCase signs = {
      .name = "sign",
      .op = [](Inputs t) { return sign(t[0]); },
      .inputs = {steps({4, 5}, 0)},
      .reference = each([](double x) { return x > 0   ? 1.0
                                              : x < 0 ? -1.0
                                                      : 0.0; }),
      .order = 0};
  std::vector<OpCase> all = {signs, large(signs)};
  const auto add = [&](const std::vector<OpCase>& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  for (const auto& more : {smooth_cases(), power_cases(), kinked_cases(), where_cases()}) add(more);
  add(choices("maximum", maximum, [](double a, double b) { return a > b ? a : b; }));
  add(choices("minimum", minimum, [](double a, double b) { return a < b ? a : b; }));
  add(comparison("less", less, [](double a, double b) { return a < b ? 1.0 : 0.0; }));
  add(comparison("less_equal", less_equal, [](double a, double b) { return a <= b ? 1.0 : 0.0; }));
  add(comparison("greater", greater, [](double a, double b) { return a > b ? 1.0 : 0.0; }));
  add(comparison(
      "greater_equal", greater_equal, [](double a, double b) { return a >= b ? 1.0 : 0.0; }));
  add(comparison("equal", equal, [](double a, double b) { return a == b ? 1.0 : 0.0; }));
  return all;
}

}  // namespace limpid
