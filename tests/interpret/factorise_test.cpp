// tests/interpret/factorise_test.cpp: parts that are known, and what the method promises.
#include "interpret/numerics/factorise.h"

#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "tests/support/compare.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

double error_of(const Tensor& A, const Factorisation& f) {
  const Tensor difference = A - matmul(f.S, f.V);
  return std::sqrt(sum(difference * difference).item() / sum(A * A).item());
}

bool is_non_negative(const Tensor& t) {
  const auto values = t.values<double>();
  return std::ranges::all_of(values, [](double v) { return v >= 0; });
}

}  // namespace

TEST_CASE("factorise: an exact product of rank two and its parts come back") {
  // Each part has entries that the other lacks, so that the factors are unique up to their order
  Rng rng(1);
  const Tensor parts = Tensor::of({2, 5}, {0.6, 0.8, 0, 0, 0, 0, 0, 0.48, 0.64, 0.6}, DType::f64);
  Tensor S = Tensor::uniform({30, 2}, rng, 0, 1, DType::f64);
  S.mutable_data<double>()[0] = 0;  // rows with one part alone
  S.mutable_data<double>()[3] = 0;
  const Tensor A = matmul(S, parts);
  const Factorisation found = factorise(A, 2, {.max_rounds = 2000, .tolerance = 1e-9});
  CHECK(found.relative_error < 1e-4);
  CHECK(error_of(A, found) == doctest::Approx(found.relative_error).epsilon(1e-6));
  const Tensor cosines = matmul(found.V, parts, {.transpose_b = true});  // [2, 2]
  const double* c = cosines.data<double>();
  const double matched = std::max(c[0] + c[3], c[1] + c[2]) / 2;
  CHECK(matched == doctest::Approx(1).epsilon(1e-4));
}

TEST_CASE("factorise: non-negative, rows of length 1, better with every part and round") {
  Rng rng(2);
  const Tensor A = Tensor::uniform({40, 12}, rng, 0, 1, DType::f64);
  double before = 1;
  for (const int64_t k : {1, 2, 4, 8, 12}) {
    const Factorisation found = factorise(A, k);
    CHECK(is_non_negative(found.S));
    CHECK(is_non_negative(found.V));
    CHECK(found.relative_error < before);
    CHECK(error_of(A, found) == doctest::Approx(found.relative_error).epsilon(1e-6));
    for (int64_t t = 0; t < k; ++t) {
      const Tensor row = slice(found.V, 0, t, t + 1);
      CHECK(sum(row * row).item() == doctest::Approx(1));
    }
    before = found.relative_error;
  }
  double error = 1;
  for (const int64_t rounds : {1, 2, 5, 20}) {
    const double now = factorise(A, 4, {.max_rounds = rounds, .tolerance = 0}).relative_error;
    CHECK(now <= error);
    error = now;
  }
  // One part: the first singular pair, which is non-negative here
  const Factorisation one = factorise(A, 1, {.max_rounds = 500, .tolerance = 0});
  const Tensor v = one.V;
  const Tensor image = matmul(matmul(v, A, {.transpose_b = true}), A);  // v A'A
  const double length = std::sqrt(sum(image * image).item());
  CHECK(close(image * (1 / length), v, 1e-8));
}

TEST_CASE("factorise: the same bits at any thread count") {
  Rng rng(3);
  const Tensor A = Tensor::uniform({300, 40}, rng, 0, 1, DType::f64);
  Factorisation first;
  for (const int threads : {1, 2, 3}) {
    const parallel::ThreadLimit limit(threads);
    const Factorisation found = factorise(A, 5, {.max_rounds = 10});
    if (threads == 1) first = found;
    CHECK(bitwise_equal(found.S, first.S));
    CHECK(bitwise_equal(found.V, first.V));
  }
}

TEST_CASE("factorise: dead columns, a matrix of zeros, and what is no such matrix") {
  const Factorisation zero = factorise(Tensor::zeros({4, 3}, DType::f64), 2);
  CHECK(zero.relative_error == 0);
  CHECK(close(zero.V, Tensor::zeros({2, 3}, DType::f64)));
  Rng rng(4);
  Tensor A = Tensor::uniform({10, 4}, rng, 0, 1, DType::f64);
  for (int64_t i = 0; i < 10; ++i) A.mutable_data<double>()[4 * i + 1] = 0;
  const Factorisation found = factorise(A, 3, {.max_rounds = 500, .tolerance = 0});
  CHECK(found.relative_error < 0.05);
  for (int64_t t = 0; t < 3; ++t) CHECK(found.V.data<double>()[4 * t + 1] == 0);
  for (const int64_t k : {0, 5}) {
    CHECK(contains(failure<ValueError>([&] { factorise(A, k); }), "parts"));
  }
  for (const double bad : {-1.0, std::nan("")}) {
    Tensor B = A.clone();
    B.mutable_data<double>()[7] = bad;
    CHECK(contains(failure<ValueError>([&] { factorise(B, 2); }), "negative"));
  }
  CHECK(contains(failure<ShapeError>([] { factorise(Tensor::zeros({3}, DType::f64), 1); }), "[3]"));
}
