// interpret/shallow/regions.cpp: splitting, first in one thread, then by subtrees.
#include "interpret/shallow/regions.h"

#include "framework/core/error.h"
#include "framework/core/rank_map.h"
#include "interpret/numerics/dot.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <utility>

namespace limpid::interpret {
namespace {

constexpr int64_t kMaxInputs = 24;
constexpr size_t kSubtrees = 64;  // parts of the work; never a function of threads or ranks
constexpr double kBand = 100;     // reaches within this factor of the margin are borderline

using Clock = std::chrono::steady_clock;

// What the enumeration works on: the network, the domain in y, the margin.
struct Problem {
  const PiecewiseLinear& net;
  const Domain& domain;
  int64_t dimension = 0;  // of y
  std::vector<double> low, high;
  double margin = 0;
  int64_t max_regions = 0;
  const RegionOptions& options;
  Clock::time_point deadline;
};

// The units of a stage on a region of the earlier stages. Shared by all parts of that region.
struct StageMaps {
  std::shared_ptr<const StageMaps> before;  // stage l - 1
  Pattern on_before;                        // its units on this region
  LocalMap map;                             // z^(l) = A x + d
  std::vector<double> normals;              // [n_l, D]: unit rows in y; zeros for a constant unit
  std::vector<double> offsets;              // [n_l]
};

// A region of the part of the tree that was built so far, with units of its stage left to decide.
struct Part {
  std::shared_ptr<const StageMaps> maps;
  int64_t stage = 0;
  Pattern on;                    // units of this stage; undecided ones 0
  std::vector<int32_t> pending;  // undecided units
  bool is_fresh = true;          // every pending unit has still to be asked
  Polytope polytope;
  Vertex vertex;
  std::vector<double> centre;        // [D]
  std::vector<double> centre_slack;  // [m]
  double radius = 0;
  int32_t parent = -1;  // cut above
  bool is_on = false;   // which side of it
};

// Smallest distance from the inner point to a constraint
double ball_radius(const Problem& problem, const Part& part) {
  double radius = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < part.centre.size(); ++i) {
    radius = std::min({radius, part.centre[i] - problem.low[i], problem.high[i] - part.centre[i]});
  }
  for (const double slack : part.centre_slack) radius = std::min(radius, slack);
  return radius;
}

// The chord of the polytope through the inner point along u: centre + [low, high] u
struct Chord {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  void limit(double slack, double rate) {
    if (rate < 0) high = std::min(high, slack / -rate);
    if (rate > 0) low = std::max(low, -slack / rate);
  }
};
Chord chord(const Problem& problem, const Part& part, const double* u) {
  Chord result;
  const int64_t D = problem.dimension;
  for (int64_t i = 0; i < D; ++i) {
    const auto k = static_cast<size_t>(i);
    result.limit(part.centre[k] - problem.low[k], u[i]);
    result.limit(problem.high[k] - part.centre[k], -u[i]);
  }
  const double* normal = part.polytope.normals.data();
  for (const double slack : part.centre_slack) {
    result.limit(slack, dot(normal, u, D));
    normal += D;
  }
  return result;
}

void move_centre(Part& part, const double* u, double step) {
  const int64_t D = part.polytope.dimension;
  for (int64_t i = 0; i < D; ++i) part.centre[static_cast<size_t>(i)] += step * u[i];
  const double* normal = part.polytope.normals.data();
  for (size_t k = 0; k < part.centre_slack.size(); ++k, normal += D) {
    part.centre_slack[k] = dot(normal, part.centre.data(), D) + part.polytope.offsets[k];
  }
}

// Away from the nearest row, to the middle of the chord across it; in a cone away from its apex too
void improve_centre(const Problem& problem, Part& part) {
  if (problem.domain.is_all) {
    const std::vector<double> u = part.centre;
    const Chord c = chord(problem, part, u.data());
    move_centre(part, u.data(), (c.low + c.high) / 2);
  }
  const auto nearest = std::min_element(part.centre_slack.begin(), part.centre_slack.end());
  if (nearest != part.centre_slack.end()) {
    const double* u = part.polytope.normals.data() +
                      (nearest - part.centre_slack.begin()) * part.polytope.dimension;
    const Chord c = chord(problem, part, u);
    move_centre(part, u, (c.low + c.high) / 2);
  }
  part.radius = ball_radius(problem, part);
}

struct Tally {
  WalkCounts counts;
  int64_t borderline = 0;
};

// Splits parts, one subtree's worth of output.
class Splitter {
 public:
  explicit Splitter(const Problem& problem) : problem_(problem) {
    tree_.inputs = problem.net.inputs();
    tree_.units = problem.net.units();
    tree_.outputs = problem.net.outputs();
  }

  RegionTree& tree() { return tree_; }
  /// What had been counted when each region was found.
  const std::vector<Tally>& tallies() const { return tallies_; }

  Part root() {
    const int64_t D = problem_.dimension;
    Part part;
    part.polytope = {
        .dimension = D,
        .low = problem_.low.data(),
        .high = problem_.high.data(),
        .normals = {},
        .offsets = {}};
    part.vertex = lower_corner(part.polytope);
    for (int64_t i = 0; i < D; ++i) {
      const auto k = static_cast<size_t>(i);
      part.centre.push_back((problem_.low[k] + problem_.high[k]) / 2);
    }
    part.radius = ball_radius(problem_, part);
    part.stage = -1;
    next_stage(part);
    return part;
  }

  /// Decides units until one cuts the part, which becomes two, or none is left: a region. Pushes
  /// what there is to go on with.
  template <class Parts>
  void step(Part part, Parts& todo) {
    for (;;) {
      drop_constant_sides(part);
      if (!part.pending.empty()) {
        split(std::move(part), todo);
        return;
      }
      if (part.stage + 1 == std::ssize(problem_.net.hidden())) {
        add_region(part);
        return;
      }
      next_stage(part);
    }
  }

  void give_up(const Part& part) {
    link(part, kUnexplored);
    tree_.truncated = true;
  }

 private:
  // The maps of the next stage on this region
  void next_stage(Part& part) {
    ++part.stage;
    if (part.stage == std::ssize(problem_.net.hidden())) return;
    auto maps = std::make_shared<StageMaps>();
    maps->before = std::move(part.maps);
    maps->on_before = std::move(part.on);
    maps->map = map_of(problem_.net.hidden()[static_cast<size_t>(part.stage)], *maps);
    normalise(*maps);
    part.on.assign(static_cast<size_t>(maps->map.rows), 0);
    part.pending.clear();
    for (int32_t i = 0; i < maps->map.rows; ++i) part.pending.push_back(i);
    part.maps = std::move(maps);
  }

  LocalMap map_of(const AffineStage& stage, const StageMaps& maps) const {
    std::vector<const LocalMap*> earlier;
    std::vector<const uint8_t*> on;
    const Pattern* on_here = &maps.on_before;
    for (const StageMaps* m = maps.before.get(); m != nullptr; m = m->before.get()) {
      earlier.push_back(&m->map);
      on.push_back(on_here->data());
      on_here = &m->on_before;
    }
    std::ranges::reverse(earlier);
    std::ranges::reverse(on);
    return stage_map(stage, problem_.net.inputs(), earlier, on);
  }

  // Rows as unit normals in y. A row that is rounding beside the others is a constant.
  void normalise(StageMaps& maps) const {
    const int64_t n = problem_.net.inputs();
    const int64_t D = problem_.dimension;
    const LocalMap& map = maps.map;
    maps.normals.assign(static_cast<size_t>(map.rows * D), 0.0);
    maps.offsets.assign(static_cast<size_t>(map.rows), 0.0);
    double scale = 0;
    for (const double a : map.weight) scale = std::max(scale, std::abs(a));
    for (const double d : map.bias) scale = std::max(scale, std::abs(d));
    for (int64_t i = 0; i < map.rows; ++i) {
      const double* a = map.weight.data() + i * n;
      const double d = map.bias[static_cast<size_t>(i)];
      const double length = std::sqrt(dot(a, a, n) + (problem_.domain.is_all ? d * d : 0));
      if (length <= 1e-14 * scale) continue;
      double* normal = maps.normals.data() + i * D;
      for (int64_t c = 0; c < n; ++c) normal[c] = a[c] / length;
      if (problem_.domain.is_all) {
        normal[n] = d / length;
      } else {
        maps.offsets[static_cast<size_t>(i)] = d / length;
      }
    }
  }

  // Removes the pending units that do not cut the part. On a part of a part only the units that cut
  // the whole are pending.
  void drop_constant_sides(Part& part) {
    size_t kept = 0;
    for (const int32_t unit : part.pending) {
      if (cuts(part, unit)) {
        part.pending[kept++] = unit;
      } else {
        part.on[static_cast<size_t>(unit)] = centre_side(part, unit) > 0 ? 1 : 0;
      }
    }
    part.pending.resize(kept);
  }

  const double* normal_of(const Part& part, int32_t unit) const {
    return part.maps->normals.data() + unit * problem_.dimension;
  }
  double value_at(const Part& part, int32_t unit, const std::vector<double>& y) const {
    return dot(normal_of(part, unit), y.data(), problem_.dimension) +
           part.maps->offsets[static_cast<size_t>(unit)];
  }
  // Signed distance of the inner point; for a constant unit its value
  double centre_side(const Part& part, int32_t unit) const {
    const double* a = normal_of(part, unit);
    if (dot(a, a, problem_.dimension) == 0) return part.maps->map.bias[static_cast<size_t>(unit)];
    return value_at(part, unit, part.centre);
  }

  bool cuts(Part& part, int32_t unit) {
    const double* a = normal_of(part, unit);
    const int64_t D = problem_.dimension;
    if (dot(a, a, D) == 0) return false;
    const double t = value_at(part, unit, part.centre);
    const double enough = kBand * problem_.margin;
    if (std::abs(t) < part.radius - enough) return true;
    const double side = t > 0 ? -1 : 1;  // the one that the inner point is not on
    if (side * value_at(part, unit, part.vertex.y) > enough) return true;
    const double reach =
        walk_beyond(part, a, part.maps->offsets[static_cast<size_t>(unit)], side, enough);
    if (reach > problem_.margin / kBand && reach <= enough) ++tree_.borderline;
    return reach > problem_.margin;
  }

  // Cuts the part by the pending unit that passes nearest to the inner point.
  template <class Parts>
  void split(Part part, Parts& todo) {
    const auto distance = [&](int32_t unit) { return std::abs(value_at(part, unit, part.centre)); };
    size_t nearest = 0;
    for (size_t k = 1; k < part.pending.size(); ++k) {
      if (distance(part.pending[k]) < distance(part.pending[nearest])) nearest = k;
    }
    const int32_t unit = part.pending[nearest];
    part.pending.erase(part.pending.begin() + static_cast<std::ptrdiff_t>(nearest));
    const int32_t cut = add_cut(part, unit);

    // A vertex on either side: the one at hand unless it is on the cut, and the end of a walk
    const double* a = normal_of(part, unit);
    const double offset = part.maps->offsets[static_cast<size_t>(unit)];
    const double at_vertex = value_at(part, unit, part.vertex.y);
    const double side = at_vertex > 0 ? -1 : 1;  // of the second vertex
    Part other = part;
    walk_beyond(other, a, offset, side, problem_.margin);
    if (std::abs(at_vertex) <= problem_.margin)
      walk_beyond(part, a, offset, -side, problem_.margin);

    place_centres(part, other, a, offset, side);
    for (Part* child : {&part, &other}) {
      const double sign = child == &other ? side : -side;
      child->polytope.add(a, offset, sign);
      child->vertex.slack.push_back(
          std::max(0.0, sign * (dot(a, child->vertex.y.data(), problem_.dimension) + offset)));
      child->centre_slack.push_back(
          sign * (dot(a, child->centre.data(), problem_.dimension) + offset));
      improve_centre(problem_, *child);
      child->parent = cut;
      child->is_on = sign > 0;
      child->on[static_cast<size_t>(unit)] = sign > 0 ? 1 : 0;
    }
    // The side that is off comes first
    if (part.is_on) std::swap(part, other);
    todo.push_back(std::move(other));
    todo.push_back(std::move(part));
  }

  double walk_beyond(Part& part, const double* a, double offset, double side, double enough) {
    direction_.assign(a, a + problem_.dimension);
    for (double& d : direction_) d *= side;
    return walk(part.polytope, part.vertex, direction_.data(), side * offset, enough, tree_.counts);
  }

  // Inner points of both sides: the halves of the chord across the cut, or half way from the cut to
  // a vertex beyond it where the chord ends before.
  void place_centres(Part& near, Part& far, const double* a, double offset, double far_side) const {
    const Chord c = chord(problem_, near, a);
    const double cut = -(dot(a, near.centre.data(), problem_.dimension) + offset);
    const double room = 0.05 * (c.high - c.low);
    if (cut > c.low + room && cut < c.high - room) {
      const double up = (cut + c.high) / 2, down = (c.low + cut) / 2;
      move_centre(near, a, far_side > 0 ? down : up);
      move_centre(far, a, far_side > 0 ? up : down);
      return;
    }
    const double centre_value = -cut;
    const bool is_far = centre_value * far_side > 0;  // the old inner point belongs to `far`
    Part& lacking = is_far ? near : far;
    const double sign = is_far ? -far_side : far_side;
    const double at_vertex = sign * (dot(a, lacking.vertex.y.data(), problem_.dimension) + offset);
    const double at_centre = sign * centre_value;  // <= 0
    const double crossing = at_centre / (at_centre - at_vertex);
    const double share = (crossing + 1) / 2;
    std::vector<double> u(lacking.centre.size());
    for (size_t i = 0; i < u.size(); ++i) u[i] = lacking.vertex.y[i] - lacking.centre[i];
    move_centre(lacking, u.data(), share);
  }

  int32_t add_cut(const Part& part, int32_t unit) {
    const auto cut = static_cast<int32_t>(tree_.cuts.size());
    link(part, cut);
    int32_t first = 0;
    for (int64_t l = 0; l < part.stage; ++l) {
      first += static_cast<int32_t>(problem_.net.hidden()[static_cast<size_t>(l)].rows);
    }
    tree_.cuts.push_back({.parent = part.parent, .unit = first + unit, .off = 0, .on = 0});
    const LocalMap& map = part.maps->map;
    const double* a = map.weight.data() + unit * tree_.inputs;
    tree_.rows.insert(tree_.rows.end(), a, a + tree_.inputs);
    tree_.rows.push_back(map.bias[static_cast<size_t>(unit)]);
    return cut;
  }

  void link(const Part& part, int32_t child) {
    if (part.parent < 0) return;
    Cut& above = tree_.cuts[static_cast<size_t>(part.parent)];
    (part.is_on ? above.on : above.off) = child;
  }

  void add_region(const Part& part) {
    link(part, ~static_cast<int32_t>(tree_.size()));
    append_pattern(part);
    StageMaps last;
    last.before = part.maps;
    last.on_before = part.on;
    const LocalMap map = map_of(problem_.net.output(), last);
    tree_.weights.insert(tree_.weights.end(), map.weight.begin(), map.weight.end());
    tree_.biases.insert(tree_.biases.end(), map.bias.begin(), map.bias.end());
    const double scale = problem_.domain.is_all ? 1 / part.centre.back() : 1;
    for (int64_t i = 0; i < tree_.inputs; ++i) {
      tree_.centres.push_back(scale * part.centre[static_cast<size_t>(i)]);
    }
    tree_.radii.push_back(part.radius);
    tree_.parents.push_back(part.parent);
    tallies_.push_back({tree_.counts, tree_.borderline});
  }

  void append_pattern(const Part& part) {
    const size_t begin = tree_.patterns.size();
    tree_.patterns.resize(begin + static_cast<size_t>(tree_.units));
    auto end = tree_.patterns.end();
    end = std::copy_backward(part.on.begin(), part.on.end(), end);
    for (const StageMaps* m = part.maps.get(); m != nullptr; m = m->before.get()) {
      end = std::copy_backward(m->on_before.begin(), m->on_before.end(), end);
    }
  }

  const Problem& problem_;
  RegionTree tree_;
  std::vector<Tally> tallies_;
  std::vector<double> direction_;  // scratch
};

struct Subtree {
  RegionTree tree;
  std::vector<Tally> tallies;
};

// The subtree below one part, whose root has no parent yet.
Subtree subtree_below(
    const Problem& problem, Part top, const std::function<bool(int64_t)>& is_over) {
  Splitter splitter(problem);
  top.parent = -1;
  std::vector<Part> todo;
  todo.push_back(std::move(top));
  while (!todo.empty()) {
    Part part = std::move(todo.back());
    todo.pop_back();
    if (is_over(splitter.tree().size())) {
      splitter.give_up(part);
    } else {
      splitter.step(std::move(part), todo);
    }
  }
  return {.tree = std::move(splitter.tree()), .tallies = splitter.tallies()};
}

// Keeps the first regions of a tree, in its order, and the cuts above them. What was counted for
// the rest is forgotten, so that the result does not depend on how far the rest had come.
void keep_first(Subtree& part, int64_t limit) {
  RegionTree& tree = part.tree;
  const auto size = static_cast<size_t>(limit);
  tree.truncated = true;
  const Tally tally = limit > 0 ? part.tallies[size - 1] : Tally{};
  tree.counts = tally.counts;
  tree.borderline = tally.borderline;
  tree.parents.resize(size);
  tree.radii.resize(size);
  tree.patterns.resize(size * static_cast<size_t>(tree.units));
  tree.centres.resize(size * static_cast<size_t>(tree.inputs));
  tree.weights.resize(size * static_cast<size_t>(tree.outputs * tree.inputs));
  tree.biases.resize(size * static_cast<size_t>(tree.outputs));

  std::vector<int32_t> place(tree.cuts.size(), kUnexplored);  // new number of a cut that stays
  for (int32_t cut : tree.parents) {
    for (; cut >= 0 && place[static_cast<size_t>(cut)] < 0;
         cut = tree.cuts[static_cast<size_t>(cut)].parent) {
      place[static_cast<size_t>(cut)] = 0;
    }
  }
  int32_t next = 0;
  for (int32_t& p : place) p = p == 0 ? next++ : p;
  const auto moved = [&](int32_t child) {
    if (child >= 0) return place[static_cast<size_t>(child)];
    return child != kUnexplored && ~child < limit ? child : kUnexplored;
  };
  const auto columns = static_cast<size_t>(tree.inputs + 1);
  for (size_t k = 0; k < place.size(); ++k) {
    if (place[k] < 0) continue;
    const auto to = static_cast<size_t>(place[k]);
    const Cut& cut = tree.cuts[k];
    tree.cuts[to] = {
        .parent = cut.parent >= 0 ? place[static_cast<size_t>(cut.parent)] : -1,
        .unit = cut.unit,
        .off = moved(cut.off),
        .on = moved(cut.on)};
    std::copy_n(
        tree.rows.begin() + static_cast<std::ptrdiff_t>(k * columns), columns,
        tree.rows.begin() + static_cast<std::ptrdiff_t>(to * columns));
  }
  tree.cuts.resize(static_cast<size_t>(next));
  tree.rows.resize(static_cast<size_t>(next) * columns);
  for (int32_t& parent : tree.parents) {
    if (parent >= 0) parent = place[static_cast<size_t>(parent)];
  }
}

// Appends the subtree below `top`, a part of the whole.
void append(RegionTree& whole, const RegionTree& part, const Part& top) {
  const auto cuts = static_cast<int32_t>(whole.cuts.size());
  const auto regions = static_cast<int32_t>(whole.size());
  const auto moved = [&](int32_t child) {
    if (child == kUnexplored) return child;
    return child >= 0 ? child + cuts : ~(~child + regions);
  };
  const auto parent_of = [&](int32_t parent) { return parent >= 0 ? parent + cuts : top.parent; };
  if (top.parent >= 0) {
    Cut& above = whole.cuts[static_cast<size_t>(top.parent)];
    const int32_t root = !part.cuts.empty() ? 0 : part.size() > 0 ? ~0 : kUnexplored;
    (top.is_on ? above.on : above.off) = moved(root);
  }
  for (const Cut& cut : part.cuts) {
    whole.cuts.push_back(
        {.parent = parent_of(cut.parent),
         .unit = cut.unit,
         .off = moved(cut.off),
         .on = moved(cut.on)});
  }
  for (const int32_t parent : part.parents) whole.parents.push_back(parent_of(parent));
  const auto join = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  join(whole.rows, part.rows);
  join(whole.patterns, part.patterns);
  join(whole.centres, part.centres);
  join(whole.radii, part.radii);
  join(whole.weights, part.weights);
  join(whole.biases, part.biases);
  whole.counts.walks += part.counts.walks;
  whole.counts.pivots += part.counts.pivots;
  whole.counts.failures += part.counts.failures;
  whole.borderline += part.borderline;
  whole.truncated = whole.truncated || part.truncated;
}

Problem problem_of(const PiecewiseLinear& net, const Domain& domain, const RegionOptions& options) {
  const int64_t n = net.inputs();
  check_value(
      n <= kMaxInputs, "enumerate_regions", "at most ", kMaxInputs,
      " inputs can be enumerated, the ", "network has ", n,
      "; `limpid shallow visited` lists those that data visit");
  Problem problem{
      .net = net,
      .domain = domain,
      .dimension = domain.is_all ? n + 1 : n,
      .low = domain.low,
      .high = domain.high,
      .margin = options.margin,
      .max_regions = options.max_regions,
      .options = options,
      .deadline = Clock::now()};
  if (domain.is_all) {
    problem.low.assign(static_cast<size_t>(n), -1.0);
    problem.high.assign(static_cast<size_t>(n), 1.0);
    problem.low.push_back(0);
    problem.high.push_back(1);
  }
  check_shape(
      std::ssize(problem.low) == problem.dimension && problem.low.size() == problem.high.size(),
      "enumerate_regions", "the box has ", domain.low.size(), " and ", domain.high.size(),
      " bounds for ", n, " inputs");
  double diagonal = 0;
  for (size_t i = 0; i < problem.low.size(); ++i) {
    check_value(
        std::isfinite(problem.low[i]) && std::isfinite(problem.high[i]) &&
            problem.low[i] < problem.high[i],
        "enumerate_regions", "the box is empty: [", problem.low[i], ", ", problem.high[i],
        "] for input ", i);
    diagonal += (problem.high[i] - problem.low[i]) * (problem.high[i] - problem.low[i]);
  }
  if (problem.margin == 0) problem.margin = domain.is_all ? 1e-11 : 1e-9 * std::sqrt(diagonal);
  check_value(options.max_regions >= 1, "enumerate_regions", "needs max_regions >= 1");
  const int64_t bytes = net.units() + 8 * (net.outputs() + 2) * (n + 1) + 40;
  problem.max_regions = std::clamp<int64_t>(options.max_bytes / bytes, 1, options.max_regions);
  if (options.time_limit > 0) {
    problem.deadline += std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(options.time_limit));
  }
  return problem;
}

// Numbers of regions of the finished subtrees before one, known so far
class Progress {
 public:
  explicit Progress(size_t subtrees) : sizes_(subtrees) {
    for (auto& size : sizes_) size = 0;
  }
  void finish(size_t i, int64_t size) { sizes_[i].store(size, std::memory_order_relaxed); }
  int64_t before(size_t i) const {
    int64_t sum = 0;
    for (size_t k = 0; k < i; ++k) sum += sizes_[k].load(std::memory_order_relaxed);
    return sum;
  }

 private:
  std::vector<std::atomic<int64_t>> sizes_;
};

}  // namespace

Domain Domain::box(int64_t inputs, double low, double high) {
  return {
      .is_all = false,
      .low = std::vector<double>(static_cast<size_t>(inputs), low),
      .high = std::vector<double>(static_cast<size_t>(inputs), high)};
}

double RegionTree::row_value(int64_t cut, std::span<const double> x) const {
  const double* row = rows.data() + cut * (inputs + 1);
  return dot(row, x.data(), inputs) + row[inputs];
}

int64_t RegionTree::find(std::span<const double> x) const {
  if (cuts.empty()) return size() == 1 ? 0 : -1;
  int32_t at = 0;
  while (at >= 0) {
    const Cut& cut = cuts[static_cast<size_t>(at)];
    at = row_value(at, x) > 0 ? cut.on : cut.off;
  }
  return at == kUnexplored ? -1 : ~at;
}

std::vector<double> RegionTree::value(int64_t region, std::span<const double> x) const {
  std::vector<double> y;
  for (int64_t o = 0; o < outputs; ++o) {
    const int64_t row = region * outputs + o;
    y.push_back(
        dot(weights.data() + row * inputs, x.data(), inputs) + biases[static_cast<size_t>(row)]);
  }
  return y;
}

RegionTree enumerate_regions(
    const PiecewiseLinear& net, const Domain& domain, const RegionOptions& options) {
  const Problem problem = problem_of(net, domain, options);
  const auto is_late = [&] {
    return (options.time_limit > 0 && Clock::now() > problem.deadline) ||
           (options.should_stop && options.should_stop());
  };

  // The upper part of the tree, until there are enough subtrees to share out
  Splitter upper(problem);
  std::deque<Part> open;
  upper.step(upper.root(), open);
  while (!open.empty() && open.size() < kSubtrees) {
    Part part = std::move(open.front());
    open.pop_front();
    upper.step(std::move(part), open);
  }
  Subtree whole{.tree = std::move(upper.tree()), .tallies = upper.tallies()};
  RegionTree& tree = whole.tree;
  if (tree.size() > problem.max_regions) keep_first(whole, problem.max_regions);
  tree.domain = domain;
  tree.margin = problem.margin;
  const int64_t found = tree.size();

  // A subtree may stop once it and the finished ones before it hold enough regions
  const int64_t count = std::ssize(open);
  Progress progress(open.size());
  std::vector<Subtree> subtrees(open.size());  // those of this rank
  const auto sizes = ranks::map<int64_t>(count, [&](int64_t i) {
    const auto k = static_cast<size_t>(i);
    const auto is_over = [&, k, calls = 0, is_done = false](int64_t size) mutable {
      if (calls++ % 64 == 0) {
        is_done = is_done || is_late() || found + progress.before(k) + size >= problem.max_regions;
      }
      return is_done || found + size >= problem.max_regions;
    };
    subtrees[k] = subtree_below(problem, open[k], is_over);
    progress.finish(k, subtrees[k].tree.size());
    return subtrees[k].tree.size();
  });

  // Those that come first in the tree may keep all they have, up to the limit
  std::vector<int64_t> rooms;
  int64_t room = problem.max_regions - found;
  for (const int64_t size : sizes) {
    rooms.push_back(room);
    room -= std::min(room, size);
  }
  std::vector<RegionTree> parts = ranks::map<RegionTree>(count, [&](int64_t i) {
    const auto k = static_cast<size_t>(i);
    RegionTree& part = subtrees[k].tree;
    if (part.size() > rooms[k] || (part.size() == rooms[k] && part.truncated)) {
      keep_first(subtrees[k], rooms[k]);
    }
    return std::move(part);
  });
  for (size_t k = 0; k < open.size(); ++k) append(tree, std::exchange(parts[k], {}), open[k]);
  return std::move(whole.tree);
}

double region_bound(int64_t inputs, std::span<const int64_t> widths) {
  // ways[d]: sum of the products so far whose running minimum is d
  std::map<int64_t, double> ways = {{inputs, 1.0}};
  for (const int64_t width : widths) {
    std::map<int64_t, double> next;
    for (const auto& [least, count] : ways) {
      double choose = 1;  // C(width, j)
      for (int64_t j = 0; j <= std::min(least, width); ++j) {
        next[std::min(least, width - j)] += count * choose;
        choose *= static_cast<double>(width - j) / static_cast<double>(j + 1);
      }
    }
    ways = std::move(next);
  }
  double bound = 0;
  for (const auto& [least, count] : ways) bound += count;
  return bound;
}

}  // namespace limpid::interpret
