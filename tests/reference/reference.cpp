// tests/reference/reference.cpp: one loop nest per op, straight from the formula.
#include "tests/reference/reference.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace limpid::reference {
namespace {

using Position = std::array<int64_t, kMaxRank>;

Position position_of(const Shape& shape, int64_t i) {
  Position p{};
  for (int d = shape.rank() - 1; d >= 0; --d) {
    p[static_cast<size_t>(d)] = i % shape[d];
    i /= shape[d];
  }
  return p;
}

int64_t index_of(const Shape& shape, const Position& p) {
  int64_t i = 0;
  for (int d = 0; d < shape.rank(); ++d) i = i * shape[d] + p[static_cast<size_t>(d)];
  return i;
}

// A tensor under construction: a shape and its values, all zero at first.
struct Values {
  Shape shape;
  std::vector<double> v;

  explicit Values(const Shape& s) : shape(s), v(static_cast<size_t>(s.numel()), 0.0) {}
  explicit Values(const Tensor& t) : shape(t.shape()), v(t.to_vector()) {}
  int64_t size() const { return shape.numel(); }
  double& operator[](int64_t i) { return v[static_cast<size_t>(i)]; }
  double operator[](int64_t i) const { return v[static_cast<size_t>(i)]; }
  double& at(int64_t a, int64_t b, int64_t c, int64_t d) {
    return (*this)[((a * shape[1] + b) * shape[2] + c) * shape[3] + d];
  }
  double at(int64_t a, int64_t b, int64_t c, int64_t d) const {
    return (*this)[((a * shape[1] + b) * shape[2] + c) * shape[3] + d];
  }
  Tensor tensor() const { return Tensor::of(shape, v, DType::f64); }
};

// The position in `shape` that broadcasting reads for position p of `out`.
int64_t broadcast_index(const Shape& shape, const Shape& out, const Position& p) {
  Position q{};
  const int lead = out.rank() - shape.rank();
  for (int d = 0; d < shape.rank(); ++d) {
    q[static_cast<size_t>(d)] = shape[d] == 1 ? 0 : p[static_cast<size_t>(d + lead)];
  }
  return index_of(shape, q);
}

Shape broadcast_shape(const Shape& a, const Shape& b) {
  std::vector<int64_t> sizes;
  const int rank = std::max(a.rank(), b.rank());
  for (int d = 0; d < rank; ++d) {
    const int64_t na = d < rank - a.rank() ? 1 : a[d - (rank - a.rank())];
    const int64_t nb = d < rank - b.rank() ? 1 : b[d - (rank - b.rank())];
    sizes.push_back(na == 1 ? nb : na);
  }
  return Shape(std::span<const int64_t>(sizes));
}

}  // namespace

Tensor map(const Tensor& x, const std::function<double(double)>& f) {
  Values y(x);
  for (double& value : y.v) value = f(value);
  return y.tensor();
}

Tensor map(const Tensor& a_in, const Tensor& b_in, const std::function<double(double, double)>& f) {
  const Values a(a_in), b(b_in);
  Values y(broadcast_shape(a.shape, b.shape));
  for (int64_t i = 0; i < y.size(); ++i) {
    const Position p = position_of(y.shape, i);
    y[i] = f(a[broadcast_index(a.shape, y.shape, p)], b[broadcast_index(b.shape, y.shape, p)]);
  }
  return y.tensor();
}

// ---- Rearrangements ----

Tensor permute(const Tensor& x_in, const std::vector<int>& order) {
  const Values x(x_in);
  std::vector<int64_t> sizes;
  for (const int d : order) sizes.push_back(x.shape[d]);
  Values y{Shape(std::span<const int64_t>(sizes))};
  for (int64_t i = 0; i < y.size(); ++i) {
    const Position p = position_of(y.shape, i);
    Position q{};
    for (size_t d = 0; d < order.size(); ++d) q[static_cast<size_t>(order[d])] = p[d];
    y[i] = x[index_of(x.shape, q)];
  }
  return y.tensor();
}

Tensor broadcast_to(const Tensor& x_in, const Shape& shape) {
  const Values x(x_in);
  Values y(shape);
  for (int64_t i = 0; i < y.size(); ++i) {
    y[i] = x[broadcast_index(x.shape, shape, position_of(shape, i))];
  }
  return y.tensor();
}

Tensor sum_to(const Tensor& x_in, const Shape& shape) {
  const Values x(x_in);
  Values y(shape);
  for (int64_t i = 0; i < x.size(); ++i) {
    y[broadcast_index(shape, x.shape, position_of(x.shape, i))] += x[i];
  }
  return y.tensor();
}

Tensor slice(const Tensor& x_in, int axis, int64_t begin, int64_t end) {
  const Values x(x_in);
  Values y(x.shape.with(axis, end - begin));
  for (int64_t i = 0; i < y.size(); ++i) {
    Position p = position_of(y.shape, i);
    p[static_cast<size_t>(axis)] += begin;
    y[i] = x[index_of(x.shape, p)];
  }
  return y.tensor();
}

Tensor pad(const Tensor& x_in, int axis, int64_t before, int64_t after) {
  const Values x(x_in);
  Values y(x.shape.with(axis, before + x.shape[axis] + after));
  for (int64_t i = 0; i < x.size(); ++i) {
    Position p = position_of(x.shape, i);
    p[static_cast<size_t>(axis)] += before;
    y[index_of(y.shape, p)] = x[i];
  }
  return y.tensor();
}

Tensor concat(const std::vector<Tensor>& parts, int axis) {
  int64_t size = 0;
  for (const Tensor& part : parts) size += part.shape()[axis];
  Values y(parts.front().shape().with(axis, size));
  int64_t begin = 0;
  for (const Tensor& part : parts) {
    const Values x(part);
    for (int64_t i = 0; i < x.size(); ++i) {
      Position p = position_of(x.shape, i);
      p[static_cast<size_t>(axis)] += begin;
      y[index_of(y.shape, p)] = x[i];
    }
    begin += x.shape[axis];
  }
  return y.tensor();
}

Tensor gather(const Tensor& x_in, const Tensor& index_in, int axis) {
  const Values x(x_in), index(index_in);
  Values y(index.shape);
  for (int64_t i = 0; i < y.size(); ++i) {
    Position p = position_of(y.shape, i);
    p[static_cast<size_t>(axis)] = static_cast<int64_t>(index[i]);
    y[i] = x[index_of(x.shape, p)];
  }
  return y.tensor();
}

Tensor scatter_add(const Tensor& g_in, const Tensor& index_in, int axis, int64_t size) {
  const Values g(g_in), index(index_in);
  Values y(g.shape.with(axis, size));
  for (int64_t i = 0; i < g.size(); ++i) {
    Position p = position_of(g.shape, i);
    p[static_cast<size_t>(axis)] = static_cast<int64_t>(index[i]);
    y[index_of(y.shape, p)] += g[i];
  }
  return y.tensor();
}

// ---- Reductions ----

Tensor reduce(const Tensor& x_in, const std::vector<int>& axes, const Summary& f) {
  const Values x(x_in);
  Shape shape = x.shape;
  for (const int d : axes) shape = shape.with(d, 1);
  Values y(shape);
  std::vector<std::vector<double>> groups(y.v.size());
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t group = broadcast_index(shape, x.shape, position_of(x.shape, i));
    groups[static_cast<size_t>(group)].push_back(x[i]);
  }
  for (size_t i = 0; i < groups.size(); ++i) y.v[i] = f(groups[i]);
  return y.tensor();
}

Tensor reduce(const Tensor& x, const Summary& f) {
  return Tensor::scalar(f(x.to_vector()), DType::f64);
}

double total(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum;
}

double average(std::span<const double> values) {
  return total(values) / static_cast<double>(values.size());
}

double spread(std::span<const double> values) {
  const double centre = average(values);
  double sum = 0;
  for (const double v : values) sum += (v - centre) * (v - centre);
  return sum / static_cast<double>(values.size());
}

double length(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum);
}

double where_largest(std::span<const double> values) {
  size_t best = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) return static_cast<double>(i);
    if (values[i] > values[best]) best = i;
  }
  return static_cast<double>(best);
}

double largest(std::span<const double> values) {
  return values[static_cast<size_t>(where_largest(values))];
}

// ---- Products ----

Tensor matmul(const Tensor& a_in, const Tensor& b_in, bool transpose_a, bool transpose_b) {
  const Values a(a_in), b(b_in);
  const int rows = a.shape.rank() - 2;
  const int64_t M = a.shape[transpose_a ? rows + 1 : rows];
  const int64_t K = a.shape[transpose_a ? rows : rows + 1];
  const int64_t N = b.shape[b.shape.rank() - (transpose_b ? 2 : 1)];
  Values y(a.shape.with(rows, M).with(rows + 1, N));
  const int64_t batch = y.size() / std::max<int64_t>(M * N, 1);
  for (int64_t i = 0; i < batch; ++i) {
    const int64_t at_a = i * M * K;
    const int64_t at_b = b.shape.rank() == 2 ? 0 : i * K * N;
    for (int64_t m = 0; m < M; ++m) {
      for (int64_t n = 0; n < N; ++n) {
        double sum = 0;
        for (int64_t k = 0; k < K; ++k) {
          sum += a[at_a + (transpose_a ? k * M + m : m * K + k)] *
                 b[at_b + (transpose_b ? n * K + k : k * N + n)];
        }
        y[(i * M + m) * N + n] = sum;
      }
    }
  }
  return y.tensor();
}

namespace {

// Calls f(n, k, p, q, c in x, c in w, r, s, y, z) for every product of the trilinear form.
template <class F>
void for_products(
    const Shape& g, const Shape& x, const Shape& w, const ConvOptions& o, const F& f) {
  const int64_t channels = w[1];            // per group
  const int64_t filters = g[1] / o.groups;  // per group
  for (int64_t n = 0; n < g[0]; ++n) {
    for (int64_t k = 0; k < g[1]; ++k) {
      for (int64_t p = 0; p < g[2]; ++p) {
        for (int64_t q = 0; q < g[3]; ++q) {
          for (int64_t i = 0; i < channels * w[2] * w[3]; ++i) {
            const int64_t c = i / (w[2] * w[3]);
            const int64_t r = i / w[3] % w[2];
            const int64_t s = i % w[3];
            const int64_t y = p * o.stride + r * o.dilation - o.padding;
            const int64_t z = q * o.stride + s * o.dilation - o.padding;
            if (y < 0 || y >= x[2] || z < 0 || z >= x[3]) continue;
            f(n, k, p, q, k / filters * channels + c, c, r, s, y, z);
          }
        }
      }
    }
  }
}

int64_t conv_outputs(int64_t image, int64_t filter, const ConvOptions& o) {
  return (image + 2 * o.padding - (filter - 1) * o.dilation - 1) / o.stride + 1;
}

}  // namespace

Tensor conv2d(const Tensor& x_in, const Tensor& w_in, const ConvOptions& o) {
  const Values x(x_in), w(w_in);
  Values result(
      {x.shape[0], w.shape[0], conv_outputs(x.shape[2], w.shape[2], o),
       conv_outputs(x.shape[3], w.shape[3], o)});
  for_products(
      result.shape, x.shape, w.shape, o,
      [&](auto n, auto k, auto p, auto q, auto cx, auto cw, auto r, auto s, auto y, auto z) {
        result.at(n, k, p, q) += x.at(n, cx, y, z) * w.at(k, cw, r, s);
      });
  return result.tensor();
}

Tensor conv2d_input(
    const Tensor& g_in, const Tensor& w_in, const Shape& input, const ConvOptions& o) {
  const Values g(g_in), w(w_in);
  Values result(input);
  for_products(
      g.shape, input, w.shape, o,
      [&](auto n, auto k, auto p, auto q, auto cx, auto cw, auto r, auto s, auto y, auto z) {
        result.at(n, cx, y, z) += g.at(n, k, p, q) * w.at(k, cw, r, s);
      });
  return result.tensor();
}

Tensor conv2d_weight(
    const Tensor& g_in, const Tensor& x_in, const Shape& weight, const ConvOptions& o) {
  const Values g(g_in), x(x_in);
  Values result(weight);
  for_products(
      g.shape, x.shape, weight, o,
      [&](auto n, auto k, auto p, auto q, auto cx, auto cw, auto r, auto s, auto y, auto z) {
        result.at(k, cw, r, s) += g.at(n, k, p, q) * x.at(n, cx, y, z);
      });
  return result.tensor();
}

// ---- Pooling ----

namespace {

// Windows that fit into the padded line; with ceil, also one that begins on it and reaches over.
int64_t windows(int64_t cells, const PoolOptions& o) {
  const int64_t stride = o.stride == 0 ? o.size : o.stride;
  int64_t count = 0;
  int64_t end = 0;  // of the last window, from the start of the padding
  for (int64_t begin = 0;; begin += stride, ++count) {
    const bool fits = begin + o.size <= cells + 2 * o.padding;
    const bool reaches_over = o.ceil && end < cells + 2 * o.padding && begin < cells + o.padding;
    if (!fits && !reaches_over) return count;
    end = begin + o.size;
  }
}

Shape pooled(const Shape& x, const PoolOptions& o) {
  return {x[0], x[1], windows(x[2], o), windows(x[3], o)};
}

// Calls f(output index, input index within the plane, plane) for every cell of every window.
template <class F>
void for_cells(const Shape& x, const PoolOptions& o, const F& f) {
  const Shape y = pooled(x, o);
  const int64_t stride = o.stride == 0 ? o.size : o.stride;
  for (int64_t i = 0; i < y.numel(); ++i) {
    const Position p = position_of(y, i);
    for (int64_t r = 0; r < o.size; ++r) {
      for (int64_t s = 0; s < o.size; ++s) {
        const int64_t row = p[2] * stride + r - o.padding;
        const int64_t column = p[3] * stride + s - o.padding;
        if (row < 0 || row >= x[2] || column < 0 || column >= x[3]) continue;
        f(i, row * x[3] + column, p[0] * x[1] + p[1]);
      }
    }
  }
}

}  // namespace

Tensor max_pool2d_positions(const Tensor& x_in, const PoolOptions& o) {
  const Values x(x_in);
  Values best(pooled(x.shape, o));
  std::fill(best.v.begin(), best.v.end(), -1.0);
  const int64_t plane_size = x.shape[2] * x.shape[3];
  for_cells(x.shape, o, [&](int64_t i, int64_t cell, int64_t plane) {
    if (best[i] < 0) best[i] = static_cast<double>(cell);
    const double top = x[plane * plane_size + static_cast<int64_t>(best[i])];
    const double value = x[plane * plane_size + cell];
    if (value > top || (std::isnan(value) && !std::isnan(top))) best[i] = static_cast<double>(cell);
  });
  return best.tensor();
}

Tensor max_pool2d(const Tensor& x_in, const PoolOptions& o) {
  const Values x(x_in);
  Values y(max_pool2d_positions(x_in, o));
  const int64_t planes = std::max<int64_t>(x.shape[0] * x.shape[1], 1);
  const int64_t per_plane = y.size() / planes;
  for (int64_t i = 0; i < y.size(); ++i) {
    y[i] = x[i / per_plane * x.shape[2] * x.shape[3] + static_cast<int64_t>(y[i])];
  }
  return y.tensor();
}

Tensor avg_pool2d(const Tensor& x_in, const PoolOptions& o) {
  const Values x(x_in);
  Values y(pooled(x.shape, o));
  for_cells(x.shape, o, [&](int64_t i, int64_t cell, int64_t plane) {
    y[i] += x[plane * x.shape[2] * x.shape[3] + cell] / static_cast<double>(o.size * o.size);
  });
  return y.tensor();
}

Tensor avg_pool2d_input(const Tensor& g_in, const Shape& input, const PoolOptions& o) {
  const Values g(g_in);
  Values dx(input);
  for_cells(input, o, [&](int64_t i, int64_t cell, int64_t plane) {
    dx[plane * input[2] * input[3] + cell] += g[i] / static_cast<double>(o.size * o.size);
  });
  return dx.tensor();
}

Tensor plane_pick(const Tensor& x_in, const std::vector<int>& positions, const Shape& output) {
  const Values x(x_in);
  Values y(output);
  const int64_t plane_size = x.shape[2] * x.shape[3];
  for (int64_t i = 0; i < y.size(); ++i) {
    const int64_t plane = i / (output[2] * output[3]);
    y[i] = x[plane * plane_size + positions[static_cast<size_t>(i)]];
  }
  return y.tensor();
}

Tensor plane_spread(const Tensor& g_in, const std::vector<int>& positions, const Shape& input) {
  const Values g(g_in);
  Values y(input);
  for (int64_t i = 0; i < g.size(); ++i) {
    const int64_t plane = i / (g.shape[2] * g.shape[3]);
    y[plane * input[2] * input[3] + positions[static_cast<size_t>(i)]] += g[i];
  }
  return y.tensor();
}

// ---- Resizing ----

namespace {

// Calls f(plane, output row, output column, input row, input column, weight).
template <class F>
void for_weights(const Shape& x, int64_t height, int64_t width, const F& f) {
  const auto place = [](int64_t i, int64_t in, int64_t out) {
    const double exact =
        (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
    return std::clamp(exact, 0.0, static_cast<double>(in - 1));
  };
  const auto weight = [](double exact, int64_t cell) {  // the hat function around the cell
    return std::max(0.0, 1 - std::abs(exact - static_cast<double>(cell)));
  };
  for (int64_t plane = 0; plane < x[0] * x[1]; ++plane) {
    for (int64_t p = 0; p < height; ++p) {
      for (int64_t q = 0; q < width; ++q) {
        for (int64_t i = 0; i < x[2]; ++i) {
          for (int64_t j = 0; j < x[3]; ++j) {
            const double share =
                weight(place(p, x[2], height), i) * weight(place(q, x[3], width), j);
            if (share > 0) f(plane, p, q, i, j, share);
          }
        }
      }
    }
  }
}

}  // namespace

Tensor resize_bilinear(const Tensor& x_in, int64_t height, int64_t width) {
  const Values x(x_in);
  Values y({x.shape[0], x.shape[1], height, width});
  for_weights(
      x.shape, height, width, [&](auto plane, auto p, auto q, auto i, auto j, double share) {
        y.at(0, plane, p, q) += share * x.at(0, plane, i, j);
      });
  return y.tensor();
}

Tensor resize_bilinear_input(const Tensor& g_in, int64_t height, int64_t width) {
  const Values g(g_in);
  Values dx({g.shape[0], g.shape[1], height, width});
  for_weights(
      dx.shape, g.shape[2], g.shape[3],
      [&](auto plane, auto p, auto q, auto i, auto j, double share) {
        dx.at(0, plane, i, j) += share * g.at(0, plane, p, q);
      });
  return dx.tensor();
}

// ---- Standardizing ----

namespace {

// Mean and variance of each group, and where each element belongs.
struct Groups {
  std::vector<double> mean, variance;
  std::vector<size_t> group;    // of each element
  std::vector<size_t> channel;  // of each element
  double M = 0;                 // values per group
};

Groups groups_of(const Values& x, const NormOptions& o) {
  const int64_t C = x.shape[1];
  const int64_t inner = x.size() / std::max<int64_t>(x.shape[0] * C, 1);
  const bool per_image = o.groups == NormGroups::image_and_channel;
  Groups g;
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t plane = i / inner;
    g.channel.push_back(static_cast<size_t>(plane % C));
    g.group.push_back(static_cast<size_t>(per_image ? plane : plane % C));
  }
  const auto count = static_cast<size_t>(per_image ? x.shape[0] * C : C);
  g.M = static_cast<double>(x.size()) / static_cast<double>(count);
  g.mean.assign(count, 0.0);
  g.variance.assign(count, 0.0);
  for (size_t i = 0; i < x.v.size(); ++i) g.mean[g.group[i]] += x.v[i] / g.M;
  for (size_t i = 0; i < x.v.size(); ++i) {
    const double centred = x.v[i] - g.mean[g.group[i]];
    g.variance[g.group[i]] += centred * centred / g.M;
  }
  return g;
}

double scale_of(const Groups& g, size_t group, const NormOptions& o) {
  return 1 / std::sqrt(g.variance[group] + o.epsilon);
}

// h of every element.
std::vector<double> standard_values(const Values& x, const Groups& g, const NormOptions& o) {
  std::vector<double> h;
  for (size_t i = 0; i < x.v.size(); ++i) {
    h.push_back((x.v[i] - g.mean[g.group[i]]) * scale_of(g, g.group[i], o));
  }
  return h;
}

std::vector<double> values_or(const Tensor& t, double value, int64_t count) {
  if (t.defined()) return t.to_vector();
  return std::vector<double>(static_cast<size_t>(count), value);
}

}  // namespace

Tensor moments(const Tensor& x_in, const NormOptions& o) {
  const Groups g = groups_of(Values(x_in), o);
  std::vector<double> all = g.mean;
  for (size_t i = 0; i < g.mean.size(); ++i) all.push_back(scale_of(g, i, o));
  all.insert(all.end(), g.variance.begin(), g.variance.end());
  return Tensor::of({static_cast<int64_t>(all.size())}, all, DType::f64);
}

Tensor standardize(
    const Tensor& x_in, const Tensor& gamma_in, const Tensor& beta_in, const NormOptions& o) {
  const Values x(x_in);
  const Groups g = groups_of(x, o);
  const std::vector<double> h = standard_values(x, g, o);
  const std::vector<double> gamma = values_or(gamma_in, 1, x.shape[1]);
  const std::vector<double> beta = values_or(beta_in, 0, x.shape[1]);
  Values y(x.shape);
  for (size_t i = 0; i < h.size(); ++i) y.v[i] = gamma[g.channel[i]] * h[i] + beta[g.channel[i]];
  return y.tensor();
}

Tensor standardize_input(
    const Tensor& g_in, const Tensor& x_in, const Tensor& gamma_in, const NormOptions& o) {
  const Values x(x_in);
  const Groups g = groups_of(x, o);
  const std::vector<double> h = standard_values(x, g, o);
  const std::vector<double> gamma = values_or(gamma_in, 1, x.shape[1]);
  Values u(g_in);
  for (size_t i = 0; i < h.size(); ++i) u.v[i] *= gamma[g.channel[i]];

  std::vector<double> mean_u(g.mean.size(), 0.0);
  std::vector<double> mean_uh(g.mean.size(), 0.0);
  for (size_t i = 0; i < h.size(); ++i) {
    mean_u[g.group[i]] += u.v[i] / g.M;
    mean_uh[g.group[i]] += u.v[i] * h[i] / g.M;
  }
  Values dx(x.shape);
  for (size_t i = 0; i < h.size(); ++i) {
    const size_t k = g.group[i];
    dx.v[i] = scale_of(g, k, o) * (u.v[i] - mean_u[k] - h[i] * mean_uh[k]);
  }
  return dx.tensor();
}

Tensor standardize_gamma(const Tensor& g_in, const Tensor& x_in, const NormOptions& o) {
  const Values x(x_in), upstream(g_in);
  const Groups g = groups_of(x, o);
  const std::vector<double> h = standard_values(x, g, o);
  Values dgamma(Shape{x.shape[1]});
  for (size_t i = 0; i < h.size(); ++i) dgamma.v[g.channel[i]] += upstream.v[i] * h[i];
  return dgamma.tensor();
}

Tensor scale_shift(const Tensor& x_in, const Tensor& scale, const Tensor& shift_in) {
  Values x(x_in);
  const std::vector<double> factor = scale.to_vector();
  const std::vector<double> shift = values_or(shift_in, 0, x.shape[1]);
  const int64_t inner = x.size() / std::max<int64_t>(x.shape[0] * x.shape[1], 1);
  for (int64_t i = 0; i < x.size(); ++i) {
    const auto c = static_cast<size_t>(i / inner % x.shape[1]);
    x[i] = factor[c] * x[i] + shift[c];
  }
  return x.tensor();
}

Tensor normalize(
    const Tensor& x_in, const Tensor& mean, const Tensor& variance, const Tensor& gamma_in,
    const Tensor& beta_in, double epsilon) {
  Values x(x_in);
  const std::vector<double> m = mean.to_vector();
  const std::vector<double> v = variance.to_vector();
  const std::vector<double> gamma = values_or(gamma_in, 1, x.shape[1]);
  const std::vector<double> beta = values_or(beta_in, 0, x.shape[1]);
  const int64_t inner = x.size() / std::max<int64_t>(x.shape[0] * x.shape[1], 1);
  for (int64_t i = 0; i < x.size(); ++i) {
    const auto c = static_cast<size_t>(i / inner % x.shape[1]);
    x[i] = gamma[c] * (x[i] - m[c]) / std::sqrt(v[c] + epsilon) + beta[c];
  }
  return x.tensor();
}

// ---- Losses ----

Tensor log_softmax(const Tensor& x) {
  const std::vector<int> last = {x.rank() - 1};
  const auto minus = [](double a, double b) { return a - b; };
  const Tensor below_top = map(x, reduce(x, last, largest), minus);
  const Tensor log_sums = reduce(below_top, last, [](std::span<const double> row) {
    double sum = 0;
    for (const double v : row) sum += std::exp(v);
    return std::log(sum);
  });
  return map(below_top, log_sums, minus);
}

Tensor cross_entropy(const Tensor& logits, const Tensor& labels) {
  const Values y(log_softmax(logits)), label(labels);
  double loss = 0;
  for (int64_t n = 0; n < label.size(); ++n) {
    loss -= y[n * y.shape[1] + static_cast<int64_t>(label[n])] / static_cast<double>(label.size());
  }
  return Tensor::scalar(loss, DType::f64);
}

Tensor cosine_similarity(const Tensor& a_in, const Tensor& b_in, double epsilon) {
  const Values a(a_in), b(b_in);
  Values y({a.shape[0], 1});
  const int64_t D = a.size() / std::max<int64_t>(a.shape[0], 1);
  for (int64_t n = 0; n < a.shape[0]; ++n) {
    double ab = 0, aa = epsilon, bb = epsilon;
    for (int64_t i = n * D; i < (n + 1) * D; ++i) {
      ab += a[i] * b[i];
      aa += a[i] * a[i];
      bb += b[i] * b[i];
    }
    y[n] = ab / std::sqrt(aa * bb);
  }
  return y.tensor();
}

}  // namespace limpid::reference
