// framework/nn/module.h: layers and networks.
//
// A module lists its state once, in visit(): parameters for the optimiser, buffers, children. The
// optimiser, checkpoints, conversion, counting and printing all go through that list.
#pragma once

#include "framework/nn/pass.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace limpid {

class Module;

/// Walks the state of a module tree. Names are joined with dots: "layer1.0.conv1.weight".
class Visitor {
 public:
  virtual ~Visitor() = default;
  /// A tensor that the optimiser updates.
  void parameter(const std::string& name, Tensor& tensor) { on_parameter(prefix_ + name, tensor); }
  /// State that is saved but not trained: running statistics.
  void buffer(const std::string& name, Tensor& tensor) { on_buffer(prefix_ + name, tensor); }
  void child(const std::string& name, Module& module);

 protected:
  virtual void on_parameter(const std::string&, Tensor&) {}
  virtual void on_buffer(const std::string&, Tensor&) {}
  virtual void on_module(const std::string&, Module&) {}

 private:
  std::string prefix_;
};

/// A layer or a network: state listed by visit(), and a function of an input and a pass.
class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Runs the layer and shows the result to the pass. Throws ShapeError naming the op that did
  /// not fit.
  Tensor operator()(const Tensor& x, Pass& pass);

  /// The class name, as in tables: "Conv2d".
  virtual const char* type() const = 0;
  virtual void visit(Visitor& visitor) = 0;
  /// Multiply-adds of one forward pass with these shapes; 0 where nothing is multiplied.
  virtual int64_t macs(const Shape& input, const Shape& output) const;
  /// Whether this layer itself computes something else in training than in evaluation.
  virtual bool depends_on_mode() const { return false; }

 private:
  virtual Tensor forward(const Tensor& x, Pass& pass) = 0;
};

/// A name and the tensor or layer it names, in visiting order.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
using NamedModules = std::vector<std::pair<std::string, Module*>>;

/// What the optimiser updates, and what is saved besides, with names joined by dots.
NamedTensors parameters(Module& module);
NamedTensors buffers(Module& module);
/// Parameters and buffers: what a weights file holds.
NamedTensors state(Module& module);
/// All layers below the module, without itself.
NamedModules layers(Module& module);
/// The layer of that name. Throws ValueError listing the valid names.
Module& find_layer(Module& module, const std::string& name);
int64_t parameter_count(Module& module);
/// Whether the module or a layer below it computes something else in training: batch norm, dropout.
bool depends_on_mode(Module& module);

/// Freezes the parameters whose name fits the pattern, where * stands for any text and ? for one
/// character (POSIX fnmatch): they no longer require a gradient. Running statistics still follow
/// the data of a training pass. Returns the names. Throws ValueError if none fits.
std::vector<std::string> freeze(Module& module, const std::string& pattern);

/// Converts all parameters and buffers; gradients are dropped.
void convert(Module& module, DType dtype);
/// What is missing, unexpected or misshapen in `tensors`, in one line; empty if nothing is.
/// Names for which `is_foreign` returns true are not looked at.
std::string state_differences(
    Module& module, const std::map<std::string, Tensor>& tensors,
    bool (*is_foreign)(const std::string& name) = nullptr);
/// Copies values by name. Throws ValueError with state_differences() before anything is written.
void load_state(
    Module& module, const std::map<std::string, Tensor>& tensors,
    bool (*is_foreign)(const std::string& name) = nullptr);

/// Copies the values whose name and shape the model has. Throws ValueError if none fits.
void load_fitting_state(Module& module, const std::map<std::string, Tensor>& tensors);

}  // namespace limpid
