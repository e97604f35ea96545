// framework/core/rng.cpp: Philox blocks and the distributions on top of them.
#include "framework/core/rng.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

namespace limpid {
namespace {

constexpr int64_t kBlock = 1 << 14;  // numbers per parallel block; a multiple of 4

constexpr uint64_t kChildStream = 0xffffffff00000000u;  // streams that draws never reach

std::array<uint32_t, 4> block_at(uint64_t key, uint64_t stream, uint64_t index) {
  return philox4x32(
      {static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
       static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)},
      {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)});
}

uint64_t join(uint32_t low, uint32_t high) { return (uint64_t{high} << 32) | low; }

double unit(uint32_t word) { return (word >> 8) * 0x1p-24; }
double unit(uint32_t low, uint32_t high) {
  return static_cast<double>(join(low, high) >> 11) * 0x1p-53;
}

// Uniform numbers on [0, 1): four floats or two doubles per Philox block.
template <class T>
void fill_unit(uint64_t key, uint64_t stream, int64_t begin, int64_t end, T* out) {
  constexpr int64_t kPerBlock = sizeof(T) == 4 ? 4 : 2;
  for (int64_t i = begin; i < end;) {
    const auto words = block_at(key, stream, static_cast<uint64_t>(i / kPerBlock));
    for (int64_t j = i % kPerBlock; j < kPerBlock && i < end; ++j, ++i) {
      const auto k = static_cast<size_t>(j);
      out[i - begin] = static_cast<T>(
          sizeof(T) == 4 ? unit(words[k]) : unit(words[2 * k % 4], words[(2 * k + 1) % 4]));
    }
  }
}

// The largest T below `high`: rounding to T could otherwise give `high` itself, 2 on [1, 2) say.
template <class T>
T below(double high) {
  const T nearest = static_cast<T>(high);
  return static_cast<double>(nearest) < high
             ? nearest
             : std::nextafter(nearest, -std::numeric_limits<T>::infinity());
}

template <class T>
void fill_uniform(uint64_t key, uint64_t stream, std::span<T> out, double low, double high) {
  const auto n = static_cast<int64_t>(out.size());
  const T last = low < high ? below<T>(high) : static_cast<T>(high);
  parallel::for_blocks(n, kBlock, [&](int64_t begin, int64_t end) {
    fill_unit(key, stream, begin, end, out.data() + begin);
    for (int64_t i = begin; i < end; ++i) {
      const auto k = static_cast<size_t>(i);
      out[k] = std::min(last, static_cast<T>(low + (high - low) * static_cast<double>(out[k])));
    }
  });
}

// Box-Muller: two uniform numbers from one block give the element; 53 bits each for both types.
template <class T>
void fill_normal(uint64_t key, uint64_t stream, std::span<T> out, double mean, double deviation) {
  const auto n = static_cast<int64_t>(out.size());
  parallel::for_blocks(n, kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto words = block_at(key, stream, static_cast<uint64_t>(i));
      const double radius = std::sqrt(-2 * std::log(1 - unit(words[0], words[1])));
      const double angle = 2 * std::numbers::pi * unit(words[2], words[3]);
      out[static_cast<size_t>(i)] = static_cast<T>(mean + deviation * radius * std::cos(angle));
    }
  });
}

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t left = uint64_t{0xD2511F53} * counter[0];
    const uint64_t right = uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<uint32_t>(right >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(right),
        static_cast<uint32_t>(left >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(left)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};  // golden ratio, sqrt(3) - 1
  }
  return counter;
}

Rng Rng::restore(const State& state) {
  Rng rng(state.key);
  rng.stream_ = state.stream;
  return rng;
}

Rng Rng::fork() { return child(~stream_++); }

Rng Rng::child(uint64_t label) const {
  const auto words = block_at(key_, kChildStream, label);
  return Rng(join(words[0], words[1]));
}

void Rng::uniform(std::span<float> out, double low, double high) {
  fill_uniform(key_, stream_++, out, low, high);
}

void Rng::uniform(std::span<double> out, double low, double high) {
  fill_uniform(key_, stream_++, out, low, high);
}

double Rng::uniform(double low, double high) {
  double value;
  uniform(std::span(&value, 1), low, high);
  return value;
}

void Rng::normal(std::span<float> out, double mean, double deviation) {
  fill_normal(key_, stream_++, out, mean, deviation);
}

void Rng::normal(std::span<double> out, double mean, double deviation) {
  fill_normal(key_, stream_++, out, mean, deviation);
}

double Rng::normal(double mean, double deviation) {
  double value;
  normal(std::span(&value, 1), mean, deviation);
  return value;
}

int64_t Rng::integer(int64_t n) {
  check_value(n >= 1, "integer", "needs a positive range, got ", n);
  // Reject the top of the 64-bit range that n does not divide, so that every value is as likely
  const auto range = static_cast<uint64_t>(n);
  const uint64_t limit = ~uint64_t{0} - (~uint64_t{0} % range + 1) % range;
  for (uint64_t attempt = 0;; ++attempt) {
    const auto words = block_at(key_, stream_, attempt);
    const uint64_t draw = join(words[0], words[1]);
    if (draw > limit) continue;
    ++stream_;
    return static_cast<int64_t>(draw % range);
  }
}

std::vector<int64_t> Rng::permutation(int64_t n) {
  check_value(n >= 0, "permutation", "needs a length of at least 0, got ", n);
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = n - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(integer(i + 1))]);
  }
  return order;
}

}  // namespace limpid
