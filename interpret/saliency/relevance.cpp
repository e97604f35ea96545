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

namespace limpid::interpret {
namespace {

// One forward pass with substituted linear layers.
class Substitution {
 public:
  explicit Substitution(const LrpOptions& options) : options_(options) {}

  Tensor operator()(const Module& layer, const Tensor& x, const Tensor& output) {
    if (const auto* linear = dynamic_cast<const Linear*>(&layer)) {
      return substituted(linear->weight(), linear->bias(), [&](const Tensor& w) {
        return matmul(x, w, {.transpose_b = true});
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

  // w' of the rule; an undefined bias stays undefined
  Tensor changed(const Tensor& w) const {
    const Tensor constant = w.defined() ? w.detach() : w;
    if (!w.defined() || options_.rule == LrpRule::epsilon) return constant;
    if (options_.rule == LrpRule::z_plus) return relu(constant);
    return constant + options_.gamma * relu(constant);
  }

  // z as a value, with the slope of z' times the constant z / (z' + epsilon sign z'); sign(0) = 1
  template <class Product>
  Tensor substituted(const Tensor& w, const Tensor& b, const Product& product) {
    const auto with_bias = [&](const Tensor& z, const Tensor& bias) {
      if (!bias.defined()) return z;
      return z + (z.rank() == 4 ? reshape(bias, {1, bias.numel(), 1, 1}) : bias);
    };
    const Tensor product_of_rule = product(changed(w));
    if (product_of_rule.node() != nullptr) products_.insert(product_of_rule.node()->sequence);
    const Tensor other = with_bias(product_of_rule, changed(b));  // z'
    const Recording off(false);
    const Tensor z = options_.rule == LrpRule::epsilon
                         ? other
                         : with_bias(product(w.detach()), b.defined() ? b.detach() : b);
    const Tensor zero = Tensor::scalar(0, z.dtype());
    const Tensor side = 2 * greater_equal(other, zero) - 1;
    const Tensor share = z.detach() / (other.detach() + options_.epsilon * side);
    const Recording on(true);
    const Tensor sloped = other * share;
    return sloped + (z - sloped.detach()).detach();  // the value of z
  }

  Tensor convolved(const Conv2d& conv, const Tensor& x, const Tensor& w, const Tensor& b) {
    return substituted(w, b, [&](const Tensor& v) { return conv2d(x, v, conv.options()); });
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
  Tensor x = images.detach();
  x.require_gradient();
  Substitution layers(options);
  Pass pass;
  pass.substitute = [&](const Module& layer, const Tensor& input, const Tensor& output) {
    return layers(layer, input, output);
  };
  const Tensor logits = model(x, pass);
  const Tensor score = target_score(logits, classes);
  check_ops(logits, x, layers);
  const Tensor ratio = grad(score, x);  // R_i / x_i
  const Recording off(false);
  return ratio * images.detach();
}

}  // namespace limpid::interpret
