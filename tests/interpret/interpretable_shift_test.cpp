// tests/interpret/interpretable_shift_test.cpp: FGSM and the flow through rectifiers by hand.
#include "interpret/interpretable_shift.h"

#include "framework/core/error.h"
#include "framework/nn/layers.h"
#include "tests/interpret/interpretable_net.h"

#include <doctest/doctest.h>

namespace limpid::interpret {
namespace {

// logits (x W1')+ W2' of the three rectifiers of interpretable_gradients_test.cpp, and 0.
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
