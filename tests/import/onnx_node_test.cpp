// tests/import/onnx_node_test.cpp: the tests that ONNX itself ships, one small model per case.
//
// Debian's libonnx-testdata holds them. A case counts if the importer knows all its operators. It
// must give the right values, or be refused with a reason; wrong values fail.
#include "framework/core/error.h"
#include "framework/import/onnx.h"
#include "framework/import/wire.h"
#include "framework/io/files.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

using namespace limpid;
namespace fs = std::filesystem;

namespace {

const fs::path kRoot = "/usr/share/libonnx-testdata/data";
constexpr double kRelative = 1e-3;  // as in ONNX's own runner
constexpr double kAbsolute = 1e-6;
constexpr int64_t kMaxBytes = int64_t{1} << 24;

enum class Verdict : uint8_t { passed, refused, wrong };

struct Result {
  Verdict verdict;
  std::string reason = {};
};

bool agrees(const Tensor& actual, const Tensor& expected) {
  if (actual.shape() != expected.shape()) return false;
  const std::vector<double> a = actual.to_vector();
  const std::vector<double> b = expected.to_vector();
  return std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) {
    return x == y || (std::isnan(x) && std::isnan(y)) ||
           std::abs(x - y) <= kAbsolute + kRelative * std::abs(y);
  });
}

Tensor tensor_of(const fs::path& path) {
  return load_onnx_tensor(read_file(path, kMaxBytes), path.filename());
}

/// The values of a case's data set against those of the model.
Result compare(OnnxModel& model, const fs::path& data) {
  std::map<std::string, Tensor> inputs;
  for (size_t k = 0; k < model.inputs().size(); ++k) {
    inputs[model.inputs()[k].name] = tensor_of(data / ("input_" + std::to_string(k) + ".pb"));
  }
  Pass pass;
  const std::vector<Tensor> actual = model.run(inputs, pass);
  for (size_t k = 0; k < actual.size(); ++k) {
    const Tensor expected = tensor_of(data / ("output_" + std::to_string(k) + ".pb"));
    if (!agrees(actual[k], expected)) {
      return {Verdict::wrong, to_string(actual[k]) + " instead of " + to_string(expected)};
    }
  }
  return {Verdict::passed};
}

/// Whether the importer knows the operator of every node: ModelProto.graph.node.op_type.
bool knows_operators(const std::vector<std::byte>& bytes) {
  const std::string file = "model.onnx";
  WireReader model(bytes, file);
  while (model.next()) {
    if (model.number() != 7) continue;
    WireReader graph = model.message();
    while (graph.next()) {
      if (graph.number() != 1) continue;
      WireReader node = graph.message();
      while (node.next()) {
        if (node.number() == 4 && !knows_onnx_operator(std::string(node.text()))) return false;
      }
    }
  }
  return true;
}

Result judge(const fs::path& folder) {
  try {
    const auto model = load_onnx(read_file(folder / "model.onnx", kMaxBytes), "model.onnx");
    return compare(*model, folder / "test_data_set_0");
  } catch (const Error& error) {
    return {Verdict::refused, error.what()};
  }
}

}  // namespace

TEST_CASE("onnx: the node tests of ONNX give the right values or are refused") {
  if (!fs::exists(kRoot / "node")) {
    MESSAGE("onnx node tests: not run, libonnx-testdata is not installed");
    return;
  }
  const bool is_verbose = std::getenv("LIMPID_ONNX_VERBOSE") != nullptr;
  std::map<Verdict, int> counts;
  for (const char* group : {"node", "pytorch-converted", "pytorch-operator", "simple"}) {
    for (const auto& entry : fs::directory_iterator(kRoot / group)) {
      const fs::path path = entry.path() / "model.onnx";
      if (!fs::exists(path) || !knows_operators(read_file(path, kMaxBytes))) continue;
      const Result result = judge(entry.path());
      ++counts[result.verdict];
      CAPTURE(entry.path().filename().string());
      CAPTURE(result.reason);
      CHECK(result.verdict != Verdict::wrong);
      if (is_verbose && result.verdict == Verdict::refused) {
        std::printf("%s: %s\n", entry.path().filename().c_str(), result.reason.c_str());
      }
    }
  }
  const int passed = counts[Verdict::passed];
  const int refused = counts[Verdict::refused];
  CHECK(passed > refused);
  std::printf(
      "onnx node tests: %d passed of %d with supported operators, %d refused for a stated reason\n",
      passed, passed + refused + counts[Verdict::wrong], refused);
}
