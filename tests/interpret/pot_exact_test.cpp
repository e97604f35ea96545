// tests/interpret/pot_exact_test.cpp: exact transport beside stored answers of POT.
#include "interpret/numerics/transport.h"
#include "tests/support/fixture.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Made by pot_exact.py beside this file, which has the same generator.
Json fixtures() { return fixture("pot_exact.json"); }

class Lcg {
 public:
  explicit Lcg(uint64_t seed) : state_(seed) {}
  std::vector<double> values(int64_t n) {
    std::vector<double> out;
    for (int64_t k = 0; k < n; ++k) {
      state_ = state_ * 6364136223846793005U + 1442695040888963407U;
      out.push_back(static_cast<double>(state_ >> 11) * 0x1p-53);
    }
    return out;
  }

 private:
  uint64_t state_;
};

struct Problem {
  int64_t n, m, d;
  std::vector<double> X, Y, a, b;
};

Problem problem_of(uint64_t seed, const std::string& kind) {
  Lcg lcg(seed);
  const std::vector<double> size = lcg.values(2);
  Problem p;
  p.n = 1 + static_cast<int64_t>(400 * (size[0] * size[0]));
  p.m = 1 + static_cast<int64_t>(400 * (size[1] * size[1]));
  p.d = kind == "line" ? 1 : 1 + static_cast<int64_t>(8 * lcg.values(1)[0]);
  if (kind == "equal") p.m = p.n;
  p.X = lcg.values(p.n * p.d);
  p.Y = lcg.values(p.m * p.d);
  for (double& y : p.Y) y += 0.25;
  p.a.assign(static_cast<size_t>(p.n), 1);
  p.b.assign(static_cast<size_t>(p.m), 1);
  if (kind == "masses" || kind == "line") {
    p.a = lcg.values(p.n);
    p.b = lcg.values(p.m);
  }
  if (kind == "counts") {
    for (auto* points : {&p.X, &p.Y}) {
      for (double& x : *points) x = std::floor(4 * x);
    }
    for (auto* masses : {&p.a, &p.b}) {
      for (size_t k = 0; k < masses->size(); ++k)
        (*masses)[k] = 1.0 + static_cast<double>((k + seed) % 3);
    }
    for (size_t k = 1; k < p.a.size(); k += 4) p.a[k] = 0;
  }
  return p;
}

bool is_near(double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(b); }

}  // namespace

TEST_CASE("POT: the cost of 100 problems, equal and unequal, with ties and masses of 0") {
  const Json all = fixtures();
  REQUIRE(all.at("problems").items().size() == 100);
  for (const Json& row : all.at("problems").items()) {
    const Problem p = problem_of(static_cast<uint64_t>(row.integer("seed")), row.text("kind"));
    CAPTURE(row.integer("seed"));
    REQUIRE(p.n == row.integer("n"));
    REQUIRE(p.m == row.integer("m"));
    REQUIRE(p.d == row.integer("d"));
    const Tensor X = Tensor::of({p.n, p.d}, p.X, DType::f64);
    const Tensor Y = Tensor::of({p.m, p.d}, p.Y, DType::f64);
    const Wasserstein2 found = wasserstein2_exact(X, Y, p.a, p.b);
    CHECK(found.plan.status == TransportStatus::optimal);
    CHECK(is_near(found.squared, row.number("emd2")));
    CHECK(std::abs(found.plan.gap) <= 1e-9);
    if (row.text("kind") == "line") CHECK(is_near(found.squared, row.number("wasserstein_1d")));
  }
}
