// framework/kernels/direct.inl.h: sums over the taps of a filter, results kept in registers.
//
// Included inside the namespace of one instruction set, after simd.inl.h.

/// out[f][i] = sum over channels c and taps t of w[f][c, t] in[c * plane + offset[t] + i] for
/// `rows` filters and `packs` packs of positions, all of them in registers.
template <int rows, int packs>
inline __attribute__((always_inline)) void sum_block(
    const Taps& s, const float* in, const float* w, int64_t ldw, float* out, int64_t ldo) {
  F sum[rows][packs] = {};
  for (int64_t c = 0; c < s.channels; ++c, in += s.plane) {
    for (int64_t t = 0; t < s.count; ++t, ++w) {
      F x[packs];
      for (int j = 0; j < packs; ++j) x[j] = load<float>(in + s.offset[t] + j * kLanes<float>);
      for (int f = 0; f < rows; ++f) {
        const F factor = splat(w[f * ldw]);
        for (int j = 0; j < packs; ++j) sum[f][j] += factor * x[j];
      }
    }
  }
  for (int f = 0; f < rows; ++f) {
    for (int j = 0; j < packs; ++j) store<float>(out + f * ldo + j * kLanes<float>, sum[f][j]);
  }
}

template <int rows, int packs>
inline void sum_rows(
    const Taps& s, int64_t n, const float* in, const float* w, int64_t ldw, float* out,
    int64_t ldo) {
  constexpr int64_t L = kLanes<float>;
  int64_t i = 0;
  for (; i + packs * L <= n; i += packs * L) {
    sum_block<rows, packs>(s, in + i, w, ldw, out + i, ldo);
  }
  for (; i < n; i += L) sum_block<rows, 1>(s, in + i, w, ldw, out + i, ldo);
}

/// The same for any number of filters; positions up to the next whole pack are written.
inline void direct_sums(
    const Taps& s, int64_t n, int64_t rows, const float* in, const float* w, int64_t ldw,
    float* out, int64_t ldo) {
  for (int64_t left = rows; left > 0;) {
    const int64_t now = left > 8 || left == 6 ? 6 : left > 4 ? 4 : left;  // 8 is 4 + 4
    if (now == 6) sum_rows<6, 2>(s, n, in, w, ldw, out, ldo);
    if (now == 4) sum_rows<4, 3>(s, n, in, w, ldw, out, ldo);
    if (now == 3) sum_rows<3, 3>(s, n, in, w, ldw, out, ldo);
    if (now == 2) sum_rows<2, 5>(s, n, in, w, ldw, out, ldo);
    if (now == 1) sum_rows<1, 8>(s, n, in, w, ldw, out, ldo);
    left -= now;
    w += now * ldw;
    out += now * ldo;
  }
}

/// dw[f][t] += sum over i of g[f][i] in[offset[t] + i] for `rows` filters and `taps` taps.
template <int rows, int taps>
inline __attribute__((always_inline)) void dot_block(
    const int64_t* offset, int64_t n, const float* g, int64_t ldg, const float* in, float* dw,
    int64_t ldw) {
  F sum[rows][taps] = {};
  for (int64_t i = 0; i < n; i += kLanes<float>) {
    F x[taps];
    for (int t = 0; t < taps; ++t) x[t] = load<float>(in + offset[t] + i);
    for (int f = 0; f < rows; ++f) {
      const F y = load<float>(g + f * ldg + i);
      for (int t = 0; t < taps; ++t) sum[f][t] += y * x[t];
    }
  }
  for (int f = 0; f < rows; ++f) {
    for (int t = 0; t < taps; ++t) {
      const F v = sum[f][t];
      dw[f * ldw + t] += ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
    }
  }
}

template <int rows, int taps>
inline void dot_rows(
    const Taps& s, int64_t n, const float* g, int64_t ldg, const float* in, float* dw,
    int64_t ldw) {
  for (int64_t c = 0; c < s.channels; ++c, in += s.plane, dw += s.count) {
    int64_t t = 0;
    for (; t + taps <= s.count; t += taps) {
      dot_block<rows, taps>(s.offset + t, n, g, ldg, in, dw + t, ldw);
    }
    for (; t < s.count; ++t) dot_block<rows, 1>(s.offset + t, n, g, ldg, in, dw + t, ldw);
  }
}

/// The same for any number of filters, all channels and taps; n is a multiple of a pack.
inline void direct_dots(
    const Taps& s, int64_t n, int64_t rows, const float* g, int64_t ldg, const float* in, float* dw,
    int64_t ldw) {
  for (int64_t left = rows; left > 0;) {
    const int64_t now = left >= 4 ? 4 : left >= 2 ? 2 : 1;
    if (now == 4) dot_rows<4, 3>(s, n, g, ldg, in, dw, ldw);
    if (now == 2) dot_rows<2, 5>(s, n, g, ldg, in, dw, ldw);
    if (now == 1) dot_rows<1, 9>(s, n, g, ldg, in, dw, ldw);
    left -= now;
    g += now * ldg;
    dw += now * ldw;
  }
}
