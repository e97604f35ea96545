// tests/kernels/broadcast_test.cpp: broadcasting walks over random shapes.
#include "framework/kernels/elementwise.h"
#include "tests/kernels/random_arrays.h"
#include "tests/kernels/shapes.h"
#include "tests/reference/reference.h"

using namespace limpid;
using kernels::Binary;

namespace {

// `shape` with some sizes set to 1 and some leading dimensions dropped.
Shape shrunk(Rng& rng, const Shape& shape) {
  std::vector<int64_t> sizes;
  const int64_t first = rng.integer(shape.rank() + 1);
  for (int64_t d = first; d < shape.rank(); ++d) {
    sizes.push_back(rng.integer(2) == 0 ? 1 : shape[static_cast<int>(d)]);
  }
  return Shape(std::span<const int64_t>(sizes));
}

}  // namespace

TEST_CASE("broadcast: binary and repeat agree with index arithmetic on random shapes") {
  for_types_and_sets([]<class T>() {
    Rng rng(1);
    for (int round = 0; round < 150; ++round) {
      const Shape full = random_shape(rng, static_cast<int>(rng.integer(7)), 4);
      const Shape sa = shrunk(rng, full);
      const Shape sb = shrunk(rng, full);
      CAPTURE(to_string(sa));
      CAPTURE(to_string(sb));
      const Shape out = broadcast("test", sa, sb);
      const std::vector<T> a = random_array<T>(sa.numel(), rng);
      const std::vector<T> b = random_array<T>(sb.numel(), rng);

      Guarded<T> y(out.numel());
      kernels::binary<T>(
          Binary::sub, kernels::broadcast_dims(sa, sb, out), a.data(), b.data(), y.data());
      const Tensor expected = reference::map(
          as_tensor(sa, a), as_tensor(sb, b),
          [](double u, double v) { return static_cast<double>(static_cast<T>(u - v)); });
      CHECK(bitwise_equal(as_tensor(out, y.values()), expected));
      CHECK(y.is_intact());

      Guarded<T> z(out.numel());
      kernels::repeat<T>(kernels::broadcast_dims(sa, out, out), a.data(), z.data());
      CHECK(bitwise_equal(
          as_tensor(out, z.values()), reference::broadcast_to(as_tensor(sa, a), out)));
      CHECK(z.is_intact());
    }
  });
}

TEST_CASE("broadcast: neighbouring dimensions that both operands walk through are merged") {
  const auto rank = [](const Shape& a, const Shape& b) {
    return kernels::broadcast_dims(a, b, broadcast("test", a, b)).rank;
  };
  CHECK(rank({2, 3, 4}, {2, 3, 4}) == 1);
  CHECK(rank({2, 3, 4}, {}) == 1);
  CHECK(rank({2, 3, 4}, {4}) == 2);
  CHECK(rank({2, 3, 4}, {3, 4}) == 2);
  CHECK(rank({2, 3, 4, 5}, {3, 1, 1}) == 3);
  CHECK(rank({2, 1, 4}, {2, 1, 4}) == 1);
  CHECK(rank({1, 1}, {1}) == 1);
}

TEST_CASE("broadcast: long runs are cut into blocks with the same result") {
  for_types_and_sets([]<class T>() {
    Rng rng(2);
    constexpr int64_t n = 100'003;  // more than three blocks, no multiple of a pack
    const std::vector<T> a = random_array<T>(n, rng);
    const std::vector<T> b = random_array<T>(n, rng);
    const auto run = [&](const Shape& sa, const Shape& sb, int threads) {
      const parallel::ThreadLimit limit(threads);
      std::vector<T> y(static_cast<size_t>(n));
      kernels::binary<T>(
          Binary::mul, kernels::broadcast_dims(sa, sb, {n}), a.data(), b.data(), y.data());
      return y;
    };
    for (const auto& [sa, sb] : {std::pair<Shape, Shape>{{n}, {n}}, {{n}, {}}, {{}, {n}}}) {
      const std::vector<T> y = run(sa, sb, 1);
      CHECK(y == run(sa, sb, 3));
      bool is_right = true;
      for (size_t i = 0; i < y.size(); ++i) {
        is_right = is_right && y[i] == a[sa.rank() ? i : 0] * b[sb.rank() ? i : 0];
      }
      CHECK(is_right);
    }
  });
}
