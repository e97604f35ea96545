// framework/kernels/depthwise.inl.h: one 3x3 filter for each channel, eight channels in a pack.
//
// Included inside the namespace of one instruction set, after simd.inl.h and lanes.inl.h.

inline Planes input_planes(const ConvDims& d) { return {d.C, d.H, d.W, d.padding}; }

/// Size of the bordered image that the filters reach, and of all of it.
inline int64_t reach(int64_t outputs, int64_t stride, int64_t dilation) {
  return (outputs - 1) * stride + 2 * dilation + 1;
}

/// y[p, q] = sum of taps[r, s] x[p u + r e, q u + s e] for eight channels; x has `pitch` pixels a
/// row, y is [height, width].
inline void filter_lanes(
    const F (&taps)[9], int64_t u, int64_t e, int64_t height, int64_t width, int64_t pitch,
    const float* x, float* y) {
  const int64_t row = e * pitch * kWide;
  for (int64_t p = 0; p < height; ++p) {
    const float* from = x + p * u * pitch * kWide;
    for (int64_t q = 0; q < width; ++q, from += u * kWide, y += kWide) {
      F sum[3];
      for (int r = 0; r < 3; ++r) {
        const float* at = from + r * row;
        sum[r] = taps[3 * r] * load<float>(at) + taps[3 * r + 1] * load<float>(at + e * kWide) +
                 taps[3 * r + 2] * load<float>(at + 2 * e * kWide);
      }
      store<float>(y, sum[0] + sum[1] + sum[2]);
    }
  }
}

/// Images [first, end) of eight channels; the planes of `from` filtered give those of `to`.
inline void filter_planes(
    const Planes& from, const Planes& to, const F (&taps)[9], int64_t u, int64_t e, int64_t channel,
    int64_t first, int64_t end, const float* x, float* lanes, float* y) {
  const int64_t planes = smaller(kWide, from.channels - channel);
  const int64_t rows = reach(to.height, u, e);
  const int64_t pitch = reach(to.width, u, e);
  const int64_t size = to.height * to.width;
  float* result = lanes + rows * pitch * kWide;
  for (int64_t n = first; n < end; ++n) {
    const int64_t plane = n * from.channels + channel;
    bordered_lanes(from, x + plane * from.height * from.width, planes, 0, rows, pitch, lanes);
    filter_lanes(taps, u, e, to.height, to.width, pitch, lanes, result);
    from_lanes(result, size, y + plane * size, size, planes);
  }
}

inline void depthwise_output(
    const ConvDims& d, int64_t channel, int64_t first, int64_t end, const float* x, const float* w,
    float* lanes, float* y) {
  F taps[9];
  load_taps(w + channel * 9, 9, d.C - channel, taps);
  filter_planes(
      input_planes(d), {d.C, d.P, d.Q, 0}, taps, d.stride, d.dilation, channel, first, end, x,
      lanes, y);
}

/// x[p u + r e, q u + s e] += taps[r, s] g[p, q], the adjoint of filter_lanes.
inline void spread_lanes(
    const F (&taps)[9], const ConvDims& d, int64_t pitch, const float* g, float* x) {
  const int64_t e = d.dilation;
  for (int64_t p = 0; p < d.P; ++p) {
    float* to = x + p * d.stride * pitch * kWide;
    for (int64_t q = 0; q < d.Q; ++q, to += d.stride * kWide, g += kWide) {
      const F value = load<float>(g);
      for (int t = 0; t < 9; ++t) {
        float* at = to + (t / 3 * pitch + t % 3) * e * kWide;
        store<float>(at, load<float>(at) + taps[t] * value);
      }
    }
  }
}

inline void depthwise_input(
    const ConvDims& d, int64_t channel, int64_t first, int64_t end, const float* g, const float* w,
    float* lanes, float* dx) {
  F taps[9];
  load_taps(w + channel * 9, 9, d.C - channel, taps);
  if (d.stride == 1) {  // g filtered with the filters turned by 180 degrees
    F turned[9];
    for (int t = 0; t < 9; ++t) turned[t] = taps[8 - t];
    const Planes maps = {d.C, d.P, d.Q, 2 * d.dilation - d.padding};
    filter_planes(
        maps, {d.C, d.H, d.W, 0}, turned, 1, d.dilation, channel, first, end, g, lanes, dx);
    return;
  }
  const int64_t planes = smaller(kWide, d.C - channel);
  const int64_t rows = larger(reach(d.P, d.stride, d.dilation), d.H + d.padding);
  const int64_t pitch = larger(reach(d.Q, d.stride, d.dilation), d.W + d.padding);
  float* maps = lanes + rows * pitch * kWide;
  float* dense = maps + d.P * d.Q * kWide;
  const auto bytes = [](int64_t pixels) {
    return static_cast<size_t>(pixels * kWide) * sizeof(float);
  };
  for (int64_t n = first; n < end; ++n) {
    const int64_t plane = n * d.C + channel;
    to_lanes(g + plane * d.P * d.Q, d.P * d.Q, planes, 0, d.P * d.Q, maps);
    __builtin_memset(lanes, 0, bytes(rows * pitch));
    spread_lanes(taps, d, pitch, maps, lanes);
    for (int64_t y = 0; y < d.H; ++y) {
      const float* from = lanes + ((y + d.padding) * pitch + d.padding) * kWide;
      __builtin_memcpy(dense + y * d.W * kWide, from, bytes(d.W));
    }
    from_lanes(dense, d.H * d.W, dx + plane * d.H * d.W, d.H * d.W, planes);
  }
}

/// All images of eight channels, in order.
inline void depthwise_weight(
    const ConvDims& d, int64_t channel, const float* g, const float* x, float* lanes, float* dw) {
  const int64_t planes = smaller(kWide, d.C - channel);
  const int64_t rows = reach(d.P, d.stride, d.dilation);
  const int64_t pitch = reach(d.Q, d.stride, d.dilation);
  float* maps = lanes + rows * pitch * kWide;
  const int64_t e = d.dilation;
  F total[9] = {};
  for (int64_t n = 0; n < d.N; ++n) {
    const int64_t plane = n * d.C + channel;
    bordered_lanes(input_planes(d), x + plane * d.H * d.W, planes, 0, rows, pitch, lanes);
    to_lanes(g + plane * d.P * d.Q, d.P * d.Q, planes, 0, d.P * d.Q, maps);
    F sum[9] = {};
    const float* map = maps;
    for (int64_t p = 0; p < d.P; ++p) {
      const float* from = lanes + p * d.stride * pitch * kWide;
      for (int64_t q = 0; q < d.Q; ++q, from += d.stride * kWide, map += kWide) {
        const F value = load<float>(map);
        for (int t = 0; t < 9; ++t) {
          sum[t] += value * load<float>(from + (t / 3 * pitch + t % 3) * e * kWide);
        }
      }
    }
    for (int t = 0; t < 9; ++t) total[t] += sum[t];
  }
  store_taps(total, planes, dw + channel * 9);
}
