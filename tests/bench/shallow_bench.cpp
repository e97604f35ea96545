// tests/bench/shallow_bench.cpp: regions per second, by splitting and by clipping; Shapley values.
//
// Random networks (normal weights of deviation 1 / sqrt(fan-in), normal biases, seeds 1 to 10 in
// turn) in the box [-10, 10]^n. Time is that of the process, for machines that others use too; with
// LIMPID_BENCH_THREADS above 1 look at the real time.
//
// regions: of a network on average; bound: the most that its widths allow (Serra et al. 2018). The
// last networks of split grow by units, by inputs and by depth.
//
// naive: one linear program for each of 2^N patterns, tests/reference/regions.h, beside split on
// the same networks 2-(N/2)-(N/2)-1; the argument is N, the time that of the three seeds together.
//
// local: a point's local model and its Shapley values of a kind, against 100 background points.
//
// shapley: interventional values of one point of a network n-16-16-1 against 10 background points,
// by the definition and by interpret/shallow/shapley.h; the argument is n.
#include "interpret/shallow/local_model.h"
#include "interpret/shallow/polygons.h"
#include "interpret/shallow/regions.h"
#include "interpret/shallow/shapley.h"
#include "tests/bench/peaks.h"
#include "tests/interpret/shallow_nets.h"
#include "tests/reference/regions.h"
#include "tests/reference/shapley.h"

#include <string>
#include <vector>

namespace {

using namespace limpid::interpret;
using limpid::bench::use_threads;

using Widths = std::vector<int64_t>;

std::string name_of(const char* what, const Widths& widths) {
  std::string name = std::string("shallow/") + what + "/" + std::to_string(widths[0]);
  for (size_t l = 1; l + 1 < widths.size(); ++l) name += "-" + std::to_string(widths[l]);
  return name;
}

template <class Find>
void add(const char* what, const Widths& widths, const Find& find) {
  const auto run = [widths, find](benchmark::State& state) {
    use_threads();
    std::vector<PiecewiseLinear> nets;
    for (uint64_t seed = 1; seed <= 10; ++seed) nets.push_back(random_network(widths, seed));
    const Domain box = Domain::box(widths[0], -10, 10);
    int64_t regions = 0;
    for (auto _ : state) {
      for (const PiecewiseLinear& net : nets) regions += find(net, box);
    }
    state.SetItemsProcessed(regions);
    state.counters["regions"] =
        static_cast<double>(regions) / 10 / static_cast<double>(state.iterations());
    state.counters["bound"] =
        region_bound(widths[0], std::vector<int64_t>(widths.begin() + 1, widths.end() - 1));
  };
  benchmark::RegisterBenchmark(name_of(what, widths).c_str(), run)
      ->MeasureProcessCPUTime()
      ->Unit(benchmark::kMillisecond);  // of ten networks
}

template <class Values>
void add_shapley(const char* what, std::vector<int64_t> inputs, const Values& values) {
  const auto run = [values](benchmark::State& state) {
    use_threads();
    const int64_t n = state.range(0);
    const PiecewiseLinear net = random_network({n, 16, 16, 1}, 1);
    limpid::Rng rng(2);
    std::vector<double> background(static_cast<size_t>(10 * n)), x(static_cast<size_t>(n));
    rng.normal(background, 0, 1);
    rng.normal(x, 0, 1);
    for (auto _ : state) benchmark::DoNotOptimize(values(net, background, x));
  };
  auto* registered = benchmark::RegisterBenchmark(what, run)->MeasureProcessCPUTime();
  registered->Unit(benchmark::kMillisecond);
  for (const int64_t n : inputs) registered->Arg(n);
}

// Regions of three networks 2-(N/2)-(N/2)-1
template <class Find>
void add_by_units(const char* what, const std::vector<int64_t>& units, const Find& find) {
  const auto run = [find](benchmark::State& state) {
    use_threads();
    const int64_t half = state.range(0) / 2;
    int64_t regions = 0;
    for (auto _ : state) {
      for (uint64_t seed = 1; seed <= 3; ++seed) {
        regions += find(random_network({2, half, state.range(0) - half, 1}, seed));
      }
    }
    state.SetItemsProcessed(regions);
  };
  auto* registered = benchmark::RegisterBenchmark(what, run)->MeasureProcessCPUTime();
  registered->Unit(benchmark::kMillisecond);
  for (const int64_t N : units) registered->Arg(N);
}

// Points per second of a network 12-16-16-1
template <class Explain>
void add_local(const char* what, const Explain& explain) {
  const auto run = [explain](benchmark::State& state) {
    use_threads();
    constexpr size_t n = 12, kPoints = 50;
    const PiecewiseLinear net = random_network({n, 16, 16, 1}, 1);
    limpid::Rng rng(2);
    std::vector<double> background(100 * n), points(kPoints * n);
    rng.normal(background, 0, 1);
    rng.normal(points, 0, 1);
    const Shapley shapley(net, 0, background);
    for (auto _ : state) {
      for (size_t k = 0; k < kPoints; ++k) {
        benchmark::DoNotOptimize(explain(net, shapley, std::span(points).subspan(k * n, n)));
      }
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kPoints));
  };
  benchmark::RegisterBenchmark(what, run)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);
}

const int kRegistered = [] {
  const auto split = [](const PiecewiseLinear& net, const Domain& box) {
    return enumerate_regions(net, box).size();
  };
  const auto clip = [](const PiecewiseLinear& net, const Domain& box) {
    return clip_regions(net, box).size();
  };
  for (const Widths& widths : std::vector<Widths>{
           {2, 4, 4, 4, 1},
           {4, 6, 6, 1},
           {8, 6, 6, 1},
           {10, 12, 1},
           {8, 8, 8, 1},
           {3, 20, 20, 1},
           {4, 16, 16, 1},
           {3, 4, 4, 1},
           {3, 8, 8, 1},
           {3, 16, 16, 1},
           {3, 32, 32, 1},
           {1, 8, 8, 1},
           {2, 8, 8, 1},
           {4, 8, 8, 1},
           {6, 8, 8, 1},
           {2, 8, 1},
           {2, 8, 8, 8, 1},
           {2, 8, 8, 8, 8, 1},
           {2, 8, 8, 8, 8, 8, 8, 1}}) {
    add("split", widths, split);
  }
  for (const Widths& widths :
       std::vector<Widths>{{2, 4, 4, 4, 1}, {2, 64, 64, 1}, {2, 64, 64, 64, 1}}) {
    add("clip", widths, clip);
  }
  const std::vector<int64_t> units = {2, 4, 6, 8, 10, 12, 14, 16};
  add_by_units("shallow/naive", units, [](const PiecewiseLinear& net) {
    return std::ssize(limpid::reference::patterns_by_trying_all(net, -10, 10));
  });
  add_by_units("shallow/split", units, [](const PiecewiseLinear& net) {
    return enumerate_regions(net, Domain::box(2, -10, 10)).size();
  });
  using Point = std::span<const double>;
  add_local("shallow/local/model", [](const PiecewiseLinear& net, const Shapley&, Point x) {
    return local_model(net, x, 5).radius;
  });
  add_local("shallow/local/global", [](const PiecewiseLinear&, const Shapley& shapley, Point x) {
    return shapley.global(x).base;
  });
  add_local("shallow/local/region", [](const PiecewiseLinear&, const Shapley& shapley, Point x) {
    return shapley.region(x).base;
  });
  add_local("shallow/local/path", [](const PiecewiseLinear&, const Shapley& shapley, Point x) {
    return shapley.path(x).base;
  });
  using Numbers = std::vector<double>;
  add_shapley(
      "shallow/shapley/definition", {2, 4, 6, 8, 10, 12},
      [](const PiecewiseLinear& net, const Numbers& background, const Numbers& x) {
        const auto f = [&](std::span<const double> y) { return net(y)[0]; };
        return limpid::reference::shapley(f, x, background);
      });
  add_shapley(
      "shallow/shapley/exact", {2, 4, 6, 8, 10, 12, 14, 16, 18},
      [](const PiecewiseLinear& net, const Numbers& background, const Numbers& x) {
        return Shapley(net, 0, background).interventional(x).values;
      });
  add_shapley(
      "shallow/shapley/path", {2, 4, 8, 16, 32, 64},
      [](const PiecewiseLinear& net, const Numbers& background, const Numbers& x) {
        return Shapley(net, 0, background).path(x).values;
      });
  return 0;
}();

}  // namespace
