// tests/golden/golden_test.cpp: outputs and gradients against values recorded from PyTorch 1.13.
//
// golden.safetensors is written by
//     /usr/bin/python3 tests/golden/record.py
// where the names in the file are explained. Each row of the table below computes the output of one
// case; everything stored for it is then compared, in f64 and in f32. The error of a tensor is
// max|a - b| / max|b|, b being PyTorch's.
#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/io/safetensors.h"
#include "framework/nn/attention.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"
#include "framework/optim/adam.h"
#include "framework/optim/rmsprop.h"
#include "framework/optim/schedule.h"
#include "framework/optim/sgd.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace limpid {
namespace {

using NamedValues = std::map<std::string, Tensor>;

// u of record.py's network_value(), which explains the formula
class NetworkValues {
 public:
  explicit NetworkValues(const std::string& name) {
    for (const char c : name) s_ = (s_ ^ static_cast<uint8_t>(c)) * 16777619u;
  }
  double next() {
    s_ = 1664525u * s_ + 1013904223u;
    return static_cast<double>(s_ >> 9) / 8388608 - 0.5;
  }

 private:
  uint32_t s_ = 2166136261u;
};

Tensor network_parameter(const std::string& name, const Shape& shape) {
  double scale = 1;
  double shift = 0;
  if (shape.rank() > 1) {
    scale = 4 / std::exp2(std::floor(std::log2(shape.numel() / shape[0]) / 2));
  } else if (name.ends_with("weight")) {
    shift = 1;
  }
  NetworkValues u(name);
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  for (double& value : values) value = scale * u.next() + shift;
  return Tensor::of(shape, values, DType::f64);
}

// Everything stored below `prefix`, by the rest of its name.
NamedValues stored_below(const NamedValues& stored, const std::string& prefix) {
  NamedValues found;
  for (auto i = stored.lower_bound(prefix); i != stored.end(); ++i) {
    if (!i->first.starts_with(prefix)) break;
    found[i->first.substr(prefix.size())] = i->second;
  }
  return found;
}

// ---- One case in one type -----------------------------------------------------------------------

// What the rows of the table work with. Inputs are the stored ones in the type of the run.
class Run {
 public:
  Run(const NamedValues& stored, const std::string& name, DType dtype) : dtype_(dtype) {
    for (const auto& [input, value] : stored_below(stored, name + "/input.")) {
      const bool is_index = value.dtype() == DType::i64;
      tensors_[input] = is_index ? value : to(value, dtype).detach();
      if (!is_index) tensors_[input].require_gradient();
    }
  }

  const Tensor& operator[](const std::string& name) const { return tensors_.at(name); }

  /// The layer's output for x, its state being the other inputs.
  Tensor through(Module& module, Mode mode = Mode::train) {
    NamedValues values = tensors_;
    values.erase("x");
    return call(module, mode, [&](const std::string& name, const Tensor& t) {
      const auto found = values.find(name);
      return found == values.end() ? t.clone() : found->second;  // else as it was made
    });
  }
  /// The same for a whole network, with the parameters of record.py's network_value().
  Tensor network(const std::string& model, const ModelShape& shape, Mode mode = Mode::train) {
    Rng rng(1);
    const auto module = make_model(model, shape, rng);
    const NamedTensors trained = parameters(*module);
    return call(*module, mode, [&](const std::string& name, const Tensor& t) {
      const bool is_parameter = std::any_of(
          trained.begin(), trained.end(), [&](const auto& entry) { return entry.first == name; });
      return is_parameter ? network_parameter(name, t.shape()) : t.clone();
    });
  }
  /// w after each of the five steps with the gradients g: [5, 7].
  template <class Method, class Options>
  Tensor five_steps(const Options& options) const {
    Tensor w = tensors_.at("w").clone();
    w.require_gradient();
    Method method(NamedParameters{{"w", w}}, options);
    std::vector<Tensor> history;
    for (int64_t step = 0; step < 5; ++step) {
      const Tensor g = tensors_.at("g").detach();
      w.set_gradient(reshape(slice(g, 0, step, step + 1), w.shape()));
      method.step(0.1);
      history.push_back(w.clone());
    }
    return stack(history, 0);
  }

 private:
  template <class ValueOf>
  Tensor call(Module& module, Mode mode, ValueOf value_of) {
    NamedValues values;
    for (const auto& [name, t] : state(module)) values[name] = value_of(name, t);
    convert(module, dtype_);
    load_state(module, values);
    Pass pass(mode);
    const Tensor output = module(tensors_.at("x"), pass);
    for (const auto& [name, t] : state(module)) tensors_[name] = t;
    return output;
  }

  DType dtype_;
  NamedValues tensors_;  // inputs; after a call also the state of the module
};

// ---- The table ----------------------------------------------------------------------------------

struct Case {
  const char* name;
  Tensor (*output)(Run& t);
};

Rng fresh() { return Rng(1); }  // for weights that are overwritten

// Learning rates of 20 steps
Tensor rates(Schedule schedule) {
  schedule.learning_rate = 0.5;
  schedule.steps = 20;
  std::vector<double> values;
  for (int64_t t = 0; t < 20; ++t) values.push_back(schedule.at(t));
  return Tensor::of({20}, values, DType::f64);
}

const std::vector<Case> kConvolutions = {
    {"conv2d", [](Run& t) { return conv2d(t["x"], t["w"]); }},
    {"conv2d 1x1", [](Run& t) { return conv2d(t["x"], t["w"]); }},
    {"conv2d stride 2 padding 1",
     [](Run& t) { return conv2d(t["x"], t["w"], {.stride = 2, .padding = 1}); }},
    {"conv2d stride 3 filter 2x4", [](Run& t) { return conv2d(t["x"], t["w"], {.stride = 3}); }},
    {"conv2d filter 5x3 padding 2", [](Run& t) { return conv2d(t["x"], t["w"], {.padding = 2}); }},
    {"conv2d dilation 2",
     [](Run& t) { return conv2d(t["x"], t["w"], {.padding = 1, .dilation = 2}); }},
    {"conv2d groups 2", [](Run& t) { return conv2d(t["x"], t["w"], {.padding = 1, .groups = 2}); }},
    {"conv2d stride 2 dilation 2 groups 3",
     [](Run& t) {
       const ConvOptions o = {.stride = 2, .padding = 2, .dilation = 2, .groups = 3};
       return conv2d(t["x"], t["w"], o);
     }},
    {"conv2d depthwise",
     [](Run& t) { return conv2d(t["x"], t["w"], {.padding = 1, .groups = 5}); }},
    {"conv2d depthwise stride 2 multiplier 2",
     [](Run& t) { return conv2d(t["x"], t["w"], {.stride = 2, .groups = 3}); }},
    {"Conv2d",
     [](Run& t) {
       Rng rng = fresh();
       Conv2d layer(4, 6, {.stride = 2, .padding = 1, .groups = 2}, rng);
       return t.through(layer);
     }},
    {"conv_transpose2d", [](Run& t) { return conv_transpose2d(t["x"], t["w"]); }},
    {"conv_transpose2d stride 2 output_padding 1",
     [](Run& t) { return conv_transpose2d(t["x"], t["w"], {.stride = 2, .padding = 1}, 1); }},
    {"conv_transpose2d stride 3 output_padding 2",
     [](Run& t) { return conv_transpose2d(t["x"], t["w"], {.stride = 3, .padding = 1}, 2); }},
    {"conv_transpose2d dilation 2",
     [](Run& t) { return conv_transpose2d(t["x"], t["w"], {.padding = 1, .dilation = 2}); }},
    {"conv_transpose2d groups 2",
     [](Run& t) {
       return conv_transpose2d(t["x"], t["w"], {.stride = 2, .padding = 1, .groups = 2});
     }},
    {"ConvTranspose2d",
     [](Run& t) {
       Rng rng = fresh();
       ConvTranspose2d layer(4, 6, {.stride = 2, .padding = 1, .groups = 2}, 1, rng);
       return t.through(layer);
     }},
};

const std::vector<Case> kNorms = {
    {"BatchNorm2d train",
     [](Run& t) {
       BatchNorm2d layer(4);
       return t.through(layer);
     }},
    {"BatchNorm2d evaluate",
     [](Run& t) {
       BatchNorm2d layer(4);
       return t.through(layer, Mode::evaluate);
     }},
    {"InstanceNorm2d",
     [](Run& t) {
       InstanceNorm2d layer(3);
       return t.through(layer);
     }},
    {"GroupNorm",
     [](Run& t) {
       GroupNorm layer(2, 6);
       return t.through(layer);
     }},
    {"LayerNorm",
     [](Run& t) {
       LayerNorm layer(10);
       return t.through(layer);
     }},
    {"group_norm plain epsilon 0.1", [](Run& t) { return group_norm(t["x"], 3, {}, {}, 0.1); }},
    {"layer_norm plain epsilon 0.1", [](Run& t) { return layer_norm(t["x"], {}, {}, 0.1); }},
};

const std::vector<Case> kImages = {
    {"max_pool2d", [](Run& t) { return max_pool2d(t["x"]); }},
    {"max_pool2d 3 stride 2 padding 1",
     [](Run& t) { return max_pool2d(t["x"], {.size = 3, .stride = 2, .padding = 1}); }},
    {"max_pool2d ceil",
     [](Run& t) { return max_pool2d(t["x"], {.size = 3, .stride = 2, .ceil = true}); }},
    {"max_pool2d ceil padding 1",
     [](Run& t) {
       return max_pool2d(t["x"], {.size = 2, .stride = 3, .padding = 1, .ceil = true});
     }},
    {"avg_pool2d", [](Run& t) { return avg_pool2d(t["x"]); }},
    {"avg_pool2d 3 stride 2 padding 1",
     [](Run& t) { return avg_pool2d(t["x"], {.size = 3, .stride = 2, .padding = 1}); }},
    {"adaptive_avg_pool2d", [](Run& t) { return adaptive_avg_pool2d(t["x"], 3, 4); }},
    {"adaptive_avg_pool2d larger", [](Run& t) { return adaptive_avg_pool2d(t["x"], 5, 4); }},
    {"global_avg_pool2d", [](Run& t) { return global_avg_pool2d(t["x"]); }},
    {"resize_bilinear up", [](Run& t) { return resize_bilinear(t["x"], 7, 8); }},
    {"resize_bilinear down", [](Run& t) { return resize_bilinear(t["x"], 3, 5); }},
    {"resize_bilinear up and down", [](Run& t) { return resize_bilinear(t["x"], 6, 4); }},
    // PyTorch finds the source of a pixel by f32 arithmetic; at these sizes it is the exact one
    {"resize_nearest up", [](Run& t) { return resize_nearest(t["x"], 7, 8); }},
    {"resize_nearest down", [](Run& t) { return resize_nearest(t["x"], 3, 5); }},
};

const std::vector<Case> kLosses = {
    {"cross_entropy", [](Run& t) { return cross_entropy(t["logits"], t["labels"]); }},
    {"cross_entropy label smoothing",
     [](Run& t) { return cross_entropy(t["logits"], t["labels"], {.label_smoothing = 0.125}); }},
    {"cross_entropy weights",
     [](Run& t) {
       return cross_entropy(t["logits"], t["labels"], {.class_weights = t["weights"]});
     }},
    {"cross_entropy weights label smoothing",
     [](Run& t) {
       return cross_entropy(
           t["logits"], t["labels"], {.label_smoothing = 0.25, .class_weights = t["weights"]});
     }},
    {"soft_cross_entropy", [](Run& t) { return soft_cross_entropy(t["a"], t["b"]); }},
    {"nll", [](Run& t) { return nll(log_softmax(t["logits"]), t["labels"]); }},
    {"l1", [](Run& t) { return l1(t["a"], t["b"]); }},
    {"huber", [](Run& t) { return huber(t["a"], t["b"], 0.75); }},
    {"mse", [](Run& t) { return mse(t["a"], t["b"]); }},
    {"bce_with_logits", [](Run& t) { return bce_with_logits(t["a"], t["b"]); }},
    {"kl_divergence", [](Run& t) { return kl_divergence(t["a"], t["b"]); }},
    {"hinge", [](Run& t) { return hinge(t["a"], t["b"]); }},
    // Our epsilon stands inside the root, PyTorch's bounds the lengths; rows here are much longer
    {"cosine_similarity", [](Run& t) { return cosine_similarity(t["a"], t["b"]); }},
};

const std::vector<Case> kFunctions = {
    {"relu", [](Run& t) { return relu(t["x"]); }},
    {"relu6", [](Run& t) { return relu6(t["x"]); }},
    {"leaky_relu", [](Run& t) { return leaky_relu(t["x"], 0.2); }},
    {"elu", [](Run& t) { return elu(t["x"], 0.7); }},
    {"silu", [](Run& t) { return silu(t["x"]); }},
    {"gelu", [](Run& t) { return gelu(t["x"]); }},
    {"softplus", [](Run& t) { return softplus(t["x"]); }},
    {"sigmoid", [](Run& t) { return sigmoid(t["x"]); }},
    {"tanh", [](Run& t) { return tanh(t["x"]); }},
    {"erf", [](Run& t) { return erf(t["x"]); }},
    {"clamp", [](Run& t) { return clamp(t["x"], -1, 2); }},
    {"softmax", [](Run& t) { return softmax(t["x"]); }},
    {"log_softmax", [](Run& t) { return log_softmax(t["x"]); }},
    {"log_sum_exp", [](Run& t) { return log_sum_exp(t["x"]); }},
    {"variance", [](Run& t) { return variance(t["x"], {0}); }},
    {"norm", [](Run& t) { return norm(t["x"], {1}); }},
    {"max", [](Run& t) { return max(t["x"], 1); }},
    {"cumsum", [](Run& t) { return cumsum(t["x"], 1); }},
    {"arithmetic with broadcasting",
     [](Run& t) { return (t["a"] - t["b"]) * t["a"] / t["b"] + t["b"]; }},
    {"maximum and minimum",
     [](Run& t) { return maximum(t["a"], t["b"]) - 2 * minimum(t["a"], t["b"]); }},
    {"gather", [](Run& t) { return gather(t["x"], t["index"], 1); }},
    {"matmul", [](Run& t) { return matmul(t["a"], t["b"]); }},
    {"matmul transposed",
     [](Run& t) { return matmul(t["a"], t["b"], {.transpose_a = true, .transpose_b = true}); }},
    {"matmul batched", [](Run& t) { return matmul(t["a"], t["b"]); }},
    {"matmul batched transposed",
     [](Run& t) { return matmul(t["a"], t["b"], {.transpose_b = true}); }},
    {"matmul one matrix for all", [](Run& t) { return matmul(t["a"], t["b"]); }},
};

const std::vector<Case> kLayersAndNetworks = {
    {"Linear",
     [](Run& t) {
       Rng rng = fresh();
       Linear layer(7, 5, rng);
       return t.through(layer);
     }},
    {"Embedding",
     [](Run& t) {
       Rng rng = fresh();
       Embedding layer(6, 4, rng);
       return t.through(layer);
     }},
    {"MultiheadAttention",
     [](Run& t) {
       Rng rng = fresh();
       MultiheadAttention layer(12, 3, rng);
       return t.through(layer);
     }},
    {"TransformerEncoderLayer",
     [](Run& t) {
       Rng rng = fresh();
       TransformerEncoderLayer layer(12, 3, 20, rng);
       return t.through(layer);
     }},
    {"lenet5",
     [](Run& t) {
       return t.network("lenet5", {.input = {1, 16, 16}, .classes = 10});
     }},
    {"resnet8 train",
     [](Run& t) {
       return t.network("resnet8", {.input = {3, 8, 8}, .classes = 4});
     }},
    {"resnet8 evaluate",
     [](Run& t) {
       return t.network("resnet8", {.input = {3, 8, 8}, .classes = 4}, Mode::evaluate);
     }},
};

const std::vector<Case> kTraining = {
    {"Sgd plain", [](Run& t) { return t.five_steps<Sgd>(SgdOptions{.momentum = 0}); }},
    {"Sgd momentum",
     [](Run& t) { return t.five_steps<Sgd>(SgdOptions{.momentum = 0.9, .weight_decay = 0.05}); }},
    {"Sgd nesterov",
     [](Run& t) {
       return t.five_steps<Sgd>(
           SgdOptions{.momentum = 0.8, .weight_decay = 0.05, .nesterov = true});
     }},
    {"Adam", [](Run& t) { return t.five_steps<Adam>(AdamOptions{}); }},
    {"Adam weight decay",
     [](Run& t) {
       return t.five_steps<Adam>(
           AdamOptions{.beta1 = 0.8, .beta2 = 0.95, .epsilon = 0.01, .weight_decay = 0.05});
     }},
    {"AdamW",
     [](Run& t) {
       return t.five_steps<Adam>(AdamOptions{.weight_decay = 0.05, .decouples_decay = true});
     }},
    {"RmsProp", [](Run& t) { return t.five_steps<RmsProp>(RmsPropOptions{}); }},
    {"RmsProp momentum",
     [](Run& t) {
       return t.five_steps<RmsProp>(
           RmsPropOptions{.alpha = 0.9, .epsilon = 0.01, .weight_decay = 0.05, .momentum = 0.8});
     }},
    {"cosine", [](Run&) { return rates({.kind = Schedule::Kind::cosine}); }},
    {"step", [](Run&) { return rates({.kind = Schedule::Kind::step, .step_every = 6}); }},
    {"multi-step",
     [](Run&) {
       return rates({.kind = Schedule::Kind::multi_step, .milestones = {5, 11}});
     }},
    {"one-cycle", [](Run&) { return rates({.kind = Schedule::Kind::one_cycle}); }},
};

// ---- Comparing ----------------------------------------------------------------------------------

// max|a - b| / max|b|; infinite if the shapes differ or anything is not finite
double error_of(const Tensor& a, const Tensor& b) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (a.shape() != b.shape()) return kInfinity;
  const std::vector<double> ours = a.to_vector();
  const std::vector<double> theirs = b.to_vector();
  double difference = 0;
  double largest = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    if (!std::isfinite(ours[i]) || !std::isfinite(theirs[i])) return kInfinity;
    difference = std::max(difference, std::abs(ours[i] - theirs[i]));
    largest = std::max(largest, std::abs(theirs[i]));
  }
  if (difference == 0) return 0;
  return largest > 0 ? difference / largest : kInfinity;
}

// Entries 0, k, 2k, ... with k = ceil(count / 256)
Tensor sampled(const Tensor& x) {
  const std::vector<double> all = x.to_vector();
  const size_t k = (all.size() + 255) / 256;
  std::vector<double> kept;
  for (size_t i = 0; i < all.size(); i += k) kept.push_back(all[i]);
  return Tensor::of({static_cast<int64_t>(kept.size())}, kept, x.dtype());
}

struct Worst {
  double error = 0;
  std::string tensor = "none";
  int tensors = 0;
};

// Runs a case in one type and compares all that is stored for it.
void compare(
    const NamedValues& stored, const Case& c, DType dtype, double tolerance, Worst& worst) {
  const std::string name = c.name;
  const std::string prefix = name + "/" + name_of(dtype) + "/";
  const NamedValues expected = stored_below(stored, prefix);
  if (expected.empty()) return;  // schedules are f64 only

  // Forward, then one sweep for all gradients that are stored
  Run run(stored, name, dtype);
  NamedValues ours = {{"output", c.output(run)}};
  std::vector<std::string> results;
  std::vector<Tensor> leaves;
  for (const auto& [result, value] : expected) {
    if (result == "output") continue;
    const size_t dot = result.find('.');
    const std::string kind = result.substr(0, dot);
    if (kind == "grad" || kind == "sampled") {
      results.push_back(result);
      leaves.push_back(run[result.substr(dot + 1)]);
    } else {
      ours[result] = run[result];  // a buffer after the run
    }
  }
  if (!leaves.empty()) {
    const Tensor seed = to(stored.at(name + "/seed"), dtype);
    const std::vector<Tensor> gradients = grad(ours["output"], leaves, {.seed = seed});
    for (size_t i = 0; i < leaves.size(); ++i) {
      const bool is_long = results[i].starts_with("sampled.");
      ours[results[i]] = is_long ? sampled(gradients[i]) : gradients[i];
    }
  }

  for (const auto& [result, value] : expected) {
    const Tensor& mine = ours.at(result);
    INFO(prefix, result);
    CHECK(mine.dtype() == dtype);
    const double error = error_of(mine, value);
    CHECK(error <= tolerance);
    worst.tensors += 1;
    if (error > worst.error) {
      worst.error = error;
      worst.tensor = name + ", " + result;
    }
  }
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (const auto* table :
       {&kConvolutions, &kNorms, &kImages, &kLosses, &kFunctions, &kLayersAndNetworks,
        &kTraining}) {
    all.insert(all.end(), table->begin(), table->end());
  }
  return all;
}

TEST_CASE("outputs and gradients agree with PyTorch's") {
  const SafetensorsFile file =
      load_safetensors(LIMPID_SOURCE_DIR "/tests/golden/golden.safetensors");
  const std::vector<Case> cases = all_cases();

  // The file and the table have the same cases
  std::set<std::string> stored_names;
  for (const auto& [name, value] : file.tensors)
    stored_names.insert(name.substr(0, name.find('/')));
  std::set<std::string> table_names;
  for (const Case& c : cases) table_names.insert(c.name);
  CHECK(table_names.size() == cases.size());
  CHECK(stored_names == table_names);
  CHECK(cases.size() >= 40);

  Worst f64, f32;
  for (const Case& c : cases) {
    INFO(c.name);
    if (!stored_names.contains(c.name)) continue;
    CHECK(file.tensors.contains(std::string(c.name) + "/f64/output"));
    CHECK_NOTHROW(compare(file.tensors, c, DType::f64, 1e-10, f64));
    CHECK_NOTHROW(compare(file.tensors, c, DType::f32, 1e-5, f32));
  }
  std::printf(
      "golden: %zu cases\n  f64 worst %.1e of %d tensors (%s)\n  f32 worst %.1e of %d tensors "
      "(%s)\n",
      cases.size(), f64.error, f64.tensors, f64.tensor.c_str(), f32.error, f32.tensors,
      f32.tensor.c_str());
}

}  // namespace
}  // namespace limpid
