// tests/import/run_node.h: a model of one node, made and run on the spot.
#pragma once

#include "framework/core/rng.h"
#include "framework/import/onnx.h"
#include "framework/io/files.h"
#include "tests/import/onnx_writer.h"

#include <string>
#include <vector>

namespace limpid {

using Attributes = std::vector<write::Message>;

/// The result of one node on these operands. The first is given as an input of the model, the
/// others are weights; an undefined one is left out.
inline Tensor run_node(
    const std::string& type, const std::vector<Tensor>& operands, const Attributes& attributes = {},
    int64_t opset = 13) {
  write::Graph graph{.nodes = {}, .outputs = {write::value("y", {})}, .opset = opset};
  write::Names names;
  for (size_t k = 0; k < operands.size(); ++k) {
    names.push_back(operands[k].defined() ? "x" + std::to_string(k) : "");
    if (k > 0 && operands[k].defined()) graph.initializers.emplace_back(names[k], operands[k]);
  }
  const auto sizes = operands[0].shape().sizes();
  const DType dtype = operands[0].dtype();
  graph.inputs = {write::value(
      "x0", {sizes.begin(), sizes.end()},
      dtype == DType::f32   ? 1
      : dtype == DType::f64 ? 11
                            : 7)};
  graph.nodes = {write::node(type, names, {"y"}, attributes)};
  const auto model = load_onnx(as_bytes(write::model(graph)), "m");
  Pass pass;
  return model->run({{"x0", operands[0]}}, pass).front();
}

inline Tensor random(const Shape& shape, uint64_t seed = 1) {
  Rng rng(seed);
  return Tensor::normal(shape, rng, 0, 1);
}

inline Tensor list(std::initializer_list<int64_t> values) {
  return Tensor::of_integers({std::ssize(values)}, values);
}

}  // namespace limpid
