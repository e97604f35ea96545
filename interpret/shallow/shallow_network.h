// interpret/shallow/shallow_network.h: three hidden layers over the extended reals.
//
//   symbol     meaning                                paper's form          exact form
//   p, q, n    regions, outputs, inputs
//   z          row of a cut, z > 0 on, z <= 0 off
//   layer 1    k or m conditions                      u = relu(H x + c)     u = relu(z)
//              local models Lambda_j(x), both signs   v+- = relu(+-Lambda)  the same
//   layer 2    which conditions fail                  t = relu(R u)         s = relu(1 - inf u)
//              carried                                v+-                   u, v+-
//   layer 3    g+-_j = relu(v+-_j - inf gate_j)       gate_j = t_j          see below
//   output     sum_j (g+_j - g-_j)
//   widths     layer 1                                k + 2pq               m + 2pq
//              layer 2                                p + 2pq               2m + 2pq
//              layer 3                                2pq                   2pq
//
//   exact: gate_j = sum over z_i that must be on of s_i + sum over z_i that must be off of u_i
//
// Paper    Any Deep ReLU Network is Shallow (arXiv 2306.11827). Its half-spaces are closed: H x + c
//          <= 0 is one signed row per condition. On a face shared by m regions all m gates are open
//          and the network gives m f(x), so it is wrong wherever f is not 0 on a face.
// Ours     The step s_i = 1 where z_i <= 0 and 0 where z_i > 0 makes one side of every cut open, so
//          exactly one gate is open for every x: with the tree of regions.h the network is equal to
//          the deep one everywhere on the domain, faces of every dimension included.
//
// Arithmetic: 0 * inf = 0, 1 - inf = -inf, relu(-inf) = 0; inf - inf never occurs. IEEE has 0 * inf
// = NaN, so layers are sparse and an edge of weight -inf is a gate: closed if its input is > 0.
// The infinite weights carry the equality: with a large finite number in their place the network
// leaks near every face, see with_finite_weights().
#pragma once

#include "interpret/shallow/regions.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

/// y_i = sum over entries e of row i of value_e x_column_e + bias_i, value_e finite or -inf.
struct ExtendedLayer {
  int64_t columns = 0;
  std::vector<int64_t> start = {0};  // [rows + 1]: entries of row i are start[i] .. start[i+1] - 1
  std::vector<int64_t> column;
  std::vector<double> value;
  std::vector<double> bias;

  int64_t rows() const { return static_cast<int64_t>(bias.size()); }
  void add_entry(int64_t at, double v);
  void end_row(double b);
  std::vector<double> operator()(std::span<const double> x) const;
};

enum class Boundary : uint8_t {
  closed,     // the paper's form
  half_open,  // the exact one
};

struct ShallowNetwork {
  Boundary boundary = Boundary::half_open;
  int64_t inputs = 0, outputs = 0;
  int64_t regions = 0;     // p
  int64_t conditions = 0;  // k or m
  std::array<ExtendedLayer, 4> layers;

  /// f(x), and 0 where no region is open.
  std::vector<double> operator()(std::span<const double> x) const;
  /// Regions whose gate is open at x: 1 in the exact form.
  int64_t claims(std::span<const double> x) const;
  /// Both from one pass.
  struct Answer {
    std::vector<double> value;
    int64_t claims = 0;
  };
  Answer answer(std::span<const double> x) const;
  /// Rows of the hidden layers.
  std::array<int64_t, 3> widths() const;
};

/// Throws ValueError if the network had more than `max_entries` weights.
ShallowNetwork assemble(
    const RegionTree& tree, Boundary boundary, int64_t max_entries = int64_t{1} << 28);

/// Distinct half-spaces that the regions use, a row and its side: the paper's k.
int64_t half_spaces(const RegionTree& tree);

/// Takes back every cut between two regions with the same map, from the last one up: fewer regions,
/// the same function. A merged region keeps the pattern and inner point of its part that is off.
RegionTree merge_equal(const RegionTree& tree);

/// -inf replaced by -large: a network of ordinary numbers, which is equal only at a distance of
/// about |f| / large (paper's form) or 1 / large (ours) from every face.
ShallowNetwork with_finite_weights(const ShallowNetwork& network, double large);

/// Points to compare on: uniform in the box (for R^n: normal, of sizes 0.1 to 10), then as many as
/// wanted of them moved onto a cut above their region, or to so far on its positive side.
struct CheckPoints {
  int64_t points = 0;           // all
  int64_t boundary_points = 0;  // of them, the last ones
  std::vector<double> x;        // [points, n]
};
CheckPoints check_points(
    const RegionTree& tree, int64_t interior, int64_t boundary, uint64_t seed, double distance = 0);

struct ShallowCheck {
  int64_t points = 0;
  double max_abs_error = 0;      // over the points that a region claims
  int64_t wrong = 0;             // points with an error over `tolerance`
  int64_t unclaimed = 0;         // no region open
  int64_t multiply_claimed = 0;  // more than one
};
/// `expected` [points, q]: what the deep network gives.
ShallowCheck check(
    const ShallowNetwork& network, std::span<const double> points, std::span<const double> expected,
    double tolerance = 1e-9);

/// Layers 1 to 4 as compressed sparse rows (`layer1.start`, `.column`, `.value`, `.bias`), infinite
/// weights as they are. Written atomically.
void save_shallow(const std::string& path, const ShallowNetwork& network);
/// Throws FormatError for a file that save_shallow() did not write.
ShallowNetwork load_shallow(const std::string& path);

}  // namespace limpid::interpret
