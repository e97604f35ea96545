// interpret/coreset/set_functions.h: what a subset A of the samples V is worth to the others.
//
//   facility location    f(A) = sum_{i in V} max_{j in A} s_ij          every sample is represented
//   graph cut            f(A) = lambda sum_{i in V, j in A} s_ij - sum_{i, j in A} s_ij
//                                                                       typical, and not redundant
//   log-determinant      f(A) = log det(S_A + epsilon I)                volume: diversity alone
//
// over similarities s_ij >= 0 (distances.h). All three are submodular. Graph cut gains with every
// element for lambda >= 2; the log-determinant loses where the remaining volume is below 1, and the
// greedy order is still the one with the largest volume at each step.
#pragma once

#include "interpret/coreset/distances.h"
#include "interpret/coreset/greedy.h"

#include <memory>
#include <vector>

namespace limpid::interpret {

/// All gains sum_i max(0, s_ij - b_i), b_i = max_{j in A} s_ij, are kept. A new element changes b_i
/// of the samples that it represents from then on, in a typical order n / t of them at step t, and
/// only their rows of S are made again: about n ln k rows for k elements, whatever the samples.
class FacilityLocation : public SetFunction {
 public:
  explicit FacilityLocation(std::shared_ptr<const Similarities> S);
  int64_t size() const override { return S_->size(); }
  void gains(std::span<const int64_t> candidates, std::span<double> out) override;
  void add(int64_t j) override;

  /// For each sample the position in A, in the order of add(), of what represents it best; the
  /// first of equals. Empty if A is.
  const std::vector<int64_t>& representatives() const { return representative_; }

 private:
  std::shared_ptr<const Similarities> S_;
  std::vector<double> gain_;
  std::vector<float> best_;  // b_i
  std::vector<int64_t> representative_;
  int64_t added_ = 0;
};

/// lambda sum_{i in V, j in A} s_ij - sum_{i, j in A} s_ij.
class GraphCut : public SetFunction {
 public:
  GraphCut(std::shared_ptr<const Similarities> S, double lambda);
  int64_t size() const override { return S_->size(); }
  void gains(std::span<const int64_t> candidates, std::span<double> out) override;
  void add(int64_t j) override;

 private:
  std::shared_ptr<const Similarities> S_;
  std::vector<double> worth_;       // lambda sum_{i in V} s_ij
  std::vector<double> redundancy_;  // sum_{i in A} s_ij
};

/// Gains log(s_jj + epsilon - s_jA (S_A + epsilon I)^-1 s_Aj) by a Cholesky factor that grows by
/// one row per element (Chen, Zhang and Zhou, NeurIPS 2018): n numbers are kept for each.
class LogDeterminant : public SetFunction {
 public:
  LogDeterminant(std::shared_ptr<const Similarities> S, double epsilon);
  int64_t size() const override { return S_->size(); }
  void gains(std::span<const int64_t> candidates, std::span<double> out) override;
  void add(int64_t j) override;

 private:
  std::shared_ptr<const Similarities> S_;
  double epsilon_;
  std::vector<double> pivot_;              // what the logarithm is taken of, at least 2^-52
  std::vector<std::vector<double>> rows_;  // of the factor, [|A|][n]
};

}  // namespace limpid::interpret
