// interpret/transport/layer_change.h: a trained network with one layer done differently.
//
// Layer l maps h [B, ...] to F(h). The changes:
//
//   penalty   loss + lambda T(h, F(h)), the transport cost of the layer, below
//   decay     loss + lambda / 2 |W|^2 of the weights of this layer alone
//   skip      F(h) + P h
//   norm      (F(h) - mean) / deviation over the values of each example
//   width     twice as many units, in a network that is a sequence of layers; the layer, the norm
//             that follows it and the layer that takes its output start with fresh weights
//   remove    P h in place of F(h)
//
// P carries the input to the shape of the output and has no weights: the identity where shapes
// agree; maps are averaged down to the size of the output and channels cut off or filled up with
// zeros (shortcut option A of He et al. 2016); vectors are multiplied by a fixed matrix with
// orthonormal rows or columns, drawn at random.
//
// Transport cost. Where shapes agree, T = mean |F(h) - h|^2 / mean |h|^2: the least action of
// Karkar et al. (arXiv 2009.08372). Elsewhere there is no such difference, and T compares the
// clouds up to rotation and scale by their inner products, T = |K_F - K_h|^2 with
// K = Z Z' / tr Z Z' of centred Z [B, d].
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <memory>
#include <string>

namespace limpid::interpret {

enum class Change : uint8_t { penalty, decay, skip, norm, width, remove };
const char* name_of(Change change);
/// Throws ValueError listing the names.
Change change_named(const std::string& name);

/// T of a batch, differentiable: before and after [B, ...]. 0 where nothing varies.
Tensor transport_cost(const Tensor& before, const Tensor& after);

/// A network that runs another one with a change. Its state is that of the other, under the same
/// names, but for layers that were widened.
class ChangedNetwork : public Module {
 public:
  /// `network` must outlive this. Throws ValueError if it has no such layer or the change does not
  /// fit the layer.
  static std::unique_ptr<ChangedNetwork> make(
      Module& network, const std::string& layer, Change change, uint64_t seed);

  /// What the change adds to the loss of the newest pass, without lambda; undefined where it adds
  /// nothing.
  virtual Tensor added_loss() const = 0;
};

/// Fresh weights for one layer and all below it, as training would start with. Throws ValueError if
/// there is no such layer.
void start_layer_afresh(Module& network, const std::string& layer, uint64_t seed);

}  // namespace limpid::interpret
