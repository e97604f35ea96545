// tests/interpret/sample_gradients_test.cpp: every form against one pass per sample.
#include "interpret/support_vectors/sample_gradients.h"

#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/support_vectors/deep_kkt.h"
#include "tests/interpret/small_nets.h"
#include "tests/interpret/support_machine.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <memory>
#include <set>

using namespace limpid;
using namespace limpid::interpret;

namespace {

std::vector<std::string> names_of(Module& model) {
  std::vector<std::string> names;
  for (const auto& named : stationary_parameters(model)) names.push_back(named.first);
  return names;
}

// Rows g_i [n, P], one ordinary backward pass each.
Tensor dense_gradients(
    Module& model, const Tensor& images, const Tensor& labels,
    const std::vector<std::string>& names) {
  std::vector<Tensor> theta, rows;
  for (const auto& named : stationary_parameters(model)) {
    if (std::find(names.begin(), names.end(), named.first) != names.end()) {
      theta.push_back(named.second);
    }
  }
  for (int64_t i = 0; i < images.size(0); ++i) {
    Pass pass;
    const Tensor logits = model(slice(images, 0, i, i + 1), pass);
    const Tensor loss = sum(cross_entropies(logits, slice(labels, 0, i, i + 1)));
    std::vector<Tensor> parts;
    for (const Tensor& g : grad(loss, theta)) parts.push_back(reshape(g, {1, g.numel()}));
    rows.push_back(concat(parts, 1).detach());
  }
  return concat(rows, 0);
}

std::vector<int64_t> every(int64_t n, int64_t step) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < n; i += step) indices.push_back(i);
  return indices;
}

Tensor row_of(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> parts;
  for (const Tensor& t : tensors) parts.push_back(reshape(t, {t.numel()}));
  return concat(parts, 0);
}

// f64: sums of some hundred products, so rounding is about 1e-14 of their size
void check_all_operators(
    Module& model, const Tensor& images, const Tensor& labels,
    const std::vector<std::string>& names, const SampleGradientOptions& o) {
  const int64_t n = images.size(0);
  const Tensor G = dense_gradients(model, images, labels, names);
  SampleGradients gradients(model, images, labels, names, o);
  REQUIRE(gradients.count() == n);
  const std::vector<int64_t> rows = every(n, 2), all = every(n, 1);
  const Tensor picked = take_rows(G, rows);
  CHECK(close(gradients.dense(rows), picked, 1e-12));
  CHECK(close(gradients.gram(rows, all), matmul(picked, G, {.transpose_b = true}), 1e-12));

  Rng rng(5);
  std::vector<Tensor> v, theta;
  for (const auto& named : gradients.target()) {
    v.push_back(Tensor::normal(named.second.shape(), rng, 0, 1, DType::f64));
    theta.push_back(named.second.detach());
  }
  const auto column = [](const Tensor& t) { return reshape(t, {t.numel(), 1}); };
  CHECK(close(gradients.products(v), reshape(matmul(G, column(row_of(v))), {n}), 1e-12));
  const Tensor lambda = Tensor::uniform({n}, rng, 0, 2, DType::f64);
  const Tensor moved = reshape(matmul(G, column(lambda), {.transpose_a = true}), {G.size(1)});
  CHECK(close(row_of(gradients.combined(lambda)), moved, 1e-12));
  const Tensor residual = row_of(theta) + moved;
  CHECK(close(gradients.slopes(lambda), reshape(matmul(G, column(residual)), {n}), 1e-12));
  Tensor square = Tensor::zeros({n}, DType::f64);
  for (const Tensor& part : gradients.squares()) square = square + part;
  CHECK(close(square, reshape(sum(G * G, {1}), {n}), 1e-12));
  CHECK(gradients.target_square() == doctest::Approx(sum(row_of(theta) * row_of(theta)).item()));
}

std::set<GradientForm> forms_in(const SampleGradients& gradients) {
  std::set<GradientForm> forms;
  for (const auto& form : gradients.forms()) forms.insert(form.form);
  return forms;
}

// Strides, padding, groups, no bias, two linear layers.
std::unique_ptr<Sequential> convolutions(Rng& rng) {
  auto net = std::make_unique<Sequential>();
  net->add<Conv2d>("conv1", 2, 4, Conv2dOptions{.size = 3, .stride = 2, .padding = 1}, rng);
  net->add<ReLU>("relu1");
  net->add<Conv2d>("conv2", 4, 6, Conv2dOptions{.size = 2, .groups = 2, .bias = false}, rng);
  net->add<ReLU>("relu2");
  net->add<MaxPool2d>("pool");
  net->add<Flatten>("flatten");
  net->add<Linear>("fc1", 24, 16, rng);
  net->add<ReLU>("relu3");
  net->add<Linear>("fc2", 16, 3, rng);
  convert(*net, DType::f64);
  return net;
}

}  // namespace

TEST_CASE("sample gradients: all forms are the gradients of one pass per sample") {
  Rng rng(3);
  const auto net = convolutions(rng);
  const int64_t n = 7;  // two batches of four, the second shorter
  const Tensor images = Tensor::normal({n, 2, 10, 10}, rng, 0, 1, DType::f64);
  const Tensor labels = labels_of(n, 3);
  const auto before = bits(*net);
  for (const GradientForm form :
       {GradientForm::automatic, GradientForm::factors, GradientForm::rows,
        GradientForm::recorded}) {
    CAPTURE(name_of(form));
    const SampleGradientOptions o{.batch = 4, .form = form};
    check_all_operators(*net, images, labels, names_of(*net), o);
    check_all_operators(
        *net, images, labels, {"conv1.bias", "conv2.weight", "fc1.weight", "fc2.bias"}, o);
    const SampleGradients gradients(*net, images, labels, names_of(*net), o);
    const std::set<GradientForm> expected =
        form == GradientForm::factors || form == GradientForm::automatic
            ? std::
                  set{GradientForm::factors, form == GradientForm::automatic
                                                 ? GradientForm::rows
                                                 : GradientForm::positions}
            : std::set{form};
    CHECK(forms_in(gradients) == expected);
  }
  CHECK(bits(*net) == before);
  // Fewer samples than a batch; soft labels
  check_all_operators(
      *net, images, softmax(Tensor::normal({n, 3}, rng, 0, 1, DType::f64)), names_of(*net), {});
}

TEST_CASE("sample gradients: norms, tokens and attention by rows, or by double backward") {
  Rng rng(7);
  const Tensor images = Tensor::normal({5, 1, 8, 8}, rng, 0, 1, DType::f64);
  const Tensor labels = labels_of(5, 3);
  for (const char* name : {"tiny_vit", "convnet:4x2:batch", "resnet8"}) {
    CAPTURE(name);
    Rng weights(11);
    const auto net = make_model(name, {.input = {1, 8, 8}, .classes = 3}, weights);
    convert(*net, DType::f64);
    for (const int64_t largest : {int64_t{1} << 30, int64_t{0}}) {
      check_all_operators(
          *net, images, labels, names_of(*net), {.batch = 3, .largest_rows = largest});
    }
  }
}

TEST_CASE("sample gradients: what is refused") {
  Rng rng(13);
  const auto net = convolutions(rng);
  const Tensor images = Tensor::normal({4, 2, 10, 10}, rng, 0, 1, DType::f64);
  const Tensor labels = labels_of(4, 3);
  CHECK_THROWS_AS(SampleGradients(*net, images, labels_of(3, 3), names_of(*net)), ShapeError);
  CHECK_THROWS_AS(SampleGradients(*net, images, Tensor(), names_of(*net)), ShapeError);
  CHECK_THROWS_AS(SampleGradients(*net, images, labels, {}), ValueError);
  CHECK_THROWS_AS(SampleGradients(*net, images, labels, {"fc9.weight"}), ValueError);
  const Tensor none = slice(images, 0, 0, 0);
  CHECK_THROWS_AS(
      SampleGradients(*net, none, Tensor::empty({0}, DType::i64), names_of(*net)), ValueError);
  const SampleGradientOptions stops{.progress = [](int64_t, int64_t) { return false; }};
  CHECK_THROWS_AS(SampleGradients(*net, images, labels, names_of(*net), stops), Error);
}
