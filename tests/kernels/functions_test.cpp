// tests/kernels/functions_test.cpp: error bounds of exp, log, tanh and sigmoid, and special values.
#include "framework/kernels/elementwise.h"
#include "tests/kernels/random_arrays.h"

#include <bit>
#include <cmath>
#include <limits>

using namespace limpid;
using kernels::Binary;
using kernels::Unary;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kSmallest = 0x1p-126;  // of the normal f32 numbers

template <class T>
std::vector<T> applied(Unary op, const std::vector<T>& x) {
  std::vector<T> y(x.size());
  kernels::unary<T>(op, static_cast<int64_t>(x.size()), x.data(), y.data());
  return y;
}

template <class T>
T applied(Unary op, T x) {
  return applied(op, std::vector<T>{x})[0];
}

// Every 1,021st float of all 2^32 (a prime, so all low bits occur), with both zeros, all NaNs and
// infinities and subnormal numbers in between. Calls check(x, f(x)) for each.
template <class Check>
void sweep(Unary op, Check check) {
  constexpr uint64_t kStride = 1021;
  constexpr size_t kChunk = 1 << 16;
  std::vector<float> x;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += kStride) {
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
    if (x.size() < kChunk && bits + kStride < (uint64_t{1} << 32)) continue;
    const std::vector<float> y = applied(op, x);
    for (size_t i = 0; i < x.size(); ++i) check(x[i], y[i]);
    x.clear();
  }
}

double relative(double found, double expected) {
  return std::abs(found - expected) / std::abs(expected);
}

// The largest error over a sweep, and one place where a special value came out wrong.
struct Report {
  double worst = 0;
  float at = 0;
  int wrong = 0;
  float wrong_at = 0;

  void error(float x, double value) {
    if (value <= worst) return;
    worst = value;
    at = x;
  }
  void special(float x, bool is_right) {
    if (is_right) return;
    ++wrong;
    wrong_at = x;
  }
};

template <class F>
void for_sets(F&& f) {
  for (const kernels::InstructionSet set : kernels::supported_sets()) {
    const InstructionScope scope(set);
    CAPTURE(std::string(kernels::name_of(set)));
    f();
  }
}

}  // namespace

TEST_CASE("exp: f32 relative error below 2e-7, zero below the normal numbers") {
  for_sets([] {
    Report report;
    sweep(Unary::exp, [&](float x, float y) {
      const double expected = std::exp(static_cast<double>(x));
      if (std::isnan(x)) {
        report.special(x, std::isnan(y));
      } else if (x > 88.7229F) {
        report.special(x, y == kInfinity);
      } else if (x < -87.3366F) {
        report.special(x, y == 0);
      } else if (std::abs(x) < 87.3365F) {
        report.error(x, relative(static_cast<double>(y), expected));
      }
    });
    CAPTURE(report.at);
    CAPTURE(report.wrong_at);
    CHECK(report.worst < 2e-7);
    CHECK(report.worst > 1e-9);  // the sweep saw something
    CHECK(report.wrong == 0);
    CHECK(applied(Unary::exp, 0.0F) == 1.0F);
    CHECK(applied(Unary::exp, 88.72283F) < kInfinity);
    CHECK(applied(Unary::exp, -kInfinity) == 0.0F);
    CHECK(applied(Unary::exp, kInfinity) == kInfinity);
  });
}

TEST_CASE("log: f32 error below 2e-7, relative or absolute, subnormal numbers included") {
  for_sets([] {
    Report report;
    sweep(Unary::log, [&](float x, float y) {
      if (std::isnan(x) || x < 0) {
        report.special(x, std::isnan(y));
      } else if (x == 0) {
        report.special(x, y == -kInfinity);
      } else if (x == kInfinity) {
        report.special(x, y == kInfinity);
      } else {
        const double expected = std::log(static_cast<double>(x));
        const double difference = std::abs(static_cast<double>(y) - expected);
        report.error(x, difference / std::max(1.0, std::abs(expected)));
      }
    });
    CAPTURE(report.at);
    CAPTURE(report.wrong_at);
    CHECK(report.worst < 2e-7);
    CHECK(report.worst > 1e-9);
    CHECK(report.wrong == 0);
    CHECK(applied(Unary::log, 1.0F) == 0.0F);
    CHECK(applied(Unary::log, 0x1p-149F) == doctest::Approx(-149 * std::log(2)).epsilon(1e-6));
    CHECK(applied(Unary::log, -0.0F) == -kInfinity);
    CHECK(applied(Unary::log, kInfinity) == kInfinity);
  });
}

TEST_CASE("log: f32 near 1 keeps its digits") {
  for_sets([] {
    double worst = 0;
    for (int i = -2000; i <= 2000; ++i) {
      if (i == 0) continue;
      const float x = 1.0F + static_cast<float>(i) * 1e-4F;
      const double expected = std::log(static_cast<double>(x));
      worst = std::max(worst, relative(static_cast<double>(applied(Unary::log, x)), expected));
    }
    CHECK(worst < 5e-7);
  });
}

TEST_CASE("tanh: f32 relative error below 3e-7, odd, saturating") {
  for_sets([] {
    Report report;
    sweep(Unary::tanh, [&](float x, float y) {
      if (std::isnan(x)) {
        report.special(x, std::isnan(y));
      } else if (std::abs(x) > 10) {
        report.special(x, y == std::copysign(1.0F, x));
      } else if (std::abs(static_cast<double>(x)) < kSmallest) {
        report.special(x, std::abs(y - x) <= 0x1p-149F);
      } else {
        report.error(x, relative(static_cast<double>(y), std::tanh(static_cast<double>(x))));
      }
    });
    CAPTURE(report.at);
    CAPTURE(report.wrong_at);
    CHECK(report.worst < 3e-7);
    CHECK(report.worst > 1e-9);
    CHECK(report.wrong == 0);
    CHECK(applied(Unary::tanh, kInfinity) == 1.0F);
    CHECK(applied(Unary::tanh, -kInfinity) == -1.0F);
  });
}

TEST_CASE("sigmoid: f32 absolute error below 2e-7") {
  for_sets([] {
    Report report;
    sweep(Unary::sigmoid, [&](float x, float y) {
      if (std::isnan(x)) return report.special(x, std::isnan(y));
      const double expected = 1 / (1 + std::exp(-static_cast<double>(x)));
      report.error(x, std::abs(static_cast<double>(y) - expected));
    });
    CAPTURE(report.at);
    CHECK(report.worst < 2e-7);
    CHECK(report.wrong == 0);
    CHECK(applied(Unary::sigmoid, 0.0F) == 0.5F);
    CHECK(applied(Unary::sigmoid, kInfinity) == 1.0F);
    CHECK(applied(Unary::sigmoid, -kInfinity) == 0.0F);
  });
}

TEST_CASE("f64 functions are as accurate as the C library") {
  for_sets([] {
    Rng rng(1);
    std::vector<double> x(20'000);
    rng.uniform(x, -30, 30);
    std::vector<double> size(x.size());
    for (size_t i = 0; i < x.size(); ++i) size[i] = std::abs(x[i]) + 1e-3;
    const std::vector<double> e = applied(Unary::exp, x);
    const std::vector<double> l = applied(Unary::log, size);
    const std::vector<double> t = applied(Unary::tanh, x);
    const std::vector<double> s = applied(Unary::sigmoid, x);
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      worst = std::max(worst, relative(e[i], std::exp(x[i])));
      worst = std::max(worst, relative_error(l[i], std::log(size[i])));
      worst = std::max(worst, relative(t[i], std::tanh(x[i])));
      worst = std::max(worst, relative(s[i], 1 / (1 + std::exp(-x[i]))));
    }
    CHECK(worst < 1e-15);
  });
}

TEST_CASE("special values: square roots, signs and rectifiers") {
  for_types_and_sets([]<class T>() {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    const T inf = std::numeric_limits<T>::infinity();
    CHECK(applied(Unary::sqrt, T(4)) == 2);
    CHECK(applied(Unary::sqrt, T(0)) == 0);
    CHECK(applied(Unary::sqrt, inf) == inf);
    CHECK(std::isnan(applied(Unary::sqrt, T(-1))));
    CHECK(std::signbit(applied(Unary::neg, T(0))));
    CHECK(applied(Unary::neg, inf) == -inf);

    // A diverged run must stay visible behind a rectifier
    CHECK(std::isnan(applied(Unary::relu, nan)));
    CHECK(std::isnan(applied(Unary::relu6, nan)));
    CHECK(applied(Unary::relu, inf) == inf);
    CHECK(applied(Unary::relu, -inf) == 0);
    CHECK(applied(Unary::relu, T(-3)) == 0);
    CHECK(applied(Unary::relu, T(3)) == 3);
    CHECK(applied(Unary::relu6, inf) == 6);
    CHECK(applied(Unary::relu6, -inf) == 0);
    CHECK(applied(Unary::relu6, T(6)) == 6);
    CHECK(applied(Unary::relu6, T(5)) == 5);
  });
}

TEST_CASE("special values: masks select, they do not multiply") {
  for_types_and_sets([]<class T>() {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    const T inf = std::numeric_limits<T>::infinity();
    const std::vector<T> g = {inf, nan, 1, 2, nan, 3, 4, 5, 6};
    const std::vector<T> x = {0, -1, 0, inf, 1, nan, 6, 5, 7};
    std::vector<T> y(g.size());
    const kernels::BroadcastDims d{1, {static_cast<int64_t>(g.size())}, {1}, {1}};
    kernels::binary<T>(Binary::mask, d, g.data(), x.data(), y.data());
    CHECK(y[0] == 0);  // 0 is not above 0, and inf * 0 would be NaN
    CHECK(y[1] == 0);
    CHECK(y[2] == 0);
    CHECK(y[3] == 2);
    CHECK(std::isnan(y[4]));
    CHECK(y[5] == 0);
    CHECK(y[6] == 4);
    kernels::binary<T>(Binary::mask6, d, g.data(), x.data(), y.data());
    CHECK(y[0] == 0);
    CHECK(y[3] == 0);
    CHECK(std::isnan(y[4]));
    CHECK(y[5] == 0);
    CHECK(y[6] == 0);
    CHECK(y[7] == 5);
    CHECK(y[8] == 0);
  });
}

TEST_CASE("softplus: f32 relative error below 4e-7 down to the normal numbers") {
  for_sets([] {
    Report report;
    sweep(Unary::softplus, [&](float x, float y) {
      const auto wide = static_cast<double>(x);
      const double expected =
          wide > 0 ? wide + std::log1p(std::exp(-wide)) : std::log1p(std::exp(wide));
      if (std::isnan(x)) {
        report.special(x, std::isnan(y));
      } else if (x == kInfinity) {
        report.special(x, y == kInfinity);
      } else if (x < -87.3366F) {
        report.special(x, y == 0);
      } else if (x > -87.3F) {
        report.error(x, relative(static_cast<double>(y), expected));
      }
    });
    CAPTURE(report.at);
    CAPTURE(report.wrong_at);
    CHECK(report.worst < 4e-7);
    CHECK(report.worst > 1e-9);
    CHECK(report.wrong == 0);
    CHECK(applied(Unary::softplus, -kInfinity) == 0.0F);
    CHECK(applied(Unary::softplus, 1000.0) == 1000.0);
  });
}

TEST_CASE("erf: f32 relative error below 3e-7") {
  for_sets([] {
    Report report;
    sweep(Unary::erf, [&](float x, float y) {
      if (std::isnan(x)) {
        report.special(x, std::isnan(y));
      } else if (std::isinf(x)) {
        report.special(x, y == (x > 0 ? 1.0F : -1.0F));
      } else if (std::abs(x) > 1e-30F) {
        report.error(x, relative(static_cast<double>(y), std::erf(static_cast<double>(x))));
      } else {
        report.special(x, std::abs(y) <= 1.2e-30F);
      }
    });
    CAPTURE(report.at);
    CAPTURE(report.wrong_at);
    CHECK(report.worst < 3e-7);
    CHECK(report.worst > 1e-9);
    CHECK(report.wrong == 0);
  });
}

TEST_CASE("sin, cos, erf, pow: the library's values, at every place of a pack") {
  for_sets([] {
    Rng rng(9);
    for (const int64_t n : {1, 3, 4, 7, 8, 15, 16, 33, 100}) {
      CAPTURE(n);
      std::vector<double> x(static_cast<size_t>(n));
      rng.uniform(x, -4, 4);
      const std::vector<float> narrow(x.begin(), x.end());
      for (const auto& [op, f] :
           {std::pair<Unary, double (*)(double)>{Unary::sin, std::sin},
            {Unary::cos, std::cos},
            {Unary::erf, std::erf}}) {
        const std::vector<double> y = applied(op, x);
        const std::vector<float> z = applied(op, narrow);
        for (size_t i = 0; i < x.size(); ++i) {
          CHECK(y[i] == doctest::Approx(f(x[i])).epsilon(1e-14));
          CHECK(z[i] == doctest::Approx(f(static_cast<double>(narrow[i]))).epsilon(1e-6));
        }
      }
    }
  });
}
