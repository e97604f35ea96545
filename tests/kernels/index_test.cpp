// tests/kernels/index_test.cpp: copies, permutations, gather and scatter of random shapes.
#include "framework/kernels/index.h"

#include "tests/kernels/random_arrays.h"
#include "tests/kernels/shapes.h"
#include "tests/reference/reference.h"

#include <numeric>

using namespace limpid;

namespace {

template <class F>
void for_types(F&& f) {
  f.template operator()<float>();
  f.template operator()<double>();
  f.template operator()<int64_t>();
}

// 0, 1, 2, ...: every element is told apart from every other.
template <class T>
std::vector<T> counted(int64_t n) {
  std::vector<T> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), T(0));
  return values;
}

std::vector<int64_t> random_index(Rng& rng, int64_t count, int64_t range) {
  std::vector<int64_t> index(static_cast<size_t>(count));
  for (int64_t& i : index) i = rng.integer(range);
  return index;
}

}  // namespace

TEST_CASE("permute: every order of random shapes of rank 0 to 6") {
  for_types([]<class T>() {
    Rng rng(1);
    for (int round = 0; round < 150; ++round) {
      const Shape s = random_shape(rng, static_cast<int>(rng.integer(7)), 4);
      const std::vector<int64_t> drawn = rng.permutation(s.rank());
      const std::vector<int> order(drawn.begin(), drawn.end());
      const std::vector<T> x = counted<T>(s.numel());
      Guarded<T> y(s.numel());
      kernels::permute<T>(s, order.data(), x.data(), y.data());
      const Tensor expected = reference::permute(as_tensor(s, x), order);
      CHECK(bitwise_equal(as_tensor(expected.shape(), y.values()), expected));
      CHECK(y.is_intact());
    }
  });
}

TEST_CASE("permute: an empty dimension writes nothing") {
  const int order[2] = {1, 0};
  Guarded<float> y(0);
  kernels::permute<float>({0, 3}, order, nullptr, y.data());
  kernels::permute<float>({3, 0}, order, nullptr, y.data());
  CHECK(y.is_intact());
}

TEST_CASE("copy_slices: the named slices move, the rest stays") {
  for_types([]<class T>() {
    Rng rng(2);
    for (int round = 0; round < 60; ++round) {
      const int64_t outer = between(rng, 1, 4), inner = between(rng, 1, 5);
      const int64_t from_size = between(rng, 1, 6), to_size = between(rng, 1, 6);
      const int64_t count = rng.integer(std::min(from_size, to_size) + 1);
      const int64_t from_begin = rng.integer(from_size - count + 1);
      const int64_t to_begin = rng.integer(to_size - count + 1);
      const std::vector<T> from = counted<T>(outer * from_size * inner);
      std::vector<T> to(static_cast<size_t>(outer * to_size * inner), T(-1));
      kernels::copy_slices<T>(
          outer, inner, count, from.data(), from_size, from_begin, to.data(), to_size, to_begin);
      bool is_right = true;
      for (int64_t o = 0; o < outer; ++o) {
        for (int64_t j = 0; j < to_size; ++j) {
          for (int64_t i = 0; i < inner; ++i) {
            const int64_t source = j - to_begin + from_begin;
            const bool is_copied = j >= to_begin && j < to_begin + count;
            const T expected =
                is_copied ? static_cast<T>((o * from_size + source) * inner + i) : T(-1);
            is_right =
                is_right && to[static_cast<size_t>((o * to_size + j) * inner + i)] == expected;
          }
        }
      }
      CHECK(is_right);
    }
  });
}

TEST_CASE("gather: random indices along an axis, with repetitions") {
  for_types([]<class T>() {
    Rng rng(3);
    for (int round = 0; round < 60; ++round) {
      const Shape s = {between(rng, 1, 5), between(rng, 1, 6), between(rng, 1, 4)};
      const int64_t m = between(rng, 0, 8);
      const std::vector<T> x = counted<T>(s.numel());
      const std::vector<int64_t> index = random_index(rng, s[0] * m * s[2], s[1]);
      const Shape out = s.with(1, m);
      Guarded<T> y(out.numel());
      kernels::gather<T>(s[0], s[1], m, s[2], x.data(), index.data(), y.data());
      CHECK(y.is_intact());
      const Tensor expected =
          reference::gather(as_tensor(s, x), Tensor::of_integers(out, index), 1);
      CHECK(bitwise_equal(as_tensor(out, y.values()), expected));
    }
  });
}

TEST_CASE("scatter_add: adds at the indices, zeros elsewhere, in order") {
  const auto check = []<class T>() {
    Rng rng(4);
    for (int round = 0; round < 60; ++round) {
      const Shape s = {between(rng, 1, 5), between(rng, 0, 9), between(rng, 1, 4)};
      const int64_t n = between(rng, 1, 6);
      const std::vector<T> g = random_array<T>(s.numel(), rng);
      const std::vector<int64_t> index = random_index(rng, s.numel(), n);
      const Shape out = s.with(1, n);
      Guarded<T> y(out.numel());
      kernels::scatter_add<T>(s[0], n, s[1], s[2], g.data(), index.data(), y.data());
      CHECK(y.is_intact());
      const Tensor expected =
          reference::scatter_add(as_tensor(s, g), Tensor::of_integers(s, index), 1, n);
      CHECK(max_error(as_tensor(out, y.values()), expected) < (sizeof(T) == 4 ? 2e-6 : 1e-14));
    }
  };
  check.operator()<float>();
  check.operator()<double>();

  // In order of j: (2^24 + 1) - 2^24 is 0 in f32, (2^24 - 2^24) + 1 would be 1
  const std::vector<float> g = {16777216, 1, -16777216};
  const std::vector<int64_t> index = {0, 0, 0};
  float y = -1;
  kernels::scatter_add<float>(1, 1, 3, 1, g.data(), index.data(), &y);
  CHECK(y == 0);
}

TEST_CASE("index kernels: the same bits at any thread count") {
  Rng rng(5);
  const Shape s = {60, 40, 50};
  const std::vector<float> x = random_array<float>(s.numel(), rng);
  const std::vector<int64_t> index = random_index(rng, s.numel(), 40);
  const int order[3] = {2, 0, 1};
  const auto run = [&](int threads) {
    const parallel::ThreadLimit limit(threads);
    std::vector<float> all(3 * x.size());
    kernels::permute<float>(s, order, x.data(), all.data());
    kernels::gather<float>(60, 40, 40, 50, x.data(), index.data(), all.data() + x.size());
    kernels::scatter_add<float>(60, 40, 40, 50, x.data(), index.data(), all.data() + 2 * x.size());
    return all;
  };
  CHECK(run(1) == run(3));
}

TEST_CASE("cumsum: both directions of random lines, whole numbers exactly") {
  Rng rng(21);
  for (int round = 0; round < 100; ++round) {
    const int64_t outer = rng.integer(5), n = rng.integer(9), inner = rng.integer(6);
    CAPTURE(outer);
    CAPTURE(n);
    CAPTURE(inner);
    const std::vector<double> x = counted<double>(outer * n * inner);
    for (const bool from_the_end : {false, true}) {
      std::vector<double> y(x.size(), -1.0);
      kernels::cumsum<double>(outer, n, inner, from_the_end, x.data(), y.data());
      for (int64_t i = 0; i < outer * n * inner; ++i) {
        const int64_t j = i / inner % n;
        double expected = 0;
        for (int64_t k = 0; k < n; ++k) {
          const bool counts = from_the_end ? k >= j : k <= j;
          if (counts) expected += x[static_cast<size_t>(i + (k - j) * inner)];
        }
        CHECK(y[static_cast<size_t>(i)] == expected);
      }
    }
  }
}

TEST_CASE("take_rows and add_rows: random tables, rows named never, once or often") {
  Rng rng(22);
  for (int round = 0; round < 100; ++round) {
    const int64_t rows = 1 + rng.integer(9), width = rng.integer(7), count = rng.integer(30);
    const std::vector<int64_t> index = random_index(rng, count, rows);
    const std::vector<double> table = counted<double>(rows * width);
    std::vector<double> taken(static_cast<size_t>(count * width), -1.0);
    kernels::take_rows<double>(count, width, table.data(), index.data(), taken.data());
    std::vector<double> expected(table.size(), 0.0);
    for (int64_t k = 0; k < count; ++k) {
      for (int64_t i = 0; i < width; ++i) {
        const int64_t cell = index[static_cast<size_t>(k)] * width + i;
        CHECK(taken[static_cast<size_t>(k * width + i)] == static_cast<double>(cell));
        expected[static_cast<size_t>(cell)] += static_cast<double>(cell);
      }
    }
    std::vector<double> added(table.size(), 0.0);
    kernels::add_rows<double>(count, width, taken.data(), index.data(), added.data());
    CHECK(added == expected);
  }
}
