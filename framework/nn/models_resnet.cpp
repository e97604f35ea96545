// framework/nn/models_resnet.cpp: residual networks, for small images and for photographs.
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/nn/model_parts.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"

#include <algorithm>
#include <cmath>

namespace limpid::models {
namespace {

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

// How the input reaches the end of a block that changes its size (He et al. 2016, section 3.3)
enum class Shortcut : uint8_t {
  pad,      // option A: every second pixel, zeros for the new channels
  project,  // option B: conv 1x1 and batch norm, named downsample.0 and downsample.1
};

// conv-bn-relu-conv-bn + shortcut, relu
class BasicBlock : public Module {
 public:
  BasicBlock(int64_t in, int64_t out, int64_t stride, Shortcut shortcut, Rng& rng)
      : conv1_(in, out, {.stride = stride, .padding = 1, .bias = false}, rng),
        bn1_(out),
        conv2_(out, out, {.padding = 1, .bias = false}, rng),
        bn2_(out),
        channels_(out),
        has_projection_(shortcut == Shortcut::project && (stride != 1 || in != out)) {
    if (!has_projection_) return;
    downsample_.add<Conv2d>(
        "0", in, out, Conv2dOptions{.size = 1, .stride = stride, .bias = false}, rng);
    downsample_.add<BatchNorm2d>("1", out);
  }
  const char* type() const override { return "BasicBlock"; }
  void visit(Visitor& v) override {
    v.child("conv1", conv1_);
    v.child("bn1", bn1_);
    v.child("conv2", conv2_);
    v.child("bn2", bn2_);
    if (has_projection_) v.child("downsample", downsample_);
  }

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    const Tensor inner = relu(bn1_(conv1_(x, pass), pass));
    const Tensor residual = bn2_(conv2_(inner, pass), pass);
    return relu(residual + (has_projection_ ? downsample_(x, pass) : shortcut_a(x, channels_)));
  }

  Conv2d conv1_;
  BatchNorm2d bn1_;
  Conv2d conv2_;
  BatchNorm2d bn2_;
  Sequential downsample_;
  int64_t channels_;
  bool has_projection_;
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
        stage->add<BasicBlock>(std::to_string(block), channels, width, stride, Shortcut::pad, rng);
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

// Four stages of two blocks, widths 64, 128, 256, 512 times a factor
class ResNet18 : public Module {
 public:
  ResNet18(double width, bool for_photographs, const ModelShape& shape, Rng& rng)
      : conv1_(shape.input[0], scaled(64, width), stem(for_photographs), rng),
        bn1_(scaled(64, width)),
        maxpool_({.size = 3, .stride = 2, .padding = 1}),
        has_maxpool_(for_photographs) {
    int64_t channels = scaled(64, width);
    int64_t full = 64;
    for (Sequential* stage : {&layer1_, &layer2_, &layer3_, &layer4_}) {
      const int64_t out = scaled(full, width);
      const int64_t stride = stage == &layer1_ ? 1 : 2;
      stage->add<BasicBlock>("0", channels, out, stride, Shortcut::project, rng);
      stage->add<BasicBlock>("1", out, out, int64_t{1}, Shortcut::project, rng);
      channels = out;
      full *= 2;
    }
    fc_ = std::make_unique<Linear>(channels, shape.classes, rng);
  }
  const char* type() const override { return "ResNet18"; }
  void visit(Visitor& v) override {
    v.child("conv1", conv1_);
    v.child("bn1", bn1_);
    v.child("layer1", layer1_);
    v.child("layer2", layer2_);
    v.child("layer3", layer3_);
    v.child("layer4", layer4_);
    v.child("avgpool", avgpool_);
    v.child("fc", *fc_);
  }

 private:
  static int64_t scaled(int64_t channels, double width) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(channels) * width));
  }
  static Conv2dOptions stem(bool for_photographs) {
    if (for_photographs) return {.size = 7, .stride = 2, .padding = 3, .bias = false};
    return {.size = 3, .padding = 1, .bias = false};
  }
  Tensor forward(const Tensor& x, Pass& pass) override {
    Tensor maps = relu(bn1_(conv1_(x, pass), pass));
    if (has_maxpool_) maps = maxpool_(maps, pass);
    maps = layer2_(layer1_(maps, pass), pass);
    maps = layer4_(layer3_(maps, pass), pass);  // [N, 512 W, h, w]
    return (*fc_)(avgpool_(maps, pass), pass);
  }

  Conv2d conv1_;
  BatchNorm2d bn1_;
  MaxPool2d maxpool_;
  bool has_maxpool_;
  Sequential layer1_, layer2_, layer3_, layer4_;
  GlobalAvgPool2d avgpool_;
  std::unique_ptr<Linear> fc_;
};

}  // namespace

std::unique_ptr<Module> cifar_resnet(int64_t blocks, const ModelShape& shape, Rng& rng) {
  check_image("resnet" + std::to_string(6 * blocks + 2), shape.input, 4);
  return std::make_unique<CifarResNet>(blocks, shape, rng);
}

std::unique_ptr<Module> resnet18(
    double width, bool for_photographs, const ModelShape& shape, Rng& rng) {
  check_image("resnet18", shape.input, for_photographs ? 32 : 8);
  return std::make_unique<ResNet18>(width, for_photographs, shape, rng);
}

}  // namespace limpid::models
