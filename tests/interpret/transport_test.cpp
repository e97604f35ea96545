// tests/interpret/transport_test.cpp: plans with their certificates, and every plan tried.
#include "interpret/numerics/transport.h"

#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "interpret/numerics/assignment.h"
#include "interpret/numerics/network_simplex.h"
#include "interpret/numerics/squared_distances.h"
#include "tests/reference/assignment.h"
#include "tests/support/compare.h"
#include "tests/support/failure.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

using namespace limpid;
using namespace limpid::interpret;

namespace {

Tensor random_costs(int64_t n, int64_t m, Rng& rng) {
  return Tensor::uniform({n, m}, rng, 0, 1, DType::f64);
}

std::vector<double> random_masses(int64_t n, Rng& rng) {
  std::vector<double> masses(static_cast<size_t>(n));
  rng.uniform(std::span<double>(masses), 0, 1);
  const double total = std::accumulate(masses.begin(), masses.end(), 0.0);
  for (double& mass : masses) mass /= total;
  return masses;
}

std::vector<double> equal_masses(int64_t n) {
  return std::vector<double>(static_cast<size_t>(n), 1 / static_cast<double>(n));
}

std::vector<double> values_in(const std::string& text) {
  std::vector<double> values;
  for (const char c : text) values.push_back(c - '0');
  return values;
}

// Largest distance of the sums of the plan from the masses, over the total.
double worst_sum(const TransportPlan& plan, std::span<const double> a, std::span<const double> b) {
  std::vector<double> rows(a.size()), columns(b.size());
  for (const auto& [i, j, mass] : plan.flows) {
    rows[static_cast<size_t>(i)] += mass;
    columns[static_cast<size_t>(j)] += mass;
  }
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(rows[i] - a[i]));
  for (size_t j = 0; j < b.size(); ++j) worst = std::max(worst, std::abs(columns[j] - b[j]));
  return worst / std::accumulate(a.begin(), a.end(), 0.0);
}

// What makes a plan optimal, asked of the plan itself. 2^-44 of three terms is what pricing
// leaves; sums of a thousand masses round to 1e-13.
void check_optimal(
    const Tensor& C, std::span<const double> a, std::span<const double> b,
    const TransportPlan& plan) {
  const double* costs = C.data<double>();
  CHECK(plan.status == TransportStatus::optimal);
  CHECK(worst_sum(plan, a, b) < 1e-12);
  CHECK(std::ssize(plan.flows) <= plan.n + plan.m - 1);
  bool is_feasible = true, is_tight = true, is_positive = true;
  const auto reduced = [&](int64_t i, int64_t j) {
    const double u = plan.u[static_cast<size_t>(i)], v = plan.v[static_cast<size_t>(j)];
    const double c = costs[i * plan.m + j];
    return (c - u - v) / std::max({1e-300, std::abs(c), std::abs(u), std::abs(v)});
  };
  for (int64_t i = 0; i < plan.n; ++i) {
    for (int64_t j = 0; j < plan.m; ++j) is_feasible = is_feasible && reduced(i, j) > -1e-15;
  }
  double cost = 0;
  for (const auto& [i, j, mass] : plan.flows) {
    is_positive = is_positive && mass > 0;
    is_tight = is_tight && std::abs(reduced(i, j)) < 1e-12;
    cost += costs[i * plan.m + j] * mass;
  }
  CHECK(is_feasible);
  CHECK(is_tight);
  CHECK(is_positive);
  CHECK(relative_error(cost, plan.cost) < 1e-14);
  CHECK(std::abs(plan.gap) <= 1e-9);
}

TransportPlan checked(const Tensor& C, std::span<const double> a, std::span<const double> b) {
  TransportPlan plan = optimal_transport(C, a, b);
  check_optimal(C, a, b, plan);
  return plan;
}

// The least cost of masses in whole units: every way to send the first row, then the rest.
double best_by_trying(
    const Tensor& C, const std::vector<int>& a, std::vector<int> b, size_t row,
    std::map<std::pair<size_t, std::vector<int>>, double>& known) {
  if (row == a.size()) return 0;
  const auto key = std::pair(row, b);
  if (const auto found = known.find(key); found != known.end()) return found->second;
  double best = std::numeric_limits<double>::infinity();
  const auto send = [&](auto&& self, size_t j, int left, double cost) -> void {
    if (left == 0) {
      best = std::min(best, cost + best_by_trying(C, a, b, row + 1, known));
      return;
    }
    if (j == b.size()) return;
    for (int part = std::min(left, b[j]); part >= 0; --part) {
      b[j] -= part;
      const double c = C.data<double>()[row * b.size() + j];
      self(self, j + 1, left - part, cost + c * part);
      b[j] += part;
    }
  };
  send(send, 0, a[row], 0);
  return known[key] = best;
}

std::vector<int> random_parts(int total, int64_t n, Rng& rng) {
  std::vector<int> parts(static_cast<size_t>(n));
  for (int k = 0; k < total; ++k) ++parts[static_cast<size_t>(rng.integer(n))];
  return parts;
}

Tensor points(int64_t n, int64_t d, Rng& rng, double shift = 0) {
  return Tensor::normal({n, d}, rng, shift, 1, DType::f64);
}

bool same(const TransportPlan& p, const TransportPlan& q) {
  const auto is_same = [](const auto& f, const auto& g) {
    return f.i == g.i && f.j == g.j && f.mass == g.mass;
  };
  return std::ranges::equal(p.flows, q.flows, is_same) && p.u == q.u && p.v == q.v &&
         p.cost == q.cost && p.dual == q.dual && p.iterations == q.iterations;
}

}  // namespace

TEST_CASE("transport: by hand") {
  // a = (1/2, 1/2) to b = (1/4, 3/4): a quarter stays cheap, the rest of row 1 has to go along
  const Tensor C = matrix({2, 2}, {0, 2, 3, 1});
  const std::vector<double> a = {0.5, 0.5}, b = {0.25, 0.75};
  const TransportPlan plan = checked(C, a, b);
  CHECK(close(dense_plan(plan), matrix({2, 2}, {0.25, 0.25, 0, 0.5}), 1e-15));
  CHECK(plan.cost == 1);
  CHECK(plan.dual == doctest::Approx(1).epsilon(1e-14));
  CHECK_FALSE(plan.is_renormalised);
  const Tensor Y = matrix({2, 1}, {0, 4});
  CHECK(close(barycentric_map(plan, Y), matrix({2, 1}, {2, 4}), 1e-15));
  CHECK(contains(
      failure<ShapeError>([&] {
        barycentric_map(plan, matrix({1, 1}, {0}));
      }),
      "2 col"));
}

TEST_CASE("transport: random problems come with a certificate") {
  Rng rng(1);
  for (const auto& [n, m] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {1, 7}, {7, 1}, {2, 3}, {5, 5}, {13, 40}, {40, 13}, {100, 75}, {150, 200}}) {
    CAPTURE(n);
    CAPTURE(m);
    const Tensor C = random_costs(n, m, rng);
    checked(C, random_masses(n, rng), random_masses(m, rng));
    checked(C, equal_masses(n), equal_masses(m));
    const TransportPlan plan = optimal_transport(C);
    CHECK(same(plan, optimal_transport(C, equal_masses(n), equal_masses(m))));
  }
}

TEST_CASE("transport: as cheap as the best of all plans, with equal costs and sums of parts") {
  Rng rng(2);
  for (int trial = 0; trial < 60; ++trial) {
    const int64_t n = 1 + rng.integer(4), m = 1 + rng.integer(4);
    const int total = 1 + static_cast<int>(rng.integer(8));
    Tensor C = random_costs(n, m, rng);
    if (trial % 2 == 0) {  // ties
      for (int64_t k = 0; k < n * m; ++k)
        C.mutable_data<double>()[k] = static_cast<double>(rng.integer(3)) - 1;
    }
    const std::vector<int> a = random_parts(total, n, rng), b = random_parts(total, m, rng);
    std::map<std::pair<size_t, std::vector<int>>, double> known;
    const double best = best_by_trying(C, a, b, 0, known);
    const std::vector<double> x(a.begin(), a.end()), y(b.begin(), b.end());
    CHECK(checked(C, x, y).cost == doctest::Approx(best).epsilon(1e-12));
  }
}

TEST_CASE("transport: masses in whole units flow in whole units") {
  Rng rng(3);
  const int64_t n = 30, m = 20;
  const std::vector<int> a = random_parts(60, n, rng), b = random_parts(60, m, rng);
  const std::vector<double> x(a.begin(), a.end()), y(b.begin(), b.end());
  for (const auto& flow : checked(random_costs(n, m, rng), x, y).flows)
    CHECK(std::abs(flow.mass - std::round(flow.mass)) < 1e-12);
}

TEST_CASE("transport: equal costs, masses that are 0, large and small costs") {
  const Tensor flat = Tensor::full({6, 9}, 2.5, DType::f64);
  CHECK(checked(flat, equal_masses(6), equal_masses(9)).cost == doctest::Approx(2.5));
  CHECK(checked(Tensor::zeros({50, 50}, DType::f64), equal_masses(50), equal_masses(50)).cost == 0);

  Rng rng(4);
  const Tensor C = random_costs(6, 9, rng);
  const std::vector<double> a = values_in("020301"), b = values_in("100200300");
  const TransportPlan plan = checked(C, a, b);
  for (const auto& flow : plan.flows) {
    CHECK(a[static_cast<size_t>(flow.i)] > 0);
    CHECK(b[static_cast<size_t>(flow.j)] > 0);
  }
  CHECK(std::isnan(barycentric_map(plan, Tensor::zeros({9, 1}, DType::f64)).data<double>()[0]));
  const std::vector<double> tiny = {1, 1e-30, 1};
  checked(random_costs(3, 2, rng), tiny, values_in("11"));

  for (const double scale : {1e32, 1e-32}) {
    Tensor scaled = C.clone();
    for (int64_t k = 0; k < C.numel(); ++k) scaled.mutable_data<double>()[k] *= scale;
    CHECK(checked(scaled, a, b).cost == doctest::Approx(scale * plan.cost).epsilon(1e-12));
  }
  // Where a cost as good as forbids the pair: the other way round it is
  Tensor barred = matrix({2, 2}, {1e32, 1, 2, 1e32});
  CHECK(checked(barred, values_in("11"), values_in("11")).cost == 3);
  CHECK(checked(barred, values_in("22"), std::vector<double>{2, 2}).cost == 6);
  checked(barred, values_in("12"), values_in("21"));
  // Barred pairs between parts that need each other only by potentials
  barred = Tensor::full({8, 8}, 1e32, DType::f64);
  double expected = 0;
  for (int64_t i = 0; i < 8; ++i) {
    for (int64_t j = 0; j < 8; ++j) {
      if (i / 2 == j / 2) barred.mutable_data<double>()[i * 8 + j] = rng.uniform();
    }
  }
  const auto c = barred.values<double>();
  for (size_t i = 0; i < 8; i += 2)
    expected += std::min(c[9 * i] + c[9 * i + 9], c[9 * i + 1] + c[9 * i + 8]);
  for (const char* masses : {"11111111", "22222222"}) {
    std::vector<double> x = values_in(masses);
    CHECK(checked(barred, x, x).cost == doctest::Approx(expected * x[0]).epsilon(1e-12));
  }
  const std::vector<double> x = values_in("12121212"), y = values_in("21212121");
  CHECK(checked(barred, x, y).cost < 12);

  // Masses and costs over many orders of magnitude keep their digits
  const TransportPlan wide = optimal_transport(
      matrix({1, 3}, {1e20, 1, 1e-20}), std::vector<double>{1},
      std::vector<double>{3e-21, 0.25, 0.75});
  CHECK(wide.flows[0].mass == 3e-21);
  CHECK(wide.cost == doctest::Approx(0.55).epsilon(1e-14));
}

TEST_CASE("transport: sums that differ") {
  const Tensor C = matrix({2, 1}, {1, 3});
  const std::vector<double> a = {0.5, 0.5};
  const TransportPlan plan = optimal_transport(C, a, std::vector<double>{1 + 5e-7});
  CHECK(plan.is_renormalised);
  CHECK(plan.cost == doctest::Approx(2).epsilon(1e-14));
  CHECK(std::abs(plan.gap) < 1e-12);
  CHECK_FALSE(optimal_transport(C, a, std::vector<double>{1 + 1e-15}).is_renormalised);
  const auto says = [&](std::vector<double> x, std::vector<double> y) {
    return failure<ValueError>([&] { optimal_transport(C, x, y); });
  };
  CHECK(contains(says({0.5, 0.5}, {1.1}), "of a add up to 1 and of b to 1.1"));
  CHECK(contains(says({0.5, 0.5}, {1 + 2e-6}), "add up"));
  CHECK(contains(says({1.5, -0.5}, {1}), "mass 1 of a is -0.5"));
  CHECK(contains(says({0, 0}, {0}), "masses of a add up to 0"));
  CHECK(contains(says({1, std::nan("")}, {1}), "mass 1 of a is nan"));
  CHECK(contains(says({1, 1}, {std::numeric_limits<double>::infinity()}), "of b"));
  for (const double cost : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const Tensor bad = matrix({2, 1}, {1, cost});
    CHECK(contains(failure<ValueError>([&] { optimal_transport(bad); }), "cost 1, 0 is "));
  }
  CHECK(contains(
      failure<ShapeError>([&] { optimal_transport(C, a, a); }), "2 masses b do not fit 1 points"));
  CHECK(contains(
      failure<ShapeError>([] {
        optimal_transport(Tensor::zeros({0, 2}, DType::f64));
      }),
      "[0, 2]"));
  CHECK_FALSE(failure<DTypeError>([] { optimal_transport(Tensor::zeros({2, 2})); }).empty());
}

TEST_CASE("transport: a limit that is reached shows in status and gap, with the right sums") {
  Rng rng(5);
  const Tensor C = random_costs(60, 50, rng);
  const auto a = random_masses(60, rng), b = random_masses(50, rng);
  const TransportPlan best = checked(C, a, b);
  REQUIRE(best.iterations > 10);
  const TransportPlan early = optimal_transport(C, a, b, {.max_iterations = 10});
  CHECK(early.status == TransportStatus::iteration_limit);
  CHECK(std::string(name_of(early.status)) == "iteration_limit");
  CHECK(early.iterations == 10);
  CHECK(worst_sum(early, a, b) < 1e-12);
  CHECK(early.cost > best.cost);
  CHECK(early.dual <= best.dual + 1e-12);  // rounding
  CHECK(early.gap > 1e-3);
  CHECK(contains(
      failure<ValueError>([&] { optimal_transport(C, a, b, {.max_iterations = -1}); }), "-1"));
}

TEST_CASE("transport: on a line, sorted points (brief, check 19)") {
  Rng rng(6);
  for (const int64_t n : {1, 2, 17, 100}) {
    const Tensor X = points(n, 1, rng), Y = points(n, 1, rng, 0.3);
    std::vector<double> x = X.to_vector(), y = Y.to_vector();
    std::ranges::sort(x);
    std::ranges::sort(y);
    double sorted = 0;
    for (size_t i = 0; i < x.size(); ++i) sorted += (x[i] - y[i]) * (x[i] - y[i]);
    const Wasserstein2 found = wasserstein2_exact(X, Y);
    CHECK(std::abs(found.squared - sorted / static_cast<double>(n)) < 1e-12);
    CHECK(found.distance == std::sqrt(found.squared));
  }
}

TEST_CASE("transport: clouds of points, moved and alone") {
  Rng rng(7);
  const Tensor X = points(40, 3, rng);
  CHECK(wasserstein2_exact(X, X).squared == 0);
  Tensor moved = X.clone();
  for (int64_t k = 0; k < 40; ++k) moved.mutable_data<double>()[3 * k] += 2;
  const Wasserstein2 shift = wasserstein2_exact(X, moved);
  CHECK(std::abs(shift.distance - 2) < 1e-12);
  CHECK(close(barycentric_map(shift.plan, moved), moved, 1e-12));

  // Masses of any total; a triangle of clouds
  const Tensor Y = points(25, 3, rng, 1), Z = points(30, 3, rng, -1);
  const auto a = random_masses(40, rng), b = random_masses(25, rng);
  std::vector<double> twice = a;
  for (double& mass : twice) mass *= 2;
  CHECK(
      wasserstein2_exact(X, Y, twice, b).squared ==
      doctest::Approx(wasserstein2_exact(X, Y, a, b).squared).epsilon(1e-12));
  CHECK(
      wasserstein2_exact(Y, X, b, a).squared ==
      doctest::Approx(wasserstein2_exact(X, Y, a, b).squared).epsilon(1e-12));
  const double xy = wasserstein2_exact(X, Y).distance, yz = wasserstein2_exact(Y, Z).distance;
  CHECK(wasserstein2_exact(X, Z).distance <= xy + yz);
}

TEST_CASE("transport: a batch has the bits of its problems, at any thread count") {
  Rng rng(8);
  std::vector<TransportProblem> problems;
  for (int64_t k = 0; k < 24; ++k) {
    const int64_t n = 1 + rng.integer(40), m = 1 + rng.integer(40);
    problems.push_back({.C = random_costs(n, m, rng)});
    if (k % 2 == 0) {
      problems.back().a = random_masses(n, rng);
      problems.back().b = random_masses(m, rng);
    }
  }
  std::vector<TransportPlan> first;
  for (const int threads : {1, 3}) {
    const parallel::ThreadLimit limit(threads);
    const std::vector<TransportPlan> plans = optimal_transport(problems);
    if (first.empty()) first = plans;
    for (size_t k = 0; k < plans.size(); ++k) CHECK(same(plans[k], first[k]));
  }
  CHECK(same(first[0], optimal_transport(problems[0].C, problems[0].a, problems[0].b)));
  problems[5].a = {1};
  CHECK(contains(failure<ShapeError>([&] { optimal_transport(problems); }), "do not fit"));
}

TEST_CASE("transport: the same bits with every instruction set") {
  Rng rng(9);
  const Tensor C = random_costs(70, 61, rng), square = random_costs(67, 67, rng);
  const auto a = random_masses(70, rng), b = random_masses(61, rng);
  std::vector<TransportPlan> general, paired;
  for (const kernels::InstructionSet set : kernels::supported_sets()) {
    const InstructionScope scope(set);
    general.push_back(optimal_transport(C, a, b));
    paired.push_back(optimal_transport(square));
    CHECK(same(general.back(), general.front()));
    CHECK(same(paired.back(), paired.front()));
  }
}

TEST_CASE("assignment: as cheap as by the Hungarian method, with optimal potentials") {
  Rng rng(10);
  for (int trial = 0; trial < 40; ++trial) {
    const int64_t n = 1 + rng.integer(60), m = trial % 2 == 0 ? n : n + rng.integer(30);
    Tensor C = Tensor::normal({n, m}, rng, 0, 1, DType::f64);
    if (trial % 4 > 1) {  // ties
      for (int64_t k = 0; k < n * m; ++k)
        C.mutable_data<double>()[k] = static_cast<double>(rng.integer(4));
    }
    const Assignment found = solve_assignment(C.values<double>(), n, m);
    const auto cost = [&](const std::vector<int64_t>& columns) {
      double total = 0;
      for (int64_t i = 0; i < n; ++i)
        total += C.data<double>()[i * m + columns[static_cast<size_t>(i)]];
      return total;
    };
    std::vector<int64_t> taken = found.column;
    std::ranges::sort(taken);
    CHECK(std::ranges::adjacent_find(taken) == taken.end());
    CHECK(relative_error(cost(found.column), cost(reference::least_cost_assignment(C))) < 1e-13);
    double dual = std::accumulate(found.v.begin(), found.v.end(), 0.0);
    for (int64_t i = 0; i < n; ++i) {
      double u = std::numeric_limits<double>::infinity();
      for (int64_t j = 0; j < m; ++j)
        u = std::min(u, C.data<double>()[i * m + j] - found.v[static_cast<size_t>(j)]);
      dual += u;
    }
    CHECK(std::abs(dual - cost(found.column)) < 1e-12);  // sums of at most 150 terms
    if (n < m) CHECK(*std::ranges::max_element(found.v) <= 0);
  }
}

TEST_CASE("assignment: paths that get long are left to the simplex") {
  // Products are cheapest with one side upwards, the other downwards (rearrangement inequality)
  const int64_t n = 150;
  Tensor C = Tensor::empty({n, n}, DType::f64);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j)
      C.mutable_data<double>()[i * n + j] = static_cast<double>((i + 1) * (j + 1));
  }
  const std::vector<int64_t> columns = least_cost_assignment(C);
  for (int64_t i = 0; i < n; ++i) CHECK(columns[static_cast<size_t>(i)] == n - 1 - i);
  check_optimal(C, equal_masses(n), equal_masses(n), optimal_transport(C));

  Rng rng(12);
  const Tensor far = squared_distances(points(n, 2, rng), points(n, 2, rng, 10));
  check_optimal(far, equal_masses(n), equal_masses(n), optimal_transport(far));
}

TEST_CASE("squared distances: beside sums, and where digits cancel") {
  Rng rng(11);
  for (const double origin : {0.0, 1e6}) {
    const Tensor X = points(70, 5, rng, origin), Y = points(90, 5, rng, origin);
    const Tensor D = squared_distances(X, Y);
    double worst = 0;
    for (int64_t i = 0; i < 70; ++i) {
      for (int64_t j = 0; j < 90; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < 5; ++k) {
          const double gap = X.data<double>()[i * 5 + k] - Y.data<double>()[j * 5 + k];
          sum += gap * gap;
        }
        worst = std::max(worst, std::abs(D.data<double>()[i * 90 + j] - sum) / sum);
      }
    }
    CHECK(worst < 1e-9);
  }
  Tensor X = points(30, 4, rng, 100);
  std::copy_n(X.data<double>(), 4, X.mutable_data<double>() + 4 * 7);  // row 7 is row 0
  const Tensor D = squared_distances(X, X);
  for (int64_t i = 0; i < 30; ++i) CHECK(D.data<double>()[31 * i] == 0);
  CHECK(D.data<double>()[7] == 0);
  CHECK(contains(
      failure<ShapeError>([&] { squared_distances(X, points(3, 5, rng)); }), "dimensions"));
  CHECK(contains(
      failure<ValueError>([&] {
        squared_distances(matrix({1, 1}, {std::nan("")}), X);
      }),
      "of X"));
  CHECK(contains(
      failure<NumericError>([] {
        squared_distances(matrix({1, 1}, {1e200}), matrix({1, 1}, {0}));
      }),
      "overflow"));
}
