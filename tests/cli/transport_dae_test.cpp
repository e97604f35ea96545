// tests/cli/transport_dae_test.cpp: limpid transport dae.
#include "framework/io/npy.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::cli;

TEST_CASE("transport dae: a normal law in layers and in the limit, in closed form") {
  const TempDir folder;
  const Json result = run_json(
      folder,
      "transport dae --data normal:1 --variance 0.25 --layers 10 --kind exact --points 400 "
      "--out d");
  CHECK(std::abs(result.number("variance_law_layers") - 0.52360221) < 1e-8);
  CHECK(result.number("variance_law_theory") == doctest::Approx(0.5));
  CHECK(result.number("t_star") == doctest::Approx(0.5));
  CHECK(result.text("theory") == "law");
  // Linear maps: variances of the points change by the same factors
  const double before = result.number("variance_before");
  CHECK(result.number("variance_after") / before == doctest::Approx(0.52360221));
  CHECK(result.number("variance_shallow") / before == doctest::Approx(0.64));
  CHECK(result.number("variance_theory") / before == doctest::Approx(0.5).epsilon(1e-5));
  CHECK(result.number("w2_to_theory") < result.number("w2_shallow_to_theory"));
  const Json::Items& path = result.at("path").items();
  REQUIRE(path.size() == 11);
  CHECK(path[10].number("time") == doctest::Approx(0.25));
  CHECK(path[10].number("entropy_change") < path[5].number("entropy_change"));
  CHECK(path[5].number("w2_previous") > 0);

  CHECK(result.text("trajectory") == "d/trajectory.npy");
  CHECK(load_npy(folder.file("d/trajectory.npy")).shape() == Shape{400, 11, 1});
  CHECK(load_npy(folder.file("d/shallow.npy")).shape() == Shape{400, 2, 1});
  CHECK(load_npy(folder.file("d/continuous.npy")).shape() == Shape{400, 11, 1});
  for (const char* picture : {"d/trajectories.svg", "d/field.svg", "d/density.svg"}) {
    INFO(picture);
    CHECK(content(folder.file(picture)).starts_with("<svg"));
  }
  CHECK(exists(folder.file("d/dae.json")));
}

TEST_CASE("transport dae: a mixture ends on its centres, by weight") {
  const TempDir folder;
  const Json result = run_json(
      folder,
      "transport dae --data mixture:0.3,-1,0.5:0.7,1,0.5 --variance 0.24999 --layers 1 "
      "--kind exact --points 4000 --seed 3");
  const Json::Items& masses = result.at("masses").items();
  REQUIRE(masses.size() == 2);
  CHECK(std::abs(masses[0].number() - 0.3) < 0.022);  // three deviations
  CHECK(result.at("trajectory").is_null());
}

TEST_CASE("transport dae: kernel densities of data, in the plane and on principal axes") {
  const TempDir folder;
  const Json moons = run_json(
      folder, "transport dae --data moons --variance 0.01 --layers 4 --points 150 --out m");
  CHECK(moons.text("kind") == "kde");
  CHECK(moons.text("theory") == "particles");  // t* is below the variance
  CHECK(moons.number("t_star") < 0.01);
  CHECK(moons.number("variance_after") < moons.number("variance_before"));
  CHECK(exists(folder.file("m/field.svg")));
  const Json wide = run_json(
      folder,
      "transport dae --data moons --variance 0.01 --layers 4 --points 150 --bandwidth 0.05");
  CHECK(wide.text("theory") == "law");
  CHECK(wide.number("t_star") == doctest::Approx(0.025));
  const Json digits = run_json(
      folder, "transport dae --data digits --variance 0.01 --layers 2 --points 100 --out p");
  CHECK(digits.integer("dimension") == 2);
  CHECK(digits.text("points").find("2 principal components of 64 numbers") != std::string::npos);
  const Json roll = run_json(
      folder, "transport dae --data swiss-roll --variance 0.5 --layers 2 --points 100 --out r");
  CHECK(roll.integer("dimension") == 3);
  CHECK(exists(folder.file("r/trajectories.svg")));
  CHECK(!exists(folder.file("r/field.svg")));
}

TEST_CASE("transport dae: trained layers against exact ones, and a stack") {
  const TempDir folder;
  const std::string small = " --points 400 --steps 400 --batch 64 --width 16 --layers 1";
  const Json result = run_json(
      folder, "transport dae --data normal:1 --variance 0.5 --kind trained --layers-only" + small);
  const Json& trained = result.at("trained");
  CHECK(trained.number("floor") == doctest::Approx(1.0 / 3).epsilon(0.05));
  CHECK(trained.number("loss") > trained.number("floor") - 0.01);
  CHECK(trained.number("relative_error") < 0.2);
  CHECK(trained.number("asymmetry") == 0);
  CHECK(result.number("w2_to_exact") < 0.2);
  const Json linear = run_json(
      folder,
      "transport dae --data normal:1 --variance 0.5 --kind linear --layers 1 --layers-only");
  CHECK(std::abs(linear.number("slope") - 2.0 / 3) < 0.08);
  const Json stacked = run_json(
      folder, "transport dae --data moons --variance 0.02 --kind trained --stack 8,6" + small);
  CHECK(stacked.at("stack").number("gap") > 0);
  CHECK(stacked.at("stack").integer("layers") == 2);
  // The same seed, the same numbers, at any thread count
  const std::string line = "transport dae --data moons --variance 0.02 --kind trained" + small;
  const Json one = run_json(folder, line + " --threads 1"), two = run_json(folder, line);
  CHECK(one.number("w2_to_exact") == two.number("w2_to_exact"));
}

TEST_CASE("transport dae: a folder of the user's own points, and what is refused") {
  const TempDir folder;
  save_npy(folder.file("x.npy"), Tensor::of({4, 2}, {0, 0, 1, 0, 0, 1, 3, 3}, DType::f64));
  const Json own = run_json(folder, "transport dae --data x.npy --variance 0.1 --layers 2");
  CHECK(own.integer("count") == 4);

  const std::string dae = "transport dae ";
  check_refused(
      folder, dae + "--data normal:1 --variance 0.5 --kind exact", 2,
      {"0.5", "t* = 0.5", "--layers-only"});
  const Json past = run_json(
      folder, dae + "--data normal:1 --variance 0.6 --kind exact --layers 100 --layers-only");
  CHECK(past.at("variance_theory").is_null());
  CHECK(past.number("variance_after") < 1e-9);

  save_npy(folder.file("nan.npy"), Tensor::of({2, 2}, {0, 1, NAN, 2}, DType::f64));
  check_refused(folder, dae + "--data nan.npy", 3, {"nan.npy", "row 1", "NaN"});
  save_npy(folder.file("same.npy"), Tensor::of({4, 1}, {2, 2, 2, 2}, DType::f64));
  check_refused(folder, dae + "--data same.npy", 2, {"all points are equal"});
  check_refused(folder, dae + "--data same.npy --kind exact", 2, {"4 points", "variance is 0"});
  save_npy(folder.file("one.npy"), Tensor::of({1, 2}, {2, 1}, DType::f64));
  check_refused(folder, dae + "--data one.npy", 2, {"at least three points"});
  const Json alone = run_json(folder, dae + "--data one.npy --bandwidth 0.1 --variance 0.01");
  CHECK(alone.number("variance_after") == 0);

  check_refused(folder, dae + "--data normal:1,x", 2, {"\"x\"", "no number"});
  check_refused(folder, dae + "--data normal:-1", 2, {"-1", "not above 0"});
  check_refused(folder, dae + "--data mixture:1,2", 2, {"a component is"});
  check_refused(folder, dae + "--data nowhere", 2, {"nowhere"});
  check_refused(folder, dae + "--variance 0", 2, {"variance"});
  check_refused(folder, dae + "--kind other", 2, {"kind"});
  check_refused(folder, dae + "--stack 3", 2, {"--stack", "trained"});
  check_refused(folder, dae + "--data normal:1 --kind trained --stack 0", 2, {"--stack"});
}
