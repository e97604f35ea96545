// interpret/shallow/feasibility.h: how far a small polytope reaches beyond a hyperplane.
//
//   symbol   code     shape      meaning
//   y                 [D]        a point, D small (2 to about 20)
//   K                            { y : low <= y <= high, a_k . y + c_k >= 0 for every row k }
//   a, c     Rows     [m, D], [m] unit normals and offsets
//   v        Vertex              a vertex of K: D active constraints, y, the edges that leave it
//
// K is cut by a hyperplane g . y + g0 = 0 in two parts with interior exactly if it reaches beyond
// it on both sides: max over K of g . y + g0 > 0, likewise of its negative. That maximum is a
// linear program with D variables, far smaller than the one for the largest ball (D + 1 variables
// and an objective that touches one of them, hence ties everywhere).
//
// Primal simplex method from a vertex that is known: a walk along edges E_j, the columns of the
// inverse of the active normals (a_i . E_j = 1 for i = j, else 0). Edge j gains g . E_j / |E_j| per
// length; the steepest one is taken up to the first constraint that it meets. The walk may stop as
// soon as it is far enough beyond the hyperplane, and both ends of it are vertices to start the two
// parts with. After D steps without length, lowest indices first (Bland's rule, Mathematics of
// Operations Research 1977) until a step has length again: no cycle is possible.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

/// The constraints of K beside its box: index 2 D + k names row k, i < D the lower bound of y_i,
/// D + i the upper one.
struct Polytope {
  int64_t dimension = 0;  // D
  const double* low = nullptr;
  const double* high = nullptr;
  std::vector<double> normals;  // [m, D], unit vectors
  std::vector<double> offsets;  // [m]

  int64_t rows() const { return static_cast<int64_t>(offsets.size()); }
  /// Adds sign (normal . y + offset) >= 0.
  void add(const double* normal, double offset, double sign);
};

struct Vertex {
  std::vector<double> y;       // [D]
  std::vector<double> edges;   // [D, D]: row j is E_j
  std::vector<int32_t> basis;  // [D]: the active constraints
  std::vector<double> slack;   // [m]: a_k . y + c_k
  int32_t pivots = 0;          // since the edges were computed afresh
};

/// The lower corner of the box, which must satisfy every row: a Polytope without rows, say.
Vertex lower_corner(const Polytope& polytope);

struct WalkCounts {
  int64_t walks = 0;
  int64_t pivots = 0;
  int64_t failures = 0;  // walks that were given up
};

/// Moves the vertex to where g . y + g0 exceeds `enough`, or else to its maximum over the polytope.
/// |g| = 1. Returns g . y + g0 there.
double walk(
    const Polytope& polytope, Vertex& vertex, const double* g, double g0, double enough,
    WalkCounts& counts);

}  // namespace limpid::interpret
