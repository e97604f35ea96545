// tests/interpret/shapley_test.cpp: Shapley values against answers that are known.
#include "interpret/shallow/shapley.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/nn/models.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/optim/adam.h"
#include "framework/tensor/record.h"
#include "interpret/shallow/local_model.h"
#include "tests/interpret/shallow_nets.h"
#include "tests/reference/shapley.h"

#include <doctest/doctest.h>

#include <limits>
#include <numeric>

using namespace limpid;
using namespace limpid::interpret;

namespace {

using Values = std::vector<double>;

// max(x1, x2) = x1 + relu(x2 - x1)
PiecewiseLinear maximum() {
  return {
      2,
      {{.rows = 1, .blocks = {{.source = 0, .weight = {-1, 1}}}, .bias = {0}}},
      {.rows = 1,
       .blocks = {{.source = 0, .weight = {1, 0}}, {.source = 1, .weight = {1}}},
       .bias = {0}}};
}

Values random_points(size_t count, uint64_t seed, double size = 2) {
  Rng rng(seed);
  Values x(count);
  rng.uniform(x, -size, size);
  return x;
}

double sum_of(const Values& v) { return std::accumulate(v.begin(), v.end(), 0.0); }

void check_close(const Values& a, const Values& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(a[i] - b[i]) <= tolerance);
  }
}

Values by_definition(
    const PiecewiseLinear& net, int64_t output, const Values& x, const Values& background) {
  const auto f = [&](std::span<const double> y) { return net(y)[static_cast<size_t>(output)]; };
  return reference::shapley(f, x, background);
}

// All kinds of one point
std::vector<ShapleyValues> all_kinds(const Shapley& shapley, const Values& x) {
  return {
      shapley.global(x), shapley.region(x), shapley.interventional(x), shapley.path(x),
      shapley.sampled(x, {.rounds = 4})};
}

// A network whose input i is a copy of column `from[i]` of another's, 0 for -1
PiecewiseLinear with_columns(const PiecewiseLinear& net, const std::vector<int64_t>& from) {
  std::vector<AffineStage> hidden = net.hidden();
  Values& weight = hidden[0].blocks[0].weight;
  const Values before = weight;
  weight.clear();
  for (int64_t r = 0; r < hidden[0].rows; ++r) {
    for (const int64_t i : from) {
      weight.push_back(i < 0 ? 0 : before[static_cast<size_t>(r * net.inputs() + i)]);
    }
  }
  return {std::ssize(from), hidden, net.output()};
}

}  // namespace

TEST_CASE("shapley: the larger of two inputs") {
  const PiecewiseLinear net = maximum();
  const Values x = {1, 0}, z = {0, 1};
  const Shapley shapley(net, 0, z);
  CHECK(shapley.interventional(x).values == Values{0.5, -0.5});
  CHECK(shapley.path(x).values == Values{0.5, -0.5});
  CHECK(shapley.path(x).evaluations == 2);  // regions
  const ShapleyValues global = shapley.global(x);
  CHECK(global.values == Values{1, 0});
  CHECK(global.base == 0);      // Lambda_j(z) = 0 where f(z) = 1
  CHECK(global.residual == 0);  // adds up to its own base,
  CHECK(global.gap == -1);      // not to f(x) - f(z)
  // No background point lies in x's region: the triangle below the diagonal of the unit square,
  // whose largest ball has its centre at (1 - r, r), r = 1 - sqrt(1/2)
  const ShapleyValues region = shapley.region(x);
  const double r = 1 - std::sqrt(0.5);
  CHECK(region.points == 0);
  CHECK(region.base == doctest::Approx(1 - r).epsilon(1e-12));
  check_close(region.values, {r, 0}, 1e-12);
}

TEST_CASE("shapley: all kinds of a linear network are w (x - mean)") {
  const PiecewiseLinear net =
      multilayer(4, {{.rows = 2, .weight = {1, -2, 0.5, 3, 0, 1, 1, -1}, .bias = {0.25, 2}}});
  const Values x = {1, 2, -1, 0.5}, background = random_points(4 * 7, 3);
  Values mean(4, 0.0);
  for (size_t k = 0; k < background.size(); ++k) mean[k % 4] += background[k] / 7;
  for (const int64_t output : {0, 1}) {
    const Shapley shapley(net, output, background);
    for (const ShapleyValues& kind : all_kinds(shapley, x)) {
      for (size_t i = 0; i < 4; ++i) {
        const double w = net.output().blocks[0].weight[static_cast<size_t>(output) * 4 + i];
        CHECK(std::abs(kind.values[i] - w * (x[i] - mean[i])) <= 1e-14);
      }
      CHECK(std::abs(kind.gap) <= 1e-14);
    }
    CHECK(shapley.cost(x).evaluations == 0);  // one region holds everything
  }
}

TEST_CASE("shapley: interventional values are those of the definition") {
  // 1e-12: some thousand additions of numbers of size 10 in two orders
  for (const auto& [widths, m] : std::vector<std::pair<std::vector<int64_t>, size_t>>{
           {{1, 4, 1}, 3},
           {{3, 6, 6, 2}, 5},
           {{6, 8, 3}, 4},
           {{7, 5, 5, 5, 1}, 3},
           {{9, 12, 2}, 2}}) {
    const auto n = static_cast<size_t>(widths[0]);
    CAPTURE(n);
    const PiecewiseLinear net = random_network(widths, 7 + n);
    const int64_t output = net.outputs() - 1;
    const Values background = random_points(n * m, n), x = random_points(n, 100 + n);
    const ShapleyValues exact = Shapley(net, output, background).interventional(x);
    check_close(exact.values, by_definition(net, output, x, background), 1e-12);
    CHECK(std::abs(exact.residual) <= 1e-12);
    CHECK(std::abs(exact.gap) <= 1e-12);
  }
  // Inputs that are read by later stages as well
  const PiecewiseLinear skips(
      3,
      {{.rows = 4,
        .blocks = {{.source = 0, .weight = random_points(12, 1)}},
        .bias = {0, 1, -1, 0}},
       {.rows = 3,
        .blocks =
            {{.source = 0, .weight = random_points(9, 2)},
             {.source = 1, .weight = random_points(12, 3)}},
        .bias = {0.5, -0.5, 0}}},
      {.rows = 1,
       .blocks =
           {{.source = 0, .weight = random_points(3, 4)},
            {.source = 1, .weight = random_points(4, 5)},
            {.source = 2, .weight = random_points(3, 6)}},
       .bias = {1}});
  const Values background = random_points(3 * 6, 7), x = random_points(3, 8);
  const Shapley shapley(skips, 0, background);
  check_close(shapley.interventional(x).values, by_definition(skips, 0, x, background), 1e-12);
  for (const ShapleyValues& kind : all_kinds(shapley, x)) CHECK(std::abs(kind.residual) <= 1e-12);
}

TEST_CASE("shapley: the regression of KernelSHAP and the mean over all orders agree") {
  for (const int64_t n : {1, 2, 5, 7}) {
    CAPTURE(n);
    const PiecewiseLinear net = random_network({n, 8, 8, 2}, 3);
    const auto size = static_cast<size_t>(n);
    const Values background = random_points(4 * size, 5), x = random_points(size, 6);
    const auto f = [&](std::span<const double> y) { return net(y)[1]; };
    const Values exact = Shapley(net, 1, background).interventional(x).values;
    // 1e-10: normal equations of up to six unknowns with a condition below 100
    check_close(exact, reference::kernel_shap(f, x, background), 1e-10);
    check_close(exact, reference::permutation_shap(f, x, background), 1e-12);
  }
}

TEST_CASE("shapley: a network trained on a table of ten columns, exact to 1e-9") {
  // Friedman's first function (Annals of Statistics 1991); the last five columns do nothing
  constexpr int64_t kRows = 300;
  Rng rng(4);
  const Tensor x = Tensor::uniform({kRows, 10}, rng, 0, 1, DType::f64);
  std::vector<double> targets;
  for (const double* r = x.data<double>(); std::ssize(targets) < kRows; r += 10) {
    targets.push_back(
        10 * std::sin(3.14159 * r[0] * r[1]) + 20 * (r[2] - 0.5) * (r[2] - 0.5) + 10 * r[3] +
        5 * r[4]);
  }
  const Tensor y = Tensor::of({kRows, 1}, targets, DType::f64);
  const auto model = make_model("mlp:12-12", {.input = {10}, .classes = 1}, rng);
  convert(*model, DType::f64);
  Adam optimizer(parameters(*model));
  double first = 0, last = 0;
  for (int step = 0; step < 300; ++step) {
    const Recording on(true);
    Pass pass(Mode::train);
    const Tensor error = (*model)(x, pass) - y;
    const Tensor loss = mean(error * error);
    optimizer.clear_gradients();
    backward(loss);
    optimizer.step(0.02);
    (step == 0 ? first : last) = loss.item();
  }
  REQUIRE(last < first / 20);  // it has learnt the table

  const PiecewiseLinear net = piecewise_linear(*model, {10});
  const std::span<const double> rows = x.values<double>();
  const Shapley shapley(net, 0, Values(rows.begin(), rows.begin() + 100));
  double residual = 0;
  for (size_t example = 20; example < 23; ++example) {
    const Values at(rows.begin() + 10 * example, rows.begin() + 10 * example + 10);
    const ShapleyValues exact = shapley.interventional(at);
    check_close(
        exact.values, by_definition(net, 0, at, Values(rows.begin(), rows.begin() + 100)), 1e-9);
    residual = std::max({residual, std::abs(exact.residual), std::abs(exact.gap)});
  }
  MESSAGE("loss " << first << " to " << last << "; largest additivity residual " << residual);
  CHECK(residual < 1e-9);
}

TEST_CASE("shapley: efficiency, symmetry, dummy and linearity") {
  const PiecewiseLinear net = random_network({4, 8, 8, 2}, 11);
  // Inputs 1 and 4 act alike, input 2 not at all
  const PiecewiseLinear wide = with_columns(net, {0, 1, -1, 2, 1, 3});
  const Values background = random_points(6 * 5, 12);
  Values symmetric = background;
  for (size_t k = 0; k < symmetric.size(); k += 6) symmetric[k + 4] = symmetric[k + 1];
  Values x = random_points(6, 13);
  x[4] = x[1];
  const Shapley first(wide, 0, symmetric), second(wide, 1, symmetric);
  for (const ShapleyValues& kind : all_kinds(first, x)) {
    CHECK(std::abs(kind.residual) <= 1e-12);
    CHECK(kind.values[2] == 0);
    CHECK(kind.prediction == wide(x)[0]);
  }
  for (const ShapleyValues& v : {first.interventional(x), first.path(x), first.global(x)}) {
    CHECK(std::abs(v.values[1] - v.values[4]) <= 1e-13);
  }
  CHECK(
      std::abs(sum_of(first.interventional(x).values) - wide(x)[0] + first.mean_output()) <= 1e-12);
  CHECK(std::abs(sum_of(first.path(x).values) - wide(x)[0] + first.mean_output()) <= 1e-12);
  CHECK(first.cost(x).players == 5);

  // Swapping two inputs of x and B swaps the values
  const auto swapped = [](Values v) {
    for (size_t k = 0; k < v.size(); k += 6) std::swap(v[k + 1], v[k + 4]);
    return v;
  };
  Values other = random_points(6, 14);
  const Shapley straight(wide, 0, background), crossed(wide, 0, swapped(background));
  check_close(
      swapped(straight.interventional(other).values), crossed.interventional(swapped(other)).values,
      1e-13);
  check_close(swapped(straight.path(other).values), crossed.path(swapped(other)).values, 1e-13);

  // f_0 + 2 f_1
  AffineStage sum = wide.output();
  AffineBlock& block = sum.blocks[0];
  const size_t columns = block.weight.size() / 2;
  for (size_t j = 0; j < columns; ++j) block.weight[j] += 2 * block.weight[columns + j];
  block.weight.resize(columns);
  sum.bias = {sum.bias[0] + 2 * sum.bias[1]};
  sum.rows = 1;
  const Shapley both(PiecewiseLinear(6, wide.hidden(), sum), 0, symmetric);
  const auto a = all_kinds(first, x), b = all_kinds(second, x), c = all_kinds(both, x);
  for (size_t kind = 0; kind < a.size(); ++kind) {
    CAPTURE(kind);
    Values expected;
    for (size_t i = 0; i < 6; ++i) expected.push_back(a[kind].values[i] + 2 * b[kind].values[i]);
    check_close(c[kind].values, expected, 1e-12);
  }
}

TEST_CASE("shapley: path values are the integral of the gradient") {
  const PiecewiseLinear net = random_network({3, 10, 10, 1}, 21);
  const Values z = random_points(3, 22, 4), x = random_points(3, 23, 4);
  const ShapleyValues path = Shapley(net, 0, z).path(x);
  CHECK(path.evaluations > 3);
  // Midpoint rule with 20,000 steps: each of the regions' ends is off by half a step at most
  constexpr int kSteps = 20'000;
  Values slope(3, 0.0);
  for (int k = 0; k < kSteps; ++k) {
    Values y(3);
    for (size_t i = 0; i < 3; ++i) y[i] = z[i] + (k + 0.5) / kSteps * (x[i] - z[i]);
    const LocalMap map = net.local_map(net.pattern(y));
    for (size_t i = 0; i < 3; ++i) slope[i] += map.weight[i] / kSteps * (x[i] - z[i]);
  }
  check_close(path.values, slope, 5e-3);
  CHECK(std::abs(sum_of(path.values) - net(x)[0] + net(z)[0]) <= 1e-13);

  // The tent of 16 teeth from 0 to 1: every tooth up and down again
  const ShapleyValues tent = Shapley(tent_network(4), 0, {0}).path(Values{1});
  CHECK(tent.evaluations == 16);
  CHECK(std::abs(tent.values[0]) <= 1e-12);
}

TEST_CASE("shapley: region means and centres") {
  const PiecewiseLinear net = random_network({3, 5, 5, 1}, 31);
  const Values background = random_points(3 * 60, 32);
  const Shapley shapley(net, 0, background);
  const Shapley far(net, 0, random_points(3 * 60, 33, 0.1));
  int64_t with_members = 0, with_centre = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Values x = random_points(3, 40 + seed);
    const Pattern pattern = net.pattern(x);
    double sum = 0;
    int64_t members = 0;
    for (size_t k = 0; k < background.size(); k += 3) {
      const std::span<const double> z(background.data() + k, 3);
      if (net.pattern(z) != pattern) continue;
      sum += net(z)[0];
      ++members;
    }
    const ShapleyValues v = shapley.region(x);
    CHECK(v.points == members);
    CHECK(std::abs(v.residual) <= 1e-13);
    if (members > 0) {
      ++with_members;
      CHECK(std::abs(v.base - sum / static_cast<double>(members)) <= 1e-13);
    }
    const ShapleyValues c = far.region(x);
    with_centre += c.points == 0 ? 1 : 0;
    CHECK(std::abs(c.residual) <= 1e-12);
  }
  CHECK(with_members > 0);
  CHECK(with_centre > 0);
}

TEST_CASE("shapley: sampling is unbiased, adds up, and its intervals cover") {
  const PiecewiseLinear net = random_network({8, 12, 12, 1}, 51);
  const Values background = random_points(8 * 10, 52), x = random_points(8, 53);
  const Shapley shapley(net, 0, background);
  const Values exact = shapley.interventional(x).values;
  int64_t covered = 0, total = 0;
  double error = 0, size = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const ShapleyValues s = shapley.sampled(x, {.rounds = 32, .seed = seed});
    CHECK(std::abs(s.residual) <= 1e-12);
    for (size_t i = 0; i < 8; ++i, ++total) {
      covered += s.low[i] <= exact[i] && exact[i] <= s.high[i] ? 1 : 0;
      error = std::max(error, std::abs(s.values[i] - exact[i]));
      size = std::max(size, std::abs(exact[i]));
    }
  }
  // 95 % of 80, less four standard deviations of a binomial and what a bootstrap of 32 falls short
  CHECK(covered >= 65);
  CHECK(covered < total);
  CHECK(error < 0.1 * size);

  // More than 64 inputs, and an order of one
  const PiecewiseLinear wide = random_network({150, 4, 1}, 54);
  const Values many = random_points(150, 55);
  CHECK(
      std::abs(Shapley(wide, 0, random_points(300, 56)).sampled(many, {.rounds = 2}).residual) <=
      1e-12);
  const Values one = {1.5};
  const Shapley single(random_network({1, 6, 1}, 57), 0, {0.25, -2});
  check_close(single.sampled(one).values, single.interventional(one).values, 1e-14);
}

TEST_CASE("shapley: the same bits at any thread count") {
  const PiecewiseLinear net = random_network({11, 9, 9, 1}, 61);
  const Shapley shapley(net, 0, random_points(11 * 9, 62));
  const Values x = random_points(11, 63);
  std::vector<ShapleyValues> one;
  {
    const parallel::ThreadLimit limit(1);
    one = all_kinds(shapley, x);
  }
  const parallel::ThreadLimit limit(3);
  const auto three = all_kinds(shapley, x);
  for (size_t k = 0; k < one.size(); ++k) {
    CHECK(one[k].values == three[k].values);
    CHECK(one[k].low == three[k].low);
  }
}

TEST_CASE("shapley: what cannot be computed is refused with its cost") {
  const PiecewiseLinear net = random_network({40, 6, 1}, 71);
  const Shapley shapley(net, 0, random_points(40 * 5, 72));
  const Values x = random_points(40, 73);
  CHECK(shapley.cost(x).players == 40);
  CHECK(shapley.cost(x).evaluations == 5 * std::exp2(40.0));
  for (const char* part : {"40 inputs", "5 background points", "2^40", "sample permutations"}) {
    CHECK_THROWS_WITH_AS(shapley.interventional(x), doctest::Contains(part), ValueError);
  }
  const PiecewiseLinear small = random_network({10, 6, 1}, 74);
  const Shapley ten(small, 0, random_points(10, 75));
  CHECK_THROWS_AS(ten.interventional(random_points(10, 76), 1e3), ValueError);
  CHECK_THROWS_AS(shapley.sampled(x, {.rounds = 1}), ValueError);
  CHECK_THROWS_AS(shapley.path(Values(3, 0.0)), ShapeError);
  CHECK_THROWS_AS(shapley.path(Values(40, NAN)), ValueError);
  CHECK_THROWS_AS(Shapley(small, 1, Values(10, 0.0)), ValueError);
  CHECK_THROWS_AS(Shapley(small, 0, {}), ShapeError);
  CHECK_THROWS_AS(Shapley(small, 0, Values(11, 0.0)), ShapeError);
  CHECK_THROWS_AS(Shapley(small, 0, Values(10, NAN)), ValueError);
}

TEST_CASE("local model: the gradient, the half-spaces and the distance to the edge") {
  int64_t redundant = 0;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const PiecewiseLinear net = random_network({3, 6, 6, 2}, 80 + seed);
    const Values x = random_points(3, 90 + seed);
    const LocalModel model = local_model(net, x, 12);
    CHECK(model.pattern == net.pattern(x));
    for (size_t q = 0; q < 2; ++q) {
      const Values slope = net.gradient(model.pattern, static_cast<int64_t>(q));
      check_close(
          slope,
          {model.map.weight.begin() + static_cast<std::ptrdiff_t>(3 * q),
           model.map.weight.begin() + static_cast<std::ptrdiff_t>(3 * q + 3)},
          1e-14);
      const double y = std::inner_product(x.begin(), x.end(), slope.begin(), model.map.bias[q]);
      CHECK(std::abs(y - net(x)[q]) <= 1e-14);
    }
    REQUIRE(model.nearest.size() == 12);
    CHECK(model.radius == model.nearest[0].distance);
    CHECK(std::abs(model.nearest[0].facet_distance - model.radius) <= 1e-12);
    // Nothing changes within the radius; just beyond it the nearest unit does
    Rng rng(seed);
    for (int k = 0; k < 500; ++k) {
      Values step(3);
      rng.normal(step, 0, 1);
      const double length =
          std::sqrt(std::inner_product(step.begin(), step.end(), step.begin(), 0.0));
      for (size_t i = 0; i < 3; ++i) step[i] = x[i] + step[i] / length * model.radius * (1 - 1e-9);
      REQUIRE(net.pattern(step) == model.pattern);
    }
    for (const HalfSpace& h : model.nearest) {
      CHECK(h.facet_distance >= h.distance - 1e-12);
      redundant += h.facet_distance == std::numeric_limits<double>::infinity() ? 1 : 0;
      CHECK(h.is_on == (model.pattern[static_cast<size_t>(h.unit)] != 0));
    }
    Values beyond = x;
    for (size_t i = 0; i < 3; ++i) {
      beyond[i] -= model.nearest[0].normal[i] * model.radius * (1 + 1e-6);
    }
    Pattern changed = net.pattern(beyond);
    changed[static_cast<size_t>(model.nearest[0].unit)] ^= 1;
    // Units of later stages may move with it, those of its own stage and before do not
    const int64_t own_stage = model.nearest[0].unit < 6 ? 6 : 12;
    CHECK(std::equal(changed.begin(), changed.begin() + own_stage, model.pattern.begin()));
  }
  CHECK(redundant > 0);
  const PiecewiseLinear affine = multilayer(2, {{.rows = 1, .weight = {1, 2}, .bias = {0}}});
  CHECK(local_model(affine, Values{1, 1}, 5).radius == std::numeric_limits<double>::infinity());
}
