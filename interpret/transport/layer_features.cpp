// interpret/transport/layer_features.cpp: one pass with an observer, cut into steps.
#include "interpret/transport/layer_features.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pool.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

namespace limpid::interpret {
namespace {

struct Known {
  std::string name;
  Module* layer = nullptr;
};
using KnownLayers = std::map<const Module*, Known>;

bool is_norm(const Module& layer) {
  const std::string_view type = layer.type();
  return type.ends_with("Norm") || type.ends_with("Norm2d");
}

bool holds_matrix(Module& layer) {
  if (!layers(layer).empty()) return false;
  const NamedTensors all = parameters(layer);
  return std::ranges::any_of(all, [](const auto& entry) { return entry.second.rank() >= 2; });
}

// The layers that the main path goes through: those below the model and below its sequences
KnownLayers path_through(Module& model) {
  KnownLayers path;
  std::string whole = "\n";  // the layer taken last, whose own layers are passed over
  for (const auto& [name, layer] : layers(model)) {
    if (name.starts_with(whole) || std::string_view(layer->type()) == "Sequential") continue;
    path.emplace(layer, Known{name, layer});
    whole = name + ".";
  }
  return path;
}

bool is_finite(const Tensor& t) {
  const auto values = t.values<float>();
  return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
}

Shape example_shape(const Tensor& z) { return Shape(z.shape().sizes().subspan(1)); }

Tensor in_f32(const Tensor& t) {
  return t.dtype() == DType::f32 ? t : Tensor::of(t.shape(), t.to_vector());
}

bool is_only_flattened(const Tensor& from, const Tensor& to) {
  return to.numel() == from.numel() && to.rank() < from.rank();
}

// One step while the pass runs
struct Open {
  std::string name, type;
  Tensor last;  // the newest output
};

class Recorder {
 public:
  Recorder(Module& model, const RecordOptions& options)
      : options_(options), path_(path_through(model)) {
    for (const auto& [name, layer] : layers(model)) {
      if (holds_matrix(*layer)) weighted_.emplace(layer, Known{name, layer});
    }
    check_value(!weighted_.empty(), "record_layers", "no layer of the network has weights");
  }

  void run(Module& model, const Tensor& inputs) {
    at_ = 0;
    weighted_at_ = 0;
    open_ = {.name = "input", .type = "", .last = inputs};
    pending_.clear();
    Pass pass;
    pass.observer = [&](const Module& layer, const Tensor& input, const Tensor& output) {
      watch(layer, input, output);
    };
    const Tensor end = model(inputs, pass);
    close(end);
    seen_ += inputs.size(0);
  }

  RecordedLayers result() {
    RecordedLayers all;
    for (Step& step : steps_) {
      LayerFeatures f = step.features;
      f.values = concat(step.parts, 0);
      step.parts.clear();
      if (!is_finite(f.values)) {
        throw NumericError(
            join_text("record_layers: the features of ", f.name, " hold NaN or infinity"), NAN);
      }
      all.steps.push_back(std::move(f));
    }
    for (auto& [layer, parts] : inputs_) {
      layer.input = concat(parts, 0);
      all.weighted.push_back(layer);
    }
    return all;
  }

 private:
  struct Step {
    LayerFeatures features;
    std::vector<Tensor> parts;
  };

  void watch(const Module& layer, const Tensor& input, const Tensor& output) {
    if (const auto found = weighted_.find(&layer); found != weighted_.end()) {
      keep_input(found->second, input);
    }
    const auto found = path_.find(&layer);
    if (found == path_.end()) return;
    const Known& known = found->second;
    if (!parameters(*known.layer).empty() && !is_norm(layer)) {
      close(input);
      open_ = {.name = known.name, .type = layer.type(), .last = output};
      name_pending(known.name);
    }
    if (!is_only_flattened(input, output)) open_.last = output;
  }

  // A step ends with what the next one receives; maps stay maps
  void close(const Tensor& next_input) {
    const Tensor z = in_f32(is_only_flattened(open_.last, next_input) ? open_.last : next_input);
    if (at_ == steps_.size()) {
      Step step;
      step.features.name = open_.name;
      step.features.type = open_.type;
      step.features.shape = example_shape(z);
      steps_.push_back(std::move(step));
    }
    Step& step = steps_[at_++];
    Tensor pooled = z;
    step.features.pooling = 1;
    while (pooled.rank() == 4 && pooled.numel() / pooled.size(0) > options_.most_values &&
           pooled.size(2) >= 2 && pooled.size(3) >= 2) {
      pooled = avg_pool2d(pooled, {.size = 2, .stride = 2});
      step.features.pooling *= 2;
    }
    step.parts.push_back(
        reshape(pooled, {pooled.size(0), pooled.numel() / pooled.size(0)}).clone());
  }

  void keep_input(const Known& known, const Tensor& input) {
    const int64_t wanted = std::min(options_.examples_for_weights - seen_, input.size(0));
    if (wanted <= 0) return;
    if (weighted_at_ == inputs_.size()) {
      inputs_.push_back({{.name = known.name, .layer = known.layer, .step = "", .input = {}}, {}});
    }
    pending_.push_back(weighted_at_);
    inputs_[weighted_at_++].second.push_back(slice(input, 0, 0, wanted));
  }

  // Layers inside a step run before the step itself is seen
  void name_pending(const std::string& step) {
    for (const size_t i : pending_) inputs_[i].first.step = step;
    pending_.clear();
  }

  const RecordOptions& options_;
  KnownLayers path_, weighted_;
  std::vector<Step> steps_;
  std::vector<std::pair<WeightedLayer, std::vector<Tensor>>> inputs_;
  std::vector<size_t> pending_;
  Open open_;
  size_t at_ = 0, weighted_at_ = 0;
  int64_t seen_ = 0;
};

}  // namespace

RecordedLayers record_layers(Module& model, const Tensor& inputs, const RecordOptions& options) {
  check_value(inputs.rank() >= 2 && inputs.size(0) > 0, "record_layers", "there are no examples");
  check_value(is_finite(in_f32(inputs)), "record_layers", "the inputs hold NaN or infinity");
  const Recording off(false);
  Recorder recorder(model, options);
  for (int64_t at = 0; at < inputs.size(0); at += options.batch) {
    recorder.run(model, slice(inputs, 0, at, std::min(inputs.size(0), at + options.batch)));
  }
  return recorder.result();
}

}  // namespace limpid::interpret
