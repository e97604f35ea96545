// interpret/coreset/grow.h: enough data to interpret a network, found in stages.
//
// The interpretation on all data is what one wants to avoid, so nothing here needs it. At stage t
// the first n_t samples of an order are interpreted, O_t:
//
//   successive   sim(O_t, O_{t-1})          optimistic, since both share samples
//   half         mean of sim(I(a), I(b)) over random halves a, b of the n_t, class by class
//   reliability  2 half / (1 + half)        what two wholes would agree in (Spearman 1910; Brown
//                                           1910)
//   forecast     1 - successive = a n^-b, fitted to the last three stages on logarithmic axes: the
//                n at which it reaches the target, and the seconds until there
//
// Growth ends when the lower end of the interval of `successive` (bootstrap over classes) reaches
// the target and `reliability` its own on two stages in a row (converged), when the next stage is
// forecast to gain too little for its seconds (not worth it), when it would pass the time allowed
// (budget), or with the last fraction (complete).
#pragma once

#include "interpret/coreset/interpreter.h"
#include "interpret/numerics/statistics.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace limpid::interpret {

struct Estimate {
  double mean = 0;
  Interval interval;
};
/// Mean of the values that are not NaN, with its bootstrap interval; NaN if there are none.
Estimate estimate_of(std::span<const double> values, uint64_t seed = 0);

/// How many samples of an order make the fraction: the sum of kept_of() over the classes.
int64_t count_at(std::span<const int64_t> class_sizes, double fraction);

/// y = a n^-b through points on logarithmic axes, by least squares; b = 0 for a single n.
struct PowerLaw {
  double a = 0, b = 0;
  double at(double n) const;
  /// The n at which it falls to y; infinite if it never does.
  double where(double y) const;
};
PowerLaw fit_power_law(std::span<const double> n, std::span<const double> y);

enum class StopReason : uint8_t { converged, not_worth_it, budget, complete };
const char* name_of(StopReason reason);  // "converged", "not worth it", "budget", "complete"

struct GrowOptions {
  std::vector<double> fractions = {0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1};
  double target = 0.95;  // of successive
  double target_reliability = 0.9;
  double max_seconds = 0;  // 0: no limit
  double min_gain = 0;     // forecast gain of similarity per second; 0: no limit
  int64_t halves = 5;
  uint64_t seed = 0;
  // Weights of the samples at a fraction, in their order; all count 1 if empty
  std::function<std::vector<double>(double fraction)> weights = {};
  bool has_audit = false;              // interpret all data in the end, for the similarity with it
  std::function<double()> clock = {};  // seconds; of the machine if empty
  double seconds_before = 0;           // spent on features and selection, counted in the budget
};

struct GrowStage {
  double fraction = 0;
  int64_t count = 0;
  std::vector<int64_t> per_class = {};
  std::optional<Estimate> successive = {};  // not at the first stage
  double half = 0, reliability = 0;
  std::optional<double> against_random = {};  // sim(O_t, O of as many random samples)
  std::vector<int64_t> active = {};
  double seconds_activations = 0, seconds_fit = 0;  // of this stage alone
  double seconds_checks = 0;                        // halves and random samples
  // From the third stage on; infinite where the similarity has not grown of late
  std::optional<double> forecast_count = {};    // samples for the target
  std::optional<double> forecast_seconds = {};  // until there
  std::optional<double> forecast_gain = {};     // of the next stage
};

struct Growth {
  std::vector<GrowStage> stages;
  StopReason reason = StopReason::complete;
  double fraction = 0;             // of the last stage
  std::optional<double> smallest;  // fraction that met the target first
  double seconds = 0;              // with seconds_before
  std::optional<double> similarity_full;
  std::optional<double> seconds_full;  // of the audit: the rest of the data and the fit
  Interpretation found;
};

/// Fractions that bring no new sample are left out. Grows along `order`, of samples with these
/// labels in 0 ... K - 1, whose prefixes are the selections for smaller fractions. `random_order`,
/// if not empty, is compared with at each stage. `report` is called after each stage. Throws
/// ValueError for fractions that do not increase in (0, 1], targets outside (0, 1] and an order
/// that does not have every sample once.
Growth grow(
    Interpreter& interpreter, SampleList order, std::span<const int64_t> labels, int64_t classes,
    const GrowOptions& options = {}, SampleList random_order = {},
    const std::function<void(const GrowStage&)>& report = {});

/// What it says about cost and benefit, in a sentence.
std::string cost_and_benefit(const Growth& growth, const GrowOptions& options);

}  // namespace limpid::interpret
