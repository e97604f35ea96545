// interpret/transport/porous_medium.h: the flow that descends another entropy, and a law it keeps.
//
// For the Tsallis entropy F_a = (int p^a - 1) / (1 - a), a != 1, steepest descent in W2 is
//
//     v = a / (a - 1) grad p^(a-1) = a p^(a-2) grad p,    d p / dt = -Laplacian p^a,
//
// the porous medium equation backwards; a -> 1 is the continuous DAE. (The Renyi entropy gives the
// same field divided by int p^a.) Barenblatt's profile of age s solves it: from age s to s - t
//
//     p_s(x) = s^(-m b) (C - k |x|^2 s^(-2 b))_+^(1 / (a-1)),   b = 1 / (m (a-1) + 2),
//     k = b (a-1) / (2 a),                                      v = -b x / s
//
// so trajectories are x_0 (1 - t / s)^b (Barenblatt 1952; Vazquez, "The Porous Medium Equation",
// 2007, section 4.4).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

/// a p^(a-2) grad p at one point.
std::vector<double> tsallis_velocity(double density, std::span<const double> gradient, double a);

/// Barenblatt's profile p_s of age s.
class Barenblatt {
 public:
  /// In m dimensions, of total mass 1. Throws ValueError unless m >= 1 and a > 1.
  Barenblatt(int64_t m, double a);

  /// p_s(x) and its gradient; zero beyond radius(s).
  double density(std::span<const double> x, double age) const;
  std::vector<double> gradient(std::span<const double> x, double age) const;
  /// Where the profile ends.
  double radius(double age) const;
  /// b, the power of the trajectories.
  double power() const { return b_; }
  /// C, the height at age 1.
  double constant() const { return C_; }

 private:
  double m_, a_, b_, k_, C_;
};

}  // namespace limpid::interpret
