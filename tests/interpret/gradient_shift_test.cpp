// tests/interpret/gradient_shift_test.cpp: FGSM and the flow through rectifiers by hand.
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/nn/layers.h"
#include "interpret/gradient_penalty/shift.h"
#include "tests/interpret/penalty_net.h"

#include <doctest/doctest.h>

namespace limpid::interpret {
namespace {

// logits (x W1')+ W2' of the three rectifiers of gradient_penalty_test.cpp, and 0.
class HandModel : public Stateless {
 public:
  const char* type() const override { return "HandModel"; }

 private:
  Tensor forward(const Tensor& x, Pass&) override {
    const Tensor w1 = Tensor::of({2, 3}, {1, -1, 1, 1, 1, -1}, DType::f64);
    const Tensor w2 = Tensor::of({3, 2}, {2, 0, -1, 0, 5, 0}, DType::f64);
    return matmul(relu(matmul(x, w1)), w2);
  }
};

}  // namespace

TEST_CASE("input shift: the rectifiers that remove a third") {
  // Of the loss of class 1, the slope by y = logit 0 is p > 0: (2, -1, 5) p arrives at rectifiers
  // that are open, open and closed; the guided rule removes 1 of 3
  HandModel model;
  const Tensor x = Tensor::of({1, 2}, {1, 2}, DType::f64);
  const auto rows = guided_removal(model, x, Tensor::of_integers({1}, {1}));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].op == "relu");
  const double y = 2 * 3 - 1, p = 1 / (1 + std::exp(-y));
  CHECK(std::abs(rows[0].arriving - 3 * p) < 1e-12);
  CHECK(std::abs(rows[0].removed - 1.0 / 3) < 1e-12);
}

TEST_CASE("input shift: one row per rectifier, in forward order") {
  TestNet t("resnet8", {3, 3, 8, 8}, 3);
  const auto rows = guided_removal(*t.net, t.batch.inputs, t.batch.labels);
  REQUIRE(rows.size() == 7);
  for (const RectifierFlow& row : rows) {
    CHECK(row.op == "relu");
    CHECK(row.arriving > 0);
    CHECK(row.removed > 0);
    CHECK(row.removed < 1);
  }
  TestNet vit("tiny_vit", {2, 3, 8, 8}, 3);
  const auto gates = guided_removal(*vit.net, vit.batch.inputs, vit.batch.labels);
  REQUIRE(gates.size() == 2);
  CHECK(gates[0].op == "gelu");
}

TEST_CASE("input shift: the alignment of the hand example") {
  // delta = (3, 1) p, delta_G = (2, 2) p: u is along (c 3/sqrt10 - 1/sqrt2, c/sqrt10 - 1/sqrt2)
  HandModel model;
  const Tensor x = Tensor::of({1, 2}, {1, 2}, DType::f64);
  const ShiftAlignment found = shift_alignment(model, x, Tensor::of_integers({1}, {1}));
  const double c = 8 / std::sqrt(80.0), p = 1 / (1 + std::exp(-5.0));
  const double u1 = (c * 3 / std::sqrt(10.0) - std::sqrt(0.5)) / (std::sqrt(10.0) * p);
  const double u2 = (c / std::sqrt(10.0) - std::sqrt(0.5)) / (std::sqrt(10.0) * p);
  CHECK(std::abs(found.inner.item() - (u1 + u2)) < 1e-12);
  CHECK(std::abs(found.cosine.item() - (u1 + u2) / (std::hypot(u1, u2) * std::sqrt(2.0))) < 1e-12);
}

TEST_CASE("input shift: FGSM moves pixels by epsilon, against the label, inside [0, 1]") {
  HandModel model;
  const Tensor pixels = Tensor::of({2, 2}, {0.25, 0.5, 0.99, 1}, DType::f64);
  const Tensor labels = Tensor::of_integers({2}, {1, 1});
  // Both slopes by x are positive (3 p, p), so the loss rises with both
  const Tensor moved = fgsm(model, pixels, labels, 0.125);
  CHECK(close(moved, Tensor::of({2, 2}, {0.375, 0.625, 1, 1}, DType::f64)));

  // In standardised space a pixel step is epsilon / deviation
  const PixelScale scale{
      Tensor::of({2}, {0.5, 0.25}, DType::f64), Tensor::of({2}, {0.5, 0.125}, DType::f64)};
  const Tensor x = Tensor::of({1, 2}, {0, 1}, DType::f64);
  const Tensor y = fgsm(model, x, Tensor::of_integers({1}, {1}), 1.0 / 8, scale);
  CHECK(close(y - x, Tensor::of({1, 2}, {0.25, 1}, DType::f64)));
  CHECK_THROWS_AS(fgsm(model, pixels, labels, -1), ValueError);
  CHECK(close(fgsm_direction(model, pixels, labels), Tensor::ones({2, 2}, DType::f64)));
  const Tensor down = moved_pixels(pixels, -Tensor::ones({2, 2}, DType::f64), 0.375);
  CHECK(close(down, Tensor::of({2, 2}, {0, 0.125, 0.615, 0.625}, DType::f64)));
}

TEST_CASE("input shift: random signs keep size and place, and belong to the image") {
  Rng rng(9);
  const Tensor direction = sign(Tensor::normal({5, 3, 8, 8}, rng, 0, 1, DType::f64));
  const Tensor flipped = with_random_signs(direction, Rng(2));
  CHECK(bitwise_equal(abs(flipped), abs(direction)));
  const double kept = mean(flipped * direction).item();  // of 960 signs, deviation 0.03
  CHECK(std::abs(kept) < 0.15);
  CHECK(bitwise_equal(
      with_random_signs(slice(direction, 0, 3, 5), Rng(2), 3), slice(flipped, 0, 3, 5)));
  CHECK_FALSE(bitwise_equal(with_random_signs(direction, Rng(3)), flipped));
  const Tensor zero = Tensor::zeros({1, 2}, DType::f64);
  CHECK(bitwise_equal(with_random_signs(zero, Rng(2)) + 0, zero));
}

TEST_CASE("input shift: all figures of 70 images are those of each function") {
  TestNet t("convnet:4x2", {70, 2, 8, 8}, 3, DType::f32);
  const Tensor x = sigmoid(t.batch.inputs);
  const Tensor& y = t.batch.labels;
  const ShiftOptions options{.epsilons = {2.0 / 255, 0.25}, .seed = 4};
  const auto at = [&](int threads) {
    const parallel::ThreadLimit limit(threads);
    return shift_figures(*t.net, x, y, options);
  };
  const ShiftFigures f = at(1);
  const auto share = [](const std::vector<double>& hits) {
    REQUIRE(hits.size() == 70);
    double total = 0;
    for (const double hit : hits) total += hit;
    return total / 70;
  };
  CHECK(share(f.clean) == accuracy_under_fgsm(*t.net, x, y, 0));
  for (size_t k = 0; k < 2; ++k) {
    CHECK(share(f.fgsm[k]) == accuracy_under_fgsm(*t.net, x, y, options.epsilons[k]));
  }
  CHECK(share(f.fgsm[1]) < share(f.random[1]));  // the control does less harm
  const std::vector<double> cosine = shift_alignment(*t.net, x, y).cosine.to_vector();
  for (size_t n = 0; n < 70; ++n) CHECK(f.cosine[n] == doctest::Approx(cosine[n]).epsilon(1e-3));
  const auto rows = guided_removal(*t.net, x, y);
  REQUIRE(f.removal.size() == 2);
  for (size_t k = 0; k < 2; ++k) {
    CHECK(f.removal[k].op == "relu");
    CHECK(f.removal[k].arriving == doctest::Approx(rows[k].arriving).epsilon(1e-4));
    CHECK(f.removal[k].removed == doctest::Approx(rows[k].removed).epsilon(1e-4));
  }
  const ShiftFigures again = at(3);
  CHECK(again.cosine == f.cosine);
  CHECK(again.fgsm == f.fgsm);
  CHECK(again.random == f.random);
  for (size_t k = 0; k < 2; ++k) CHECK(again.removal[k].removed == f.removal[k].removed);
}

TEST_CASE("input shift: without rectifiers there is nothing to remove") {
  Rng rng(1);
  Linear linear(4, 3, rng);
  const Tensor x = Tensor::normal({3, 4}, rng, 0, 1);
  const ShiftFigures f = shift_figures(linear, x, Tensor::of_integers({3}, {0, 1, 2}));
  CHECK(f.removal.empty());
  CHECK(f.clean.size() == 3);
  CHECK(f.fgsm.size() == 2);
}

TEST_CASE("input shift: accuracy under FGSM falls, and the model is not written to") {
  TestNet t("mlp:16", {24, 1, 6, 6}, 3, DType::f32);
  std::vector<Tensor> before;
  for (const auto& named : state(*t.net)) before.push_back(named.second.clone());
  const Tensor pixels = sigmoid(t.batch.inputs);
  Pass pass;
  const Tensor labels = reshape(arg_max((*t.net)(pixels, pass), 1), {24});  // all are right
  const auto accuracy = [&](double epsilon) {
    return accuracy_under_fgsm(*t.net, pixels, labels, epsilon);
  };
  CHECK(accuracy(0) == 1);
  CHECK(accuracy(2.0 / 255) <= accuracy(1.0 / 255));
  CHECK(accuracy(0.3) < 0.9);
  shift_alignment(*t.net, t.batch.inputs, t.batch.labels);
  size_t i = 0;
  for (const auto& named : state(*t.net)) CHECK(bitwise_equal(named.second, before[i++]));
  for (const Tensor& w : t.weights()) CHECK_FALSE(w.gradient().defined());
}

}  // namespace limpid::interpret
