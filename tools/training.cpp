// tools/training.cpp: data, model, optimiser and files of a run put together.
#include "tools/training.h"

#include "framework/autograd/anomaly.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/ranks.h"
#include "framework/core/rng.h"
#include "framework/io/files.h"
#include "framework/io/folder_lock.h"
#include "framework/io/gzip.h"
#include "framework/ops/reduce.h"
#include "framework/optim/adam.h"
#include "framework/optim/rmsprop.h"
#include "framework/optim/schedule.h"
#include "framework/optim/sgd.h"
#include "framework/train/checkpoint.h"
#include "tools/console.h"
#include "tools/model.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>

namespace limpid::tools {
namespace {

// Children of the run's seed, one for each use of random numbers
constexpr uint64_t kWeights = 1;
constexpr uint64_t kOrder = 2;
constexpr uint64_t kSteps = 3;

std::unique_ptr<Optimizer> make_optimizer(const TrainingOptions& o, Module& model) {
  NamedParameters trained = parameters(model);
  std::erase_if(trained, [](const auto& named) { return !named.second.requires_gradient(); });
  if (trained.empty()) throw UsageError("--freeze leaves nothing to train");
  const std::vector<ParameterGroup> groups =
      o.decay_weights_only ? decay_weights_only(trained)
                           : std::vector<ParameterGroup>{{.parameters = trained}};
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
  Json json = Json::object(
      {{"epoch", line.epoch},
       {"learning_rate", line.learning_rate},
       {"train_loss", line.train_loss},
       {"train_accuracy", line.train_accuracy},
       {"test_loss", line.test_loss},
       {"test_accuracy", line.test_accuracy}});
  if (!std::isnan(line.validation_loss)) {
    json.set("validation_loss", line.validation_loss);
    json.set("validation_accuracy", line.validation_accuracy);
  }
  if (!std::isnan(line.gradient_cosine)) json.set("gradient_cosine", line.gradient_cosine);
  return json;
}

EpochLine line_from(const Json& json) {
  const auto number = [&](const char* key) {
    const Json value = json.get_or(key, Json());
    return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.number();
  };
  return {
      .epoch = json.integer("epoch"),
      .learning_rate = json.number("learning_rate"),
      .train_loss = json.number("train_loss"),
      .train_accuracy = number("train_accuracy"),
      .test_loss = json.number("test_loss"),
      .test_accuracy = number("test_accuracy"),
      .validation_loss = number("validation_loss"),
      .validation_accuracy = number("validation_accuracy"),
      .gradient_cosine = number("gradient_cosine")};
}

void write_curve(const std::string& path, const std::vector<EpochLine>& curve) {
  std::string text;
  for (const EpochLine& line : curve) text += to_text(to_json(line)) + "\n";
  write_file_atomic(path, as_bytes(text));
}

void write_json(const std::string& path, const Json& json) {
  write_file_atomic(path, as_bytes(to_text(json, 2) + "\n"));
}

// Weights inverse to the frequency of each class, 1 on average over the examples: [K].
Tensor class_weights_of(const datasets::Dataset& train) {
  const std::vector<int64_t> counts = datasets::class_counts(train);
  Tensor weights = Tensor::ones({std::ssize(counts)});
  for (size_t k = 0; k < counts.size(); ++k) {
    if (counts[k] == 0) continue;  // never asked for
    weights.mutable_data<float>()[k] = static_cast<float>(
        static_cast<double>(train.size()) / static_cast<double>(std::ssize(counts) * counts[k]));
  }
  return weights;
}

// The epoch with the lowest validation loss; the last one if nothing is held out.
int64_t best_epoch_of(const std::vector<EpochLine>& curve) {
  int64_t best = 0;
  for (size_t i = 0; i < curve.size(); ++i) {
    const double loss = curve[i].validation_loss;
    if (best == 0 || std::isnan(loss) ||
        loss < curve[static_cast<size_t>(best) - 1].validation_loss) {
      best = static_cast<int64_t>(i) + 1;
    }
  }
  return best;
}

// What checkpoints say about themselves: enough to rebuild the network and to tell which run they
// belong to. No path: the same run in another place writes the same bytes.
std::map<std::string, std::string> metadata_of(
    const ModelCard& card, const Json& options, const datasets::Dataset& train) {
  Json own = Json::object();
  for (const Json::Member& member : options.members()) {
    const bool may_be_path = member.key == "data" || member.key == "init";
    if (!may_be_path) own.set(member.key, member.value);
  }
  ModelCard bare = card;
  bare.data.clear();
  const uint32_t sum = crc32(train.labels.bytes(), train.images.checksum());
  return {
      {"format", kCheckpointFormat},
      {"model", card.architecture},
      {"config", to_text(Json::object({{"options", own}, {"model", to_json(bare)}}))},
      {"data_crc32", std::to_string(sum)}};
}

// One run from data to files. Its steps are the members, in the order in which train_run calls
// them.
class TrainingRun {
 public:
  TrainingRun(
      const TrainingOptions& options, const std::string& folder, const Common& common,
      Console& console)
      : o_(options), common_(common), console_(console), folder_(folder) {
    result_.run = folder;
    run_.path = folder;
  }

  void load();
  void build();
  void open_folder(const Json& config);
  void fit_model();
  TrainingResult finish();

 private:
  void resume();
  BatchSource source() const;
  Tensor loss(Module& model, const Batch& batch, Pass& pass, Tensor& outputs);
  double weight(const Batch& batch) const;
  double test_cosine() const;
  bool after_epoch(const EpochReport& report, const Progress& now);
  bool record_epoch(const EpochReport& report, const Progress& now);
  bool after_step(const Progress& now);
  void save(const Progress& now);
  bool is_out_of_patience() const;

  const TrainingOptions& o_;
  const Common& common_;
  Console& console_;
  std::string folder_;
  std::string last_ = folder_ + "/last.safetensors", best_ = folder_ + "/best.safetensors";
  std::string previous_ = folder_ + "/previous.safetensors", curve_ = folder_ + "/metrics.jsonl";
  std::map<std::string, std::string> metadata_;
  std::optional<FolderLock> lock_;

  TrainingResult result_;
  RunFolder& run_ = result_.folder;
  datasets::Dataset validation_;  // may be empty
  CrossEntropyOptions loss_options_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<WeightAverage> average_;  // or null
  BatchSource source_;
  Progress progress_;
  OpProfile profile_;
  std::vector<std::string> notes_;  // said once nothing can be refused any more
  double train_seconds_ = 0;
  int64_t trained_epochs_ = 0;
};

// Data, and what the model needs to know of them
void TrainingRun::load() {
  const auto start = std::chrono::steady_clock::now();
  const bool reconstructs = o_.model == "autoencoder" || o_.model.starts_with("autoencoder:");
  ModelCard& card = run_.card;
  card.architecture = o_.model;
  card.data = o_.data;
  card.resize = card.crop = o_.resize;
  card.task =
      o_.task.empty() ? (reconstructs ? Task::reconstruct : Task::classify) : task_named(o_.task);
  datasets::Split& split = result_.split;
  split = load_data(
      o_.data,
      {.data_dir = data_folder(common_.data_dir),
       .test_fraction = o_.test_fraction,
       .split_seed = static_cast<uint64_t>(o_.split_seed),
       .limit_train = o_.limit_train,
       .limit_test = o_.limit_test,
       .label_column = o_.label_column,
       .resize = o_.resize,
       .is_regression = card.task == Task::regress},
      nullptr);
  if (const std::string note = passed_over_note(split); !note.empty()) notes_.push_back(note);
  if (split.test.is_empty()) throw UsageError(o_.data + " has no test part; see --test-fraction");
  if (o_.validation > 0) {
    datasets::Split cut = as_usage([&] {
      return datasets::stratified_split(
          split.train, o_.validation, static_cast<uint64_t>(o_.split_seed));
    });
    split.train = cut.train;
    validation_ = cut.test;
  }
  card.input = split.train.example_shape();
  const datasets::ChannelStatistics statistics = o_.normalize.empty()
                                                     ? datasets::channel_statistics(split.train)
                                                     : normalization(o_.normalize, card.input[0]);
  card.class_names = split.train.class_names;
  card.mean = statistics.mean;
  card.std = statistics.std;
  if (card.task == Task::regress) {
    const RegressionMetrics from_zero =
        regression_metrics(Tensor::zeros(split.train.labels.shape()), split.train.labels);
    card.target_mean = mean(split.train.labels).item();
    const double variance = from_zero.mse - card.target_mean * card.target_mean;
    if (variance > 0) card.target_std = std::sqrt(variance);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  notes_.push_back(join_text(
      o_.data, ": ", split.train.size(), " + ", split.test.size(), " examples",
      validation_.is_empty() ? "" : join_text(", ", validation_.size(), " held out"), " (read in ",
      fixed(took.count(), 2), " s)"));
}

// Model, optimiser, averages
void TrainingRun::build() {
  const Rng seed(static_cast<uint64_t>(common_.seed));
  Rng weights = seed.child(kWeights);
  run_.model = as_usage([&] {
    return make_model(o_.model, {run_.card.input, run_.card.outputs()}, weights);
  });
  if (!o_.init.empty()) {
    const bool is_file = o_.init.ends_with(".safetensors");
    const std::string path = is_file ? o_.init : o_.init + "/last.safetensors";
    if (!std::filesystem::exists(path)) {
      throw UsageError(
          "--init " + o_.init +
          (is_file ? ": there is no such file"
                   : ": no run folder, there is no last.safetensors in it; FILE.safetensors is "
                     "taken too"));
    }
    const std::string left_out = load_fitting_weights(path, *run_.model);
    if (!left_out.empty()) notes_.push_back("--init: left out: " + left_out);
  }
  for (const std::string& pattern : o_.freeze) {
    const auto names = as_usage([&] { return freeze(*run_.model, pattern); });
    notes_.push_back(join_text("--freeze ", pattern, ": ", names.size(), " tensors"));
  }
  optimizer_ = as_usage([&] { return make_optimizer(o_, *run_.model); });
  if (o_.ema > 0) average_ = std::make_unique<WeightAverage>(state(*run_.model));
  loss_options_.label_smoothing = o_.label_smoothing;
  const bool smooths = o_.label_smoothing > 0 || o_.class_weights;
  if (smooths && run_.card.task != Task::classify) {
    throw UsageError("--label-smoothing and --class-weights are for --task classify");
  }
  check_penalty(o_, run_.card);
  source_ = source();
  if (o_.class_weights) loss_options_.class_weights = class_weights_of(result_.split.train);
  result_.parameters = parameter_count(*run_.model);
  notes_.push_back(join_text(
      o_.model, ": ", result_.parameters, " parameters, ", parallel::threads(),
      parallel::threads() == 1 ? " thread" : " threads",
      ranks::count() == 1 ? "" : join_text(" on each of ", ranks::count(), " ranks")));
}

// The folder: what is there to go on with, and what describes the run
void TrainingRun::open_folder(const Json& config) {
  run_.config = Json::object(
      {{"schema", 1}, {"command", "train"}, {"options", config}, {"model", to_json(run_.card)}});
  metadata_ = metadata_of(run_.card, config, result_.split.train);
  if (ranks::is_first()) {
    make_folder(folder_);
    lock_.emplace(folder_);
  }
  if (o_.resume) resume();
  if (ranks::is_first()) write_json(folder_ + "/config.json", run_.config);
  for (const std::string& note : notes_) console_.note(note);
}

// Goes on from the last checkpoint, or, if that is damaged, from the one before it.
void TrainingRun::resume() {
  const auto from = [&](const std::string& path) {
    const auto metadata =
        load_checkpoint(path, *run_.model, *optimizer_, progress_, average_.get());
    const auto sum = metadata.find("data_crc32");
    if (sum != metadata.end() && sum->second != metadata_.at("data_crc32")) {
      throw UsageError(
          path + " was trained on other data: their checksum is " + sum->second + ", not " +
          metadata_.at("data_crc32"));
    }
  };
  try {
    from(last_);
  } catch (const FormatError& error) {
    if (!std::filesystem::exists(previous_)) throw;
    from(previous_);
    notes_.push_back(std::string(error.what()) + "; going on from " + previous_);
  }
  if (progress_.epoch == 0) return;  // interrupted in its first epoch: there is no such file yet
  result_.curve = read_curve(curve_, progress_.epoch);
  if (std::ssize(result_.curve) < progress_.epoch) {
    throw FormatError(
        curve_, "",
        join_text(
            "metrics: has ", result_.curve.size(), " lines, the checkpoint ", progress_.epoch,
            " epochs"));
  }
}

BatchSource TrainingRun::source() const {
  const Rng seed(static_cast<uint64_t>(common_.seed));
  return prepared_ahead(as_usage([&] {
    return batches_of(
        result_.split.train, {.batch = o_.batch,
                              .seed = seed.child(kOrder).state().key,
                              .mean = run_.card.mean,
                              .std = run_.card.std,
                              .augmentation = datasets::augmentation_named(o_.augment),
                              .part = ranks::mine(),
                              .parts = ranks::count()});
  }));
}

void TrainingRun::fit_model() {
  if (is_out_of_patience()) return;
  const Rng seed(static_cast<uint64_t>(common_.seed));
  AnomalyCheck anomaly_check;
  std::optional<Observing> watch;
  if (o_.anomaly) watch.emplace(anomaly_check);
  if (o_.profile) watch.emplace(profile_);
  fit(*run_.model, *optimizer_, make_schedule(o_, source_.batches), source_,
      {.epochs = o_.epochs,
       .seed = seed.child(kSteps).state().key,
       .clip = o_.clip,
       .loss = [this](
                   Module& model, const Batch& batch, Pass& pass,
                   Tensor& outputs) { return loss(model, batch, pass, outputs); },
       .weight = [this](const Batch& batch) { return weight(batch); },
       .after_update =
           [this] {
             profile_.stop();
             if (average_) average_->update(o_.ema);
           },
       .after_epoch = [this](const EpochReport& r, const Progress& p) { return after_epoch(r, p); },
       .after_step = [this](const Progress& p) { return after_step(p); }},
      progress_);
}

Tensor TrainingRun::loss(Module& model, const Batch& batch, Pass& pass, Tensor& outputs) {
  profile_.restart();
  if (o_.penalty.is_on() && o_.penalty.lambda > 0) {
    const int64_t step = progress_.epoch * source_.batches + progress_.step;
    const auto losses_of = [&](const Tensor& logits, const Batch& part) {
      return task_losses(run_.card, logits, part, loss_options_);
    };
    return interpret::penalised_loss(
        model, batch, pass, outputs, losses_of, step, interpretable_options(o_.penalty));
  }
  outputs = model(batch.inputs, pass);
  return task_loss(run_.card, outputs, batch, loss_options_);
}

// With class weights, the loss of a batch is a mean by the weights of its labels.
double TrainingRun::weight(const Batch& batch) const {
  if (!o_.class_weights) return static_cast<double>(batch.labels.numel());
  double total = 0;
  for (const int64_t label : batch.labels.values<int64_t>()) {
    total += static_cast<double>(loss_options_.class_weights.data<float>()[label]);
  }
  return total;
}

// NaN without the penalty
double TrainingRun::test_cosine() const {
  if (!o_.penalty.is_on()) return std::numeric_limits<double>::quiet_NaN();
  return gradient_cosine(
      run_, result_.split.test, interpret::gradient_source_named(o_.penalty.source));
}

// Rank 0 measures and saves, the others wait for what it decides
bool TrainingRun::after_epoch(const EpochReport& report, const Progress& now) {
  return ranks::from_first(ranks::is_first() && record_epoch(report, now));
}

bool TrainingRun::record_epoch(const EpochReport& report, const Progress& now) {
  train_seconds_ += report.seconds;
  ++trained_epochs_;
  EpochLine line{
      .epoch = report.epoch,
      .learning_rate = report.learning_rate,
      .train_loss = report.train_loss,
      .train_accuracy = report.train_accuracy};
  line.validation_loss = line.validation_accuracy = std::numeric_limits<double>::quiet_NaN();
  std::string held_out;
  {
    std::optional<AveragedWeights> averaged;
    if (average_) averaged.emplace(*average_);
    const Evaluation test = evaluate(run_, result_.split.test);
    line.test_loss = test.loss;
    line.test_accuracy = test.accuracy();
    line.gradient_cosine = test_cosine();
    if (!validation_.is_empty()) {
      const Evaluation validation = evaluate(run_, validation_);
      line.validation_loss = validation.loss;
      line.validation_accuracy = validation.accuracy();
      held_out = "  validation loss " + fixed(validation.loss, 4);
    }
    result_.curve.push_back(line);
    if (!validation_.is_empty() && best_epoch_of(result_.curve) == report.epoch) {
      save_weights(best_, *run_.model, metadata_);
    }
    console_.stage(join_text(
        "epoch ", report.epoch, "/", o_.epochs, "  loss ", fixed(report.train_loss, 4), held_out,
        "  test ", headline(test).value,
        o_.penalty.is_on() ? "  cosine " + fixed(line.gradient_cosine, 4) : "", "  lr ",
        fixed(report.learning_rate, 6), "  ", fixed(report.seconds, 2), " s"));
  }
  // The curve first: a run that dies in between repeats the epoch, a missing line would stay
  write_curve(curve_, result_.curve);
  save(now);
  if (is_out_of_patience()) {
    console_.note(
        join_text("no better validation loss in ", o_.patience, " epochs: the run ends here"));
    return false;
  }
  return report.epoch != o_.stop_after_epoch && !interrupted();
}

bool TrainingRun::after_step(const Progress& now) {
  console_.progress(join_text("epoch ", now.epoch + 1, "/", o_.epochs), now.step, source_.batches);
  if (!ranks::any(interrupted())) return true;
  if (!ranks::is_first()) return false;
  save(now);
  console_.note("interrupted; go on with: limpid train --resume --out " + folder_);
  return false;
}

// The checkpoint of the epoch before stays as previous.safetensors
void TrainingRun::save(const Progress& now) {
  std::error_code ignored;
  const std::string kept = previous_ + ".new";
  std::filesystem::remove(kept, ignored);
  std::filesystem::create_hard_link(last_, kept, ignored);
  if (!ignored) std::filesystem::rename(kept, previous_, ignored);
  save_checkpoint(last_, *run_.model, *optimizer_, now, metadata_, average_.get());
}

bool TrainingRun::is_out_of_patience() const {
  const int64_t epochs = std::ssize(result_.curve);
  return o_.patience > 0 && epochs - best_epoch_of(result_.curve) >= o_.patience;
}

// What the run came to
TrainingResult TrainingRun::finish() {
  if (!ranks::is_first()) return std::move(result_);
  if (average_) average_->become_weights();
  result_.test = evaluate(run_, result_.split.test);
  result_.gradient_cosine = test_cosine();
  if (validation_.is_empty()) save_weights(best_, *run_.model, metadata_);
  if (!result_.curve.empty()) result_.train_accuracy = result_.curve.back().train_accuracy;
  result_.best_epoch = best_epoch_of(result_.curve);
  const double images = static_cast<double>(trained_epochs_ * result_.split.train.size());
  result_.images_per_second = train_seconds_ > 0 ? images / train_seconds_ : 0;
  if (o_.profile) result_.profile = profile_.rows();
  return std::move(result_);
}

}  // namespace

std::vector<EpochLine> read_curve(const std::string& path, int64_t most) try {
  std::vector<EpochLine> curve;
  const std::vector<std::byte> bytes = read_file(path, int64_t{64} << 20);
  std::string_view text = as_text(bytes);
  while (!text.empty() && std::ssize(curve) < most) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    curve.push_back(line_from(parse_json(line, path)));
  }
  return curve;
} catch (const ValueError& error) {
  throw FormatError(path, "", error.what());
}

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
  if (!o.resume && !o.replaces && std::filesystem::exists(folder + "/last.safetensors")) {
    throw UsageError(folder + " holds a run already; use --resume, or another --out");
  }
  if (o.patience > 0 && o.validation <= 0) throw UsageError("--patience needs --validation");
  if (o.class_weights && o.augment.find("mixup") != std::string::npos) {
    throw UsageError("--class-weights and mixup exclude each other");
  }
  if (ranks::count() > 1 && o.penalty.is_on()) {
    throw UsageError("--interpretable-gradients runs in one process; start it without mpirun");
  }
  if (o.anomaly && o.profile) throw UsageError("--anomaly and --profile exclude each other");
  TrainingRun run(o, folder, common, console);
  run.load();
  run.build();
  run.open_folder(config);
  run.fit_model();
  return run.finish();
}

}  // namespace limpid::tools
