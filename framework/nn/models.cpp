// framework/nn/models.cpp: networks assembled from layers.
#include "framework/nn/models.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace limpid {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

int64_t positive_number(const std::string& text, const std::string& model) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  check_value(
      error == std::errc() && end == text.data() + text.size() && value >= 1 && value <= 65536,
      "model", "'", text, "' in ", model, " is not a whole number from 1 to 65536");
  return value;
}

void check_image(const std::string& model, const Shape& input, int64_t smallest) {
  check_shape(
      input.rank() == 3 && input[1] >= smallest && input[2] >= smallest, "model", model,
      " needs images of at least ", smallest, "x", smallest, ", got ", input);
}

// mlp:H1-H2-...: fc1, relu1, ..., fcN
std::unique_ptr<Module> mlp(const std::string& widths, const ModelShape& shape, Rng& rng) {
  auto net = std::make_unique<Sequential>();
  net->add<Flatten>("flatten");
  int64_t features = shape.input.numel();
  int layer = 1;
  for (const std::string& width : split(widths, '-')) {
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
  const auto parts = split(options, ':');
  const auto sizes = split(parts[0], 'x');
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

// Shortcut option A (He et al. 2016, section 3.3): every second pixel, new channels zero.
Tensor shortcut_a(const Tensor& x, int64_t channels) {
  const int64_t extra = channels - x.size(1);
  if (extra == 0) return x;
  const auto every_second = [](const Tensor& t, int64_t axis) {  // entries 0, 2, 4, ...
    const int64_t half = (t.size(axis) + 1) / 2;
    const Tensor even = t.size(axis) % 2 == 0 ? t : pad(t, axis, 0, 1);
    const AxisSplit s = split_at(even.shape(), static_cast<int>(axis));
    const Tensor pairs = reshape(even, {s.outer, half, 2, s.inner});
    return reshape(slice(pairs, 2, 0, 1), even.shape().with(static_cast<int>(axis), half));
  };
  return pad(every_second(every_second(x, 2), 3), 1, extra / 2, extra - extra / 2);
}

// conv-bn-relu-conv-bn + shortcut, relu; names as in common CIFAR ResNet code
class BasicBlock : public Module {
 public:
  BasicBlock(int64_t in, int64_t out, int64_t stride, Rng& rng)
      : conv1_(in, out, {.stride = stride, .padding = 1, .bias = false}, rng),
        bn1_(out),
        conv2_(out, out, {.padding = 1, .bias = false}, rng),
        bn2_(out),
        channels_(out) {}
  const char* type() const override { return "BasicBlock"; }
  void visit(Visitor& v) override {
    v.child("conv1", conv1_);
    v.child("bn1", bn1_);
    v.child("conv2", conv2_);
    v.child("bn2", bn2_);
  }

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    const Tensor inner = relu(bn1_(conv1_(x, pass), pass));
    const Tensor residual = bn2_(conv2_(inner, pass), pass);
    return relu(residual + shortcut_a(x, channels_));
  }

  Conv2d conv1_;
  BatchNorm2d bn1_;
  Conv2d conv2_;
  BatchNorm2d bn2_;
  int64_t channels_;
};

// CIFAR ResNet of 6n + 2 layers: three stages of n blocks, widths 16, 32, 64
class CifarResNet : public Module {
 public:
  CifarResNet(int64_t blocks, const ModelShape& shape, Rng& rng)
      : conv1_(shape.input[0], 16, {.padding = 1, .bias = false}, rng), bn1_(16) {
    int64_t channels = 16;
    for (Sequential* stage : {&layer1_, &layer2_, &layer3_}) {
      const int64_t width = stage == &layer1_ ? 16 : 2 * channels;
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t stride = width != channels ? 2 : 1;
        stage->add<BasicBlock>(std::to_string(block), channels, width, stride, rng);
        channels = width;
      }
    }
    linear_ = std::make_unique<Linear>(channels, shape.classes, rng);
  }
  const char* type() const override { return "CifarResNet"; }
  void visit(Visitor& v) override {
    v.child("conv1", conv1_);
    v.child("bn1", bn1_);
    v.child("layer1", layer1_);
    v.child("layer2", layer2_);
    v.child("layer3", layer3_);
    v.child("pool", pool_);
    v.child("linear", *linear_);
  }

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    const Tensor stem = relu(bn1_(conv1_(x, pass), pass));                  // [N, 16, H, W]
    const Tensor maps = layer3_(layer2_(layer1_(stem, pass), pass), pass);  // [N, 64, H/4, W/4]
    return (*linear_)(pool_(maps, pass), pass);
  }

  Conv2d conv1_;
  BatchNorm2d bn1_;
  Sequential layer1_, layer2_, layer3_;
  GlobalAvgPool2d pool_;
  std::unique_ptr<Linear> linear_;
};

std::unique_ptr<Module> cifar_resnet(
    const std::string& name, int64_t blocks, const ModelShape& shape, Rng& rng) {
  check_image(name, shape.input, 4);
  return std::make_unique<CifarResNet>(blocks, shape, rng);
}

}  // namespace

std::string model_names() { return "mlp:H1-H2-..., lenet5, convnet[:WxD[:NORM[:POOL]]], resnet8"; }

std::unique_ptr<Module> make_model(const std::string& name, const ModelShape& shape, Rng& rng) {
  check_value(
      shape.classes >= 1 && shape.input.numel() >= 1, "model", "needs an input and an output, got ",
      shape.input, " and ", shape.classes, " classes");
  const size_t colon = name.find(':');
  const std::string kind = name.substr(0, colon);
  const std::string options = colon == std::string::npos ? "" : name.substr(colon + 1);
  const bool is_plain = colon == std::string::npos;
  if (kind == "mlp") return mlp(is_plain ? "64" : options, shape, rng);
  if (kind == "convnet") {
    return convnet(is_plain ? ConvnetOptions() : parse_convnet(options), shape, rng);
  }
  if (kind == "lenet5" && is_plain) return lenet5(shape, rng);
  if (kind == "resnet8" && is_plain) return cifar_resnet(name, 1, shape, rng);
  raise<ValueError>("model", "unknown model '", name, "'; there are: ", model_names());
}

}  // namespace limpid
