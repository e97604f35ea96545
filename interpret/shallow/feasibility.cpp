// interpret/shallow/feasibility.cpp: the walk along edges.
#include "interpret/shallow/feasibility.h"

#include "interpret/numerics/dot.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace limpid::interpret {
namespace {

constexpr double kFlat = 1e-12;        // gain per length that counts as none; |g| = 1
constexpr double kParallel = 1e-11;    // approach per length that counts as none
constexpr double kStandstill = 1e-14;  // a step that counts as none
constexpr int32_t kFresh = 60;         // pivots after which rounding in the edges is wiped out
constexpr int64_t kMaxPivots = 20000;

// The normal of a constraint by index, and its offset
double constraint(const Polytope& K, int32_t index, double* normal) {
  const int64_t D = K.dimension;
  std::fill(normal, normal + D, 0.0);
  if (index < D) {
    normal[index] = 1;
    return -K.low[index];
  }
  if (index < 2 * D) {
    normal[index - D] = -1;
    return K.high[index - D];
  }
  const auto k = static_cast<size_t>(index - 2 * D);
  std::copy_n(K.normals.data() + static_cast<int64_t>(k) * D, D, normal);
  return K.offsets[k];
}

// Edges and position from the active constraints alone, by Gauss-Jordan elimination of [N | I | c].
// False if the active normals depend on each other; the vertex is as it was then.
bool refresh(const Polytope& K, Vertex& v) {
  const int64_t D = K.dimension;
  const int64_t width = 2 * D + 1;
  std::vector<double> a(static_cast<size_t>(D * width), 0.0);
  for (int64_t j = 0; j < D; ++j) {
    double* row = a.data() + j * width;
    row[2 * D] = -constraint(K, v.basis[static_cast<size_t>(j)], row);
    row[D + j] = 1;
  }
  for (int64_t c = 0; c < D; ++c) {
    int64_t pivot = c;
    for (int64_t r = c + 1; r < D; ++r) {
      if (std::abs(a[static_cast<size_t>(r * width + c)]) >
          std::abs(a[static_cast<size_t>(pivot * width + c)])) {
        pivot = r;
      }
    }
    double* row = a.data() + pivot * width;
    if (std::abs(row[c]) < 1e-14) return false;
    std::swap_ranges(row, row + width, a.data() + c * width);
    row = a.data() + c * width;
    const double scale = 1 / row[c];
    for (int64_t k = 0; k < width; ++k) row[k] *= scale;
    for (int64_t r = 0; r < D; ++r) {
      double* other = a.data() + r * width;
      const double factor = other[c];
      if (r == c || factor == 0) continue;
      for (int64_t k = 0; k < width; ++k) other[k] -= factor * row[k];
    }
  }
  for (int64_t i = 0; i < D; ++i) {
    for (int64_t j = 0; j < D; ++j) {
      v.edges[static_cast<size_t>(j * D + i)] = a[static_cast<size_t>(i * width + D + j)];
    }
    v.y[static_cast<size_t>(i)] = a[static_cast<size_t>(i * width + 2 * D)];
  }
  for (int64_t k = 0; k < K.rows(); ++k) {
    const auto s = static_cast<size_t>(k);
    v.slack[s] = dot(K.normals.data() + k * D, v.y.data(), D) + K.offsets[s];
  }
  for (const int32_t index : v.basis) {
    if (index >= 2 * D) v.slack[static_cast<size_t>(index - 2 * D)] = 0;
  }
  v.pivots = 0;
  return true;
}

// The edge to take: the steepest, or by lowest constraint index; -1 at the maximum
int64_t choose_edge(const Vertex& v, const double* g, int64_t D, bool by_index) {
  int64_t best = -1;
  double best_score = 0;
  for (int64_t j = 0; j < D; ++j) {
    const double* E = v.edges.data() + j * D;
    double gain = 0, length = 0;
    for (int64_t i = 0; i < D; ++i) {
      gain += g[i] * E[i];
      length += E[i] * E[i];
    }
    if (gain <= 0 || gain * gain <= kFlat * kFlat * length) continue;
    const double score =
        by_index ? -static_cast<double>(v.basis[static_cast<size_t>(j)]) : gain * gain / length;
    if (best < 0 || score > best_score) {
      best = j;
      best_score = score;
    }
  }
  return best;
}

struct Hit {
  double step = std::numeric_limits<double>::infinity();
  double rate = 0;  // change of the constraint's slack per unit of E
  int32_t index = -1;
};

// Of constraints met at the same place, the one met most squarely; by_index: the lowest index
void meet(Hit& hit, double slack, double rate, int32_t index, bool by_index) {
  const double step = std::max(slack, 0.0) / -rate;
  if (step > hit.step) return;
  if (step == hit.step && (by_index ? index > hit.index : rate >= hit.rate)) return;
  hit = {step, rate, index};
}

Hit first_hit(const Polytope& K, const Vertex& v, const double* E, double* rates, bool by_index) {
  const int64_t D = K.dimension;
  Hit hit;
  const double least = kParallel * std::sqrt(dot(E, E, D));
  for (int64_t i = 0; i < D; ++i) {
    if (E[i] < -least) {
      meet(hit, v.y[static_cast<size_t>(i)] - K.low[i], E[i], static_cast<int32_t>(i), by_index);
    } else if (E[i] > least) {
      meet(
          hit, K.high[i] - v.y[static_cast<size_t>(i)], -E[i], static_cast<int32_t>(D + i),
          by_index);
    }
  }
  const int64_t m = K.rows();
  const double* normal = K.normals.data();
  for (int64_t k = 0; k < m; ++k, normal += D) {
    const double rate = dot(normal, E, D);
    rates[k] = rate;
    if (rate < -least) {
      meet(hit, v.slack[static_cast<size_t>(k)], rate, static_cast<int32_t>(2 * D + k), by_index);
    }
  }
  return hit;
}

// Along edge j to the constraint that was hit, which becomes active in place of the one left
void pivot(const Polytope& K, Vertex& v, int64_t j, const Hit& hit, const double* rates) {
  const int64_t D = K.dimension;
  double* E = v.edges.data() + j * D;
  for (int64_t i = 0; i < D; ++i) v.y[static_cast<size_t>(i)] += hit.step * E[i];
  for (size_t k = 0; k < v.slack.size(); ++k) v.slack[k] += hit.step * rates[k];

  // E_j / (a . E_j), and every other edge without its part across the new constraint a
  const double scale = 1 / hit.rate;
  for (int64_t i = 0; i < D; ++i) E[i] *= scale;
  const bool is_row = hit.index >= 2 * D;
  const double* normal = is_row ? K.normals.data() + (hit.index - 2 * D) * D : nullptr;
  for (int64_t o = 0; o < D; ++o) {
    if (o == j) continue;
    double* F = v.edges.data() + o * D;
    const double across = is_row          ? dot(normal, F, D)
                          : hit.index < D ? F[hit.index]
                                          : -F[hit.index - D];
    if (across == 0) continue;
    for (int64_t i = 0; i < D; ++i) F[i] -= across * E[i];
  }
  if (is_row) v.slack[static_cast<size_t>(hit.index - 2 * D)] = 0;
  if (hit.index < D) v.y[static_cast<size_t>(hit.index)] = K.low[hit.index];
  if (!is_row && hit.index >= D) {
    v.y[static_cast<size_t>(hit.index - D)] = K.high[hit.index - D];
  }
  v.basis[static_cast<size_t>(j)] = hit.index;
  ++v.pivots;
}

}  // namespace

void Polytope::add(const double* normal, double offset, double sign) {
  for (int64_t i = 0; i < dimension; ++i) normals.push_back(sign * normal[i]);
  offsets.push_back(sign * offset);
}

Vertex lower_corner(const Polytope& polytope) {
  const int64_t D = polytope.dimension;
  Vertex v;
  v.y.assign(polytope.low, polytope.low + D);
  v.edges.assign(static_cast<size_t>(D * D), 0.0);
  for (int64_t i = 0; i < D; ++i) {
    v.edges[static_cast<size_t>(i * D + i)] = 1;
    v.basis.push_back(static_cast<int32_t>(i));
  }
  return v;
}

double walk(
    const Polytope& polytope, Vertex& v, const double* g, double g0, double enough,
    WalkCounts& counts) {
  const int64_t D = polytope.dimension;
  constexpr int64_t kOnStack = 512;
  double on_stack[kOnStack];
  std::vector<double> on_heap;
  double* rates = on_stack;
  if (polytope.rows() > kOnStack) {
    on_heap.resize(static_cast<size_t>(polytope.rows()));
    rates = on_heap.data();
  }
  ++counts.walks;
  double value = dot(g, v.y.data(), D) + g0;
  int64_t idle = 0;  // steps without length in a row
  for (int64_t pivots = 0; value <= enough; ++pivots) {
    const bool by_index = idle > D;
    const int64_t j = choose_edge(v, g, D, by_index);
    if (j < 0) break;
    const Hit hit = first_hit(polytope, v, v.edges.data() + j * D, rates, by_index);
    if (hit.index < 0 || pivots == kMaxPivots) {
      ++counts.failures;
      break;
    }
    const double* E = v.edges.data() + j * D;
    idle = hit.step * std::sqrt(dot(E, E, D)) > kStandstill ? 0 : idle + 1;
    pivot(polytope, v, j, hit, rates);
    ++counts.pivots;
    if (v.pivots >= kFresh) refresh(polytope, v);
    value = dot(g, v.y.data(), D) + g0;
  }
  return value;
}

}  // namespace limpid::interpret
