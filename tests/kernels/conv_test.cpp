// tests/kernels/conv_test.cpp: the convolution kernels against the trilinear form in loops.
#include "framework/kernels/conv.h"

#include "tests/kernels/conv_ways.h"
#include "tests/kernels/shapes.h"

#include <algorithm>
#include <cmath>

using namespace limpid;
using kernels::ConvDims;

namespace {

// Any odd combination whose filter fits the padded image.
ConvDims random_dims(Rng& rng) {
  for (;;) {
    ConvDims d{};
    d.groups = between(rng, 1, 3);
    d.N = between(rng, 1, 6);
    d.C = d.groups * between(rng, 1, 3);
    d.K = d.groups * between(rng, 1, 3);
    d.H = between(rng, 1, 13);
    d.W = between(rng, 1, 13);
    d.R = between(rng, 1, 4);
    d.S = between(rng, 1, 4);
    d.stride = between(rng, 1, 3);
    d.padding = between(rng, 0, 3);
    d.dilation = between(rng, 1, 3);
    if (fits(d)) return with_outputs(d);
  }
}

template <class T>
Results<T> run(const ConvDims& d, uint64_t seed) {
  const Way<T> way = {
      .scratch =
          {kernels::conv2d_scratch<T>(d), kernels::conv2d_input_scratch<T>(d),
           kernels::conv2d_weight_scratch<T>(d)},
      .output = [&](auto... p) { kernels::conv2d<T>(d, p...); },
      .input = [&](auto... p) { kernels::conv2d_input<T>(d, p...); },
      .weight = [&](auto... p) { kernels::conv2d_weight<T>(d, p...); }};
  return run_way(way, d, seed);
}

template <class T>
void check_against_loops(const ConvDims& d, uint64_t seed) {
  CAPTURE(text(d));
  const Results<T> r = run<T>(d, seed);
  CHECK(r.is_intact);
  const ConvOptions o = {
      .stride = d.stride, .padding = d.padding, .dilation = d.dilation, .groups = d.groups};
  const Shape sx = {d.N, d.C, d.H, d.W};
  const Shape sw = {d.K, d.C / d.groups, d.R, d.S};
  const Shape sg = {d.N, d.K, d.P, d.Q};
  const Tensor x = as_tensor(sx, r.x), w = as_tensor(sw, r.w), g = as_tensor(sg, r.g);
  const int64_t terms = std::max(d.C / d.groups * d.R * d.S, d.N * d.P * d.Q);  // of one sum
  const double small = sizeof(T) == 4 ? 1e-6 * (5 + std::sqrt(static_cast<double>(terms))) : 1e-12;
  CHECK(max_error(as_tensor(sg, r.y), reference::conv2d(x, w, o)) <= small);
  CHECK(max_error(as_tensor(sx, r.dx), reference::conv2d_input(g, w, sx, o)) <= small);
  CHECK(max_error(as_tensor(sw, r.dw), reference::conv2d_weight(g, x, sw, o)) <= small);
}

}  // namespace

TEST_CASE("conv: random odd shapes against the trilinear form") {
  Rng rng(1);
  for (uint64_t round = 0; round < 150; ++round) {
    const ConvDims d = random_dims(rng);
    check_against_loops<double>(d, round);
    check_against_loops<float>(d, round);
  }
}

TEST_CASE("conv: what the shapes choose in f32 agrees with plain sums in f64") {
  const std::vector<ConvDims> list = {
      {2, 16, 9, 11, 24, 3, 3, 0, 0, 1, 1, 1, 1},  // Winograd, 4x4 and 2x2 tiles
      {3, 32, 2, 2, 40, 3, 3, 0, 0, 1, 1, 1, 1},
      {1, 64, 3, 3, 64, 3, 3, 0, 0, 1, 1, 1, 1},    // few pixels for the filters
      {2, 3, 9, 11, 24, 3, 3, 0, 0, 1, 1, 1, 1},    // direct
      {2, 24, 9, 11, 24, 3, 3, 0, 0, 1, 1, 1, 24},  // depthwise
      {2, 16, 9, 11, 24, 3, 3, 0, 0, 2, 1, 1, 1},   // not its business: stride, dilation, groups
      {2, 16, 9, 11, 24, 3, 3, 0, 0, 1, 1, 2, 1},
      {2, 16, 9, 11, 24, 3, 3, 0, 0, 1, 1, 1, 2},
  };
  for (const ConvDims& d : list) {
    const ConvDims full = with_outputs(d);
    CAPTURE(text(full));
    const Results<float> r = run<float>(full, 5);
    const Results<double> s = run<double>(full, 5);
    CHECK(r.is_intact);
    CHECK(error(r.y, s.y) < 2e-5);  // winograd_test.cpp
    CHECK(error(r.dx, s.dx) < 2e-5);
    CHECK(error(r.dw, s.dw) < 2e-5);
  }
}

TEST_CASE("conv: every way of tiling") {
  const std::vector<ConvDims> list = {
      // images of 100 positions, three to a tile; the last tile has one, two or three
      {4, 2, 12, 12, 3, 3, 3, 0, 0, 1, 0, 1, 1},
      {5, 2, 12, 12, 3, 3, 3, 0, 0, 1, 0, 1, 1},
      {6, 2, 12, 12, 3, 3, 3, 0, 0, 1, 0, 1, 1},
      // exactly 256 positions: a tile per image
      {3, 2, 16, 16, 3, 3, 3, 0, 0, 1, 1, 1, 1},
      // one row of tiles more than one image holds, with padding at both ends and a stride
      {2, 40, 40, 33, 2, 3, 3, 0, 0, 1, 1, 1, 1},
      {1, 64, 71, 67, 2, 3, 3, 0, 0, 2, 1, 1, 1},
      {1, 64, 40, 70, 4, 1, 5, 0, 0, 1, 2, 1, 2},
      // pointwise filters: read in place, or gathered from several images
      {1, 3, 5, 5, 2, 1, 1, 0, 0, 1, 0, 1, 1},
      {3, 3, 5, 5, 2, 1, 1, 0, 0, 1, 0, 1, 1},
      {2, 300, 33, 33, 2, 1, 1, 0, 0, 1, 0, 1, 1},
      // pointwise filters over whole vectors: in place, by images and by rows, the last tile short
      {3, 20, 4, 4, 24, 1, 1, 0, 0, 1, 0, 1, 1},
      {2, 100, 20, 12, 100, 1, 1, 0, 0, 1, 0, 1, 1},
      {2, 120, 12, 8, 90, 1, 1, 0, 0, 1, 0, 1, 2},
      // more tiles than partial weight gradients, and fewer
      {17, 1, 17, 17, 2, 3, 3, 0, 0, 1, 1, 1, 1},
      {2, 1, 17, 17, 2, 3, 3, 0, 0, 1, 1, 1, 1},
  };
  for (const ConvDims& d : list) {
    check_against_loops<double>(with_outputs(d), 7);
    check_against_loops<float>(with_outputs(d), 7);
  }
}

TEST_CASE("conv: empty batches give empty images and zero weight gradients") {
  const ConvDims d = with_outputs({0, 2, 5, 5, 3, 3, 3, 0, 0, 1, 1, 1, 1});
  const Results<double> r = run<double>(d, 1);
  CHECK(r.y.empty());
  CHECK(r.dx.empty());
  CHECK(r.dw == std::vector<double>(3 * 2 * 3 * 3, 0.0));
}

TEST_CASE("conv: the same bits at any thread count") {
  const auto check = []<class T>(const ConvDims& d) {
    const auto with = [&](int threads) {
      const parallel::ThreadLimit limit(threads);
      return run<T>(d, 3);
    };
    const Results<T> one = with(1);
    for (const int threads : {2, 3, 5}) {
      const Results<T> many = with(threads);
      CHECK(one.y == many.y);
      CHECK(one.dx == many.dx);
      CHECK(one.dw == many.dw);
      CHECK(many.is_intact);
    }
  };
  for (const ConvDims& d :
       {with_outputs({9, 8, 20, 20, 8, 3, 3, 0, 0, 1, 1, 1, 2}),
        with_outputs({2, 40, 40, 33, 6, 3, 3, 0, 0, 1, 1, 1, 1}),
        with_outputs({20, 3, 9, 9, 5, 3, 3, 0, 0, 2, 1, 1, 1})}) {
    check.operator()<float>(d);
    check.operator()<double>(d);
  }
}
