// tests/bench/shallow_bench.cpp: regions per second, by splitting and by clipping; Shapley values.
//
// Random networks (normal weights of deviation 1 / sqrt(fan-in), normal biases, seeds 1 to 10 in
// turn) in the box [-10, 10]^n. Time is that of the process, for machines that others use too; with
// LIMPID_BENCH_THREADS above 1 look at the real time.
//
// shapley: interventional values of one point of a network n-16-16-1 against 10 background points,
// by the definition and by interpret/shallow/shapley.h; the argument is n.
#include "interpret/shallow/polygons.h"
#include "interpret/shallow/regions.h"
#include "interpret/shallow/shapley.h"
#include "tests/bench/peaks.h"
#include "tests/interpret/shallow_nets.h"
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
           {4, 16, 16, 1}}) {
    add("split", widths, split);
  }
  for (const Widths& widths :
       std::vector<Widths>{{2, 4, 4, 4, 1}, {2, 64, 64, 1}, {2, 64, 64, 64, 1}}) {
    add("clip", widths, clip);
  }
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
