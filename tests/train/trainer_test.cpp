// tests/train/trainer_test.cpp: learning, repeatability, callbacks, refusals, prediction.
#include "framework/train/trainer.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/train/metrics.h"
#include "tests/train/toy.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace limpid {
namespace {

std::unique_ptr<Module> build(const std::string& name, const Shape& input, int64_t classes) {
  Rng rng(7);
  return make_model(name, {.input = input, .classes = classes}, rng);
}

// Everything after `epochs` epochs of the run.
std::vector<Tensor> trained(
    std::unique_ptr<Module> model, const BatchSource& source, const TrainOptions& options) {
  Run run(std::move(model));
  const Schedule schedule{.learning_rate = 0.01, .steps = options.epochs * source.batches};
  fit(*run.model, *run.optimizer, schedule, source, options, run.progress);
  return everything_of(run);
}

}  // namespace

TEST_CASE("fit: learns two rings that no line separates") {
  const Toy train = rings(256, 1), test = rings(256, 2);
  Run run(build("mlp:32", {2}, 2));
  const BatchSource source = batches_of(train, 32, 3);
  std::vector<EpochReport> reports;
  TrainOptions options{.epochs = 30, .seed = 4};
  options.after_epoch = [&](const EpochReport& report, const Progress& progress) {
    reports.push_back(report);
    CHECK(progress.epoch == report.epoch);
    CHECK(progress.step == 0);
    return true;
  };
  fit(*run.model, *run.optimizer, {.learning_rate = 0.02, .steps = 240}, source, options,
      run.progress);

  // Radius 1 and 2 with noise 0.1: the classes are ten deviations apart, 0.98 leaves room for five
  // points. A linear classifier gets about a half.
  const Tensor logits = predict(*run.model, batches_of(test, 100, 0));
  CHECK(classification_metrics(logits, test.labels).accuracy >= 0.98);

  REQUIRE(reports.size() == 30);
  CHECK(reports[0].epoch == 1);
  CHECK(reports[29].epoch == 30);
  CHECK(reports[29].train_loss < 0.2 * reports[0].train_loss);
  CHECK(reports[29].train_accuracy >= 0.98);
  CHECK(reports[0].learning_rate == Schedule{.learning_rate = 0.02, .steps = 240}.at(7));
  CHECK(reports[29].learning_rate == Schedule{.learning_rate = 0.02, .steps = 240}.at(239));
  CHECK(reports[0].seconds >= 0);
  CHECK(run.progress.epoch == 30);
  for (const auto& [name, tensor] : parameters(*run.model)) {
    CHECK_FALSE(tensor.gradient().defined());
  }
}

TEST_CASE("fit: the report is the mean over the examples, as the weights changed") {
  // Learning rate 0: the weights stay, so the report is that of the whole set. 10 = 4 + 4 + 2
  const Toy toy = rings(10, 5);
  Run run(build("mlp:4", {2}, 2));
  const auto before = everything_of(run);
  EpochReport last;
  TrainOptions options;
  options.after_epoch = [&](const EpochReport& report, const Progress&) {
    last = report;
    return true;
  };
  fit(*run.model, *run.optimizer, {.learning_rate = 0}, batches_of(toy, 4, 6), options,
      run.progress);
  Pass pass;
  const Metrics whole = classification_metrics((*run.model)(toy.inputs, pass), toy.labels);
  CHECK(last.train_loss == doctest::Approx(whole.loss).epsilon(1e-5));  // f32 logits and means
  CHECK(last.train_accuracy == doctest::Approx(whole.accuracy).epsilon(1e-15));
  const auto after = everything_of(run);
  for (size_t i = 0; i < 4; ++i) CHECK(bitwise_equal(before[i], after[i]));  // the weights
}

TEST_CASE("fit: one step is forward, backward, clip, update") {
  const Toy toy = rings(8, 8);
  for (const double clip : {0.0, 0.01}) {
    Run run(build("mlp:4", {2}, 2)), by_hand(build("mlp:4", {2}, 2));
    const BatchSource source = batches_of(toy, 8, 0);
    const TrainOptions options{.clip = clip};
    fit(*run.model, *run.optimizer, {.learning_rate = 0.1}, source, options, run.progress);

    Pass pass(Mode::train);
    backward(cross_entropy((*by_hand.model)(toy.inputs, pass), toy.labels));
    NamedParameters leaves = parameters(*by_hand.model);
    if (clip > 0) CHECK(clip_gradients(leaves, clip) > clip);
    by_hand.optimizer->step(0.1);
    CHECK(bitwise_equal(everything_of(run), everything_of(by_hand)));
  }
}

TEST_CASE("fit: the same seed gives the same bits, another seed other ones") {
  const Toy toy = rings(48, 9);
  const BatchSource source = batches_of(toy, 16, 10);
  const auto one = trained(dropout_net(11), source, {.epochs = 2, .seed = 12});
  CHECK(bitwise_equal(one, trained(dropout_net(11), source, {.epochs = 2, .seed = 12})));
  // The seed of the run drives dropout, and only dropout
  CHECK_FALSE(bitwise_equal(one, trained(dropout_net(11), source, {.epochs = 2, .seed = 13})));
  const auto plain = trained(build("mlp:8", {2}, 2), source, {.epochs = 2, .seed = 12});
  CHECK(bitwise_equal(plain, trained(build("mlp:8", {2}, 2), source, {.epochs = 2, .seed = 13})));
}

TEST_CASE("fit: the same bits at any thread count") {
  struct Case {
    std::string name;
    Shape input;
  };
  for (const Case& c :
       {Case{"mlp:300-40", {1, 12, 12}}, {"lenet5", {1, 14, 14}}, {"resnet8", {3, 8, 8}}}) {
    const std::string& name = c.name;
    const Shape& input = c.input;
    CAPTURE(name);
    const Toy toy = noise_images(20, input, 4, 14);
    const BatchSource source = batches_of(toy, 8, 15);
    std::vector<Tensor> first;
    for (const int threads : {1, 2, 3, 5}) {
      const parallel::ThreadLimit limit(threads);
      const auto result = trained(build(name, input, 4), source, {.epochs = 2, .clip = 1});
      if (threads == 1) first = result;
      CHECK(bitwise_equal(result, first));
    }
  }
}

TEST_CASE("fit: callbacks see every step and epoch, and may end the run") {
  const Toy toy = rings(12, 16);
  const BatchSource source = batches_of(toy, 4, 17);
  const auto run_until = [&](auto after_step, auto after_epoch, Progress& progress) {
    Run run(build("mlp:4", {2}, 2));
    TrainOptions options{.epochs = 3};
    options.after_step = after_step;
    options.after_epoch = after_epoch;
    fit(*run.model, *run.optimizer, {.steps = 9}, source, options, progress);
  };
  std::vector<std::pair<int64_t, int64_t>> steps;
  int epochs = 0;
  const auto on_step = [&](const Progress& p) {
    steps.emplace_back(p.epoch, p.step);
    CHECK(p.seen == 4 * p.step);
    return true;
  };
  const auto on_epoch = [&](const EpochReport&, const Progress&) { return ++epochs > 0; };

  Progress whole;
  run_until(on_step, on_epoch, whole);
  CHECK(epochs == 3);
  CHECK(
      steps == std::vector<std::pair<int64_t, int64_t>>{
                   {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 1}, {2, 2}, {3, 0}});

  Progress early;
  run_until([&](const Progress& p) { return p.step != 2; }, on_epoch, early);
  CHECK(early.epoch == 0);
  CHECK(early.step == 2);
  CHECK(early.seen == 8);

  Progress one_epoch;
  run_until(
      on_step, [](const EpochReport&, const Progress&) { return false; }, one_epoch);
  CHECK(one_epoch.epoch == 1);
  CHECK(one_epoch.step == 0);
  CHECK(one_epoch.seen == 0);
}

TEST_CASE("fit: the caller's loss is what is minimised") {
  const Toy toy = rings(16, 18);
  int calls = 0;
  TrainOptions options;
  options.loss = [&](Module& model, const Batch& batch, Pass& pass, Tensor& logits) {
    ++calls;
    CHECK(pass.is_training());
    logits = model(batch.inputs, pass);
    return sum(logits * logits) * 0.0 + 5.0;  // no slope
  };
  EpochReport report;
  options.after_epoch = [&](const EpochReport& r, const Progress&) {
    report = r;
    return true;
  };
  Rng rng(1);
  Linear model(2, 2, rng);
  const Tensor before = parameters(model)[0].second.clone();
  Adam optimizer(parameters(model));
  Progress progress;
  fit(model, optimizer, {.learning_rate = 1}, batches_of(toy, 4, 19), options, progress);
  CHECK(calls == 4);
  CHECK(report.train_loss == 5);
  CHECK(bitwise_equal(parameters(model)[0].second, before));
}

TEST_CASE("fit: every step has a random stream of its own, a function of seed and step") {
  const Toy toy = rings(8, 25);
  const auto draws = [&](uint64_t seed, Progress from) {
    Run run(build("mlp:4", {2}, 2));
    std::vector<double> first_numbers;
    TrainOptions options{.epochs = 3, .seed = seed};
    options.loss = [&](Module& model, const Batch& batch, Pass& pass, Tensor& logits) {
      first_numbers.push_back(pass.rng().uniform());
      logits = model(batch.inputs, pass);
      return cross_entropy(logits, batch.labels);
    };
    fit(*run.model, *run.optimizer, {}, batches_of(toy, 4, 0), options, from);
    return first_numbers;
  };
  const std::vector<double> all = draws(1, {});
  REQUIRE(all.size() == 6);
  for (size_t i = 0; i < 6; ++i) {
    for (size_t k = 0; k < i; ++k) CHECK(all[i] != all[k]);
  }
  CHECK(draws(1, {}) == all);
  CHECK(draws(1, {.epoch = 1, .step = 1}) == std::vector<double>(all.begin() + 3, all.end()));
  CHECK(draws(2, {}) != all);
}

TEST_CASE("fit: an infinite loss stops as well, whatever computed it") {
  Run run(build("mlp:4", {2}, 2));
  const auto before = everything_of(run);
  TrainOptions options;
  options.loss = [](Module& model, const Batch& batch, Pass& pass, Tensor& logits) {
    logits = model(batch.inputs, pass);
    return sum(logits) * 0.0 + std::numeric_limits<double>::infinity();
  };
  Progress progress;
  CHECK_THROWS_WITH_AS(
      fit(*run.model, *run.optimizer, {}, batches_of(rings(8, 26), 4, 0), options, progress),
      "train: the loss is infinite in epoch 1, step 1; try a smaller learning rate", NumericError);
  CHECK(bitwise_equal(everything_of(run), before));
}

TEST_CASE("fit: a loss that is not finite stops before the update, naming epoch and step") {
  Toy toy = rings(12, 20);
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), 3e38F}) {
    const bool is_nan = std::isnan(poison);
    toy.inputs.mutable_data<float>()[2 * 9] = poison;  // the third batch in file order
    Run run(build("mlp:4", {2}, 2));
    // Large enough weights that 3e38 overflows and the logits are inf - inf or far apart
    for (auto& [name, tensor] : parameters(*run.model)) tensor.assign(tensor.detach() * 30.0);
    std::vector<Tensor> before;
    TrainOptions options{.epochs = 2};
    options.after_step = [&](const Progress&) {
      before = everything_of(run);
      return true;
    };
    const BatchSource source = batches_of(toy, 4, 0);
    try {
      fit(*run.model, *run.optimizer, {.learning_rate = 1e-3}, source, options, run.progress);
      FAIL("no error");
    } catch (const NumericError& error) {
      CHECK(std::string(error.what()).find("train: the loss is ") == 0);
      CHECK(std::string(error.what()).find(" in epoch 1, step 3; ") != std::string::npos);
      CHECK_FALSE(std::isfinite(error.value()));
      if (is_nan) CHECK(std::isnan(error.value()));
    }
    CHECK(bitwise_equal(everything_of(run), before));
    CHECK(run.progress.step == 2);
  }
}

TEST_CASE("fit: empty sources, bad clips and impossible progress are refused") {
  Run run(build("mlp:4", {2}, 2));
  const auto before = everything_of(run);
  const Toy toy = rings(12, 21);
  const BatchSource source = batches_of(toy, 4, 0);
  const auto attempt = [&](const BatchSource& s, const TrainOptions& o, Progress p) {
    fit(*run.model, *run.optimizer, {}, s, o, p);
  };
  CHECK_THROWS_WITH_AS(attempt({}, {}, {}), "train: the data set is empty", ValueError);
  for (const double clip : {-1.0, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_THROWS_AS(attempt(source, {.clip = clip}, {}), ValueError);
  }
  CHECK_THROWS_WITH_AS(
      attempt(source, {.epochs = 5}, {.epoch = 1, .step = 3}),
      "train: cannot go on from epoch 1, step 3 with 3 batches per epoch", ValueError);
  CHECK_THROWS_AS(attempt(source, {}, {.epoch = -1}), ValueError);
  CHECK_THROWS_AS(attempt(source, {}, {.step = -1}), ValueError);
  CHECK_THROWS_WITH_AS(predict(*run.model, {}), "predict: the data set is empty", ValueError);
  CHECK(bitwise_equal(everything_of(run), before));

  Progress done{.epoch = 4};  // nothing left to do is no error
  fit(*run.model, *run.optimizer, {}, source, {.epochs = 4}, done);
  CHECK(done.epoch == 4);
  CHECK(bitwise_equal(everything_of(run), before));
}

TEST_CASE("predict: logits in the order of the source, in evaluation, without a graph") {
  const auto net = dropout_net(22);
  const Toy toy = rings(10, 23);
  Pass pass;
  const Tensor whole = (*net)(toy.inputs, pass);
  const Tensor logits = predict(*net, batches_of(toy, 3, 0));  // 3 + 3 + 3 + 1
  CHECK(logits.shape() == Shape({10, 2}));
  CHECK(close(logits, whole, 1e-6));  // f32 products of batches of another size
  CHECK_FALSE(logits.requires_gradient());
  CHECK(bitwise_equal(logits, predict(*net, batches_of(toy, 3, 0))));  // no dropout

  // A shuffled source: the rows of its epoch 0
  const BatchSource shuffled = batches_of(toy, 4, 24);
  const Tensor mixed = predict(*net, shuffled);
  const std::vector<int64_t> order = Rng(24).child(0).permutation(10);
  for (int64_t i = 0; i < 10; ++i) {
    const int64_t row = order[static_cast<size_t>(i)];
    CHECK(close(slice(mixed, 0, i, i + 1), slice(whole, 0, row, row + 1), 1e-6));
  }
}

}  // namespace limpid
