// tests/cli/metrics_test.cpp: the figures of maps, their controls, and networks that forget.
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <thread>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kSmall = " --epochs 1 --limit-train 100 --limit-test 30";

const Json& row_named(const Json& result, const std::string& method) {
  for (const Json& row : result.at("rows").items()) {
    if (row.text("method") == method) return row;
  }
  FAIL("no row ", method);
  return result;
}

void check_interval(const Json& row, const std::string& key) {
  const Json::Items& bounds = row.at("intervals").at(key).items();
  REQUIRE(bounds.size() == 2);
  CHECK(bounds[0].number() <= row.number(key));
  CHECK(row.number(key) <= bounds[1].number());
}

}  // namespace

TEST_CASE("metrics: a row per method and control, with intervals, curves and definitions") {
  const TempDir folder;
  train(folder, "r", "--data shapes --model convnet:4x2" + kSmall);
  const Json result =
      run_json(folder, "metrics r --count 12 --method grad-cam,gradient --step 128 --sensitivity");
  CHECK(result.integer("count") == 12);
  CHECK(result.text("target") == "label");
  CHECK(result.integer("step") == 128);
  CHECK(result.integer("steps") == 8);
  CHECK(result.at("rows").items().size() == 6);
  for (const Json& row : result.at("rows").items()) {
    INFO(row.text("method"));
    for (const char* key : {"ad", "ag", "ai", "insertion", "deletion", "pointing", "energy"}) {
      check_interval(row, key);
      CHECK(result.at("definitions").contains(key));
    }
    for (const char* key : {"ad", "ag", "ai"}) CHECK(row.number(key) <= 100);
    CHECK(row.number("pointing_class_mean") <= 1);
    CHECK(row.at("insertion_curve").items().size() == 9);
    CHECK(row.at("deletion_curve").items().size() == 9);
    CHECK(row.contains("sensitivity"));
    CHECK(row.number("insertion_coarse") > 0);
    CHECK(row.number("deletion_coarse") > 0);
  }
  const Json& ones = row_named(result, "all ones");
  CHECK(ones.boolean("control"));
  CHECK(ones.number("ad") == 0);
  CHECK(ones.number("ag") == 0);
  CHECK(ones.number("ai") == 0);
  CHECK_FALSE(row_named(result, "grad-cam").boolean("control"));
  CHECK(row_named(result, "shuffled grad-cam").boolean("control"));
  // Insertion ends where deletion begins: at the image
  const Json& first = row_named(result, "gradient");
  CHECK(
      first.at("insertion_curve").items().back().number() ==
      first.at("deletion_curve").items().front().number());

  // Other kinds of maps, for the class that the model names
  const Json more = run_json(
      folder,
      "metrics r --count 2 --step 256 --target predicted --controls ones --method "
      "smooth:gradient,integrated-gradients,occlusion");
  CHECK(more.text("target") == "predicted");
  CHECK(more.at("rows").items().size() == 4);
  CHECK(row_named(more, "occlusion").boolean("slow"));

  const std::string text = succeed(folder, "metrics r --count 4 --method grad-cam").out;
  for (const char* part : {"AD %: ", "AG %: ", "AI %: ", "insertion: ", "deletion: ", "(random)"}) {
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("metrics: maps that are equal are scored once, flat ones are counted") {
  const TempDir folder;
  train(folder, "r", "--data fashion-2k --model convnet:4x2" + kSmall);
  const std::string line = "metrics r --count 6 --controls random --confidence-only ";
  const Json twice = run_json(folder, line + "--method grad-cam,grad-cam");
  CHECK(twice.at("rows").items().size() == 3);
  CHECK(twice.at("rows").items()[0].at("same_as").is_null());
  CHECK(twice.at("rows").items()[1].text("same_as") == "grad-cam");
  CHECK(twice.at("rows").items()[0].number("ad") == twice.at("rows").items()[1].number("ad"));
  CHECK(twice.at("rows").items()[0].at("insertion").is_null());
  const std::string text = succeed(folder, line + "--method grad-cam,grad-cam").out;
  CHECK(text.find("same maps as grad-cam") != std::string::npos);

  // A network whose weights are all zero looks at nothing
  blind(folder, "r");
  const Json flat = run_json(folder, line + "--method grad-cam,gradient");
  CHECK(row_named(flat, "grad-cam").integer("flat") == 6);
  CHECK(row_named(flat, "gradient").integer("flat") == 6);
}

TEST_CASE("metrics: how rough maps are and how near to guided back-propagation") {
  const TempDir folder;
  train(folder, "r", "--data digits --model convnet:4x2" + kSmall);
  train(folder, "s", "--data digits --model convnet:4x2 --seed 1" + kSmall);
  const std::string line =
      "metrics r --count 8 --confidence-only --roughness --method "
      "gradient,guided,smooth:1:gradient,smooth:4:gradient,grad-cam,rise";
  const Json result = run_json(folder, line + " --against s");
  for (const char* key : {"roughness", "guided_cosine"}) {
    CHECK(result.at("definitions").contains(key));
    for (const char* method : {"gradient", "smooth:1:gradient", "smooth:4:gradient"}) {
      INFO(key, " ", method);
      check_interval(row_named(result, method), key);
    }
  }
  CHECK(row_named(result, "guided").number("guided_cosine") == 1);
  CHECK(row_named(result, "gradient").number("guided_cosine") < 1);
  // One value per pixel with no sign of its own, though the images have one channel
  for (const char* method : {"grad-cam", "rise", "random", "all ones"}) {
    INFO(method);
    CHECK(row_named(result, method).at("guided_cosine").is_null());
    CHECK_FALSE(row_named(result, method).at("intervals").contains("guided_cosine"));
    check_interval(row_named(result, method), "roughness");
  }
  CHECK(row_named(result, "all ones").number("roughness") == 0);
  CHECK(
      row_named(result, "centre").number("roughness") <
      row_named(result, "random").number("roughness"));
  CHECK(
      row_named(result, "smooth:1:gradient").number("roughness") !=
      row_named(result, "smooth:4:gradient").number("roughness"));
  const Json& differences = result.at("against").at("differences");
  const Json& gradient = differences.items()[0];
  CHECK(gradient.text("method") == "gradient");
  for (const char* key : {"roughness", "guided_cosine"}) {
    CHECK(gradient.at(key).number("p_value") <= 1);
    CHECK(gradient.at(key).at("interval").items().size() == 2);
  }
  CHECK_FALSE(differences.items().back().contains("guided_cosine"));

  const std::string text = succeed(folder, line).out;
  CHECK(text.find("roughness: total variation") != std::string::npos);
  CHECK(text.find("cos guided: cosine of the raw map") != std::string::npos);
  const Json plain = run_json(folder, "metrics r --count 2 --confidence-only");
  CHECK_FALSE(row_named(plain, "gradient").contains("roughness"));
}

TEST_CASE("metrics: what the gradient of the loss shares with FGSM, and the guided rule") {
  const TempDir folder;
  train(folder, "a", "--data digits --model convnet:4x2" + kSmall);
  train(folder, "b", "--data digits --model convnet:4x3" + kSmall);
  const std::string line = "metrics a --count 12 --method gradient --confidence-only --gradients";
  const Json result = run_json(folder, line + " --against b");
  const Json& gradients = result.at("gradients");
  const Json& shift = gradients.at("shift_cosine");
  CHECK(std::abs(shift.number("mean")) <= 1);
  CHECK(shift.text("definition").find("FGSM") != std::string::npos);
  CHECK(gradients.at("accuracy").number("mean") == result.number("accuracy"));
  for (const char* key :
       {"accuracy", "accuracy_fgsm_1", "accuracy_random_1", "accuracy_fgsm_2", "accuracy_random_2",
        "shift_cosine"}) {
    INFO(key);
    const Json& figure = gradients.at(key);
    const Json::Items& bounds = figure.at("interval").items();
    CHECK(bounds[0].number() <= figure.number("mean"));
    CHECK(figure.number("mean") <= bounds[1].number());
    CHECK(figure.at("difference_interval").items().size() == 2);
    CHECK(figure.number("p_value") <= 1);
    CHECK(figure.text("definition") != "");
  }
  const Json& removal = gradients.at("removal");
  CHECK(removal.at("rectifiers").items().size() == 2);
  CHECK(removal.at("against").at("rectifiers").items().size() == 3);
  double total = 0;
  for (const Json& row : removal.at("rectifiers").items()) {
    CHECK(row.text("op") == "relu");
    CHECK(row.number("arriving") > 0);
    CHECK(row.number("removed") >= 0);
    CHECK(row.number("removed") <= 1);
    total += row.number("removed");
  }
  CHECK(removal.number("mean") == doctest::Approx(total / 2));

  const std::string text = succeed(folder, line).out;
  for (const char* part :
       {"accuracy_fgsm_2", "control: the same steps of 1/255", "removal  ", "first 0.",
        "of 2 rectifiers", "shift_cosine"}) {
    INFO(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("metrics: two models are compared image by image") {
  const TempDir folder;
  train(folder, "a", "--data digits --model convnet:4x2" + kSmall);
  train(folder, "b", "--data digits --model convnet:4x2 --seed 1" + kSmall);
  const std::string line = "metrics a --count 10 --method grad-cam --gradients --against ";
  const Json other = run_json(folder, line + "b");
  const Json& against = other.at("against");
  CHECK(against.text("model") == "b");
  const Json& first = against.at("differences").items()[0];
  CHECK(first.text("method") == "grad-cam");
  for (const char* key : {"ad", "ag", "ai", "insertion", "deletion"}) {
    const Json& difference = first.at(key);
    CHECK(
        difference.number("difference") ==
        doctest::Approx(
            against.at("rows").items()[0].number(key) - row_named(other, "grad-cam").number(key)));
    CHECK(difference.number("p_value") > 0);
    CHECK(difference.number("p_value") <= 1);
    CHECK(difference.at("interval").items().size() == 2);
  }
  for (const char* key : {"cosine", "variation", "sparsity", "stability"}) {
    CHECK(std::isfinite(other.at("gradients").at(key).number("mean")));
    CHECK(other.at("gradients").at(key).contains("p_value"));
  }
  CHECK(against.at("matched").integer("count") <= 10);
  const Json same = run_json(folder, line + "a");
  CHECK(
      same.at("against").at("matched").integer("count") ==
      std::lround(same.number("accuracy") * 10));
  for (const char* key : {"ad", "ag", "ai", "insertion", "deletion"}) {
    const Json& difference = same.at("against").at("differences").items()[0].at(key);
    CHECK(difference.number("difference") == 0);
    CHECK(difference.number("p_value") == 1);
  }
}

TEST_CASE("metrics: pixels removed and networks trained again") {
  const TempDir folder;
  train(folder, "r", "--data digits --model convnet:4x2" + kSmall);
  const Json roar = run_json(
                        folder,
                        "metrics r --count 4 --method grad-cam --confidence-only --roar 10,90 "
                        "--roar-epochs 1")
                        .at("roar");
  REQUIRE(roar.at("rows").items().size() == 3);
  CHECK(roar.at("rows").items()[0].text("method") == "grad-cam");
  CHECK(roar.at("rows").items()[2].text("method") == "smooth random");
  for (const Json& row : roar.at("rows").items()) {
    CHECK(row.at("accuracy").items().size() == 2);
    for (const Json& accuracy : row.at("accuracy").items()) {
      CHECK(accuracy.number() >= 0);
      CHECK(accuracy.number() <= 1);
    }
  }
}

TEST_CASE("sanity: every layer with every method, either mode, the run untouched") {
  const TempDir folder;
  train(folder, "r", "--data digits --model convnet:4x2:batch" + kSmall);
  const auto before = snapshot(folder.file("r"));
  for (const std::string mode : {"cascade", "independent"}) {
    const Json result =
        run_json(folder, "sanity r --count 6 --method gradient,grad-cam --mode " + mode);
    CHECK(result.text("mode") == mode);
    REQUIRE(result.at("rows").items().size() == 6);  // three layers
    for (const Json& row : result.at("rows").items()) {
      for (const char* key : {"spearman", "spearman_abs", "ssim"}) {
        CHECK(result.at("definitions").contains(key));
        if (row.integer("flat") == 0) check_interval(row, key);
      }
    }
    CHECK(result.at("rows").items()[0].text("method") == "gradient");
    CHECK(result.at("rows").items()[3].text("method") == "grad-cam");
    CHECK(result.at("rows").items()[0].text("layer") == result.at("rows").items()[3].text("layer"));
  }
  CHECK(snapshot(folder.file("r")) == before);
}

TEST_CASE("metrics and sanity: the same at any thread count") {
  const TempDir folder;
  train(folder, "r", "--data digits --model convnet:4x2:batch" + kSmall);
  for (const std::string line :
       {"metrics r --count 6 --method gradient,grad-cam --roughness --gradients",
        "sanity r --count 6 --method gradient"}) {
    const std::string one = succeed(folder, line + " --threads 1").out;
    CHECK(succeed(folder, line + " --threads 3").out == one);
    CHECK(one != "");
  }
}

TEST_CASE("metrics: Ctrl-C ends it without a result") {
  const TempDir folder;
  train(folder, "r", "--data shapes --model resnet8 --epochs 1 --limit-train 32");
  Process process(
      LIMPID_BINARY, words("metrics r --count 500 --method grad-cam --threads 1"),
      {.folder = folder.path().string()});
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  process.send(SIGINT);
  const ProcessResult result = process.wait();
  CHECK(result.status == 130);
  CHECK(result.out == "");
}

TEST_CASE("metrics and sanity: wrong usage") {
  const TempDir folder;
  train(folder, "r", "--data digits --model convnet:4x2" + kSmall);
  train(folder, "t", "--data moons --model mlp:8" + kSmall);
  check_refused(folder, "metrics", 2, {"MODEL"});
  check_refused(folder, "metrics r --count 0", 2, {"--count", "from 1"});
  check_refused(folder, "metrics r --method nope", 2, {"nope", "grad-cam", "guided"});
  check_refused(folder, "metrics r --method smooth:0:gradient", 2, {"smooth:N:METHOD", "1000"});
  check_refused(folder, "sanity r --method smooth:x:guided", 2, {"smooth:N:METHOD", "1000"});
  check_refused(folder, "metrics r --method grad-cam --layer nope", 2, {"nope", "there are: "});
  check_refused(folder, "metrics r --controls nope", 2, {"nope", "shuffled"});
  check_refused(folder, "metrics r --target 3", 2, {"label, predicted"});
  check_refused(folder, "metrics r --step 65", 2, {"--step 65", "64 pixels"});
  check_refused(folder, "metrics r --blur 4", 2, {"--blur 4"});
  check_refused(folder, "metrics r --roar 10,101", 2, {"\"101\"", "0 to 100"});
  check_refused(folder, "metrics r --against nope", 2, {"nope"});
  check_refused(folder, "metrics t", 2, {"images"});
  check_refused(folder, "sanity r --count 0", 2, {"--count", "from 2"});
  check_refused(folder, "sanity r --method nope", 2, {"nope", "grad-cam"});
  check_refused(folder, "sanity r --mode nope", 2, {"cascade, independent"});
  check_refused(folder, "sanity r --method grad-cam --layer nope", 2, {"nope", "there are: "});
  check_refused(folder, "sanity t --method gradient", 2, {"images"});
}
