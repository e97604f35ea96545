// framework/nn/models_vit.cpp: a vision transformer small enough for a laptop.
#include "framework/core/rng.h"
#include "framework/nn/attention.h"
#include "framework/nn/model_parts.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

namespace limpid::models {
namespace {

constexpr int64_t kWidth = 64;  // of a token
constexpr int64_t kHeads = 4;
constexpr int64_t kHidden = 128;  // of the feed-forward part

class TinyVit : public Module {
 public:
  TinyVit(const ModelShape& shape, int64_t patch, Rng& rng)
      : patch_embed_(shape.input[0], kWidth, {.size = patch, .stride = patch}, rng),
        norm_(kWidth),
        head_(kWidth, shape.classes, rng) {
    const int64_t tokens = (shape.input[1] / patch) * (shape.input[2] / patch);
    position_ = Tensor::normal({1, tokens, kWidth}, rng, 0, 0.02);  // as in Dosovitskiy et al.
    position_.require_gradient();
    for (const char* name : {"0", "1"}) {
      blocks_.add<TransformerEncoderLayer>(name, kWidth, kHeads, kHidden, rng);
    }
  }
  const char* type() const override { return "TinyVit"; }
  void visit(Visitor& v) override {
    v.parameter("position", position_);
    v.child("patch_embed", patch_embed_);
    v.child("blocks", blocks_);
    v.child("norm", norm_);
    v.child("head", head_);
  }

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    const Tensor patches = patch_embed_(x, pass);  // [N, E, h, w]
    const int64_t N = patches.size(0);
    const Tensor rows = reshape(patches, {N, kWidth, patches.size(2) * patches.size(3)});
    const Tensor tokens = permute(rows, {0, 2, 1}) + position_;  // [N, T, E]
    const Tensor seen = norm_(blocks_(tokens, pass), pass);
    return head_(reshape(mean(seen, {1}), {N, kWidth}), pass);
  }

  Conv2d patch_embed_;
  Tensor position_;  // [1, T, E]
  Sequential blocks_;
  LayerNorm norm_;
  Linear head_;
};

}  // namespace

std::unique_ptr<Module> tiny_vit(const ModelShape& shape, Rng& rng) {
  check_image("tiny_vit", shape.input, 4);
  const int64_t patch = shape.input[1] < 16 || shape.input[2] < 16 ? 2 : 4;
  return std::make_unique<TinyVit>(shape, patch, rng);
}

}  // namespace limpid::models
