// framework/kernels/direct.cpp: planes to phases, sums over taps, phases back to planes.
#include "framework/kernels/direct.h"

#include "framework/core/parallel.h"
#include "framework/kernels/direct_table.h"
#include "framework/kernels/dispatch.h"

#include <algorithm>
#include <cstring>

namespace limpid::kernels::direct {
namespace {

constexpr int64_t kPack = 8;
constexpr int64_t kWork = 1 << 17;   // multiply-adds of a parallel block
constexpr int64_t kWeightParts = 8;  // partial weight gradients that may run side by side
constexpr int64_t kManyGroups = 16;  // groups that need no such parts

int64_t round_up(int64_t n) { return (n + kPack - 1) / kPack * kPack; }

// Sizes of the phases. All outputs of a plane lie in one run of `run` values.
struct Layout {
  int64_t channels, filters;  // of one group
  int64_t phases;             // stride^2
  int64_t height, width;      // of one phase
  int64_t phase;              // elements of one phase, whole packs
  int64_t lead;               // zeros before a map g, which negative shifts may reach
  int64_t run;

  int64_t plane() const { return phases * phase; }  // all phases of one channel
  int64_t map() const { return lead + phase; }      // one filter's g
  int64_t planes() const { return channels * plane() + kPack; }
  int64_t maps() const { return filters * map() + kPack; }
};

Layout layout(const ConvDims& d) {
  Layout l{};
  l.channels = d.C / d.groups;
  l.filters = d.K / d.groups;
  l.phases = d.stride * d.stride;
  const int64_t down = (d.R - 1) * d.dilation / d.stride;
  const int64_t right = (d.S - 1) * d.dilation / d.stride;
  l.height = d.P + down;
  l.width = d.Q + right;
  l.phase = round_up(l.height * l.width);
  l.lead = round_up(down * l.width + right);
  l.run = (d.P - 1) * l.width + d.Q;
  return l;
}

int64_t phase_of(const ConvDims& d, int64_t r, int64_t s) {
  return r * d.dilation % d.stride * d.stride + s * d.dilation % d.stride;
}

int64_t shift_of(const ConvDims& d, const Layout& l, int64_t r, int64_t s) {
  return r * d.dilation / d.stride * l.width + s * d.dilation / d.stride;
}

// What a filter sees in the phases of its group's channels.
Taps taps_of_output(const ConvDims& d, const Layout& l) {
  Taps taps = {.channels = l.channels, .plane = l.plane(), .count = 0, .offset = {}};
  for (int64_t r = 0; r < d.R; ++r) {
    for (int64_t s = 0; s < d.S; ++s) {
      taps.offset[taps.count++] = phase_of(d, r, s) * l.phase + shift_of(d, l, r, s);
    }
  }
  return taps;
}

// Which outputs see a pixel of one phase.
Taps taps_of_input(const ConvDims& d, const Layout& l, int64_t phase) {
  Taps taps = {.channels = l.filters, .plane = l.map(), .count = 0, .offset = {}};
  for (int64_t r = 0; r < d.R; ++r) {
    for (int64_t s = 0; s < d.S; ++s) {
      if (phase_of(d, r, s) == phase) taps.offset[taps.count++] = -shift_of(d, l, r, s);
    }
  }
  return taps;
}

// Calls f(image row, first pixel in it, pixels, their place in the phases) for every run of
// pixels, `stride` apart, that lie in one row of one phase.
template <class F>
void for_pixels(const ConvDims& d, const Layout& l, F&& f) {
  const int64_t u = d.stride;
  const int64_t rows = std::min(d.H, l.height * u - d.padding);
  const int64_t columns = std::min(d.W, l.width * u - d.padding);
  for (int64_t i = 0; i < u; ++i) {
    for (int64_t j = 0; j < u; ++j) {
      const int64_t y = (i + u - d.padding % u) % u;
      const int64_t z = (j + u - d.padding % u) % u;
      if (z >= columns) continue;
      const int64_t count = (columns - z + u - 1) / u;
      int64_t place = (i * u + j) * l.phase + (y + d.padding) / u * l.width + (z + d.padding) / u;
      for (int64_t row = y; row < rows; row += u, place += l.width) f(row, z, count, place);
    }
  }
}

// The channels of one group of an image, [channels, H, W], to their phases; borders stay 0.
void to_phases(const ConvDims& d, const Layout& l, const float* x, float* planes) {
  for (int64_t c = 0; c < l.channels; ++c, x += d.H * d.W, planes += l.plane()) {
    for_pixels(d, l, [&](int64_t y, int64_t first, int64_t count, int64_t place) {
      const float* from = x + y * d.W + first;
      float* to = planes + place;
      if (d.stride == 1) {
        std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
      } else if (d.stride == 2) {
        for (int64_t i = 0; i < count; ++i) to[i] = from[2 * i];
      } else {
        for (int64_t i = 0; i < count; ++i) to[i] = from[d.stride * i];
      }
    });
  }
}

// The way back; pixels that no filter reaches get 0.
void from_phases(const ConvDims& d, const Layout& l, const float* planes, float* x) {
  const bool is_covered =
      l.height * d.stride - d.padding >= d.H && l.width * d.stride - d.padding >= d.W;
  if (!is_covered) std::fill_n(x, l.channels * d.H * d.W, 0.0F);
  for (int64_t c = 0; c < l.channels; ++c, x += d.H * d.W, planes += l.plane()) {
    for_pixels(d, l, [&](int64_t y, int64_t first, int64_t count, int64_t place) {
      float* to = x + y * d.W + first;
      const float* from = planes + place;
      if (d.stride == 1) {
        std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
      } else {
        for (int64_t i = 0; i < count; ++i) to[d.stride * i] = from[i];
      }
    });
  }
}

// Rows of Q values to rows of `width` with zeros between, and back.
void to_maps(const ConvDims& d, const Layout& l, const float* g, float* maps) {
  for (int64_t k = 0; k < l.filters; ++k) {
    float* to = maps + k * l.map() + l.lead;
    for (int64_t p = 0; p < d.P; ++p, g += d.Q, to += l.width) {
      std::memcpy(to, g, static_cast<size_t>(d.Q) * sizeof(float));
    }
  }
}

void from_runs(const ConvDims& d, const Layout& l, const float* runs, float* y) {
  for (int64_t k = 0; k < l.filters; ++k) {
    const float* from = runs + k * l.phase;
    for (int64_t p = 0; p < d.P; ++p, y += d.Q, from += l.width) {
      std::memcpy(y, from, static_cast<size_t>(d.Q) * sizeof(float));
    }
  }
}

// Groups of all images in parallel: f(first item, end, memory of this thread, zeroed).
template <class F>
void for_items(const ConvDims& d, int64_t items, int64_t slot_size, float* scratch, F&& f) {
  const Layout l = layout(d);
  const int64_t work = std::max<int64_t>(l.run * d.R * d.S * l.channels * l.filters, 1);
  parallel::for_blocks(items, kWork / work + 1, [&](int64_t begin, int64_t end) {
    float* memory = scratch + parallel::slot() * slot_size;
    std::fill_n(memory, slot_size, 0.0F);
    f(begin, end, memory);
  });
}

int64_t output_slot(const Layout& l) { return l.planes() + l.filters * l.phase; }
int64_t input_slot(const Layout& l) { return l.maps() + l.channels * l.plane(); }
int64_t weight_slot(const Layout& l) { return l.planes() + l.maps(); }

int64_t weights_of(const ConvDims& d) { return d.K * (d.C / d.groups) * d.R * d.S; }
int64_t weight_parts(const ConvDims& d) {
  return d.groups >= kManyGroups ? 1 : std::clamp<int64_t>(d.N, 1, kWeightParts);
}

}  // namespace

bool supports(const ConvDims& d) { return d.R * d.S <= kMostTaps; }

int64_t output_scratch(const ConvDims& d) { return output_slot(layout(d)) * parallel::threads(); }

int64_t input_scratch(const ConvDims& d) {
  return weights_of(d) + input_slot(layout(d)) * parallel::threads();
}

int64_t weight_scratch(const ConvDims& d) {
  return weight_parts(d) * weights_of(d) + weight_slot(layout(d)) * parallel::threads();
}

void output(const ConvDims& d, const float* x, const float* w, float* y, float* scratch) {
  const Layout l = layout(d);
  const Taps taps = taps_of_output(d, l);
  const int64_t depth = l.channels * taps.count;
  for_items(d, d.N * d.groups, output_slot(l), scratch, [&](int64_t begin, int64_t end, float* m) {
    float* runs = m + l.planes();
    for (int64_t item = begin; item < end; ++item) {
      const float* filters = w + item % d.groups * l.filters * depth;
      to_phases(d, l, x + item * l.channels * d.H * d.W, m);
      direct_table().sums(taps, l.run, l.filters, m, filters, depth, runs, l.phase);
      from_runs(d, l, runs, y + item * l.filters * d.P * d.Q);
    }
  });
}

void input(const ConvDims& d, const float* g, const float* w, float* dx, float* scratch) {
  const Layout l = layout(d);
  const int64_t depth = l.channels * d.R * d.S;

  // Filters by group and phase as [c][k, taps of the phase]
  float* turned = scratch;
  float* to = turned;
  for (int64_t group = 0; group < d.groups; ++group) {
    for (int64_t phase = 0; phase < l.phases; ++phase) {
      for (int64_t c = 0; c < l.channels; ++c) {
        for (int64_t k = group * l.filters; k < (group + 1) * l.filters; ++k) {
          for (int64_t t = 0; t < d.R * d.S; ++t) {
            if (phase_of(d, t / d.S, t % d.S) != phase) continue;
            *to++ = w[k * depth + c * d.R * d.S + t];
          }
        }
      }
    }
  }

  for_items(
      d, d.N * d.groups, input_slot(l), scratch + weights_of(d),
      [&](int64_t begin, int64_t end, float* maps) {
        float* planes = maps + l.maps();
        for (int64_t item = begin; item < end; ++item) {
          const float* filters = turned + item % d.groups * l.filters * depth;
          to_maps(d, l, g + item * l.filters * d.P * d.Q, maps);
          for (int64_t phase = 0; phase < l.phases; ++phase) {
            const Taps taps = taps_of_input(d, l, phase);
            const int64_t row = l.filters * taps.count;
            direct_table().sums(
                taps, l.phase, l.channels, maps + l.lead, filters, row, planes + phase * l.phase,
                l.plane());
            filters += l.channels * row;
          }
          from_phases(d, l, planes, dx + item * l.channels * d.H * d.W);
        }
      });
}

void weight(const ConvDims& d, const float* g, const float* x, float* dw, float* scratch) {
  const Layout l = layout(d);
  const Taps taps = taps_of_output(d, l);
  const int64_t depth = l.channels * taps.count;
  const int64_t weights = weights_of(d);
  const int64_t parts = weight_parts(d);
  const int64_t images = (d.N + parts - 1) / parts;  // of a part

  // A group's part of the images, in order, into a weight gradient of its own
  for_items(
      d, d.groups * parts, weight_slot(l), scratch + parts * weights,
      [&](int64_t begin, int64_t end, float* m) {
        float* maps = m + l.planes();
        for (int64_t item = begin; item < end; ++item) {
          const int64_t group = item % d.groups;
          const int64_t part = item / d.groups;
          float* sum = (parts == 1 ? dw : scratch + part * weights) + group * l.filters * depth;
          std::fill_n(sum, l.filters * depth, 0.0F);
          for (int64_t n = part * images; n < std::min(d.N, (part + 1) * images); ++n) {
            const int64_t at = n * d.groups + group;
            to_phases(d, l, x + at * l.channels * d.H * d.W, m);
            to_maps(d, l, g + at * l.filters * d.P * d.Q, maps);
            direct_table().dots(
                taps, round_up(l.run), l.filters, maps + l.lead, l.map(), m, sum, depth);
          }
        }
      });
  if (parts == 1) return;
  std::copy_n(scratch, weights, dw);
  for (int64_t part = 1; part < parts; ++part) {
    table<float>().add_to(weights, scratch + part * weights, dw);
  }
}

}  // namespace limpid::kernels::direct
