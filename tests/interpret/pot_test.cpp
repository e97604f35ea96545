// tests/interpret/pot_test.cpp: our optimal transport beside stored answers of POT.
#include "interpret/numerics/gromov.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/sinkhorn.h"
#include "interpret/numerics/squared_distances.h"
#include "interpret/numerics/wasserstein.h"
#include "tests/support/fixture.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Made by pot.py beside this file.
const Json& fixtures() {
  static const Json all = fixture("pot.json");
  return all;
}

std::vector<double> numbers_if_there(const Json& problem, const char* name) {
  return problem.contains(name) ? numbers(problem.at(name)) : std::vector<double>();
}

}  // namespace

TEST_CASE("POT: transport on a line") {
  REQUIRE(fixtures().at("line").items().size() == 3);
  for (const Json& problem : fixtures().at("line").items()) {
    const LineTransport found = line_transport(
        numbers(problem.at("x")), numbers(problem.at("y")), numbers_if_there(problem, "a"),
        numbers_if_there(problem, "b"));
    CHECK(std::abs(found.w1 - problem.number("w1")) < 1e-8);
    CHECK(std::abs(found.w2_squared - problem.number("w2_squared")) < 1e-8);
  }
}

TEST_CASE("POT: sliced transport along given directions") {
  REQUIRE(fixtures().at("sliced").items().size() == 2);
  for (const Json& problem : fixtures().at("sliced").items()) {
    const SlicedTransport found = sliced_transport(
        matrix(problem.at("X")), matrix(problem.at("Y")), matrix(problem.at("directions")),
        numbers(problem.at("a")), numbers(problem.at("b")));
    CHECK(std::abs(std::sqrt(found.mean_w2_squared) - problem.number("sw2")) < 1e-8);
  }
}

TEST_CASE("POT: entropic transport without the entropic term") {
  REQUIRE(fixtures().at("sinkhorn").items().size() == 3);
  for (const Json& problem : fixtures().at("sinkhorn").items()) {
    const Tensor C = squared_distances(matrix(problem.at("X")), matrix(problem.at("Y")));
    const SinkhornResult found = sinkhorn(
        C, numbers(problem.at("a")), numbers(problem.at("b")),
        {.epsilon = problem.number("epsilon"),
         .marginal_tolerance = 1e-10,
         .max_iterations = 100000});
    CHECK(found.status == SinkhornStatus::converged);
    // Both iterate, to marginals of 1e-10
    CHECK(std::abs(found.transport - problem.number("transport")) < 1e-6);
  }
}

TEST_CASE("POT: Gromov-Wasserstein from the same starts") {
  REQUIRE(fixtures().at("gromov").items().size() == 3);
  for (const Json& problem : fixtures().at("gromov").items()) {
    const Tensor C = distance_matrix(matrix(problem.at("X")));
    const Tensor D = distance_matrix(matrix(problem.at("Y")));
    const PairedGromov found = paired_gromov(C, D, {.tolerance = 1e-12});
    CHECK(std::abs(found.from_product.value - problem.number("from_product")) < 1e-4);
    CHECK(std::abs(found.from_identity.value - problem.number("from_identity")) < 1e-4);
    const GromovResult entropic =
        entropic_gromov(C, D, {}, {}, problem.number("epsilon"), {.tolerance = 1e-12});
    CHECK(std::abs(entropic.value - problem.number("entropic")) < 1e-4);
  }
}

TEST_CASE("POT: Gromov-Wasserstein of unequal sizes and masses") {
  REQUIRE(fixtures().at("gromov_of_masses").items().size() == 2);
  for (const Json& problem : fixtures().at("gromov_of_masses").items()) {
    const GromovResult found = gromov_wasserstein(
        distance_matrix(matrix(problem.at("X"))), distance_matrix(matrix(problem.at("Y"))),
        numbers(problem.at("p")), numbers(problem.at("q")), {.tolerance = 1e-12});
    CHECK(std::abs(found.value - problem.number("from_product")) < 1e-4);
  }
}
