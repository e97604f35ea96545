// tools/examples/04_training.cpp: batches, a schedule, the training loop, and what it reached.
#include "tools/examples/digits.h"

#include <cstdio>

using namespace limpid;

int main() {
  const datasets::Split split = datasets::load("digits");
  const datasets::ChannelStatistics s = datasets::channel_statistics(split.train);
  datasets::Batches batches(split.train, {.batch = 64, .seed = 5, .mean = s.mean, .std = s.std});

  Rng rng(5);
  const auto net = make_model("convnet:16x2:batch:max", {{1, 8, 8}, split.train.classes}, rng);
  Adam optimizer(parameters(*net));
  const Schedule schedule{.learning_rate = 0.01, .steps = 5 * batches.count()};

  // Batch i of epoch e is a function of the seed, so a run can be interrupted and repeated
  const BatchSource source{
      .batches = batches.count(), .examples = split.train.size(), .get = [&](int64_t e, int64_t i) {
        const datasets::Batch b = batches.get(e, i);
        return Batch{b.inputs, b.labels};
      }};
  TrainOptions options;
  options.epochs = 5;
  options.seed = 5;
  options.after_epoch = [](const EpochReport& r, const Progress&) {
    std::printf(
        "epoch %d  loss %.3f  train %.1f %%\n", static_cast<int>(r.epoch), r.train_loss,
        100 * r.train_accuracy);
    return true;
  };
  Progress progress;
  fit(*net, optimizer, schedule, source, options, progress);

  const examples::Digits digits;
  const double share = examples::accuracy(*net, digits.test_images, digits.test_labels);
  std::printf("test %.1f %%\n", 100 * share);
  return share > 0.93 ? 0 : 1;
}
