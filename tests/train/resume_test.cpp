// tests/train/resume_test.cpp: batches made ahead, and runs that go on from any step.
#include "datasets/datasets.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/train/checkpoint.h"
#include "tests/support/temp_dir.h"
#include "tests/train/toy.h"

#include <doctest/doctest.h>

#include <atomic>
#include <string>

namespace limpid {
namespace {

// Conv, batch norm, dropout, linear: [N, 1, 8, 8] -> [N, 10].
std::unique_ptr<Module> small_cnn(uint64_t seed) {
  Rng rng(seed);
  auto net = std::make_unique<Sequential>();
  net->add<Conv2d>("conv", 1, 4, Conv2dOptions{.padding = 1}, rng);
  net->add<BatchNorm2d>("norm", 4);
  net->add<ReLU>("relu");
  net->add<Dropout>("dropout", 0.3);
  net->add<Flatten>("flatten");
  net->add<Linear>("fc", 4 * 64, 10, rng);
  return net;
}

// 100 digits in ten batches, shuffled and augmented, each prepared ahead.
BatchSource augmented_digits() {
  auto batches = std::make_shared<datasets::Batches>(
      datasets::limit_balanced(datasets::digits(), 100),
      datasets::BatchOptions{
          .batch = 10,
          .seed = 5,
          .mean = {0.3},
          .std = {0.4},
          .augmentation = datasets::augmentation_named("crop:1,flip,rotate:10,noise:0.05")});
  return prepared_ahead(
      {.batches = batches->count(),
       .examples = batches->examples(),
       .get = [batches](int64_t epoch, int64_t index) {
         const datasets::Batch b = batches->get(epoch, index);
         return Batch{b.inputs, b.labels, b.mixed};
       }});
}

// Two epochs of ten steps with Adam and a cosine schedule, stopped after `stop` of all steps.
void train(Run& run, int64_t stop) {
  const Schedule schedule{.learning_rate = 0.01, .steps = 20};
  fit(*run.model, *run.optimizer, schedule, augmented_digits(),
      {.epochs = 2,
       .seed = 8,
       .after_step = [stop](const Progress& now) { return now.epoch * 10 + now.step < stop; }},
      run.progress);
}

}  // namespace

TEST_CASE("resume: each of the 20 checkpoints of two epochs ends with the same bytes") {
  const TempDir dir;
  Run whole(small_cnn(1));
  train(whole, 20);
  save_checkpoint(dir.file("whole"), *whole.model, *whole.optimizer, whole.progress, {});
  int equal = 0;
  for (int64_t stop = 1; stop <= 20; ++stop) {
    Run first(small_cnn(1));
    train(first, stop);
    save_checkpoint(dir.file("half"), *first.model, *first.optimizer, first.progress, {});
    Run second(small_cnn(2));
    load_checkpoint(dir.file("half"), *second.model, *second.optimizer, second.progress);
    if (second.progress.epoch < 2) train(second, 20);
    CHECK(bitwise_equal(everything_of(second), everything_of(whole)));
    equal += bitwise_equal(everything_of(second), everything_of(whole));
  }
  std::printf("resume: %d of 20 points end with the same bytes\n", equal);
}

TEST_CASE("prepared ahead: the same batches, in any order of asking and at any thread count") {
  const auto batch = [](int64_t epoch, int64_t index) {
    return Batch{Tensor::full({2, 3}, static_cast<double>(10 * epoch + index)), Tensor::zeros({2})};
  };
  for (const int threads : {1, 2, 3}) {
    const parallel::ThreadLimit limit(threads);
    std::atomic<int> made = 0;
    const BatchSource source =
        prepared_ahead({.batches = 3, .examples = 6, .get = [&](int64_t epoch, int64_t index) {
                          ++made;
                          return batch(epoch, index);
                        }});
    const std::pair<int64_t, int64_t> asked[] = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {0, 1}, {2, 2}};
    for (const auto& [epoch, index] : asked) {
      CHECK(bitwise_equal(source.get(epoch, index).inputs, batch(epoch, index).inputs));
    }
    CHECK(made <= 6 + 3);  // two were asked out of order, one is ready for nobody
  }
}

TEST_CASE("prepared ahead: what the source throws reaches the caller that asks for it") {
  for (const int threads : {1, 2}) {
    const parallel::ThreadLimit limit(threads);
    const BatchSource source =
        prepared_ahead({.batches = 3, .examples = 6, .get = [](int64_t, int64_t index) {
                          check_value(index != 1, "source", "batch 1 is broken");
                          return Batch{Tensor::zeros({1}), Tensor::zeros({1})};
                        }});
    CHECK_NOTHROW(source.get(0, 0));
    CHECK_THROWS_WITH_AS(source.get(0, 1), "source: batch 1 is broken", ValueError);
    CHECK_NOTHROW(source.get(0, 2));
  }
}

}  // namespace limpid
