// tools/run_folder.cpp: reading config.json back, and data prepared for a model.
#include "tools/run_folder.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/core/text.h"
#include "framework/ops/linear_maps.h"
#include "framework/tensor/record.h"
#include "framework/train/checkpoint.h"
#include "tools/arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <span>

namespace limpid::tools {
namespace {

std::vector<double> numbers(const Json& json) {
  std::vector<double> values;
  for (const Json& item : json.items()) values.push_back(item.number());
  return values;
}

// "a, b, c", of more than so many ", ..." at the end
std::string first_of(const std::vector<std::string>& names, size_t most) {
  return joined(std::span(names).first(std::min(most, names.size())), ", ") +
         (names.size() > most ? ", ..." : "");
}

constexpr Task kTasks[] = {Task::classify, Task::regress, Task::reconstruct};

}  // namespace

const char* name_of(Task task) {
  return task == Task::classify ? "classify" : task == Task::regress ? "regress" : "reconstruct";
}

Task task_named(const std::string& name) {
  for (const Task task : kTasks) {
    if (name == name_of(task)) return task;
  }
  throw UsageError("no task '" + name + "'; there are classify, regress and reconstruct");
}

int64_t ModelCard::outputs() const {
  return task == Task::classify ? classes() : task == Task::regress ? 1 : input.numel();
}

Json to_json(const ModelCard& card) {
  return Json::object(
      {{"architecture", card.architecture},
       {"input_shape", Json::array_of(card.input.sizes())},
       {"class_names", Json::array_of(card.class_names)},
       {"mean", Json::array_of(card.mean)},
       {"std", Json::array_of(card.std)},
       {"data", card.data},
       {"resize", card.resize},
       {"crop", card.crop},
       {"task", name_of(card.task)},
       {"target_mean", card.target_mean},
       {"target_std", card.target_std}});
}

ModelCard card_from_json(const Json& json, const std::string& path) {
  try {
    ModelCard card;
    card.architecture = json.text("architecture");
    std::vector<int64_t> sizes;
    for (const Json& item : json.at("input_shape").items()) sizes.push_back(item.integer());
    card.input = Shape(std::span<const int64_t>(sizes));
    for (const Json& item : json.at("class_names").items()) card.class_names.push_back(item.text());
    card.mean = numbers(json.at("mean"));
    card.std = numbers(json.at("std"));
    card.data = json.text("data");
    card.resize = json.get_or("resize", 0).integer();
    card.crop = json.get_or("crop", 0).integer();
    card.task = task_named(json.get_or("task", "classify").text());
    card.target_mean = json.get_or("target_mean", 0).number();
    card.target_std = json.get_or("target_std", 1).number();
    check_value(
        std::isfinite(card.target_mean) && std::isfinite(card.target_std) && card.target_std > 0,
        "model", "target_mean ", card.target_mean, " or target_std ", card.target_std,
        " is out of range");
    check_value(
        card.input.rank() >= 1 && card.mean.size() == card.std.size() &&
            static_cast<int64_t>(card.mean.size()) == card.input[0],
        "model", "needs a mean and a standard deviation for each channel of ", card.input);
    datasets::check_statistics("model", {card.mean, card.std}, card.input[0]);
    return card;
  } catch (const FormatError&) {
    throw;
  } catch (const Error& error) {
    throw FormatError(path, "", error.what());
  }
}

const std::string& name_of(const RunFolder& folder) {
  return folder.path.empty() ? folder.card.architecture : folder.path;
}

int64_t class_from(const std::string& text, const ModelCard& card, const std::string& what) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (is_number && value >= 0 && value < card.classes()) return value;
  const std::vector<std::string>& names = card.class_names;
  const auto name = std::ranges::find(names, text);
  if (name != names.end()) return name - names.begin();

  const bool is_numbered = names == datasets::numbered_classes(card.classes());
  throw UsageError(join_text(
      what, ": class ", excerpt(text), " is not in 0 to ", card.classes() - 1,
      is_numbered ? "" : " and none of " + first_of(names, 20)));
}

RunFolder open_run(const std::string& path) {
  if (!std::filesystem::exists(path + "/config.json")) {
    throw UsageError(
        path + ": no run folder (there is no config.json in it); `limpid train --out " + path +
        "` makes one");
  }
  const std::string config_path = path + "/config.json";
  RunFolder run;
  run.path = path;
  run.config = read_json_file(config_path);
  const Json* model = run.config.find("model");
  if (model == nullptr) throw FormatError(config_path, "", "has no key \"model\"");
  run.card = card_from_json(*model, config_path);
  Rng rng(0);  // the weights are replaced below
  try {
    run.model = make_model(run.card.architecture, {run.card.input, run.card.outputs()}, rng);
  } catch (const Error& error) {
    throw FormatError(config_path, "", error.what());
  }
  const std::string weights = path + "/last.safetensors";
  load_weights(weights, *run.model);
  for (const auto& [name, tensor] : state(*run.model)) {
    for (const double value : tensor.to_vector()) {
      if (!std::isfinite(value)) {
        throw FormatError(weights, name, join_text("holds the value ", value));
      }
    }
  }
  return run;
}

namespace {

// Labels by name: classes in another order than the model's, or some of its classes
void number_as_model(datasets::Dataset& part, const ModelCard& card) {
  if (part.is_empty() || part.is_regression() || part.class_names == card.class_names) return;
  std::vector<int64_t> numbers;
  for (const std::string& name : part.class_names) {
    const auto found = std::ranges::find(card.class_names, name);
    if (found == card.class_names.end()) return;
    numbers.push_back(found - card.class_names.begin());
  }
  part.labels = part.labels.clone();
  for (int64_t n = 0; n < part.size(); ++n) {
    int64_t& label = part.labels.mutable_data<int64_t>()[n];
    label = numbers[static_cast<size_t>(label)];
  }
  part.classes = card.classes();
  part.class_names = card.class_names;
}

}  // namespace

datasets::Split load_data(
    const std::string& spec, const datasets::LoadOptions& options, const ModelCard* card) {
  datasets::Split split = as_usage([&] { return datasets::load(spec, options); });
  if (card == nullptr) return split;
  for (datasets::Dataset* part : {&split.train, &split.test}) {
    if (part->size() == 0) continue;
    if (part->example_shape() != card->input) {
      throw UsageError(join_text(
          "the data have shape ", part->example_shape(), ", the model takes ", card->input,
          "; for weights from elsewhere --input-shape says what they take"));
    }
    if (card->task == Task::classify && part->classes > card->classes()) {
      throw UsageError(join_text(
          "the data have ", part->classes, " classes, the model knows ", card->classes()));
    }
    if (card->task == Task::classify) number_as_model(*part, *card);
  }
  return split;
}

std::string passed_over_note(const datasets::Split& split) {
  const std::vector<std::string>& files = split.passed_over;
  if (files.empty()) return "";
  return join_text(
      "note: ", files.size(),
      files.size() == 1 ? " file that is no picture was" : " files that are no pictures were",
      " passed over: ", first_of(files, 5));
}

datasets::Split parts_of(
    const std::string& spec, const Common& common, const RunFolder& folder, int64_t limit_test) {
  datasets::LoadOptions options{.data_dir = data_folder(common.data_dir)};
  try {
    const Json trained = folder.config.get_or("options", Json::object());
    options.test_fraction = trained.get_or("test-fraction", 0.2).number();
    options.split_seed = static_cast<uint64_t>(trained.get_or("split-seed", 0).integer());
    options.limit_test = trained.get_or("limit-test", 0).integer();
    if (limit_test >= 0) options.limit_test = limit_test;
    options.limit_train = trained.get_or("limit-train", 0).integer();
    options.label_column = trained.get_or("label-column", "").text();
    options.is_regression = folder.card.task == Task::regress;
    options.resize = folder.card.resize;
    options.crop = folder.card.crop;
    check_value(
        options.test_fraction >= 0 && options.test_fraction < 1 && options.limit_test >= 0 &&
            options.limit_train >= 0,
        "options", "test-fraction ", options.test_fraction, ", limit-test ", options.limit_test,
        " or limit-train ", options.limit_train, " is out of range");
  } catch (const ValueError& error) {
    throw FormatError(folder.path + "/config.json", "", error.what());
  }
  const std::string& name = spec.empty() ? folder.card.data : spec;
  if (name.empty()) throw UsageError("the model names no data; say which with --data");
  datasets::Split parts = load_data(name, options, &folder.card);
  if (parts.test.size() == 0) throw UsageError(name + " has no test part");
  return parts;
}

datasets::Dataset test_part(
    const std::string& spec, const Common& common, const RunFolder& folder, int64_t limit_test) {
  return parts_of(spec, common, folder, limit_test).test;
}

BatchSource batches_of(const datasets::Dataset& data, const datasets::BatchOptions& options) {
  auto batches = std::make_shared<datasets::Batches>(data, options);
  return {
      .batches = batches->count(),
      .examples = batches->examples(),
      .get = [batches](int64_t epoch, int64_t index) {
        const datasets::Batch b = batches->get(epoch, index);
        return Batch{b.inputs, b.labels, b.mixed, b.share};
      }};
}

BatchSource source_in_order(const datasets::Dataset& data, const ModelCard& card, int64_t batch) {
  return batches_of(data, {.batch = batch, .shuffle = false, .mean = card.mean, .std = card.std});
}

Tensor logits_of(const RunFolder& folder, const Tensor& images) {
  constexpr int64_t kBatch = 250;  // images at a time
  const Recording off(false);
  std::vector<Tensor> parts;
  for (int64_t begin = 0; begin < images.size(0); begin += kBatch) {
    Pass pass;
    const int64_t end = std::min(images.size(0), begin + kBatch);
    parts.push_back((*folder.model)(slice(images, 0, begin, end), pass));
  }
  return concat(parts, 0);
}

Tensor standardised(const Tensor& images, const ModelCard& card) {
  return datasets::standardise(images, {.mean = card.mean, .std = card.std});
}

std::string data_folder(const std::string& option) {
  return option.empty() ? datasets::default_data_dir() : option;
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw Error(path + ": cannot create the folder: " + error.message());
}

}  // namespace limpid::tools
