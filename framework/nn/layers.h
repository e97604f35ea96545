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
