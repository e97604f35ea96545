// framework/nn/module.cpp: the walks over a module tree.
#include "framework/nn/module.h"

#include "framework/core/error.h"

#include <algorithm>
#include <fnmatch.h>
#include <set>

namespace limpid {

// ---- Pass ----

Rng& Pass::rng() const {
  check_value(
      rng_ != nullptr, "dropout", "a training pass needs a random stream: Pass(mode, &rng)");
  return *rng_;
}

Pass Pass::repeated(Rng* rng) const {
  Pass pass(mode_, has_rng() ? rng : nullptr);
  pass.drops_ = drops_;
  pass.rows_ = rows_;
  pass.freeze_statistics();
  return pass;
}

void Pass::watch(const Module& layer) { watched_.push_back({&layer, Tensor(), 0}); }

const Tensor& Pass::activation(const Module& layer) const {
  for (const Watched& watched : watched_) {
    if (watched.layer != &layer) continue;
    check_value(
        watched.runs == 1, "activation", "the watched ", layer.type(), " ran ", watched.runs,
        " times in this pass");
    return watched.output;
  }
  raise<ValueError>("activation", "this ", layer.type(), " was not watched");
}

Tensor Pass::after(const Module& layer, const Tensor& input, Tensor output) {
  if (substitute) output = substitute(layer, input, output);
  if (observer) observer(layer, input, output);
  for (Watched& watched : watched_) {
    if (watched.layer != &layer) continue;
    if (!output.requires_gradient()) {
      // Detached first: a layer may have returned the caller's own tensor
      output = output.detach();
      output.require_gradient();
    }
    watched.output = output;
    ++watched.runs;
  }
  return output;
}

// ---- Module ----

void Visitor::child(const std::string& name, Module& module) {
  const std::string before = prefix_;
  on_module(prefix_ + name, module);
  prefix_ += name + ".";
  module.visit(*this);
  prefix_ = before;
}

Tensor Module::operator()(const Tensor& x, Pass& pass) {
  return pass.after(*this, x, forward(x, pass));
}

int64_t Module::macs(const Shape&, const Shape&) const { return 0; }

namespace {

// Calls functions for each kind of state; null where a walk does not ask.
class Collect : public Visitor {
 public:
  NamedTensors* parameters = nullptr;
  NamedTensors* buffers = nullptr;
  NamedModules* modules = nullptr;

 private:
  void on_parameter(const std::string& name, Tensor& tensor) override {
    if (parameters != nullptr) parameters->emplace_back(name, tensor);
  }
  void on_buffer(const std::string& name, Tensor& tensor) override {
    if (buffers != nullptr) buffers->emplace_back(name, tensor);
  }
  void on_module(const std::string& name, Module& module) override {
    if (modules != nullptr) modules->emplace_back(name, &module);
  }
};

// Replaces each tensor by a converted one; parameters stay leaves.
class Convert : public Visitor {
 public:
  explicit Convert(DType dtype) : dtype_(dtype) {}

 private:
  Tensor converted(const Tensor& tensor) const {
    if (!is_float(tensor.dtype())) return tensor;
    Tensor copy = Tensor::empty(tensor.shape(), dtype_);
    copy.assign(tensor);
    return copy;
  }
  void on_parameter(const std::string&, Tensor& tensor) override {
    tensor = converted(tensor).require_gradient();
  }
  void on_buffer(const std::string&, Tensor& tensor) override { tensor = converted(tensor); }

  DType dtype_;
};

// Cuts parameters off the graph.
class Freeze : public Visitor {
 public:
  explicit Freeze(const std::string& pattern) : pattern_(pattern) {}
  std::vector<std::string> names;

 private:
  void on_parameter(const std::string& name, Tensor& tensor) override {
    if (fnmatch(pattern_.c_str(), name.c_str(), 0) != 0) return;
    tensor = tensor.detach();
    names.push_back(name);
  }

  std::string pattern_;
};

}  // namespace

NamedTensors parameters(Module& module) {
  NamedTensors found;
  Collect collect;
  collect.parameters = &found;
  module.visit(collect);
  return found;
}

NamedTensors buffers(Module& module) {
  NamedTensors found;
  Collect collect;
  collect.buffers = &found;
  module.visit(collect);
  return found;
}

NamedTensors state(Module& module) {
  NamedTensors found;
  Collect collect;
  collect.parameters = collect.buffers = &found;
  module.visit(collect);
  return found;
}

NamedModules layers(Module& module) {
  NamedModules found;
  Collect collect;
  collect.modules = &found;
  module.visit(collect);
  return found;
}

Module& find_layer(Module& module, const std::string& name) {
  std::string valid;
  for (const auto& [layer_name, layer] : layers(module)) {
    if (layer_name == name) return *layer;
    valid += (valid.empty() ? "" : ", ") + layer_name;
  }
  raise<ValueError>("layer", "no layer '", name, "'; there are: ", valid);
}

bool depends_on_mode(Module& module) {
  return module.depends_on_mode() || std::ranges::any_of(layers(module), [](const auto& layer) {
           return layer.second->depends_on_mode();
         });
}

int64_t parameter_count(Module& module) {
  int64_t count = 0;
  for (const auto& [name, tensor] : parameters(module)) count += tensor.numel();
  return count;
}

std::vector<std::string> freeze(Module& module, const std::string& pattern) {
  Freeze freezer(pattern);
  module.visit(freezer);
  std::string first;
  for (const auto& [name, tensor] : parameters(module)) first += first.empty() ? name : "";
  check_value(
      !freezer.names.empty(), "freeze", "no parameter fits '", pattern, "'; the first is ", first);
  return freezer.names;
}

void convert(Module& module, DType dtype) {
  Convert converter(dtype);
  module.visit(converter);
}

std::string state_differences(
    Module& module, const std::map<std::string, Tensor>& tensors,
    bool (*is_foreign)(const std::string&)) {
  std::string problems;
  const auto note = [&](const auto&... parts) {
    problems += join_text(problems.empty() ? "" : "; ", parts...);
  };
  std::set<std::string> known;
  for (const auto& [name, tensor] : state(module)) {
    known.insert(name);
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
      note("missing ", name, " ", tensor.shape());
    } else if (found->second.shape() != tensor.shape()) {
      note(name, " is ", found->second.shape(), ", the model needs ", tensor.shape());
    }
  }
  for (const auto& [name, tensor] : tensors) {
    const bool skipped = is_foreign != nullptr && is_foreign(name);
    if (!skipped && !known.contains(name)) note("unexpected ", name, " ", tensor.shape());
  }
  return problems;
}

void load_state(
    Module& module, const std::map<std::string, Tensor>& tensors,
    bool (*is_foreign)(const std::string&)) {
  const std::string problems = state_differences(module, tensors, is_foreign);
  check_value(problems.empty(), "weights", problems);
  for (auto& [name, tensor] : state(module)) tensor.assign(tensors.at(name));
}

void load_fitting_state(Module& module, const std::map<std::string, Tensor>& tensors) {
  bool fits_any = false;
  for (auto& [name, tensor] : state(module)) {
    const auto found = tensors.find(name);
    if (found == tensors.end() || found->second.shape() != tensor.shape()) continue;
    tensor.assign(found->second);
    fits_any = true;
  }
  check_value(fits_any, "weights", "none fits the model: ", state_differences(module, tensors));
}

}  // namespace limpid
