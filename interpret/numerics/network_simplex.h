// interpret/numerics/network_simplex.h: the transportation problem, by trees that get cheaper.
//
//     min sum_ij C_ij x_ij   over  x >= 0,  sum_j x_ij = s_i,  sum_i x_ij = t_j,    C [n, m]
//
// with whole numbers s, t > 0 of one total. A basis is a spanning tree over the n rows and m
// columns; it fixes the flow x and, by u_i + v_j = C_ij on its arcs, the potentials. An arc whose
// reduced cost C_ij - u_i - v_j is negative enters, the flow turns round the cycle that it closes
// until an arc of the tree is empty, and that one leaves (Dantzig 1951; Ahuja, Magnanti and Orlin,
// "Network Flows", 1993, chapter 11).
//
// No cycling: every row has 1 unit more, and the root column n more, in units of which a whole
// number s is worth N > 2 n (Orlin's perturbation; the same pivots as with strongly feasible
// trees). No tree has an empty arc then, so that each pivot makes progress, and flows are whole
// numbers without rounding.
//
// The tree is kept as in the book: parent, number of nodes below, and a thread through all nodes
// in depth-first order with the last node of each subtree. Pricing scans some whole rows at a time
// and takes the arc with the most negative reduced cost.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

struct NetworkFlow {
  struct Arc {
    int64_t i, j, flow;
  };
  std::vector<Arc> arcs;     // with flow > 0, by (i, j)
  std::vector<double> u, v;  // potentials; no reduced cost is below -2^-44 (|C| + |u| + |v|)
  int64_t iterations = 0;    // pivots
  bool is_optimal = false;   // else: max_iterations
};

/// The largest total of s that leaves room for the perturbation: 2^62 / N.
int64_t largest_supply(int64_t n);

/// C [n, m] row by row and finite; s [n] and t [m] positive, with one total of at most
/// largest_supply(n).
NetworkFlow network_simplex(
    std::span<const double> C, std::span<const int64_t> s, std::span<const int64_t> t,
    int64_t max_iterations);

}  // namespace limpid::interpret
