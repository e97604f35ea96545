// framework/optim/schedule.cpp: schedules in closed form.
#include "framework/optim/schedule.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace limpid {

double Schedule::at(int64_t t) const {
  if (t < warmup) {
    return learning_rate * static_cast<double>(t + 1) / static_cast<double>(warmup);
  }
  switch (kind) {
    case Kind::constant: return learning_rate;
    case Kind::step: {
      const int64_t drops = step_every > 0 ? t / step_every : 0;
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
  if (name == "cosine") return Schedule::Kind::cosine;
  raise<ValueError>("schedule", "'", name, "' is not constant, step or cosine");
}

}  // namespace limpid
