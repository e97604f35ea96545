// tools/extracting.cpp: standardised images in, multipliers out.
#include "tools/extracting.h"

#include "framework/ops/pointwise.h"
#include "framework/tensor/integers.h"
#include "tools/arguments.h"
#include "tools/console.h"
#include "tools/measuring.h"

#include <utility>

namespace limpid::tools {

Tensor model_images(const Tensor& images, const RunFolder& folder) {
  return to(standardised(images, folder.card), parameters(*folder.model)[0].second.dtype());
}

interpret::SupportVectors extracted(
    const RunFolder& folder, const datasets::Dataset& data, interpret::SupportOptions options,
    const std::string& part, Console& console) {
  options.progress = [&console, part](const char* stage, int64_t done, int64_t total) {
    check_interrupt();
    if (total > 0) console.progress(join_text(part, ", ", stage), done, total);
    return true;
  };
  const Tensor images = model_images(data.images.tensor(), folder);
  interpret::SupportVectors v = as_usage([&] {
    return interpret::extract_support_vectors(*folder.model, images, data.labels, options);
  });
  console.stage(join_text(
      part, ": ", v.status, ", gradients ", fixed(v.gradient_seconds, 2), " s, multipliers ",
      fixed(v.solver_seconds, 2), " s"));
  return v;
}

SupportSet support_set(
    const datasets::Dataset& data, const interpret::SupportVectors& v,
    const std::vector<int64_t>& chosen, const std::map<std::string, std::string>& metadata) {
  const datasets::Dataset taken = datasets::take(data, chosen);
  return {
      .images = taken.images.tensor(),
      .labels = taken.labels,
      .lambda = datasets::gather(v.lambda, chosen),
      .alpha = datasets::gather(v.alpha, chosen),
      .indices = integer_tensor(chosen),
      .metadata = metadata};
}

}  // namespace limpid::tools
