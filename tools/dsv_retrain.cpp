// tools/dsv_retrain.cpp: limpid dsv retrain.
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/io/npy.h"
#include "framework/nn/models.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/numerics/statistics.h"
#include "interpret/support_vectors/retraining.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/model.h"
#include "tools/objective.h"
#include "tools/support_file.h"

#include <cmath>
#include <memory>

namespace limpid::tools {
namespace {

struct RetrainArguments {
  std::string support, indices, model, data;
  int64_t seeds = 5;
  int64_t steps = 2000;
  int64_t batch = 64;
  double lr = 1e-3;
  double weight_decay = 0;
  int64_t limit_train = 0, limit_test = 0;
  std::string labels = "hard";
  std::string weights = "none";
  std::string source;
  bool skips_baseline = false;
};

// One set that is compared: standardised vectors with targets and weights.
struct Candidate {
  Tensor images, targets, weights;
};

// The accuracies over all seeds.
struct Row {
  std::vector<double> accuracy;
  double mean() const {
    double total = 0;
    for (const double a : accuracy) total += a;
    return total / static_cast<double>(accuracy.size());
  }
  double deviation() const {  // over seeds, n - 1; NaN for one
    double squares = 0;
    for (const double a : accuracy) squares += (a - mean()) * (a - mean());
    return std::sqrt(squares / static_cast<double>(accuracy.size() - 1));
  }
  Json list() const { return Json::array(Json::Items(accuracy.begin(), accuracy.end())); }
};

// As many random training images of each class as the support set has.
std::vector<int64_t> random_images(
    const datasets::Dataset& train, const std::vector<int64_t>& wanted, uint64_t seed) {
  std::vector<int64_t> left = wanted, chosen;
  for (const int64_t i : Rng(seed).child(2).permutation(train.size())) {
    int64_t& open = left[static_cast<size_t>(train.labels.data<int64_t>()[i])];
    if (open == 0) continue;
    --open;
    chosen.push_back(i);
  }
  for (size_t c = 0; c < left.size(); ++c) {
    if (left[c] > 0) {
      throw UsageError(
          join_text("--data has too few images of class ", c, " for a baseline of ", wanted[c]));
    }
  }
  return chosen;
}

// The training images at the positions in an array, as `coreset select` writes it.
SupportSet set_of(const std::string& path, const datasets::Dataset& train) {
  const Tensor array = load_npy(path);
  if (array.dtype() != DType::i64 || array.rank() != 1 || array.numel() == 0) {
    throw FormatError(path, "", "holds no list of positions (i64, one dimension)");
  }
  const auto positions = array.values<int64_t>();
  for (const int64_t i : positions) {
    if (i >= 0 && i < train.size()) continue;
    throw FormatError(path, "", join_text("position ", i, " is not in 0 to ", train.size() - 1));
  }
  const datasets::Dataset taken = datasets::take(train, {positions.begin(), positions.end()});
  const Tensor ones = Tensor::ones({array.numel()}, DType::f64);
  return {
      .images = taken.images.tensor(),
      .labels = taken.labels,
      .lambda = ones,
      .alpha = ones,
      .indices = array};
}

// A card for a network that does not exist yet: standardisation by the training part of --data.
ModelCard card_of(const RetrainArguments& o, const datasets::Dataset& train) {
  const datasets::ChannelStatistics s = datasets::channel_statistics(train);
  return {
      .architecture = o.model,
      .input = train.example_shape(),
      .class_names = train.class_names,
      .mean = s.mean,
      .std = s.std,
      .data = o.data};
}

Row accuracies(
    const RetrainArguments& o, const ModelCard& card, const datasets::Dataset& test,
    const std::function<Candidate(uint64_t seed)>& candidate, const std::string& name,
    uint64_t first_seed, Console& console) {
  const interpret::RetrainOptions options{
      .architecture = o.model,
      .steps = o.steps,
      .batch = o.batch,
      .learning_rate = o.lr,
      .weight_decay = o.weight_decay};
  Row row;
  for (int64_t k = 0; k < o.seeds; ++k) {
    const uint64_t seed = first_seed + static_cast<uint64_t>(k);
    const Candidate c = candidate(seed);
    RunFolder folder{.path = {}, .card = card, .config = Json::object(), .model = nullptr};
    folder.model = as_usage([&] {
      return interpret::retrained(
          {card.input, card.classes()}, c.images, c.targets, c.weights, options, seed);
    });
    row.accuracy.push_back(evaluate(folder, test).accuracy());
    console.progress(name, k + 1, o.seeds);
  }
  console.stage(join_text(name, ": ", percent(row.mean())));
  return row;
}

// What the source says of the vectors, and its last layer read off them.
Json from_source(
    RunFolder& source, const SupportSet& set, const Tensor& hard, const datasets::Dataset& test,
    const Console& console) {
  const interpret::LayerFromVectors layer = interpret::last_layer_from_vectors(
      *source.model, standardised(set.images, source.card), hard, set.lambda);
  const double before = evaluate(source, test).accuracy();
  for (auto& [name, tensor] : parameters(*source.model)) {
    for (const auto& [own, value] : layer.values) {
      if (own == name) Tensor(tensor).assign(value);
    }
  }
  const double after = evaluate(source, test).accuracy();
  console.result(join_text(
      "last layer    ", layer.layer, " = -sum lambda g: cosine ", fixed(layer.cosine, 3),
      ", accuracy ", percent(after), " (its own: ", percent(before), ")"));
  return Json::object(
      {{"layer", layer.layer},
       {"cosine", layer.cosine},
       {"accuracy", after},
       {"accuracy_own", before}});
}

Json run(const Invocation& in, const RetrainArguments& o) {
  for (const char* name : {"model", "data"}) in.arguments.require(name);
  if (o.support.empty() == o.indices.empty()) {
    throw UsageError("either --support FILE or --indices FILE.npy says what to train on");
  }
  const datasets::Split parts = load_data(
      o.data,
      {.data_dir = data_folder(in.common.data_dir),
       .limit_train = o.limit_train,
       .limit_test = o.limit_test},
      nullptr);
  if (parts.test.is_empty()) throw UsageError(o.data + " has no test part");
  if (parts.train.is_regression()) throw UsageError(o.data + " has no classes");
  const SupportSet set =
      o.indices.empty() ? read_support(o.support) : set_of(o.indices, parts.train);
  const ModelCard card = card_of(o, parts.train);
  check_support(set, o.support, card);
  std::unique_ptr<RunFolder> source;
  if (!o.source.empty()) {
    ModelOptions options;
    options.model = o.source;
    source = std::make_unique<RunFolder>(open_model(options, in.console));
    check_classifier(*source, "dsv retrain");
    if (source->card.input != card.input || source->card.classes() != card.classes()) {
      throw UsageError("--source: " + o.source + " has other inputs or classes than " + o.data);
    }
  }
  if (o.labels == "soft" && source == nullptr) {
    throw UsageError("--labels soft: needs --source, the network that says them");
  }

  // The vectors
  const int64_t K = card.classes();
  const bool are_shares = set.labels.rank() == 2;
  const Tensor hard = are_shares ? to(set.labels, DType::f32) : one_hot(set.labels, K);
  Candidate vectors{standardised(set.images, card), hard, Tensor()};
  if (o.labels == "soft") {
    vectors.targets = softmax(logits_of(*source, standardised(set.images, source->card)));
  }
  if (o.weights == "lambda") vectors.weights = set.lambda;
  if (o.weights == "alpha") vectors.weights = set.alpha;
  std::vector<int64_t> counts(static_cast<size_t>(K));
  for (const int64_t c : classes_of(set)) ++counts[static_cast<size_t>(c)];

  const auto seed = static_cast<uint64_t>(in.common.seed);
  const Row ours = accuracies(
      o, card, parts.test, [&](uint64_t) { return vectors; }, "support vectors", seed, in.console);
  const auto random_candidate = [&](uint64_t s) {
    const datasets::Dataset chosen =
        datasets::take(parts.train, random_images(parts.train, counts, s));
    return Candidate{
        standardised(chosen.images.tensor(), card), one_hot(chosen.labels, K), Tensor()};
  };
  in.console.result(join_text(
      "vectors       ", percent(ours.mean()), " +- ", percent(ours.deviation()), " over ", o.seeds,
      " seeds (", set.size(), " vectors, ", o.steps, " steps)"));
  Json result = Json::object(
      {{"support", o.indices.empty() ? o.support : o.indices},
       {"model", o.model},
       {"vectors", set.size()},
       {"steps", o.steps},
       {"labels", o.labels},
       {"weights", o.weights},
       {"accuracy_mean", ours.mean()},
       {"accuracy_std", ours.deviation()},
       {"accuracy", ours.list()}});
  if (!o.skips_baseline) {
    const Row random =
        accuracies(o, card, parts.test, random_candidate, "random images", seed, in.console);
    in.console.result(
        join_text("random images ", percent(random.mean()), " +- ", percent(random.deviation())));
    result.set("baseline_random_mean", random.mean())
        .set("baseline_random_std", random.deviation())
        .set("baseline_random", random.list());
  }
  if (source != nullptr) {
    result.set("last_layer", from_source(*source, set, hard, parts.test, in.console));
  }
  return result;
}

}  // namespace

Command dsv_retrain_command() {
  auto options = std::make_shared<RetrainArguments>();
  return {
      .name = "dsv retrain",
      .summary = "networks trained on support vectors alone",
      .example =
          "limpid dsv retrain --support vectors.safetensors --model convnet:16x2:none:max "
          "--data digits --seeds 3 --steps 300",
      .declare =
          [options](Arguments& a) {
            a.text("support", options->support, "file of support vectors");
            a.text(
                "indices", options->indices,
                "or: positions in the training part, as coreset select writes them (.npy)");
            a.text("model", options->model, "the network: " + model_names());
            a.text(
                "data", options->data,
                "data set; its test part judges, its training part is drawn from");
            a.integer("seeds", options->seeds, "trainings, of seeds --seed and up", 1, 1000);
            a.integer("steps", options->steps, "steps of each training", 1, 10'000'000);
            a.integer("batch", options->batch, "examples per step", 1, 1'000'000);
            a.number(
                "lr", options->lr, "largest learning rate of Adam, falling along a cosine", 0, 1e9);
            a.number(
                "weight-decay", options->weight_decay, "weight decay on every parameter", 0, 1e9);
            declare_limit_train(a, options->limit_train);
            declare_limit_test(a, options->limit_test, false);
            a.text(
                "labels", options->labels, "hard: the classes; soft: what --source says",
                {"hard", "soft"});
            a.text("weights", options->weights, "of the loss", {"none", "lambda", "alpha"});
            a.text(
                "source", options->source,
                "the network the vectors are from: its last layer is read off them too");
            a.flag(
                "no-baseline", options->skips_baseline,
                "do not train on as many random images for comparison");
          },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
