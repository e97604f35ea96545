// tests/interpret/torch_metrics_test.cpp: every metric beside a second program, in PyTorch.
#include "framework/core/rng.h"
#include "framework/io/npy.h"
#include "framework/nn/models.h"
#include "interpret/metrics/confidence.h"
#include "interpret/metrics/gradient_quality.h"
#include "interpret/metrics/insertion_deletion.h"
#include "interpret/metrics/similarity.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// A network whose batch norms have seen something.
std::unique_ptr<Module> network(Rng& rng) {
  auto net = make_model("convnet:6x2:batch", {.input = {3, 16, 16}, .classes = 4}, rng);
  for (auto& [name, tensor] : state(*net)) {
    if (name.starts_with("norm")) {
      const bool is_positive = name.ends_with("weight") || name.ends_with("running_var");
      const double low = is_positive ? 0.5 : -0.5;
      tensor.assign(Tensor::uniform(tensor.shape(), rng, low, low + 1));
    } else if (name == "fc.weight") {
      tensor.assign(Tensor::normal(tensor.shape(), rng, 0, 0.7));
    }
  }
  return net;
}

// Coarse values, so that there are ties; some of them at 0 and 1.
Tensor coarse_maps(Rng& rng) {
  Tensor maps = Tensor::empty({6, 1, 16, 16});
  float* values = maps.mutable_data<float>();
  for (int64_t i = 0; i < maps.numel(); ++i) {
    values[i] = static_cast<float>(rng.integer(9)) / 8;
  }
  return maps;
}

}  // namespace

TEST_CASE("metrics: a second program in PyTorch finds the same numbers") {
  const TempDir folder;
  Rng rng(11);
  const auto net = network(rng);
  const Tensor images = Tensor::normal({6, 3, 16, 16}, rng, 0, 1);
  const Tensor maps = coarse_maps(rng);
  const Tensor others = coarse_maps(rng);
  const std::vector<int64_t> classes = {0, 1, 2, 3, 1, 2};
  const PixelSpace space{Tensor::of({3}, {0.4, 0.5, 0.6}), Tensor::of({3}, {0.2, 0.25, 0.3})};
  for (const auto& [name, tensor] : state(*net)) save_npy(folder.file(name + ".npy"), tensor);
  save_npy(folder.file("images.npy"), images);
  save_npy(folder.file("maps.npy"), maps);
  save_npy(folder.file("others.npy"), others);
  save_npy(folder.file("classes.npy"), Tensor::of_integers({6}, classes));
  save_npy(folder.file("mean.npy"), space.mean);
  save_npy(folder.file("deviation.npy"), space.deviation);
  const std::string script = std::string(LIMPID_SOURCE_DIR) + "/tests/interpret/torch_metrics.py";
  const ProcessResult python =
      Process("/usr/bin/python3", {script, folder.path().string()}, {.time_limit = 240}).wait();
  if (python.err.find("No module named") != std::string::npos || python.status == 127) {
    MESSAGE("skipped: /usr/bin/python3 with torch is not here");
    return;
  }
  INFO(python.err);
  REQUIRE(python.status == 0);

  const Score score = class_probability(*net, classes);
  const Confidence c =
      confidence(plain_scores(score, images, space), masked_scores(score, images, maps, space));
  const InsertionDeletion curves(score, images, {.step = 24});
  const GradientQuality quality = gradient_quality(*net, images, classes);
  struct Row {
    std::string name;
    std::vector<double> ours;
    double scale;
  };
  const Row rows[] = {
      {"drop", c.drop, 100},
      {"gain", c.gain, 100},
      {"increase", c.increase, 100},
      {"deletion", curves.deletion(maps).area, 1},
      {"insertion", curves.insertion(maps).area, 1},
      {"ssim", structural_similarity(maps, others), 1},
      {"spearman", rank_correlations(maps, others), 1},
      {"cosine", quality.cosine, 1},
      {"variation", quality.variation, 1},
  };
  for (const Row& row : rows) {
    const std::vector<double> theirs = load_npy(folder.file(row.name + ".npy")).to_vector();
    REQUIRE(theirs.size() == row.ours.size());
    double error = 0;
    for (size_t n = 0; n < theirs.size(); ++n) {
      error = std::max(error, std::abs(theirs[n] - row.ours[n]) / row.scale);
    }
    std::printf("metrics: %-10s differs from PyTorch's by %.1e\n", row.name.c_str(), error);
    CHECK(error < 1e-4);
  }
}
