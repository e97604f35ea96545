// interpret/coreset/probe.cpp: the normal equations of a ridge regression.
#include "interpret/coreset/probe.h"

#include "framework/core/error.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "framework/tensor/record.h"
#include "interpret/coreset/last_layer.h"

namespace limpid::interpret {
namespace {

// [b, C, ...] -> [b, C], means over the positions.
Tensor averaged(const Tensor& output) {
  const int64_t b = output.size(0), C = output.size(1);
  return reshape(mean(reshape(output, {b, C, output.numel() / (b * C)}), {2}), {b, C});
}

Readings::Reader reader_of(Module& model, const std::string& name) {
  if (name.empty()) {
    return [&model](const Tensor& images) {
      const HeadOutputs out = head_outputs(model, {1, images.size(0), [&](int64_t, int64_t) {
                                                     return Batch{images, {}};
                                                   }});
      return Reading{to(out.hidden, DType::f32), out.logits};
    };
  }
  const Module& layer = find_layer(model, name);
  return [&model, &layer](const Tensor& images) {
    Pass pass;
    pass.watch(layer);
    const Tensor logits = model(images, pass).detach();
    const Tensor& output = pass.activation(layer);
    check_shape(output.rank() >= 2, "probe", "the layer gives ", output.shape());
    return Reading{to(averaged(output.detach()), DType::f32), logits};
  };
}

}  // namespace

LinearProbe fit_probe(
    const Tensor& H, std::span<const int64_t> classes, int64_t K, double ridge,
    SampleWeights weights) {
  const Recording off(false);
  check_shape(
      H.rank() == 2 && H.size(0) == std::ssize(classes) && H.size(0) > 0, "fit_probe",
      "needs one class for each row of H, got ", H.shape(), " and ", classes.size());
  check_value(ridge > 0, "fit_probe", "needs a ridge above 0, got ", ridge);
  const int64_t d = H.size(1);
  const Tensor counts = weights.empty() ? Tensor::ones({H.size(0), 1}, DType::f64)
                                        : Tensor::of({std::ssize(weights), 1}, weights, DType::f64);
  const Tensor v = counts / sum(counts);
  const Tensor Y = one_hot(Tensor::of_integers({H.size(0)}, classes), K, DType::f64);
  const Tensor centre = sum(v * H, {0}), shares = sum(v * Y, {0});  // [1, d], [1, K]
  const Tensor h = H - centre, vh = v * h;
  const Tensor I = identity(d);
  const Tensor covariance = matmul(vh, h, {.transpose_a = true});
  const double scale = sum(covariance * I).item() / static_cast<double>(d);
  if (scale == 0) return {Tensor::zeros({K, d}, DType::f64), reshape(shares, {K})};
  const Tensor l = cholesky(covariance + ridge * scale * I);
  const Tensor solved =
      solve_cholesky(l, matmul(vh, Y - shares, {.transpose_a = true}));  // W' [d, K]
  return {transpose(solved), reshape(shares - matmul(centre, solved), {K})};
}

std::vector<int64_t> probe_predictions(const LinearProbe& probe, const Tensor& H) {
  const Recording off(false);
  return to_integers(arg_max(matmul(H, probe.weight, {.transpose_b = true}) + probe.bias, 1));
}

Probe::Probe(Module& model, const Data& data, const ProbeOptions& options)
    : WeightInterpreter(data, options.has_true_labels, reader_of(model, options.layer)),
      ridge_(options.ridge) {
  check_value(ridge_ > 0, "probe", "needs a ridge above 0, got ", ridge_);
}

Interpretation Probe::solve(
    SampleList samples, std::span<const int64_t> classes, SampleWeights weights) {
  const Tensor W = fit_probe(readings_.rows(samples), classes, K_, ridge_, weights).weight;
  return {.weights = W.clone(), .active = std::vector<int64_t>(static_cast<size_t>(K_), W.size(1))};
}

}  // namespace limpid::interpret
