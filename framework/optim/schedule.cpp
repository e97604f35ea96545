// framework/optim/schedule.cpp: schedules in closed form.
#include "framework/optim/schedule.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace limpid {
namespace {

constexpr double kFirstDivisor = 25;  // one_cycle: lr / first rate; PyTorch's div_factor
constexpr double kLastDivisor = 1e4;  // first / last rate; PyTorch's final_div_factor
constexpr double kRisingShare = 0.3;  // of the steps; PyTorch's pct_start

// From a at `share` 0 to b at 1, along half a cosine.
double half_cosine(double a, double b, double share) {
  return b + (a - b) * (1 + std::cos(std::numbers::pi * std::clamp(share, 0.0, 1.0))) / 2;
}

double one_cycle(const Schedule& s, double t) {
  const double first = s.learning_rate / kFirstDivisor;
  const auto total = static_cast<double>(s.steps);
  const double rise = s.warmup > 0 ? static_cast<double>(s.warmup) : kRisingShare * total;
  const double peak = rise - 1;  // the step at lr; need not be whole
  if (t <= peak) return half_cosine(first, s.learning_rate, peak > 0 ? t / peak : 1);
  const double fall = total - 1 - peak;
  return half_cosine(s.learning_rate, first / kLastDivisor, fall > 0 ? (t - peak) / fall : 1);
}

}  // namespace

double Schedule::at(int64_t t) const {
  if (kind == Kind::one_cycle) return one_cycle(*this, static_cast<double>(t));
  if (t < warmup) {
    return learning_rate * static_cast<double>(t + 1) / static_cast<double>(warmup);
  }
  switch (kind) {
    case Kind::constant:
    case Kind::one_cycle: return learning_rate;
    case Kind::step: {
      const int64_t drops = step_every > 0 ? t / step_every : 0;
      return learning_rate * std::pow(0.1, static_cast<double>(drops));
    }
    case Kind::multi_step: {
      const auto drops = std::ranges::count_if(milestones, [t](int64_t m) { return m <= t; });
      return learning_rate * std::pow(0.1, static_cast<double>(drops));
    }
    case Kind::cosine: {
      const double done = static_cast<double>(t - warmup) /
                          static_cast<double>(std::max<int64_t>(steps - warmup, 1));
      return learning_rate * (1 + std::cos(std::numbers::pi * std::min(done, 1.0))) / 2;
    }
  }
  return learning_rate;
}

Schedule::Kind schedule_kind(const std::string& name) {
  if (name == "constant") return Schedule::Kind::constant;
  if (name == "step") return Schedule::Kind::step;
  if (name == "multi-step") return Schedule::Kind::multi_step;
  if (name == "cosine") return Schedule::Kind::cosine;
  if (name == "one-cycle") return Schedule::Kind::one_cycle;
  raise<ValueError>(
      "schedule", "'", name, "' is not constant, step, multi-step, cosine or one-cycle");
}

}  // namespace limpid
