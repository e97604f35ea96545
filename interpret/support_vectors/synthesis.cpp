// interpret/support_vectors/synthesis.cpp: the descent on pixels and multipliers.
#include "interpret/support_vectors/synthesis.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/ops/resample.h"
#include "framework/optim/schedule.h"
#include "framework/tensor/integers.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace limpid::interpret {
namespace {

// Streams of random numbers: one for each purpose, and for views one per step
enum Stream : uint64_t { kStart, kMultipliers, kViews, kMeasured };

double length_of(const Tensor& t) { return std::sqrt(sum(to(t * t, DType::f64)).item()); }

bool is_finite(const Tensor& t) { return std::isfinite(sum(to(abs(t), DType::f64)).item()); }

Tensor rows_of(const Tensor& x, const std::vector<int64_t>& rows) {
  return std::ssize(rows) == x.size(0) ? x.detach() : take_rows(x.detach(), rows);
}

// The adjoint: zeros in the rows that were left out.
Tensor back_in_rows(const Tensor& g, const std::vector<int64_t>& rows, const Shape& shape) {
  if (g.shape() == shape) return g;
  const Tensor flat = reshape(g, {g.size(0), g.numel() / g.size(0)});
  const Tensor index = integer_tensor(rows);
  return reshape(add_rows(flat, index, shape[0]), shape);
}

// The images at the height and width of a shape; tables, which have none, as they are.
Tensor resized(const Tensor& x, const Shape& shape) {
  if (x.rank() != 4 || (x.size(2) == shape[2] && x.size(3) == shape[3])) return x;
  return resize_bilinear(x, shape[2], shape[3]);
}

bool is_power_of_two(int64_t v) { return v >= 1 && (v & (v - 1)) == 0; }

}  // namespace

// ---- Start ----

Synthesis::Synthesis(
    Module& model, const Tensor& images, const Tensor& labels, const SynthesisOptions& options)
    : model_(model), options_(options), shape_(images.shape()), labels_(labels) {
  check();
  begin(images);
}

void Synthesis::check() const {
  const SynthesisOptions& o = options_;
  check_value(o.steps >= 1, "synthesis", "needs at least one step, not ", o.steps);
  check_value(o.clean_branch || o.eta > 0, "synthesis", "without a clean branch eta must be > 0");
  check_value(o.eta >= 0 && std::isfinite(o.eta), "synthesis", "eta ", o.eta, " is negative");
  for (const double w :
       {o.weights.stationarity, o.weights.primal, o.weights.variation, o.weights.size}) {
    check_value(w >= 0 && std::isfinite(w), "synthesis", "weight ", w, " of a term is negative");
  }
  check_value(
      o.weights.stationarity > 0 || o.weights.primal > 0, "synthesis",
      "needs a weight for stationarity or for the primal condition");
  check_value(
      is_power_of_two(o.start_scale) && is_power_of_two(o.basis), "synthesis", "scales ",
      o.start_scale, " and ", o.basis, " must be powers of 2");
  check_value(
      o.warmup >= 0 && o.warmup <= 1, "synthesis", "warm-up ", o.warmup, " is no share of the run");
  check_value(o.trace_every >= 1, "synthesis", "trace_every must be at least 1");
  const bool is_image = shape_.rank() == 4;
  check_shape(
      is_image || (o.start_scale == 1 && o.basis == 1 && o.weights.variation == 0), "synthesis",
      "only images have a variation and a resolution (", shape_, ")");
  check_shape(
      shape_.rank() >= 2 && shape_[0] >= 1 && labels_.rank() >= 1 && labels_.size(0) == shape_[0],
      "synthesis", "needs one label per image (", shape_, ", ", labels_.shape(), ")");
}

// The class of each candidate: its label, or the largest share of its distribution.
void Synthesis::set_classes() {
  const Tensor best = labels_.rank() == 2 ? arg_max(labels_, 1) : labels_;
  classes_.assign(best.values<int64_t>().begin(), best.values<int64_t>().end());
}

// Pixels with an optimiser that knows nothing of them yet.
void Synthesis::set_pixels(const Tensor& pixels) {
  pixels_ = pixels;
  pixels_.require_gradient();
  adam_ = std::make_unique<Adam>(NamedParameters{{"pixels", pixels_}});
}

void Synthesis::begin(const Tensor& images) {
  const Recording off(false);
  const int64_t n = shape_[0];
  set_classes();
  set_pixels(resized(images.detach(), pixels_shape(0)).clone());
  is_alive_ = Tensor::of_integers({n}, std::vector<int64_t>(static_cast<size_t>(n), 1));
  lambda_ = Tensor::ones({n}, images.dtype());
  if (options_.weights.stationarity > 0) set_lambda0();
  set_weights();
}

// <theta, -G> / |G|^2 with G = sum_i lambda_i g_i: what lambda is to be multiplied by.
double Synthesis::best_length() const {
  const Recording on(true);
  std::vector<Tensor> theta;
  for (const auto& named : stationary_parameters(model_)) theta.push_back(named.second);
  Pass pass;
  const Tensor log_p = log_softmax(model_(images(), pass));
  const Tensor y = labels_.rank() == 2 ? labels_ : one_hot(labels_, log_p.size(1), log_p.dtype());
  const Tensor losses = reshape(sum(y * log_p, {1}), lambda_.shape());
  const std::vector<Tensor> minus_G = grad(sum(lambda_ * losses), theta);
  const Recording off(false);
  double product = 0, square = 0;
  for (size_t k = 0; k < theta.size(); ++k) {
    product += sum(to(theta[k].detach() * minus_G[k], DType::f64)).item();
    square += sum(to(minus_G[k] * minus_G[k], DType::f64)).item();
  }
  return square > 0 ? product / square : 0;
}

// lambda0 = <theta, -G> / |G|^2 with all lambda 1. Its sign may be wrong where nothing is
// classified as its label yet; its size is used.
void Synthesis::set_lambda0() {
  const double length = std::abs(best_length());
  lambda0_ = length > 0 ? length : 1;
  Rng rng = Rng(options_.seed).child(kMultipliers);
  lambda_ = lambda0_ * Tensor::uniform({shape_[0]}, rng, 0.5, 1.5, pixels_.dtype());
}

// Slopes by lambda do not change with its length, but those of the cosine do: as 1 / length.
void Synthesis::set_length() {
  const double length = best_length();
  if (!(length > 0)) return;
  lambda_ = lambda_ * length;
  lambda0_ *= length;
  const bool is_cosine = options_.stationarity.distance == Distance::cosine;
  lambda_rate_ *= is_cosine ? length * length : length;
}

void Synthesis::set_weights() {
  weights_ = options_.weights;
  if (!options_.weights_are_ratios) return;
  const Terms lengths = slope_lengths(false);
  const double unit = weights_.stationarity > 0 ? lengths.stationarity : lengths.primal;
  const double first = weights_.stationarity > 0 ? weights_.stationarity : weights_.primal;
  const auto scaled = [&](double ratio, double length) {
    return length > 0 ? ratio / first * unit / length : 0;
  };
  weights_ = {
      .stationarity = scaled(weights_.stationarity, lengths.stationarity),
      .primal = scaled(weights_.primal, lengths.primal),
      .variation = scaled(weights_.variation, lengths.variation),
      .size = scaled(weights_.size, lengths.size)};
}

// ---- Resolution ----

// start_scale, halved stage by stage down to the basis; all stages take equally many steps.
int64_t Synthesis::scale_at(int64_t step) const {
  int64_t stages = 1;
  for (int64_t s = options_.start_scale; s > options_.basis; s /= 2) ++stages;
  const int64_t stage = std::min(step * stages / options_.steps, stages - 1);
  return std::max(options_.start_scale >> stage, options_.basis);
}

Shape Synthesis::pixels_shape(int64_t step) const {
  if (shape_.rank() != 4) return shape_;
  const int64_t scale = scale_at(step);
  return shape_.with(2, std::max<int64_t>(1, shape_[2] / scale))
      .with(3, std::max<int64_t>(1, shape_[3] / scale));
}

void Synthesis::enter_stage() {
  const Shape shape = pixels_shape(step_);
  if (shape == pixels_.shape()) return;
  const Recording off(false);
  set_pixels(resized(pixels_.detach(), shape).clone());
}

Tensor Synthesis::images() const {
  const Recording off(false);
  return resized(pixels_.detach(), shape_).clone();
}

// ---- Slopes ----

View Synthesis::view_of(uint64_t stream, int64_t count, bool per_image) const {
  Rng rng = Rng(options_.seed).child(stream).child(static_cast<uint64_t>(step_));
  ViewOptions view = options_.view;
  view.per_image = view.per_image || per_image;
  return draw_view(view, shape_.with(0, count), pixels_.dtype(), rng);
}

// Of the clean branch and the view, by images at full size.
Synthesis::Slopes Synthesis::condition_slopes(
    const Tensor& images, const std::vector<int64_t>& rows, const View& view,
    const ConditionOptions& options) const {
  const Tensor labels = rows_of(labels_, rows);
  const Tensor lambda = rows_of(lambda_, rows);
  Slopes total;
  if (options_.clean_branch) {
    const Conditions c = conditions(model_, images, labels, lambda, options);
    total = {c.by_images, c.by_lambda};
  }
  if (options_.eta == 0) return total;
  const Recording on(true);
  Tensor x = images.detach();
  x.require_gradient();
  const Tensor y = seen(view, x);
  const Conditions c = conditions(model_, y.detach(), labels, lambda, options);
  const Tensor by_images = y.is(x) ? c.by_images : grad(y, x, {.seed = c.by_images});
  const Recording off(false);
  if (!total.by_pixels.defined()) return {options_.eta * by_images, options_.eta * c.by_lambda};
  return {total.by_pixels + options_.eta * by_images, total.by_lambda + options_.eta * c.by_lambda};
}

Synthesis::Slopes Synthesis::slopes(
    const std::vector<int64_t>& rows, const View& view, const Terms& w,
    bool masks_satisfied) const {
  const Recording on(true);
  Tensor pixels = rows_of(pixels_, rows);
  pixels.require_gradient();
  const Tensor full = resized(pixels, shape_);
  Tensor x = full.detach();
  Slopes total{Tensor::zeros(x.shape(), x.dtype()), Tensor()};
  if (w.stationarity > 0 || w.primal > 0) {
    const ConditionOptions options{
        .stationarity = options_.stationarity,
        .stationarity_weight = w.stationarity,
        .primal_weight = w.primal,
        .masks_satisfied = masks_satisfied,
        .margin = options_.margin,
        .soft_tolerance = options_.soft_tolerance};
    total = condition_slopes(x, rows, view, options);
  }
  if (w.variation > 0 || w.size > 0) {
    x.require_gradient();
    Tensor prior = Tensor::scalar(0, x.dtype());
    if (w.variation > 0) {
      prior = prior + w.variation * mean(total_variation(x, options_.averages_variation));
    }
    if (w.size > 0) {
      const Tensor centre =
          options_.centre.defined() ? rows_of(options_.centre, rows) : options_.centre;
      prior = prior + w.size * mean(size_prior(x, options_.size, centre));
    }
    total.by_pixels = total.by_pixels + grad(prior, x);
  }
  if (!full.is(pixels)) total.by_pixels = grad(full, pixels, {.seed = total.by_pixels});
  return total;
}

Terms Synthesis::slope_lengths(bool masks_satisfied) const {
  const std::vector<int64_t> rows = alive();
  const View view = view_of(kMeasured, std::ssize(rows), false);
  const auto length = [&](const Terms& one) {
    return length_of(slopes(rows, view, one, masks_satisfied).by_pixels);
  };
  const Terms& wanted = options_.weights;
  Terms lengths;
  if (wanted.stationarity > 0) lengths.stationarity = length({.stationarity = 1});
  if (wanted.primal > 0) lengths.primal = length({.primal = 1});
  if (wanted.variation > 0) lengths.variation = length({.variation = 1});
  if (wanted.size > 0) lengths.size = length({.size = 1});
  return lengths;
}

// ---- A step ----

void Synthesis::advance() {
  enter_stage();
  std::vector<int64_t> rows = alive();
  if (options_.exact_every > 0 && step_ % options_.exact_every == 0) {
    const Multipliers exact =
        exact_multipliers(model_, rows_of(images(), rows), rows_of(labels_, rows));
    lambda_ = to(back_in_rows(exact.lambda, rows, {shape_[0]}), lambda_.dtype());
  }
  const Slopes s =
      slopes(rows, view_of(kViews, std::ssize(rows), false), weights_, options_.masks_satisfied);
  if (!is_finite(s.by_pixels) || (s.by_lambda.defined() && !is_finite(s.by_lambda))) {
    throw NumericError(
        join_text("synthesis: slopes are not finite in step ", step_ + 1), length_of(s.by_pixels));
  }
  const Recording off(false);

  // Pixels
  const Schedule schedule{
      .kind = Schedule::Kind::cosine,
      .learning_rate = options_.learning_rate,
      .steps = options_.steps};
  const Tensor before = rows.size() < classes_.size() ? pixels_.clone() : Tensor();
  pixels_.set_gradient(back_in_rows(s.by_pixels, rows, pixels_.shape()));
  adam_->step(schedule.at(step_));
  adam_->clear_gradients();
  if (options_.low.defined()) pixels_.assign(maximum(pixels_.detach(), options_.low));
  if (options_.high.defined()) pixels_.assign(minimum(pixels_.detach(), options_.high));
  if (before.defined()) {  // those that left stay where they were
    const Tensor is_left = to(reshape(is_alive_, {shape_[0], 1}), pixels_.dtype());
    const Shape flat = {shape_[0], pixels_.numel() / shape_[0]};
    pixels_.assign(reshape(
        where(is_left, reshape(pixels_.detach(), flat), reshape(before, flat)), pixels_.shape()));
  }

  if (weights_.stationarity > 0 && options_.exact_every == 0) {
    move_lambda(rows, s.by_lambda);
    leave_or_stay();
  }
  ++step_;
  const bool is_due =
      options_.length_every > 0 && (step_ % options_.length_every == 0 || is_done());
  if (is_due && weights_.stationarity > 0 && options_.exact_every == 0) set_length();
  if (step_ % options_.trace_every == 0 || is_done() || step_ == 1) trace_.push_back(measured());
}

// lambda -= rate slope with a rate that makes the first move lambda_move lambda0 at most, and no
// later move longer than that.
void Synthesis::move_lambda(const std::vector<int64_t>& rows, const Tensor& slope) {
  const double most = options_.lambda_move * lambda0_;
  std::vector<double> slopes = slope.to_vector();
  double largest = 0;
  for (const double v : slopes) largest = std::max(largest, std::abs(v));
  if (lambda_rate_ == 0 && largest > 0) lambda_rate_ = most / largest;
  std::vector<double> values = lambda_.to_vector();
  for (size_t i = 0; i < rows.size(); ++i) {
    values[static_cast<size_t>(rows[i])] -= std::clamp(lambda_rate_ * slopes[i], -most, most);
  }
  lambda_ = Tensor::of(lambda_.shape(), values, lambda_.dtype());
}

void Synthesis::leave_or_stay() {
  const bool drops =
      options_.infeasible == Infeasible::drop &&
      static_cast<double>(step_) >= options_.warmup * static_cast<double>(options_.steps);
  std::vector<double> values = lambda_.to_vector();
  std::map<int64_t, int64_t> survivors;
  for (const int64_t i : alive()) ++survivors[classes_[static_cast<size_t>(i)]];
  for (const int64_t i : alive()) {
    const auto k = static_cast<size_t>(i);
    if (values[k] >= 0) continue;
    values[k] = 0;
    if (!drops || survivors[classes_[k]] == 1) continue;
    is_alive_.mutable_data<int64_t>()[i] = 0;
    --survivors[classes_[k]];
  }
  lambda_ = Tensor::of(lambda_.shape(), values, lambda_.dtype());
}

std::vector<int64_t> Synthesis::alive() const {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < shape_[0]; ++i) {
    if (is_alive_.data<int64_t>()[i] != 0) rows.push_back(i);
  }
  return rows;
}

Tensor Synthesis::logits() const {
  const Recording off(false);
  Pass pass;
  return model_(images(), pass);
}

// ---- Continuation ----

namespace {

const std::string kAdam = "adam.";

// A line of the trace as numbers; `lists` are the four lists at its end.
std::vector<double*> numbers_of(TracePoint& t) {
  return {&t.stationarity,          &t.relative_residual, &t.primal,     &t.primal_accuracy,
          &t.primal_accuracy_views, &t.entropy,           &t.margin,     &t.slopes.stationarity,
          &t.slopes.primal,         &t.slopes.variation,  &t.slopes.size};
}
std::vector<std::vector<double>*> lists_of(TracePoint& t) {
  return {&t.class_entropy, &t.class_margin, &t.class_accuracy, &t.tensor_residual};
}

Tensor trace_tensor(std::vector<TracePoint> trace) {
  std::vector<double> values;
  for (TracePoint& t : trace) {
    values.push_back(static_cast<double>(t.step));
    values.push_back(static_cast<double>(t.alive));
    for (const double* number : numbers_of(t)) values.push_back(*number);
    for (const auto* list : lists_of(t)) values.insert(values.end(), list->begin(), list->end());
  }
  const auto points = std::ssize(trace);
  const int64_t width = points == 0 ? 0 : std::ssize(values) / points;
  return Tensor::of({points, width}, values, DType::f64);
}

std::vector<TracePoint> trace_from(const Tensor& tensor, size_t classes, size_t tensors) {
  std::vector<TracePoint> trace(static_cast<size_t>(tensor.size(0)));
  if (trace.empty()) return trace;
  TracePoint form;
  const size_t width = 2 + numbers_of(form).size() + 3 * classes + tensors;
  check_value(
      tensor.size(1) == static_cast<int64_t>(width), "synthesis", "a trace of ", tensor.shape(),
      " is of another model");
  const std::vector<double> values = tensor.to_vector();
  auto next = values.begin();
  for (TracePoint& t : trace) {
    t.step = static_cast<int64_t>(*next++);
    t.alive = static_cast<int64_t>(*next++);
    for (double* number : numbers_of(t)) *number = *next++;
    const size_t sizes[] = {classes, classes, classes, tensors};
    size_t i = 0;
    for (auto* list : lists_of(t)) {
      const auto end = next + static_cast<std::ptrdiff_t>(sizes[i++]);
      list->assign(next, end);
      next = end;
    }
  }
  return trace;
}

}  // namespace

std::map<std::string, Tensor> Synthesis::tensors() const {
  std::map<std::string, Tensor> all = {
      {"pixels", pixels_.clone()},
      {"lambda", lambda_.clone()},
      {"alive", is_alive_.clone()},
      {"scalars", Tensor::of(
                      {7},
                      {static_cast<double>(step_), lambda0_, lambda_rate_, weights_.stationarity,
                       weights_.primal, weights_.variation, weights_.size},
                      DType::f64)},
      {"trace", trace_tensor(trace_)}};
  for (const auto& [name, tensor] : adam_->state()) all[kAdam + name] = tensor.clone();
  return all;
}

Synthesis::Synthesis(
    Module& model, const Shape& image, const std::map<std::string, Tensor>& tensors,
    const Tensor& labels, const SynthesisOptions& options)
    : model_(model), options_(options), labels_(labels) {
  const auto named = [&](const std::string& name, DType dtype) {
    const auto found = tensors.find(name);
    check_value(
        found != tensors.end() && found->second.dtype() == dtype, "synthesis", "no tensor \"", name,
        "\" to go on from");
    return found->second;
  };
  const int64_t n = labels.size(0);
  std::vector<int64_t> sizes = {n};
  sizes.insert(sizes.end(), image.sizes().begin(), image.sizes().end());
  shape_ = Shape(sizes);
  check();
  set_classes();
  const std::vector<double> scalars = named("scalars", DType::f64).to_vector();
  check_value(scalars.size() == 7, "synthesis", "7 scalars to go on from, not ", scalars.size());
  step_ = static_cast<int64_t>(scalars[0]);
  lambda0_ = scalars[1];
  lambda_rate_ = scalars[2];
  weights_ = {
      .stationarity = scalars[3],
      .primal = scalars[4],
      .variation = scalars[5],
      .size = scalars[6]};
  const auto found = tensors.find("pixels");
  const DType dtype = found == tensors.end() ? DType::f32 : found->second.dtype();
  set_pixels(named("pixels", dtype).clone());
  lambda_ = named("lambda", dtype).clone();
  is_alive_ = named("alive", DType::i64).clone();
  check_shape(
      pixels_.size(0) == n && pixels_.shape() == pixels_shape(std::max<int64_t>(step_ - 1, 0)) &&
          lambda_.shape() == Shape({n}) && is_alive_.shape() == Shape({n}),
      "synthesis", "tensors to go on from do not fit ", shape_, " (", pixels_.shape(), ", ",
      lambda_.shape(), ")");
  for (auto& [name, tensor] : adam_->state()) {
    Tensor slot = tensor;
    slot.assign(named(kAdam + name, tensor.dtype()));
  }
  const Tensor z = logits();
  trace_ = trace_from(
      named("trace", DType::f64), static_cast<size_t>(z.size(1)),
      stationary_parameters(model_).size());
}

// ---- Measurement ----

TracePoint Synthesis::measured() const {
  const std::vector<int64_t> rows = alive();
  const Tensor x = rows_of(images(), rows), labels = rows_of(labels_, rows);
  const Tensor lambda = rows_of(lambda_, rows);
  const Stationarity s = stationarity(model_, x, labels, lambda, false, options_.stationarity);
  const ConditionOptions primal_alone{.stationarity_weight = 0};
  const Conditions clean = conditions(model_, x, labels, lambda, primal_alone);
  const Recording off(false);
  const View view = view_of(kMeasured, std::ssize(rows), true);
  const Conditions viewed = conditions(model_, seen(view, x), labels, lambda, primal_alone);

  TracePoint t;
  t.step = step_;
  t.stationarity = s.value;
  t.primal = clean.primal;
  t.alive = std::ssize(rows);
  t.slopes = slope_lengths(options_.masks_satisfied);
  double residual = 0, theta = 0;
  const NamedTensors named = stationary_parameters(model_);
  for (size_t k = 0; k < named.size(); ++k) {
    const double length = length_of(named[k].second.detach());
    t.tensor_residual.push_back(s.relative_residual[k].second);
    residual += std::pow(s.relative_residual[k].second * length, 2);
    theta += length * length;
  }
  t.relative_residual = std::sqrt(residual / theta);

  // Sums over all candidates and over those of each class
  const int64_t K = clean.logits.size(1);
  const std::vector<double> z = clean.logits.to_vector(), zv = viewed.logits.to_vector();
  const std::vector<double> log_p = log_softmax(clean.logits).to_vector();
  std::vector<double> count(static_cast<size_t>(K));
  t.class_entropy = t.class_margin = t.class_accuracy = count;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto c = static_cast<size_t>(classes_[static_cast<size_t>(rows[i])]);
    const auto first = static_cast<std::ptrdiff_t>(i) * K;
    double entropy = 0, other = -std::numeric_limits<double>::infinity();
    for (size_t k = 0; k < static_cast<size_t>(K); ++k) {
      const double l = log_p[static_cast<size_t>(first) + k];
      entropy -= std::exp(l) * l;
      if (k != c) other = std::max(other, z[static_cast<size_t>(first) + k]);
    }
    const double margin = z[static_cast<size_t>(first) + c] - other;
    const auto viewed_best = std::max_element(zv.begin() + first, zv.begin() + first + K);
    t.entropy += entropy;
    t.margin += margin;
    t.primal_accuracy += margin > 0 ? 1 : 0;
    t.primal_accuracy_views += static_cast<size_t>(viewed_best - (zv.begin() + first)) == c ? 1 : 0;
    count[c] += 1;
    t.class_entropy[c] += entropy;
    t.class_margin[c] += margin;
    t.class_accuracy[c] += margin > 0 ? 1 : 0;
  }
  const auto n = static_cast<double>(rows.size());
  for (double* total : {&t.entropy, &t.margin, &t.primal_accuracy, &t.primal_accuracy_views}) {
    *total /= n;
  }
  for (size_t c = 0; c < count.size(); ++c) {  // 0 / 0: NaN
    t.class_entropy[c] /= count[c];
    t.class_margin[c] /= count[c];
    t.class_accuracy[c] /= count[c];
  }
  return t;
}

// ---- Labels and starts ----

Tensor noise_images(const Shape& image, int64_t count, DType dtype, uint64_t seed) {
  std::vector<int64_t> sizes = {count};
  sizes.insert(sizes.end(), image.sizes().begin(), image.sizes().end());
  Rng rng = Rng(seed).child(kStart);
  return Tensor::normal(Shape(sizes), rng, 0, 1, dtype);
}

Tensor labels_per_class(int64_t classes, int64_t per_class) {
  std::vector<int64_t> labels;
  for (int64_t c = 0; c < classes; ++c) {
    labels.insert(labels.end(), static_cast<size_t>(per_class), c);
  }
  return integer_tensor(labels);
}

Tensor mixed_labels(int64_t a, int64_t b, std::span<const double> mixes, int64_t classes) {
  for (const int64_t c : {a, b}) {
    check_value(
        c >= 0 && c < classes, "mixed_labels", "class ", c, " is not in 0 to ", classes - 1);
  }
  std::vector<double> values(mixes.size() * static_cast<size_t>(classes));
  for (size_t i = 0; i < mixes.size(); ++i) {
    check_value(
        mixes[i] >= 0 && mixes[i] <= 1, "mixed_labels", "mix ", mixes[i], " is not from 0 to 1");
    double* row = values.data() + i * static_cast<size_t>(classes);
    row[a] += 1 - mixes[i];
    row[b] += mixes[i];
  }
  return Tensor::of({std::ssize(mixes), classes}, values);
}

}  // namespace limpid::interpret
