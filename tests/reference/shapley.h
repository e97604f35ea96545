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

/// The same by the regression of Lundberg and Lee (NIPS 2017, theorem 2) over all coalitions: phi
/// minimises sum over S of (n - 1) / (C(n,|S|) |S| (n - |S|)) (v(S) - v(empty) - sum_S phi_i)^2
/// with sum phi = v(all) - v(empty).
std::vector<double> kernel_shap(
    const std::function<double(std::span<const double>)>& f, std::span<const double> x,
    std::span<const double> background);

/// The same as the mean over all orders of the inputs of what each adds when its turn comes.
std::vector<double> permutation_shap(
    const std::function<double(std::span<const double>)>& f, std::span<const double> x,
    std::span<const double> background);

}  // namespace limpid::reference
