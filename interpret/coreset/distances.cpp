// interpret/coreset/distances.cpp: sums in eight lanes, and blocks of matrix products.
#include "interpret/coreset/distances.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"
#include "framework/ops/linear_maps.h"
#include "framework/tensor/integers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace limpid::interpret {
namespace {

constexpr int64_t kRowsPerBlock = 256;
constexpr int64_t kProductRows = 512;  // of one matrix product
constexpr int64_t kLanes = 8;          // partial sums, always added up in the same order

const float* row(const Tensor& rows, int64_t i) { return rows.data<float>() + i * rows.size(1); }

// sum_k f(a_k, b_k) in f64.
template <class B, class F>
double sum_in_lanes(const float* a, const B* b, int64_t d, F f) {
  double lanes[kLanes] = {};
  int64_t k = 0;
  for (; k + kLanes <= d; k += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) {
      lanes[l] += f(static_cast<double>(a[k + l]), static_cast<double>(b[k + l]));
    }
  }
  for (int64_t l = 0; k < d; ++k, ++l) {
    lanes[l] += f(static_cast<double>(a[k]), static_cast<double>(b[k]));
  }
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

template <class B>
double squared_distance(const float* a, const B* b, int64_t d) {
  return sum_in_lanes(a, b, d, [](double x, double y) { return (x - y) * (x - y); });
}

template <class B>
double inner_product(const float* a, const B* b, int64_t d) {
  return sum_in_lanes(a, b, d, [](double x, double y) { return x * y; });
}

void check_point(
    const char* op, const Tensor& rows, std::span<const double> point, std::span<double> out) {
  check_shape(
      std::ssize(point) == rows.size(1) && std::ssize(out) == rows.size(0), op, "a point of ",
      point.size(), " numbers and ", out.size(), " results do not fit rows ", rows.shape());
}

// (z_i - mean) / largest |z - mean|: no product of these overflows, and few digits cancel.
Tensor centred_and_scaled(const Tensor& rows) {
  const int64_t n = rows.size(0), d = rows.size(1);
  const std::vector<double> mean = mean_row(rows);
  const float* z = rows.data<float>();
  double largest = 0;
  for (int64_t i = 0; i < n * d; ++i) {
    largest =
        std::max(largest, std::abs(static_cast<double>(z[i]) - mean[static_cast<size_t>(i % d)]));
  }
  const double scale = largest > 0 ? 1 / largest : 0;
  Tensor result = Tensor::empty(rows.shape());
  float* out = result.mutable_data<float>();
  for (int64_t i = 0; i < n * d; ++i) {
    out[i] =
        static_cast<float>((static_cast<double>(z[i]) - mean[static_cast<size_t>(i % d)]) * scale);
  }
  return result;
}

std::vector<double> squared_norms(const Tensor& rows) {
  std::vector<double> squares(static_cast<size_t>(rows.size(0)));
  for (int64_t i = 0; i < rows.size(0); ++i) {
    squares[static_cast<size_t>(i)] = inner_product(row(rows, i), row(rows, i), rows.size(1));
  }
  return squares;
}

using Near = std::pair<double, int64_t>;  // distance, index: pairs compare as ties are broken

// The `most` rows with the smallest approximate distances to row i, i itself left out.
std::vector<Near> proposals(const float* approximate, int64_t n, int64_t i, size_t most) {
  std::vector<Near> heap;  // the largest first
  for (int64_t j = 0; j < n; ++j) {
    const Near near(static_cast<double>(approximate[j]), j);
    if (j == i || (heap.size() == most && !(near < heap.front()))) continue;
    if (heap.size() == most) {
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
    }
    heap.push_back(near);
    std::push_heap(heap.begin(), heap.end());
  }
  return heap;
}

// C [count, end - begin] = A [count, d] Z[begin..end]'.
void products(const Tensor& A, const Tensor& Z, int64_t begin, int64_t end, float* c, int64_t ldc) {
  kernels::gemm_serial<float>(
      {.transpose_b = true,
       .M = A.size(0),
       .N = end - begin,
       .K = Z.size(1),
       .a = A.data<float>(),
       .lda = A.size(1),
       .b = row(Z, begin),
       .ldb = Z.size(1),
       .c = c,
       .ldc = ldc});
}

// Rows divided by the root of their squares; rows with 0 there stay.
Tensor with_unit_length(const Tensor& rows, const std::vector<double>& squares) {
  Tensor result = rows.clone();
  float* out = result.mutable_data<float>();
  for (const double square : squares) {
    const double scale = square > 0 ? 1 / std::sqrt(square) : 1;
    for (int64_t k = 0; k < rows.size(1); ++k, ++out) {
      *out = static_cast<float>(static_cast<double>(*out) * scale);
    }
  }
  return result;
}

class Given : public Similarities {
 public:
  explicit Given(const Tensor& S) : S_(S) {
    check_shape(
        S.rank() == 2 && S.size(0) == S.size(1) && S.size(0) > 0, "similarities",
        "needs a square matrix, got ", S.shape());
    check_dtype(S.dtype() == DType::f64, "similarities", "needs f64, got ", name_of(S.dtype()));
  }
  int64_t size() const override { return S_.size(0); }
  void columns(std::span<const int64_t> which, float* out) const override {
    for (const int64_t j : which) {
      for (int64_t i = 0; i < size(); ++i) {
        *out++ = static_cast<float>(S_.data<double>()[i * size() + j]);
      }
    }
  }
  double diagonal(int64_t i) const override { return S_.data<double>()[i * size() + i]; }

 private:
  Tensor S_;
};

// Similarities that are a function of <i, j>, |i|^2 and |j|^2.
class FromProducts : public Similarities {
 public:
  enum class Kind { product, cosine, distance };

  FromProducts(const SampleVectors& samples, Kind kind) : samples_(samples), kind_(kind) {
    check_rows("similarities", samples.features);
    squares_ = squared_norms(samples.features);
    if (samples.factors.defined()) {
      check_rows("similarities", samples.factors);
      check_shape(
          samples.factors.size(0) == samples.features.size(0), "similarities", "factors ",
          samples.factors.shape(), " do not fit features ", samples.features.shape());
      const std::vector<double> g = squared_norms(samples.factors);
      for (size_t i = 0; i < g.size(); ++i) squares_[i] = g[i] * (1 + squares_[i]);
    }
    const double largest = *std::max_element(squares_.begin(), squares_.end());
    check_value(
        largest < static_cast<double>(std::numeric_limits<float>::max()), "similarities",
        "products of samples do not fit f32, the largest square is ", largest);
    offset_ = 2 * std::sqrt(largest);
    if (kind == Kind::cosine) {  // vectors of length 1, or 0
      Tensor& scaled = samples.factors.defined() ? samples_.factors : samples_.features;
      scaled = with_unit_length(scaled, squares_);
    }
  }

  int64_t size() const override { return samples_.features.size(0); }

  void columns(std::span<const int64_t> which, float* out) const override {
    if (which.empty()) return;
    const bool has_factors = samples_.factors.defined();
    const Tensor h = take_rows(samples_.features, which);
    const Tensor g = has_factors ? take_rows(samples_.factors, which) : Tensor();
    const int64_t n = size(), count = std::ssize(which);
    parallel::for_blocks(n, kProductRows, [&](int64_t begin, int64_t end) {
      products(h, samples_.features, begin, end, out + begin, n);
      if (has_factors) {
        const int64_t width = end - begin;
        std::vector<float> gg(static_cast<size_t>(count * width));
        products(g, samples_.factors, begin, end, gg.data(), width);
        for (int64_t c = 0; c < count; ++c) {
          for (int64_t i = 0; i < width; ++i) {
            float& product = out[c * n + begin + i];
            product = gg[static_cast<size_t>(c * width + i)] * (1 + product);
          }
        }
      }
      for (int64_t c = 0; c < count; ++c)
        finish(which[static_cast<size_t>(c)], begin, end, out + c * n);
    });
  }

  double diagonal(int64_t i) const override {
    switch (kind_) {
      case Kind::product: return squares_[static_cast<size_t>(i)];
      case Kind::cosine: return squares_[static_cast<size_t>(i)] > 0 ? 1 : 0.5;
      case Kind::distance: break;
    }
    return offset_;
  }

 private:
  // From <i, j> to s_ij for i in begin ... end - 1.
  void finish(int64_t j, int64_t begin, int64_t end, float* column) const {
    if (kind_ == Kind::product) return;
    if (kind_ == Kind::cosine) {
      for (int64_t i = begin; i < end; ++i) {
        column[i] = std::min(1.0F, std::max(0.0F, 0.5F + 0.5F * column[i]));
      }
    } else {
      const auto c = static_cast<float>(offset_);
      const auto square_j = static_cast<float>(squares_[static_cast<size_t>(j)]);
      const double* squares = squares_.data();
      for (int64_t i = begin; i < end; ++i) {
        const float square = static_cast<float>(squares[i]) + square_j - 2 * column[i];
        column[i] = std::max(0.0F, c - std::sqrt(std::max(0.0F, square)));
      }
    }
    if (j >= begin && j < end) column[j] = static_cast<float>(diagonal(j));
  }

  SampleVectors samples_;
  Kind kind_;
  std::vector<double> squares_;  // |i|^2
  double offset_ = 0;            // c of s = c - |i - j|
};

}  // namespace

void check_rows(const char* op, const Tensor& rows) {
  check_shape(
      rows.defined() && rows.rank() == 2 && rows.size(0) > 0 && rows.size(1) > 0, op,
      "needs rows [n, d], got ", rows.defined() ? join_text(rows.shape()) : "nothing");
  check_dtype(rows.dtype() == DType::f32, op, "needs f32, got ", name_of(rows.dtype()));
  const auto values = rows.values<float>();
  const auto bad =
      std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  check_value(
      bad == values.end(), op, "sample ", (bad - values.begin()) / rows.size(1),
      " holds NaN or infinity");
}

std::vector<double> row_of(const Tensor& rows, int64_t i) {
  return {row(rows, i), row(rows, i) + rows.size(1)};
}

std::vector<double> mean_row(const Tensor& rows) {
  const int64_t n = rows.size(0), d = rows.size(1);
  std::vector<double> mean(static_cast<size_t>(d));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < d; ++k)
      mean[static_cast<size_t>(k)] += static_cast<double>(row(rows, i)[k]);
  }
  for (double& value : mean) value /= static_cast<double>(n);
  return mean;
}

std::vector<double> median_row(const Tensor& rows) {
  const int64_t n = rows.size(0), d = rows.size(1);
  std::vector<double> median, column(static_cast<size_t>(n));
  for (int64_t k = 0; k < d; ++k) {
    for (int64_t i = 0; i < n; ++i)
      column[static_cast<size_t>(i)] = static_cast<double>(row(rows, i)[k]);
    std::sort(column.begin(), column.end());
    median.push_back(
        (column[static_cast<size_t>((n - 1) / 2)] + column[static_cast<size_t>(n / 2)]) / 2);
  }
  return median;
}

void squared_distances(const Tensor& rows, std::span<const double> point, std::span<double> out) {
  check_point("squared_distances", rows, point, out);
  parallel::for_blocks(rows.size(0), kRowsPerBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      out[static_cast<size_t>(i)] = squared_distance(row(rows, i), point.data(), rows.size(1));
    }
  });
}

void inner_products(const Tensor& rows, std::span<const double> point, std::span<double> out) {
  check_point("inner_products", rows, point, out);
  parallel::for_blocks(rows.size(0), kRowsPerBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      out[static_cast<size_t>(i)] = inner_product(row(rows, i), point.data(), rows.size(1));
    }
  });
}

Neighbours nearest_neighbours(const Tensor& rows, int64_t k) {
  check_rows("nearest_neighbours", rows);
  check_value(k >= 1, "nearest_neighbours", "k must be at least 1, got ", k);
  constexpr int64_t kMargin = 8;    // proposals beyond k
  constexpr int64_t kQueries = 64;  // rows of one product
  const int64_t n = rows.size(0), d = rows.size(1);
  Neighbours result{.count = std::min(k, n - 1), .index = {}, .distance = {}};
  const int64_t count = result.count;
  result.index.resize(static_cast<size_t>(n * count));
  result.distance.resize(result.index.size());
  if (count == 0) return result;
  const Tensor Z = centred_and_scaled(rows);
  const std::vector<double> squares = squared_norms(Z);
  parallel::for_blocks(n, kQueries, [&](int64_t begin, int64_t end) {
    std::vector<float> table(static_cast<size_t>((end - begin) * n));
    const std::vector<int64_t> queries = index_range(begin, end);
    products(take_rows(Z, queries), Z, 0, n, table.data(), n);
    for (int64_t i = begin; i < end; ++i) {
      // |z_i - z_j|^2 - |z_i|^2, then the exact distances of those that may be near
      float* line = table.data() + (i - begin) * n;
      for (int64_t j = 0; j < n; ++j)
        line[j] = static_cast<float>(squares[static_cast<size_t>(j)]) - 2 * line[j];
      std::vector<Near> near =
          proposals(line, n, i, static_cast<size_t>(std::min(n - 1, count + kMargin)));
      for (Near& candidate : near) {
        candidate.first = std::sqrt(squared_distance(row(rows, i), row(rows, candidate.second), d));
      }
      std::sort(near.begin(), near.end());
      for (int64_t c = 0; c < count; ++c) {
        result.index[static_cast<size_t>(i * count + c)] = near[static_cast<size_t>(c)].second;
        result.distance[static_cast<size_t>(i * count + c)] = near[static_cast<size_t>(c)].first;
      }
    }
  });
  return result;
}

std::unique_ptr<Similarities> given_similarities(const Tensor& S) {
  return std::make_unique<Given>(S);
}

std::unique_ptr<Similarities> cosine_similarities(const SampleVectors& samples) {
  return std::make_unique<FromProducts>(samples, FromProducts::Kind::cosine);
}

std::unique_ptr<Similarities> distance_similarities(const SampleVectors& samples) {
  SampleVectors centred = samples;
  if (!samples.factors.defined()) {
    check_rows("similarities", samples.features);
    const std::vector<double> mean = mean_row(samples.features);
    const int64_t d = samples.features.size(1);
    centred.features = samples.features.clone();
    float* z = centred.features.mutable_data<float>();
    for (int64_t i = 0; i < samples.features.numel(); ++i) {
      z[i] = static_cast<float>(static_cast<double>(z[i]) - mean[static_cast<size_t>(i % d)]);
    }
  }
  return std::make_unique<FromProducts>(centred, FromProducts::Kind::distance);
}

std::unique_ptr<Similarities> product_similarities(const SampleVectors& samples) {
  return std::make_unique<FromProducts>(samples, FromProducts::Kind::product);
}

}  // namespace limpid::interpret
