// tests/kernels/runs_test.cpp: every entry of the kernel tables, on runs of every length.
//
// A value must not depend on where in an array it stands, on how long the array is or on how its
// address is aligned; nothing may be written behind the end.
#include "framework/kernels/dispatch.h"
#include "tests/kernels/random_arrays.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace limpid;
using namespace limpid::kernels;

namespace {

constexpr int64_t kLongest = 40;  // several packs of either type and every tail
constexpr int64_t kWhole = 128;

// Runs `kernel(n, offset, y)` on the whole array and on every short piece of it.
template <class T, class Kernel>
void check_pieces(Kernel kernel) {
  std::vector<T> whole(kWhole);
  kernel(kWhole, int64_t{0}, whole.data());
  bool is_same = true;
  bool is_intact = true;
  for (int64_t n = 0; n <= kLongest; ++n) {
    for (const int64_t offset : {0, 1, 3, 7, 13}) {
      Guarded<T> y(n);
      kernel(n, offset, y.data());
      const std::vector<T> piece = y.values();
      is_same = is_same && std::equal(piece.begin(), piece.end(), whole.begin() + offset);
      is_intact = is_intact && y.is_intact();
    }
  }
  CHECK(is_same);
  CHECK(is_intact);
}

double naive_sum(int64_t n, auto f) {
  long double total = 0;  // a plain double would lose more digits than the kernels do
  for (int64_t i = 0; i < n; ++i) total += f(static_cast<size_t>(i));
  return static_cast<double>(total);
}

// Lengths around packs, around four packs, and around the pieces of 1,024 elements.
std::vector<int64_t> lengths() {
  std::vector<int64_t> list;
  for (int64_t n = 0; n <= kLongest; ++n) list.push_back(n);
  for (const int64_t n : {1000, 1023, 1024, 1025, 1032, 1055, 2048, 3000, 5001}) list.push_back(n);
  return list;
}

double formula(Unary op, double x) {
  switch (op) {
    case Unary::neg: return -x;
    case Unary::exp: return std::exp(x);
    case Unary::log: return std::log(x);
    case Unary::sqrt: return std::sqrt(x);
    case Unary::tanh: return std::tanh(x);
    case Unary::sigmoid: return 1 / (1 + std::exp(-x));
    case Unary::relu: return x < 0 ? 0 : x;
    case Unary::relu6: return std::min(std::max(x, 0.0), 6.0);
    case Unary::sin: return std::sin(x);
    case Unary::cos: return std::cos(x);
    case Unary::erf: return std::erf(x);
    case Unary::softplus: return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
    case Unary::sign: return x > 0 ? 1 : x < 0 ? -1 : x;
    case Unary::count: break;
  }
  return std::nan("");
}

double formula(Binary op, double a, double b) {
  switch (op) {
    case Binary::add: return a + b;
    case Binary::sub: return a - b;
    case Binary::mul: return a * b;
    case Binary::div: return a / b;
    case Binary::mask: return b > 0 ? a : 0;
    case Binary::mask6: return b > 0 && b < 6 ? a : 0;
    case Binary::pow: return std::pow(a, b);
    case Binary::less: return a < b ? 1 : 0;
    case Binary::less_equal: return a <= b ? 1 : 0;
    case Binary::equal: return a == b ? 1 : 0;
    case Binary::count: break;
  }
  return std::nan("");
}

}  // namespace

TEST_CASE("runs: every unary function, in the middle and in every tail") {
  for_types_and_sets([]<class T>() {
    Rng rng(1);
    std::vector<T> x = random_array<T>(kWhole, rng);
    for (int k = 0; k < kUnaries; ++k) {
      CAPTURE(k);
      const auto op = static_cast<Unary>(k);
      std::vector<T> input = x;
      if (op == Unary::log || op == Unary::sqrt) {
        for (T& v : input) v = std::abs(v) + T(0.01);
      }
      if (op == Unary::relu6) {
        for (T& v : input) v *= 6;
      }
      const auto kernel = table<T>().unary[k];
      check_pieces<T>([&](int64_t n, int64_t at, T* y) { kernel(n, input.data() + at, y); });

      std::vector<T> y(input.size());
      kernel(kWhole, input.data(), y.data());
      double worst = 0;
      for (size_t i = 0; i < y.size(); ++i) {
        worst = std::max(
            worst,
            relative_error(static_cast<double>(y[i]), formula(op, static_cast<double>(input[i]))));
      }
      CHECK(worst < (sizeof(T) == 4 ? 5e-7 : 1e-15));
    }
  });
}

TEST_CASE("runs: every binary function, both operands running or one fixed") {
  for_types_and_sets([]<class T>() {
    Rng rng(2);
    std::vector<T> a = random_array<T>(kWhole, rng);
    std::vector<T> b = random_array<T>(kWhole, rng);
    for (T& v : b) v = v * 3 + std::copysign(T(0.1), v);   // on both sides of 0 and of 6
    for (size_t i = 0; i < b.size(); i += 5) b[i] = a[i];  // some are equal
    for (int k = 0; k < kBinaries; ++k) {
      CAPTURE(k);
      if (k == static_cast<int>(Binary::pow)) {
        for (T& v : a) v = std::abs(v) + T(0.1);  // no NaN
      }
      const KernelTable<T>& t = table<T>();
      check_pieces<T>(
          [&](int64_t n, int64_t at, T* y) { t.binary[k](n, a.data() + at, b.data() + at, y); });
      check_pieces<T>([&](int64_t n, int64_t at, T* y) {
        t.binary_fixed_b[k](n, a.data() + at, b.data() + 5, y);
      });
      check_pieces<T>([&](int64_t n, int64_t at, T* y) {
        t.binary_fixed_a[k](n, a.data() + 5, b.data() + at, y);
      });

      std::vector<T> running(kWhole), fixed_b(kWhole), fixed_a(kWhole);
      t.binary[k](kWhole, a.data(), b.data(), running.data());
      t.binary_fixed_b[k](kWhole, a.data(), b.data() + 5, fixed_b.data());
      t.binary_fixed_a[k](kWhole, a.data() + 5, b.data(), fixed_a.data());
      const auto op = static_cast<Binary>(k);
      bool is_exact = true;  // one rounding each, but for the library's pow
      const auto agree = [&](T found, T expected) {
        if (op != Binary::pow) return found == expected;
        const auto limit = static_cast<double>(4 * std::numeric_limits<T>::epsilon());
        return relative_error(static_cast<double>(found), static_cast<double>(expected)) < limit;
      };
      for (size_t i = 0; i < running.size(); ++i) {
        const auto value = [&](T u, T v) {
          return static_cast<T>(formula(op, static_cast<double>(u), static_cast<double>(v)));
        };
        is_exact = is_exact && agree(running[i], value(a[i], b[i])) &&
                   agree(fixed_b[i], value(a[i], b[5])) && agree(fixed_a[i], value(a[5], b[i]));
      }
      CHECK(is_exact);
    }
  });
}

TEST_CASE("runs: affine, add_to, project and the log-softmax gradient") {
  for_types_and_sets([]<class T>() {
    Rng rng(3);
    const std::vector<T> g = random_array<T>(kWhole, rng);
    const std::vector<T> x = random_array<T>(kWhole, rng);
    const KernelTable<T>& t = table<T>();
    const auto d = [](T v) { return static_cast<double>(v); };
    const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-14;

    check_pieces<T>(
        [&](int64_t n, int64_t at, T* y) { t.affine(n, T(1.5), T(-0.25), x.data() + at, y); });
    check_pieces<T>([&](int64_t n, int64_t at, T* y) {
      std::copy_n(g.data() + at, n, y);
      t.add_to(n, x.data() + at, y);
    });
    check_pieces<T>([&](int64_t n, int64_t at, T* y) {
      t.project({1, 0, n}, T(2), T(-3), T(0.5), T(0.125), g.data() + at, x.data() + at, y);
    });
    check_pieces<T>([&](int64_t n, int64_t at, T* y) {
      t.log_softmax_gradient(n, T(0.75), g.data() + at, x.data() + at, y);
    });

    std::vector<T> affine(kWhole), added = g, projected(kWhole), gradient(kWhole);
    t.affine(kWhole, T(1.5), T(-0.25), x.data(), affine.data());
    t.add_to(kWhole, x.data(), added.data());
    t.project({1, 0, kWhole}, T(2), T(-3), T(0.5), T(0.125), g.data(), x.data(), projected.data());
    t.log_softmax_gradient(kWhole, T(0.75), g.data(), x.data(), gradient.data());
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      worst = std::max(worst, relative_error(d(affine[i]), 1.5 * d(x[i]) - 0.25));
      worst = std::max(worst, relative_error(d(added[i]), d(g[i]) + d(x[i])));
      worst = std::max(
          worst, relative_error(d(projected[i]), 2 * d(g[i]) - 3 * (d(x[i]) - 0.125) + 0.5));
      worst = std::max(worst, relative_error(d(gradient[i]), d(g[i]) - std::exp(d(x[i])) * 0.75));
    }
    CHECK(worst < tolerance);
  });
}

TEST_CASE("runs: scale_shift treats each plane with its own factor, at every length") {
  for_types_and_sets([]<class T>() {
    constexpr int64_t kPlanes = 3;
    Rng rng(5);
    const std::vector<T> x = random_array<T>(kPlanes * kLongest, rng);
    const std::vector<T> scale = random_array<T>(kPlanes, rng);
    const std::vector<T> shift = random_array<T>(kPlanes, rng);
    const auto d = [](T v) { return static_cast<double>(v); };
    for (int64_t n = 0; n <= kLongest; ++n) {
      Guarded<T> both(kPlanes * n), alone(kPlanes * n);
      table<T>().scale_shift(kPlanes, n, scale.data(), shift.data(), x.data(), both.data());
      table<T>().scale_shift(kPlanes, n, scale.data(), nullptr, x.data(), alone.data());
      double worst = 0;
      for (int64_t i = 0; i < kPlanes * n; ++i) {
        const auto at = static_cast<size_t>(i);
        const auto plane = static_cast<size_t>(i / n);
        const double product = d(scale[plane]) * d(x[at]);
        worst = std::max(worst, relative_error(d(alone.values()[at]), product));
        worst = std::max(worst, relative_error(d(both.values()[at]), product + d(shift[plane])));
      }
      CHECK(worst < (sizeof(T) == 4 ? 1e-6 : 1e-14));
      CHECK(both.is_intact());
      CHECK(alone.is_intact());
    }
  });
}

TEST_CASE("runs: sums of every length against a plain loop") {
  for_types_and_sets([]<class T>() {
    Rng rng(4);
    const std::vector<T> x = random_array<T>(5001, rng);
    const std::vector<T> y = random_array<T>(5001, rng);
    const KernelTable<T>& t = table<T>();
    const auto at = [](const std::vector<T>& v, size_t i) { return static_cast<double>(v[i]); };
    for (const int64_t n : lengths()) {
      CAPTURE(n);
      // Errors are small beside the sum of sizes, which is below 3 n
      const double tolerance = (sizeof(T) == 4 ? 3e-7 : 1e-15) * (3.0 * static_cast<double>(n) + 1);
      const auto check = [&](double found, double expected) {
        CHECK(std::abs(found - expected) <= tolerance);
      };
      check(t.sum(n, x.data()), naive_sum(n, [&](size_t i) { return at(x, i); }));
      check(t.dot(n, x.data(), y.data()), naive_sum(n, [&](size_t i) {
              return at(x, i) * at(y, i);
            }));
      check(t.squares({1, 0, n}, T(0.5), x.data()), naive_sum(n, [&](size_t i) {
              return (at(x, i) - 0.5) * (at(x, i) - 0.5);
            }));
      check(t.sum_exp(n, T(2), x.data()), naive_sum(n, [&](size_t i) {
              return std::exp(at(x, i) - 2);
            }));
      double sum = -1, product = -1;
      t.centred_sums({1, 0, n}, T(0.5), y.data(), x.data(), &sum, &product);
      check(sum, naive_sum(n, [&](size_t i) { return at(y, i); }));
      check(product, naive_sum(n, [&](size_t i) { return at(y, i) * (at(x, i) - 0.5); }));
    }
  });
}

TEST_CASE("runs: several runs, short and long, with gaps between") {
  for_types_and_sets([]<class T>() {
    Rng rng(8);
    const std::vector<T> x = random_array<T>(9000, rng);
    const std::vector<T> g = random_array<T>(9000, rng);
    const KernelTable<T>& t = table<T>();
    const auto d = [](T v) { return static_cast<double>(v); };
    for (const Runs& r :
         {Runs{0, 9, 9}, Runs{40, 200, 1}, Runs{64, 100, 16}, Runs{70, 120, 49},
          Runs{3, 2900, 1500}, Runs{5, 1100, 1024}, Runs{5, 7, 0}}) {
      CAPTURE(r.n);
      std::vector<T> y(x.size(), T(7));
      t.project(r, T(2), T(-3), T(0.5), T(0.125), g.data(), x.data(), y.data());
      long double sum_x = 0, sum_g = 0, product = 0, squares = 0;
      double worst = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const auto at = static_cast<int64_t>(i);
        const bool is_inside = at / r.step < r.count && at % r.step < r.n;
        if (!is_inside) {
          CHECK(y[i] == T(7));
          continue;
        }
        sum_x += d(x[i]);
        sum_g += d(g[i]);
        product += d(g[i]) * (d(x[i]) - 0.25);
        squares += (d(x[i]) - 0.25) * (d(x[i]) - 0.25);
        worst = std::max(worst, relative_error(d(y[i]), 2 * d(g[i]) - 3 * (d(x[i]) - 0.125) + 0.5));
      }
      const double count = static_cast<double>(r.count * r.n);
      const double tolerance = (sizeof(T) == 4 ? 3e-7 : 1e-15) * (3.0 * count + 1);
      double found_sum = -1, found_product = -1;
      t.centred_sums(r, T(0.25), g.data(), x.data(), &found_sum, &found_product);
      CHECK(worst < (sizeof(T) == 4 ? 1e-6 : 1e-14));
      CHECK(std::abs(t.sum_runs(r, x.data()) - static_cast<double>(sum_x)) <= tolerance);
      CHECK(std::abs(t.squares(r, T(0.25), x.data()) - static_cast<double>(squares)) <= tolerance);
      CHECK(std::abs(found_sum - static_cast<double>(sum_g)) <= tolerance);
      CHECK(std::abs(found_product - static_cast<double>(product)) <= tolerance);
    }
  });
}

TEST_CASE("runs: a sum has the same bits at every address") {
  for_types_and_sets([]<class T>() {
    Rng rng(5);
    const std::vector<T> x = random_array<T>(3001, rng);
    std::vector<T> room(3100);
    const KernelTable<T>& t = table<T>();
    for (const int64_t offset : {0, 1, 2, 5, 9, 31}) {
      std::copy(x.begin(), x.end(), room.begin() + offset);
      const T* moved = room.data() + offset;
      CHECK(t.sum(3001, moved) == t.sum(3001, x.data()));
      CHECK(t.dot(3001, moved, moved) == t.dot(3001, x.data(), x.data()));
    }
  });
}

TEST_CASE("runs: long sums lose no digits") {
  for_types_and_sets([]<class T>() {
    // 0.1 as T, a million times: a running f32 total would be off by 1 percent
    const std::vector<T> x(1'000'000, T(0.1));
    const double exact = static_cast<double>(T(0.1)) * 1e6;
    CHECK(std::abs(table<T>().sum(1'000'000, x.data()) - exact) < (sizeof(T) == 4 ? 0.05 : 1e-7));

    // A variance far from 0: the squares of the values would hide it
    std::vector<T> far(10'000);
    for (size_t i = 0; i < far.size(); ++i) far[i] = T(1000) + (i % 2 == 0 ? T(0.5) : T(-0.5));
    CHECK(table<T>().squares({1, 0, 10'000}, T(1000), far.data()) == 2500);
  });
}

TEST_CASE("runs: the largest value, NaN above all") {
  for_types_and_sets([]<class T>() {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    const T inf = std::numeric_limits<T>::infinity();
    Rng rng(6);
    for (int64_t n = 1; n <= kLongest; ++n) {
      std::vector<T> x = random_array<T>(n, rng);
      CHECK(table<T>().largest(n, x.data()) == *std::max_element(x.begin(), x.end()));
      for (int64_t at = 0; at < n; ++at) {
        std::vector<T> with_nan = x;
        with_nan[static_cast<size_t>(at)] = nan;
        CHECK(std::isnan(table<T>().largest(n, with_nan.data())));
        std::vector<T> with_top = x;
        with_top[static_cast<size_t>(at)] = 100;
        CHECK(table<T>().largest(n, with_top.data()) == 100);
      }
    }
    const std::vector<T> depths = {-inf, -inf};
    CHECK(table<T>().largest(2, depths.data()) == -inf);
  });
}

TEST_CASE("tables: switching is visible and refused for unknown sets") {
  const InstructionSet before = instruction_set();
  for (const InstructionSet set : supported_sets()) {
    const InstructionScope scope(set);
    CHECK(instruction_set() == set);
  }
  CHECK(instruction_set() == before);
  CHECK(supported_sets().front() == InstructionSet::baseline);
  CHECK(std::string(name_of(InstructionSet::baseline)) == "baseline");
}
