// framework/kernels/lanes.inl.h: planes of eight channels as rows of pixels, and back.
//
// Included inside the namespace of one instruction set, after simd.inl.h. Channels lie far apart
// in memory. As rows of pixels that hold eight channels each, every load and store is one whole
// pack, whatever the size of the image and the stride of the filter.

inline constexpr int kWide = kLanes<float>;

/// Rows become columns: eight packs of eight.
inline __attribute__((always_inline)) void transpose(F (&r)[kWide]) {
  F a[kWide], b[kWide];
  for (int i = 0; i < kWide; i += 2) {
    a[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    a[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < kWide; i += 4) {
    for (int k = 0; k < 2; ++k) {
      b[i + 2 * k] = __builtin_shufflevector(a[i + k], a[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      b[i + 2 * k + 1] =
          __builtin_shufflevector(a[i + k], a[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = __builtin_shufflevector(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[i + 4] = __builtin_shufflevector(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/// lanes[i] = pixel first + i of eight planes, i < n. Lanes beyond `planes` repeat the last plane.
inline void to_lanes(
    const float* x, int64_t plane, int64_t planes, int64_t first, int64_t n, float* lanes) {
  const float* from[kWide];
  for (int64_t c = 0; c < kWide; ++c) from[c] = x + smaller(c, planes - 1) * plane;
  if (plane < kWide) {
    for (int64_t i = 0; i < n; ++i) {
      for (int c = 0; c < kWide; ++c) lanes[i * kWide + c] = from[c][first + i];
    }
    return;
  }
  for (int64_t i = 0; i < n; i += kWide) {
    const int64_t at = smaller(first + i, plane - kWide);  // eight pixels that exist
    F block[kWide];
    for (int c = 0; c < kWide; ++c) block[c] = load<float>(from[c] + at);
    transpose(block);
    const int64_t skip = first + i - at;
    if (skip == 0 && i + kWide <= n) {
      for (int c = 0; c < kWide; ++c) store<float>(lanes + (i + c) * kWide, block[c]);
    } else {
      for (int64_t c = skip; c < smaller(kWide, skip + n - i); ++c) {
        store<float>(lanes + (i + c - skip) * kWide, block[c]);
      }
    }
  }
}

/// The way back; lanes beyond `planes` are left out.
inline void from_lanes(const float* lanes, int64_t n, float* x, int64_t plane, int64_t planes) {
  if (n < kWide) {
    for (int64_t c = 0; c < planes; ++c) {
      for (int64_t i = 0; i < n; ++i) x[c * plane + i] = lanes[i * kWide + c];
    }
    return;
  }
  for (int64_t i = 0; i < n; i += kWide) {
    const int64_t at = i + kWide <= n ? i : n - kWide;
    F block[kWide];
    for (int c = 0; c < kWide; ++c) block[c] = load<float>(lanes + (at + c) * kWide);
    transpose(block);
    for (int64_t c = 0; c < planes; ++c) store<float>(x + c * plane + at, block[c]);
  }
}

/// Rows [first, first + rows) of the bordered image as lanes, `pitch` pixels each, 0 outside.
inline void bordered_lanes(
    const Planes& p, const float* x, int64_t planes, int64_t first, int64_t rows, int64_t pitch,
    float* lanes) {
  const int64_t begin = smaller(larger(p.border, 0), pitch);
  const int64_t end = larger(begin, smaller(p.width + p.border, pitch));
  const auto clear = [](float* from, int64_t pixels) {
    __builtin_memset(from, 0, static_cast<size_t>(pixels * kWide) * sizeof(float));
  };
  for (int64_t i = 0; i < rows; ++i, lanes += pitch * kWide) {
    const int64_t y = first + i - p.border;
    if (y < 0 || y >= p.height) {
      clear(lanes, pitch);
      continue;
    }
    clear(lanes, begin);
    to_lanes(
        x, p.height * p.width, planes, y * p.width + begin - p.border, end - begin,
        lanes + begin * kWide);
    clear(lanes + end * kWide, pitch - end);
  }
}
/// taps[t] = w[t] of eight filters of nine taps, `step` apart, as far as there are `filters`.
inline void load_taps(const float* w, int64_t step, int64_t filters, F (&taps)[9]) {
  F block[kWide];
  for (int64_t i = 0; i < kWide; ++i) {
    block[i] = load<float>(w + smaller(i, filters - 1) * step);
    taps[8][i] = w[smaller(i, filters - 1) * step + 8];
  }
  transpose(block);
  for (int i = 0; i < kWide; ++i) taps[i] = block[i];
}

/// The way back, filters one after the other.
inline void store_taps(const F (&taps)[9], int64_t filters, float* w) {
  F block[kWide];
  for (int i = 0; i < kWide; ++i) block[i] = taps[i];
  transpose(block);
  for (int64_t i = 0; i < smaller(filters, kWide); ++i) {
    store<float>(w + i * 9, block[i]);
    w[i * 9 + 8] = taps[8][i];
  }
}
