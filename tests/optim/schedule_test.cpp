// tests/optim/schedule_test.cpp: the learning rate at chosen steps.
#include "framework/optim/schedule.h"

#include "framework/core/error.h"

#include <doctest/doctest.h>

#include <cmath>

namespace limpid {
namespace {

using Kind = Schedule::Kind;

// Closed forms with one cosine and a few products: 1e-14 is some fifty units of 2^-53.
doctest::Approx near(double value) { return doctest::Approx(value).epsilon(1e-14); }

// PyTorch's OneCycleLR with its defaults, phase after phase as in its get_lr().
double one_cycle_of_pytorch(double max_lr, double total, double t) {
  const double initial = max_lr / 25, least = initial / 1e4;
  struct Phase {
    double end, from, to;
  };
  double start = 0;
  for (const Phase& p :
       {Phase{0.3 * total - 1, initial, max_lr}, Phase{total - 1, max_lr, least}}) {
    if (t <= p.end || p.end == total - 1) {
      const double share = (t - start) / (p.end - start);
      return p.to + (p.from - p.to) / 2 * (1 + std::cos(3.14159265358979323846 * share));
    }
    start = p.end;
  }
  return least;
}

}  // namespace

TEST_CASE("schedule: constant, with and without warm-up") {
  const Schedule plain{.kind = Kind::constant, .learning_rate = 0.5, .steps = 10};
  for (const int64_t t : {0, 1, 9, 100}) CHECK(plain.at(t) == 0.5);
  const Schedule warm{.kind = Kind::constant, .learning_rate = 0.5, .steps = 10, .warmup = 4};
  CHECK(warm.at(0) == near(0.125));  // lr / warmup, never 0
  CHECK(warm.at(1) == near(0.25));
  CHECK(warm.at(3) == near(0.5));
  CHECK(warm.at(4) == 0.5);
}

TEST_CASE("schedule: step divides by ten every so many steps, counted from the start") {
  const Schedule s{.kind = Kind::step, .learning_rate = 2, .steps = 30, .step_every = 10};
  CHECK(s.at(0) == 2);
  CHECK(s.at(9) == 2);
  CHECK(s.at(10) == near(0.2));
  CHECK(s.at(19) == near(0.2));
  CHECK(s.at(20) == near(0.02));
  const Schedule never{.kind = Kind::step, .learning_rate = 2, .steps = 30};
  CHECK(never.at(29) == 2);
  const Schedule warm{
      .kind = Kind::step, .learning_rate = 2, .steps = 30, .warmup = 2, .step_every = 10};
  CHECK(warm.at(0) == near(1));
  CHECK(warm.at(10) == near(0.2));
}

TEST_CASE("schedule: cosine starts at lr after the warm-up, is halved half way, and ends near 0") {
  const Schedule s{.learning_rate = 3, .steps = 100};  // cosine is the default
  CHECK(s.at(0) == 3);
  CHECK(s.at(25) == near(1.5 * (1 + std::sqrt(0.5))));
  CHECK(s.at(50) == near(1.5));
  CHECK(s.at(75) == near(1.5 * (1 - std::sqrt(0.5))).scale(1));
  // The last step: 1 - cos(pi / 100) = 2 sin^2(pi / 200)
  const double half = std::sin(3.14159265358979323846 / 200);
  CHECK(s.at(99) == doctest::Approx(3 * half * half).epsilon(1e-11));  // 1 + cos cancels 3 digits
  CHECK(s.at(99) > 0);
  CHECK(s.at(100) == 0);
  CHECK(s.at(1000) == 0);  // and stays there

  const Schedule warm{.learning_rate = 3, .steps = 100, .warmup = 20};
  CHECK(warm.at(0) == near(0.15));
  CHECK(warm.at(19) == near(3));
  CHECK(warm.at(20) == 3);
  CHECK(warm.at(60) == near(1.5));
  CHECK(warm.at(100) == 0);
  for (int64_t t = 21; t <= 100; ++t) CHECK(warm.at(t) < warm.at(t - 1));
}

TEST_CASE("schedule: multi-step divides by ten at each milestone, in any order") {
  const Schedule s{
      .kind = Kind::multi_step, .learning_rate = 2, .steps = 30, .milestones = {20, 5, 25}};
  CHECK(s.at(0) == 2);
  CHECK(s.at(4) == 2);
  CHECK(s.at(5) == near(0.2));
  CHECK(s.at(19) == near(0.2));
  CHECK(s.at(20) == near(0.02));
  CHECK(s.at(25) == near(0.002));
  CHECK(s.at(29) == near(0.002));
  const Schedule none{.kind = Kind::multi_step, .learning_rate = 2, .steps = 30};
  CHECK(none.at(29) == 2);
  const Schedule warm{
      .kind = Kind::multi_step, .learning_rate = 2, .steps = 30, .warmup = 4, .milestones = {2, 9}};
  CHECK(warm.at(1) == near(1));  // milestones within the warm-up count after it
  CHECK(warm.at(4) == near(0.2));
  CHECK(warm.at(9) == near(0.02));
}

TEST_CASE("schedule: one-cycle rises from lr / 25 and falls to lr / 250000") {
  const Schedule s{.kind = Kind::one_cycle, .learning_rate = 2, .steps = 100};
  CHECK(s.at(0) == near(0.08));
  CHECK(s.at(29) == near(2));                              // 0.3 T - 1
  CHECK(s.at(64) == near(1 + 4e-6));                       // half way down: the mean of 2 and 8e-6
  CHECK(s.at(99) == doctest::Approx(8e-6).epsilon(1e-9));  // 1 + cos cancels
  CHECK(s.at(1000) == s.at(99));
  for (int64_t t = 1; t < 100; ++t) CHECK((s.at(t) > s.at(t - 1)) == (t <= 29));

  // Every step of runs whose peak is whole, lies between steps, or before the first
  for (const int64_t steps : {100, 25, 10, 7, 2}) {
    const Schedule run{.kind = Kind::one_cycle, .learning_rate = 0.3, .steps = steps};
    for (int64_t t = 0; t < steps; ++t) {
      const double expected =
          one_cycle_of_pytorch(0.3, static_cast<double>(steps), static_cast<double>(t));
      CHECK(run.at(t) == doctest::Approx(expected).epsilon(1e-10).scale(1e-3));
    }
  }

  // The warm-up, where given, is the length of the rise
  const Schedule warm{.kind = Kind::one_cycle, .learning_rate = 2, .steps = 100, .warmup = 11};
  CHECK(warm.at(0) == near(0.08));
  CHECK(warm.at(5) == near(1.04));
  CHECK(warm.at(10) == near(2));
  CHECK(warm.at(11) < 2);
}

TEST_CASE("schedule: degenerate runs stay finite") {
  const Schedule one{.learning_rate = 1, .steps = 1};
  CHECK(one.at(0) == 1);
  const Schedule all_warm{.learning_rate = 1, .steps = 5, .warmup = 5};
  CHECK(all_warm.at(4) == 1);
  CHECK(all_warm.at(5) == 1);
  const Schedule empty{.learning_rate = 1, .steps = 0};
  CHECK(empty.at(0) == 1);
  for (const int64_t steps : {0, 1, 2, 3, 4}) {
    for (const int64_t warmup : {0, 1, 4}) {
      const Schedule cycle{
          .kind = Kind::one_cycle, .learning_rate = 1, .steps = steps, .warmup = warmup};
      for (int64_t t = 0; t <= steps; ++t) {
        CHECK(cycle.at(t) >= 4e-6 * (1 - 1e-9));
        CHECK(cycle.at(t) <= 1);
      }
    }
  }
}

TEST_CASE("schedule_kind: by name") {
  CHECK(schedule_kind("constant") == Kind::constant);
  CHECK(schedule_kind("step") == Kind::step);
  CHECK(schedule_kind("multi-step") == Kind::multi_step);
  CHECK(schedule_kind("cosine") == Kind::cosine);
  CHECK(schedule_kind("one-cycle") == Kind::one_cycle);
  CHECK_THROWS_WITH_AS(
      schedule_kind("linear"),
      "schedule: 'linear' is not constant, step, multi-step, cosine or one-cycle", ValueError);
  CHECK_THROWS_AS(schedule_kind(""), ValueError);
}

}  // namespace limpid
