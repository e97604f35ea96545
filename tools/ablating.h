// tools/ablating.h: what classes lose without the units of VEBI; serves `coreset interpret`.
// interpret`.
#pragma once

#include "tools/interpreting.h"

#include <cstdint>
#include <vector>

namespace limpid::interpret {
class Vebi;
}

namespace limpid::tools {

/// Accuracies on the test images of one class each; NaN for a class without test images.
class Ablation {
 public:
  /// Throws UsageError unless the interpreter names units and there is a test part.
  explicit Ablation(Interpreted& all);

  /// With every unit in place, [K].
  const std::vector<double>& accuracy() const { return accuracy_; }
  int64_t images() const { return all_.test.size(); }
  /// How much of it each class loses with its units, [K].
  std::vector<double> drops(const interpret::Interpretation& found) const;
  /// The same with as many units of the same layers, any of them.
  std::vector<double> random_drops(const interpret::Interpretation& found, uint64_t seed) const;

 private:
  template <class UnitsOf>
  std::vector<double> accuracies(const UnitsOf& units_of) const;
  template <class UnitsOf>
  std::vector<double> losses(const UnitsOf& units_of) const;

  Interpreted& all_;
  const interpret::Vebi* vebi_;
  std::vector<std::vector<int64_t>> members_;  // test images of each class
  std::vector<double> accuracy_;
};

}  // namespace limpid::tools
