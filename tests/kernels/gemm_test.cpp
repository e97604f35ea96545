// tests/kernels/gemm_test.cpp: matrix products of random odd sizes against three loops.
#include "framework/kernels/gemm.h"

#include "tests/kernels/random_arrays.h"
#include "tests/kernels/shapes.h"

using namespace limpid;
using kernels::GemmCall;

namespace {

// The product in double, from the call as it stands.
template <class T>
std::vector<double> naive(const GemmCall<T>& g, const std::vector<T>& c) {
  std::vector<double> result(c.begin(), c.end());
  for (int64_t m = 0; m < g.M; ++m) {
    for (int64_t n = 0; n < g.N; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < g.K; ++k) {
        const T a = g.a[g.transpose_a ? k * g.lda + m : m * g.lda + k];
        const T b = g.b[g.transpose_b ? n * g.ldb + k : k * g.ldb + n];
        sum += static_cast<double>(a) * static_cast<double>(b);
      }
      double& cell = result[static_cast<size_t>(m * g.ldc + n)];
      cell = static_cast<double>(g.alpha) * sum +
             (g.beta == 0 ? 0.0 : static_cast<double>(g.beta) * cell);
    }
  }
  return result;
}

template <class T>
double worst_error(const std::vector<T>& found, const std::vector<double>& expected) {
  double worst = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    worst = std::max(worst, relative_error(static_cast<double>(found[i]), expected[i]));
  }
  return worst;
}

// f32 rounds each of K products; f64 must agree to twelve digits.
template <class T>
double tolerance(int64_t K) {
  return sizeof(T) == 4 ? 2e-6 * std::sqrt(static_cast<double>(K) + 1) : 1e-12;
}

template <class T, class Kernel>
void check_product(Rng& rng, int64_t M, int64_t N, int64_t K, Kernel kernel) {
  GemmCall<T> g;
  g.transpose_a = rng.integer(2) == 1;
  g.transpose_b = rng.integer(2) == 1;
  g.M = M;
  g.N = N;
  g.K = K;
  g.alpha = rng.integer(2) == 0 ? T(1) : T(-0.5);
  g.beta = rng.integer(2) == 0 ? T(0) : T(1);
  g.lda = (g.transpose_a ? M : K) + rng.integer(3);
  g.ldb = (g.transpose_b ? K : N) + rng.integer(3);
  g.ldc = N + rng.integer(3);
  const std::vector<T> a = random_array<T>((g.transpose_a ? K : M) * g.lda, rng);
  const std::vector<T> b = random_array<T>((g.transpose_b ? N : K) * g.ldb, rng);
  std::vector<T> c = random_array<T>(M * g.ldc, rng);
  g.a = a.data();
  g.b = b.data();
  g.c = c.data();
  const std::vector<double> expected = naive(g, c);
  kernel(g);
  CAPTURE(M);
  CAPTURE(N);
  CAPTURE(K);
  CHECK(worst_error(c, expected) <= tolerance<T>(K));
}

template <class T>
void check_all_sizes() {
  Rng rng(1);
  for (int round = 0; round < 20; ++round) {  // one row, one column: products with a vector
    const int64_t length = between(rng, 1, 300);
    const int64_t K = between(rng, 1, 300);
    check_product<T>(rng, 1, length, K, kernels::gemm_serial<T>);
    check_product<T>(rng, length, 1, K, kernels::gemm_serial<T>);
  }
  for (int round = 0; round < 60; ++round) {
    const int64_t M = between(rng, 1, 40);
    const int64_t N = between(rng, 1, 40);
    const int64_t K = between(rng, 1, 40);
    check_product<T>(rng, M, N, K, kernels::gemm_serial<T>);
    check_product<T>(rng, M, N, K, kernels::gemm<T>);
  }
  // Past a million multiply-adds C is cut into tiles: of 64 rows, by rows, by columns, with a rest
  for (int round = 0; round < 16; ++round) {
    const int64_t M = between(rng, 60, 260);
    const int64_t N = between(rng, 60, 260);
    check_product<T>(rng, M, N, between(rng, 300, 500), kernels::gemm<T>);
  }
  check_product<T>(rng, 100, 40, 1500, kernels::gemm<T>);  // too long for small products
  check_product<T>(rng, 301, 61, 67, kernels::gemm<T>);
  check_product<T>(rng, 61, 333, 59, kernels::gemm<T>);
  check_product<T>(rng, 1025, 33, 35, kernels::gemm<T>);
  check_product<T>(rng, 65, 64, 300, kernels::gemm<T>);
}

}  // namespace

TEST_CASE("gemm: random odd sizes, all transposes, gaps between rows") {
  check_all_sizes<float>();
  check_all_sizes<double>();
}

TEST_CASE("gemm: nothing to add gives beta C, nothing to write writes nothing") {
  double c[4] = {1, 2, 3, 4};
  kernels::gemm<double>({.M = 2, .N = 2, .K = 0, .lda = 1, .ldb = 2, .beta = 1, .c = c, .ldc = 2});
  CHECK(c[0] == 1);
  CHECK(c[3] == 4);
  kernels::gemm<double>({.M = 2, .N = 2, .K = 0, .lda = 1, .ldb = 2, .beta = 0, .c = c, .ldc = 2});
  CHECK(c[0] == 0);
  CHECK(c[3] == 0);
  kernels::gemm<double>({.M = 0, .N = 2, .K = 3, .lda = 3, .ldb = 2, .c = c, .ldc = 2});
  kernels::gemm<double>({.M = 2, .N = 0, .K = 3, .lda = 3, .ldb = 0, .c = c, .ldc = 0});
}

TEST_CASE("gemm: beta 0 overwrites, also what is not a number") {
  const float one = 1;
  float c = std::numeric_limits<float>::quiet_NaN();
  kernels::gemm<float>(
      {.M = 1, .N = 1, .K = 1, .a = &one, .lda = 1, .b = &one, .ldb = 1, .c = &c, .ldc = 1});
  CHECK(c == 1);
}

TEST_CASE("gemm: the same bits at any thread count") {
  const auto run = []<class T>(int threads, bool transpose_a, bool transpose_b) {
    const parallel::ThreadLimit limit(threads);
    Rng rng(2);
    const std::vector<T> a = random_array<T>(517 * 129, rng);
    const std::vector<T> b = random_array<T>(129 * 95, rng);
    std::vector<T> c(517 * 95);
    kernels::gemm<T>(
        {.transpose_a = transpose_a,
         .transpose_b = transpose_b,
         .M = 517,
         .N = 95,
         .K = 129,
         .a = a.data(),
         .lda = transpose_a ? 517 : 129,
         .b = b.data(),
         .ldb = transpose_b ? 129 : 95,
         .c = c.data(),
         .ldc = 95});
    return c;
  };
  for (const bool a : {false, true}) {
    for (const bool b : {false, true}) {
      for (const int threads : {2, 3, 5}) {
        CHECK(run.operator()<float>(1, a, b) == run.operator()<float>(threads, a, b));
        CHECK(run.operator()<double>(1, a, b) == run.operator()<double>(threads, a, b));
      }
    }
  }
}

TEST_CASE("gemm_batch: each product by itself, at any thread count") {
  Rng rng(3);
  for (const int64_t batch : {0, 1, 2, 7, 300}) {
    CAPTURE(batch);
    const int64_t M = 5, N = 7, K = 31;
    const std::vector<double> a = random_array<double>(batch * M * K, rng);
    const std::vector<double> b = random_array<double>(batch * K * N, rng);
    const auto run = [&](int threads) {
      const parallel::ThreadLimit limit(threads);
      std::vector<double> c(static_cast<size_t>(batch * M * N));
      kernels::gemm_batch<double>(
          batch, {.M = M,
                  .N = N,
                  .K = K,
                  .a = a.data(),
                  .lda = K,
                  .b = b.data(),
                  .ldb = N,
                  .c = c.data(),
                  .ldc = N});
      return c;
    };
    const std::vector<double> c = run(1);
    CHECK(c == run(3));
    for (int64_t i = 0; i < batch; ++i) {
      const GemmCall<double> one = {
          .M = M,
          .N = N,
          .K = K,
          .a = a.data() + i * M * K,
          .lda = K,
          .b = b.data() + i * K * N,
          .ldb = N,
          .ldc = N};
      const std::vector<double> part(c.begin() + i * M * N, c.begin() + (i + 1) * M * N);
      CHECK(worst_error(part, naive(one, part)) < 1e-12);
    }
  }
}
