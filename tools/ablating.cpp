// tools/ablating.cpp: classes without their units.
#include "tools/ablating.h"

#include "framework/core/error.h"
#include "interpret/coreset/ablation.h"
#include "interpret/coreset/vebi.h"
#include "tools/console.h"

#include <limits>

namespace limpid::tools {

using Units = std::vector<interpret::RelevantUnit>;

Ablation::Ablation(Interpreted& all)
    : all_(all),
      vebi_(dynamic_cast<const interpret::Vebi*>(all.interpreter.get())),
      members_(static_cast<size_t>(all.folder.card.classes())) {
  if (vebi_ == nullptr) throw UsageError("--ablation: only vebi names units to silence");
  if (all.test.is_empty()) throw UsageError("--ablation: the data have no test part");
  for (int64_t i = 0; i < all.test.size(); ++i) {
    members_.at(static_cast<size_t>(all.test.labels.data<int64_t>()[i])).push_back(i);
  }
  accuracy_ = accuracies([](int64_t) { return Units(); });
}

template <class UnitsOf>
std::vector<double> Ablation::accuracies(const UnitsOf& units_of) const {
  std::vector<double> result;
  for (size_t c = 0; c < members_.size(); ++c) {
    check_interrupt();
    if (members_[c].empty()) {
      result.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    const Tensor images = standardised(all_.test.images.rows(members_[c]), all_.folder.card);
    const auto k = static_cast<int64_t>(c);
    result.push_back(interpret::accuracy_without(*all_.folder.model, units_of(k), images, k));
  }
  return result;
}

template <class UnitsOf>
std::vector<double> Ablation::losses(const UnitsOf& units_of) const {
  std::vector<double> result = accuracies(units_of);
  for (size_t c = 0; c < result.size(); ++c) result[c] = accuracy_[c] - result[c];
  return result;
}

std::vector<double> Ablation::drops(const interpret::Interpretation& found) const {
  return losses([&](int64_t c) { return vebi_->relevant_units(found, c); });
}

std::vector<double> Ablation::random_drops(
    const interpret::Interpretation& found, uint64_t seed) const {
  const Rng rng(seed);
  return losses([&](int64_t c) {
    return vebi_->random_units(
        vebi_->relevant_units(found, c), rng.child(static_cast<uint64_t>(c)));
  });
}

}  // namespace limpid::tools
