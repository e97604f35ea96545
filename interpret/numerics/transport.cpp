// interpret/numerics/transport.cpp: masses as whole numbers, the choice of a method, certificates.
#include "interpret/numerics/transport.h"

#include "framework/core/error.h"
#include "framework/core/rank_map.h"
#include "framework/kernels/dispatch.h"
#include "interpret/numerics/assignment.h"
#include "interpret/numerics/masses.h"
#include "interpret/numerics/network_simplex.h"
#include "interpret/numerics/squared_distances.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace limpid::interpret {
namespace {

constexpr const char* kOp = "optimal_transport";
constexpr double kRounding = 0x1p-45;  // of sums of masses
constexpr double kLargestGap = 1e-10;  // beyond rounding

double total_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

bool is_constant(std::span<const double> values) {
  return std::ranges::all_of(values, [&](double v) { return v == values[0]; });
}

// What has mass, as whole numbers.
struct Side {
  std::vector<int64_t> index;
  std::vector<int64_t> supply;
};

// Every positive mass counts, and the largest makes up for what rounding leaves of the total.
Side whole_numbers(std::span<const double> masses, double total, int64_t whole) {
  Side side;
  int64_t left = whole;
  for (size_t i = 0; i < masses.size(); ++i) {
    if (masses[i] == 0) continue;
    const double share = masses[i] / total * static_cast<double>(whole);
    side.index.push_back(static_cast<int64_t>(i));
    side.supply.push_back(std::max<int64_t>(1, std::llround(share)));
    left -= side.supply.back();
  }
  *std::ranges::max_element(side.supply) += left;
  return side;
}

// A total near 2^50 that n and m divide, so that equal masses stay equal and counts stay counts.
int64_t whole_total(int64_t n, int64_t m) {
  const int64_t most = std::min(largest_supply(n), int64_t{1} << 50);
  const int64_t step = n <= most / m ? n * m : 1;
  return most / step * step;
}

std::vector<double> rows_and_columns(const Tensor& C, const Side& rows, const Side& columns) {
  std::vector<double> part;
  part.reserve(rows.index.size() * columns.index.size());
  for (const int64_t i : rows.index) {
    const double* row = C.data<double>() + i * C.size(1);
    for (const int64_t j : columns.index) part.push_back(row[j]);
  }
  return part;
}

// What the masses leave for the arcs of a forest, from its leaves on: the digits of small masses,
// which whole numbers cut off, stay. Arcs for which rounding leaves nothing go.
void set_flows(
    std::span<const double> a, std::span<const double> b, double b_scale,
    std::vector<TransportPlan::Flow>& flows) {
  const size_t n = a.size();
  std::vector<double> left(a.begin(), a.end());
  for (const double mass : b) left.push_back(mass * b_scale);
  std::vector<size_t> degree(left.size()),
      arcs(left.size());  // arcs: exclusive or of their numbers
  const auto toggle = [&](size_t x, size_t arc, bool is_new) {
    arcs[x] ^= arc;
    is_new ? ++degree[x] : --degree[x];
  };
  const auto ends = [&](size_t arc) {
    return std::pair(static_cast<size_t>(flows[arc].i), n + static_cast<size_t>(flows[arc].j));
  };
  for (size_t k = 0; k < flows.size(); ++k) {
    toggle(ends(k).first, k, true);
    toggle(ends(k).second, k, true);
  }
  std::vector<size_t> leaves;
  for (size_t x = 0; x < degree.size(); ++x) {
    if (degree[x] == 1) leaves.push_back(x);
  }
  for (size_t l = 0; l < leaves.size(); ++l) {
    const size_t x = leaves[l], arc = arcs[x];
    if (degree[x] == 0) continue;  // the other end of the last arc
    const auto [i, j] = ends(arc);
    const size_t other = x == i ? j : i;
    flows[arc].mass = left[x];
    left[other] = std::max(0.0, left[other] - left[x]);
    toggle(x, arc, false);
    toggle(other, arc, false);
    if (degree[other] == 1) leaves.push_back(other);
  }
  std::erase_if(flows, [](const auto& flow) { return flow.mass <= 0; });
}

void solve_by_simplex(
    const Tensor& C, std::span<const double> a, std::span<const double> b, double total,
    double total_b, int64_t max_iterations, TransportPlan& plan) {
  const int64_t n = plan.n, m = plan.m;
  const int64_t whole = whole_total(n, m);
  const Side rows = whole_numbers(a, total, whole), columns = whole_numbers(b, total_b, whole);
  const bool is_whole = std::ssize(rows.index) == n && std::ssize(columns.index) == m;
  const std::vector<double> part =
      is_whole ? std::vector<double>() : rows_and_columns(C, rows, columns);
  const NetworkFlow flow = network_simplex(
      is_whole ? C.values<double>() : part, rows.supply, columns.supply, max_iterations);
  for (const auto& [i, j, mass] : flow.arcs) {
    plan.flows.push_back(
        {rows.index[static_cast<size_t>(i)], columns.index[static_cast<size_t>(j)], 0});
  }
  set_flows(a, b, total / total_b, plan.flows);
  for (size_t j = 0; j < columns.index.size(); ++j)
    plan.v[static_cast<size_t>(columns.index[j])] = flow.v[j];
  plan.iterations = flow.iterations;
  if (!flow.is_optimal) plan.status = TransportStatus::iteration_limit;

  // The most that columns without mass may have
  std::vector<bool> has_mass(static_cast<size_t>(m));
  for (const int64_t j : columns.index) has_mass[static_cast<size_t>(j)] = true;
  for (int64_t j = 0; j < m; ++j) {
    if (has_mass[static_cast<size_t>(j)]) continue;
    double& v = plan.v[static_cast<size_t>(j)] = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < rows.index.size(); ++i)
      v = std::min(v, C.data<double>()[rows.index[i] * m + j] - flow.u[i]);
  }
}

void solve_by_assignment(const Tensor& C, double total, TransportPlan& plan) {
  Assignment found = solve_assignment(C.values<double>(), plan.n, plan.m);
  plan.v = std::move(found.v);
  plan.iterations = found.iterations;
  for (int64_t i = 0; i < plan.n; ++i) {
    plan.flows.push_back(
        {i, found.column[static_cast<size_t>(i)], total / static_cast<double>(plan.n)});
  }
}

// u_i = min_j C_ij - v_j, the cost, and what no plan can undercut.
void certify(
    const Tensor& C, std::span<const double> a, std::span<const double> b, double b_scale,
    TransportPlan& plan) {
  plan.u.clear();
  const kernels::RowScanTable& scan = kernels::row_scan_table();
  const double* costs = C.data<double>();
  double size = 0;
  for (int64_t i = 0; i < plan.n; ++i) {
    const double u = scan.least(plan.m, costs + i * plan.m, plan.v.data()).value;
    plan.u.push_back(u);
    plan.dual += a[static_cast<size_t>(i)] * u;
    size += a[static_cast<size_t>(i)] * std::abs(u);
  }
  for (size_t j = 0; j < b.size(); ++j) {
    plan.dual += b[j] * b_scale * plan.v[j];
    size += b[j] * b_scale * std::abs(plan.v[j]);
  }
  for (const auto& [i, j, mass] : plan.flows) plan.cost += costs[i * plan.m + j] * mass;
  const double scale = std::max(std::abs(plan.cost), 1e-6 * size);
  plan.gap = scale > 0 ? (plan.cost - plan.dual) / scale : 0;
}

struct Sides {
  std::span<const double> a, b;
  double total_a, total_b;
};

// The best plan for costs `used`, with its certificate for C.
TransportPlan solved(
    const Tensor& C, const Tensor& used, const Sides& sides, const TransportOptions& options) {
  const auto& [a, b, total_a, total_b] = sides;
  TransportPlan plan;
  plan.n = C.size(0);
  plan.m = C.size(1);
  plan.v.assign(b.size(), 0);
  if (plan.n == plan.m && is_constant(a) && is_constant(b)) {
    solve_by_assignment(used, total_a, plan);
  } else {
    const int64_t limit =
        options.max_iterations > 0 ? options.max_iterations : 1000 * (plan.n + plan.m) + 100000;
    solve_by_simplex(used, a, b, total_a, total_b, limit, plan);
  }
  certify(C, a, b, total_a / total_b, plan);
  return plan;
}

// A pair barred by a cost of 1e32 carries nothing, and yet its cost may reach the potentials, which
// then have no digits for the others. Any cycle of pairs that the plan uses outweighs the bars that
// are left here; a dual of lower costs is one of C as well, so the certificate cannot err.
Tensor without_bars(const Tensor& C, const TransportPlan& plan) {
  const auto costs = C.values<double>();
  const double least = *std::ranges::min_element(costs);
  double used = least;
  for (const auto& flow : plan.flows)
    used = std::max(used, costs[static_cast<size_t>(flow.i * plan.m + flow.j)]);
  const double most = used + 2 * static_cast<double>(std::min(plan.n, plan.m)) * (used - least);
  Tensor lower = C.clone();
  for (int64_t k = 0; k < C.numel(); ++k) {
    double& cost = lower.mutable_data<double>()[k];
    cost = std::min(cost, most);
  }
  return lower;
}

}  // namespace

const char* name_of(TransportStatus status) {
  return status == TransportStatus::optimal ? "optimal" : "iteration_limit";
}

TransportPlan optimal_transport(
    const Tensor& C, std::span<const double> a, std::span<const double> b,
    const TransportOptions& options) {
  check_costs(kOp, C);
  const std::vector<double> rows = masses_of(kOp, "a", C.size(0), a);
  const std::vector<double> columns = masses_of(kOp, "b", C.size(1), b);
  check_value(
      options.max_iterations >= 0, kOp, "max_iterations must not be negative, got ",
      options.max_iterations);
  const Sides sides = {
      .a = rows, .b = columns, .total_a = total_of(rows), .total_b = total_of(columns)};
  const double difference = difference_of(kOp, sides.total_a, sides.total_b);
  TransportPlan plan = solved(C, C, sides, options);
  if (plan.status == TransportStatus::optimal && std::abs(plan.gap) > kLargestGap) {
    TransportPlan again = solved(C, without_bars(C, plan), sides, options);
    again.iterations += plan.iterations;
    if (std::abs(again.gap) < std::abs(plan.gap)) plan = std::move(again);
  }
  plan.is_renormalised = difference > kRounding;
  return plan;
}

TransportPlan optimal_transport(const Tensor& C, const TransportOptions& options) {
  return optimal_transport(C, {}, {}, options);
}

std::vector<TransportPlan> optimal_transport(
    std::span<const TransportProblem> problems, const TransportOptions& options) {
  return ranks::map<TransportPlan>(std::ssize(problems), [&](int64_t p) {
    const auto& [C, a, b] = problems[static_cast<size_t>(p)];
    return optimal_transport(C, a, b, options);
  });
}

Tensor dense_plan(const TransportPlan& plan) {
  Tensor pi = Tensor::zeros({plan.n, plan.m}, DType::f64);
  double* out = pi.mutable_data<double>();
  for (const auto& [i, j, mass] : plan.flows) out[i * plan.m + j] = mass;
  return pi;
}

Tensor barycentric_map(const TransportPlan& plan, const Tensor& Y) {
  check_shape(
      Y.rank() == 2 && Y.size(0) == plan.m, "barycentric_map", "points ", Y.shape(),
      " do not fit a plan of ", plan.m, " columns");
  const int64_t d = Y.size(1);
  const double* y = Y.data<double>();
  Tensor means = Tensor::zeros({plan.n, d}, DType::f64);
  double* out = means.mutable_data<double>();
  std::vector<double> mass_of(static_cast<size_t>(plan.n));
  for (const auto& [i, j, mass] : plan.flows) {
    mass_of[static_cast<size_t>(i)] += mass;
    for (int64_t k = 0; k < d; ++k) out[i * d + k] += mass * y[j * d + k];
  }
  for (int64_t i = 0; i < plan.n; ++i) {
    for (int64_t k = 0; k < d; ++k) out[i * d + k] /= mass_of[static_cast<size_t>(i)];
  }
  return means;
}

Wasserstein2 wasserstein2_exact(
    const Tensor& X, const Tensor& Y, std::span<const double> a, std::span<const double> b,
    const TransportOptions& options) {
  const Tensor C = squared_distances(X, Y);
  const auto shares = [](const char* name, std::span<const double> masses, int64_t n) {
    std::vector<double> scaled = masses_of("wasserstein2_exact", name, n, masses);
    const double total = total_of(scaled);
    for (double& mass : scaled) mass /= total;
    return scaled;
  };
  Wasserstein2 result;
  result.plan = optimal_transport(C, shares("a", a, C.size(0)), shares("b", b, C.size(1)), options);
  result.squared = result.plan.cost;
  result.distance = std::sqrt(result.squared);
  return result;
}

}  // namespace limpid::interpret
