// interpret/transport/layer_change.cpp: a layer under another name for its output.
#include "interpret/transport/layer_change.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/core/text.h"
#include "framework/linalg/linalg.h"
#include "framework/nn/layers.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/norm.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/pool.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/metrics/randomisation.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace limpid::interpret {
namespace {

constexpr std::array<std::pair<Change, const char*>, 6> kNames = {{
    {Change::penalty, "penalty"},
    {Change::decay, "decay"},
    {Change::skip, "skip"},
    {Change::norm, "norm"},
    {Change::width, "width"},
    {Change::remove, "remove"},
}};

// Z Z' / tr Z Z' of the centred rows; undefined where nothing varies
Tensor normalised_gram(const Tensor& h) {
  const Tensor flat = flatten(h);
  const Tensor Z = flat - mean(flat, {0});
  const Tensor trace = sum(Z * Z);
  if (detach(trace).item() <= 0) return {};
  return matmul(Z, Z, {.transpose_b = true}) / trace;
}

// [d, e] with orthonormal rows or columns
Tensor orthonormal(int64_t d, int64_t e, uint64_t seed, DType dtype) {
  Rng rng(seed);
  const Tensor tall = qr(Tensor::normal({std::max(d, e), std::min(d, e)}, rng, 0, 1, DType::f64)).q;
  return to(d >= e ? tall : transpose(tall), dtype);
}

// P h, shaped like `output`
Tensor carried(const Tensor& h, const Tensor& output, uint64_t seed) {
  if (h.shape() == output.shape()) return h;
  const bool are_maps = h.rank() == 4 && output.rank() == 4;
  if (are_maps) {
    const Tensor small = adaptive_avg_pool2d(h, output.size(2), output.size(3));
    const int64_t extra = output.size(1) - small.size(1);
    return extra >= 0 ? pad(small, 1, 0, extra) : slice(small, 1, 0, output.size(1));
  }
  check_value(
      h.rank() == output.rank() && h.rank() >= 2 && h.rank() < 4, "layer change",
      "there is no way from ", h.shape(), " to ", output.shape(), " past the layer");
  return matmul(h, orthonormal(h.size(-1), output.size(-1), seed, h.dtype()));
}

// Each example to mean 0 and deviation 1
Tensor normalised(const Tensor& h) {
  const Tensor flat = flatten(h);
  const Tensor one = Tensor::ones({flat.size(1)}, h.dtype());
  const Tensor zero = Tensor::zeros({flat.size(1)}, h.dtype());
  return reshape(layer_norm(flat, one, zero), h.shape());
}

// Every change but width: the output of the layer, or the loss, becomes another
class Substituting : public ChangedNetwork {
 public:
  Substituting(Module& network, Module& layer, Change change, uint64_t seed)
      : network_(network), layer_(layer), change_(change), seed_(seed) {}
  const char* type() const override { return "ChangedNetwork"; }
  void visit(Visitor& v) override { network_.visit(v); }

  Tensor added_loss() const override {
    if (change_ == Change::penalty) return cost_;
    if (change_ != Change::decay) return {};
    Tensor total;
    for (const auto& [name, w] : parameters(layer_)) {
      if (w.rank() < 2) continue;
      const Tensor squares = sum(w * w) * 0.5;
      total = total.defined() ? total + squares : squares;
    }
    return total;
  }

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    cost_ = Tensor();
    auto outer = std::move(pass.substitute);
    pass.substitute = [&](const Module& layer, const Tensor& input, const Tensor& output) {
      const Tensor changed = &layer == &layer_ ? change(input, output) : output;
      return outer ? outer(layer, input, changed) : changed;
    };
    const Tensor y = network_(x, pass);
    pass.substitute = std::move(outer);
    return y;
  }

  Tensor change(const Tensor& input, const Tensor& output) {
    switch (change_) {
      case Change::skip: return output + carried(input, output, seed_);
      case Change::remove: return carried(input, output, seed_);
      case Change::norm: return normalised(output);
      case Change::penalty: cost_ = transport_cost(input, output); return output;
      case Change::decay:
      case Change::width: break;
    }
    return output;
  }

  Module& network_;
  Module& layer_;
  Change change_;
  uint64_t seed_;
  Tensor cost_;
};

// A sequence of layers of which some are replaced
class Widened : public ChangedNetwork {
 public:
  Widened(Module& network, const std::string& name, uint64_t seed) {
    for (const auto& [child, layer] : layers(network)) {
      if (child.find('.') == std::string::npos) path_.emplace_back(child, layer);
    }
    Rng rng(seed);
    auto at = std::ranges::find(path_, name, &std::pair<std::string, Module*>::first);
    check_value(
        std::string_view(network.type()) == "Sequential" && at != path_.end(), "layer change",
        "width: ", name, " is not a layer of a plain sequence; train a wider network instead");
    const int64_t units = widen_outputs(*at, rng);
    for (++at; at != path_.end(); ++at) {
      if (parameters(*at->second).empty()) continue;
      if (widen_inputs(*at, units, rng)) return;
    }
    check_value(false, "layer change", "width: ", name, " is the last layer; its units are given");
  }
  const char* type() const override { return "Sequential"; }
  void visit(Visitor& v) override {
    for (const auto& [name, layer] : path_) v.child(name, *layer);
  }
  Tensor added_loss() const override { return {}; }

 private:
  using Place = std::pair<std::string, Module*>;

  Tensor forward(const Tensor& x, Pass& pass) override {
    Tensor y = x;
    for (const auto& entry : path_) y = (*entry.second)(y, pass);
    return y;
  }

  template <class M, class... Args>
  void replace(Place& place, Args&&... args) {
    auto layer = std::make_unique<M>(std::forward<Args>(args)...);
    place.second = layer.get();
    owned_.push_back(std::move(layer));
  }
  static Conv2dOptions options_of(const Conv2d& conv) {
    const ConvOptions& o = conv.options();
    return {
        .size = conv.weight().size(2),
        .stride = o.stride,
        .padding = o.padding,
        .groups = 1,
        .bias = conv.bias().defined()};
  }

  // The number of units before
  int64_t widen_outputs(Place& place, Rng& rng) {
    if (const auto* linear = dynamic_cast<const Linear*>(place.second)) {
      const int64_t out = linear->weight().size(0), in = linear->weight().size(1);
      replace<Linear>(place, in, 2 * out, rng);
      return out;
    }
    const auto* conv = dynamic_cast<const Conv2d*>(place.second);
    check_value(
        conv && conv->options().groups == 1, "layer change", "width: ", place.first,
        " is neither a linear layer nor a plain convolution");
    const int64_t out = conv->weight().size(0);
    replace<Conv2d>(place, conv->weight().size(1), 2 * out, options_of(*conv), rng);
    return out;
  }

  // True once the layer that takes the units was found; norms before it are passed on the way
  bool widen_inputs(Place& place, int64_t units, Rng& rng) {
    const std::string_view type = place.second->type();
    if (type == "BatchNorm2d") {
      replace<BatchNorm2d>(place, 2 * units);
      return false;
    }
    if (type == "InstanceNorm2d") {
      replace<InstanceNorm2d>(place, 2 * units);
      return false;
    }
    if (const auto* linear = dynamic_cast<const Linear*>(place.second)) {
      replace<Linear>(place, 2 * linear->weight().size(1), linear->weight().size(0), rng);
      return true;
    }
    const auto* conv = dynamic_cast<const Conv2d*>(place.second);
    check_value(
        conv && conv->options().groups == 1, "layer change", "width: ", place.first,
        ", which takes the output, cannot be widened");
    replace<Conv2d>(place, 2 * units, conv->weight().size(0), options_of(*conv), rng);
    return true;
  }

  std::vector<Place> path_;
  std::vector<std::unique_ptr<Module>> owned_;
};

}  // namespace

const char* name_of(Change change) {
  return std::ranges::find(kNames, change, &std::pair<Change, const char*>::first)->second;
}

Change change_named(const std::string& name) {
  for (const auto& [change, known] : kNames) {
    if (name == known) return change;
  }
  raise<ValueError>(
      "layer change", "'", name, "' is none of ",
      joined(kNames, ", ", &std::pair<Change, const char*>::second));
}

Tensor transport_cost(const Tensor& before, const Tensor& after) {
  if (before.shape() == after.shape()) {
    const Tensor moved = after - before;
    const Tensor size = mean(before * before);
    if (detach(size).item() <= 0) return sum(moved) * 0.0;
    return mean(moved * moved) / size;
  }
  const Tensor a = normalised_gram(before), b = normalised_gram(after);
  if (!a.defined() || !b.defined()) return sum(after) * 0.0;
  const Tensor difference = b - a;
  return sum(difference * difference);
}

std::unique_ptr<ChangedNetwork> ChangedNetwork::make(
    Module& network, const std::string& layer, Change change, uint64_t seed) {
  Module& found = find_layer(network, layer);
  if (change == Change::width) return std::make_unique<Widened>(network, layer, seed);
  return std::make_unique<Substituting>(network, found, change, seed);
}

void start_layer_afresh(Module& network, const std::string& layer, uint64_t seed) {
  find_layer(network, layer);
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, tensor] : state(network)) tensors.emplace(name, tensor);
  Rng rng(seed);
  for (const LayerGroup& group : layer_groups(network)) {
    if (group.name == layer || group.name.starts_with(layer + ".")) {
      start_afresh(group, tensors, rng);
    }
  }
}

}  // namespace limpid::interpret
