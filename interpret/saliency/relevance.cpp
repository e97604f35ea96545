// interpret/saliency/relevance.cpp: LRP as the gradient of a network with the same values.
#include "interpret/saliency/relevance.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/nn/layers.h"
#include "framework/ops/conv.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/tape.h"
#include "interpret/saliency/target.h"

#include <set>
#include <vector>

namespace limpid::interpret {
namespace {

// One forward pass with substituted linear layers.
class Substitution {
 public:
  // `inputs`: the images, then their bounds if there are any
  Substitution(const LrpOptions& options, std::span<const Tensor> inputs)
      : options_(options), inputs_(inputs) {}

  Tensor operator()(const Module& layer, const Tensor& x, const Tensor& output) {
    if (const auto* linear = dynamic_cast<const Linear*>(&layer)) {
      return substituted(x, linear->weight(), linear->bias(), [](const Tensor& a, const Tensor& w) {
        return matmul(a, w, {.transpose_b = true});
      });
    }
    if (const auto* conv = dynamic_cast<const Conv2d*>(&layer)) {
      last_conv_ = {conv, x, {}};
      return last_conv_.output = convolved(*conv, x, conv->weight(), conv->bias());
    }
    if (const auto* norm = dynamic_cast<const BatchNorm2d*>(&layer)) return folded(*norm, x);
    return output;
  }

  // Ops that stand for a whole layer and have been given its rule
  bool has(const Node& node) const { return products_.contains(node.sequence); }

 private:
  struct LastConv {
    const Conv2d* layer = nullptr;
    Tensor input, output;
  };

  static Tensor with_bias(const Tensor& z, const Tensor& b) {
    if (!b.defined()) return z;
    return z + (z.rank() == 4 ? reshape(b, {1, b.numel(), 1, 1}) : b);
  }

  // The images themselves, perhaps under another shape
  bool is_image(const Tensor& a) const { return a.bytes().data() == inputs_[0].bytes().data(); }

  Tensor noted(const Tensor& product) {
    if (product.node() != nullptr) products_.insert(product.node()->sequence);
    return product;
  }

  // The product with weights f(w) and, if there is one, the bias f(b).
  template <class Product, class F>
  Tensor z_with(
      const Tensor& a, const Tensor& w, const Tensor& b, const Product& product, const F& f) {
    return with_bias(noted(product(a, f(w))), b.defined() ? f(b) : b);
  }

  // z' of the rule; z decides which side gamma raises
  template <class Product>
  Tensor z_of_rule(
      const Tensor& a, const Tensor& w, const Tensor& b, const Tensor& z, const Product& product) {
    if (inputs_.size() > 1 && is_image(a)) {
      const Tensor low = reshape(inputs_[1], a.shape());
      const Tensor high = reshape(inputs_[2], a.shape());
      return noted(product(a, w)) - noted(product(low, relu(w))) + noted(product(high, relu(-w)));
    }
    const double gamma = options_.gamma;
    switch (options_.rule) {
      case LrpRule::epsilon: return z_with(a, w, b, product, [](const Tensor& v) { return v; });
      case LrpRule::z_plus: return z_with(a, w, b, product, relu);
      case LrpRule::gamma: break;
    }
    const auto up = [&](const Tensor& v) { return v + gamma * relu(v); };
    const auto down = [&](const Tensor& v) { return v - gamma * relu(-v); };
    const Tensor is_positive = greater_equal(z, Tensor::scalar(0, z.dtype()));
    return is_positive * z_with(a, w, b, product, up) +
           (1 - is_positive) * z_with(a, w, b, product, down);
  }

  // z as a value, with the slope of z' times the constant z / (z' + epsilon sign z'); sign(0) = 1
  template <class Product>
  Tensor substituted(
      const Tensor& a, const Tensor& weight, const Tensor& bias, const Product& product) {
    const Tensor w = weight.detach();
    const Tensor b = bias.defined() ? bias.detach() : bias;
    const Tensor z = with_bias(product(a, w), b).detach();
    const Tensor other = z_of_rule(a, w, b, z, product);  // z'
    const Tensor below = other.detach();
    const Tensor side = 2 * greater_equal(below, Tensor::scalar(0, z.dtype())) - 1;
    const Tensor share = z / (below + options_.epsilon * side);
    const Tensor sloped = other * share;
    return sloped + (z - sloped.detach());  // the value of z
  }

  Tensor convolved(const Conv2d& conv, const Tensor& x, const Tensor& w, const Tensor& b) {
    return substituted(
        x, w, b, [&](const Tensor& a, const Tensor& v) { return conv2d(a, v, conv.options()); });
  }

  // s (W a + b) + t = (s W) a + (s b + t), in place of the convolution and the norm
  Tensor folded(const BatchNorm2d& norm, const Tensor& x) {
    check_value(
        last_conv_.layer != nullptr && x.is(last_conv_.output), "lrp",
        "a BatchNorm2d can be folded into a Conv2d right before it only");
    const Conv2d& conv = *last_conv_.layer;
    const auto [scale, shift] = norm.in_evaluation();
    const Tensor w = conv.weight() * reshape(scale, {scale.numel(), 1, 1, 1});
    const Tensor b = conv.bias().defined() ? conv.bias() * scale + shift : shift;
    return convolved(conv, last_conv_.input, w, b);
  }

  LrpOptions options_;
  std::span<const Tensor> inputs_;
  LastConv last_conv_;
  std::set<uint64_t> products_;  // sequence numbers: an address may be used again
};

// Rules exist for rectifiers, maxima and what is linear; products must belong to known layers.
void check_ops(const Tensor& logits, const Tensor& x, const Substitution& layers) {
  const Between part = between(logits, x);
  for (const Node* node : part.nodes) {
    const std::string op = node->op;
    if (op == "relu" || op == "max_pool2d" || layers.has(*node)) continue;
    const bool is_product = op == "conv2d" || op == "matmul";
    check_value(!is_product, "lrp", "has no rule for a ", op, " outside Conv2d and Linear");
    check_value(is_linear(*node, part), "lrp", "has no rule for the op ", op);
  }
}

}  // namespace

Tensor lrp_map(
    Module& model, const Tensor& images, std::span<const int64_t> classes,
    const LrpOptions& options) {
  const Recording on(true);
  const bool is_bounded = options.rule != LrpRule::epsilon && options.low.defined();
  std::vector<Tensor> inputs = {images.detach()};
  if (is_bounded) inputs.insert(inputs.end(), {options.low.detach(), options.high.detach()});
  for (Tensor& input : inputs) input.require_gradient();
  Substitution layers(options, inputs);
  Pass pass;
  pass.substitute = [&](const Module& layer, const Tensor& input, const Tensor& output) {
    return layers(layer, input, output);
  };
  const Tensor logits = model(inputs[0], pass);
  const Tensor score = target_score(logits, classes);
  check_ops(logits, inputs[0], layers);
  const std::vector<Tensor> ratios = grad(score, inputs);  // R_i / x_i
  const Recording off(false);
  Tensor relevance = ratios[0] * inputs[0];
  for (size_t k = 1; k < inputs.size(); ++k) relevance = relevance + ratios[k] * inputs[k];
  return relevance;
}

}  // namespace limpid::interpret
