// tests/interpret/coreset_greedy_test.cpp: set functions and greedy, against trying everything.
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "interpret/coreset/set_functions.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace limpid;
using namespace limpid::interpret;

namespace {

using Order = std::vector<int64_t>;
using Subset = std::vector<int64_t>;

const std::vector<double> kFour = {4, 3, 0, 0, 3, 4, 1, 0, 0, 1, 4, 2, 0, 0, 2, 4};

std::shared_ptr<const Similarities> given(const Tensor& S) { return given_similarities(S); }
Tensor four() { return Tensor::of({4, 4}, kFour, DType::f64); }

double at(const Tensor& S, int64_t i, int64_t j) { return S.data<double>()[i * S.size(1) + j]; }

// The values by their definitions.
double facility_value(const Tensor& S, const Subset& A) {
  double sum = 0;
  for (int64_t i = 0; i < S.size(0); ++i) {
    double best = 0;
    for (const int64_t j : A) best = std::max(best, at(S, i, j));
    sum += best;
  }
  return sum;
}

double cut_value(const Tensor& S, const Subset& A, double lambda) {
  double sum = 0;
  for (const int64_t j : A) {
    for (int64_t i = 0; i < S.size(0); ++i) sum += lambda * at(S, i, j);
    for (const int64_t i : A) sum -= at(S, i, j);
  }
  return sum;
}

double log_det_value(const Tensor& S, const Subset& A, double epsilon) {
  const int64_t m = std::ssize(A);
  if (m == 0) return 0;
  Tensor part = Tensor::empty({m, m}, DType::f64);
  double* out = part.mutable_data<double>();
  for (const int64_t i : A) {
    for (const int64_t j : A) *out++ = at(S, i, j) + (i == j ? epsilon : 0);
  }
  const Tensor L = cholesky(part);
  double sum = 0;
  for (int64_t i = 0; i < m; ++i) sum += 2 * std::log(at(L, i, i));
  return sum;
}

// Greedy by trying all elements at every step.
GreedyResult naive_greedy(SetFunction& f, int64_t k) {
  GreedyResult result;
  for (int64_t step = 0; step < k; ++step) {
    int64_t best = -1;
    double most = -std::numeric_limits<double>::infinity();
    for (int64_t j = 0; j < f.size(); ++j) {
      if (std::ranges::count(result.order, j) > 0) continue;
      double gain = 0;
      f.gains(std::span(&j, 1), std::span(&gain, 1));
      if (best < 0 || gain > most) {
        best = j;
        most = gain;
      }
    }
    result.order.push_back(best);
    result.gains.push_back(most);
    f.add(best);
  }
  return result;
}

// Similarities of random samples, some of them equal, with a few ties.
Tensor random_similarities(int64_t n, Rng& rng) {
  Tensor z = Tensor::uniform({n, 4}, rng, 0, 1, DType::f64);
  double* values = z.mutable_data<double>();
  for (int64_t k = 0; k < 4; ++k) values[4 + k] = values[k];
  // Multiples of 1/64, which f32 holds: definitions and columns see the same numbers
  Tensor S = matmul(z, z, {.transpose_b = true});
  double* s = S.mutable_data<double>();
  for (int64_t i = 0; i < S.numel(); ++i) s[i] = std::round(s[i] * 64) / 64;
  return S;
}

}  // namespace

TEST_CASE("facility location: order, gains and best pair of four elements") {
  for (const bool lazy : {true, false}) {
    FacilityLocation f(given(four()));
    const GreedyResult found = lazy ? lazy_greedy(f, 3) : naive_greedy(f, 3);
    CHECK(found.order == Order{1, 2, 3});
    CHECK(found.gains == std::vector<double>{8, 5, 2});
  }
  double best = 0;
  for (int64_t a = 0; a < 4; ++a) {
    for (int64_t b = 0; b < a; ++b) best = std::max(best, facility_value(four(), {a, b}));
  }
  CHECK(best == 13);
  CHECK(facility_value(four(), {1, 2}) == 13);
}

TEST_CASE("facility location: whom each sample is represented by, the weights of CRAIG") {
  FacilityLocation f(given(four()));
  f.add(1);
  f.add(2);
  CHECK(f.representatives() == Order{0, 0, 1, 1});  // 2 samples each, 4 in all
}

TEST_CASE("graph cut: order and gains of four elements") {
  GraphCut f(given(four()), 1);
  const GreedyResult found = lazy_greedy(f, 2);
  CHECK(found.order == Order{1, 3});
  CHECK(found.gains == std::vector<double>{4, 2});
}

TEST_CASE("set functions: gains are differences of the definitions") {
  Rng rng(5);
  const double epsilon = 0.01;
  for (int trial = 0; trial < 10; ++trial) {
    const Tensor S = random_similarities(12, rng);
    FacilityLocation facility(given(S));
    GraphCut cut(given(S), 2);
    LogDeterminant volume(given(S), 0.5 + epsilon);  // rounding leaves S short of definite
    const Order all = rng.permutation(12);
    Subset A;
    for (size_t step = 0; step < 6; ++step) {
      for (const int64_t j : std::span(all).subspan(step)) {
        Subset more = A;
        more.push_back(j);
        double gain = 0;
        facility.gains(std::span(&j, 1), std::span(&gain, 1));
        CHECK(gain == doctest::Approx(facility_value(S, more) - facility_value(S, A)));
        cut.gains(std::span(&j, 1), std::span(&gain, 1));
        CHECK(gain == doctest::Approx(cut_value(S, more, 2) - cut_value(S, A, 2)));
        volume.gains(std::span(&j, 1), std::span(&gain, 1));
        const double difference =
            log_det_value(S, more, 0.5 + epsilon) - log_det_value(S, A, 0.5 + epsilon);
        CHECK(gain == doctest::Approx(difference).epsilon(1e-9));
      }
      for (SetFunction* f :
           {static_cast<SetFunction*>(&facility), static_cast<SetFunction*>(&cut),
            static_cast<SetFunction*>(&volume)}) {
        f->add(all[step]);
      }
      A.push_back(all[step]);
    }
  }
}

TEST_CASE("lazy greedy: the order of trying all, to the bit") {
  Rng rng(11);
  for (int trial = 0; trial < 50; ++trial) {
    const int64_t n = 5 + rng.integer(60), k = 1 + rng.integer(n);
    const Tensor S = random_similarities(n, rng);
    const auto compare = [&](SetFunction& lazy, SetFunction& naive) {
      const GreedyResult a = lazy_greedy(lazy, k), b = naive_greedy(naive, k);
      CHECK(a.order == b.order);
      CHECK(a.gains == b.gains);
    };
    FacilityLocation f1(given(S)), f2(given(S));
    compare(f1, f2);
    for (const double lambda : {1.0, 2.0}) {
      GraphCut c1(given(S), lambda), c2(given(S), lambda);
      compare(c1, c2);
    }
    LogDeterminant d1(given(S), 0.6), d2(given(S), 0.6);
    compare(d1, d2);
  }
}

TEST_CASE("facility location: kept gains do not drift from the definition") {
  Rng rng(2);
  const int64_t n = 400;
  const auto S = std::shared_ptr(cosine_similarities({Tensor::normal({n, 6}, rng, 0, 1)}));
  FacilityLocation f(S);
  std::vector<float> best(static_cast<size_t>(n));
  for (const int64_t j : lazy_greedy(f, 60).order) {
    std::vector<float> column(best.size());
    S->columns(std::span(&j, 1), column.data());
    for (size_t i = 0; i < best.size(); ++i) best[i] = std::max(best[i], column[i]);
  }
  for (int64_t j = 0; j < n; ++j) {
    std::vector<float> column(best.size());
    S->columns(std::span(&j, 1), column.data());
    double expected = 0, gain = 0;
    for (size_t i = 0; i < best.size(); ++i) {
      expected += std::max(0.0, static_cast<double>(column[i]) - static_cast<double>(best[i]));
    }
    f.gains(std::span(&j, 1), std::span(&gain, 1));
    // Sums of n f32 similarities below 1, each rounded to 2^-24
    CHECK(std::abs(gain - expected) < static_cast<double>(n) * 1e-7);
  }
}

TEST_CASE("log-det: equal samples are not chosen twice while others are left") {
  const Tensor rows = Tensor::of({4, 2}, {1, 0, 1, 0, 0, 1, -1, 0});
  LogDeterminant f(cosine_similarities({rows}), 1e-2);
  const GreedyResult found = lazy_greedy(f, 4);
  CHECK(found.order == Order{0, 3, 2, 1});
  CHECK(found.gains[3] < found.gains[2]);
}

TEST_CASE("stochastic greedy: near the value of greedy, a function of the generator") {
  Rng rng(9);
  const Tensor rows = Tensor::uniform({300, 8}, rng, 0, 1);
  const auto value = [&](const GreedyResult& found) {
    double sum = 0;
    for (const double gain : found.gains) sum += gain;
    return sum;
  };
  FacilityLocation exact(cosine_similarities({rows}));
  const double best = value(lazy_greedy(exact, 20));
  std::vector<Order> orders;
  for (const uint64_t seed : {1, 1, 2}) {
    FacilityLocation f(cosine_similarities({rows}));
    const GreedyResult found = stochastic_greedy(f, 20, 0.1, Rng(seed));
    CHECK(value(found) >= 0.95 * best);
    CHECK(value(found) <= best * (1 + 1e-9));
    orders.push_back(found.order);
    std::ranges::sort(orders.back());
    CHECK(std::ranges::adjacent_find(orders.back()) == orders.back().end());
  }
  CHECK(orders[0] == orders[1]);
  CHECK(orders[0] != orders[2]);
  FacilityLocation f(given(four()));
  CHECK(contains(failure<ValueError>([&] { stochastic_greedy(f, 2, 1, Rng(0)); }), "epsilon"));
  CHECK(stochastic_greedy(f, 4, 0.5, Rng(0)).order.size() == 4);
}

TEST_CASE("greedy: none, all and too many") {
  FacilityLocation f(given(four()));
  CHECK(lazy_greedy(f, 0).order.empty());
  for (const int64_t k : {-1, 5}) {
    CHECK(contains(failure<ValueError>([&] { lazy_greedy(f, k); }), "cannot choose"));
    CHECK(contains(
        failure<ValueError>([&] { stochastic_greedy(f, k, 0.1, Rng(0)); }), "cannot choose"));
  }
  CHECK(lazy_greedy(f, 4).order.size() == 4);
}

TEST_CASE("similarities: columns by their definitions, zero rows have cosine 0") {
  Rng rng(6);
  Tensor h = Tensor::normal({20, 3}, rng, 0, 1);
  for (int64_t k = 0; k < 3; ++k) h.mutable_data<float>()[3 * 4 + k] = 0;  // sample 4
  const Tensor g = Tensor::normal({20, 2}, rng, 0, 1);
  const auto product = [&](int64_t i, int64_t j, bool has_factors) {
    double hh = 0, gg = 0;
    for (int64_t k = 0; k < 3; ++k)
      hh += double(h.data<float>()[3 * i + k]) * double(h.data<float>()[3 * j + k]);
    for (int64_t k = 0; k < 2; ++k)
      gg += double(g.data<float>()[2 * i + k]) * double(g.data<float>()[2 * j + k]);
    return has_factors ? gg * (1 + hh) : hh;
  };
  for (const bool has_factors : {false, true}) {
    const SampleVectors samples{h, has_factors ? g : Tensor()};
    const auto products = product_similarities(samples), cosines = cosine_similarities(samples),
               distances = distance_similarities(samples);
    double longest = 0;
    if (has_factors) {
      for (int64_t i = 0; i < 20; ++i) longest = std::max(longest, product(i, i, true));
    }
    for (const int64_t j : {0, 4, 19}) {
      std::vector<float> p(20), c(20), d(20);
      products->columns(std::span(&j, 1), p.data());
      cosines->columns(std::span(&j, 1), c.data());
      distances->columns(std::span(&j, 1), d.data());
      CHECK(cosines->diagonal(j) == double(c[static_cast<size_t>(j)]));
      CHECK(distances->diagonal(j) == doctest::Approx(double(d[static_cast<size_t>(j)])));
      for (int64_t i = 0; i < 20; ++i) {
        const auto at_i = static_cast<size_t>(i);
        const double ii = product(i, i, has_factors), jj = product(j, j, has_factors),
                     ij = product(i, j, has_factors);
        const double tolerance = 2e-5;  // f32 products of a few numbers
        CHECK(std::abs(double(p[at_i]) - ij) < tolerance);
        const bool has_zero = !has_factors && (i == 4 || j == 4);
        const double cosine = has_zero ? 0 : ij / std::sqrt(ii * jj);
        CHECK(std::abs(double(c[at_i]) - (0.5 + 0.5 * cosine)) < tolerance);
        const double distance = std::sqrt(std::max(0.0, ii + jj - 2 * ij));
        const double offset = double(d[static_cast<size_t>(j)]);      // c of s = c - |i - j|
        CHECK(std::abs(offset - double(d[at_i]) - distance) < 1e-3);  // a root near 0
        if (has_factors) CHECK(offset == doctest::Approx(2 * std::sqrt(longest)));
      }
    }
  }
  CHECK(cosine_similarities({h})->diagonal(4) == 0.5);
}
