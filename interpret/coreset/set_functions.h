// interpret/coreset/set_functions.h: what a subset A of the samples V is worth to the others.
//
//   facility location    f(A) = sum_{i in V} max_{j in A} s_ij          every sample is represented
//   graph cut            f(A) = lambda sum_{i in V, j in A} s_ij - sum_{i, j in A} s_ij
//                                                                       typical, and not redundant
//   log-determinant      f(A) = log det(S_A + epsilon I)                volume: diversity alone
//
// over similarities s_ij >= 0 (distances.h). All three are submodular; graph cut is monotone for
// lambda >= 2 only, the log-determinant where the diagonal of S + epsilon I exceeds 1 enough.
#pragma once

#include "interpret/coreset/distances.h"
#include "interpret/coreset/greedy.h"

#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

namespace limpid::interpret {

/// Columns of S that were needed stay in memory up to a limit, since lazy greedy comes back to the
/// same elements again and again.
class FacilityLocation : public SetFunction {
 public:
  explicit FacilityLocation(
      std::shared_ptr<const Similarities> S, int64_t bytes = int64_t{96} << 20);
  int64_t size() const override { return S_->size(); }
  void gains(std::span<const int64_t> candidates, std::span<double> out) override;
  void add(int64_t j) override;

  /// For each sample the position in A, in the order of add(), of what represents it best; the
  /// first of equals. Empty if A is.
  const std::vector<int64_t>& representatives() const { return representative_; }

 private:
  using Column = std::vector<float>;
  struct Kept {
    Column column;
    std::list<int64_t>::iterator place;
  };
  // The columns, from memory or made together; valid until the next call.
  std::vector<const Column*> columns(std::span<const int64_t> which);

  std::shared_ptr<const Similarities> S_;
  int64_t most_;             // columns kept
  std::vector<float> best_;  // max_{j in A} s_ij
  std::vector<int64_t> representative_;
  int64_t added_ = 0;
  std::unordered_map<int64_t, Kept> kept_;
  std::list<int64_t> use_;  // the latest first
};

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
