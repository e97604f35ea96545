// tests/interpret/shallow_network_test.cpp: three layers against the deep network, faces included.
#include "interpret/shallow/shallow_network.h"

#include "framework/core/error.h"
#include "framework/io/safetensors.h"
#include "tests/interpret/shallow_nets.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

using namespace limpid;
using namespace limpid::interpret;

namespace {

__extension__ using Whole = __int128;

// Networks of whole numbers at the rational point X / W, exactly: all values times W > 0. A step
// from 1 or 0 becomes W or 0.
struct Rational {
  std::vector<Whole> X;
  Whole W = 1;
};

Whole whole(double value) {
  REQUIRE(value == std::floor(value));
  return static_cast<Whole>(static_cast<int64_t>(value));
}

std::vector<Whole> exact_layer(
    const ExtendedLayer& layer, const std::vector<Whole>& x, Whole W, bool relu) {
  std::vector<Whole> y;
  for (int64_t i = 0; i < layer.rows(); ++i) {
    const auto k = static_cast<size_t>(i);
    Whole sum = whole(layer.bias[k]) * W;
    bool is_open = true;
    for (auto e = static_cast<size_t>(layer.start[k]); e < static_cast<size_t>(layer.start[k + 1]);
         ++e) {
      const Whole in = x[static_cast<size_t>(layer.column[e])];
      if (std::isinf(layer.value[e])) {
        is_open = is_open && in <= 0;
      } else {
        sum += whole(layer.value[e]) * in;
      }
    }
    y.push_back(!is_open || (relu && sum < 0) ? 0 : sum);
  }
  return y;
}

Whole exact_shallow(const ShallowNetwork& network, const Rational& at) {
  std::vector<Whole> h = at.X;
  for (size_t l = 0; l < 4; ++l) h = exact_layer(network.layers[l], h, at.W, l < 3);
  return h[0];
}

// Regions whose gate is open: the first p rows of layer 3 (one output)
int64_t exact_claims(const ShallowNetwork& network, const Rational& at) {
  std::vector<Whole> h = at.X;
  for (size_t l = 0; l < 2; ++l) h = exact_layer(network.layers[l], h, at.W, true);
  const ExtendedLayer& gates = network.layers[2];
  int64_t claims = 0;
  for (size_t j = 0; j < static_cast<size_t>(network.regions); ++j) {
    bool is_open = true;
    for (auto e = static_cast<size_t>(gates.start[j]); e < static_cast<size_t>(gates.start[j + 1]);
         ++e) {
      const bool is_shut =
          std::isinf(gates.value[e]) && h[static_cast<size_t>(gates.column[e])] > 0;
      is_open = is_open && !is_shut;
    }
    claims += is_open ? 1 : 0;
  }
  return claims;
}

Whole exact_deep(const PiecewiseLinear& net, const Rational& at) {
  std::vector<std::vector<Whole>> values = {at.X};
  const auto stage_values = [&](const AffineStage& stage) {
    std::vector<Whole> z;
    for (size_t i = 0; i < static_cast<size_t>(stage.rows); ++i) {
      Whole sum = whole(stage.bias[i]) * at.W;
      for (const AffineBlock& block : stage.blocks) {
        const auto& h = values[static_cast<size_t>(block.source)];
        for (size_t j = 0; j < h.size(); ++j) sum += whole(block.weight[i * h.size() + j]) * h[j];
      }
      z.push_back(sum);
    }
    return z;
  };
  for (const AffineStage& stage : net.hidden()) {
    values.push_back(stage_values(stage));
    for (Whole& v : values.back()) v = v > 0 ? v : 0;
  }
  return stage_values(net.output())[0];
}

// The points where two cuts of a network in the plane meet, and points half way between two of them
// on one cut
std::vector<Rational> corners_and_edges(const RegionTree& tree) {
  std::set<std::array<int64_t, 3>> lines;
  for (size_t k = 0; k < tree.cuts.size(); ++k) {
    lines.insert(
        {static_cast<int64_t>(tree.rows[3 * k]), static_cast<int64_t>(tree.rows[3 * k + 1]),
         static_cast<int64_t>(tree.rows[3 * k + 2])});
  }
  std::vector<Rational> points;
  for (const auto& a : lines) {
    const Rational* last = nullptr;
    std::vector<Rational> on_line;
    for (const auto& b : lines) {
      Whole W = Whole{a[0]} * b[1] - Whole{a[1]} * b[0];
      if (W == 0) continue;
      const Whole sign = W < 0 ? -1 : 1;
      on_line.push_back(
          {.X =
               {sign * (Whole{a[1]} * b[2] - Whole{a[2]} * b[1]),
                sign * (Whole{a[2]} * b[0] - Whole{a[0]} * b[2])},
           .W = sign * W});
    }
    for (const Rational& p : on_line) {
      points.push_back(p);
      if (last != nullptr) {
        points.push_back(
            {.X = {p.X[0] * last->W + last->X[0] * p.W, p.X[1] * last->W + last->X[1] * p.W},
             .W = 2 * p.W * last->W});
      }
      last = &p;
    }
  }
  return points;
}

std::vector<double> deep_values(const PiecewiseLinear& net, const std::vector<double>& points) {
  std::vector<double> values;
  const auto n = static_cast<size_t>(net.inputs());
  for (size_t k = 0; k < points.size(); k += n) {
    const auto y = net(std::span<const double>(points).subspan(k, n));
    values.insert(values.end(), y.begin(), y.end());
  }
  return values;
}

}  // namespace

TEST_CASE("shallow network: the tent of two levels, in both forms") {
  const PiecewiseLinear net = tent_network(2);
  const RegionTree tree = enumerate_regions(net, Domain::all());
  REQUIRE(tree.size() == 6);
  std::multiset<std::pair<double, double>> models;
  for (size_t j = 0; j < 6; ++j) models.emplace(tree.weights[j], tree.biases[j]);
  CHECK(
      models ==
      std::multiset<std::pair<double, double>>{{0, 0}, {4, 0}, {-4, 2}, {4, -2}, {-4, 4}, {0, 0}});
  CHECK(half_spaces(tree) == 10);
  const ShallowNetwork closed = assemble(tree, Boundary::closed);
  const ShallowNetwork exact = assemble(tree, Boundary::half_open);
  CHECK(closed.conditions == 10);
  CHECK(exact.conditions == 5);
  CHECK(closed.widths() == std::array<int64_t, 3>{22, 18, 12});
  CHECK(exact.widths() == std::array<int64_t, 3>{17, 22, 12});
  for (int k = -64; k <= 128; ++k) {
    const std::vector<double> x = {k / 64.0};
    const double expected = net(x)[0];
    CHECK(exact(x)[0] == expected);
    CHECK(exact.claims(x) == 1);
    const bool is_peak = k == 16 || k == 48;  // x = 1/4 and 3/4: f = 1 on a face of two regions
    CHECK(closed(x)[0] == (is_peak ? 2 : expected));
    const bool is_face = k == 0 || k == 16 || k == 32 || k == 48 || k == 64;
    CHECK(closed.claims(x) == (is_face ? 2 : 1));
  }
}

TEST_CASE("shallow network: widths are the formulas") {
  for (const int64_t q : {1, 3}) {
    const RegionTree tree =
        enumerate_regions(random_network({3, 6, 6, q}, 2), Domain::box(3, -5, 5));
    const int64_t p = tree.size();
    const ShallowNetwork closed = assemble(tree, Boundary::closed);
    const ShallowNetwork exact = assemble(tree, Boundary::half_open);
    const int64_t k = half_spaces(tree), m = exact.conditions;
    CHECK(closed.widths() == std::array<int64_t, 3>{k + 2 * p * q, p + 2 * p * q, 2 * p * q});
    CHECK(exact.widths() == std::array<int64_t, 3>{m + 2 * p * q, 2 * m + 2 * p * q, 2 * p * q});
    CHECK(m <= p - 1);
    CHECK(k <= 2 * m);
    CHECK(closed.layers[3].rows() == q);
  }
}

TEST_CASE("shallow network: whole numbers on a lattice, to the last bit") {
  int64_t points = 0, wrong = 0, seeds_with_faces = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const PiecewiseLinear net = integer_network({2, 3, 3, 1}, seed);
    const RegionTree tree = enumerate_regions(net, Domain::box(2, -8, 8));
    const ShallowNetwork exact = assemble(tree, Boundary::half_open);
    const ShallowNetwork closed = assemble(tree, Boundary::closed);
    const int64_t before = wrong;
    for (int i = -32; i <= 32; ++i) {
      for (int j = -32; j <= 32; ++j) {
        const std::vector<double> x = {i / 4.0, j / 4.0};
        const double expected = net(x)[0];
        const ShallowNetwork::Answer answer = exact.answer(x);
        REQUIRE(answer.claims == 1);
        REQUIRE(answer.value[0] == expected);
        ++points;
        wrong += closed(x)[0] != expected ? 1 : 0;
      }
    }
    seeds_with_faces += wrong > before ? 1 : 0;
  }
  MESSAGE(
      "closed half-spaces, as the paper has them: wrong at "
      << wrong << " of " << points << " lattice points, in " << seeds_with_faces
      << " of 20 networks; half-open ones: at none");
  CHECK(wrong > 0);
}

TEST_CASE("shallow network: whole numbers at random points and on cuts") {
  int64_t points = 0, boundary = 0;
  double largest = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const PiecewiseLinear net = integer_network({2, 3, 3, 1}, seed);
    const RegionTree tree = enumerate_regions(net, Domain::box(2, -8, 8));
    const CheckPoints at = check_points(tree, 50'000, 5'000, seed);
    const ShallowCheck result =
        check(assemble(tree, Boundary::half_open), at.x, deep_values(net, at.x));
    CHECK(result.unclaimed == 0);
    CHECK(result.multiply_claimed == 0);
    CHECK(result.wrong == 0);
    points += at.points - at.boundary_points;
    boundary += at.boundary_points;
    largest = std::max(largest, result.max_abs_error);
  }
  MESSAGE(points << " points and " << boundary << " on cuts: largest difference " << largest);
  CHECK(largest <= 1e-9);
}

TEST_CASE("shallow network: corners and edges in exact arithmetic") {
  int64_t corners = 0, wrong = 0, multiple = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const PiecewiseLinear net = integer_network({2, 3, 3, 1}, seed);
    const RegionTree tree = enumerate_regions(net, Domain::all());
    const ShallowNetwork exact = assemble(tree, Boundary::half_open);
    const ShallowNetwork closed = assemble(tree, Boundary::closed);
    for (const Rational& point : corners_and_edges(tree)) {
      const Whole expected = exact_deep(net, point);
      REQUIRE(exact_shallow(exact, point) == expected);
      REQUIRE(exact_claims(exact, point) == 1);
      multiple += exact_claims(closed, point) > 1 ? 1 : 0;
      wrong += exact_shallow(closed, point) != expected ? 1 : 0;
      ++corners;
    }
  }
  MESSAGE(
      "closed form wrong at " << wrong << " of " << corners
                              << " corners and edge points, in several "
                              << "regions at " << multiple);
  CHECK(corners > 200);
  CHECK(wrong > corners / 4);
}

TEST_CASE("shallow network: random networks inside and on cuts") {
  for (const std::vector<int64_t>& widths : std::vector<std::vector<int64_t>>{
           {2, 4, 4, 4, 2}, {4, 6, 6, 1}, {6, 5, 5, 3}, {1, 8, 8, 1}}) {
    for (const bool is_all : {false, true}) {
      const PiecewiseLinear net = random_network(widths, 21);
      const RegionTree tree =
          enumerate_regions(net, is_all ? Domain::all() : Domain::box(widths[0], -10, 10));
      const CheckPoints points = check_points(tree, 1000, 1000, 3);
      CHECK(points.x.size() == static_cast<size_t>(2000 * widths[0]));
      const auto expected = deep_values(net, points.x);
      // Both networks sum up to 40 products of size up to 100: far below 1e-9
      const ShallowCheck exact = check(assemble(tree, Boundary::half_open), points.x, expected);
      CHECK(exact.points == 2000);
      CHECK(exact.max_abs_error <= 1e-9);
      CHECK(exact.wrong == 0);
      CHECK(exact.unclaimed == 0);
      CHECK(exact.multiply_claimed == 0);
      const ShallowCheck closed = check(assemble(tree, Boundary::closed), points.x, expected);
      CHECK(closed.unclaimed == 0);
      CHECK(closed.multiply_claimed > 0);  // cuts that double precision can meet exactly
    }
  }
}

TEST_CASE("shallow network: a truncated tree claims nothing elsewhere") {
  const PiecewiseLinear net = random_network({2, 8, 8, 1}, 3);
  const RegionTree tree = enumerate_regions(net, Domain::box(2, -10, 10), {.max_regions = 20});
  REQUIRE(tree.truncated);
  const ShallowNetwork network = assemble(tree, Boundary::half_open);
  const CheckPoints points = check_points(tree, 1000, 500, 3);
  const ShallowCheck result = check(network, points.x, deep_values(net, points.x));
  CHECK(result.unclaimed > 0);
  CHECK(result.multiply_claimed == 0);
  CHECK(result.wrong == 0);
  for (size_t k = 0; k < points.x.size(); k += 2) {
    const std::span<const double> x = std::span(points.x).subspan(k, 2);
    REQUIRE(network.claims(x) == (tree.find(x) >= 0 ? 1 : 0));
  }
}

TEST_CASE("shallow network: equal neighbours are merged") {
  // |x| + |y| with a second layer that never turns off: four regions. The last weight of a unit is
  // 0, so its cuts are in vain
  const PiecewiseLinear net = multilayer(
      2, {{.rows = 5, .weight = {1, 0, -1, 0, 0, 1, 0, -1, 1, 1}, .bias = {0, 0, 0, 0, -1}},
          {.rows = 1, .weight = {1, 1, 1, 1, 0}, .bias = {1}},
          {.rows = 1, .weight = {1}, .bias = {0}}});
  const RegionTree tree = enumerate_regions(net, Domain::box(2, -3, 3));
  const RegionTree merged = merge_equal(tree);
  CHECK(tree.size() > 4);
  CHECK(merged.size() < tree.size());
  CHECK(std::ssize(merged.cuts) == merged.size() - 1);
  const CheckPoints points = check_points(tree, 500, 500, 1);
  const ShallowCheck result =
      check(assemble(merged, Boundary::half_open), points.x, deep_values(net, points.x));
  CHECK(result.max_abs_error <= 1e-12);
  CHECK(result.unclaimed == 0);
  CHECK(result.multiply_claimed == 0);
  for (int64_t j = 0; j < merged.size(); ++j) CHECK(merged.find(merged.centre(j)) == j);

  // A constant network is one region
  const PiecewiseLinear constant = multilayer(
      2, {{.rows = 3, .weight = {1, 0, 0, 1, 1, 1}, .bias = {0, 0, 0}},
          {.rows = 2, .weight = {0, 0, 0, 0, 0, 0}, .bias = {1, -1}}});
  CHECK(merge_equal(enumerate_regions(constant, Domain::all())).size() == 1);
}

TEST_CASE("shallow network: finite weights leak beside every cut") {
  const PiecewiseLinear net = random_network({2, 4, 4, 1}, 8);
  const RegionTree tree = enumerate_regions(net, Domain::box(2, -10, 10));
  const ShallowNetwork exact = assemble(tree, Boundary::half_open);
  const double large = 1e4;
  const ShallowNetwork finite = with_finite_weights(exact, large);
  CHECK(finite.widths() == exact.widths());
  const auto wrong_beside = [&](const ShallowNetwork& network, double distance) {
    const CheckPoints points = check_points(tree, 0, 2000, 5, distance);
    return check(network, points.x, deep_values(net, points.x)).wrong;
  };
  const int64_t near = wrong_beside(finite, 0.1 / large);
  MESSAGE(
      "infinity as " << large << ": wrong at " << near << " of 2000 points at " << 0.1 / large
                     << " beside a cut");
  CHECK(near > 200);
  CHECK(wrong_beside(exact, 0.1 / large) == 0);
  CHECK(wrong_beside(with_finite_weights(exact, 1e12), 0.1 / large) < near / 10);
  CHECK_THROWS_AS(with_finite_weights(exact, INFINITY), ValueError);
}

TEST_CASE("shallow network: infinities follow 0 * inf = 0") {
  ExtendedLayer layer;
  layer.columns = 2;
  layer.add_entry(0, -std::numeric_limits<double>::infinity());
  layer.add_entry(1, 2);
  layer.end_row(1);
  const auto at = [&](double a, double b) { return layer(std::vector<double>{a, b})[0]; };
  CHECK(at(0, 3) == 7);
  CHECK(at(1e-300, 3) == -std::numeric_limits<double>::infinity());
  CHECK(at(0, 0) == 1);
}

TEST_CASE("shallow network: files keep every weight, infinite ones too") {
  const TempDir folder;
  const PiecewiseLinear net = random_network({3, 5, 4, 2}, 8);
  const RegionTree tree = enumerate_regions(net, Domain::box(3, -4, 4));
  for (const Boundary boundary : {Boundary::closed, Boundary::half_open}) {
    const ShallowNetwork network = assemble(tree, boundary);
    save_shallow(folder.file("s.safetensors"), network);
    const ShallowNetwork read = load_shallow(folder.file("s.safetensors"));
    CHECK(read.boundary == boundary);
    CHECK(read.widths() == network.widths());
    for (size_t l = 0; l < 4; ++l) {
      CHECK(read.layers[l].value == network.layers[l].value);
      CHECK(read.layers[l].column == network.layers[l].column);
      CHECK(read.layers[l].bias == network.layers[l].bias);
    }
    const std::vector<double> x = {0.5, -1, 2};
    CHECK(read(x) == network(x));
    CHECK(read.claims(x) == 1);
  }
  auto tensors = load_safetensors(folder.file("s.safetensors"));
  CHECK(
      std::ranges::count(
          tensors.tensors["layer2.value"].values<double>(),
          -std::numeric_limits<double>::infinity()) ==
      assemble(tree, Boundary::half_open).conditions);
  tensors.tensors["layer3.column"].mutable_data<int64_t>()[0] = 1 << 30;
  save_safetensors(folder.file("bad.safetensors"), tensors.tensors, tensors.metadata);
  CHECK_THROWS_WITH_AS(
      load_shallow(folder.file("bad.safetensors")), doctest::Contains("out of range"), FormatError);
  save_safetensors(folder.file("other.safetensors"), tensors.tensors);
  CHECK_THROWS_WITH_AS(
      load_shallow(folder.file("other.safetensors")), doctest::Contains("not a shallow network"),
      FormatError);
}

TEST_CASE("shallow network: too many weights are refused before they are made") {
  const RegionTree tree = enumerate_regions(random_network({2, 8, 8, 1}, 3), Domain::box(2, -9, 9));
  CHECK_THROWS_WITH_AS(
      assemble(tree, Boundary::half_open, 100), doctest::Contains("the limit is 100"), ValueError);
}
