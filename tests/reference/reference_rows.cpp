// tests/reference/reference_rows.cpp: naive sums along a line, table rows, orders, even windows.
#include "tests/reference/reference.h"

#include <algorithm>
#include <cmath>

namespace limpid::reference {
namespace {

// Calls f(values of one line, put) for every line along an axis; put(j, value) writes the result.
template <class F>
Tensor along(const Tensor& x, int axis, const F& f) {
  const std::vector<double> values = x.to_vector();
  std::vector<double> y(values.size());
  const int64_t n = x.shape()[axis];
  int64_t inner = 1;
  for (int d = axis + 1; d < x.rank(); ++d) inner *= x.shape()[d];
  for (int64_t i = 0; i < x.numel(); ++i) {
    if (i / inner % n != 0) continue;  // not the start of a line
    std::vector<double> line;
    for (int64_t j = 0; j < n; ++j) line.push_back(values[static_cast<size_t>(i + j * inner)]);
    const std::vector<double> result = f(line);
    for (int64_t j = 0; j < n; ++j) {
      y[static_cast<size_t>(i + j * inner)] = result[static_cast<size_t>(j)];
    }
  }
  return Tensor::of(x.shape(), y, DType::f64);
}

// The shape with one more dimension at its end.
Shape longer(const Shape& shape, int64_t size) {
  std::vector<int64_t> sizes(shape.sizes().begin(), shape.sizes().end());
  sizes.push_back(size);
  return Shape(std::span<const int64_t>(sizes));
}

}  // namespace

Tensor stack(const std::vector<Tensor>& parts, int axis) {
  std::vector<Tensor> raised;
  for (const Tensor& part : parts) {
    std::vector<int64_t> sizes(part.shape().sizes().begin(), part.shape().sizes().end());
    sizes.insert(sizes.begin() + axis, 1);
    const Shape shape{std::span<const int64_t>(sizes)};
    raised.push_back(Tensor::of(shape, part.to_vector(), DType::f64));
  }
  return concat(raised, axis);
}

Tensor cumsum(const Tensor& x, int axis, bool from_the_end) {
  return along(x, axis, [&](const std::vector<double>& line) {
    std::vector<double> sums(line.size(), 0.0);
    for (size_t j = 0; j < line.size(); ++j) {
      for (size_t k = 0; k < line.size(); ++k) {
        if (from_the_end ? k >= j : k <= j) sums[j] += line[k];
      }
    }
    return sums;
  });
}

Tensor arg_sort(const Tensor& x, int axis, bool descending) {
  return along(x, axis, [&](const std::vector<double>& line) {
    // Insertion: an entry moves up past those that it must precede, and never past an equal one
    std::vector<double> order;
    for (size_t j = 0; j < line.size(); ++j) {
      const auto precedes = [&](double other) {
        const double v = line[static_cast<size_t>(other)];
        if (std::isnan(line[j])) return false;
        return std::isnan(v) || (descending ? line[j] > v : line[j] < v);
      };
      auto place = order.end();
      while (place != order.begin() && precedes(*(place - 1))) --place;
      order.insert(place, static_cast<double>(j));
    }
    return order;
  });
}

Tensor log_sum_exp(const Tensor& x) {
  return reduce(x, {x.rank() - 1}, [](std::span<const double> row) {
    long double sum = 0;
    for (const double v : row) sum += std::exp(static_cast<long double>(v));
    return static_cast<double>(std::log(sum));
  });
}

// ---- Rows of a table ----

Tensor take_rows(const Tensor& x, const Tensor& index) {
  const std::vector<double> table = x.to_vector();
  const int64_t D = x.shape()[1];
  std::vector<double> y;
  for (const double row : index.to_vector()) {
    const auto begin = table.begin() + static_cast<int64_t>(row) * D;
    y.insert(y.end(), begin, begin + D);
  }
  return Tensor::of(longer(index.shape(), D), y, DType::f64);
}

Tensor add_rows(const Tensor& g_in, const Tensor& index, int64_t rows) {
  const std::vector<double> g = g_in.to_vector();
  const std::vector<double> at = index.to_vector();
  const int64_t D = g_in.shape()[g_in.rank() - 1];
  std::vector<double> y(static_cast<size_t>(rows * D), 0.0);
  for (int64_t i = 0; i < g_in.numel(); ++i) {
    const auto row = static_cast<int64_t>(at[static_cast<size_t>(i / D)]);
    y[static_cast<size_t>(row * D + i % D)] += g[static_cast<size_t>(i)];
  }
  return Tensor::of({rows, D}, y, DType::f64);
}

Tensor one_hot(const Tensor& index, int64_t classes) {
  std::vector<double> y;
  for (const double label : index.to_vector()) {
    for (int64_t k = 0; k < classes; ++k) y.push_back(static_cast<double>(k) == label ? 1 : 0);
  }
  return Tensor::of(longer(index.shape(), classes), y, DType::f64);
}

// ---- Windows that cover an image evenly, and copies of cells ----

namespace {

// Calls f(output, input, share) with flat positions: share is the part of the input cell that goes
// into the output cell. share_1d(p, i, H, P) is the same for rows alone and columns alone.
template <class Share, class F>
void for_shares(const Shape& x, int64_t P, int64_t Q, const Share& share_1d, const F& f) {
  const int64_t H = x[2], W = x[3];
  for (int64_t plane = 0; plane < x[0] * x[1]; ++plane) {
    for (int64_t out = 0; out < P * Q; ++out) {
      for (int64_t in = 0; in < H * W; ++in) {
        const double share = share_1d(out / Q, in / W, H, P) * share_1d(out % Q, in % W, W, Q);
        f(static_cast<size_t>(plane * P * Q + out), static_cast<size_t>(plane * H * W + in), share);
      }
    }
  }
}

double even_share(int64_t p, int64_t i, int64_t H, int64_t P) {
  const double scale = static_cast<double>(H) / static_cast<double>(P);
  const double begin = std::floor(static_cast<double>(p) * scale + 1e-9);
  const double end = std::ceil(static_cast<double>(p + 1) * scale - 1e-9);
  const auto cell = static_cast<double>(i);
  return cell >= begin && cell < end ? 1 / (end - begin) : 0;
}

double nearest_share(int64_t p, int64_t i, int64_t H, int64_t P) {
  return p * H >= i * P && p * H < (i + 1) * P ? 1 : 0;
}

template <class Share>
Tensor shared(const Tensor& x_in, int64_t P, int64_t Q, const Share& share_1d) {
  const std::vector<double> x = x_in.to_vector();
  const Shape shape = {x_in.shape()[0], x_in.shape()[1], P, Q};
  std::vector<double> y(static_cast<size_t>(shape.numel()), 0.0);
  for_shares(x_in.shape(), P, Q, share_1d, [&](size_t out, size_t in, double share) {
    y[out] += share * x[in];
  });
  return Tensor::of(shape, y, DType::f64);
}

template <class Share>
Tensor given_back(const Tensor& g_in, const Shape& input, const Share& share_1d) {
  const std::vector<double> g = g_in.to_vector();
  std::vector<double> dx(static_cast<size_t>(input.numel()), 0.0);
  const Shape& s = g_in.shape();
  for_shares(input, s[2], s[3], share_1d, [&](size_t out, size_t in, double share) {
    dx[in] += share * g[out];
  });
  return Tensor::of(input, dx, DType::f64);
}

}  // namespace

Tensor adaptive_avg_pool2d(const Tensor& x, int64_t height, int64_t width) {
  return shared(x, height, width, even_share);
}

Tensor adaptive_avg_pool2d_input(const Tensor& g, const Shape& input) {
  return given_back(g, input, even_share);
}

Tensor resize_nearest(const Tensor& x, int64_t height, int64_t width) {
  return shared(x, height, width, nearest_share);
}

Tensor resize_nearest_input(const Tensor& g, int64_t height, int64_t width) {
  return given_back(g, {g.shape()[0], g.shape()[1], height, width}, nearest_share);
}

// ---- Norms ----

namespace {

// Standardizes every run of `count` neighbours, then scales by gamma[f(i)] and adds beta[f(i)].
template <class Feature>
Tensor runs_normed(
    const Tensor& x_in, int64_t count, double epsilon, const Tensor& gamma, const Tensor& beta,
    const Feature& f) {
  const std::vector<double> x = x_in.to_vector();
  std::vector<double> y;
  for (int64_t i = 0; i < x_in.numel(); ++i) {
    const std::span<const double> run =
        std::span(x).subspan(static_cast<size_t>(i / count * count), static_cast<size_t>(count));
    const auto feature = static_cast<size_t>(f(i));
    const double h = (x[static_cast<size_t>(i)] - average(run)) / std::sqrt(spread(run) + epsilon);
    const double scale = gamma.defined() ? gamma.to_vector()[feature] : 1;
    const double shift = beta.defined() ? beta.to_vector()[feature] : 0;
    y.push_back(scale * h + shift);
  }
  return Tensor::of(x_in.shape(), y, DType::f64);
}

}  // namespace

Tensor group_norm(
    const Tensor& x, int64_t groups, const Tensor& gamma, const Tensor& beta, double epsilon) {
  const int64_t C = x.shape()[1];
  int64_t inner = 1;
  for (int d = 2; d < x.rank(); ++d) inner *= x.shape()[d];
  return runs_normed(
      x, C / groups * inner, epsilon, gamma, beta, [=](int64_t i) { return i / inner % C; });
}

Tensor layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon) {
  const int64_t D = x.shape()[x.rank() - 1];
  return runs_normed(x, D, epsilon, gamma, beta, [=](int64_t i) { return i % D; });
}

}  // namespace limpid::reference
