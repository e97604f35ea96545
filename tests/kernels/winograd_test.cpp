// tests/kernels/winograd_test.cpp: Winograd's three kernels against the trilinear form in loops.
//
// Errors are given relative to the largest value of the result: the transforms mix the pixels of a
// tile, so a small value next to large ones carries their rounding. The rows of the transforms of
// F(4x4) have sums of up to 5 (image), 2 (filter) and 4 (output) along each axis, which rounding
// errors, being random, meet in a small part. The worst measured, at 512 channels, are 5e-6 for
// F(4x4), 9e-7 for F(2x2) and 5e-7 for a plain sum.
#include "framework/kernels/winograd.h"

#include "tests/kernels/conv_ways.h"
#include "tests/kernels/shapes.h"

#include <algorithm>

using namespace limpid;
using kernels::ConvDims;
namespace winograd = kernels::winograd;

namespace {

constexpr double kTolerance[2] = {4e-6, 2e-5};  // F(2x2), F(4x4)

ConvDims dims(int64_t N, int64_t C, int64_t K, int64_t H, int64_t W, int64_t padding) {
  return {N, C, H, W, K, 3, 3, H + 2 * padding - 2, W + 2 * padding - 2, 1, padding, 1, 1};
}

Results<float> run(const ConvDims& d, int64_t m, uint64_t seed = 1) {
  const Way<float> way = {
      .scratch =
          {winograd::output_scratch(d, m), winograd::input_scratch(d, m),
           winograd::weight_scratch(d, m)},
      .output = [&](auto... p) { winograd::output(d, m, p...); },
      .input = [&](auto... p) { winograd::input(d, m, p...); },
      .weight = [&](auto... p) { winograd::weight(d, m, p...); }};
  return run_way(way, d, seed);
}

void check(const ConvDims& d, int64_t m, uint64_t seed) {
  CAPTURE(to_string(Shape{d.N, d.C, d.H, d.W}));
  CAPTURE(to_string(Shape{d.K, d.padding, m}));
  const Results<float> r = run(d, m, seed);
  const Errors e = against_loops(d, r);
  CHECK(r.is_intact);
  CHECK(e.y < kTolerance[m == 4]);
  CHECK(e.dx < kTolerance[m == 4]);
  CHECK(e.dw < kTolerance[m == 4]);
}

}  // namespace

TEST_CASE("winograd: random odd shapes, either tile, every instruction set") {
  for (const kernels::InstructionSet set : kernels::supported_sets()) {
    const InstructionScope scope(set);
    CAPTURE(std::string(kernels::name_of(set)));
    Rng rng(1);
    for (uint64_t round = 0; round < 60; ++round) {
      const int64_t padding = between(rng, 0, 3);
      const int64_t least = std::max<int64_t>(1, 3 - 2 * padding);
      const ConvDims d = dims(
          between(rng, 1, 5), between(rng, 1, 35), between(rng, 1, 35), between(rng, least, 14),
          between(rng, least, 19), padding);
      for (const int64_t m : {2, 4}) check(d, m, round);
    }
  }
}

TEST_CASE("winograd: several panels, several blocks of tiles, filters first") {
  for (const int64_t m : {2, 4}) {
    check(dims(1, 70, 130, 6, 6, 1), m, 1);   // panels of 64 filters
    check(dims(2, 16, 16, 53, 70, 1), m, 2);  // blocks of tiles that end within an image
    check(dims(3, 90, 80, 4, 4, 1), m, 3);    // more filters than tiles
    check(dims(9, 1, 3, 40, 40, 0), m, 4);
  }
}

TEST_CASE("winograd: many filters with several blocks of tiles") {
  // 242 images of one pixel. Only the middle tap sees it, so plain products are the twin
  const ConvDims d = dims(242, 490, 500, 1, 1, 1);
  const Results<float> r = run(d, 4);
  CHECK(r.is_intact);
  const auto at = [&](int64_t k, int64_t c) {
    return static_cast<double>(r.w[static_cast<size_t>((k * d.C + c) * 9 + 4)]);
  };
  std::vector<double> y(r.y.size()), dx(r.dx.size()), dw(r.dw.size());
  for (int64_t n = 0; n < d.N; ++n) {
    for (int64_t k = 0; k < d.K; ++k) {
      const auto to = static_cast<size_t>(n * d.K + k);
      const auto g = static_cast<double>(r.g[to]);
      for (int64_t c = 0; c < d.C; ++c) {
        const auto from = static_cast<size_t>(n * d.C + c);
        const auto x = static_cast<double>(r.x[from]);
        y[to] += at(k, c) * x;
        dx[from] += at(k, c) * g;
        dw[static_cast<size_t>((k * d.C + c) * 9 + 4)] += g * x;
      }
    }
  }
  CHECK(error(r.y, y) < kTolerance[1]);
  CHECK(error(r.dx, dx) < kTolerance[1]);
  CHECK(error(r.dw, dw) < kTolerance[1]);
}

TEST_CASE("winograd: error against f64 at the widths of real networks") {
  for (const int64_t C : {64, 128, 512}) {
    const ConvDims d = dims(1, C, 32, 8, 8, 1);
    for (const int64_t m : {2, 4}) {
      const Errors e = against_loops(d, run(d, m));
      const ConvDims back = dims(1, 32, C, 8, 8, 1);  // dx sums over C filters
      const Errors f = against_loops(back, run(back, m));
      MESSAGE(
          "F(", m, "x", m, ") C = ", C, ": max error / max value: y ", e.y, ", dx ", f.dx, ", dw ",
          e.dw);
      CHECK(std::max({e.y, f.dx, e.dw}) < kTolerance[m == 4] / 2);
    }
  }
}

TEST_CASE("winograd: the same bits at any thread count") {
  for (const ConvDims& d :
       {dims(3, 20, 24, 40, 40, 1), dims(2, 100, 90, 4, 4, 1), dims(70, 64, 64, 5, 7, 2)}) {
    for (const int64_t m : {2, 4}) {
      const auto with = [&](int threads) {
        const parallel::ThreadLimit limit(threads);
        return run(d, m);
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
  }
}

TEST_CASE("winograd: an empty batch gives zero weight gradients") {
  for (const int64_t m : {2, 4}) {
    const Results<float> r = run(dims(0, 9, 10, 5, 5, 1), m);
    CHECK(r.is_intact);
    CHECK(r.dw == std::vector<float>(10 * 9 * 9, 0.0F));
  }
}
