// tests/kernels/direct_test.cpp: the kernels for few channels and for depthwise filters.
//
// They add in f32, in another order than loops do: errors stay below 2e-6 of the largest value.
#include "framework/kernels/direct.h"

#include "framework/kernels/depthwise.h"
#include "tests/kernels/conv_ways.h"
#include "tests/kernels/shapes.h"

using namespace limpid;
using kernels::ConvDims;
namespace direct = kernels::direct;
namespace depthwise = kernels::depthwise;

namespace {

constexpr double kTolerance = 2e-6;

Results<float> run_direct(const ConvDims& d, uint64_t seed) {
  const Way<float> way = {
      .scratch = {direct::output_scratch(d), direct::input_scratch(d), direct::weight_scratch(d)},
      .output = [&](auto... p) { direct::output(d, p...); },
      .input = [&](auto... p) { direct::input(d, p...); },
      .weight = [&](auto... p) { direct::weight(d, p...); }};
  return run_way(way, d, seed);
}

Results<float> run_depthwise(const ConvDims& d, uint64_t seed) {
  const int64_t size = depthwise::scratch(d);
  const Way<float> way = {
      .scratch = {size, size, size},
      .output = [&](auto... p) { depthwise::output(d, p...); },
      .input = [&](auto... p) { depthwise::input(d, p...); },
      .weight = [&](auto... p) { depthwise::weight(d, p...); }};
  return run_way(way, d, seed);
}

void check(const ConvDims& d, const Results<float>& r) {
  CAPTURE(text(d));
  const Errors e = against_loops(d, r);
  CHECK(r.is_intact);
  CHECK(e.y < kTolerance);
  CHECK(e.dx < kTolerance);
  CHECK(e.dw < kTolerance);
}

void check_bits(const ConvDims& d, Results<float> (*run)(const ConvDims&, uint64_t)) {
  CAPTURE(text(d));
  const auto with = [&](int threads) {
    const parallel::ThreadLimit limit(threads);
    return run(d, 3);
  };
  const Results<float> one = with(1);
  for (const int threads : {2, 3, 5}) {
    const Results<float> many = with(threads);
    CHECK(many.is_intact);
    CHECK(one.y == many.y);
    CHECK(one.dx == many.dx);
    CHECK(one.dw == many.dw);
  }
}

ConvDims random_dims(Rng& rng, bool is_depthwise) {
  for (;;) {
    ConvDims d{};
    d.N = between(rng, 1, 5);
    d.groups = is_depthwise ? between(rng, 1, 21) : between(rng, 1, 3);
    d.C = is_depthwise ? d.groups : d.groups * between(rng, 1, 5);
    d.K = is_depthwise ? d.groups : d.groups * between(rng, 1, 13);
    d.H = between(rng, 1, 15);
    d.W = between(rng, 1, 19);
    d.R = is_depthwise ? 3 : between(rng, 1, 5);
    d.S = is_depthwise ? 3 : between(rng, 1, 5);
    d.stride = between(rng, 1, 3);
    d.padding = between(rng, 0, 3);
    d.dilation = between(rng, 1, 2);
    if (fits(d)) return with_outputs(d);
  }
}

}  // namespace

TEST_CASE("direct: random odd shapes, every instruction set") {
  for (const kernels::InstructionSet set : kernels::supported_sets()) {
    const InstructionScope scope(set);
    CAPTURE(std::string(kernels::name_of(set)));
    Rng rng(1);
    for (uint64_t round = 0; round < 150; ++round) {
      const ConvDims d = random_dims(rng, false);
      check(d, run_direct(d, round));
    }
  }
}

TEST_CASE("depthwise: random odd shapes, every instruction set") {
  for (const kernels::InstructionSet set : kernels::supported_sets()) {
    const InstructionScope scope(set);
    CAPTURE(std::string(kernels::name_of(set)));
    Rng rng(2);
    for (uint64_t round = 0; round < 100; ++round) {
      const ConvDims d = random_dims(rng, true);
      check(d, run_depthwise(d, round));
      check(d, run_direct(d, round));
    }
  }
}

TEST_CASE("direct: every number of filters that share registers") {
  for (int64_t K = 1; K <= 14; ++K) {
    const ConvDims d = with_outputs({2, 2, 9, 10, K, 3, 3, 0, 0, 1, 1, 1, 1});
    check(d, run_direct(d, 1));
  }
  const ConvDims stem = with_outputs({2, 3, 20, 17, 5, 7, 7, 0, 0, 2, 3, 1, 1});
  CHECK(direct::supports(stem));
  check(stem, run_direct(stem, 2));
}

TEST_CASE("direct and depthwise: the same bits at any thread count") {
  check_bits(with_outputs({11, 3, 20, 20, 8, 3, 3, 0, 0, 1, 1, 1, 1}), run_direct);
  check_bits(with_outputs({3, 34, 9, 9, 34, 3, 3, 0, 0, 2, 1, 1, 17}), run_direct);
  check_bits(with_outputs({19, 44, 9, 9, 44, 3, 3, 0, 0, 1, 1, 1, 44}), run_depthwise);
  check_bits(with_outputs({19, 44, 9, 9, 44, 3, 3, 0, 0, 2, 1, 1, 44}), run_depthwise);
}
