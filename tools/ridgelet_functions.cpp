// tools/ridgelet_functions.cpp: functions of one and two inputs, and the score of a mixture.
#include "tools/ridgelet_functions.h"

#include "framework/core/error.h"
#include "framework/core/text.h"
#include "tools/arguments.h"

#include <cmath>
#include <numbers>

namespace limpid::tools {
namespace {

using In = std::span<const double>;
using Out = std::span<double>;

double step_at(double x) { return 1 / (1 + std::exp(-12 * x)); }

}  // namespace

const interpret::MixtureLaw& denoiser_law() {
  static const interpret::MixtureLaw law(
      Tensor::of({2}, {0.3, 0.7}, DType::f64), Tensor::of({2, 1}, {-2, 1}, DType::f64),
      Tensor::of({2, 1, 1}, {1, 1.44}, DType::f64));
  return law;
}

const std::vector<NamedFunction>& named_functions() {
  static const std::vector<NamedFunction> all = {
      {.name = "sine",
       .formula = "sin(2 pi x) exp(-2 x^2)",
       .f =
           [](In x, Out y) {
             y[0] = std::sin(2 * std::numbers::pi * x[0]) * std::exp(-2 * x[0] * x[0]);
           }},
      {.name = "bump",
       .formula = "exp(1 - 1 / (1 - x^2)) for |x| < 1",
       .half_width = 2,
       .f =
           [](In x, Out y) {
             const double rest = 1 - x[0] * x[0];
             y[0] = rest > 0 ? std::exp(1 - 1 / rest) : 0;
           }},
      {.name = "step",
       .formula = "from 0 to 1 at -1 and back at 1: s(12 (x + 1)) - s(12 (x - 1)), s logistic",
       .half_width = 4,
       .f = [](In x, Out y) { y[0] = step_at(x[0] + 1) - step_at(x[0] - 1); }},
      {.name = "denoiser",
       .formula =
           "displacement t (log p_t)'(x) of the best denoiser of .3 N(-2, 1) + .7 N(1, 1.44) "
           "at noise variance t = 0.5, cut by a window",
       .half_width = 6,
       .frequency = 10,
       .f =
           [](In x, Out y) {
             const Tensor point = Tensor::of({1, 1}, x, DType::f64);
             y[0] = kDenoiserVariance * denoiser_law().score(point, kDenoiserVariance).item() *
                    interpret::box_window(x, 6);
           }},
      {.name = "gaussian-2d",
       .formula = "exp(-x1^2 - 2 x2^2)",
       .inputs = 2,
       .frequency = 6,
       .f = [](In x, Out y) { y[0] = std::exp(-x[0] * x[0] - 2 * x[1] * x[1]); }},
      {.name = "waves-2d",
       .formula = "sin(3 x1 + x2) exp(-|x|^2)",
       .inputs = 2,
       .frequency = 8,
       .f = [](In x,
               Out y) { y[0] = std::sin(3 * x[0] + x[1]) * std::exp(-x[0] * x[0] - x[1] * x[1]); }},
      {.name = "ring-2d",
       .formula = "cos(4 |x|) exp(-|x|^2)",
       .inputs = 2,
       .frequency = 8,
       .f = [](In x, Out y) {
         const double squared = x[0] * x[0] + x[1] * x[1];
         y[0] = std::cos(4 * std::sqrt(squared)) * std::exp(-squared);
       }}};
  return all;
}

const NamedFunction& function_named(const std::string& name) {
  for (const NamedFunction& f : named_functions()) {
    if (f.name == name) return f;
  }
  throw UsageError(
      "--function: " + excerpt(name) + " is none of " +
      joined(named_functions(), ", ", &NamedFunction::name));
}

}  // namespace limpid::tools
