// tests/autograd/profile_test.cpp: calls, bytes and times of ops, forward and backward.
#include "framework/autograd/profile.h"

#include "framework/autograd/grad.h"
#include "framework/ops/ops.h"

#include <doctest/doctest.h>

#include <map>

namespace limpid {
namespace {

std::map<std::string, OpProfile::Row> by_name(const OpProfile& profile) {
  std::map<std::string, OpProfile::Row> rows;
  for (const OpProfile::Row& row : profile.rows()) rows[row.op] = row;
  return rows;
}

}  // namespace

TEST_CASE("profile: forward results are counted, and what a formula calls belongs to its op") {
  OpProfile profile;
  {
    const Observing watch(profile);
    Tensor x = Tensor::ones({4, 8});
    x.require_gradient();
    const Tensor y = exp(x) * exp(x);
    backward(sum(y));
  }
  const auto rows = by_name(profile);
  CHECK(rows.at("exp").calls == 2);
  CHECK(rows.at("exp").bytes == 2 * 4 * 8 * 4);
  CHECK(rows.at("exp").gradients == 2);
  CHECK(rows.at("mul").calls == 1);  // the products inside the formulas are not forward calls
  CHECK(rows.at("mul").gradients == 2);
  CHECK(rows.at("exp").backward_ms > 0);
  CHECK(rows.at("exp").forward_ms > 0);
}

TEST_CASE("profile: nothing counts while it is stopped, and rows come by cost") {
  OpProfile profile;
  const Observing watch(profile);
  profile.stop();
  exp(Tensor::ones({3}));
  CHECK(profile.rows().empty());
  profile.restart();
  exp(Tensor::ones({100000}));
  neg(Tensor::ones({1}));
  const auto rows = profile.rows();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].forward_ms + rows[0].backward_ms >= rows[1].forward_ms + rows[1].backward_ms);
}

}  // namespace limpid
