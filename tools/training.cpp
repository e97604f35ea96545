// tools/training.cpp: data, model, optimiser and files of a run put together.
#include "tools/training.h"

#include "framework/autograd/anomaly.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/io/files.h"
#include "framework/optim/adam.h"
#include "framework/optim/rmsprop.h"
#include "framework/optim/schedule.h"
#include "framework/optim/sgd.h"
#include "framework/train/checkpoint.h"
#include "tools/console.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>

namespace limpid::tools {
namespace {

// Children of the run's seed, one for each use of random numbers
constexpr uint64_t kWeights = 1;
constexpr uint64_t kOrder = 2;
constexpr uint64_t kSteps = 3;

std::unique_ptr<Optimizer> make_optimizer(const TrainingOptions& o, Module& model) {
  const std::vector<ParameterGroup> groups =
      o.decay_weights_only ? decay_weights_only(parameters(model))
                           : std::vector<ParameterGroup>{{.parameters = parameters(model)}};
  if (o.optimizer == "sgd") {
    return std::make_unique<Sgd>(
        groups,
        SgdOptions{.momentum = o.momentum, .weight_decay = o.weight_decay, .nesterov = o.nesterov});
  }
  if (o.optimizer == "rmsprop") {
    return std::make_unique<RmsProp>(groups, RmsPropOptions{.weight_decay = o.weight_decay});
  }
  return std::make_unique<Adam>(
      groups,
      AdamOptions{.weight_decay = o.weight_decay, .decouples_decay = o.optimizer == "adamw"});
}

Schedule make_schedule(const TrainingOptions& o, int64_t batches) {
  return {
      .kind = schedule_kind(o.schedule),
      .learning_rate = o.lr,
      .steps = o.epochs * batches,
      .warmup = o.warmup * batches,
      .step_every = std::max<int64_t>(1, o.epochs / 3) * batches};
}

Json to_json(const EpochLine& line) {
  return Json::object(
      {{"epoch", line.epoch},
       {"learning_rate", line.learning_rate},
       {"train_loss", line.train_loss},
       {"train_accuracy", line.train_accuracy},
       {"test_loss", line.test_loss},
       {"test_accuracy", line.test_accuracy}});
}

// The lines of metrics.jsonl up to an epoch, for a run that goes on. A run that was interrupted in
// its first epoch has no such file yet.
std::vector<EpochLine> read_curve(const std::string& path, int64_t epochs) try {
  std::vector<EpochLine> curve;
  if (epochs == 0) return curve;
  const std::vector<std::byte> bytes = read_file(path, int64_t{64} << 20);
  std::string_view text = as_text(bytes);
  while (!text.empty() && static_cast<int64_t>(curve.size()) < epochs) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const Json json = parse_json(line, path);
    curve.push_back(
        {json.integer("epoch"), json.number("learning_rate"), json.number("train_loss"),
         json.number("train_accuracy"), json.number("test_loss"), json.number("test_accuracy")});
  }
  check_value(
      static_cast<int64_t>(curve.size()) == epochs, "metrics", "has ", curve.size(),
      " lines, the checkpoint ", epochs, " epochs");
  return curve;
} catch (const ValueError& error) {
  throw FormatError(path, "", error.what());
}

void write_curve(const std::string& path, const std::vector<EpochLine>& curve) {
  std::string text;
  for (const EpochLine& line : curve) text += to_text(to_json(line)) + "\n";
  write_file_atomic(path, as_bytes(text));
}

void write_json(const std::string& path, const Json& json) {
  write_file_atomic(path, as_bytes(to_text(json, 2) + "\n"));
}

Metrics evaluate(Module& model, const BatchSource& source, const datasets::Dataset& data) {
  return classification_metrics(predict(model, source), data.labels);
}

}  // namespace

std::string fresh_run_folder(const TrainingOptions& options, int64_t seed) {
  std::string name = options.data + "-" + options.model;
  for (char& c : name) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.';
    if (!is_plain) c = '_';
  }
  const std::string base = "runs/" + name + "-seed" + std::to_string(seed);
  std::string folder = base;
  for (int k = 2; std::filesystem::exists(folder); ++k) folder = base + "-" + std::to_string(k);
  return folder;
}

TrainingResult train_run(
    const TrainingOptions& o, const Json& config, const std::string& folder, const Common& common,
    Console& console) {
  const std::string last = folder + "/last.safetensors";
  const std::string metrics_path = folder + "/metrics.jsonl";
  if (!o.resume && !o.replaces && std::filesystem::exists(last)) {
    throw UsageError(folder + " holds a run already; use --resume, or another --out");
  }

  // Data
  TrainingResult result;
  result.run = folder;
  const auto load_start = std::chrono::steady_clock::now();
  result.split = load_data(
      o.data,
      {.data_dir = data_folder(common.data_dir),
       .test_fraction = o.test_fraction,
       .split_seed = static_cast<uint64_t>(o.split_seed),
       .limit_train = o.limit_train,
       .limit_test = o.limit_test},
      nullptr);
  const datasets::Dataset& train = result.split.train;
  const datasets::Dataset& test = result.split.test;
  if (test.size() == 0) throw UsageError(o.data + " has no test part; see --test-fraction");
  const datasets::ChannelStatistics statistics = datasets::channel_statistics(train);
  const double load_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - load_start).count();

  // Model, optimiser, batches: each with random numbers of its own
  RunFolder& run = result.folder;
  run.path = folder;
  run.card = {
      .architecture = o.model,
      .input = train.example_shape(),
      .class_names = train.class_names,
      .mean = statistics.mean,
      .std = statistics.std,
      .data = o.data};
  const Rng seed(static_cast<uint64_t>(common.seed));
  Rng weights = seed.child(kWeights);
  run.model = as_usage([&] {
    return make_model(o.model, {run.card.input, run.card.classes()}, weights);
  });
  const auto optimizer = as_usage([&] { return make_optimizer(o, *run.model); });
  auto batches = std::make_shared<datasets::Batches>(
      train, datasets::BatchOptions{
                 .batch = o.batch,
                 .seed = seed.child(kOrder).state().key,
                 .mean = run.card.mean,
                 .std = run.card.std});
  const BatchSource source{
      .batches = batches->count(),
      .examples = batches->examples(),
      .get = [batches](int64_t epoch, int64_t index) {
        const datasets::Batch b = batches->get(epoch, index);
        return Batch{b.inputs, b.labels};
      }};
  const BatchSource test_source = source_in_order(test, run.card);
  result.parameters = parameter_count(*run.model);

  // The folder
  run.config = Json::object(
      {{"schema", 1}, {"command", "train"}, {"options", config}, {"model", to_json(run.card)}});
  Progress progress;
  if (o.resume) {
    load_checkpoint(last, *run.model, *optimizer, progress);
    result.curve = read_curve(metrics_path, progress.epoch);
  }
  make_folder(folder);
  write_json(folder + "/config.json", run.config);
  const std::map<std::string, std::string> metadata = {
      {"format", "limpid-checkpoint-1"}, {"model", o.model}};
  console.note(join_text(
      o.model, " on ", o.data, ": ", result.parameters, " parameters, ", train.size(), " + ",
      test.size(), " examples (read in ", fixed(load_seconds, 2), " s), ", parallel::threads(),
      parallel::threads() == 1 ? " thread" : " threads"));

  // Train; after every epoch, measure and save
  double train_seconds = 0;
  int64_t trained_epochs = 0;
  const auto after_epoch = [&](const EpochReport& report, const Progress& now) {
    train_seconds += report.seconds;
    ++trained_epochs;
    const Metrics metrics = evaluate(*run.model, test_source, test);
    result.curve.push_back(
        {report.epoch, report.learning_rate, report.train_loss, report.train_accuracy, metrics.loss,
         metrics.accuracy});
    // The curve first: a run that dies in between repeats the epoch, a missing line would stay
    write_curve(metrics_path, result.curve);
    save_checkpoint(last, *run.model, *optimizer, now, metadata);
    console.stage(join_text(
        "epoch ", report.epoch, "/", o.epochs, "  loss ", fixed(report.train_loss, 4), "  train ",
        percent(report.train_accuracy), "  test ", percent(metrics.accuracy), "  lr ",
        fixed(report.learning_rate, 6), "  ", fixed(report.seconds, 2), " s"));
    return report.epoch != o.stop_after_epoch && !interrupted();
  };
  const auto after_step = [&](const Progress& now) {
    console.progress(join_text("epoch ", now.epoch + 1, "/", o.epochs), now.step, source.batches);
    if (!interrupted()) return true;
    save_checkpoint(last, *run.model, *optimizer, now, metadata);
    console.note("interrupted; go on with: limpid train --resume --out " + folder);
    return false;
  };
  AnomalyCheck anomaly_check;
  std::optional<Observing> watch;
  if (o.anomaly) watch.emplace(anomaly_check);
  fit(*run.model, *optimizer, make_schedule(o, source.batches), source,
      {.epochs = o.epochs,
       .seed = seed.child(kSteps).state().key,
       .clip = o.clip,
       .after_epoch = after_epoch,
       .after_step = after_step},
      progress);
  save_weights(folder + "/best.safetensors", *run.model, metadata);

  // What the run came to
  result.test = evaluate(*run.model, test_source, test);
  if (!result.curve.empty()) result.train_accuracy = result.curve.back().train_accuracy;
  const double images = static_cast<double>(trained_epochs * train.size());
  result.images_per_second = train_seconds > 0 ? images / train_seconds : 0;
  return result;
}

}  // namespace limpid::tools
