// tests/autograd/graph_test.cpp: long chains, small stacks, memory and threads.
#include "framework/autograd/grad.h"
#include "framework/core/buffer.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/ops.h"
#include "framework/tensor/record.h"
#include "tests/support/compare.h"
#include "tests/support/negation.h"

#include <doctest/doctest.h>

#include <pthread.h>
#include <set>
#include <thread>

using namespace limpid;

namespace {

constexpr int kLong = 500'000;              // ops of a chain
constexpr size_t kSmallStack = 256 * 1024;  // bytes; a recursion of 500,000 needs far more

// Runs f on a thread with a small stack.
void on_small_stack(void (*f)()) {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, kSmallStack) == 0);
  pthread_t thread;
  const auto run = [](void* function) -> void* {
    (*static_cast<void (**)()>(function))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, run, static_cast<void*>(&f)) == 0);
  REQUIRE(pthread_join(thread, nullptr) == 0);
  pthread_attr_destroy(&attributes);
}

// x + 1 + 1 + ...
Tensor chain(const Tensor& x) {
  Tensor y = x;
  for (int i = 0; i < kLong; ++i) y = y + 1.0;
  return y;
}

// x + x + x + ...: every op has an edge to the leaf as well.
Tensor comb(const Tensor& x) {
  Tensor y = x;
  for (int i = 0; i < kLong; ++i) y = y + x;
  return y;
}

void build_differentiate_destroy() {
  const Tensor x = Tensor::scalar(1, DType::f64).require_gradient();
  const Tensor y = chain(x);
  CHECK(y.item() == kLong + 1);
  CHECK(grad(y, x).item() == 1);
  CHECK(grad(y, x, {.create_graph = true}).item() == 1);
}

void build_and_release() {
  const Tensor x = Tensor::scalar(1, DType::f64).require_gradient();
  const Tensor y = comb(x);
  backward(y);
  CHECK(x.gradient().item() == kLong + 1);
}

void destroy_from_the_middle() {
  const Tensor x = Tensor::scalar(1, DType::f64).require_gradient();
  Tensor y = chain(x);
  const Tensor branch = y * y;
  y = Tensor();  // the chain now lives through the branch alone
  CHECK(grad(branch, x).item() == 2.0 * (kLong + 1));
}

// conv - batch norm - relu - pool - linear - cross-entropy.
struct ConvNet {
  Tensor image, filter, gamma, beta, weight;

  explicit ConvNet(uint64_t seed) {
    Rng rng(seed);
    const auto leaf = [&](const Shape& s) {
      return Tensor::normal(s, rng, 0, 1, DType::f64).require_gradient();
    };
    image = leaf({4, 2, 8, 8});
    filter = leaf({3, 2, 3, 3});
    gamma = leaf({3});
    beta = leaf({3});
    weight = leaf({5, 27});
  }

  Tensor loss() const {
    const Tensor h = max_pool2d(relu(standardize(conv2d(image, filter), gamma, beta)));
    const Tensor logits = matmul(flatten(h), weight, {.transpose_b = true});
    return cross_entropy(logits, Tensor::of_integers({4}, {0, 3, 1, 4}));
  }
  std::vector<Tensor> parameters() const { return {filter, gamma, beta, weight}; }
};

}  // namespace

TEST_CASE("graph: a chain of 500,000 ops") {
  build_differentiate_destroy();
  build_and_release();
  destroy_from_the_middle();
}

TEST_CASE("graph: the same on a stack of 256 KiB") {
  on_small_stack(build_differentiate_destroy);
  on_small_stack(build_and_release);
  on_small_stack(destroy_from_the_middle);
}

TEST_CASE("graph: inputs are older than outputs, and every node is met once") {
  const Tensor x = Tensor::scalar(2, DType::f64).require_gradient();
  Tensor y = x;
  for (int i = 0; i < 60; ++i) y = y + y;  // 2^60 paths
  CHECK(grad(y, x).item() == 0x1p60);
  for (const Node* node : nodes_behind(y)) {
    for (const Edge& edge : node->edges) CHECK(edge.input->sequence < node->sequence);
  }
}

TEST_CASE("memory: after a forward pass, what lives is what some formula keeps") {
  const ConvNet net(1);
  const MemoryStatistics before = memory();
  const Tensor loss = net.loss();
  const MemoryStatistics after = memory();

  int64_t parameters_held = 0;
  for (const Tensor& t : {net.image, net.filter, net.gamma, net.beta, net.weight}) {
    if (t.buffer().is_held()) parameters_held += t.buffer().block_bytes();
  }
  const int64_t captured = after.held_bytes - before.held_bytes - parameters_held;
  CHECK(after.live_bytes - before.live_bytes == captured + loss.buffer().block_bytes());

  // The convolution's output is kept once, by the norm; the norm's output by nobody; the pool keeps
  // its winners, the matrix product its input
  CHECK_FALSE(net.beta.buffer().is_held());
  CHECK(net.image.buffer().is_held());
  CHECK(captured < 2 * 8 * (4 * 3 * 6 * 6) + 8 * (4 * 27) + 4 * (4 * 27) + 4096);
}

TEST_CASE("memory: everything returns") {
  const MemoryStatistics before = memory();
  {
    const ConvNet net(2);
    const std::vector<Tensor> wanted = net.parameters();
    const Tensor loss = net.loss();
    const std::vector<Tensor> slopes = grad(loss, wanted, {.create_graph = true});
    Tensor penalty = sum(slopes[0] * slopes[0]);
    for (size_t i = 1; i < slopes.size(); ++i) penalty = penalty + sum(slopes[i] * slopes[i]);
    backward(penalty);
    backward(net.loss());
    CHECK(net.filter.gradient().defined());
  }
  CHECK(memory().live_blocks == before.live_blocks);
  CHECK(memory().live_bytes == before.live_bytes);
  CHECK(memory().held_bytes == before.held_bytes);
}

TEST_CASE("memory: backward releases as it goes") {
  const ConvNet net(3);
  const Tensor loss = net.loss();
  const int64_t held = memory().held_bytes;
  backward(loss);
  CHECK(memory().held_bytes < held);
  CHECK_FALSE(net.image.buffer().is_held());
  CHECK_FALSE(net.weight.buffer().is_held());
}

TEST_CASE("memory: a sweep that throws leaves nothing behind") {
  const MemoryStatistics before = memory();
  {
    ConvNet net(4);
    const Tensor loss = net.loss();
    net.filter.mutable_data<double>()[0] = 0;
    CHECK_THROWS_AS(grad(loss, net.image), GraphError);
  }
  CHECK(memory().live_blocks == before.live_blocks);
}

TEST_CASE("threads: gradients of separate graphs do not disturb each other") {
  const auto work = [](uint64_t seed, ReluRule rule) {
    std::vector<Tensor> results;
    for (int i = 0; i < 20; ++i) {
      const ConvNet net(seed);
      const Tensor loss = net.loss();
      results = grad(loss, net.parameters(), {.create_graph = true, .relu = rule});
      const Tensor second = grad(sum(results[0] * results[0]), net.image);
      results.push_back(second);
    }
    return results;
  };
  const std::vector<Tensor> expected[2] = {
      work(10, ReluRule::standard), work(11, ReluRule::guided)};

  std::vector<Tensor> found[2];
  std::thread first([&] { found[0] = work(10, ReluRule::standard); });
  std::thread second([&] { found[1] = work(11, ReluRule::guided); });
  first.join();
  second.join();
  for (int k = 0; k < 2; ++k) {
    REQUIRE(found[k].size() == expected[k].size());
    for (size_t i = 0; i < expected[k].size(); ++i) {
      CHECK(bitwise_equal(found[k][i].detach(), expected[k][i].detach()));
    }
  }
}

TEST_CASE("threads: settings are those of their own thread") {
  const Recording off(false);
  bool is_on = false;
  std::thread([&] { is_on = Recording::is_on(); }).join();
  CHECK(is_on);
  CHECK_FALSE(Recording::is_on());
}

TEST_CASE("threads: a step has the same bits at any thread count") {
  const auto step = [](int threads) {
    const parallel::ThreadLimit limit(threads);
    const ConvNet net(12);
    return grad(net.loss(), net.parameters());
  };
  const std::vector<Tensor> one = step(1);
  const std::vector<Tensor> four = step(4);
  for (size_t i = 0; i < one.size(); ++i) CHECK(bitwise_equal(one[i], four[i]));
}
