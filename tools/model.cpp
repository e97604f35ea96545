// tools/model.cpp: run folders, and weights from elsewhere.
#include "tools/model.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/import/onnx.h"
#include "framework/io/files.h"
#include "framework/train/checkpoint.h"
#include "tools/console.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

namespace limpid::tools {
namespace {

using Tensors = std::map<std::string, Tensor>;

constexpr int64_t kMaxTextBytes = 16 << 20;  // of --labels and --map

std::vector<double> numbers_from(const std::string& text, const std::string& option) {
  std::vector<double> numbers;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    double value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size()) {
      throw UsageError(option + ": " + excerpt(part) + " is not a number");
    }
    numbers.push_back(value);
  }
  return numbers;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  const std::vector<std::byte> bytes = read_file(path, kMaxTextBytes);
  std::istringstream text{std::string(as_text(bytes))};
  for (std::string line; std::getline(text, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

// Renames tensors by the lines of a file, "THEIRS OURS"; a star at the end of both words stands for
// the same rest: "module.* *" takes a prefix off. The first line that fits counts.
Tensors renamed(const Tensors& tensors, const std::string& path) {
  struct Rule {
    std::string from, to;
    bool is_prefix;
  };
  std::vector<Rule> rules;
  for (const std::string& line : lines_of(path)) {
    std::istringstream words(line);
    Rule rule{};
    std::string rest;
    if (!(words >> rule.from >> rule.to) || words >> rest) {
      throw FormatError(path, excerpt(line), "is not two words, the file's name and the model's");
    }
    rule.is_prefix = rule.from.ends_with('*');
    if (rule.is_prefix != rule.to.ends_with('*')) {
      throw FormatError(path, excerpt(line), "has a star at the end of one name alone");
    }
    if (rule.is_prefix) {
      rule.from.pop_back();
      rule.to.pop_back();
    }
    rules.push_back(rule);
  }
  Tensors out;
  for (const auto& [name, tensor] : tensors) {
    const auto fits = [&](const Rule& rule) {
      return rule.is_prefix ? name.starts_with(rule.from) : name == rule.from;
    };
    const auto rule = std::ranges::find_if(rules, fits);
    const std::string own = rule == rules.end() ? name : rule->to + name.substr(rule->from.size());
    if (!out.emplace(own, tensor).second) throw FormatError(path, own, "two tensors get this name");
  }
  return out;
}

bool ends_with(const std::string& text, std::string_view end) { return text.ends_with(end); }

// Networks that take photographs of 224 x 224 unless --input-shape says otherwise
bool takes_photographs(const std::string& architecture) {
  return ends_with(architecture, "-imagenet") || architecture == "vgg11" ||
         architecture == "squeezenet1_0";
}

// What a network takes, told by the weight that comes first in it.
Shape input_of(const std::string& architecture, const Tensors& tensors, const std::string& file) {
  constexpr int64_t kPhotograph = 224, kDigit = 28, kThumbnail = 32;  // pixels a side
  const Shape trial = {3, kPhotograph, kPhotograph};
  Rng rng(0);
  const auto channels = [&](const std::string& weight) {
    const auto found = tensors.find(weight);
    if (found == tensors.end() || found->second.rank() < 2) {
      throw FormatError(file, weight, "missing; --input-shape says what the model takes");
    }
    return found->second.size(1);
  };
  if (architecture == "mlp" || architecture.starts_with("mlp:")) return {channels("fc1.weight")};
  if (architecture.starts_with("autoencoder")) return {channels("encoder1.weight")};
  const auto net = as_usage([&] { return make_model(architecture, {trial, 2}, rng); });
  std::string first;
  for (const auto& [name, tensor] : parameters(*net)) {
    if (first.empty() && tensor.rank() == 4) first = name;
  }
  const int64_t side = takes_photographs(architecture) ? kPhotograph
                       : architecture == "lenet5"      ? kDigit
                                                       : kThumbnail;
  return {channels(first), side, side};
}

// The first and last weights of a file by name and shape, for error texts: "fc.weight [2, 4]".
std::string weights_in(const Tensors& tensors) {
  constexpr size_t kNamed = 8;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.rank() >= 2) names.push_back(join_text(name, " ", tensor.shape()));
  }
  if (names.empty()) return "no tensor of two dimensions or more";
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i + kNamed / 2 >= names.size() || i < kNamed / 2) {
      text += (i == 0 ? "" : ", ") + names[i];
    } else if (i == kNamed / 2) {
      text += ", ...";
    }
  }
  return text;
}

// How many classes the weights distinguish: rows of the last weight.
int64_t classes_of(
    const std::string& architecture, const Shape& input, const Tensors& tensors,
    const std::string& file) {
  Rng rng(0);
  const auto net = as_usage([&] { return make_model(architecture, {input, 2}, rng); });
  std::string last;
  for (const auto& [name, tensor] : parameters(*net)) {
    if (tensor.rank() >= 2) last = name;
  }
  const auto found = tensors.find(last);
  if (found == tensors.end() || found->second.rank() < 2 || found->second.size(0) < 1) {
    throw FormatError(
        file, last,
        "missing; the last weight says how many classes there are; the file has " +
            weights_in(tensors) + "; see --map");
  }
  return found->second.size(0);
}

void set_class_names(ModelCard& card, int64_t classes, const std::string& labels) {
  card.class_names = labels.empty() ? datasets::numbered_classes(classes) : lines_of(labels);
  if (std::ssize(card.class_names) == classes) return;
  throw UsageError(
      join_text(labels, ": names ", card.class_names.size(), " classes, the model has ", classes));
}

// What --normalize, --labels, --resize and --crop say, over what the model says.
void apply_options(ModelCard& card, const ModelOptions& o) {
  if (!o.normalize.empty()) {
    const datasets::ChannelStatistics s = normalization(o.normalize, card.input[0]);
    card.mean = s.mean;
    card.std = s.std;
  }
  if (!o.labels.empty()) set_class_names(card, card.classes(), o.labels);
  if (o.resize > 0) card.resize = o.resize;
  if (o.crop > 0) {
    card.crop = o.crop;
  } else if (o.resize > 0 && card.input.rank() == 3 && card.input[1] == card.input[2]) {
    card.crop = card.input[1];
  }
}

// Refuses what torch.save writes, which is a zip or a pickle, and says what to do with it.
void check_not_pickled(const std::string& file) {
  std::array<char, 2> first = {};
  std::ifstream(file, std::ios::binary).read(first.data(), first.size());
  if (std::string_view(first.data(), 2) != "PK" && first[0] != '\x80') return;
  throw FormatError(
      file, "",
      "is not safetensors but a file of torch.save; in Python: from safetensors.torch import "
      "save_file; save_file(torch.load(\"" +
          file + "\"), \"weights.safetensors\")");
}

// A hint if the other stem is meant: "resnet18-imagenet" for "resnet18:0.5".
std::string other_stem(const std::string& architecture, const std::string& differences) {
  const std::string base = architecture.substr(0, architecture.find(':'));
  const bool is_twofold = base == "resnet18" || base == "mobilenet_v2" || base == "vgg11";
  if (!is_twofold || differences.find(" the model needs ") == std::string::npos) return "";
  return "; networks for photographs are " + base + "-imagenet";
}

// ARCH:FILE.safetensors
RunFolder open_weights(const ModelOptions& o, Console& console) {
  const size_t colon = o.model.rfind(':');
  const std::string architecture = o.model.substr(0, colon), file = o.model.substr(colon + 1);
  check_not_pickled(file);
  Tensors tensors = load_weights_file(file);
  if (!o.map.empty()) tensors = renamed(tensors, o.map);

  RunFolder folder;
  folder.path = file;
  folder.config = Json::object();
  ModelCard& card = folder.card;
  card.architecture = architecture;
  card.input =
      o.input_shape.empty() ? input_of(architecture, tensors, file) : shape_from(o.input_shape);
  if (architecture.starts_with("autoencoder")) card.task = Task::reconstruct;
  const int64_t outputs = classes_of(architecture, card.input, tensors, file);
  if (card.task == Task::classify) set_class_names(card, outputs, "");
  card.mean.assign(static_cast<size_t>(card.input[0]), 0);
  card.std.assign(static_cast<size_t>(card.input[0]), 1);
  if (takes_photographs(architecture) && o.input_shape.empty()) {
    constexpr int64_t kShorterSide = 256;  // as torchvision evaluates its weights
    card.resize = kShorterSide;
    card.crop = card.input[1];
    const auto imagenet = normalization("imagenet", card.input[0]);
    card.mean = imagenet.mean;
    card.std = imagenet.std;
  }
  apply_options(card, o);
  Rng rng(0);  // the weights are replaced below
  folder.model = as_usage([&] { return make_model(architecture, {card.input, outputs}, rng); });

  const bool is_bare = card.resize == 0 && o.normalize.empty();
  if (is_bare) console.note("inputs are taken as they are, in [0, 1]; see --normalize");

  // Strict, or everything that fits
  const std::string differences = state_differences(*folder.model, tensors);
  if (!o.is_partial) {
    if (!differences.empty()) {
      throw FormatError(
          file, "weights",
          differences + other_stem(architecture, differences) + "; see --map and --partial");
    }
    load_state(*folder.model, tensors);
    return folder;
  }
  for (const auto& [name, tensor] : state(*folder.model)) {
    const auto found = tensors.find(name);
    if (found == tensors.end() || found->second.shape() == tensor.shape()) continue;
    throw FormatError(
        file, name, join_text("is ", found->second.shape(), ", the model needs ", tensor.shape()));
  }
  if (!differences.empty()) console.note("--partial: " + differences);
  try {
    load_fitting_state(*folder.model, tensors);
  } catch (const ValueError& error) {
    throw FormatError(file, "", error.what());
  }
  return folder;
}

// onnx:FILE
RunFolder open_onnx(const ModelOptions& o, Console& console) {
  constexpr int64_t kMaxBytes = int64_t{2} << 30;  // of one file; protobuf has no larger ones
  const std::string file = o.model.substr(o.model.find(':') + 1);
  auto model = load_onnx(read_file(file, kMaxBytes), file);
  RunFolder folder;
  folder.path = file;
  folder.config = Json::object();
  ModelCard& card = folder.card;
  card.architecture = "onnx";
  const ModelShape shape = model->shape();
  card.input = shape.input;
  set_class_names(card, shape.classes, "");
  card.mean.assign(static_cast<size_t>(card.input[0]), 0);
  card.std.assign(static_cast<size_t>(card.input[0]), 1);
  apply_options(card, o);
  if (o.normalize.empty()) {
    console.note("inputs are taken as they are, in [0, 1]; see --normalize");
  }
  folder.model = std::move(model);
  return folder;
}

}  // namespace

void declare_model(Arguments& a, ModelOptions& o, bool is_required) {
  a.positional("MODEL", o.model, "a run folder, ARCH:FILE.safetensors, or onnx:FILE", is_required);
  a.text("input-shape", o.input_shape, "what ARCH:FILE takes, such as 3,32,32");
  a.text(
      "normalize", o.normalize,
      "imagenet, cifar, or mean and deviation such as 0.5,0.25 or "
      "M1,M2,M3,S1,S2,S3; the run's own unless given");
  a.text("labels", o.labels, "file with one class name per line");
  a.text(
      "map", o.map, "file of lines THEIRS OURS that renames tensors; 'module.* *' cuts a prefix");
  a.flag(
      "partial", o.is_partial, "allow missing and unexpected tensors in ARCH:FILE, and list them");
  a.integer("resize", o.resize, "scale the shorter side of pictures to so many pixels", 0, 16384);
  a.integer(
      "crop", o.crop,
      "then cut so many pixels out of the middle; what the model takes unless given", 0, 16384);
}

void declare_limit_train(Arguments& a, int64_t& count) {
  a.integer(
      "limit-train", count, "use so many training examples, as many of each class; 0: all", 0,
      INT64_MAX);
}

void declare_limit_test(Arguments& a, int64_t& count, bool is_of_run) {
  std::string help = "use so many test examples, as many of each class; 0: all";
  if (is_of_run) help += "; -1: as many as the run did";
  a.integer("limit-test", count, help, is_of_run ? -1 : 0, INT64_MAX);
}

RunFolder open_model(const ModelOptions& o, Console& console) {
  std::error_code ignored;
  const bool is_file =
      o.model.find(':') != std::string::npos && !std::filesystem::is_directory(o.model, ignored);
  const bool is_onnx = is_file && o.model.starts_with("onnx:");
  if (is_file && !is_onnx) return open_weights(o, console);
  if (!o.input_shape.empty() || !o.map.empty() || o.is_partial) {
    throw UsageError("--input-shape, --map and --partial are for ARCH:FILE");
  }
  if (is_onnx) return open_onnx(o, console);
  RunFolder folder = open_run(o.model);
  apply_options(folder.card, o);
  return folder;
}

void check_finite(const RunFolder& folder, const std::string& source) {
  for (const auto& [name, tensor] : state(*folder.model)) {
    if (tensor.dtype() == DType::i64) continue;
    const std::vector<double> values = tensor.to_vector();
    if (!std::ranges::all_of(values, [](double v) { return std::isfinite(v); })) {
      throw FormatError(source, name, "holds NaN or infinity");
    }
  }
}

datasets::ChannelStatistics normalization(const std::string& text, int64_t channels) {
  datasets::ChannelStatistics s;
  if (text == "imagenet") {
    s = {.mean = {0.485, 0.456, 0.406}, .std = {0.229, 0.224, 0.225}};  // torchvision's
  } else if (text == "cifar") {
    s = {.mean = {0.4914, 0.4822, 0.4465}, .std = {0.2470, 0.2435, 0.2616}};  // of CIFAR-10
  } else {
    const std::vector<double> numbers = numbers_from(text, "--normalize");
    const auto half = static_cast<std::ptrdiff_t>(numbers.size() / 2);
    if (numbers.empty() || numbers.size() % 2 != 0) {
      throw UsageError("--normalize: needs imagenet, cifar, or as many deviations as means");
    }
    s = {
        .mean = {numbers.begin(), numbers.begin() + half},
        .std = {numbers.begin() + half, numbers.end()}};
  }
  if (s.mean.size() == 1) {
    s.mean.assign(static_cast<size_t>(channels), s.mean[0]);
    s.std.assign(static_cast<size_t>(channels), s.std[0]);
  }
  as_usage([&] { datasets::check_statistics("--normalize", s, channels); });
  return s;
}

Shape shape_from(const std::string& text) {
  std::vector<int64_t> sizes;
  for (const double size : numbers_from(text, "--input-shape")) {
    if (!(size >= 1 && size <= 1 << 20) ||
        size != static_cast<double>(static_cast<int64_t>(size))) {
      throw UsageError(join_text("--input-shape: ", size, " is not a size"));
    }
    sizes.push_back(static_cast<int64_t>(size));
  }
  if (sizes.size() != 1 && sizes.size() != 3) {
    throw UsageError("--input-shape: needs C,H,W for images or D for tables");
  }
  return Shape(std::span<const int64_t>(sizes));
}

}  // namespace limpid::tools
