// framework/optim/schedule.h: the learning rate as a function of the step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace limpid {

struct Schedule {
  enum class Kind : uint8_t { constant, step, multi_step, cosine, one_cycle };

  Kind kind = Kind::cosine;
  double learning_rate = 2e-3;           // the largest
  int64_t steps = 1;                     // of the whole run, T
  int64_t warmup = 0;                    // w: first steps, rising linearly from learning_rate / w
  int64_t step_every = 0;                // kind step: divide by ten after every so many steps
  std::vector<int64_t> milestones = {};  // kind multi_step: divide by ten at each of these steps

  /// Rate of step t = 0 ... T-1, after the warm-up w:
  ///   constant: lr    step: lr / 10^floor(t / step_every)
  ///   multi_step: lr / 10^(number of milestones <= t)
  ///   cosine: lr (1 + cos(pi (t - w) / (T - w))) / 2   (Loshchilov and Hutter, ICLR 2017, eq. 5)
  ///   one_cycle: half cosines from lr / 25 up to lr at step r - 1 and down to lr / 250000 at step
  ///     T - 1, where r = 0.3 T, or w if that is given; there is no linear warm-up (Smith and
  ///     Topin, "Super-Convergence", 2018; shape and numbers of PyTorch's OneCycleLR)
  double at(int64_t t) const;
};

/// constant, step, multi-step, cosine or one-cycle. Throws ValueError for another name.
Schedule::Kind schedule_kind(const std::string& name);

}  // namespace limpid
