// framework/import/onnx.h: networks from ONNX files, as modules like all others.
//
// A file holds a graph: named values, and nodes that compute values from values. Reading it checks
// all that can be checked without running: the wire format, tensors against their bytes, operators
// and their attributes, and that every value has one origin. Weights in other files, subgraphs (If,
// Loop), quantised types and custom operators are refused.
//
// A node whose result depends on an input of the model is a layer: it is listed under the node's
// name, shown to the Pass, and owns the weights that it is the first to use. The rest computes
// shapes from shapes. A model runs as in inference, in training passes too: batch norm uses the
// statistics of the file and dropout is the identity. Gradients reach all weights.
//
//   const auto model = load_onnx(read_file(path, limit), path);
//   Pass pass;
//   const Tensor logits = (*model)(images, pass);
//
// Wire format  wire.h      Messages  onnx_graph.h      Operators  onnx_operators.h
#pragma once

#include "framework/core/dtype.h"
#include "framework/nn/models.h"
#include "framework/nn/module.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace limpid {

namespace onnx {
struct Plan;  // onnx_plan.h
}

/// An input or output as a model declares it.
struct OnnxValue {
  std::string name;
  DType dtype = DType::f32;
  bool has_shape = false;      // else `sizes` says nothing
  std::vector<int64_t> sizes;  // -1 where a size is symbolic or left open
};

/// The graph of a file as a network: its weights are its parameters.
class OnnxModel : public Module {
 public:
  OnnxModel(std::unique_ptr<onnx::Plan> plan, const std::string& file);
  ~OnnxModel() override;
  const char* type() const override { return "OnnxModel"; }
  void visit(Visitor& v) override;

  /// What must be given, without the weights, and what comes out, in the order of the file.
  const std::vector<OnnxValue>& inputs() const;
  const std::vector<OnnxValue>& outputs() const;
  /// One example and the number of classes of a model with one input [N, ...] and a first output
  /// [N, classes]. If the file does not state the classes, one example of zeros is run to see them.
  /// Throws FormatError if the file leaves another size open or has other inputs and outputs.
  ModelShape shape();

  /// The values of all outputs. Throws ValueError if an input is missing or unknown, ShapeError if
  /// a size differs from the declared one, except for the first, the batch; FormatError naming the
  /// node if an operator cannot work with its operands.
  std::vector<Tensor> run(const std::map<std::string, Tensor>& inputs, Pass& pass);

 private:
  /// The first output of a model with one input; [N, K, 1, 1] comes as [N, K].
  Tensor forward(const Tensor& x, Pass& pass) override;

  std::unique_ptr<onnx::Plan> plan_;
  std::string file_;
};

/// Reads a model from the bytes of a file. Throws FormatError `file: Operator "node": why`, where
/// `file` is only a name. No tensor is made larger than its bytes, except for INT32, which becomes
/// i64. Running a model may take any amount of memory, as its file demands.
std::unique_ptr<OnnxModel> load_onnx(std::span<const std::byte> bytes, const std::string& file);

/// Reads one tensor by itself (TensorProto), as the data sets of ONNX's tests hold them.
Tensor load_onnx_tensor(std::span<const std::byte> bytes, const std::string& file);

/// Whether the importer knows an operator of that name.
bool knows_onnx_operator(const std::string& type);

}  // namespace limpid
