// framework/nn/layers.h: the layers that networks are built from.
//
// Parameter names follow PyTorch: weight, bias, running_mean, running_var. Letters: N batch,
// C in, K out, H W image, R S filter, D features.
#pragma once

#include "framework/nn/module.h"
#include "framework/ops/conv.h"
#include "framework/ops/norm.h"
#include "framework/ops/pool.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace limpid {

/// y = x W' + b: [N, in] -> [N, out].
class Linear : public Module {
 public:
  Linear(int64_t in, int64_t out, Rng& rng);
  const char* type() const override { return "Linear"; }
  void visit(Visitor& v) override;
  int64_t macs(const Shape& input, const Shape& output) const override;
  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }

 private:
  Tensor forward(const Tensor& x, Pass&) override;

  Tensor weight_;  // [out, in]
  Tensor bias_;    // [out]
};

struct Conv2dOptions {
  int64_t size = 3;  // filters are size x size
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t groups = 1;
  bool bias = true;
};

/// Cross-correlation: [N, C, H, W] -> [N, K, P, Q] (ops/conv.h).
class Conv2d : public Module {
 public:
  Conv2d(int64_t in, int64_t out, const Conv2dOptions& options, Rng& rng);
  const char* type() const override { return "Conv2d"; }
  void visit(Visitor& v) override;
  int64_t macs(const Shape& input, const Shape& output) const override;
  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }  // undefined if there is none
  const ConvOptions& options() const { return options_; }

 private:
  Tensor forward(const Tensor& x, Pass&) override;

  Tensor weight_;  // [K, C/groups, R, S]
  Tensor bias_;    // [K], or undefined
  ConvOptions options_;
};

/// Batch norm (Ioffe and Szegedy, ICML 2015): batch statistics while training, running ones else.
/// running = 0.9 running + 0.1 batch, with the variance divided by M - 1, as in PyTorch.
/// Throws ShapeError in training if a channel has fewer than two values.
class BatchNorm2d : public Module {
 public:
  explicit BatchNorm2d(int64_t channels);
  const char* type() const override { return "BatchNorm2d"; }
  void visit(Visitor& v) override;
  bool depends_on_mode() const override { return true; }
  /// What evaluation computes, as y = scale x + shift with one of each per channel.
  struct ScaleShift {
    Tensor scale, shift;  // [C]
  };
  ScaleShift in_evaluation() const;

 private:
  Tensor forward(const Tensor& x, Pass& pass) override;

  Tensor weight_, bias_;               // [C]
  Tensor running_mean_, running_var_;  // [C]
};

/// Instance norm with affine (Ulyanov et al. 2016): statistics of each image and channel, always.
class InstanceNorm2d : public Module {
 public:
  explicit InstanceNorm2d(int64_t channels);
  const char* type() const override { return "InstanceNorm2d"; }
  void visit(Visitor& v) override;

 private:
  Tensor forward(const Tensor& x, Pass&) override;

  Tensor weight_, bias_;  // [C]
};

/// Group norm (ops/norm.h): the channels of each image in groups, with affine.
class GroupNorm : public Module {
 public:
  /// Throws ValueError unless groups divides channels.
  GroupNorm(int64_t groups, int64_t channels);
  const char* type() const override { return "GroupNorm"; }
  void visit(Visitor& v) override;

 private:
  Tensor forward(const Tensor& x, Pass&) override;

  int64_t groups_;
  Tensor weight_, bias_;  // [C]
};

/// Layer norm (ops/norm.h) over the last dimension, with affine.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(int64_t features);
  const char* type() const override { return "LayerNorm"; }
  void visit(Visitor& v) override;

 private:
  Tensor forward(const Tensor& x, Pass&) override;

  Tensor weight_, bias_;  // [D]
};

/// Transposed convolution: [N, C, H, W] -> [N, K, P, Q], P = (H - 1) stride - 2 padding + size +
/// output_padding (ops/conv.h, conv_transpose2d). PyTorch's weight layout.
class ConvTranspose2d : public Module {
 public:
  ConvTranspose2d(
      int64_t in, int64_t out, const Conv2dOptions& options, int64_t output_padding, Rng& rng);
  const char* type() const override { return "ConvTranspose2d"; }
  void visit(Visitor& v) override;
  int64_t macs(const Shape& input, const Shape& output) const override;

 private:
  Tensor forward(const Tensor& x, Pass&) override;

  Tensor weight_;  // [C, K/groups, R, S]
  Tensor bias_;    // [K], or undefined
  ConvOptions options_;
  int64_t output_padding_;
};

/// Rows of a table looked up by number: indices [...] i64 -> [..., D].
class Embedding : public Module {
 public:
  /// Initial rows are normal with deviation 1, as in PyTorch.
  Embedding(int64_t rows, int64_t features, Rng& rng);
  const char* type() const override { return "Embedding"; }
  void visit(Visitor& v) override;

 private:
  Tensor forward(const Tensor& x, Pass&) override;

  Tensor weight_;  // [rows, D]
};

/// A layer without state: a function of its input.
class Stateless : public Module {
 public:
  void visit(Visitor&) override {}
};

/// max(x, 0).
class ReLU : public Stateless {
 public:
  const char* type() const override { return "ReLU"; }

 private:
  Tensor forward(const Tensor& x, Pass&) override;
};

/// Any function of one tensor as a layer: Activation("GELU", gelu).
class Activation : public Stateless {
 public:
  using Function = Tensor (*)(const Tensor&);
  Activation(const char* type, Function f) : type_(type), function_(f) {}
  const char* type() const override { return type_; }

 private:
  Tensor forward(const Tensor& x, Pass&) override { return function_(x); }

  const char* type_;
  Function function_;
};

/// Largest value of each window.
class MaxPool2d : public Stateless {
 public:
  explicit MaxPool2d(const PoolOptions& options = {}) : options_(options) {}
  const char* type() const override { return "MaxPool2d"; }

 private:
  Tensor forward(const Tensor& x, Pass&) override;
  PoolOptions options_;
};

/// Mean of each window.
class AvgPool2d : public Stateless {
 public:
  explicit AvgPool2d(const PoolOptions& options = {}) : options_(options) {}
  const char* type() const override { return "AvgPool2d"; }

 private:
  Tensor forward(const Tensor& x, Pass&) override;
  PoolOptions options_;
};

/// Means over height x width windows that cover the image (ops/pool.h).
class AdaptiveAvgPool2d : public Stateless {
 public:
  AdaptiveAvgPool2d(int64_t height, int64_t width) : height_(height), width_(width) {}
  const char* type() const override { return "AdaptiveAvgPool2d"; }

 private:
  Tensor forward(const Tensor& x, Pass&) override;
  int64_t height_, width_;
};

/// Mean of each plane: [N, C, H, W] -> [N, C].
class GlobalAvgPool2d : public Stateless {
 public:
  const char* type() const override { return "GlobalAvgPool2d"; }

 private:
  Tensor forward(const Tensor& x, Pass&) override;
};

/// [N, ...] -> [N, D].
class Flatten : public Stateless {
 public:
  const char* type() const override { return "Flatten"; }

 private:
  Tensor forward(const Tensor& x, Pass&) override;
};

/// While training, each element is zeroed with probability p and the rest divided by 1 - p
/// (Srivastava et al., JMLR 2014). Throws ValueError unless 0 <= p < 1.
class Dropout : public Stateless {
 public:
  explicit Dropout(double p);
  const char* type() const override { return "Dropout"; }
  bool depends_on_mode() const override { return p_ > 0; }

 private:
  Tensor forward(const Tensor& x, Pass& pass) override;
  double p_;
};

/// Layers one after the other, under names.
class Sequential : public Module {
 public:
  /// Makes a layer of type M at the end, under `name`. Returns it.
  template <class M, class... Args>
  M& add(const std::string& name, Args&&... args) {
    auto layer = std::make_unique<M>(std::forward<Args>(args)...);
    M& added = *layer;
    layers_.emplace_back(name, std::move(layer));
    return added;
  }
  const char* type() const override { return "Sequential"; }
  void visit(Visitor& v) override;

 private:
  Tensor forward(const Tensor& x, Pass& pass) override;

  std::vector<std::pair<std::string, std::unique_ptr<Module>>> layers_;
};

}  // namespace limpid
