// tests/cli/penalty_test.cpp: limpid train --interpretable-gradients.
#include "framework/io/safetensors.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kTiny =
    "--data digits --model convnet:4x2:batch --epochs 2 --limit-train 60 --limit-test 30 ";

}  // namespace

TEST_CASE("penalty: the cosine in the result and in every epoch") {
  const TempDir folder;
  for (const char* lambda : {"0", "0.1"}) {
    const std::string out = std::string("r") + lambda;
    const Json result = run_json(
        folder, "train --quiet " + kTiny + "--interpretable-gradients cosine --lambda " + lambda +
                    " --out " + out);
    const double cosine = result.number("gradient_cosine");
    CHECK(cosine > -1);
    CHECK(cosine < 1);
    const std::vector<std::string> curve = lines(content(folder.file(out + "/metrics.jsonl")));
    REQUIRE(curve.size() == 2);
    for (const std::string& line : curve) {
      CHECK(std::abs(parse_json(line, "metrics").number("gradient_cosine")) < 1);
    }
    CHECK(parse_json(curve[1], "metrics").number("gradient_cosine") == cosine);
    const Json options =
        parse_json(content(folder.file(out + "/config.json")), "config").at("options");
    CHECK(options.text("interpretable-gradients") == "cosine");
    CHECK(options.number("lambda") == std::stod(lambda));
  }
  train(folder, "plain", kTiny);
  CHECK_FALSE(run_json(folder, "train --quiet --resume --out plain").contains("gradient_cosine"));
  CHECK(content(folder.file("plain/metrics.jsonl")).find("cosine") == std::string::npos);
}

TEST_CASE("penalty: a regression is pulled too, by the gradient of its squared error") {
  const TempDir folder;
  std::string text = "a,b,c,y\n";
  for (int i = 0; i < 300; ++i) {
    const double a = std::sin(i), b = std::cos(3.0 * i), c = std::sin(7.0 * i);
    text += std::to_string(a) + "," + std::to_string(b) + "," + std::to_string(c) + "," +
            std::to_string(a * b + c) + "\n";
  }
  write(folder.file("t.csv"), text);
  std::vector<double> cosines;
  for (const char* lambda : {"0", "1"}) {
    const Json result = run_json(
        folder, std::string("train --quiet --data csv:t.csv --task regress --model mlp:32-16 "
                            "--epochs 20 --interpretable-gradients cosine --lambda ") +
                    lambda + " --out r" + lambda);
    cosines.push_back(result.number("gradient_cosine"));
  }
  CHECK(cosines[1] > cosines[0] + 0.05);
  check_refused(
      folder,
      "train --data csv:t.csv --task regress --model mlp:8 --out n --interpretable-gradients "
      "cosine --gradient-source logit",
      2, {"--gradient-source logit", "classify"});
}

TEST_CASE("penalty: lambda 0 trains the weights of a run without it, lambda 1 others") {
  const TempDir folder;
  train(folder, "plain", kTiny);
  const std::string flag = kTiny + "--interpretable-gradients cosine --lambda ";
  train(folder, "zero", flag + "0");
  train(folder, "one", flag + "1");
  const auto weights = [&](const std::string& out) {
    return load_safetensors(folder.file(out + "/best.safetensors")).tensors;
  };
  const auto plain = weights("plain"), zero = weights("zero"), one = weights("one");
  bool differs = false;
  for (const auto& [name, tensor] : plain) {
    CHECK(zero.at(name).to_vector() == tensor.to_vector());
    differs |= one.at(name).to_vector() != tensor.to_vector();
  }
  CHECK(differs);
}

TEST_CASE("penalty: it raises the cosine on the test set") {
  const TempDir folder;
  const std::string line =
      "train --quiet --data digits --model mlp:32 --epochs 15 --limit-train 400 "
      "--interpretable-gradients cosine --lambda ";
  const double before = run_json(folder, line + "0 --out a").number("gradient_cosine");
  const double after = run_json(folder, line + "1 --out b").number("gradient_cosine");
  CHECK(after > before + 0.05);
}

TEST_CASE("penalty: every error, route, source and target trains") {
  const TempDir folder;
  int number = 0;
  for (const char* options :
       {"mse --gradient-source neg-loss", "mae --gradient-target deconv",
        "hi --gradient-source logit", "cosine --route fd --gradient-source log-prob",
        "cosine --route fd --fd-step 1e-3", "mse --attach-target",
        "cosine --route shift --penalty-share 0.5", "cosine --gradient-target smoothgrad",
        "cosine --gradient-target permuted --penalty-every 2", "cosine --gradient-target edges",
        "cosine --label-smoothing 0.1 --class-weights", "cosine --augment mixup:0.2 --route fd",
        "cosine --ema 0.9 --validation 0.2"}) {
    INFO(options);
    const std::string out = "r" + std::to_string(++number);
    const Json result = run_json(
        folder,
        "train --quiet " + kTiny + "--out " + out + " --interpretable-gradients " + options);
    CHECK(std::isfinite(result.number("test_loss")));
    CHECK(std::isfinite(result.number("gradient_cosine")));
  }
  const Json vit = run_json(
      folder,
      "train --quiet --data digits --model tiny_vit --epochs 1 --limit-train 60 --limit-test 30 "
      "--interpretable-gradients cosine --out vit");
  CHECK(std::isfinite(vit.number("gradient_cosine")));
}

TEST_CASE("penalty: combinations that make no sense are refused") {
  const TempDir folder;
  const std::string flag = "--interpretable-gradients cosine ";
  const auto refused = [&](const std::string& options, const std::vector<std::string>& texts) {
    check_refused(folder, "train --out n " + options, 2, texts);
  };
  const std::string digits = "--data digits --model mlp:8 ";
  for (const char* lambda : {"nan", "-1", "inf"}) {
    refused(digits + flag + "--lambda " + lambda, {"--lambda", lambda});
  }
  refused(digits + "--interpretable-gradients l2", {"cosine, mse, mae"});
  refused(digits + "--lambda 0.5", {"--interpretable-gradients"});
  refused(digits + "--penalty-every 2", {"--interpretable-gradients"});
  refused(digits + flag + "--penalty-every 0", {"--penalty-every"});
  refused(digits + flag + "--penalty-share 0", {"--penalty-share"});
  refused(digits + flag + "--penalty-share 1.5", {"--penalty-share"});
  refused(digits + flag + "--route shift --gradient-source logit", {"shift", "loss"});
  refused(digits + flag + "--gradient-source logit --augment mixup:0.2", {"mixup"});
  refused(digits + flag + "--fd-step 1e-3", {"--route fd"});
  refused(digits + flag + "--route fd --attach-target", {"exact route"});
  refused(digits + flag + "--gradient-target permuted --batch 1", {"--batch"});
  refused("--data moons --model mlp:8 " + flag + "--gradient-target edges", {"images"});
  refused("--data digits --model autoencoder " + flag, {"--task classify and regress"});
}
