// interpret/coreset/greedy.h: the largest value that k elements can give, one element at a time.
//
// A set function f is submodular if an element gains less the more there is already:
//     f(A + j) - f(A) >= f(B + j) - f(B)   for A within B.
// For monotone f the greedy order has at least 1 - 1/e of the best value of each size (Nemhauser,
// Wolsey and Fisher, Mathematical Programming 14, 1978). Of equal gains the smallest index wins.
//
//   lazy        gains of earlier steps are upper bounds, so only elements at the top of a queue
//               are looked at again (Minoux 1978). The order is that of trying all.
//   stochastic  the best of (n / k) ln(1 / epsilon) elements drawn anew at each step; 1 - 1/e -
//               epsilon in expectation (Mirzasoleiman et al., AAAI 2015)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace limpid {
class Rng;
}

namespace limpid::interpret {

/// f of a set A that starts empty and grows.
class SetFunction {
 public:
  virtual ~SetFunction() = default;
  /// Elements are 0 ... size() - 1.
  virtual int64_t size() const = 0;
  /// out_c = f(A + candidates_c) - f(A).
  virtual void gains(std::span<const int64_t> candidates, std::span<double> out) = 0;
  /// A becomes A + j.
  virtual void add(int64_t j) = 0;
};

struct GreedyResult {
  std::vector<int64_t> order;
  std::vector<double> gains;
};

/// k elements of a submodular function; a prefix is the result for a smaller k. Throws ValueError
/// unless 0 <= k <= f.size().
GreedyResult lazy_greedy(SetFunction& f, int64_t k);
/// Elements depend on k: a prefix is not the result for a smaller k.
GreedyResult stochastic_greedy(SetFunction& f, int64_t k, double epsilon, Rng rng);

}  // namespace limpid::interpret
