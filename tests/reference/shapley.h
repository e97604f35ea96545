// tests/reference/shapley.h: Shapley values by their definition.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace limpid::reference {

/// phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S)), one evaluation of f
/// for every v, v(S) the mean over the background [m, n] of f(x on S, z elsewhere).
std::vector<double> shapley(
    const std::function<double(std::span<const double>)>& f, std::span<const double> x,
    std::span<const double> background);

}  // namespace limpid::reference
