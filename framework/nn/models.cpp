// framework/nn/models.cpp: networks assembled from layers.
#include "framework/nn/models.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/core/text.h"
#include "framework/nn/layers.h"
#include "framework/nn/model_parts.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace limpid {

void models::check_image(const std::string& model, const Shape& input, int64_t smallest) {
  check_shape(
      input.rank() == 3 && input[1] >= smallest && input[2] >= smallest, "model", model,
      " needs images of at least ", smallest, "x", smallest, ", got ", input);
}

namespace {

int64_t positive_number(const std::string& text, const std::string& model) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  check_value(
      error == std::errc() && end == text.data() + text.size() && value >= 1 && value <= 65536,
      "model", "'", text, "' in ", model, " is not a whole number from 1 to 65536");
  return value;
}

double width_factor(const std::string& text, const std::string& model) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  check_value(
      error == std::errc() && end == text.data() + text.size() && value > 0 && value <= 16, "model",
      "'", text, "' in ", model, " is not a width factor above 0 and up to 16");
  return value;
}

using models::check_image;

// mlp:H1-H2-...: fc1, relu1, ..., fcN
std::unique_ptr<Module> mlp(const std::string& widths, const ModelShape& shape, Rng& rng) {
  auto net = std::make_unique<Sequential>();
  net->add<Flatten>("flatten");
  int64_t features = shape.input.numel();
  int layer = 1;
  for (const std::string& width : split_text(widths, '-')) {
    const int64_t out = positive_number(width, "mlp:" + widths);
    net->add<Linear>("fc" + std::to_string(layer), features, out, rng);
    net->add<ReLU>("relu" + std::to_string(layer++));
    features = out;
  }
  net->add<Linear>("fc" + std::to_string(layer), features, shape.classes, rng);
  return net;
}

// conv 6 5x5, pool, conv 16 5x5, pool, 120, 84, classes
std::unique_ptr<Module> lenet5(const ModelShape& shape, Rng& rng) {
  check_image("lenet5", shape.input, 12);
  const auto after = [](int64_t n) { return ((n / 2) - 4) / 2; };  // pool, conv 5, pool
  auto net = std::make_unique<Sequential>();
  net->add<Conv2d>("conv1", shape.input[0], 6, Conv2dOptions{.size = 5, .padding = 2}, rng);
  net->add<ReLU>("relu1");
  net->add<MaxPool2d>("pool1");
  net->add<Conv2d>("conv2", 6, 16, Conv2dOptions{.size = 5}, rng);
  net->add<ReLU>("relu2");
  net->add<MaxPool2d>("pool2");
  net->add<Flatten>("flatten");
  net->add<Linear>("fc1", 16 * after(shape.input[1]) * after(shape.input[2]), 120, rng);
  net->add<ReLU>("relu3");
  net->add<Linear>("fc2", 120, 84, rng);
  net->add<ReLU>("relu4");
  net->add<Linear>("fc3", 84, shape.classes, rng);
  return net;
}

struct ConvnetOptions {
  int64_t width = 128;
  int64_t depth = 3;
  std::string norm = "instance";
  std::string pool = "avg";
};

ConvnetOptions parse_convnet(const std::string& options) {
  ConvnetOptions o;
  const std::string name = "convnet:" + options;
  const auto parts = split_text(options, ':');
  const auto sizes = split_text(parts[0], 'x');
  check_value(
      sizes.size() == 2 && parts.size() <= 3, "model", name,
      " is not convnet[:WIDTHxDEPTH[:NORM[:POOL]]]");
  o.width = positive_number(sizes[0], name);
  o.depth = positive_number(sizes[1], name);
  if (parts.size() > 1) o.norm = parts[1];
  if (parts.size() > 2) o.pool = parts[2];
  check_value(
      o.norm == "none" || o.norm == "instance" || o.norm == "batch", "model", "'", o.norm, "' in ",
      name, " is not none, instance or batch");
  check_value(
      o.pool == "avg" || o.pool == "max", "model", "'", o.pool, "' in ", name,
      " is not avg or max");
  return o;
}

// depth x (conv 3x3, norm, ReLU, pool 2), linear
std::unique_ptr<Module> convnet(const ConvnetOptions& o, const ModelShape& shape, Rng& rng) {
  check_value(o.depth <= 16, "model", "convnet has at most 16 blocks, got ", o.depth);
  check_image("convnet of depth " + std::to_string(o.depth), shape.input, int64_t{1} << o.depth);
  auto net = std::make_unique<Sequential>();
  int64_t channels = shape.input[0];
  for (int64_t block = 1; block <= o.depth; ++block) {
    const std::string n = std::to_string(block);
    net->add<Conv2d>("conv" + n, channels, o.width, Conv2dOptions{.padding = 1}, rng);
    if (o.norm == "instance") net->add<InstanceNorm2d>("norm" + n, o.width);
    if (o.norm == "batch") net->add<BatchNorm2d>("norm" + n, o.width);
    net->add<ReLU>("relu" + n);
    if (o.pool == "avg") net->add<AvgPool2d>("pool" + n);
    if (o.pool == "max") net->add<MaxPool2d>("pool" + n);
    channels = o.width;
  }
  net->add<Flatten>("flatten");
  const int64_t cells = (shape.input[1] >> o.depth) * (shape.input[2] >> o.depth);
  net->add<Linear>("fc", channels * cells, shape.classes, rng);
  return net;
}

// D-128-CODE-128-D: the code is linear, the two wide layers have a ReLU
std::unique_ptr<Module> autoencoder(int64_t code, const ModelShape& shape, Rng& rng) {
  constexpr int64_t kWide = 128;
  const int64_t features = shape.input.numel();
  auto net = std::make_unique<Sequential>();
  net->add<Flatten>("flatten");
  net->add<Linear>("encoder1", features, kWide, rng);
  net->add<ReLU>("relu1");
  net->add<Linear>("code", kWide, code, rng);
  net->add<Linear>("decoder1", code, kWide, rng);
  net->add<ReLU>("relu2");
  net->add<Linear>("decoder2", kWide, features, rng);
  return net;
}

}  // namespace

std::string model_names() {
  return "mlp:H1-H2-..., lenet5, convnet[:WxD[:NORM[:POOL]]], resnet8, resnet14, resnet20, "
         "resnet26, resnet18[:W], resnet18-imagenet, mobilenet_v2[:W], mobilenet_v2-imagenet, "
         "vgg11, vgg11-imagenet, squeezenet1_0, tiny_vit, autoencoder[:CODE]";
}

std::unique_ptr<Module> make_model(const std::string& name, const ModelShape& shape, Rng& rng) {
  check_value(
      shape.classes >= 1 && shape.input.numel() >= 1, "model", "needs an input and an output, got ",
      shape.input, " and ", shape.classes, " classes");
  const size_t colon = name.find(':');
  const std::string kind = name.substr(0, colon);
  const bool is_plain = colon == std::string::npos;
  const std::string options = is_plain ? "" : name.substr(colon + 1);
  check_value(is_plain || !options.empty(), "model", "nothing follows the colon of '", name, "'");

  // Networks with options
  const auto width = [&] { return is_plain ? 1.0 : width_factor(options, name); };
  if (kind == "mlp") return mlp(is_plain ? "64" : options, shape, rng);
  if (kind == "convnet") {
    return convnet(is_plain ? ConvnetOptions() : parse_convnet(options), shape, rng);
  }
  if (kind == "autoencoder") {
    return autoencoder(is_plain ? 16 : positive_number(options, name), shape, rng);
  }
  if (kind == "resnet18") return models::resnet18(width(), false, shape, rng);
  if (kind == "mobilenet_v2") return models::mobilenet_v2(width(), false, shape, rng);

  // Networks without
  if (is_plain) {
    if (name == "lenet5") return lenet5(shape, rng);
    if (name == "resnet8") return models::cifar_resnet(1, shape, rng);
    if (name == "resnet14") return models::cifar_resnet(2, shape, rng);
    if (name == "resnet20") return models::cifar_resnet(3, shape, rng);
    if (name == "resnet26") return models::cifar_resnet(4, shape, rng);
    if (name == "resnet18-imagenet") return models::resnet18(1, true, shape, rng);
    if (name == "mobilenet_v2-imagenet") return models::mobilenet_v2(1, true, shape, rng);
    if (name == "vgg11") return models::vgg11(false, shape, rng);
    if (name == "vgg11-imagenet") return models::vgg11(true, shape, rng);
    if (name == "squeezenet1_0") return models::squeezenet1_0(shape, rng);
    if (name == "tiny_vit") return models::tiny_vit(shape, rng);
  }
  raise<ValueError>("model", "unknown model '", name, "'; there are: ", model_names());
}

}  // namespace limpid
