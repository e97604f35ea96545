// interpret/shallow/shallow_file.cpp: a shallow network as a safetensors file.
#include "framework/core/error.h"
#include "framework/io/safetensors.h"
#include "interpret/shallow/shallow_network.h"

#include <limits>
#include <map>

namespace limpid::interpret {
namespace {

constexpr const char* kFormat = "limpid shallow 1";

std::string layer_name(size_t number, const char* part) {
  return join_text("layer", number + 1, ".", part);
}

int64_t number_in(const SafetensorsFile& file, const std::string& path, const char* key) {
  const auto found = file.tensors.find(key);
  if (found == file.tensors.end() || found->second.dtype() != DType::i64 ||
      found->second.numel() != 1) {
    throw FormatError(path, key, "missing, or not one integer");
  }
  return found->second.data<int64_t>()[0];
}

template <class T>
std::vector<T> column_in(
    const SafetensorsFile& file, const std::string& path, const std::string& key) {
  const auto found = file.tensors.find(key);
  if (found == file.tensors.end() || found->second.dtype() != dtype_of<T> ||
      found->second.rank() != 1) {
    throw FormatError(path, key, "missing, or not a list of the right type");
  }
  const auto values = found->second.values<T>();
  return {values.begin(), values.end()};
}

void check_layer(const ExtendedLayer& layer, const std::string& path, const std::string& name) {
  const auto fail = [&](const char* why) { throw FormatError(path, name, why); };
  if (layer.start.size() != layer.bias.size() + 1 || layer.start[0] != 0) fail("rows do not fit");
  for (size_t i = 0; i + 1 < layer.start.size(); ++i) {
    if (layer.start[i] > layer.start[i + 1]) fail("rows do not ascend");
  }
  if (layer.start.back() != std::ssize(layer.column) || layer.column.size() != layer.value.size()) {
    fail("entries do not fit");
  }
  for (const int64_t c : layer.column) {
    if (c < 0 || c >= layer.columns) fail("a column is out of range");
  }
  for (const double v : layer.value) {
    if (!(v < std::numeric_limits<double>::infinity())) fail("a weight is NaN or +infinity");
  }
}

}  // namespace

void save_shallow(const std::string& path, const ShallowNetwork& network) {
  std::map<std::string, Tensor> tensors;
  const auto integers = [](const std::vector<int64_t>& values) {
    return Tensor::of_integers({std::ssize(values)}, values);
  };
  const auto reals = [](const std::vector<double>& values) {
    return Tensor::of({std::ssize(values)}, values, DType::f64);
  };
  for (size_t l = 0; l < network.layers.size(); ++l) {
    const ExtendedLayer& layer = network.layers[l];
    tensors[layer_name(l, "start")] = integers(layer.start);
    tensors[layer_name(l, "column")] = integers(layer.column);
    tensors[layer_name(l, "value")] = reals(layer.value);
    tensors[layer_name(l, "bias")] = reals(layer.bias);
  }
  tensors["inputs"] = integers({network.inputs});
  tensors["outputs"] = integers({network.outputs});
  tensors["regions"] = integers({network.regions});
  tensors["conditions"] = integers({network.conditions});
  save_safetensors(
      path, tensors,
      {{"format", kFormat},
       {"boundary", network.boundary == Boundary::closed ? "closed" : "half-open"},
       {"arithmetic", "y = relu(W x + b), three times, then W x + b; 0 * -inf = 0, relu(-inf) = 0"},
       {"layout", "row i of W: value[e] at column[e] for start[i] <= e < start[i + 1]"}});
}

ShallowNetwork load_shallow(const std::string& path) {
  const SafetensorsFile file = load_safetensors(path);
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kFormat) {
    throw FormatError(path, "format", "not a shallow network");
  }
  ShallowNetwork network;
  const auto boundary = file.metadata.find("boundary");
  network.boundary = boundary != file.metadata.end() && boundary->second == "closed"
                         ? Boundary::closed
                         : Boundary::half_open;
  network.inputs = number_in(file, path, "inputs");
  network.outputs = number_in(file, path, "outputs");
  network.regions = number_in(file, path, "regions");
  network.conditions = number_in(file, path, "conditions");
  int64_t columns = network.inputs;
  for (size_t l = 0; l < network.layers.size(); ++l) {
    ExtendedLayer& layer = network.layers[l];
    layer.columns = columns;
    layer.start = column_in<int64_t>(file, path, layer_name(l, "start"));
    layer.column = column_in<int64_t>(file, path, layer_name(l, "column"));
    layer.value = column_in<double>(file, path, layer_name(l, "value"));
    layer.bias = column_in<double>(file, path, layer_name(l, "bias"));
    check_layer(layer, path, layer_name(l, "start"));
    columns = layer.rows();
  }
  if (network.inputs < 1 || network.outputs < 1 || network.layers[3].rows() != network.outputs ||
      network.layers[2].rows() % 2 != 0 ||
      network.layers[2].rows() / 2 / network.outputs != network.regions) {
    throw FormatError(path, "regions", "sizes do not fit");
  }
  return network;
}

}  // namespace limpid::interpret
