// tests/bench/conv_bench.cpp: speed of the three convolution kernels, f32.
//
// GFs counts the multiplications and additions of the plain sum, whatever way is chosen, so it may
// exceed the machine's peak. Threads and peaks: peaks.h.
#include "framework/kernels/conv.h"
#include "tests/bench/peaks.h"

#include <algorithm>
#include <string>
#include <vector>

namespace {

using limpid::bench::random_values;
using limpid::kernels::ConvDims;

enum class Member { output, input, weight };

void run(benchmark::State& state, Member member, const ConvDims& d) {
  namespace kernels = limpid::kernels;
  limpid::bench::use_threads();
  const int64_t weights = d.K * (d.C / d.groups) * d.R * d.S;
  std::vector<float> x = random_values(d.N * d.C * d.H * d.W);
  std::vector<float> w = random_values(weights);
  std::vector<float> y = random_values(d.N * d.K * d.P * d.Q);
  std::vector<float> scratch(static_cast<size_t>(std::max(
      {kernels::conv2d_scratch<float>(d), kernels::conv2d_input_scratch<float>(d),
       kernels::conv2d_weight_scratch<float>(d)})));
  for (auto _ : state) {
    switch (member) {
      case Member::output: kernels::conv2d(d, x.data(), w.data(), y.data(), scratch.data()); break;
      case Member::input:
        kernels::conv2d_input(d, y.data(), w.data(), x.data(), scratch.data());
        break;
      case Member::weight:
        kernels::conv2d_weight(d, y.data(), x.data(), w.data(), scratch.data());
        break;
    }
  }
  const double work = 2.0 * static_cast<double>(d.N * d.P * d.Q * weights);
  limpid::bench::count_operations(state, work);
}

struct Case {
  const char* name;
  ConvDims d;
};

ConvDims square(int64_t C, int64_t K, int64_t size, int64_t N = 16) {
  return {N, C, size, size, K, 3, 3, size, size, 1, 1, 1, 1};
}

const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {"3->16 32x32", square(3, 16, 32)},
      {"16->16 32x32", square(16, 16, 32)},
      {"32->32 16x16", square(32, 32, 16)},
      {"64->64 8x8", square(64, 64, 8, 32)},
      {"64->64 32x32", square(64, 64, 32)},
      {"128->128 16x16", square(128, 128, 16)},
      {"256->256 8x8", square(256, 256, 8, 32)},
      {"512->512 4x4", square(512, 512, 4, 32)},
      {"128->128 32x32", square(128, 128, 32)},
      {"3->64 32x32", square(3, 64, 32)},
      {"64->128 32x32 stride 2", {16, 64, 32, 32, 128, 3, 3, 16, 16, 2, 1, 1, 1}},
      {"17->29 13x11 stride 2", {32, 17, 13, 11, 29, 3, 3, 7, 6, 2, 1, 1, 1}},
      {"depthwise 96 16x16", {32, 96, 16, 16, 96, 3, 3, 16, 16, 1, 1, 1, 96}},
      {"depthwise 96 32x32 stride 2", {32, 96, 32, 32, 96, 3, 3, 16, 16, 2, 1, 1, 96}},
      {"depthwise 576 4x4", {32, 576, 4, 4, 576, 3, 3, 4, 4, 1, 1, 1, 576}},
      {"1x1 64->256 16x16", {16, 64, 16, 16, 256, 1, 1, 16, 16, 1, 0, 1, 1}},
      {"1x1 576->96 4x4", {32, 576, 4, 4, 96, 1, 1, 4, 4, 1, 0, 1, 1}},
      {"5x5 1->6 28x28", {128, 1, 28, 28, 6, 5, 5, 28, 28, 1, 2, 1, 1}},
      {"5x5 6->16 14x14", {128, 6, 14, 14, 16, 5, 5, 10, 10, 1, 0, 1, 1}},
  };
  return list;
}

const bool kRegistered = [] {
  for (const Case& c : cases()) {
    for (const auto& [name, member] :
         {std::pair{"output", Member::output}, std::pair{"input", Member::input},
          std::pair{"weight", Member::weight}}) {
      benchmark::RegisterBenchmark(
          ("conv " + std::string(c.name) + " " + name).c_str(),
          [d = c.d, member = member](benchmark::State& state) { run(state, member, d); });
    }
  }
  return true;
}();

}  // namespace
