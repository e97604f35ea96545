// tests/cli/determinism_test.cpp: the same seed gives the same bytes, however the run is made.
#include "framework/io/safetensors.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>

using namespace limpid;
using namespace limpid::cli;

namespace {

// A network of each kind on data that it can take.
struct Kind {
  std::string model, data;
};
const Kind kKinds[] = {
    {"mlp:32", "digits"},
    {"lenet5", "fashion-2k"},
    {"resnet8", "digits"},
    {"convnet:8x2", "shapes"}};

}  // namespace

TEST_CASE("determinism: 1, 2, 3 and 5 threads write the same bytes") {
  const TempDir folder;
  for (const char* model :
       {"mlp:64-32", "lenet5", "resnet8", "resnet20", "mobilenet_v2:0.25", "tiny_vit",
        "autoencoder"}) {
    const std::string line = std::string("--data fashion-2k --epochs 1 --limit-train 512") +
                             " --limit-test 20 --model " + model;
    std::string first;
    for (const char* threads : {"1", "2", "3", "5"}) {
      INFO(model, " with ", threads, " threads");
      const std::string out = std::string(model) + "-" + threads;
      train(folder, out, line + " --threads " + threads);
      const std::string bytes = content(folder.file(out + "/last.safetensors"));
      if (first.empty()) first = bytes;
      CHECK(bytes == first);
      CHECK(
          content(folder.file(out + "/metrics.jsonl")) ==
          content(folder.file(std::string(model) + "-1/metrics.jsonl")));
      std::printf(
          "determinism: %-17s 512 images, %s thread%s: last.safetensors %s\n", model, threads,
          std::string(threads) == "1" ? " " : "s",
          checksum(folder.file(out + "/last.safetensors")).c_str());
    }
  }
}

TEST_CASE("determinism: gradient penalties, at every thread count and after every stop") {
  const TempDir folder;
  const std::string line =
      "--data digits --epochs 3 --batch 16 --limit-train 64 --limit-test 20 "
      "--interpretable-gradients cosine --lambda 0.1 ";
  for (const char* options :
       {"--model resnet8 --penalty-every 3", "--model resnet8 --route fd --penalty-share 0.5",
        "--model convnet:8x2:batch --route shift --gradient-target smoothgrad"}) {
    train(folder, "whole", line + options + " --threads 1");
    const auto check_same = [&](const std::string& out) {
      for (const char* file : {"last.safetensors", "metrics.jsonl", "config.json"}) {
        INFO(options, " ", out, "/", file);
        CHECK(
            content(folder.file(out + "/" + file)) ==
            content(folder.file(std::string("whole/") + file)));
      }
    };
    for (const char* threads : {"2", "3", "5"}) {
      train(folder, threads, line + options + " --threads " + threads);
      check_same(threads);
    }
    train(folder, "cut", line + options + " --stop-after-epoch 1");
    run_json(folder, "train --quiet --resume --out cut");
    check_same("cut");
    for (const char* out : {"whole", "2", "3", "5", "cut"})
      std::filesystem::remove_all(folder.file(out));
  }
}

TEST_CASE("determinism: another seed gives other weights") {
  const TempDir folder;
  for (const Kind& kind : kKinds) {
    INFO(kind.model);
    const std::string line = "--data " + kind.data + " --model " + kind.model +
                             " --epochs 1 --limit-train 32 --limit-test 20 --seed ";
    train(folder, kind.model + "-3", line + "3");
    train(folder, kind.model + "-3again", line + "3");
    train(folder, kind.model + "-4", line + "4");
    const auto weights = [&](const std::string& seed) {
      return content(folder.file(kind.model + "-" + seed + "/best.safetensors"));
    };
    CHECK(weights("3") == weights("3again"));
    CHECK(weights("3") != weights("4"));
  }
}

TEST_CASE("determinism: stopping after any epoch and going on changes nothing") {
  const TempDir folder;
  for (const Kind& kind : kKinds) {
    for (const char* optimizer : {"adam", "sgd"}) {
      const std::string name = kind.model + optimizer;
      const std::string line = "--data " + kind.data + " --model " + kind.model + " --optimizer " +
                               optimizer + " --epochs 4 --schedule cosine --batch 16 --seed 5" +
                               " --limit-train 40 --limit-test 20";
      train(folder, name, line);
      for (const char* stop : {"1", "2", "3"}) {
        INFO(name, " stopped after epoch ", stop);
        const std::string out = name + stop;
        train(folder, out, line + " --stop-after-epoch " + stop);
        CHECK(lines(content(folder.file(out + "/metrics.jsonl"))).size() == size_t(stop[0] - '0'));
        CHECK(
            content(folder.file(out + "/last.safetensors")) !=
            content(folder.file(name + "/last.safetensors")));
        const Json rest = run_json(folder, "train --quiet --resume --threads 2 --out " + out);
        CHECK(rest.integer("epochs") == 4);
        for (const char* file :
             {"last.safetensors", "best.safetensors", "metrics.jsonl", "config.json"}) {
          INFO(file);
          CHECK(content(folder.file(out + "/" + file)) == content(folder.file(name + "/" + file)));
        }
      }
    }
  }
}

TEST_CASE("determinism: a finished run that is resumed stays as it is") {
  const TempDir folder;
  train(folder, "r", "--data digits --model mlp:8 --epochs 2 --limit-train 50 --limit-test 20");
  const std::string last = content(folder.file("r/last.safetensors"));
  const std::string curve = content(folder.file("r/metrics.jsonl"));
  CHECK(run_json(folder, "train --quiet --resume --out r").integer("epochs") == 2);
  CHECK(content(folder.file("r/last.safetensors")) == last);
  CHECK(content(folder.file("r/metrics.jsonl")) == curve);
}

TEST_CASE("determinism: a checkpoint knows no time, thread count or path") {
  const TempDir folder;
  train(
      folder, "a-rather-special-folder",
      "--data digits --model mlp:8 --epochs 1 --limit-train 50 --limit-test 20 --threads 3");
  const std::string path = folder.file("a-rather-special-folder/last.safetensors");
  const SafetensorsFile file = load_safetensors(path);
  std::string keys;
  for (const auto& [key, value] : file.metadata) keys += key + " ";
  CHECK(keys == "config crc32 data_crc32 format model ");
  CHECK(file.metadata.at("format") == "limpid-checkpoint-1");
  CHECK(file.metadata.at("model") == "mlp:8");
  const Json config = parse_json(file.metadata.at("config"), "config");
  CHECK(config.at("options").integer("seed") == 0);
  CHECK_FALSE(config.at("options").contains("data"));
  CHECK_FALSE(config.at("options").contains("threads"));
  CHECK(content(path).find("special") == std::string::npos);
  // The state: progress (epochs, steps, correct, seen) and the running loss, nothing else
  for (const auto& [name, tensor] : file.tensors) {
    if (name.starts_with("state.")) {
      const bool is_known = name == "state.progress" || name == "state.loss_sum";
      CHECK(is_known);
    }
  }
  CHECK(file.tensors.at("state.progress").to_vector() == std::vector<double>{1, 0, 0, 0});
}
