// tests/reference/regions.h: activation regions by one linear program for each of 2^N patterns.
#pragma once

#include "interpret/shallow/piecewise_linear.h"

#include <set>

namespace limpid::reference {

/// The patterns whose region contains a ball of radius 1e-8 inside the box [low, high]^n.
std::set<interpret::Pattern> patterns_by_trying_all(
    const interpret::PiecewiseLinear& net, double low, double high);

}  // namespace limpid::reference
