// tests/ops/op_table_losses.cpp: records of framework/ops/loss.h.
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "tests/ops/op_table.h"
#include "tests/reference/reference.h"

#include <cmath>

namespace limpid {
namespace {

std::vector<OpCase> basic_cases() {
  const auto log_probabilities = [](Inputs t) { return log_softmax(t[0]); };
  const auto expected_log = [](Inputs t) { return reference::log_softmax(t[0]); };
  const auto expected = [](Inputs t) {
    return reference::map(reference::log_softmax(t[0]), [](double y) { return std::exp(y); });
  };
  const auto entropy = [](Inputs t) { return cross_entropy(t[0], t[1]); };
  const auto expected_entropy = [](Inputs t) { return reference::cross_entropy(t[0], t[1]); };
  const auto cosine = [](double epsilon) -> Function {
    return [=](Inputs t) { return cosine_similarity(t[0], t[1], epsilon); };
  };
  const auto expected_cosine = [](double epsilon) -> Function {
    return [=](Inputs t) { return reference::cosine_similarity(t[0], t[1], epsilon); };
  };
  const auto square_mean = [](Inputs t) {
    return reference::reduce(
        reference::map(t[0], t[1], [](double a, double b) { return (a - b) * (a - b); }),
        reference::average);
  };
  return {
      {.name = "log_softmax",
       .op = log_probabilities,
       .inputs = {{3, 4}},
       .reference = expected_log,
       .order = 3,
       .throws = {{{normal({})}, "no dimension -1"}, {{{3, 0}}, "the last dimension is empty"}}},
      {.name = "log_softmax rank 1",
       .op = log_probabilities,
       .inputs = {{5}},
       .reference = expected_log},
      {.name = "log_softmax rank 3",
       .op = log_probabilities,
       .inputs = {{2, 2, 3}},
       .reference = expected_log},
      {.name = "log_softmax large",
       .op = log_probabilities,
       .inputs = {{500, 101}},
       .reference = expected_log,
       .is_large = true},
      {.name = "softmax",
       .op = [](Inputs t) { return softmax(t[0]); },
       .inputs = {{3, 4}},
       .reference = expected,
       .order = 3,
       .throws =
           {{{{3, 0}}, "the last dimension is empty", Throws::shape_error, {}, "log_softmax"}}},
      {.name = "cross_entropy",
       .op = entropy,
       .inputs = {{3, 4}, labels({3}, 4)},
       .reference = expected_entropy,
       .order = 3,
       .throws =
           {{{{3, 4}, labels({2}, 4)}, "needs logits [N, K] and labels [N]"},
            {{{3}, labels({3}, 4)}, "needs logits [N, K] and labels [N]"},
            {{{0, 4}, labels({0}, 4)}, "the batch is empty ([0, 4])"},
            {{{9, 1}, labels({9}, 4)}, "is not in [0, 1)", Throws::value_error},
            {{{3, 4}, {3}}, "labels must be i64", Throws::dtype_error}}},
      {.name = "cross_entropy one row",
       .op = entropy,
       .inputs = {{1, 3}, labels({1}, 3)},
       .reference = expected_entropy},
      {.name = "mse",
       .op = [](Inputs t) { return mse(t[0], t[1]); },
       .inputs = {{2, 3}, {2, 3}},
       .reference = square_mean,
       .throws = {{{{2, 3}, {3}}, "shapes differ"}}},
      {.name = "cosine_similarity",
       .op = cosine(1e-12),
       .inputs = {{3, 4}, {3, 4}},
       .reference = expected_cosine(1e-12),
       .order = 3,
       .throws = {{{{2, 3}, {3, 2}}, "shapes differ"}}},
      {.name = "cosine_similarity images",
       .op = cosine(0.5),
       .inputs = {{2, 1, 2, 3}, {2, 1, 2, 3}},
       .reference = expected_cosine(0.5)},
  };
}

using Pairwise = Tensor (*)(const Tensor&, const Tensor&);

std::vector<OpCase> label_cases() {
  const auto entropy = [](double smoothing) -> Function {
    return [=](Inputs t) {
      return cross_entropy(
          t[0], t[1],
          {.label_smoothing = smoothing, .class_weights = t.size() > 2 ? t[2] : Tensor()});
    };
  };
  const auto expected = [](double smoothing) -> Function {
    return [=](Inputs t) {
      return reference::cross_entropy(t[0], t[1], smoothing, t.size() > 2 ? t[2] : Tensor());
    };
  };
  const Sample k = labels({5}, 4);
  return {
      {.name = "cross_entropy smoothed",
       .op = entropy(0.1),
       .inputs = {{5, 4}, k},
       .reference = expected(0.1),
       .throws =
           {{{{5, 4}, labels({2}, 4)}, "needs logits [N, K] and labels [N]"},
            {{{0, 4}, labels({0}, 4)}, "the batch is empty ([0, 4])"},
            {{{5, 4}, k}, "needs 0 <= label smoothing < 1", Throws::value_error, entropy(1)},
            {{{5, 4}, k}, "needs 0 <= label smoothing < 1", Throws::value_error, entropy(-0.1)},
            {{{5, 4}, k, {3}}, "needs one weight per class, got [3] for [5, 4]"}}},
      {.name = "cross_entropy plain options",
       .op = entropy(0),
       .inputs = {{5, 4}, k},
       .reference = [](Inputs t) { return reference::cross_entropy(t[0], t[1]); }},
      {.name = "cross_entropy weighted",
       .op = entropy(0),
       .inputs = {{5, 4}, k, positive({4})},
       .reference = expected(0)},
      {.name = "cross_entropy smoothed and weighted",
       .op = entropy(0.3),
       .inputs = {{5, 4}, k, positive({4})},
       .reference = expected(0.3)},
      {.name = "nll",
       .op = [](Inputs t) { return nll(t[0], t[1]); },
       .inputs = {{5, 4}, k},
       .reference = [](Inputs t) { return reference::nll(t[0], t[1]); },
       .throws =
           {{{{3, 4}, labels({2}, 4)}, "needs logits [N, K] and labels [N]"},
            {{{0, 4}, labels({0}, 4)}, "the batch is empty ([0, 4])"},
            {{{9, 1}, labels({9}, 4)}, "is not in [0, 1)", Throws::value_error},
            {{{3, 4}, {3}}, "labels must be i64", Throws::dtype_error}}},
      {.name = "nll of log_softmax squared",
       .op = [](Inputs t) { return nll(log_softmax(t[0] * t[0]), t[1]); },
       .inputs = {{5, 4}, k},
       .reference =
           [](Inputs t) {
             const Tensor squares = reference::map(t[0], [](double x) { return x * x; });
             return reference::cross_entropy(squares, t[1]);
           }},
  };
}

// Odd or even multiples of 0.1: their differences stay away from 0 and from 1.
Sample tenths(const Shape& shape, bool odd) {
  const auto fill = [odd](Rng& rng, std::span<double> v) {
    for (double& value : v)
      value = 0.2 * static_cast<double>(rng.integer(15) - 7) + (odd ? 0.1 : 0);
  };
  return {shape, fill};
}

Sample plus_or_minus(const Shape& shape) {
  const auto fill = [](Rng& rng, std::span<double> v) {
    for (double& value : v) value = rng.integer(2) == 0 ? -1 : 1;
  };
  return {shape, fill};
}

OpCase pair(
    const std::string& name, Pairwise op, Pairwise expected, const std::vector<Sample>& inputs) {
  return {
      .name = name,
      .op = [op](Inputs t) { return op(t[0], t[1]); },
      .inputs = inputs,
      .reference = [expected](Inputs t) { return expected(t[0], t[1]); },
      .throws = {{{{2, 3}, {3}}, "shapes differ ([2, 3], [3])"}}};
}

std::vector<OpCase> pair_cases() {
  const Shape s = {3, 5};
  const auto huber_of = [](double delta) -> Function {
    return [=](Inputs t) { return huber(t[0], t[1], delta); };
  };
  const auto expected_huber = [](double delta) -> Function {
    return [=](Inputs t) { return reference::huber(t[0], t[1], delta); };
  };
  const std::vector<Sample> apart = {tenths(s, false), tenths(s, true)};
  std::vector<OpCase> cases = {
      pair(
          "soft_cross_entropy", soft_cross_entropy, reference::soft_cross_entropy,
          {normal(s), positive(s)}),
      pair("l1", l1, reference::l1, apart),
      pair(
          "bce_with_logits", bce_with_logits, reference::bce_with_logits, {normal(s), positive(s)}),
      pair("kl_divergence", kl_divergence, reference::kl_divergence, {normal(s), normal(s)}),
      pair(
          "kl_divergence rank 3", kl_divergence, reference::kl_divergence,
          {normal({2, 3, 4}), normal({2, 3, 4})}),
      pair("hinge", hinge, reference::hinge, {tenths(s, true), plus_or_minus(s)}),
      {.name = "huber",
       .op = huber_of(1),
       .inputs = apart,
       .reference = expected_huber(1),
       .throws =
           {{{{2, 3}, {3}}, "shapes differ"},
            {{{2}, {2}}, "needs delta > 0, got 0", Throws::value_error, huber_of(0)}}},
      {.name = "huber narrow",
       .op = huber_of(0.2),
       .inputs = apart,
       .reference = expected_huber(0.2)},
      {.name = "huber wide", .op = huber_of(50), .inputs = apart, .reference = expected_huber(50)},
  };
  OpCase large = pair("bce_with_logits large", bce_with_logits, reference::bce_with_logits, {});
  large.inputs = {normal({300, 401}), positive({300, 401})};
  large.throws = {};
  large.is_large = true;
  cases.push_back(large);
  return cases;
}

}  // namespace

std::vector<OpCase> loss_cases() {
  std::vector<OpCase> all = basic_cases();
  for (const auto& more : {label_cases(), pair_cases()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace limpid
