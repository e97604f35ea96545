// tests/fuzz/checkpoint.cpp: checkpoints and weights, loaded into a network of two layers.
#include "framework/train/checkpoint.h"

#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "framework/optim/adam.h"
#include "tests/fuzz/fuzz.h"

#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace limpid;

namespace {

/// What a checkpoint is loaded into, and the file that it is loaded from.
struct Run {
  Run() : model(make_model("mlp:2", {.input = {2}, .classes = 2}, rng)) {}
  ~Run() { std::remove(path.c_str()); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Rng rng{1};
  std::unique_ptr<Module> model;
  Adam optimizer{parameters(*model)};
  Progress progress;
  std::string path = (std::filesystem::temp_directory_path() /
                      ("limpid-fuzz-" + std::to_string(::getpid()) + ".safetensors"))
                         .string();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Run run;
  const std::span<const std::byte> bytes = fuzz::bytes_of(data, size);
  std::ofstream(run.path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  fuzz::attempt([&] { load_checkpoint(run.path, *run.model, run.optimizer, run.progress); });
  fuzz::attempt([&] { load_weights(run.path, *run.model); });
  return 0;
}
