// tests/kernels/reduce_test.cpp: axis sums, arg-max, log-softmax and group statistics.
#include "framework/kernels/reduce.h"

#include "framework/kernels/norm.h"
#include "framework/kernels/softmax.h"
#include "tests/kernels/random_arrays.h"
#include "tests/kernels/shapes.h"
#include "tests/reference/reference.h"

#include <array>
#include <cmath>
#include <limits>

using namespace limpid;

namespace {

template <class T>
std::vector<T> summed(int64_t outer, int64_t n, int64_t inner, const std::vector<T>& x) {
  Guarded<T> y(outer * inner);
  kernels::sum_axis<T>(outer, n, inner, x.data(), y.data());
  CHECK(y.is_intact());
  return y.values();
}

}  // namespace

TEST_CASE("sum_axis: random shapes, rows, columns and middle axes") {
  for_types_and_sets([]<class T>() {
    Rng rng(1);
    for (int round = 0; round < 40; ++round) {
      const int64_t outer = between(rng, 1, 12);
      const int64_t n = between(rng, 0, 70);
      const int64_t inner = rng.integer(3) == 0 ? 1 : between(rng, 1, 400);
      CAPTURE(to_string(Shape{outer, n, inner}));
      const std::vector<T> x = random_array<T>(outer * n * inner, rng);
      const Tensor expected =
          reference::reduce(as_tensor({outer, n, inner}, x), {1}, reference::total);
      CHECK(
          max_error(as_tensor({outer, 1, inner}, summed(outer, n, inner, x)), expected) <
          (sizeof(T) == 4 ? 5e-6 : 1e-13));
    }
  });
}

TEST_CASE("sum_axis: one long row, and long columns, lose no digits") {
  for_types_and_sets([]<class T>() {
    const std::vector<T> x(600'000, T(0.1));
    const double exact = static_cast<double>(T(0.1)) * 6e5;
    const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-12;
    CHECK(relative_error(static_cast<double>(summed(1, 600'000, 1, x)[0]), exact) < tolerance);
    for (const T total : summed(1, 200'000, 3, x)) {
      CHECK(relative_error(static_cast<double>(total), exact / 3) < tolerance);
    }
  });
}

TEST_CASE("sum_axis: the same bits at any thread count") {
  for_types_and_sets([]<class T>() {
    Rng rng(2);
    const std::vector<T> x = random_array<T>(240'000, rng);
    const auto with = [&](int threads, int64_t outer, int64_t n, int64_t inner) {
      const parallel::ThreadLimit limit(threads);
      return summed(outer, n, inner, x);
    };
    for (const auto& [outer, n, inner] :
         {std::array<int64_t, 3>{1, 240'000, 1},
          {2, 120'000, 1},
          {600, 400, 1},
          {1, 400, 600},
          {40, 50, 120}}) {
      CHECK(with(1, outer, n, inner) == with(3, outer, n, inner));
    }
  });
}

TEST_CASE("arg_max_axis: the first of equals; NaN above all") {
  for_types_and_sets([]<class T>() {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    const T inf = std::numeric_limits<T>::infinity();
    const auto position = [](const std::vector<T>& x) {
      int64_t index = -1;
      kernels::arg_max_axis<T>(1, static_cast<int64_t>(x.size()), 1, x.data(), &index);
      return index;
    };
    CHECK(position({1}) == 0);
    CHECK(position({1, 3, 2}) == 1);
    CHECK(position({3, 1, 3}) == 0);
    CHECK(position({-1, -1, -1}) == 0);
    CHECK(position({-inf, -inf}) == 0);
    CHECK(position({-inf, -5}) == 1);
    CHECK(position({1, inf, inf}) == 1);
    CHECK(position({nan, 1, 2}) == 0);
    CHECK(position({1, nan, 2}) == 1);
    CHECK(position({1, nan, nan, inf}) == 1);
    CHECK(position({nan}) == 0);
  });
}

TEST_CASE("arg_max_axis: random shapes") {
  for_types_and_sets([]<class T>() {
    Rng rng(3);
    for (int round = 0; round < 40; ++round) {
      const Shape s = {between(rng, 1, 9), between(rng, 1, 12), between(rng, 1, 30)};
      std::vector<T> x = random_array<T>(s.numel(), rng);
      for (T& v : x) v = std::round(v * 2);  // many ties
      std::vector<int64_t> index(static_cast<size_t>(s[0] * s[2]));
      kernels::arg_max_axis<T>(s[0], s[1], s[2], x.data(), index.data());
      const Tensor expected = reference::reduce(as_tensor(s, x), {1}, reference::where_largest);
      CHECK(bitwise_equal(as_tensor(s.with(1, 1), index), expected));
    }
  });
}

TEST_CASE("log_softmax: rows of every length, also far from zero") {
  for_types_and_sets([]<class T>() {
    Rng rng(4);
    for (int64_t n = 1; n <= 40; ++n) {
      for (const double shift : {0.0, 500.0, -500.0}) {
        CAPTURE(n);
        CAPTURE(shift);
        std::vector<T> x = random_array<T>(3 * n, rng);
        for (T& v : x) v = v * 4 + static_cast<T>(shift);
        Guarded<T> y(3 * n);
        kernels::log_softmax<T>(3, n, x.data(), y.data());
        CHECK(y.is_intact());
        const Tensor expected = reference::log_softmax(as_tensor({3, n}, x));
        CHECK(max_error(as_tensor({3, n}, y.values()), expected) < (sizeof(T) == 4 ? 1e-6 : 1e-14));

        const std::vector<T> g = random_array<T>(3 * n, rng);
        Guarded<T> dx(3 * n);
        const std::vector<T> out = y.values();
        kernels::log_softmax_input<T>(3, n, g.data(), out.data(), dx.data());
        CHECK(dx.is_intact());
        const Tensor sums = reference::reduce(as_tensor({3, n}, g), {1}, reference::total);
        const Tensor p =
            reference::map(as_tensor({3, n}, out), [](double v) { return std::exp(v); });
        const Tensor share = reference::map(p, sums, [](double a, double b) { return a * b; });
        const Tensor slope =
            reference::map(as_tensor({3, n}, g), share, [](double a, double b) { return a - b; });
        CHECK(max_error(as_tensor({3, n}, dx.values()), slope) < (sizeof(T) == 4 ? 5e-6 : 1e-13));
      }
    }
  });
}

TEST_CASE("log_softmax: certainty, impossibility and NaN") {
  for_types_and_sets([]<class T>() {
    const T inf = std::numeric_limits<T>::infinity();
    const T nan = std::numeric_limits<T>::quiet_NaN();
    const std::vector<T> x = {1000, 0, 0, -inf, nan, 1};
    std::vector<T> y(6);
    kernels::log_softmax<T>(3, 2, x.data(), y.data());
    CHECK(y[0] == 0);
    CHECK(y[1] == -1000);
    CHECK(y[2] == 0);
    CHECK(y[3] == -inf);
    CHECK(std::isnan(y[4]));
    CHECK(std::isnan(y[5]));
  });
}

TEST_CASE("group_moments: two passes keep the variance of values far from zero") {
  for_types_and_sets([]<class T>() {
    // 4096 + {-1, 1} alternating: mean 4096, variance 1; a one-pass f32 formula gives noise
    const kernels::NormDims d{.outer = 8, .groups = 3, .inner = 50, .channels = 3};
    std::vector<T> x(8 * 3 * 50);
    for (size_t i = 0; i < x.size(); ++i) x[i] = T(4096) + (i % 2 == 0 ? T(1) : T(-1));
    T mean[3], scale[3], variance[3];
    kernels::group_moments<T>(d, 0.0, x.data(), mean, scale, variance);
    for (int k = 0; k < 3; ++k) {
      CHECK(mean[k] == 4096);
      CHECK(variance[k] == doctest::Approx(1).epsilon(1e-6));
      CHECK(scale[k] == doctest::Approx(1).epsilon(1e-6));
    }
  });
}

TEST_CASE("standardize family: random groupings") {
  for_types_and_sets([]<class T>() {
    Rng rng(5);
    const double tolerance = sizeof(T) == 4 ? 3e-5 : 1e-12;
    for (int round = 0; round < 40; ++round) {
      const Shape s = {between(rng, 2, 6), between(rng, 1, 5), between(rng, 2, 30)};
      const bool per_image = round % 2 == 1;
      const bool affine = round % 4 < 2;
      CAPTURE(to_string(s));
      const NormOptions o = {
          .groups = per_image ? NormGroups::image_and_channel : NormGroups::channel,
          .epsilon = 0.01};
      const kernels::NormDims d{
          .outer = per_image ? 1 : s[0],
          .groups = per_image ? s[0] * s[1] : s[1],
          .inner = s[2],
          .channels = s[1]};
      const std::vector<T> x = random_array<T>(s.numel(), rng);
      const std::vector<T> g = random_array<T>(s.numel(), rng);
      const std::vector<T> gamma = random_array<T>(s[1], rng);
      const std::vector<T> beta = random_array<T>(s[1], rng);
      const Tensor none;
      const Tensor tg = affine ? as_tensor({s[1]}, gamma) : none;
      const Tensor tb = affine ? as_tensor({s[1]}, beta) : none;

      std::vector<T> mean(static_cast<size_t>(d.groups)), scale(mean.size()), variance(mean.size());
      kernels::group_moments<T>(d, o.epsilon, x.data(), mean.data(), scale.data(), variance.data());
      std::vector<T> joined = mean;
      joined.insert(joined.end(), scale.begin(), scale.end());
      joined.insert(joined.end(), variance.begin(), variance.end());
      CHECK(
          max_error(as_tensor({3 * d.groups}, joined), reference::moments(as_tensor(s, x), o)) <
          tolerance);

      Guarded<T> y(s.numel()), dx(s.numel()), dgamma(s[1]);
      kernels::standardize<T>(
          d, x.data(), mean.data(), scale.data(), affine ? gamma.data() : nullptr,
          affine ? beta.data() : nullptr, y.data());
      kernels::standardize_input<T>(
          d, g.data(), x.data(), mean.data(), scale.data(), affine ? gamma.data() : nullptr,
          dx.data());
      kernels::standardize_gamma<T>(
          d, g.data(), x.data(), mean.data(), scale.data(), dgamma.data());
      CHECK((y.is_intact() && dx.is_intact() && dgamma.is_intact()));
      const Tensor tx = as_tensor(s, x), tgrad = as_tensor(s, g);
      CHECK(max_error(as_tensor(s, y.values()), reference::standardize(tx, tg, tb, o)) < tolerance);
      CHECK(
          max_error(as_tensor(s, dx.values()), reference::standardize_input(tgrad, tx, tg, o)) <
          tolerance);
      CHECK(
          max_error(
              as_tensor({s[1]}, dgamma.values()), reference::standardize_gamma(tgrad, tx, o)) <
          tolerance);
    }
  });
}
