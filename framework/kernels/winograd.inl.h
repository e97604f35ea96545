// framework/kernels/winograd.inl.h: Winograd's transforms, eight channels in the lanes of a pack.
//
// Included inside the namespace of one instruction set, after simd.inl.h and lanes.inl.h. The
// formulas are derived in winograd.h.

// ---- The five transforms along one axis: m outputs, m + 2 points ----

template <int m>
struct Axis;

template <>
struct Axis<4> {  // points 0, a, -a, b, -b and infinity with a = sqrt(1/2), b = sqrt(2)
  static constexpr float a = 0.70710678118654752F, b = 1.41421356237309505F;

  static inline __attribute__((always_inline)) void image(const F* d, F* t) {
    const F even_a = d[4] - 2 * d[2], odd_a = a * (d[3] - 2 * d[1]);
    const F even_b = d[4] - 0.5F * d[2], odd_b = b * (d[3] - 0.5F * d[1]);
    t[0] = (d[0] + d[4]) - 2.5F * d[2];
    t[1] = even_a + odd_a;
    t[2] = even_a - odd_a;
    t[3] = even_b + odd_b;
    t[4] = even_b - odd_b;
    t[5] = (d[1] + d[5]) - 2.5F * d[3];
  }
  static inline __attribute__((always_inline)) void output(const F* t, F* y) {
    const F even_a = t[1] + t[2], odd_a = a * (t[1] - t[2]);
    const F even_b = t[3] + t[4], odd_b = b * (t[3] - t[4]);
    y[0] = t[0] + (even_a + even_b);
    y[1] = odd_a + odd_b;
    y[2] = 0.5F * even_a + 2 * even_b;
    y[3] = 0.5F * odd_a + 2 * odd_b + t[5];
  }
  static inline __attribute__((always_inline)) void gradient(const F* g, F* t) {
    const F even_a = g[0] + 0.5F * g[2], odd_a = a * (g[1] + 0.5F * g[3]);
    const F even_b = g[0] + 2 * g[2], odd_b = b * (g[1] + 2 * g[3]);
    t[0] = g[0];
    t[1] = even_a + odd_a;
    t[2] = even_a - odd_a;
    t[3] = even_b + odd_b;
    t[4] = even_b - odd_b;
    t[5] = g[3];
  }
  static inline __attribute__((always_inline)) void filter(const F* w, F* t) {
    const F even_a = (w[0] + 0.5F * w[2]) * (-2.0F / 3), odd_a = w[1] * (-2.0F / 3 * a);
    const F even_b = (w[0] + 2 * w[2]) * (1.0F / 6), odd_b = w[1] * (1.0F / 6 * b);
    t[0] = w[0];
    t[1] = even_a + odd_a;
    t[2] = even_a - odd_a;
    t[3] = even_b + odd_b;
    t[4] = even_b - odd_b;
    t[5] = w[2];
  }
  static inline __attribute__((always_inline)) void filter_gradient(const F* t, F* w) {
    const F even_a = (t[1] + t[2]) * (-2.0F / 3), odd_a = (t[1] - t[2]) * (-2.0F / 3 * a);
    const F even_b = (t[3] + t[4]) * (1.0F / 6), odd_b = (t[3] - t[4]) * (1.0F / 6 * b);
    w[0] = t[0] + (even_a + even_b);
    w[1] = odd_a + odd_b;
    w[2] = 0.5F * even_a + 2 * even_b + t[5];
  }
};

template <>
struct Axis<2> {  // points 0, 1, -1 and infinity
  static inline __attribute__((always_inline)) void image(const F* d, F* t) {
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[3] - d[1];
  }
  static inline __attribute__((always_inline)) void output(const F* t, F* y) {
    y[0] = t[0] + t[1] + t[2];
    y[1] = t[1] - t[2] + t[3];
  }
  static inline __attribute__((always_inline)) void gradient(const F* g, F* t) {
    t[0] = g[0];
    t[1] = g[0] + g[1];
    t[2] = g[0] - g[1];
    t[3] = g[1];
  }
  static inline __attribute__((always_inline)) void filter(const F* w, F* t) {
    const F even = (w[0] + w[2]) * 0.5F, odd = w[1] * 0.5F;
    t[0] = w[0];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = w[2];
  }
  static inline __attribute__((always_inline)) void filter_gradient(const F* t, F* w) {
    const F sum = (t[1] + t[2]) * 0.5F;
    w[0] = t[0] + sum;
    w[1] = (t[1] - t[2]) * 0.5F;
    w[2] = sum + t[3];
  }
};

/// The values of a tile at all points, `stride` apart: two loops of known length, which the
/// compiler unrolls so that t stays in registers as far as it fits.
template <int n>
inline __attribute__((always_inline)) void load_points(
    const float* p, int64_t stride, F (&t)[n][n]) {
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) t[i][j] = load<float>(p + (i * n + j) * stride);
  }
}

template <int n>
inline __attribute__((always_inline)) void store_points(
    float* p, int64_t stride, const F (&t)[n][n]) {
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) store<float>(p + (i * n + j) * stride, t[i][j]);
  }
}

/// y = f x f' for a square x: the transform along both axes.
template <int in, int out, class Function>
inline __attribute__((always_inline)) void along_both(
    const F (&x)[in][in], F (&y)[out][out], Function f) {
  F half[in][out];
  for (int i = 0; i < in; ++i) f(x[i], half[i]);
  for (int j = 0; j < out; ++j) {
    F column[in], result[out];
    for (int i = 0; i < in; ++i) column[i] = half[i][j];
    f(column, result);
    for (int i = 0; i < out; ++i) y[i][j] = result[i];
  }
}

/// Calls f(image, first tile row in it, tile rows, tiles of the block before it) for each image
/// that a block of tiles touches.
template <class Function>
inline __attribute__((always_inline)) void for_images(const TileBlock& b, Function f) {
  for (int64_t row = b.begin; row < b.end;) {
    const int64_t first = row % b.rows;
    const int64_t count = smaller(b.rows - first, b.end - row);
    f(row / b.rows, first, count, (row - b.begin) * b.columns);
    row += count;
  }
}

// ---- The kernels: one group of eight channels of a block of tiles ----

/// Tiles of `in` pixels, m apart, to their values at the points.
template <int m, int in, class Function>
inline __attribute__((always_inline)) void spread(
    const Planes& p, const TileBlock& b, int64_t channel, const float* x, float* lanes,
    const Spectrum& v, Function f) {
  constexpr int n = m + 2;
  const int64_t planes = smaller(kWide, p.channels - channel);
  const int64_t pitch = m * b.columns + in - m;
  for_images(b, [&](int64_t image, int64_t first, int64_t rows, int64_t before) {
    const float* plane = x + (image * p.channels + channel) * p.height * p.width;
    bordered_lanes(p, plane, planes, m * first, m * rows + in - m, pitch, lanes);
    float* to = v.values + before * v.ld;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < b.columns; ++column, to += v.ld) {
        const float* from = lanes + m * (row * pitch + column) * kWide;
        F d[in][in], t[n][n];
        for (int i = 0; i < in; ++i) {
          for (int j = 0; j < in; ++j) d[i][j] = load<float>(from + (i * pitch + j) * kWide);
        }
        along_both<in, n>(d, t, f);
        store_points(to, v.stride, t);
      }
    }
  });
}

template <int m>
void winograd_image(
    const Planes& p, const TileBlock& b, int64_t channel, const float* x, float* lanes,
    const Spectrum& v) {
  spread<m, m + 2>(p, b, channel, x, lanes, v, [](const F* values, F* result) {
    Axis<m>::image(values, result);
  });
}

template <int m>
void winograd_gradient(
    const Planes& p, const TileBlock& b, int64_t channel, const float* g, float* lanes,
    const Spectrum& v) {
  spread<m, m>(p, b, channel, g, lanes, v, [](const F* values, F* result) {
    Axis<m>::gradient(values, result);
  });
}

/// Values at the points to tiles of m x m pixels of y.
template <int m>
void winograd_output(
    const Planes& p, const TileBlock& b, int64_t channel, const Spectrum& v, float* lanes,
    float* y) {
  constexpr int n = m + 2;
  const int64_t planes = smaller(kWide, p.channels - channel);
  const int64_t pitch = m * b.columns;
  for_images(b, [&](int64_t image, int64_t first, int64_t rows, int64_t before) {
    const float* from = v.values + before * v.ld;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < b.columns; ++column, from += v.ld) {
        float* to = lanes + m * (row * pitch + column) * kWide;
        F t[n][n], d[m][m];
        load_points(from, v.stride, t);
        along_both<n, m>(t, d, [](const F* values, F* result) { Axis<m>::output(values, result); });
        for (int i = 0; i < m; ++i) {
          for (int j = 0; j < m; ++j) store<float>(to + (i * pitch + j) * kWide, d[i][j]);
        }
      }
    }
    const int64_t height = smaller(m * rows, p.height - m * first);
    float* plane = y + ((image * p.channels + channel) * p.height + m * first) * p.width;
    const int64_t joined = pitch == p.width ? height : 1;  // rows without a gap are one long row
    for (int64_t i = 0; i < height; i += joined) {
      from_lanes(
          lanes + i * pitch * kWide, joined * p.width, plane + i * p.width, p.height * p.width,
          planes);
    }
  });
}

/// Filters of eight columns of the product and all of its rows.
template <int m>
void winograd_filter(const Filters& s, int64_t column, const float* w, const Spectrum& u) {
  constexpr int n = m + 2;
  constexpr int64_t kAhead = 8;  // rows
  const float* from = w + column * s.column_step;
  float* to = u.values;
  for (int64_t row = 0; row < s.rows; ++row, from += s.row_step, to += u.ld) {
    F taps[9], d[3][3], t[n][n];
    for (int64_t i = 0; i < kWide; ++i) {  // eight streams are more than the processor foresees
      __builtin_prefetch(from + i * s.column_step + kAhead * s.row_step);
    }
    load_taps(from, s.column_step, s.columns - column, taps);
    for (int i = 0; i < 9; ++i) d[i / 3][i % 3] = taps[s.turned ? 8 - i : i];
    along_both<3, n>(d, t, [](const F* values, F* result) { Axis<m>::filter(values, result); });
    store_points(to, u.stride, t);
  }
}

/// dw [channels, 3, 3] from [point][channel].
template <int m>
void winograd_filter_gradient(const Spectrum& u, int64_t channels, float* dw) {
  constexpr int n = m + 2;
  for (int64_t c = 0; c < channels; c += kWide) {
    F t[n][n], d[3][3], taps[9];
    load_points(u.values + c, u.stride, t);
    along_both<n, 3>(
        t, d, [](const F* values, F* result) { Axis<m>::filter_gradient(values, result); });
    for (int i = 0; i < 9; ++i) taps[i] = d[i / 3][i % 3];
    store_taps(taps, channels - c, dw + c * 9);
  }
}

template <int m>
constexpr WinogradTable winograd_table_of() {
  return {
      .tile = m,
      .image = winograd_image<m>,
      .gradient = winograd_gradient<m>,
      .output = winograd_output<m>,
      .filter = winograd_filter<m>,
      .filter_gradient = winograd_filter_gradient<m>,
  };
}

inline constexpr WinogradTable kWinogradTables[2] = {
    winograd_table_of<2>(), winograd_table_of<4>()};
