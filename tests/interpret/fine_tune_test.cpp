// tests/interpret/fine_tune_test.cpp: local models trained with the regions fixed.
#include "interpret/shallow/fine_tune.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "interpret/shallow/facets.h"
#include "interpret/shallow/shallow_network.h"
#include "tests/interpret/shallow_nets.h"

#include <doctest/doctest.h>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Points of the box whose label is the side of a circle
struct Examples {
  std::vector<double> points;
  std::vector<int64_t> labels;
};
Examples circle(int64_t count, uint64_t seed) {
  Examples e;
  e.points.resize(static_cast<size_t>(2 * count));
  Rng(seed).uniform(e.points, -2, 2);
  for (size_t k = 0; k < e.points.size(); k += 2) {
    e.labels.push_back(std::hypot(e.points[k], e.points[k + 1]) < 1.2 ? 1 : 0);
  }
  return e;
}

double largest_jump(const RegionTree& tree) {
  double most = 0;
  for (const Facet& f : facets(tree)) most = std::max(most, f.jump);
  return most;
}

// The objective of a tree
double objective(const RegionTree& tree, const RegionTree& start, const Examples& e, double pull) {
  double square = 0;
  for (size_t k = 0; k < tree.weights.size(); ++k) {
    square += (tree.weights[k] - start.weights[k]) * (tree.weights[k] - start.weights[k]);
  }
  for (size_t k = 0; k < tree.biases.size(); ++k) {
    square += (tree.biases[k] - start.biases[k]) * (tree.biases[k] - start.biases[k]);
  }
  return score(tree, e.points, e.labels).loss + pull / 2 * square;
}

}  // namespace

TEST_CASE("fine_tune: better on the examples and unseen ones, and the network jumps") {
  const PiecewiseLinear net = random_network({2, 6, 6, 2}, 4);
  const RegionTree tree = enumerate_regions(net, Domain::box(2, -2, 2));
  const Examples train = circle(600, 1), test = circle(2000, 2);
  const RegionTree tuned = fine_tune(tree, train.points, train.labels);
  const TreeScore before = score(tree, test.points, test.labels);
  const TreeScore after = score(tuned, test.points, test.labels);
  MESSAGE(
      tree.size() << " regions; accuracy on unseen points " << before.accuracy << " to "
                  << after.accuracy << ", largest jump " << largest_jump(tree) << " to "
                  << largest_jump(tuned));
  CHECK(after.accuracy > before.accuracy + 0.2);
  CHECK(after.loss < before.loss);
  CHECK(largest_jump(tree) <= 1e-12);
  CHECK(largest_jump(tuned) > 0.1);

  // The regions are the same, and the three-layer network is that of the tuned maps, on cuts too
  CHECK(tuned.rows == tree.rows);
  CHECK(tuned.patterns == tree.patterns);
  const CheckPoints points = check_points(tuned, 500, 500, 3);
  std::vector<double> expected;
  for (size_t k = 0; k < points.x.size(); k += 2) {
    const std::span<const double> x = std::span(points.x).subspan(k, 2);
    for (const double y : tuned.value(tuned.find(x), x)) expected.push_back(y);
  }
  const ShallowCheck result = check(assemble(tuned, Boundary::half_open), points.x, expected);
  CHECK(result.max_abs_error <= 1e-9);
  CHECK(result.multiply_claimed == 0);
  const parallel::ThreadLimit one(1);
  CHECK(fine_tune(tree, train.points, train.labels).weights == tuned.weights);
}

TEST_CASE("fine_tune: the minimum, and the pull") {
  const PiecewiseLinear net = random_network({2, 3, 3}, 4);
  const RegionTree tree = enumerate_regions(net, Domain::box(2, -2, 2));
  Examples e = circle(40, 1);
  e.labels[3] = 2;
  const double pull = 0.05;
  const RegionTree tuned = fine_tune(tree, e.points, e.labels, {.pull = pull, .steps = 2000});
  // Convex, so no small step in any coordinate goes down
  const double least = objective(tuned, tree, e, pull);
  const auto check_coordinates = [&](std::vector<double> RegionTree::*values) {
    for (size_t k = 0; k < (tuned.*values).size(); ++k) {
      for (const double step : {-1e-4, 1e-4}) {
        RegionTree other = tuned;
        (other.*values)[k] += step;
        // The pull alone raises it by 0.05 / 2 * 1e-8
        REQUIRE(objective(other, tree, e, pull) >= least + 1e-10);
      }
    }
  };
  check_coordinates(&RegionTree::weights);
  check_coordinates(&RegionTree::biases);

  // Regions without an example keep their map
  const RegionTree few =
      fine_tune(tree, std::span(e.points).first(2), std::span(e.labels).first(1), {.pull = pull});
  const int64_t home = tree.find(std::span(e.points).first(2));
  for (int64_t j = 0; j < tree.size(); ++j) {
    const bool is_same = std::equal(
        tree.biases.begin() + 3 * j, tree.biases.begin() + 3 * j + 3, few.biases.begin() + 3 * j);
    CHECK(is_same == (j != home));
  }
}

TEST_CASE("fine_tune: what is refused") {
  const RegionTree tree = enumerate_regions(random_network({2, 3, 2}, 1), Domain::box(2, -1, 1));
  const std::vector<double> x = {0, 0};
  CHECK_THROWS_WITH_AS(
      fine_tune(tree, x, std::vector<int64_t>{2}), doctest::Contains("label 2"), ValueError);
  CHECK_THROWS_AS(fine_tune(tree, x, std::vector<int64_t>{0, 1}), ShapeError);
  CHECK_THROWS_WITH_AS(
      fine_tune(tree, x, std::vector<int64_t>{0}, {.pull = 0}), doctest::Contains("pull"),
      ValueError);
  const RegionTree one = enumerate_regions(random_network({2, 3, 1}, 1), Domain::box(2, -1, 1));
  CHECK_THROWS_WITH_AS(
      fine_tune(one, x, std::vector<int64_t>{0}), doctest::Contains("two outputs"), ValueError);
}
