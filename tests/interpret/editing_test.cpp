// tests/interpret/editing_test.cpp: edits, their cost, and networks made from vectors.
#include "interpret/support_vectors/editing.h"

#include "framework/core/error.h"
#include "framework/nn/layers.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/support_vectors/retraining.h"
#include "tests/interpret/digits_net.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

EditOptions short_edit() {
  EditOptions o;
  o.synthesis.steps = 200;
  o.synthesis.view = {.shift = 0.125, .crop = 0.1, .noise = 0.01};
  o.synthesis.learning_rate = 0.1;
  return o;
}

Tensor distributions_of(const Tensor& labels) { return one_hot(labels, 10); }

}  // namespace

TEST_CASE("editing: digits become the digit that is asked for, FGSM and PGD beside") {
  Digits& d = digits();
  const Tensor sources = slice(d.images, 0, 0, 10);
  std::vector<int64_t> targets;
  for (int64_t i = 0; i < 10; ++i) targets.push_back((d.labels.data<int64_t>()[i] + 3) % 10);
  const auto before = bits(*d.model);
  const Moved edit = edited(*d.model, sources, targets, short_edit());
  const Moved pgd = pgd_to(*d.model, sources, targets, edit.probability, 0.02, 300);
  const Moved fgsm = fgsm_to(*d.model, sources, targets, edit.probability, 0.02, 300);
  CHECK(bits(*d.model) == before);
  Pass pass;
  const std::vector<double> p = select(softmax((*d.model)(edit.images, pass)), targets).to_vector();
  int reached = 0;
  double edit_distance = 0, pgd_distance = 0;
  for (size_t i = 0; i < 10; ++i) {
    reached += edit.reached[i];
    CHECK(edit.probability[i] == doctest::Approx(p[i]).epsilon(1e-4));
    CHECK(bool(edit.reached[i]) == (p[i] >= 0.9));
    CHECK(bool(pgd.reached[i]));
    CHECK(pgd.probability[i] >= edit.probability[i] * (1 - 1e-6));
    CHECK(edit.steps[i] >= 1);
    if (fgsm.reached[i]) CHECK(fgsm.probability[i] >= edit.probability[i] * (1 - 1e-6));
  }
  edit_distance = mean(norm(flatten(edit.images - sources), {1})).item();
  pgd_distance = mean(norm(flatten(pgd.images - sources), {1})).item();
  MESSAGE(
      "reached " << reached << " of 10; distance " << edit_distance << ", PGD " << pgd_distance);
  CHECK(reached >= 8);
  CHECK(edit_distance > 0);
}

TEST_CASE("editing: FGSM moves along one slope, within the limits of pixels") {
  Digits& d = digits();
  const Tensor source = slice(d.images, 0, 0, 1);
  const std::vector<int64_t> target = {(d.labels.data<int64_t>()[0] + 1) % 10};
  const Moved m = fgsm_to(*d.model, source, target, {0.999999}, 0.05, 4);
  // The best of 4 tries: every pixel moved by the same multiple of 0.05, or by 0 at a slope of 0
  double size = 0;
  for (const double v : (m.images - source).to_vector()) {
    size = std::max(size, std::abs(v));
    CHECK((std::abs(v) < 1e-9 || std::abs(std::abs(v) - size) < 1e-5));
  }
  CHECK(std::abs(size / 0.05 - std::round(size / 0.05)) < 1e-4);
  CHECK_FALSE(bool(m.reached[0]));
  const PixelRange range{Tensor::full({1, 1, 1, 1}, -0.2), Tensor::full({1, 1, 1, 1}, 0.3)};
  const std::vector<double> kept =
      pgd_to(*d.model, source, target, {0.5}, 0.05, 50, range).images.to_vector();
  CHECK(*std::min_element(kept.begin(), kept.end()) >= doctest::Approx(-0.2));
  CHECK(*std::max_element(kept.begin(), kept.end()) <= doctest::Approx(0.3));
}

TEST_CASE("editing: closeness by hand, and refusals") {
  const Tensor a = Tensor::zeros({1, 2, 12, 12});
  Tensor b = Tensor::zeros({1, 2, 12, 12});
  b.mutable_data<float>()[0] = 3;
  b.mutable_data<float>()[200] = 4;
  CHECK(closeness(b, a).distance[0] == doctest::Approx(5));
  CHECK(closeness(a, a).ssim[0] == doctest::Approx(1));
  CHECK(closeness(b, a).ssim[0] < 1);
  Digits& d = digits();
  const Tensor one = slice(d.images, 0, 0, 1);
  CHECK_THROWS_AS(edited(*d.model, one, {10}, short_edit()), ValueError);
  CHECK_THROWS_AS(edited(*d.model, one, {1, 2}, short_edit()), ShapeError);
  EditOptions certain = short_edit();
  certain.probability = 1;
  CHECK_THROWS_AS(edited(*d.model, one, {1}, certain), ValueError);
  CHECK_THROWS_AS(closeness(a, one), ShapeError);
}

TEST_CASE("retraining: images teach a network, the same one for the same seed") {
  Digits& d = digits();
  const Tensor images = slice(d.images, 0, 0, 100), labels = slice(d.labels, 0, 0, 100);
  const RetrainOptions o{.architecture = "mlp:32", .steps = 100, .batch = 32};
  const auto accuracy = [&](Module& model) {
    Pass pass;
    const Tensor best = arg_max(model(images, pass), 1);
    int right = 0;
    for (int64_t i = 0; i < 100; ++i) {
      right += best.data<int64_t>()[i] == labels.data<int64_t>()[i];
    }
    return right;
  };
  const ModelShape shape{d.image, d.classes};
  const auto model = retrained(shape, images, distributions_of(labels), {}, o, 1);
  CHECK(accuracy(*model) >= 90);
  CHECK(bits(*model) == bits(*retrained(shape, images, distributions_of(labels), {}, o, 1)));
  CHECK(bits(*model) != bits(*retrained(shape, images, distributions_of(labels), {}, o, 2)));
  // Weights that are all the same change nothing; a weight of 0 takes a vector away
  const Tensor seven = Tensor::full({100}, 7);
  CHECK(bits(*model) == bits(*retrained(shape, images, distributions_of(labels), seven, o, 1)));
  Tensor first_alone = Tensor::zeros({100});
  first_alone.mutable_data<float>()[0] = 1;
  const RetrainOptions whole{.architecture = "mlp:32", .steps = 100, .batch = 100};
  const auto narrow = retrained(shape, images, distributions_of(labels), first_alone, whole, 1);
  CHECK(accuracy(*narrow) < 40);
  CHECK_THROWS_AS(
      retrained(shape, images, distributions_of(labels), -1.0 * seven, o, 1), ValueError);
  CHECK_THROWS_AS(retrained(shape, images, Tensor::ones({100, 3}), {}, o, 1), ShapeError);
}

TEST_CASE("retraining: the last layer is -sum lambda g, which is exact where the condition holds") {
  // logits = W x + b, so -dL/dW = (y - p) x' and -dL/db = y - p, written out
  Rng rng(3);
  Sequential net;
  net.add<Linear>("hidden", 4, 4, rng);
  net.add<Linear>("fc", 4, 3, rng);
  convert(net, DType::f64);
  const Tensor x = Tensor::normal({5, 4}, rng, 0, 1, DType::f64);
  const Tensor y = one_hot(Tensor::of_integers({5}, {0, 1, 2, 0, 1}), 3, DType::f64);
  const Tensor lambda = Tensor::uniform({5}, rng, 0.5, 2, DType::f64);
  const LayerFromVectors found = last_layer_from_vectors(net, x, y, lambda);
  CHECK(found.layer == "fc");
  Pass pass;
  const Tensor hidden = find_layer(net, "hidden")(x, pass);
  const Tensor r = (y - softmax(find_layer(net, "fc")(hidden, pass))) * reshape(lambda, {5, 1});
  CHECK(found.values[0].first == "fc.weight");
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t j = 0; j < 4; ++j) {
      double expected = 0;
      for (int64_t i = 0; i < 5; ++i) {
        expected += r.data<double>()[i * 3 + c] * hidden.data<double>()[i * 4 + j];
      }
      CHECK(found.values[0].second.data<double>()[c * 4 + j] == doctest::Approx(expected));
    }
  }
  CHECK(std::abs(found.cosine) <= 1);
}
