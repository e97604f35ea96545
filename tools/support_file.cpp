// tools/support_file.cpp: one check for both directions.
#include "tools/support_file.h"

#include "framework/core/error.h"
#include "framework/io/json.h"
#include "framework/io/safetensors.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "tools/arguments.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace limpid::tools {
namespace {

bool all_of_values(const Tensor& t, bool (*holds)(double)) {
  const std::vector<double> values = t.to_vector();
  return std::all_of(values.begin(), values.end(), holds);
}

bool is_multiplier(double v) { return std::isfinite(v) && v >= 0; }

// What is wrong with a set, in one line; empty if nothing is.
std::string complaint(const SupportSet& s) {
  const std::pair<const char*, const Tensor*> needed[] = {
      {"images", &s.images}, {"labels", &s.labels}, {"lambda", &s.lambda}, {"alpha", &s.alpha}};
  for (const auto& [name, tensor] : needed) {
    if (!tensor->defined()) return join_text("tensor `", name, "` is missing");
  }
  if (s.images.rank() < 2 || s.images.dtype() != DType::f32 || s.images.size(0) == 0) {
    return join_text(
        "`images` must be f32 [N, ...] with N >= 1, is ", name_of(s.images.dtype()), " ",
        s.images.shape());
  }
  const int64_t n = s.images.size(0);
  const bool are_classes = s.labels.rank() == 1 && s.labels.dtype() == DType::i64;
  const bool are_shares = s.labels.rank() == 2 && s.labels.dtype() != DType::i64;
  if ((!are_classes && !are_shares) || s.labels.size(0) != n) {
    return join_text(
        "`labels` must be i64 [", n, "] or distributions [", n, ", K], is ",
        name_of(s.labels.dtype()), " ", s.labels.shape());
  }
  for (const auto& [name, tensor] : {std::pair("lambda", s.lambda), std::pair("alpha", s.alpha)}) {
    if (tensor.shape() != Shape({n}) || tensor.dtype() != DType::f64) {
      return join_text(
          "`", name, "` must be f64 [", n, "], is ", name_of(tensor.dtype()), " ", tensor.shape());
    }
    if (!all_of_values(tensor, is_multiplier)) {
      return join_text("`", name, "` holds a negative number, NaN or infinity");
    }
  }
  if (s.indices.defined() && (s.indices.shape() != Shape({n}) || s.indices.dtype() != DType::i64)) {
    return join_text(
        "`indices` must be i64 [", n, "], is ", name_of(s.indices.dtype()), " ", s.indices.shape());
  }
  if (!all_of_values(s.images, [](double v) { return std::isfinite(v); })) {
    return "`images` holds NaN or infinity";
  }
  if (!all_of_values(s.labels, is_multiplier)) return "`labels` holds a negative number";
  return "";
}

}  // namespace

SupportSet read_support(const std::string& path) {
  SafetensorsFile file = load_safetensors(path);
  SupportSet set;
  const std::pair<const char*, Tensor*> known[] = {
      {"images", &set.images},
      {"labels", &set.labels},
      {"lambda", &set.lambda},
      {"alpha", &set.alpha},
      {"indices", &set.indices}};
  for (const auto& [name, tensor] : known) {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end()) continue;
    *tensor = found->second;
    file.tensors.erase(found);
  }
  set.metadata = std::move(file.metadata);
  std::string why = complaint(set);
  if (why.empty() && !file.tensors.empty()) {
    why = join_text("unexpected tensor ", excerpt(file.tensors.begin()->first));
  }
  if (!why.empty()) throw FormatError(path, "no support vectors", why);
  return set;
}

void write_support(const std::string& path, const SupportSet& set) {
  const std::string why = complaint(set);
  check_value(why.empty(), "write_support", why);
  std::map<std::string, Tensor> tensors = {
      {"images", set.images}, {"labels", set.labels}, {"lambda", set.lambda}, {"alpha", set.alpha}};
  if (set.indices.defined()) tensors.emplace("indices", set.indices);
  save_safetensors(path, tensors, set.metadata);
}

void check_support(const SupportSet& set, const std::string& path, const ModelCard& card) {
  if (Shape(set.images.shape().sizes().subspan(1)) != card.input) {
    throw UsageError(join_text(
        path, ": has vectors ", set.images.shape(), ", the model takes examples ", card.input));
  }
  const int64_t K = card.classes();
  if (set.labels.rank() == 2 && set.labels.size(1) != K) {
    throw UsageError(join_text(
        path, ": has distributions over ", set.labels.size(1), " classes, the model has ", K));
  }
  for (const int64_t y : classes_of(set)) {
    if (y >= K) throw UsageError(join_text(path, ": class ", y, " is not in 0 to ", K - 1));
  }
}

std::vector<int64_t> classes_of(const SupportSet& set) {
  return to_integers(set.labels.rank() == 2 ? arg_max(set.labels, 1) : set.labels);
}

}  // namespace limpid::tools
