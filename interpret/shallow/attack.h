// interpret/shallow/attack.h: a certificate tried by attack, with nothing that it was made by.
//
//   within   random points and ends of gradient steps in the ball |x - x0| <= d (1 - 1e-9), in the
//            box: as many as have another label than x0. A correct certificate leaves none
//   tight    the certificate's point beyond the tie is within d (1 + 1e-6) and has another label
//   ray      so has x0 + (1 + 1e-6) (p - x0), p the tie; not so where p is a kink or on a wall
//   radius   the smallest ball in which gradient steps found another label: at least d, and how
//            much more is what an attack misses of the exact answer
//
// Gradient steps ascend on the gap y_k - y_c to the best other class k, of length eps / 10, and are
// projected on the ball and the box (Madry et al., ICLR 2018, in the Euclidean norm); from x0 and
// from random points of the ball. The radius is found by doubling, then halving the interval.
#pragma once

#include "interpret/shallow/certificate.h"

#include <cstdint>
#include <span>

namespace limpid::interpret {

struct AttackOptions {
  int64_t random_points = 10'000;
  int64_t starts = 10;  // of gradient steps
  int64_t steps = 40;
  uint64_t seed = 0;
};

struct Attack {
  int64_t tried = 0;    // points and ends of steps within the ball
  int64_t changed = 0;  // of them with another label
  double radius = 0;    // infinite if gradient steps find no other label in the domain
  bool is_tight = false, is_tight_on_ray = false;  // of a certificate with a finite distance
};

/// The decision as certify() has it: the largest output, the first of equals; of one output whether
/// it is positive.
int64_t decision(const std::vector<double>& outputs);

/// The three checks above on the certificate of x0.
Attack attack(
    const PiecewiseLinear& net, const Domain& domain, std::span<const double> x0,
    const Certificate& certificate, const AttackOptions& options = {});

}  // namespace limpid::interpret
