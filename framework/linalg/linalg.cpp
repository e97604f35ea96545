// framework/linalg/linalg.cpp: LAPACK behind tensors.
//
// LAPACK stores a matrix by columns, a Tensor by rows: memory that is [m, n] here is the n x m
// transpose there. Hence a general matrix is transposed on its way in and on its way out. Two
// short cuts: a symmetric matrix stays as it is, only its lower triangle is the upper one ("U") of
// LAPACK; and the transpose has the same singular vectors, left and right exchanged.
#include "framework/linalg/linalg.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

// The Fortran symbols; LAPACKE is not part of Debian's OpenBLAS. Everything is passed by address,
// and the length of each character argument follows at the end.
extern "C" {
void dpotrf_(const char* triangle, const int* n, double* a, const int* lda, int* info, std::size_t);
void dpotrs_(
    const char* triangle, const int* n, const int* columns, const double* a, const int* lda,
    double* b, const int* ldb, int* info, std::size_t);
void dgeqrf_(
    const int* m, const int* n, double* a, const int* lda, double* tau, double* work,
    const int* work_size, int* info);
void dorgqr_(
    const int* m, const int* n, const int* k, double* a, const int* lda, const double* tau,
    double* work, const int* work_size, int* info);
void dsyevd_(
    const char* job, const char* triangle, const int* n, double* a, const int* lda, double* values,
    double* work, const int* work_size, int* integers, const int* integers_size, int* info,
    std::size_t, std::size_t);
void dgesdd_(
    const char* job, const int* m, const int* n, double* a, const int* lda, double* s, double* u,
    const int* ldu, double* vt, const int* ldvt, double* work, const int* work_size, int* integers,
    int* info, std::size_t);
void dgelsd_(
    const int* m, const int* n, const int* columns, double* a, const int* lda, double* b,
    const int* ldb, double* s, const double* tolerance, int* rank, double* work,
    const int* work_size, int* integers, int* info);
}

namespace limpid {
namespace {

// Within these limits no work area outgrows a 32-bit counter. The largest ones are 4 k^2 doubles
// (dgesdd) and 64 times the longer side (dgeqrf, dgelsd).
constexpr int64_t kMaxSide = int64_t{1} << 24;
constexpr int64_t kMaxSmallerSide = int64_t{1} << 14;
constexpr int64_t kMaxElements = int64_t{1} << 30;
// Integers of work area per column: 5 (dsyevd), 8 (dgesdd), 11 + 3 log2(k / 13) (dgelsd).
constexpr int64_t kIntegersPerColumn = 48;
// Components closer than this share count as equally large: far above rounding, far below sense.
constexpr double kTie = 1e-8;

void check_finite(const char* op, const char* what, const Tensor& x) {
  for (const double value : x.values<double>()) {
    if (std::isfinite(value)) continue;
    throw NumericError(
        join_text(op, ": ", what, " ", x.shape(), " must be finite, found ", value), value);
  }
}

// Checks a matrix, or one column [n] if it may be a vector.
void check_argument(const char* op, const char* name, const Tensor& x, bool may_be_vector = false) {
  check_dtype(x.dtype() == DType::f64, op, name, " must be f64, got ", name_of(x.dtype()));
  const int rank = x.rank();
  check_shape(
      rank == 2 || (rank == 1 && may_be_vector), op, name, " must be a matrix",
      may_be_vector ? " or a vector" : "", ", got ", x.shape());
  const int64_t rows = x.size(0), columns = rank == 2 ? x.size(1) : 1;
  check_shape(
      std::max(rows, columns) <= kMaxSide && std::min(rows, columns) <= kMaxSmallerSide &&
          x.numel() <= kMaxElements,
      op, name, " ", x.shape(), " is too large, the limits are ", kMaxSide, " a side, ",
      kMaxSmallerSide, " the smaller side, ", kMaxElements, " elements");
  check_finite(op, name, x);
  parallel::threads();  // its first call pins OpenBLAS to one thread
}

void check_square(const char* op, const char* name, const Tensor& x) {
  check_argument(op, name, x);
  check_shape(x.size(0) == x.size(1), op, name, " must be square, got ", x.shape());
}

// Checks a right-hand side [rows] or [rows, p]; returns p.
int64_t check_right_side(const char* op, const Tensor& a, const Tensor& b) {
  check_argument(op, "b", b, true);
  check_shape(
      a.size(0) == b.size(0), op, "b has ", b.size(0), " rows but the matrix has ", a.size(0),
      " (matrix ", a.shape(), ", b ", b.shape(), ")");
  return b.rank() == 2 ? b.size(1) : 1;
}

void check_converged(const char* op, const Tensor& a, int info) {
  if (info == 0) return;
  throw NumericError(
      join_text(op, ": did not converge (a ", a.shape(), ", LAPACK info ", info, ")"), info);
}

int to_int(int64_t size) { return static_cast<int>(size); }  // sizes were checked

// Checks a result and records that it has no derivative.
template <class... Inputs>
Tensor finish(const char* op, const Tensor& out, const Inputs&... inputs) {
  check_finite(op, "result", out);
  return record(op, out, not_differentiable(inputs, op)...);
}

Tensor f64_zeros(const Shape& shape) { return Tensor::zeros(shape, DType::f64); }

// The transpose of rows x columns numbers.
Tensor transposed(const double* x, int64_t rows, int64_t columns) {
  Tensor out = Tensor::empty({columns, rows}, DType::f64);  // [columns, rows]
  double* y = out.mutable_data<double>();
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) y[j * rows + i] = x[i * columns + j];
  }
  return out;
}

// Calls f(work, work_size) with as much work area as f asks for in work[0] when the size is -1.
template <class F>
void with_work_area(F&& f) {
  const int question = -1;
  double answer = 0;
  f(&answer, &question);
  const int size = std::max(1, static_cast<int>(answer));
  Tensor work = Tensor::empty({size}, DType::f64);  // [size]
  f(work.mutable_data<double>(), &size);
}

// A row (step 1) or a column (step = length of a row) of a matrix.
struct Line {
  double* first;
  int64_t size;
  int64_t step;

  double& operator[](int64_t i) const { return first[i * step]; }

  void negate() const {
    for (int64_t i = 0; i < size; ++i) (*this)[i] = -(*this)[i];
  }

  bool is_largest_negative() const {
    double largest = 0;
    for (int64_t i = 0; i < size; ++i) largest = std::max(largest, std::abs((*this)[i]));
    for (int64_t i = 0; i < size; ++i) {
      if (std::abs((*this)[i]) >= (1 - kTie) * largest) return (*this)[i] < 0;
    }
    return false;
  }
};

}  // namespace

Tensor identity(int64_t n) {
  Tensor I = Tensor::zeros({n, n}, DType::f64);
  for (int64_t j = 0; j < n; ++j) I.mutable_data<double>()[j * n + j] = 1;
  return I;
}

Tensor cholesky(const Tensor& a) {
  check_square("cholesky", "a", a);
  const int64_t n = a.size(0);
  Tensor l = f64_zeros(a.shape());  // [n, n]
  double* values = l.mutable_data<double>();
  for (int64_t i = 0; i < n; ++i) std::copy_n(a.data<double>() + i * n, i + 1, values + i * n);

  // LAPACK's a = u^T u, where u by columns is l by rows
  const int size = to_int(n);
  int info = 0;
  if (n > 0) dpotrf_("U", &size, values, &size, &info, 1);
  if (info > 0) {
    const double pivot = values[(info - 1) * (n + 1)];
    throw NumericError(
        join_text(
            "cholesky: not positive definite, pivot ", info - 1, " is ", pivot, " (a ", a.shape(),
            ")"),
        pivot);
  }
  return finish("cholesky", l, a);
}

Tensor solve_cholesky(const Tensor& l, const Tensor& b) {
  check_square("solve_cholesky", "l", l);
  const int64_t n = l.size(0), p = check_right_side("solve_cholesky", l, b);
  Tensor columns = transposed(b.data<double>(), n, p);  // [p, n]
  const int rows = to_int(n), count = to_int(p);
  int info = 0;
  if (columns.numel() > 0) {
    dpotrs_(
        "U", &rows, &count, l.data<double>(), &rows, columns.mutable_data<double>(), &rows, &info,
        1);
  }
  const Tensor x = transposed(columns.data<double>(), p, n).viewed_as(b.shape());  // like b
  return finish("solve_cholesky", x, l, b);
}

Qr qr(const Tensor& a) {
  check_argument("qr", "a", a);
  const int64_t m = a.size(0), n = a.size(1), k = std::min(m, n);
  Tensor packed = transposed(a.data<double>(), m, n);  // [n, m], row j is column j of a
  Tensor tau = f64_zeros({k});                         // [k], scales of the reflections
  Tensor r = f64_zeros({k, n});                        // [k, n]
  double* columns = packed.mutable_data<double>();
  double* upper = r.mutable_data<double>();

  // Factorise; r is what is left on and above the diagonal, the reflections lie below
  const int rows = to_int(m), count = to_int(n), rank = to_int(k);
  int info = 0;
  if (k > 0) {
    double* scales = tau.mutable_data<double>();
    with_work_area([&](double* work, const int* size) {
      dgeqrf_(&rows, &count, columns, &rows, scales, work, size, &info);
    });
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = i; j < n; ++j) upper[i * n + j] = columns[j * m + i];
    }
    with_work_area([&](double* work, const int* size) {
      dorgqr_(&rows, &rank, &rank, columns, &rows, scales, work, size, &info);
    });
  }

  // Make the diagonal of r positive
  for (int64_t i = 0; i < k; ++i) {
    if (upper[i * n + i] >= 0) continue;
    Line{upper + i * n + i, n - i, 1}.negate();
    Line{columns + i * m, m, 1}.negate();
  }
  const Tensor q = transposed(columns, k, m);  // [m, k]
  return {.q = finish("qr", q, a), .r = finish("qr", r, a)};
}

EigenSymmetric eigen_symmetric(const Tensor& a) {
  check_square("eigen_symmetric", "a", a);
  const int64_t n = a.size(0);
  Tensor values = f64_zeros({n});  // [n]
  Tensor lines = a.clone();        // [n, n], then row j is the vector of values[j]
  double* vectors = lines.mutable_data<double>();
  const int size = to_int(n), integers_size = to_int(3 + kIntegersPerColumn * n);
  std::vector<int> integers(static_cast<size_t>(integers_size));
  int info = 0;
  if (n > 0) {
    double* out = values.mutable_data<double>();
    with_work_area([&](double* work, const int* work_size) {
      dsyevd_(
          "V", "U", &size, vectors, &size, out, work, work_size, integers.data(),
          *work_size < 0 ? work_size : &integers_size, &info, 1, 1);
    });
  }
  check_converged("eigen_symmetric", a, info);
  for (int64_t j = 0; j < n; ++j) {
    const Line vector{vectors + j * n, n, 1};
    if (vector.is_largest_negative()) vector.negate();
  }
  const Tensor columns = transposed(vectors, n, n);  // [n, n]
  return {
      .values = finish("eigen_symmetric", values, a),
      .vectors = finish("eigen_symmetric", columns, a)};
}

Svd svd(const Tensor& a) {
  check_argument("svd", "a", a);
  const int64_t m = a.size(0), n = a.size(1), k = std::min(m, n);
  Tensor u = f64_zeros({m, k}), s = f64_zeros({k}), vt = f64_zeros({k, n});
  double* left = u.mutable_data<double>();
  double* right = vt.mutable_data<double>();
  const int rows = to_int(m), columns = to_int(n), rank = to_int(k);
  std::vector<int> integers(static_cast<size_t>(kIntegersPerColumn * k));
  int info = 0;

  // LAPACK sees a^T = v diag(s) u^T: the left vectors there are the rows of vt here
  if (k > 0) {
    Tensor scratch = a.clone();  // [m, n], destroyed
    double* values = scratch.mutable_data<double>();
    double* singular = s.mutable_data<double>();
    with_work_area([&](double* work, const int* size) {
      dgesdd_(
          "S", &columns, &rows, values, &columns, singular, right, &columns, left, &rank, work,
          size, integers.data(), &info, 1);
    });
  }
  check_converged("svd", a, info);
  for (int64_t j = 0; j < k; ++j) {
    const Line vector{left + j, m, k};
    if (!vector.is_largest_negative()) continue;
    vector.negate();
    Line{right + j * n, n, 1}.negate();
  }
  return {.u = finish("svd", u, a), .s = finish("svd", s, a), .vt = finish("svd", vt, a)};
}

LeastSquares least_squares(const Tensor& a, const Tensor& b, std::optional<double> tolerance) {
  check_argument("least_squares", "a", a);
  const int64_t m = a.size(0), n = a.size(1), k = std::min(m, n);
  const int64_t p = check_right_side("least_squares", a, b);
  const int64_t longer = std::max(m, n);
  const double relative = tolerance.value_or(
      static_cast<double>(std::max(longer, int64_t{1})) * std::numeric_limits<double>::epsilon());
  check_value(
      relative > 0 && relative < 1, "least_squares", "tolerance must lie between 0 and 1, got ",
      relative);
  check_shape(
      longer * std::max(p, int64_t{1}) <= kMaxElements, "least_squares",
      "the solution is too large (a ", a.shape(), ", b ", b.shape(), ")");

  // b goes in and x comes out of the same columns; LAPACK wants at least one
  const int rows = to_int(m), columns = to_int(n), stride = to_int(longer);
  const int count = to_int(std::max(p, int64_t{1}));
  Tensor both = f64_zeros({count, longer});  // [p, max(m, n)]
  Tensor s = f64_zeros({k});                 // [k]
  double* sides = both.mutable_data<double>();
  for (int64_t j = 0; j < p; ++j) {
    for (int64_t i = 0; i < m; ++i) sides[j * longer + i] = b.data<double>()[i * p + j];
  }
  int rank = 0, info = 0;
  if (k > 0) {
    Tensor scratch = transposed(a.data<double>(), m, n);  // [n, m], destroyed
    double* values = scratch.mutable_data<double>();
    double* singular = s.mutable_data<double>();
    std::vector<int> integers(static_cast<size_t>(kIntegersPerColumn * k));
    with_work_area([&](double* work, const int* size) {
      dgelsd_(
          &rows, &columns, &count, values, &rows, sides, &stride, singular, &relative, &rank, work,
          size, integers.data(), &info);
    });
  }
  check_converged("least_squares", a, info);

  // Without equations, or without unknowns, x is zero
  Tensor x = f64_zeros(b.rank() == 2 ? Shape{n, p} : Shape{n});  // [n] or [n, p]
  double* out = x.mutable_data<double>();
  for (int64_t j = 0; j < p && k > 0; ++j) {
    for (int64_t i = 0; i < n; ++i) out[i * p + j] = sides[j * longer + i];
  }
  return {.x = finish("least_squares", x, a, b), .rank = rank, .s = finish("least_squares", s, a)};
}

}  // namespace limpid
