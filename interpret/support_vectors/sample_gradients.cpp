// interpret/support_vectors/sample_gradients.cpp: one pass that gathers; four forms of a layer.
#include "interpret/support_vectors/sample_gradients.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/text.h"
#include "framework/nn/layers.h"
#include "framework/ops/conv.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "framework/tensor/record.h"
#include "interpret/support_vectors/deep_kkt.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

namespace limpid::interpret {

// Gradients by the parameters of one layer: at most a weight and a bias, or any tensors.
class GradientBlock {
 public:
  GradientBlock(std::vector<size_t> slots, std::vector<Shape> shapes)
      : slots_(std::move(slots)), shapes_(std::move(shapes)) {}
  virtual ~GradientBlock() = default;
  GradientBlock(const GradientBlock&) = delete;
  GradientBlock& operator=(const GradientBlock&) = delete;

  virtual GradientForm form() const = 0;
  virtual int64_t bytes() const = 0;
  // <v, g_i> [n] over the tensors of this block; v shaped like theta
  virtual Tensor products(std::span<const Tensor> v) const = 0;
  // sum lambda_i g_i, written to the block's places of a list shaped like theta
  virtual void combine(const Tensor& lambda, std::vector<Tensor>& out) const = 0;
  // [rows, P of this block]
  virtual Tensor dense(std::span<const int64_t> rows) const = 0;
  virtual Tensor gram(std::span<const int64_t> rows, std::span<const int64_t> columns) const {
    return gram_by_blocks(rows, columns);
  }
  // |g_i|^2 per tensor of the block, [n] f64
  virtual std::vector<Tensor> squares(int64_t n) const;

  const std::vector<size_t>& slots() const { return slots_; }
  const std::vector<Shape>& shapes() const { return shapes_; }
  int64_t scalars() const {
    int64_t count = 0;
    for (const Shape& shape : shapes_) count += shape.numel();
    return count;
  }

 protected:
  // From dense gradients, some hundred at a time
  Tensor gram_by_blocks(std::span<const int64_t> rows, std::span<const int64_t> columns) const {
    constexpr size_t kRows = 256;
    std::vector<Tensor> bands;
    for (size_t i = 0; i < rows.size(); i += kRows) {
      const Tensor left = dense(rows.subspan(i, std::min(kRows, rows.size() - i)));
      std::vector<Tensor> band;
      for (size_t j = 0; j < columns.size(); j += kRows) {
        const Tensor right_rows = dense(columns.subspan(j, std::min(kRows, columns.size() - j)));
        band.push_back(matmul(left, right_rows, {.transpose_b = true}));
      }
      bands.push_back(concat(band, 1));
    }
    return concat(bands, 0);
  }

 private:
  std::vector<size_t> slots_;  // places in theta
  std::vector<Shape> shapes_;
};

namespace {

Tensor column(const Tensor& x) { return reshape(x, {x.numel(), 1}); }
Tensor flat(const Tensor& x) { return reshape(x, {x.numel()}); }
int64_t bytes_of(const Tensor& x) { return x.numel() * size_of(x.dtype()); }
// sum over all but the first dimension
Tensor sum_rows(const Tensor& x) {
  return flat(sum(reshape(x, {x.size(0), x.numel() / x.size(0)}), {1}));
}

}  // namespace

std::vector<Tensor> GradientBlock::squares(int64_t n) const {
  constexpr int64_t kRows = 256;
  std::vector<std::vector<Tensor>> parts(shapes_.size());
  for (int64_t i = 0; i < n; i += kRows) {
    const std::vector<int64_t> rows = index_range(i, i + std::min(kRows, n - i));
    const Tensor g = to(dense(rows), DType::f64);
    int64_t begin = 0;
    for (size_t k = 0; k < shapes_.size(); ++k) {
      const Tensor own = slice(g, 1, begin, begin + shapes_[k].numel());
      parts[k].push_back(sum_rows(own * own));
      begin += shapes_[k].numel();
    }
  }
  std::vector<Tensor> all;
  for (const auto& part : parts) all.push_back(concat(part, 0));
  return all;
}

namespace {

// What the pass saw of one layer, and which of its parameters are asked for.
struct LayerPart {
  const Module* layer = nullptr;
  std::optional<size_t> weight, bias;  // places in theta
  ConvOptions conv = {};
  Shape weight_shape = {};
  bool is_conv = false;

  std::vector<size_t> slots() const {
    std::vector<size_t> all;
    if (weight) all.push_back(*weight);
    if (bias) all.push_back(*bias);
    return all;
  }
  std::vector<Shape> shapes() const {
    std::vector<Shape> all;
    if (weight) all.push_back(weight_shape);
    if (bias) all.push_back({weight_shape[0]});
    return all;
  }
};

// a [B, in], d [B, out]; tokens [B, T, in], [B, T, out]; or images [B, C, H, W], [B, K, P, Q]
// -> the gradients [B, P] of weight, then bias
Tensor gradients_of(const LayerPart& l, const Tensor& a, const Tensor& d) {
  const int64_t B = a.size(0), K = l.weight_shape[0];
  std::vector<Tensor> parts;
  if (l.weight && l.is_conv) {
    // One group of channels per sample: a convolution of one image with B K filters
    ConvOptions options = l.conv;
    options.groups *= B;
    const Tensor wide_a = reshape(a, {1, B * a.size(1), a.size(2), a.size(3)});
    const Tensor wide_d = reshape(d, {1, B * K, d.size(2), d.size(3)});
    const Shape filters{B * K, l.weight_shape[1], l.weight_shape[2], l.weight_shape[3]};
    parts.push_back(
        reshape(conv2d_weight(wide_d, wide_a, filters, options), {B, l.weight_shape.numel()}));
  } else if (l.weight) {
    const int64_t in = l.weight_shape[1], T = a.numel() / (B * in);
    const Tensor g = matmul(reshape(d, {B, T, K}), reshape(a, {B, T, in}), {.transpose_a = true});
    parts.push_back(reshape(g, {B, K * in}));
  }
  if (l.bias) {
    const bool has_channels_first = l.is_conv;
    const Tensor by_place = reshape(
        d,
        has_channels_first ? Shape{B, K, d.numel() / (B * K)} : Shape{B, d.numel() / (B * K), K});
    parts.push_back(reshape(sum(by_place, {has_channels_first ? 2 : 1}), {B, K}));
  }
  return parts.size() == 1 ? parts[0] : concat(parts, 1);
}

// Linear layers: a [n, in] and d [n, out].
class Factors : public GradientBlock {
 public:
  Factors(const LayerPart& l, Tensor a, Tensor d)
      : GradientBlock(l.slots(), l.shapes()), layer_(l), a_(std::move(a)), d_(std::move(d)) {}
  GradientForm form() const override { return GradientForm::factors; }
  int64_t bytes() const override { return bytes_of(a_) + bytes_of(d_); }

  Tensor products(std::span<const Tensor> v) const override {
    Tensor y;  // what the layer gives with v for its parameters
    if (layer_.weight) y = matmul(a_, v[*layer_.weight], {.transpose_b = true});
    if (layer_.bias) {
      y = y.defined() ? y + v[*layer_.bias] : broadcast_to(v[*layer_.bias], d_.shape());
    }
    return sum_rows(y * d_);
  }
  void combine(const Tensor& lambda, std::vector<Tensor>& out) const override {
    const Tensor weighted = column(lambda) * d_;
    if (layer_.weight) out[*layer_.weight] = matmul(weighted, a_, {.transpose_a = true});
    if (layer_.bias) out[*layer_.bias] = flat(sum(weighted, {0}));
  }
  Tensor dense(std::span<const int64_t> rows) const override {
    return gradients_of(layer_, take_rows(a_, rows), take_rows(d_, rows));
  }
  Tensor gram(std::span<const int64_t> rows, std::span<const int64_t> columns) const override {
    const Tensor d = matmul(take_rows(d_, rows), take_rows(d_, columns), {.transpose_b = true});
    if (!layer_.weight) return d;
    const Tensor a = matmul(take_rows(a_, rows), take_rows(a_, columns), {.transpose_b = true});
    return (layer_.bias ? a + 1 : a) * d;
  }
  std::vector<Tensor> squares(int64_t) const override {
    const Tensor a = to(a_, DType::f64), d = to(d_, DType::f64);
    const Tensor d_square = sum_rows(d * d);
    std::vector<Tensor> all;
    if (layer_.weight) all.push_back(sum_rows(a * a) * d_square);
    if (layer_.bias) all.push_back(d_square);
    return all;
  }

 private:
  LayerPart layer_;
  Tensor a_, d_;
};

// Convolutions and linear layers over tokens.
class Positions : public GradientBlock {
 public:
  Positions(const LayerPart& l, Tensor a, Tensor d, int64_t batch)
      : GradientBlock(l.slots(), l.shapes()),
        layer_(l),
        a_(std::move(a)),
        d_(std::move(d)),
        batch_(batch) {}
  GradientForm form() const override { return GradientForm::positions; }
  int64_t bytes() const override { return bytes_of(a_) + bytes_of(d_); }

  Tensor products(std::span<const Tensor> v) const override {
    std::vector<Tensor> parts;
    for_batches([&](const Tensor& a, const Tensor& d, int64_t, int64_t) {
      Tensor y;
      if (layer_.weight) {
        const Tensor& w = v[*layer_.weight];
        y = layer_.is_conv ? conv2d(a, w, layer_.conv) : matmul(a, w, {.transpose_b = true});
      }
      if (layer_.bias) {
        Tensor b = v[*layer_.bias];
        if (layer_.is_conv) b = reshape(b, {1, b.numel(), 1, 1});
        y = y.defined() ? y + b : broadcast_to(b, d.shape());
      }
      parts.push_back(sum_rows(y * d));
    });
    return concat(parts, 0);
  }
  void combine(const Tensor& lambda, std::vector<Tensor>& out) const override {
    const auto add = [&](size_t slot, const Tensor& part) {
      out[slot] = out[slot].defined() ? out[slot] + part : part;
    };
    for_batches([&](const Tensor& a, const Tensor& d, int64_t begin, int64_t end) {
      Shape per_sample = d.shape();
      for (int axis = 1; axis < d.rank(); ++axis) per_sample = per_sample.with(axis, 1);
      const Tensor weighted = reshape(slice(lambda, 0, begin, end), per_sample) * d;
      if (layer_.weight && layer_.is_conv) {
        add(*layer_.weight, conv2d_weight(weighted, a, layer_.weight_shape, layer_.conv));
      } else if (layer_.weight) {
        const int64_t K = layer_.weight_shape[0], in = layer_.weight_shape[1];
        add(*layer_.weight, matmul(
                                reshape(weighted, {weighted.numel() / K, K}),
                                reshape(a, {a.numel() / in, in}), {.transpose_a = true}));
      }
      if (!layer_.bias) return;
      add(*layer_.bias, flat(layer_.is_conv ? sum(weighted, {0, 2, 3}) : sum(weighted, {0, 1})));
    });
  }
  Tensor dense(std::span<const int64_t> rows) const override {
    return gradients_of(layer_, take_rows(a_, rows), take_rows(d_, rows));
  }

 private:
  template <class F>
  void for_batches(const F& f) const {
    for (int64_t i = 0; i < a_.size(0); i += batch_) {
      const int64_t end = std::min(a_.size(0), i + batch_);
      f(slice(a_, 0, i, end), slice(d_, 0, i, end), i, end);
    }
  }

  LayerPart layer_;
  Tensor a_, d_;
  int64_t batch_;
};

// Shapes a row [P of a block] as the tensors of the block.
void unpack(const Tensor& row, const GradientBlock& block, std::vector<Tensor>& out) {
  int64_t begin = 0;
  for (size_t k = 0; k < block.slots().size(); ++k) {
    const Shape& shape = block.shapes()[k];
    out[block.slots()[k]] = reshape(slice(row, 0, begin, begin + shape.numel()), shape);
    begin += shape.numel();
  }
}
// The other way.
Tensor packed(std::span<const Tensor> tensors, std::span<const size_t> slots) {
  std::vector<Tensor> parts;
  for (const size_t slot : slots) parts.push_back(flat(tensors[slot]));
  return parts.size() == 1 ? parts[0] : concat(parts, 0);
}

// The gradients themselves: G [n, P].
class Rows : public GradientBlock {
 public:
  Rows(std::vector<size_t> slots, std::vector<Shape> shapes, Tensor G)
      : GradientBlock(std::move(slots), std::move(shapes)), G_(std::move(G)) {}
  GradientForm form() const override { return GradientForm::rows; }
  int64_t bytes() const override { return bytes_of(G_); }
  Tensor products(std::span<const Tensor> v) const override {
    return flat(matmul(G_, column(packed(v, slots()))));
  }
  void combine(const Tensor& lambda, std::vector<Tensor>& out) const override {
    unpack(flat(matmul(G_, column(lambda), {.transpose_a = true})), *this, out);
  }
  Tensor dense(std::span<const int64_t> rows) const override { return take_rows(G_, rows); }
  Tensor gram(std::span<const int64_t> rows, std::span<const int64_t> columns) const override {
    return matmul(take_rows(G_, rows), take_rows(G_, columns), {.transpose_b = true});
  }

 private:
  Tensor G_;
};

// Nothing kept: passes of the network. The tensors are handles of the model's own parameters.
class Recorded : public GradientBlock {
 public:
  Recorded(
      std::vector<size_t> slots, std::vector<Shape> shapes, std::vector<Tensor> theta,
      Module& model, Tensor images, Tensor labels, int64_t batch)
      : GradientBlock(std::move(slots), std::move(shapes)),
        theta_(std::move(theta)),
        model_(model),
        images_(std::move(images)),
        labels_(std::move(labels)),
        batch_(batch) {}
  GradientForm form() const override { return GradientForm::recorded; }
  int64_t bytes() const override { return 0; }

  Tensor products(std::span<const Tensor> v) const override {
    const Recording on(true);
    std::vector<Tensor> parts;
    for (int64_t i = 0; i < images_.size(0); i += batch_) {
      const int64_t end = std::min(images_.size(0), i + batch_);
      Tensor w = Tensor::ones({end - i}, images_.dtype());
      w.require_gradient();
      const std::vector<Tensor> G = grad(sum(w * losses(i, end)), theta_, {.create_graph = true});
      Tensor product;
      for (size_t k = 0; k < G.size(); ++k) {
        const Tensor part = sum(G[k] * v[slots()[k]].detach());
        product = product.defined() ? product + part : part;
      }
      parts.push_back(
          product.requires_gradient() ? grad(product, w).detach()
                                      : Tensor::zeros(w.shape(), w.dtype()));
    }
    return concat(parts, 0);
  }
  void combine(const Tensor& lambda, std::vector<Tensor>& out) const override {
    const Recording on(true);
    for (int64_t i = 0; i < images_.size(0); i += batch_) {
      const int64_t end = std::min(images_.size(0), i + batch_);
      const Tensor weights = slice(lambda, 0, i, end).detach();
      const std::vector<Tensor> G = grad(sum(weights * losses(i, end)), theta_);
      for (size_t k = 0; k < G.size(); ++k) {
        Tensor& total = out[slots()[k]];
        total = (total.defined() ? total + G[k] : G[k]).detach();
      }
    }
  }
  Tensor dense(std::span<const int64_t> rows) const override {
    const Recording on(true);
    std::vector<Tensor> all;
    for (const int64_t i : rows) {
      const std::vector<Tensor> G = grad(sum(losses(i, i + 1)), theta_);
      std::vector<Tensor> parts;
      for (const Tensor& g : G) parts.push_back(reshape(g.detach(), {1, g.numel()}));
      all.push_back(concat(parts, 1));
    }
    return concat(all, 0);
  }

 private:
  Tensor losses(int64_t begin, int64_t end) const {
    Pass pass;
    const Tensor logits = model_(slice(images_, 0, begin, end), pass);
    return cross_entropies(logits, slice(labels_, 0, begin, end));
  }

  std::vector<Tensor> theta_;
  Module& model_;
  Tensor images_, labels_;
  int64_t batch_;
};

// Inputs and outputs of layers in one pass.
struct Seen {
  Tensor input, output;
  int runs = 0;
};

class Gatherer {
 public:
  Gatherer(
      Module& model, const Tensor& images, const Tensor& labels, const NamedTensors& theta,
      const SampleGradientOptions& o)
      : model_(model), images_(images.detach()), labels_(labels), theta_(theta), o_(o) {
    if (o_.form == GradientForm::recorded) return;
    NamedModules all = layers(model);
    all.emplace_back("", &model);
    for (const auto& [name, layer] : all) {
      LayerPart part;
      part.layer = layer;
      part.weight = place_of(name.empty() ? "weight" : name + ".weight");
      part.bias = place_of(name.empty() ? "bias" : name + ".bias");
      if (!part.weight && !part.bias) continue;
      if (const auto* conv = dynamic_cast<const Conv2d*>(layer)) {
        part.conv = conv->options();
        part.weight_shape = conv->weight().shape();
        part.is_conv = true;
      } else if (const auto* linear = dynamic_cast<const Linear*>(layer)) {
        part.weight_shape = linear->weight().shape();
      } else {
        continue;
      }
      parts_.push_back(part);
    }
  }

  Tensor logits;  // [n, K]
  std::vector<std::unique_ptr<GradientBlock>> blocks;

  void run() {
    const int64_t n = images_.size(0);
    std::vector<Tensor> all_logits;
    for (int64_t i = 0; i < n; i += o_.batch) {
      const int64_t end = std::min(n, i + o_.batch);
      all_logits.push_back(batch(i, end));
      if (o_.progress && !o_.progress(end, n)) raise<Error>("sample_gradients", "stopped");
    }
    logits = concat(all_logits, 0);
    for (size_t k = 0; k < parts_.size(); ++k) blocks.push_back(finished(parts_[k], stores_[k]));
    parts_.clear();
    stores_.clear();
    rest();
  }

 private:
  struct Store {
    bool keeps_rows = false;
    Tensor a, d;  // or a: the rows
  };

  std::optional<size_t> place_of(const std::string& name) const {
    for (size_t k = 0; k < theta_.size(); ++k) {
      if (theta_[k].first == name) return k;
    }
    return std::nullopt;
  }

  // Forward and backward of samples begin ... end - 1; returns their logits.
  Tensor batch(int64_t begin, int64_t end) {
    const Recording on(true);
    std::map<const Module*, Seen> seen;
    Pass pass;
    pass.observer = [&](const Module& layer, const Tensor& input, const Tensor& output) {
      for (const LayerPart& part : parts_) {
        if (part.layer != &layer) continue;
        Seen& s = seen[&layer];
        s.input = input;
        s.output = output;
        ++s.runs;
      }
    };
    const Tensor y = model_(slice(images_, 0, begin, end), pass);
    const Tensor loss = sum(cross_entropies(y, slice(labels_, 0, begin, end)));
    if (begin == 0) keep_usual(seen, end - begin);
    std::vector<Tensor> outputs;
    for (const LayerPart& part : parts_) outputs.push_back(seen.at(part.layer).output);
    if (!outputs.empty()) {
      const std::vector<Tensor> deltas = grad(loss, outputs, {.release_graph = true});
      const Recording off(false);
      for (size_t k = 0; k < parts_.size(); ++k) {
        store(parts_[k], stores_[k], seen.at(parts_[k].layer).input.detach(), deltas[k], begin);
      }
    }
    return y.detach();
  }

  // Layers that ran once, on one row or image per sample; the first batch decides.
  void keep_usual(const std::map<const Module*, Seen>& seen, int64_t B) {
    std::erase_if(parts_, [&](const LayerPart& part) {
      const auto found = seen.find(part.layer);
      if (found == seen.end() || found->second.runs != 1) return true;
      const Tensor& a = found->second.input;
      const bool fits = part.is_conv ? a.rank() == 4 : a.rank() == 2 || a.rank() == 3;
      return !fits || a.size(0) != B || !found->second.output.requires_gradient();
    });
    for (const LayerPart& part : parts_) {
      const Seen& s = seen.at(part.layer);
      const int64_t factors = (s.input.numel() + s.output.numel()) / B;
      int64_t rows = 0;
      for (const Shape& shape : part.shapes()) rows += shape.numel();
      const bool are_small = rows * images_.size(0) * size_of(s.input.dtype()) <= o_.largest_rows;
      const bool is_asked = o_.form == GradientForm::rows;
      stores_.push_back({is_asked || (rows < factors && are_small && decides_itself()), {}, {}});
    }
  }
  bool decides_itself() const { return o_.form == GradientForm::automatic; }

  void store(const LayerPart& part, Store& s, const Tensor& a, const Tensor& d, int64_t begin) {
    if (s.keeps_rows) {
      put(s.a, gradients_of(part, a, d), begin);
    } else {
      put(s.a, a, begin);
      put(s.d, d, begin);
    }
  }
  // Writes rows into a tensor of n, made when the first rows come.
  void put(Tensor& to, const Tensor& rows, int64_t begin) const {
    if (!to.defined()) to = Tensor::empty(rows.shape().with(0, images_.size(0)), rows.dtype());
    const auto bytes = rows.bytes();
    visit_float("sample_gradients", rows.dtype(), [&]<class T>() {
      T* start = to.mutable_data<T>() + begin * (rows.numel() / rows.size(0));
      std::memcpy(start, bytes.data(), bytes.size());
    });
  }

  std::unique_ptr<GradientBlock> finished(const LayerPart& part, Store& s) const {
    if (s.keeps_rows) return std::make_unique<Rows>(part.slots(), part.shapes(), s.a);
    if (s.a.rank() == 2) return std::make_unique<Factors>(part, s.a, s.d);
    return std::make_unique<Positions>(part, s.a, s.d, o_.batch);
  }

  // Parameters that no layer above serves.
  void rest() {
    std::vector<bool> is_served(theta_.size(), false);
    for (const auto& block : blocks) {
      for (const size_t slot : block->slots()) is_served[slot] = true;
    }
    std::vector<size_t> slots;
    std::vector<Shape> shapes;
    std::vector<Tensor> tensors;
    for (size_t k = 0; k < theta_.size(); ++k) {
      if (is_served[k]) continue;
      slots.push_back(k);
      shapes.push_back(theta_[k].second.shape());
      tensors.push_back(theta_[k].second);
    }
    if (slots.empty()) return;
    auto recorded =
        std::make_unique<Recorded>(slots, shapes, tensors, model_, images_, labels_, o_.batch);
    const int64_t n = images_.size(0);
    const bool are_small = recorded->scalars() * n * size_of(images_.dtype()) <= o_.largest_rows;
    if (o_.form == GradientForm::recorded || !are_small) {
      blocks.push_back(std::move(recorded));
      return;
    }
    Tensor G;
    for (int64_t i = 0; i < n; i += o_.batch) {
      const std::vector<int64_t> rows = index_range(i, i + std::min(o_.batch, n - i));
      put(G, recorded->dense(rows), i);
      if (o_.progress && !o_.progress(i, n)) raise<Error>("sample_gradients", "stopped");
    }
    blocks.push_back(std::make_unique<Rows>(slots, shapes, G));
  }

  Module& model_;
  Tensor images_, labels_;
  const NamedTensors& theta_;
  const SampleGradientOptions& o_;
  std::vector<LayerPart> parts_;
  std::vector<Store> stores_;
};

}  // namespace

const char* name_of(GradientForm form) {
  switch (form) {
    case GradientForm::automatic: return "automatic";
    case GradientForm::factors: return "factors";
    case GradientForm::positions: return "positions";
    case GradientForm::rows: return "rows";
    case GradientForm::recorded: break;
  }
  return "recorded";
}

SampleGradients::SampleGradients(
    Module& model, const Tensor& images, const Tensor& labels,
    const std::vector<std::string>& parameters, const SampleGradientOptions& options) {
  const char* op = "sample_gradients";
  check_shape(
      images.defined() && labels.defined() && images.rank() >= 2 && labels.rank() >= 1 &&
          labels.size(0) == images.size(0),
      op, "needs one label per image");
  check_value(images.size(0) > 0, op, "needs at least one sample");
  check_value(options.batch >= 1, op, "batch ", options.batch, " is below 1");
  check_value(!parameters.empty(), op, "no parameters are chosen");
  n_ = images.size(0);
  for (const auto& named : stationary_parameters(model)) {
    if (std::find(parameters.begin(), parameters.end(), named.first) != parameters.end()) {
      theta_.push_back(named);
    }
  }
  check_value(
      theta_.size() == parameters.size(), op, parameters.size() - theta_.size(), " of ",
      parameters.size(), " parameters are not the model's, or require no gradient");
  Gatherer gatherer(model, images, labels, theta_, options);
  gatherer.run();
  logits_ = gatherer.logits;
  blocks_ = std::move(gatherer.blocks);
}

SampleGradients::~SampleGradients() = default;

double SampleGradients::target_square() {
  const Recording off(false);
  double square = 0;
  for (const auto& named : theta_) {
    const Tensor t = to(named.second.detach(), DType::f64);
    square += sum(t * t).item();
  }
  return square;
}

Tensor SampleGradients::slopes(const Tensor& lambda) {
  const Recording off(false);
  std::vector<Tensor> residual = combined(lambda);
  for (size_t k = 0; k < theta_.size(); ++k) residual[k] = theta_[k].second.detach() + residual[k];
  return products(residual);
}

Tensor SampleGradients::gram(std::span<const int64_t> rows, std::span<const int64_t> columns) {
  const Recording off(false);
  Tensor K;
  for (const auto& block : blocks_) {
    const Tensor part = to(block->gram(rows, columns), DType::f64);
    K = K.defined() ? K + part : part;
  }
  return K;
}

Tensor SampleGradients::products(std::span<const Tensor> v) const {
  const Recording off(false);
  Tensor total;
  for (const auto& block : blocks_) {
    const Tensor part = to(block->products(v).detach(), DType::f64);
    total = total.defined() ? total + part : part;
  }
  return total;
}

std::vector<Tensor> SampleGradients::combined(const Tensor& lambda) const {
  const Recording off(false);
  std::vector<Tensor> out(theta_.size());
  const Tensor weights = to(lambda.detach(), theta_[0].second.dtype());
  for (const auto& block : blocks_) block->combine(weights, out);
  return out;
}

std::vector<Tensor> SampleGradients::squares() const {
  const Recording off(false);
  std::vector<Tensor> all(theta_.size());
  for (const auto& block : blocks_) {
    const std::vector<Tensor> own = block->squares(n_);
    for (size_t k = 0; k < own.size(); ++k) all[block->slots()[k]] = own[k];
  }
  return all;
}

Tensor SampleGradients::dense(std::span<const int64_t> rows) const {
  const Recording off(false);
  const int64_t count = std::ssize(rows);
  std::vector<Tensor> parts(theta_.size());
  for (const auto& block : blocks_) {
    const Tensor own = block->dense(rows);
    int64_t begin = 0;
    for (size_t k = 0; k < block->slots().size(); ++k) {
      const int64_t size = block->shapes()[k].numel();
      parts[block->slots()[k]] = slice(own, 1, begin, begin + size);
      begin += size;
    }
  }
  check_shape(count > 0, "sample_gradients", "no rows are asked for");
  return to(parts.size() == 1 ? parts[0] : concat(parts, 1), DType::f64);
}

std::vector<SampleGradients::Form> SampleGradients::forms() const {
  std::vector<Form> all;
  for (const auto& block : blocks_) {
    const auto name_of_slot = [&](size_t slot) { return theta_[slot].first; };
    all.push_back({joined(block->slots(), ", ", name_of_slot), block->form(), block->bytes()});
  }
  return all;
}

}  // namespace limpid::interpret
