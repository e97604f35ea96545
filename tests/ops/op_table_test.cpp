// tests/ops/op_table_test.cpp: what every record of the op table must satisfy.
//
// One record is one SUBCASE:  ops_test -tc='op table*' -sc='conv2d stride*'
#include "tests/ops/op_table.h"

#include "framework/autograd/grad.h"
#include "framework/core/buffer.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/kernels/dispatch.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/gates.h"
#include "framework/tensor/record.h"
#include "tests/support/compare.h"
#include "tests/support/negation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

using namespace limpid;

namespace {

constexpr double kForward = 1e-12;     // f64 against naive loops
constexpr double kOtherOrder = 1e-12;  // f64 when sums or contractions differ

std::vector<Tensor> draw(const std::vector<Sample>& samples, DType dtype) {
  std::vector<Tensor> inputs;
  for (size_t j = 0; j < samples.size(); ++j) {
    Rng rng = Rng(7).child(j);
    inputs.push_back(samples[j].draw(rng, dtype));
  }
  return inputs;
}

// A seed of fixed values, the same in every type.
Tensor seed_for(const Tensor& y, uint64_t label) {
  Rng rng = Rng(11).child(label);
  return normal(y.shape()).draw(rng, y.dtype());
}

// The value and, if there are any, the gradients of all float inputs.
struct Result {
  Tensor y;
  std::vector<Tensor> gradients;
};

Result run(const OpCase& record, const std::vector<Tensor>& inputs, bool create_graph = false) {
  const std::vector<Tensor> leaves = as_leaves(inputs);
  Result result{record.op(leaves), {}};
  if (record.order > 0) {
    result.gradients = grad(
        result.y, float_tensors(leaves),
        {.create_graph = create_graph, .seed = seed_for(result.y, 0)});
  }
  return result;
}

bool bitwise_equal(const Result& a, const Result& b) {
  return limpid::bitwise_equal(a.y, b.y) &&
         std::equal(
             a.gradients.begin(), a.gradients.end(), b.gradients.begin(), b.gradients.end(),
             [](const Tensor& s, const Tensor& t) { return limpid::bitwise_equal(s, t); });
}

double max_error(const Result& a, const Result& b) {
  double worst = limpid::max_error(a.y, b.y);
  REQUIRE(a.gradients.size() == b.gradients.size());
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    worst = std::max(worst, limpid::max_error(a.gradients[i], b.gradients[i]));
  }
  return worst;
}

// ---- The checks, in the order of tests on one record ----

void check_value(const OpCase& record) {
  const std::vector<Tensor> inputs = draw(record.inputs, DType::f64);
  const Tensor y = record.op(inputs);
  REQUIRE(record.reference);
  const Tensor expected = record.reference(inputs);
  REQUIRE(y.shape() == expected.shape());
  CHECK(limpid::max_error(y, expected) <= kForward);
}

void check_types(const OpCase& record) {
  const Result wide = run(record, draw(record.inputs, DType::f64));
  const Result narrow = run(record, draw(record.inputs, DType::f32));
  if (record.keeps_type && is_float(wide.y.dtype())) CHECK(narrow.y.dtype() == DType::f32);
  for (const Tensor& g : narrow.gradients) CHECK(g.dtype() == DType::f32);
  CHECK(max_error(wide, narrow) <= record.single);

  // Types are never mixed
  const std::vector<Tensor> inputs = draw(record.inputs, DType::f64);
  for (size_t j = 1; j < inputs.size(); ++j) {
    if (inputs[j].dtype() != DType::f64) continue;
    std::vector<Tensor> mixed = inputs;
    mixed[j] = to(mixed[j], DType::f32);
    CHECK_THROWS_AS(record.op(mixed), DTypeError);
  }

  // Integers are refused, or rearranged without a graph
  if (!record.keeps_type) return;
  std::vector<Tensor> integers = inputs;
  for (Tensor& t : integers) t = to(t, DType::i64);
  try {
    CHECK(record.op(integers).dtype() == DType::i64);
  } catch (const DTypeError& error) {
    CHECK(std::string(error.what()).find("i64") != std::string::npos);
  }
}

void check_frozen_inputs(const OpCase& record) {
  const std::vector<Tensor> inputs = draw(record.inputs, DType::f64);
  const Result full = run(record, inputs);
  const std::vector<Tensor> floats = float_tensors(inputs);
  for (unsigned chosen = 0; chosen < (1u << floats.size()); ++chosen) {
    CAPTURE(chosen);

    // Require a gradient of the chosen inputs only
    std::vector<Tensor> mixed = inputs;
    std::vector<Tensor> leaves;
    std::vector<Tensor> expected;
    size_t k = 0;
    for (Tensor& t : mixed) {
      if (!is_float(t.dtype())) continue;
      t = t.detach();
      if (chosen >> k & 1u) {
        leaves.push_back(t.require_gradient());
        expected.push_back(full.gradients[k]);
      }
      ++k;
    }
    const Tensor y = record.op(mixed);
    CHECK(limpid::bitwise_equal(y, full.y));
    if (chosen == 0) {
      CHECK_FALSE(y.requires_gradient());
      continue;
    }

    // Every leaf behind the result is a chosen one, and the gradients are those of all inputs
    for (const Node* node : nodes_behind(y)) {
      if (node->state != Node::State::leaf) continue;
      CHECK(std::any_of(
          leaves.begin(), leaves.end(), [&](const Tensor& t) { return t.node().get() == node; }));
    }
    if (!y.requires_gradient()) continue;  // the chosen inputs have gradient zero everywhere
    const std::vector<Tensor> gradients = grad(y, leaves, {.seed = seed_for(y, 0)});
    for (size_t i = 0; i < gradients.size(); ++i) {
      CHECK(limpid::bitwise_equal(gradients[i], expected[i]));
    }
  }
}

void check_seed_is_linear(const OpCase& record) {
  const std::vector<Tensor> leaves = as_leaves(draw(record.inputs, DType::f64));
  const std::vector<Tensor> wanted = float_tensors(leaves);
  const Tensor y = record.op(leaves);
  const double tolerance = record.keeps_type ? kOtherOrder : record.single;
  const Tensor u = seed_for(y, 1);
  const Tensor v = seed_for(y, 2);
  const std::vector<Tensor> by_u = grad(y, wanted, {.seed = u});
  const std::vector<Tensor> by_v = grad(y, wanted, {.seed = v});
  const std::vector<Tensor> by_both = grad(y, wanted, {.seed = 2.0 * u - 0.5 * v});
  for (size_t i = 0; i < wanted.size(); ++i) {
    CHECK(limpid::max_error(by_both[i], 2.0 * by_u[i] - 0.5 * by_v[i]) <= tolerance);
  }
}

void check_created_graph_has_same_values(const OpCase& record) {
  const std::vector<Tensor> inputs = draw(record.inputs, DType::f64);
  CHECK(max_error(run(record, inputs), run(record, inputs, true)) <= kOtherOrder);
}

void check_threads(const OpCase& record) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const std::vector<Tensor> inputs = draw(record.inputs, dtype);
    const auto with = [&](int threads) {
      const parallel::ThreadLimit limit(threads);
      return run(record, inputs);
    };
    CHECK(bitwise_equal(with(1), with(3)));
  }
}

void check_instruction_sets(const OpCase& record) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const std::vector<Tensor> inputs = draw(record.inputs, dtype);
    const auto with = [&](kernels::InstructionSet set) {
      const InstructionScope scope(set);
      return run(record, inputs);
    };
    const Result expected = with(kernels::InstructionSet::baseline);
    for (const kernels::InstructionSet set : kernels::supported_sets()) {
      CAPTURE(std::string(kernels::name_of(set)));
      CHECK(max_error(expected, with(set)) <= (dtype == DType::f32 ? record.single : kOtherOrder));
    }
  }
}

void check_bad_calls(const OpCase& record) {
  for (const BadCall& bad : record.throws) {
    CAPTURE(bad.fragment);
    const std::vector<Tensor> inputs = draw(bad.inputs, DType::f64);
    const Function& op = bad.op ? bad.op : record.op;
    const std::string name = bad.name.empty() ? function_of(record) : bad.name;
    std::string text;
    try {
      op(inputs);
    } catch (const ShapeError& error) {
      CHECK(bad.error == Throws::shape_error);
      text = error.what();
      // Two shapes, or those that the fragment spells out
      const auto shown = std::count_if(inputs.begin(), inputs.end(), [&](const Tensor& t) {
        return text.find(to_string(t.shape())) != std::string::npos;
      });
      if (bad.fragment.find('[') == std::string::npos) {
        CHECK(shown >= std::min<ptrdiff_t>(2, std::ssize(inputs)));
      }
    } catch (const ValueError& error) {
      CHECK(bad.error == Throws::value_error);
      text = error.what();
    } catch (const DTypeError& error) {
      CHECK(bad.error == Throws::dtype_error);
      text = error.what();
    }
    CAPTURE(text);
    CHECK(text.rfind(name + ": ", 0) == 0);
    CHECK(text.find(bad.fragment) != std::string::npos);
  }
}

// Batches of no image and of one: correct, or refused for their shape.
void check_batches(const OpCase& record) {
  const bool has_index = std::any_of(
      record.inputs.begin(), record.inputs.end(), [](const Sample& s) { return s.is_index; });
  for (const int64_t batch : {0, 1}) {
    for (const bool all : {true, false}) {
      CAPTURE(batch);
      CAPTURE(all);
      std::vector<Sample> samples = record.inputs;
      const int64_t leading = samples[0].shape.rank() > 0 ? samples[0].shape[0] : -1;
      for (size_t j = 0; j < samples.size(); ++j) {
        const Shape& s = samples[j].shape;
        if (s.rank() == 0 || s[0] != leading || (j > 0 && !all)) continue;
        samples[j] = samples[j].of(s.with(0, batch));
      }
      const std::vector<Tensor> inputs = draw(samples, DType::f64);
      try {
        const Tensor y = record.op(inputs);
        CHECK(limpid::max_error(y, record.reference(inputs)) <= kForward);
        if (record.order == 0) continue;
        const double error = gradient_error(
            record.op, inputs, {.projections = 1, .jacobian = 0, .step = record.step});
        CHECK(error < record.tolerance);
      } catch (const ShapeError&) {
      } catch (const ValueError&) {
        CHECK(has_index);  // an index that no longer fits
      }
    }
  }
}

void check_no_derivative(const OpCase& record) {
  const std::vector<Tensor> leaves = as_leaves(draw(record.inputs, DType::f64));
  const Tensor y = record.op(leaves);
  CHECK_FALSE(y.requires_gradient());
  CHECK_THROWS_AS(grad(y, leaves[0], {.seed = y}), GraphError);
}

// After a recorded call, everything alive is an input, the result, or kept by some formula.
void check_live_bytes(const OpCase& record) {
  const std::vector<Tensor> leaves = as_leaves(draw(record.inputs, DType::f64));
  const MemoryStatistics before = memory();
  const Tensor y = record.op(leaves);
  const MemoryStatistics after = memory();

  int64_t already_alive = 0;  // held bytes that are inputs
  bool shares = false;        // the result is a view of an input
  for (const Tensor& t : leaves) {
    if (t.buffer().is_held()) already_alive += t.buffer().block_bytes();
    shares = shares || y.buffer().shares_block(t.buffer());
  }
  const int64_t result = shares || y.buffer().is_held() ? 0 : y.buffer().block_bytes();
  const int64_t captured = after.held_bytes - before.held_bytes - already_alive;
  CHECK(after.live_bytes - before.live_bytes == captured + result);
}

// By the gates of a call, the same call again gives the same.
void check_held_gates(const OpCase& record) {
  const std::vector<Tensor> inputs = draw(record.inputs, DType::f64);
  const auto run = [&] { return record.op(inputs); };
  Gates gates;
  const Tensor y = gates.record(run);
  CHECK(limpid::bitwise_equal(y, record.op(inputs)));
  CHECK(limpid::bitwise_equal(y, gates.hold(run)));
}

// ---- Running them ----

// Largest gradient errors, by order.
struct Worst {
  double error[4] = {};
  std::string where[4];

  void see(int order, double value, const std::string& name) {
    if (value <= error[order]) return;
    error[order] = value;
    where[order] = name;
  }
};

void check_gradients(const OpCase& record, Worst& worst) {
  const std::vector<Tensor> inputs = draw(record.inputs, DType::f64);
  for (int order = 1; order <= record.order; ++order) {
    const double error = gradient_error(record.op, inputs, {.order = order, .step = record.step});
    CAPTURE(order);
    CHECK(error < record.tolerance);
    if (record.keeps_type) worst.see(order, error, record.name);  // else it measures rounding
  }
}

void check_record(const OpCase& record, Worst& worst) {
  check_value(record);
  check_types(record);
  check_threads(record);
  check_instruction_sets(record);
  check_bad_calls(record);
  check_live_bytes(record);
  check_held_gates(record);
  if (record.order == 0) check_no_derivative(record);
  if (record.is_large) return;
  check_batches(record);
  if (record.order == 0) return;
  check_gradients(record, worst);
  check_frozen_inputs(record);
  check_seed_is_linear(record);
  check_created_graph_has_same_values(record);
}

}  // namespace

TEST_CASE("op table") {
  static Worst worst;
  static size_t done = 0;
  for (const OpCase& record : op_table()) {
    SUBCASE(record.name.c_str()) {
      const MemoryStatistics before = memory();
      check_record(record, worst);
      CHECK(memory().live_blocks == before.live_blocks);
      CHECK(memory().live_bytes == before.live_bytes);
      CHECK(memory().held_bytes == before.held_bytes);
      ++done;
    }
  }
  if (done != op_table().size()) return;
  done = 0;
  for (int order = 1; order <= 3; ++order) {
    std::printf(
        "op table: %zu records, worst gradient error of order %d: %.1e (%s)\n", op_table().size(),
        order, worst.error[order], worst.where[order].c_str());
    CHECK(worst.error[order] < 1e-6);
  }
}

// The gradient check is only worth something if it fails on a wrong formula: every formula of
// every record is negated in turn, and orders 1 and 2 together must notice each time.
TEST_CASE("op table: every negated formula is noticed") {
  static size_t done = 0;
  static int edges = 0;
  static int noticed = 0;
  for (const OpCase& record : op_table()) {
    SUBCASE(record.name.c_str()) {
      ++done;
      if (record.is_large || record.order == 0) continue;
      const std::vector<Tensor> inputs = draw(record.inputs, DType::f64);
      const int count = count_edges(record.op(as_leaves(inputs)));
      for (int k = 0; k < count; ++k) {
        const Function wrong = with_negated_edge(record.op, k);
        double error = 0;
        for (int order = 1; order <= 2 && error < record.tolerance; ++order) {
          error = gradient_error(
              wrong, inputs,
              {.order = order, .projections = 1, .jacobian = 0, .step = record.step});
        }
        CAPTURE(k);
        CHECK(error >= record.tolerance);
        ++edges;
        noticed += error >= record.tolerance ? 1 : 0;
      }
    }
  }
  if (done != op_table().size()) return;
  std::printf("negation: %d of %d\n", noticed, edges);
  CHECK(noticed == edges);
  CHECK(edges > 500);  // the harness reached them
}

// Calls whose gradient is zero everywhere, so that a wrong sign would not show.
TEST_CASE("op table: nothing to sum, nothing to keep, nothing to choose") {
  const Tensor a = Tensor::zeros({2, 0}).require_gradient();
  const Tensor b = Tensor::zeros({0, 3}).require_gradient();
  const Tensor product = matmul(a, b);
  CHECK(limpid::bitwise_equal(product, Tensor::zeros({2, 3})));
  CHECK(grad(sum(product), a).shape() == Shape({2, 0}));
  CHECK(grad(sum(product), b).shape() == Shape({0, 3}));

  const Tensor x = Tensor::of({2, 2}, {1, 2, 3, 4}).require_gradient();
  const Tensor nothing = slice(x, 1, 1, 1);
  CHECK(nothing.shape() == Shape({2, 0}));
  CHECK(limpid::bitwise_equal(grad(sum(nothing), x), Tensor::zeros({2, 2})));
  CHECK(sum(nothing).item() == 0);

  const Tensor score = Tensor::of({3, 1}, {-1, 0, 1}).require_gradient();
  const Tensor certain = log_softmax(score);
  CHECK(limpid::bitwise_equal(certain, Tensor::zeros({3, 1})));
  CHECK(limpid::bitwise_equal(grad(sum(certain), score), Tensor::zeros({3, 1})));
}

TEST_CASE("op table: no name is used twice") {
  std::set<std::string> names;
  for (const OpCase& record : op_table()) {
    CAPTURE(record.name);
    CHECK(names.insert(record.name).second);
    CHECK(record.op);
    CHECK_FALSE(record.inputs.empty());
  }
}

// Declarations in framework/ops/*.h against records: a function with two overloads needs two.
TEST_CASE("op table: every public function of framework/ops has a record") {
  std::map<std::string, int> declared;
  const std::regex declaration(
      R"(^(?:inline )?(?:Tensor|Moments|std::vector<Tensor>) (operator[^ (]+|\w+)\()");
  for (const auto& entry :
       std::filesystem::directory_iterator(LIMPID_SOURCE_DIR "/framework/ops")) {
    if (entry.path().extension() != ".h") continue;
    std::ifstream file(entry.path());
    REQUIRE(file);
    for (std::string line; std::getline(file, line);) {
      std::smatch match;
      if (std::regex_search(line, match, declaration)) ++declared[match[1]];
    }
  }
  CHECK(declared.size() >= 60);

  std::map<std::string, int> recorded;
  for (const OpCase& record : op_table()) ++recorded[function_of(record)];
  for (const auto& entry : declared) {
    CAPTURE(entry.first);
    CHECK(recorded[entry.first] >= entry.second);
  }
  for (const auto& entry : recorded) {
    CAPTURE(entry.first);
    CHECK(declared.count(entry.first) == 1);
  }
}
