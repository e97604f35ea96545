// tests/bench/shallow_bench.cpp: regions per second, by splitting and by clipping.
//
// Random networks (normal weights of deviation 1 / sqrt(fan-in), normal biases, seeds 1 to 10 in
// turn) in the box [-10, 10]^n. Time is that of the process, for machines that others use too; with
// LIMPID_BENCH_THREADS above 1 look at the real time.
#include "interpret/shallow/polygons.h"
#include "interpret/shallow/regions.h"
#include "tests/bench/peaks.h"
#include "tests/interpret/shallow_nets.h"

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
  return 0;
}();

}  // namespace
