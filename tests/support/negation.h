// tests/support/negation.h: planted sign errors, to prove that the gradient check sees them.
//
// The edges behind a result are numbered from the newest node to the oldest. Negating the formula
// of one of them is the smallest possible mistake in an op; a check that stays green on it is no
// check of that formula.
#pragma once

#include "tests/support/gradcheck.h"

namespace limpid {

/// All nodes behind y, newest first, down to the leaves.
std::vector<Node*> nodes_behind(const Tensor& y);

/// Number of edges behind y.
int count_edges(const Tensor& y);

/// f, with the formula of edge k of each graph it records negated.
Function with_negated_edge(const Function& f, int k);

}  // namespace limpid
