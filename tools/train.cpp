// tools/train.cpp: limpid train.
#include "framework/nn/models.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/model.h"
#include "tools/training.h"

#include <filesystem>
#include <memory>

namespace limpid::tools {
namespace {

void declare(Arguments& a, TrainingOptions& o) {
  a.text(
      "data", o.data,
      "what to train on: digits, fashion-2k, shapes, moons, gaussians, swiss-roll, mnist, "
      "idx:FOLDER, ...");
  a.text("model", o.model, "the network: " + model_names());
  a.text(
      "task", o.task,
      "classify, regress or reconstruct; autoencoder reconstructs, all others classify",
      {"", "classify", "regress", "reconstruct"});
  a.integer("epochs", o.epochs, "passes over the training part", 1, 100000);
  a.integer("batch", o.batch, "examples per step", 1, 1 << 20);
  a.text(
      "optimizer", o.optimizer, "sgd, adam, adamw or rmsprop", {"sgd", "adam", "adamw", "rmsprop"});
  a.number("lr", o.lr, "largest learning rate", 1e-12, 1e3);
  a.number("momentum", o.momentum, "momentum of sgd", 0, 0.9999);
  a.flag("nesterov", o.nesterov, "Nesterov's form of momentum, with sgd");
  a.text(
      "schedule", o.schedule, "constant, step, cosine or one-cycle",
      {"constant", "step", "cosine", "one-cycle"});
  a.integer("warmup", o.warmup, "epochs over which the learning rate rises at first", 0, 100000);
  a.number("weight-decay", o.weight_decay, "weight decay on every parameter", 0, 10);
  a.flag(
      "decay-weights-only", o.decay_weights_only,
      "no weight decay on biases and on the parameters of norms");
  a.number("clip", o.clip, "largest norm of the gradient; 0: none", 0, 1e9);
  a.number(
      "label-smoothing", o.label_smoothing, "share of the target spread over all classes", 0, 0.99);
  a.flag("class-weights", o.class_weights, "weigh each class by the inverse of its frequency");
  a.number("ema", o.ema, "decay of averaged weights, such as 0.999; 0: no averages", 0, 0.999999);
  declare_penalty(a, o.penalty);
  a.text(
      "augment", o.augment,
      "none, crop-flip, or steps such as crop:4,flip,rotate:15,cutout:8,jitter:0.2,translate:2,"
      "noise:0.05,mixup:0.2");
  a.integer(
      "resize", o.resize, "scale and cut pictures of images:FOLDER to squares of so many pixels", 0,
      16384);
  a.text(
      "normalize", o.normalize,
      "imagenet, cifar, or mean and deviation such as 0.5,0.25 or M1,M2,M3,S1,S2,S3; those of the "
      "training part unless given");
  a.text("init", o.init, "start from the fitting weights of this run or FILE.safetensors");
  a.list("freeze", o.freeze, "do not train these parameters, such as 'conv1.*'");
  a.number(
      "validation", o.validation, "share of the training part held out to choose the best epoch", 0,
      0.9);
  a.integer(
      "patience", o.patience,
      "end after so many epochs without a better validation loss; 0: do not", 0, 100000);
  a.text("label-column", o.label_column, "column of a csv table to predict, by name or number");
  declare_limit_train(a, o.limit_train);
  declare_limit_test(a, o.limit_test, false);
  a.number("test-fraction", o.test_fraction, "test share of data without a test part", 0, 0.9);
  a.integer("split-seed", o.split_seed, "seed of that split", 0, INT64_MAX);
  a.integer(
      "stop-after-epoch", o.stop_after_epoch, "stop early, on the same schedule; 0: do not", 0,
      100000);
  a.flag("anomaly", o.anomaly, "stop at the first op that makes a NaN or an infinity; slow");
  a.flag("profile", o.profile, "measure calls, milliseconds and bytes of each op");
  a.flag("resume", o.resume, "go on with the run in --out");
}

// Sets what the command line left open from the options of a run; returns the seed of the run.
int64_t recall_options(const std::string& path, Arguments& arguments) {
  try {
    const Json config = read_json_file(path);
    const Json& options = config.at("options");
    Json own = Json::object();
    for (const Json::Member& member : options.members()) {
      const bool is_of_this_call = member.key == "resume" || member.key == "stop-after-epoch";
      if (member.key != "seed" && !is_of_this_call) own.set(member.key, member.value);
    }
    arguments.apply(own, "options");
    return options.integer("seed");
  } catch (const ValueError& error) {
    throw FormatError(path, "", error.what());
  } catch (const UsageError& error) {
    throw FormatError(path, "", error.what());
  }
}

// The table of --profile: on the console, and as an array.
Json report_profile(const std::vector<OpProfile::Row>& rows, const Console& console) {
  const auto print = [&](const std::string& op, const std::vector<std::string>& cells) {
    std::string line = padded(op, 22);
    for (const std::string& cell : cells) line += padded(cell, 13);
    console.result(line);
  };
  print("op", {"calls", "forward ms", "backward ms", "MB made"});
  Json table = Json::array();
  for (const OpProfile::Row& row : rows) {
    const double megabytes = static_cast<double>(row.bytes) / (1 << 20);
    print(
        row.op, {std::to_string(row.calls), fixed(row.forward_ms, 2), fixed(row.backward_ms, 2),
                 fixed(megabytes, 1)});
    table.push(Json::object(
        {{"op", row.op},
         {"calls", row.calls},
         {"forward_ms", row.forward_ms},
         {"backward_ms", row.backward_ms},
         {"bytes", row.bytes}}));
  }
  return table;
}

Json run(const Invocation& in, TrainingOptions& o) {
  std::string folder = in.common.out;
  Common common = in.common;
  if (o.resume) {
    if (folder.empty()) throw UsageError("--resume needs --out, the folder of the run");
    const std::string path = folder + "/config.json";
    if (!std::filesystem::exists(path)) throw UsageError(folder + ": there is no run to resume");
    common.seed = recall_options(path, in.arguments);  // the seed belongs to the run
  }
  in.arguments.require("data");
  in.arguments.require("model");
  if (folder.empty()) folder = fresh_run_folder(o, common.seed);

  // The options that shape the result; --resume and --stop-after-epoch do not
  Json config = Json::object({{"seed", common.seed}});
  const Json resolved = in.arguments.resolved();
  for (const Json::Member& member : resolved.members()) {
    if (member.key != "resume" && member.key != "stop-after-epoch") {
      config.set(member.key, member.value);
    }
  }
  const TrainingResult result = train_run(o, config, folder, common, in.console);
  Json json = Json::object(
      {{"train_accuracy", result.train_accuracy},
       {"test_accuracy", result.test.accuracy()},
       {"test_loss", result.test.loss},
       {"epochs", static_cast<int64_t>(result.curve.size())},
       {"best_epoch", result.best_epoch},
       {"parameters", result.parameters},
       {"images_per_second", result.images_per_second},
       {"run", result.run}});
  if (o.penalty.is_on()) json.set("gradient_cosine", result.gradient_cosine);
  if (result.test.targets) json.set("test_r2", result.test.targets->r2);
  if (o.profile) json.set("profile", report_profile(result.profile, in.console));
  const auto [name, value] = headline(result.test);
  in.console.result(padded("test " + name, 15) + value);
  in.console.result(padded("test loss", 15) + fixed(result.test.loss, 4));
  if (o.penalty.is_on()) {
    in.console.result(padded("cosine", 15) + fixed(result.gradient_cosine, 4));
  }
  in.console.result(padded("run", 15) + result.run);
  return json;
}

}  // namespace

Command train_command() {
  auto options = std::make_shared<TrainingOptions>();
  return {
      .name = "train",
      .summary = "train a network end to end",
      .example = "limpid train --data digits --model mlp:64-32 --epochs 40 --out runs/digits",
      .declare = [options](Arguments& a) { declare(a, *options); },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .if_rank_dies = "the last checkpoint is complete, --resume goes on from there"};
}

}  // namespace limpid::tools
