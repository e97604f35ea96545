// tests/kernels/pool_test.cpp: windows at borders, ties, NaN; pick and spread; resizing.
#include "framework/kernels/pool.h"

#include "framework/kernels/resample.h"
#include "tests/kernels/random_arrays.h"
#include "tests/kernels/shapes.h"
#include "tests/reference/reference.h"

#include <cmath>
#include <limits>

using namespace limpid;
using kernels::PoolDims;

namespace {

template <class T>
struct Winners {
  std::vector<T> values;
  std::vector<int32_t> index;
};

template <class T>
Winners<T> max_pool(const PoolDims& d, const std::vector<T>& x) {
  Winners<T> w;
  w.values.resize(static_cast<size_t>(d.planes * d.P * d.Q));
  w.index.resize(w.values.size());
  kernels::max_pool2d<T>(d, x.data(), w.values.data(), w.index.data());
  std::vector<T> without_index(w.values.size());
  kernels::max_pool2d<T>(d, x.data(), without_index.data(), nullptr);
  CHECK(std::equal(w.values.begin(), w.values.end(), without_index.begin(), [](T a, T b) {
    return a == b || (std::isnan(a) && std::isnan(b));
  }));
  return w;
}

PoolDims random_dims(Rng& rng) {
  PoolDims d{};
  d.planes = between(rng, 1, 6);
  d.k = between(rng, 1, 4);
  d.stride = between(rng, 1, 4);
  d.padding = rng.integer(d.k / 2 + 1);
  d.H = between(rng, std::max<int64_t>(1, d.k - 2 * d.padding), 12);
  d.W = between(rng, std::max<int64_t>(1, d.k - 2 * d.padding), 12);
  if (rng.integer(4) == 0) {  // the usual case has a loop of its own
    d.k = d.stride = 2;
    d.padding = 0;
    ++d.H;
    ++d.W;
  }
  d.P = (d.H + 2 * d.padding - d.k) / d.stride + 1;
  d.Q = (d.W + 2 * d.padding - d.k) / d.stride + 1;
  return d;
}

// One 2x2 window and one larger window over the same four values: both code paths.
template <class T>
void check_four(const std::vector<T>& x, int32_t winner) {
  const PoolDims fast = {1, 2, 2, 1, 1, 2, 2, 0};
  const PoolDims general = {1, 2, 2, 1, 1, 2, 1, 0};
  CHECK(max_pool(fast, x).index[0] == winner);
  CHECK(max_pool(general, x).index[0] == winner);
}

}  // namespace

TEST_CASE("max_pool2d: the first of equals wins, NaN wins over all") {
  for_types_and_sets([]<class T>() {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    const T inf = std::numeric_limits<T>::infinity();
    check_four<T>({1, 2, 3, 4}, 3);
    check_four<T>({4, 3, 2, 1}, 0);
    check_four<T>({1, 4, 4, 4}, 1);
    check_four<T>({0, 0, 0, 0}, 0);
    check_four<T>({-inf, -inf, -inf, -inf}, 0);
    check_four<T>({-inf, -inf, -3, -inf}, 2);
    check_four<T>({nan, 1, 2, inf}, 0);
    check_four<T>({1, nan, 2, inf}, 1);
    check_four<T>({1, nan, nan, 2}, 1);
    check_four<T>({inf, 1, 2, nan}, 3);
    const PoolDims d = {1, 2, 2, 1, 1, 2, 2, 0};
    CHECK(std::isnan(max_pool<T>(d, {inf, 1, nan, 2}).values[0]));
  });
}

TEST_CASE("max_pool2d: the border never wins, not even over negative values") {
  for_types_and_sets([]<class T>() {
    const PoolDims d = {1, 2, 2, 1, 1, 3, 2, 1};
    const Winners<T> w = max_pool<T>(d, {-4, -3, -2, -1});
    CHECK(w.values == std::vector<T>{-1});
    CHECK(w.index == std::vector<int32_t>{3});
  });
}

TEST_CASE("max_pool2d: random windows, with ties") {
  for_types_and_sets([]<class T>() {
    Rng rng(1);
    for (int round = 0; round < 80; ++round) {
      const PoolDims d = random_dims(rng);
      const PoolOptions o = {.size = d.k, .stride = d.stride, .padding = d.padding};
      CAPTURE(to_string(Shape{d.planes, d.H, d.W, d.k, d.stride, d.padding}));
      std::vector<T> x = random_array<T>(d.planes * d.H * d.W, rng);
      for (T& v : x) v = std::round(v);
      const Winners<T> w = max_pool(d, x);
      const Tensor image = as_tensor({1, d.planes, d.H, d.W}, x);
      const Shape out = {1, d.planes, d.P, d.Q};
      CHECK(bitwise_equal(as_tensor(out, w.values), reference::max_pool2d(image, o)));
      CHECK(bitwise_equal(as_tensor(out, w.index), reference::max_pool2d_positions(image, o)));

      // Reading at the winners gives the values; spreading is the adjoint
      const std::vector<int> positions(w.index.begin(), w.index.end());
      std::vector<T> picked(w.values.size());
      kernels::plane_pick<T>(
          d.planes, d.H * d.W, d.P * d.Q, x.data(), w.index.data(), picked.data());
      CHECK(picked == w.values);
      const std::vector<T> g = random_array<T>(d.planes * d.P * d.Q, rng);
      Guarded<T> spread(d.planes * d.H * d.W);
      kernels::plane_spread<T>(
          d.planes, d.H * d.W, d.P * d.Q, g.data(), w.index.data(), spread.data());
      CHECK(spread.is_intact());
      CHECK(
          max_error(
              as_tensor({1, d.planes, d.H, d.W}, spread.values()),
              reference::plane_spread(as_tensor(out, g), positions, {1, d.planes, d.H, d.W})) <
          (sizeof(T) == 4 ? 1e-6 : 1e-14));
    }
  });
}

TEST_CASE("avg_pool2d: random windows and the adjoint") {
  for_types_and_sets([]<class T>() {
    Rng rng(2);
    const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-14;
    for (int round = 0; round < 80; ++round) {
      const PoolDims d = random_dims(rng);
      const PoolOptions o = {.size = d.k, .stride = d.stride, .padding = d.padding};
      CAPTURE(to_string(Shape{d.planes, d.H, d.W, d.k, d.stride, d.padding}));
      const Shape in = {1, d.planes, d.H, d.W};
      const Shape out = {1, d.planes, d.P, d.Q};
      const std::vector<T> x = random_array<T>(in.numel(), rng);
      const std::vector<T> g = random_array<T>(out.numel(), rng);
      Guarded<T> y(out.numel()), dx(in.numel());
      kernels::avg_pool2d<T>(d, x.data(), y.data());
      kernels::avg_pool2d_input<T>(d, g.data(), dx.data());
      CHECK((y.is_intact() && dx.is_intact()));
      CHECK(
          max_error(as_tensor(out, y.values()), reference::avg_pool2d(as_tensor(in, x), o)) <
          tolerance);
      CHECK(
          max_error(
              as_tensor(in, dx.values()), reference::avg_pool2d_input(as_tensor(out, g), in, o)) <
          tolerance);
    }
  });
}

TEST_CASE("resize_bilinear: random sizes and the adjoint") {
  for_types_and_sets([]<class T>() {
    Rng rng(3);
    const double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-13;
    for (int round = 0; round < 60; ++round) {
      const kernels::ResizeDims d{
          between(rng, 1, 3), between(rng, 1, 9), between(rng, 1, 9), between(rng, 1, 9),
          between(rng, 1, 9)};
      CAPTURE(to_string(Shape{d.H, d.W, d.P, d.Q}));
      const Shape in = {1, d.planes, d.H, d.W};
      const Shape out = {1, d.planes, d.P, d.Q};
      const std::vector<T> x = random_array<T>(in.numel(), rng);
      const std::vector<T> g = random_array<T>(out.numel(), rng);
      Guarded<T> y(out.numel()), dx(in.numel());
      kernels::resize_bilinear<T>(d, x.data(), y.data());
      kernels::resize_bilinear_input<T>(d, g.data(), dx.data());
      CHECK((y.is_intact() && dx.is_intact()));
      CHECK(
          max_error(
              as_tensor(out, y.values()), reference::resize_bilinear(as_tensor(in, x), d.P, d.Q)) <
          tolerance);
      CHECK(
          max_error(
              as_tensor(in, dx.values()),
              reference::resize_bilinear_input(as_tensor(out, g), d.H, d.W)) < tolerance);
    }
  });
}

TEST_CASE("resize_bilinear: doubling a step by hand") {
  // Half-pixel centres: outputs sample at -1/4, 1/4, 3/4, 5/4, cut off to [0, 1]
  const std::vector<double> x = {0, 4};
  std::vector<double> y(4);
  kernels::resize_bilinear<double>({1, 1, 2, 1, 4}, x.data(), y.data());
  CHECK(y == std::vector<double>{0, 1, 3, 4});
}
