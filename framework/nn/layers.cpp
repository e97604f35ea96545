// framework/nn/layers.cpp: each layer is a few ops on its state.
#include "framework/nn/layers.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/init.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

namespace limpid {

// ---- Linear ----

Linear::Linear(int64_t in, int64_t out, Rng& rng)
    : weight_(uniform_by_fan_in({out, in}, in, rng)), bias_(uniform_by_fan_in({out}, in, rng)) {
  weight_.require_gradient();
  bias_.require_gradient();
}

void Linear::visit(Visitor& v) {
  v.parameter("weight", weight_);
  v.parameter("bias", bias_);
}

Tensor Linear::forward(const Tensor& x, Pass&) {
  return matmul(x, weight_, {.transpose_b = true}) + bias_;
}

int64_t Linear::macs(const Shape&, const Shape& output) const {
  return output.numel() * weight_.size(1);
}

// ---- Conv2d ----

Conv2d::Conv2d(int64_t in, int64_t out, const Conv2dOptions& o, Rng& rng)
    : options_{.stride = o.stride, .padding = o.padding, .groups = o.groups} {
  check_value(
      o.groups >= 1 && in % o.groups == 0 && out % o.groups == 0, "Conv2d", o.groups,
      " groups do not divide ", in, " and ", out, " channels");
  const int64_t fan_in = in / o.groups * o.size * o.size;
  weight_ = uniform_by_fan_in({out, in / o.groups, o.size, o.size}, fan_in, rng);
  weight_.require_gradient();
  if (o.bias) {
    bias_ = uniform_by_fan_in({out}, fan_in, rng);
    bias_.require_gradient();
  }
}

void Conv2d::visit(Visitor& v) {
  v.parameter("weight", weight_);
  if (bias_.defined()) v.parameter("bias", bias_);
}

Tensor Conv2d::forward(const Tensor& x, Pass&) {
  const Tensor y = conv2d(x, weight_, options_);
  return bias_.defined() ? y + reshape(bias_, {1, bias_.numel(), 1, 1}) : y;
}

int64_t Conv2d::macs(const Shape&, const Shape& output) const {
  return output.numel() * weight_.numel() / weight_.size(0);
}

// ---- Norms ----

namespace {

Tensor ones_parameter(int64_t n) { return Tensor::ones({n}).require_gradient(); }
Tensor zeros_parameter(int64_t n) { return Tensor::zeros({n}).require_gradient(); }

constexpr double kMomentum = 0.1;  // share of the new batch in the running statistics
constexpr double kEpsilon = 1e-5;  // added to variances

// running = (1 - kMomentum) running + kMomentum value
void update_running(Tensor& running, const Tensor& value) {
  const Recording off(false);
  running.assign((1 - kMomentum) * running + kMomentum * value);
}

}  // namespace

BatchNorm2d::BatchNorm2d(int64_t channels)
    : weight_(ones_parameter(channels)),
      bias_(zeros_parameter(channels)),
      running_mean_(Tensor::zeros({channels})),
      running_var_(Tensor::ones({channels})) {}

void BatchNorm2d::visit(Visitor& v) {
  v.parameter("weight", weight_);
  v.parameter("bias", bias_);
  v.buffer("running_mean", running_mean_);
  v.buffer("running_var", running_var_);
}

Tensor BatchNorm2d::forward(const Tensor& x, Pass& pass) {
  if (!pass.is_training()) {
    return normalize(x, running_mean_, running_var_, weight_, bias_, kEpsilon);
  }
  const NormOptions options{.groups = NormGroups::channel, .epsilon = kEpsilon};
  const int64_t rows = pass.is_shared() ? pass.rows().of : x.size(0);
  const double count = static_cast<double>(rows * split_at(x.shape(), 1).inner);
  Moments batch = pass.is_shared() ? Moments() : moments(x, options);
  check_shape(
      count >= 2, "BatchNorm2d", "needs two values per channel, got none (", x.shape(), ")");
  const Tensor y = pass.is_shared() ? standardize_shared(x, weight_, bias_, rows, kEpsilon, batch)
                                    : standardize(x, weight_, bias_, options, batch);
  if (!pass.updates_statistics()) return y;
  update_running(running_mean_, batch.mean);
  update_running(running_var_, batch.variance * (count / (count - 1)));
  return y;
}

BatchNorm2d::ScaleShift BatchNorm2d::in_evaluation() const {
  const Tensor scale = weight_ / sqrt(running_var_ + kEpsilon);
  return {scale, bias_ - running_mean_ * scale};
}

InstanceNorm2d::InstanceNorm2d(int64_t channels)
    : weight_(ones_parameter(channels)), bias_(zeros_parameter(channels)) {}

void InstanceNorm2d::visit(Visitor& v) {
  v.parameter("weight", weight_);
  v.parameter("bias", bias_);
}

Tensor InstanceNorm2d::forward(const Tensor& x, Pass&) {
  return standardize(
      x, weight_, bias_, {.groups = NormGroups::image_and_channel, .epsilon = kEpsilon});
}

GroupNorm::GroupNorm(int64_t groups, int64_t channels)
    : groups_(groups), weight_(ones_parameter(channels)), bias_(zeros_parameter(channels)) {
  check_value(
      groups >= 1 && channels % groups == 0, "GroupNorm", groups, " groups do not divide ",
      channels, " channels");
}

void GroupNorm::visit(Visitor& v) {
  v.parameter("weight", weight_);
  v.parameter("bias", bias_);
}

Tensor GroupNorm::forward(const Tensor& x, Pass&) {
  return group_norm(x, groups_, weight_, bias_, kEpsilon);
}

LayerNorm::LayerNorm(int64_t features)
    : weight_(ones_parameter(features)), bias_(zeros_parameter(features)) {}

void LayerNorm::visit(Visitor& v) {
  v.parameter("weight", weight_);
  v.parameter("bias", bias_);
}

Tensor LayerNorm::forward(const Tensor& x, Pass&) {
  return layer_norm(x, weight_, bias_, kEpsilon);
}

// ---- ConvTranspose2d and Embedding ----

ConvTranspose2d::ConvTranspose2d(
    int64_t in, int64_t out, const Conv2dOptions& o, int64_t output_padding, Rng& rng)
    : options_{.stride = o.stride, .padding = o.padding, .groups = o.groups},
      output_padding_(output_padding) {
  check_value(
      o.groups >= 1 && in % o.groups == 0 && out % o.groups == 0, "ConvTranspose2d", o.groups,
      " groups do not divide ", in, " and ", out, " channels");
  const int64_t fan_in = out / o.groups * o.size * o.size;  // as PyTorch counts it
  weight_ = uniform_by_fan_in({in, out / o.groups, o.size, o.size}, fan_in, rng);
  weight_.require_gradient();
  if (o.bias) {
    bias_ = uniform_by_fan_in({out}, fan_in, rng);
    bias_.require_gradient();
  }
}

void ConvTranspose2d::visit(Visitor& v) {
  v.parameter("weight", weight_);
  if (bias_.defined()) v.parameter("bias", bias_);
}

Tensor ConvTranspose2d::forward(const Tensor& x, Pass&) {
  const Tensor y = conv_transpose2d(x, weight_, options_, output_padding_);
  return bias_.defined() ? y + reshape(bias_, {1, bias_.numel(), 1, 1}) : y;
}

int64_t ConvTranspose2d::macs(const Shape& input, const Shape&) const {
  return input.numel() * weight_.numel() / weight_.size(0);
}

Embedding::Embedding(int64_t rows, int64_t features, Rng& rng)
    : weight_(Tensor::normal({rows, features}, rng, 0, 1)) {
  weight_.require_gradient();
}

void Embedding::visit(Visitor& v) { v.parameter("weight", weight_); }

Tensor Embedding::forward(const Tensor& x, Pass&) { return take_rows(weight_, x); }

// ---- Layers without state ----

Tensor ReLU::forward(const Tensor& x, Pass&) { return relu(x); }

Tensor MaxPool2d::forward(const Tensor& x, Pass&) { return max_pool2d(x, options_); }

Tensor AvgPool2d::forward(const Tensor& x, Pass&) { return avg_pool2d(x, options_); }

Tensor AdaptiveAvgPool2d::forward(const Tensor& x, Pass&) {
  return adaptive_avg_pool2d(x, height_, width_);
}

Tensor GlobalAvgPool2d::forward(const Tensor& x, Pass&) { return flatten(global_avg_pool2d(x)); }

Tensor Flatten::forward(const Tensor& x, Pass&) { return flatten(x); }

Dropout::Dropout(double p) : p_(p) {
  check_value(p >= 0 && p < 1, "Dropout", "needs 0 <= p < 1, got ", p);
}

Tensor Dropout::forward(const Tensor& x, Pass& pass) {
  if (!pass.drops() || p_ == 0) return x;
  // u - p is positive with probability 1 - p
  const ranks::Share& rows = pass.rows();
  const Shape whole = pass.is_shared() ? x.shape().with(0, rows.of) : x.shape();
  Tensor kept = Tensor::uniform(whole, pass.rng(), -p_, 1 - p_, x.dtype());
  if (pass.is_shared()) kept = slice(kept, 0, rows.begin, rows.end);
  return mask(x, kept) / (1 - p_);
}

// ---- Sequential ----

void Sequential::visit(Visitor& v) {
  for (auto& [name, layer] : layers_) v.child(name, *layer);
}

Tensor Sequential::forward(const Tensor& x, Pass& pass) {
  Tensor value = x;
  for (auto& [name, layer] : layers_) value = (*layer)(value, pass);
  return value;
}

}  // namespace limpid
