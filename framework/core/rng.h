// framework/core/rng.h: random numbers as a function of (key, stream, index).
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011)
// maps a 64-bit key and a 128-bit counter to 128 random bits. The counter is (stream, index / 4):
// there is no hidden state to lock, any element may be computed on any thread, and a generator is
// saved and restored by three numbers. Nothing is seeded by a clock.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace limpid {

/// One block of Philox4x32-10. Known answers stand in tests/core/rng_test.cpp.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// A stream of random numbers: key, stream and index of the next one.
class Rng {
 public:
  explicit Rng(uint64_t seed) : key_(seed) {}

  /// What a checkpoint saves: Rng::restore(rng.state()) continues exactly.
  struct State {
    uint64_t key = 0;
    uint64_t stream = 0;
    bool operator==(const State&) const = default;
  };
  State state() const { return {key_, stream_}; }
  static Rng restore(const State& state);

  /// An independent child: a generator of its own for data order, noise, dropout, ...
  Rng fork();
  /// The child with a name of its own: the same for the same parent key and `label`, and
  /// without advancing the parent. Epoch e of a shuffled data set is rng.child(e).
  Rng child(uint64_t label) const;

  /// Uniform on [low, high): 24 random bits per float, 53 per double.
  void uniform(std::span<float> out, double low, double high);
  void uniform(std::span<double> out, double low, double high);
  double uniform(double low = 0, double high = 1);
  /// Normal by the Box-Muller transform.
  void normal(std::span<float> out, double mean, double deviation);
  void normal(std::span<double> out, double mean, double deviation);
  double normal(double mean = 0, double deviation = 1);
  /// Uniform on {0, ..., n - 1}. Throws ValueError unless n >= 1.
  int64_t integer(int64_t n);
  /// A random order of 0 ... n-1 (Fisher-Yates). Throws ValueError for a negative n.
  std::vector<int64_t> permutation(int64_t n);

 private:
  uint64_t key_;
  uint64_t stream_ = 0;  // each draw takes the next stream
};

}  // namespace limpid
