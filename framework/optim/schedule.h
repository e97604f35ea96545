// framework/optim/schedule.h: the learning rate as a function of the step.
#pragma once

#include <cstdint>
#include <string>

namespace limpid {

struct Schedule {
  enum class Kind : uint8_t { constant, step, cosine };

  Kind kind = Kind::cosine;
  double learning_rate = 2e-3;  // the largest
  int64_t steps = 1;            // of the whole run, T
  int64_t warmup = 0;           // first steps, rising linearly from learning_rate / warmup
  int64_t step_every = 0;       // kind step: divide by ten after every so many steps

  /// Rate of step t = 0 ... T-1, after the warm-up w:
  ///   constant: lr    step: lr / 10^floor(t / step_every)
  ///   cosine: lr (1 + cos(pi (t - w) / (T - w))) / 2   (Loshchilov and Hutter, ICLR 2017, eq. 5)
  double at(int64_t t) const;
};

/// constant, step or cosine. Throws ValueError for another name.
Schedule::Kind schedule_kind(const std::string& name);

}  // namespace limpid
