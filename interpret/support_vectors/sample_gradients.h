// interpret/support_vectors/sample_gradients.h: gradients of many samples, without storing them.
//
// A data set of n samples has n gradients g_i = d L_i / d theta of P numbers each, too many to
// hold. What is asked of them can be had from less. In a layer y = x w' + b the gradient of sample
// i is the product of the layer's input a_i and of the delta d_i = d L_i / d y_i:
//
//   linear        g = d a'                    <g_i, g_j> = (a_i . a_j)(d_i . d_j)
//   its bias      g = d                       <g_i, g_j> = d_i . d_j
//   convolution   g = d U                     <g_i, g_j> = <d_i U_i, d_j U_j>, Frobenius; U the
//                                             patches of a [positions, C R S], d [K, positions]
//   <v, g_i>      d_i . (a_i v')              one layer evaluated with v in place of its weight
//   sum l_i g_i   (l d)' a                    the weight's gradient for weighted deltas
//
// The samples stay as they are, so a and d are constants and are computed once, by a forward and a
// backward pass in evaluation mode, where samples do not influence each other. Four forms; each
// layer takes the one that needs least memory:
//
//   factors    a and d of a linear layer, [n, in] and [n, out]
//   positions  a and d of a convolution, or of a linear layer over tokens
//   rows       the gradients themselves, where they are shorter: small kernels on large images; and
//              all parameters that belong to neither kind of layer (norms, embeddings, weights that
//              are used twice), one backward pass per sample
//   recorded   nothing: a weighted backward pass for sums, and, since <v, g_i> = d <v, d(sum_j w_j
//              L_j)/d theta> / d w_i, a double backward for products. Where rows would not fit.
//
// Memory: the sum of the forms, see forms(); plus blocks of some hundred rows while it works.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"
#include "interpret/numerics/nonnegative_lasso.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

enum class GradientForm : uint8_t { automatic, factors, positions, rows, recorded };
/// "factors", "positions", "rows", "recorded".
const char* name_of(GradientForm form);

struct SampleGradientOptions {
  int64_t batch = 250;
  /// automatic; or the same for all layers, to compare: rows, recorded, and factors or positions
  /// for a and d.
  GradientForm form = GradientForm::automatic;
  int64_t largest_rows = int64_t{1} << 30;  // bytes of gradients kept as rows, of one layer
  /// Called after every batch; gathering ends with Error if this returns false.
  std::function<bool(int64_t done, int64_t total)> progress = {};
};

class GradientBlock;  // one layer; sample_gradients.cpp

/// Gradients of L_i by the chosen parameters theta. Results are f64; arithmetic is that of the
/// model.
class SampleGradients : public InnerProducts {
 public:
  /// Labels are classes [n] or distributions [n, K]. Model, images and labels must outlive this,
  /// unchanged. Throws ValueError if there are no samples or no parameters, or if one is not the
  /// model's or requires no gradient; ShapeError unless there is one label per image.
  SampleGradients(
      Module& model, const Tensor& images, const Tensor& labels,
      const std::vector<std::string>& parameters, const SampleGradientOptions& options = {});
  ~SampleGradients() override;
  SampleGradients(const SampleGradients&) = delete;
  SampleGradients& operator=(const SampleGradients&) = delete;

  /// theta, in the model's order.
  const NamedTensors& target() const { return theta_; }
  const Tensor& logits() const { return logits_; }  // [n, K]

  int64_t count() const override { return n_; }
  double target_square() override;
  Tensor slopes(const Tensor& lambda) override;
  Tensor gram(std::span<const int64_t> rows, std::span<const int64_t> columns) override;

  /// <v, g_i> [n], v shaped like theta.
  Tensor products(std::span<const Tensor> v) const;
  /// sum_i lambda_i g_i, shaped like theta.
  std::vector<Tensor> combined(const Tensor& lambda) const;
  /// |g_i|^2 of each tensor alone: [n] per tensor of theta.
  std::vector<Tensor> squares() const;
  /// The gradients of these samples, [rows, P].
  Tensor dense(std::span<const int64_t> rows) const;

  struct Form {
    std::string parameters;  // "fc1.weight, fc1.bias"
    GradientForm form;
    int64_t bytes;
  };
  std::vector<Form> forms() const;

 private:
  int64_t n_ = 0;
  NamedTensors theta_;
  Tensor logits_;
  std::vector<std::unique_ptr<GradientBlock>> blocks_;
};

}  // namespace limpid::interpret
