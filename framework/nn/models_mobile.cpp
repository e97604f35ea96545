// framework/nn/models_mobile.cpp: VGG, SqueezeNet and MobileNet with torchvision's names.
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/nn/model_parts.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"

#include <algorithm>
#include <cmath>

namespace limpid::models {
namespace {

// features, then classifier: the shape that all of torchvision's early networks share
class FeaturesAndClassifier : public Module {
 public:
  explicit FeaturesAndClassifier(const char* type) : type_(type) {}
  const char* type() const override { return type_; }
  void visit(Visitor& v) override {
    v.child("features", features);
    v.child("classifier", classifier);
  }

  Sequential features, classifier;

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    return classifier(features(x, pass), pass);
  }

  const char* type_;
};

// ---- SqueezeNet ----

// squeeze 1x1, then expand 1x1 and 3x3 side by side
class Fire : public Module {
 public:
  Fire(int64_t in, int64_t squeeze, int64_t expand, Rng& rng)
      : squeeze_(in, squeeze, {.size = 1}, rng),
        expand1x1_(squeeze, expand, {.size = 1}, rng),
        expand3x3_(squeeze, expand, {.size = 3, .padding = 1}, rng) {}
  const char* type() const override { return "Fire"; }
  void visit(Visitor& v) override {
    v.child("squeeze", squeeze_);
    v.child("expand1x1", expand1x1_);
    v.child("expand3x3", expand3x3_);
  }

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    const Tensor thin = relu(squeeze_(x, pass));
    return concat({relu(expand1x1_(thin, pass)), relu(expand3x3_(thin, pass))}, 1);
  }

  Conv2d squeeze_, expand1x1_, expand3x3_;
};

// ---- MobileNet-V2 ----

Tensor relu6_of(const Tensor& x) { return relu6(x); }

// conv, batch norm, ReLU6 under the names 0, 1, 2
void add_conv_bn_relu(
    Sequential& parent, const std::string& name, int64_t in, int64_t out,
    const Conv2dOptions& options, Rng& rng) {
  Sequential& unit = parent.add<Sequential>(name);
  Conv2dOptions o = options;
  o.padding = (o.size - 1) / 2;
  o.bias = false;
  unit.add<Conv2d>("0", in, out, o, rng);
  unit.add<BatchNorm2d>("1", out);
  unit.add<Activation>("2", "ReLU6", relu6_of);
}

// expand 1x1, filter each channel 3x3, project 1x1; plus the input where the shapes agree
class InvertedResidual : public Module {
 public:
  InvertedResidual(int64_t in, int64_t out, int64_t stride, int64_t expansion, Rng& rng)
      : adds_input_(stride == 1 && in == out) {
    const int64_t hidden = in * expansion;
    int64_t index = 0;
    const auto next = [&] { return std::to_string(index++); };
    if (expansion != 1) add_conv_bn_relu(conv_, next(), in, hidden, {.size = 1}, rng);
    add_conv_bn_relu(
        conv_, next(), hidden, hidden, {.size = 3, .stride = stride, .groups = hidden}, rng);
    conv_.add<Conv2d>(next(), hidden, out, Conv2dOptions{.size = 1, .bias = false}, rng);
    conv_.add<BatchNorm2d>(next(), out);
  }
  const char* type() const override { return "InvertedResidual"; }
  void visit(Visitor& v) override { v.child("conv", conv_); }

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    const Tensor y = conv_(x, pass);
    return adds_input_ ? x + y : y;
  }

  Sequential conv_;
  bool adds_input_;
};

// The nearest multiple of 8, but not below 90 % of the wanted width
int64_t rounded_to_8(double channels) {
  const int64_t rounded = std::max<int64_t>(8, static_cast<int64_t>(channels + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * channels ? rounded + 8 : rounded;
}

}  // namespace

std::unique_ptr<Module> mobilenet_v2(
    double width, bool for_photographs, const ModelShape& shape, Rng& rng) {
  check_image("mobilenet_v2", shape.input, for_photographs ? 32 : 8);
  struct Stage {
    int64_t expansion, channels, blocks, stride;
  };
  constexpr Stage kStages[] = {// Sandler et al. 2018, table 2
                               {1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  auto net = std::make_unique<FeaturesAndClassifier>("MobileNetV2");
  int64_t channels = rounded_to_8(32 * width);
  int64_t index = 0;
  const auto next = [&] { return std::to_string(index++); };
  add_conv_bn_relu(
      net->features, next(), shape.input[0], channels,
      {.size = 3, .stride = for_photographs ? 2 : 1}, rng);
  for (const Stage& stage : kStages) {
    const int64_t out = rounded_to_8(static_cast<double>(stage.channels) * width);
    for (int64_t block = 0; block < stage.blocks; ++block) {
      const int64_t stride = block == 0 ? stage.stride : 1;
      net->features.add<InvertedResidual>(next(), channels, out, stride, stage.expansion, rng);
      channels = out;
    }
  }
  const int64_t last = rounded_to_8(1280 * std::max(1.0, width));
  add_conv_bn_relu(net->features, next(), channels, last, {.size = 1}, rng);
  net->classifier.add<GlobalAvgPool2d>("pool");
  net->classifier.add<Dropout>("0", 0.2);
  net->classifier.add<Linear>("1", last, shape.classes, rng);
  return net;
}

std::unique_ptr<Module> squeezenet1_0(const ModelShape& shape, Rng& rng) {
  check_image("squeezenet1_0", shape.input, 21);
  auto net = std::make_unique<FeaturesAndClassifier>("SqueezeNet");
  Sequential& f = net->features;
  const PoolOptions halve{.size = 3, .stride = 2, .ceil = true};
  f.add<Conv2d>("0", shape.input[0], int64_t{96}, Conv2dOptions{.size = 7, .stride = 2}, rng);
  f.add<ReLU>("1");
  f.add<MaxPool2d>("2", halve);
  const auto fire = [&](const char* name, int64_t in, int64_t squeeze, int64_t expand) {
    f.add<Fire>(name, in, squeeze, expand, rng);
  };
  fire("3", 96, 16, 64);
  fire("4", 128, 16, 64);
  fire("5", 128, 32, 128);
  f.add<MaxPool2d>("6", halve);
  fire("7", 256, 32, 128);
  fire("8", 256, 48, 192);
  fire("9", 384, 48, 192);
  fire("10", 384, 64, 256);
  f.add<MaxPool2d>("11", halve);
  fire("12", 512, 64, 256);
  net->classifier.add<Dropout>("0", 0.5);
  net->classifier.add<Conv2d>("1", int64_t{512}, shape.classes, Conv2dOptions{.size = 1}, rng);
  net->classifier.add<ReLU>("2");
  net->classifier.add<GlobalAvgPool2d>("3");
  return net;
}

std::unique_ptr<Module> vgg11(bool for_photographs, const ModelShape& shape, Rng& rng) {
  check_image("vgg11", shape.input, 32);
  constexpr int64_t kPool = 0;  // Simonyan and Zisserman 2015, table 1, column A
  constexpr int64_t kPlan[] = {64,  kPool, 128,   kPool, 256, 256,  kPool,
                               512, 512,   kPool, 512,   512, kPool};
  auto net = std::make_unique<FeaturesAndClassifier>("VGG11");
  int64_t channels = shape.input[0];
  int64_t index = 0;
  const auto next = [&] { return std::to_string(index++); };
  for (const int64_t step : kPlan) {
    if (step == kPool) {
      net->features.add<MaxPool2d>(next());
      continue;
    }
    net->features.add<Conv2d>(next(), channels, step, Conv2dOptions{.padding = 1}, rng);
    net->features.add<ReLU>(next());
    channels = step;
  }
  Sequential& c = net->classifier;
  const int64_t side = for_photographs ? 7 : 1;
  const int64_t hidden = for_photographs ? 4096 : 512;
  c.add<AdaptiveAvgPool2d>("pool", side, side);
  c.add<Flatten>("flatten");
  c.add<Linear>("0", 512 * side * side, hidden, rng);
  c.add<ReLU>("1");
  c.add<Dropout>("2", 0.5);
  if (for_photographs) {
    c.add<Linear>("3", hidden, hidden, rng);
    c.add<ReLU>("4");
    c.add<Dropout>("5", 0.5);
    c.add<Linear>("6", hidden, shape.classes, rng);
  } else {
    c.add<Linear>("3", hidden, shape.classes, rng);
  }
  return net;
}

}  // namespace limpid::models
