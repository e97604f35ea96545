// interpret/coreset/grow.cpp: stages, what they cost and when they end.
#include "interpret/coreset/grow.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "interpret/coreset/select.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iomanip>
#include <limits>
#include <sstream>

namespace limpid::interpret {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> without_nan(std::span<const double> values) {
  std::vector<double> usable;
  for (const double value : values) {
    if (!std::isnan(value)) usable.push_back(value);
  }
  return usable;
}

}  // namespace

Estimate estimate_of(std::span<const double> values, uint64_t seed) {
  const std::vector<double> usable = without_nan(values);
  return {mean_of(usable), bootstrap_mean(usable, {.seed = seed})};
}

int64_t count_at(std::span<const int64_t> class_sizes, double fraction) {
  int64_t count = 0;
  for (const int64_t size : class_sizes) count += kept_of(size, fraction);
  return count;
}

double PowerLaw::at(double n) const { return a * std::pow(n, -b); }

double PowerLaw::where(double y) const {
  if (b > 0 && y > 0) return std::pow(a / y, 1 / b);
  return b == 0 && a <= y ? 1 : kInfinity;
}

PowerLaw fit_power_law(std::span<const double> n, std::span<const double> y) {
  constexpr double kLeast = 1e-12;  // of y: nothing is below the rounding of a similarity
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  const auto count = static_cast<double>(n.size());
  const auto height = [&](size_t i) { return std::log(std::max(y[i], kLeast)); };
  for (size_t i = 0; i < n.size(); ++i) {
    mean_x += std::log(n[i]) / count;
    mean_y += height(i) / count;
  }
  for (size_t i = 0; i < n.size(); ++i) {
    const double x = std::log(n[i]) - mean_x;
    xx += x * x;
    xy += x * (height(i) - mean_y);
  }
  const double slope = xx > 0 ? xy / xx : 0;
  return {std::exp(mean_y - slope * mean_x), -slope};
}

const char* name_of(StopReason reason) {
  switch (reason) {
    case StopReason::converged: return "converged";
    case StopReason::not_worth_it: return "not worth it";
    case StopReason::budget: return "budget";
    case StopReason::complete: break;
  }
  return "complete";
}

namespace {

double seconds_now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

void check_growth(SampleList order, std::span<const int64_t> labels, const GrowOptions& o) {
  check_value(!o.fractions.empty(), "grow", "needs a fraction");
  double before = 0;
  for (const double fraction : o.fractions) {
    check_value(
        fraction > before && fraction <= 1, "grow", "fractions must increase in (0, 1], got ",
        fraction, " after ", before);
    before = fraction;
  }
  check_value(
      o.target > 0 && o.target <= 1 && o.target_reliability > 0 && o.target_reliability <= 1,
      "grow", "needs targets in (0, 1], got ", o.target, " and ", o.target_reliability);
  check_value(o.halves >= 1, "grow", "needs at least one pair of halves, got ", o.halves);
  std::vector<int64_t> sorted(order.begin(), order.end());
  std::ranges::sort(sorted);
  bool is_complete = order.size() == labels.size();
  for (size_t i = 0; i < sorted.size(); ++i) {
    is_complete = is_complete && sorted[i] == static_cast<int64_t>(i);
  }
  check_value(
      is_complete, "grow", "the order must have each of the ", labels.size(), " samples once");
}

bool weigh_nothing(SampleList samples, SampleWeights weights) {
  const bool are_0 = std::ranges::all_of(weights, [](double v) { return v == 0; });
  return samples.empty() || (!weights.empty() && are_0);
}

// One run of grow(): what stages share.
class Growing {
 public:
  Growing(
      Interpreter& interpreter, SampleList order, std::span<const int64_t> labels, int64_t classes,
      const GrowOptions& options, SampleList random_order)
      : interpreter_(interpreter),
        order_(order),
        labels_(labels),
        random_(random_order),
        o_(options),
        sizes_(static_cast<size_t>(classes)) {
    for (const int64_t label : labels) ++sizes_.at(static_cast<size_t>(label));
    interpreter_.see({});  // what comparisons need is no part of the cost
    start_ = now() - o_.seconds_before;
  }

  int64_t count(size_t stage) const { return count_at(sizes_, o_.fractions[stage]); }
  double elapsed() const { return now() - start_; }

  // Interprets the samples of a stage and measures it.
  GrowStage next(size_t t) {
    GrowStage stage{.fraction = o_.fractions[t], .count = count(t)};
    const SampleList samples = order_.first(static_cast<size_t>(stage.count));
    stage.per_class.assign(sizes_.size(), 0);
    for (const int64_t i : samples) ++stage.per_class[class_of(i)];
    const double begin = now();
    interpreter_.see(samples);
    const double middle = now();
    const std::vector<double> weights =
        o_.weights ? o_.weights(stage.fraction) : std::vector<double>();
    Interpretation found = interpreter_.fit(samples, weights);
    const double end = now();
    stage.seconds_activations = middle - begin;
    stage.seconds_fit = end - middle;
    stage.active = found.active;
    if (t > 0) stage.successive = estimate_of(compare(found_, found), o_.seed);
    found_ = std::move(found);
    stage.half = half_similarity(samples, weights);
    stage.reliability = 2 * stage.half / (1 + stage.half);
    if (!random_.empty()) {
      const SampleList others = random_.first(samples.size());
      interpreter_.see(others);
      stage.against_random = mean_similarity(found_, interpreter_.fit(others));
    }
    stage.seconds_checks = now() - end;
    seconds_ += now() - begin;
    forecast(t, stage);
    return stage;
  }

  // Seconds of the next stages up to n samples, by those so far per new sample.
  double seconds_until(double n, const GrowStage& stage) const {
    const double more = std::max(0.0, n - static_cast<double>(stage.count));
    return seconds_ / static_cast<double>(stage.count) * more;
  }

  bool is_reached(const GrowStage& stage) const {
    return stage.successive && stage.successive->interval.low >= o_.target &&
           stage.reliability >= o_.target_reliability;
  }

  Interpretation take() { return std::move(found_); }

  // The audit: everything, and the similarity of what was found with it.
  void audit(Growth& growth) {
    const double begin = now();
    interpreter_.see(order_);
    const Interpretation full = interpreter_.fit(order_);
    growth.seconds_full = now() - begin;
    growth.similarity_full = mean_similarity(full, growth.found);
  }

 private:
  double now() const { return o_.clock ? o_.clock() : seconds_now(); }
  size_t class_of(int64_t sample) const {
    return static_cast<size_t>(labels_[static_cast<size_t>(sample)]);
  }
  std::vector<double> compare(const Interpretation& a, const Interpretation& b) {
    return interpreter_.compare(a, b).at(interpreter_.headline());
  }
  double mean_similarity(const Interpretation& a, const Interpretation& b) {
    return mean_of(without_nan(compare(a, b)));
  }

  // Every class in two halves, drawn anew each time; an odd one goes to either half in turn.
  double half_similarity(SampleList samples, SampleWeights weights) {
    double total = 0;
    for (int64_t r = 0; r < o_.halves; ++r) {
      std::vector<int64_t> halves[2];
      std::vector<double> weights_of[2];
      std::vector<size_t> turn(sizes_.size());
      for (size_t c = 0; c < turn.size(); ++c) turn[c] = c;
      const auto draw =
          Rng(o_.seed).child(static_cast<uint64_t>(r)).permutation(std::ssize(samples));
      for (const int64_t place : draw) {
        const int64_t sample = samples[static_cast<size_t>(place)];
        const size_t half = turn[class_of(sample)]++ % 2;
        halves[half].push_back(sample);
        if (!weights.empty()) weights_of[half].push_back(weights[static_cast<size_t>(place)]);
      }
      Interpretation found[2];
      for (size_t half = 0; half < 2; ++half) {
        if (weigh_nothing(halves[half], weights_of[half])) return 0;
        found[half] = interpreter_.fit(halves[half], weights_of[half]);
      }
      total += mean_similarity(found[0], found[1]);
    }
    return total / static_cast<double>(o_.halves);
  }

  void forecast(size_t t, GrowStage& stage) {
    if (!stage.successive) return;
    counts_.push_back(static_cast<double>(stage.count));
    gaps_.push_back(1 - stage.successive->mean);
    if (counts_.size() < 2) return;
    const size_t used = std::min<size_t>(3, counts_.size());
    const PowerLaw law = fit_power_law(std::span(counts_).last(used), std::span(gaps_).last(used));
    const double n = std::max(law.where(1 - o_.target), static_cast<double>(stage.count));
    stage.forecast_count = gaps_.back() <= 1 - o_.target ? static_cast<double>(stage.count) : n;
    stage.forecast_seconds = seconds_until(*stage.forecast_count, stage);
    if (t + 1 < o_.fractions.size()) {
      const auto next = static_cast<double>(count(t + 1));
      stage.forecast_gain = law.at(static_cast<double>(stage.count)) - law.at(next);
    }
  }

  Interpreter& interpreter_;
  SampleList order_;
  std::span<const int64_t> labels_;
  SampleList random_;
  const GrowOptions& o_;
  std::vector<int64_t> sizes_;  // of the classes
  double start_ = 0;
  double seconds_ = 0;  // of the stages so far
  Interpretation found_;
  std::vector<double> counts_, gaps_;  // from the second stage on
};

std::string digits(double value, int places) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(places) << value;
  return text.str();
}

}  // namespace

Growth grow(
    Interpreter& interpreter, SampleList order, std::span<const int64_t> labels, int64_t classes,
    const GrowOptions& options, SampleList random_order,
    const std::function<void(const GrowStage&)>& report) {
  check_growth(order, labels, options);
  if (!random_order.empty()) check_growth(random_order, labels, options);
  Growing growing(interpreter, order, labels, classes, options, random_order);
  Growth growth;
  bool was_reached = false;
  for (size_t t = 0; t < options.fractions.size(); ++t) {
    // Of few samples, a larger fraction may be the same ones, which agree with themselves
    if (t > 0 && growing.count(t) == growth.stages.back().count) continue;
    growth.stages.push_back(growing.next(t));
    const GrowStage& stage = growth.stages.back();
    if (report) report(stage);
    const bool is_reached = growing.is_reached(stage);
    if (is_reached && !growth.smallest) growth.smallest = stage.fraction;
    if (!is_reached) growth.smallest.reset();
    if (is_reached && was_reached) {
      growth.reason = StopReason::converged;
      break;
    }
    was_reached = is_reached;
    if (t + 1 == options.fractions.size()) break;

    const double seconds = growing.seconds_until(static_cast<double>(growing.count(t + 1)), stage);
    if (options.max_seconds > 0 && growing.elapsed() + seconds > options.max_seconds) {
      growth.reason = StopReason::budget;
      break;
    }
    if (options.min_gain > 0 && stage.forecast_gain &&
        *stage.forecast_gain < options.min_gain * seconds) {
      growth.reason = StopReason::not_worth_it;
      break;
    }
  }
  growth.fraction = growth.stages.back().fraction;
  growth.found = growing.take();
  growth.seconds = growing.elapsed();
  if (options.has_audit) growing.audit(growth);
  return growth;
}

std::string cost_and_benefit(const Growth& growth, const GrowOptions& options) {
  const GrowStage& last = growth.stages.back();
  std::string text = join_text(
      "at ", digits(100 * growth.fraction, 0), " % (", last.count, " samples, ",
      digits(growth.seconds, 2), " s) ");
  if (growth.similarity_full) {
    text += "you keep " + digits(*growth.similarity_full, 3) + " of the reference";
  } else if (last.successive) {
    text += "the interpretation agrees with the stage before to " +
            digits(last.successive->mean, 3) + " and with itself to " + digits(last.reliability, 3);
  } else {
    text += "the interpretation agrees with itself to " + digits(last.reliability, 3);
  }
  if (last.forecast_gain) {
    const auto next = std::ranges::upper_bound(options.fractions, growth.fraction);
    text += "; the next step to " + digits(100 * *next, 0) + " % is forecast to add " +
            digits(*last.forecast_gain, 3);
  }
  return text;
}

}  // namespace limpid::interpret
