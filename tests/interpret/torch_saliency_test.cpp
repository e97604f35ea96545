// tests/interpret/torch_saliency_test.cpp: maps agree with PyTorch's; skipped without torch.
#include "framework/core/rng.h"
#include "framework/io/npy.h"
#include "framework/io/safetensors.h"
#include "framework/nn/layers.h"
#include "framework/ops/ops.h"
#include "interpret/saliency/methods.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <limits>
#include <map>
#include <sstream>
#include <string>

using namespace limpid;
using namespace limpid::interpret;

namespace {

constexpr const char* kPython = "/usr/bin/python3";

bool has_torch() {
  return run_process(kPython, {"-c", "import torch, numpy"}, {.time_limit = 120}).status == 0;
}

// The network of torch_saliency.py, with a norm that does something.
struct SharedNet {
  Sequential net;
  const Module* maps = nullptr;

  explicit SharedNet(Rng& rng) {
    net.add<Conv2d>("conv1", 3, 8, Conv2dOptions{.padding = 1}, rng);
    net.add<BatchNorm2d>("bn1", 8);
    net.add<ReLU>("relu1");
    net.add<MaxPool2d>("pool1");
    net.add<Conv2d>("conv2", 8, 12, Conv2dOptions{.padding = 1}, rng);
    maps = &net.add<ReLU>("relu2");
    net.add<GlobalAvgPool2d>("pool");
    net.add<Linear>("linear", 12, 5, rng);
    for (auto& [name, tensor] : state(net)) {
      if (name.starts_with("bn1.")) {
        tensor.assign(Tensor::uniform(tensor.shape(), rng, 0.5, 1.5));
      }
    }
  }
};

double error_of(const Tensor& ours, const Tensor& theirs) {
  if (ours.shape() != theirs.shape()) return std::numeric_limits<double>::infinity();
  const auto largest = [](const Tensor& x) { return max(reshape(abs(x), {x.numel()}), 0).item(); };
  return largest(to(ours, DType::f64) - theirs) / largest(theirs);
}

}  // namespace

TEST_CASE("saliency maps agree with PyTorch's within 1e-4 of the largest value") {
  if (!has_torch()) {
    MESSAGE("skipped: ", kPython, " with torch is not here");
    return;
  }
  Rng rng(71);
  SharedNet shared(rng);
  const Tensor images = Tensor::normal({4, 3, 12, 10}, rng, 0, 1);
  const std::vector<int64_t> classes = {0, 4, 2, 1};
  const Tensor mean = Tensor::of({3}, {0.49, 0.48, 0.45});
  const Tensor deviation = Tensor::of({3}, {0.2, 0.21, 0.22});

  // What the script needs
  const TempDir folder;
  std::map<std::string, Tensor> weights;
  for (const auto& [name, tensor] : state(shared.net)) weights[name] = tensor.detach();
  save_safetensors(folder.file("weights.safetensors"), weights);
  save_npy(folder.file("images.npy"), images);
  save_npy(folder.file("classes.npy"), Tensor::of_integers({4}, classes));
  save_npy(folder.file("mean.npy"), mean);
  save_npy(folder.file("deviation.npy"), deviation);
  const std::string script = std::string(LIMPID_SOURCE_DIR) + "/tests/interpret/torch_saliency.py";
  const ProcessResult python =
      run_process(kPython, {script, folder.path().string()}, {.time_limit = 240});
  REQUIRE_MESSAGE(python.status == 0, python.err);

  const Explained subject{shared.net, shared.maps, mean, deviation};
  std::istringstream names(python.out);
  int count = 0;
  for (std::string name; names >> name; ++count) {
    INFO(name);
    const Tensor theirs = load_npy(folder.file("torch-" + name + ".npy"));
    const double error = error_of(saliency_maps(name, subject, images, classes).raw, theirs);
    std::printf("saliency: %-22s differs from PyTorch's by %.1e\n", name.c_str(), error);
    CHECK(error < 1e-4);
  }
  CHECK(count >= 14);
}
