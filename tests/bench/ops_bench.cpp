// tests/bench/ops_bench.cpp: speed of products, norms, losses, optimisers, pointwise ops, memory.
//
// Ops run as a network runs them, results from the buffer pool included. Products are given in
// GF/s and percent of the sgemm peak, all else in GB/s of the arrays that must be read and written
// at least once, and percent of the memory peak; peaks.h.
#include "framework/autograd/grad.h"
#include "framework/core/buffer.h"
#include "framework/core/rng.h"
#include "framework/kernels/gemm.h"
#include "framework/ops/loss.h"
#include "framework/ops/norm.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/pool.h"
#include "framework/ops/reduce.h"
#include "framework/optim/adam.h"
#include "framework/optim/rmsprop.h"
#include "framework/optim/sgd.h"
#include "framework/tensor/record.h"
#include "tests/bench/peaks.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace limpid;
using benchmark::State;

Tensor normal(const Shape& shape) {
  Rng rng(1);
  return Tensor::normal(shape, rng, 0, 1);
}

void add(const std::string& name, std::function<void(State&)> run) {
  benchmark::RegisterBenchmark(name.c_str(), [run = std::move(run)](State& state) {
    bench::use_threads();
    run(state);
  });
}

// ---- Products: large, those of LeNet and MobileNet-V2, and skinny ones ----

void add_products() {
  struct Product {
    int64_t M, N, K;
    bool transpose_a, transpose_b;
  };
  for (const Product& p : std::vector<Product>{
           {1024, 1024, 1024, false, false},
           {128, 256, 784, false, true},
           {256, 784, 128, true, false},
           {128, 10, 128, false, true},
           {16, 1024, 96, false, false},
           {64, 1024, 576, false, false},
           {512, 16, 4608, false, false},
           {1, 4096, 1024, false, true},
           {4096, 8, 8, false, false}}) {
    const std::string sizes = std::to_string(p.M) + "x" + std::to_string(p.N) + "x" +
                              std::to_string(p.K) + (p.transpose_a ? " A'" : "") +
                              (p.transpose_b ? " B'" : "");
    add("gemm " + sizes, [p](State& state) {
      const std::vector<float> a = bench::random_values(p.M * p.K);
      const std::vector<float> b = bench::random_values(p.K * p.N);
      std::vector<float> c(static_cast<size_t>(p.M * p.N));
      for (auto _ : state) {
        kernels::gemm<float>(
            {.transpose_a = p.transpose_a,
             .transpose_b = p.transpose_b,
             .M = p.M,
             .N = p.N,
             .K = p.K,
             .a = a.data(),
             .lda = p.transpose_a ? p.M : p.K,
             .b = b.data(),
             .ldb = p.transpose_b ? p.K : p.N,
             .c = c.data(),
             .ldc = p.N});
      }
      bench::count_operations(state, 2.0 * static_cast<double>(p.M * p.N * p.K));
    });
  }
}

// ---- Ops: forward without recording, and forward with the gradients of all inputs ----

struct Op {
  std::string name;
  std::function<Tensor(const std::vector<Tensor>&)> run;
  std::vector<Shape> inputs;
};

// Arrays of the size of x that must pass through memory: x and y; and for the gradients again x,
// g and dx.
void add_op(const Op& op) {
  add(op.name + " forward", [op](State& state) {
    std::vector<Tensor> inputs;
    for (const Shape& shape : op.inputs) inputs.push_back(normal(shape));
    const Recording off(false);
    Tensor y;
    for (auto _ : state) y = op.run(inputs);
    bench::count_bytes(state, 4.0 * static_cast<double>(inputs[0].numel() + y.numel()));
  });
  add(op.name + " forward+backward", [op](State& state) {
    std::vector<Tensor> leaves;
    for (const Shape& shape : op.inputs) leaves.push_back(normal(shape).require_gradient());
    const Tensor seed = normal(op.run(leaves).shape());
    for (auto _ : state) grad(op.run(leaves), leaves, {.seed = seed});
    bench::count_bytes(state, 4.0 * static_cast<double>(3 * leaves[0].numel() + 2 * seed.numel()));
  });
}

void add_ops() {
  const Shape images = {32, 64, 32, 32};  // 8 MB
  using In = const std::vector<Tensor>&;
  const auto standardized = [](const NormOptions& o) {
    return [o](In t) { return standardize(t[0], t[1], t[2], o); };
  };
  add_op({"batch_norm 32x64x32x32", standardized({}), {images, {64}, {64}}});
  add_op(
      {"instance_norm 32x64x32x32",
       standardized({.groups = NormGroups::image_and_channel}),
       {images, {64}, {64}}});
  add_op(
      {"group_norm 8 32x64x32x32",
       [](In t) { return group_norm(t[0], 8, t[1], t[2]); },
       {images, {64}, {64}}});
  add_op(
      {"layer_norm 2048x1024",
       [](In t) { return layer_norm(t[0], t[1], t[2]); },
       {{2048, 1024}, {1024}, {1024}}});
  add_op({"relu 32x64x32x32", [](In t) { return relu(t[0]); }, {images}});
  add_op({"add 32x64x32x32", [](In t) { return t[0] + t[1]; }, {images, images}});
  add_op({"mul by channel", [](In t) { return t[0] * t[1]; }, {images, {1, 64, 1, 1}}});
  add_op({"exp 32x64x32x32", [](In t) { return exp(t[0]); }, {images}});
  add_op({"gelu 2048x1024", [](In t) { return gelu(t[0]); }, {{2048, 1024}}});
  add_op({"sum of channels", [](In t) { return sum(t[0], {0, 2, 3}); }, {images}});
  add_op(
      {"max_pool 2x2", [](In t) { return max_pool2d(t[0], {.size = 2, .stride = 2}); }, {images}});
  add_op(
      {"avg_pool 2x2", [](In t) { return avg_pool2d(t[0], {.size = 2, .stride = 2}); }, {images}});
  for (const int64_t classes : {10, 1000}) {
    Tensor labels = Tensor::empty({256}, DType::i64);
    for (int64_t n = 0; n < 256; ++n) labels.mutable_data<int64_t>()[n] = n % classes;
    add_op(
        {"cross_entropy 256x" + std::to_string(classes),
         [labels](In t) { return cross_entropy(t[0], labels); },
         {{256, classes}}});
  }
}

// ---- Optimisers: one step of four million parameters in two tensors ----

template <class Optimizer, class Options>
void add_optimizer(const std::string& name, const Options& options, int arrays) {
  add(name + " 4M parameters", [options, arrays](State& state) {
    constexpr int64_t n = int64_t{2} << 20;
    NamedParameters parameters;
    for (const char* tensor : {"a", "b"}) {
      Tensor w = normal({n});
      w.require_gradient();
      w.set_gradient(normal({n}));
      parameters.emplace_back(tensor, w);
    }
    Optimizer optimizer(parameters, options);
    for (auto _ : state) optimizer.step(1e-6);
    bench::count_bytes(state, 2.0 * sizeof(float) * n * arrays);
  });
}

// ---- The buffer pool: a block that was used before, and many alive at once ----

void add_allocator() {
  for (const int64_t bytes : {64, 4096, 1 << 20}) {
    add("allocate and free " + std::to_string(bytes) + " bytes", [bytes](State& state) {
      for (auto _ : state) benchmark::DoNotOptimize(Buffer::allocate(bytes));
    });
  }
  add("allocate 1000 of 1 to 64 KB, free all", [](State& state) {
    for (auto _ : state) {
      std::vector<Buffer> alive;
      for (int64_t i = 0; i < 1000; ++i) alive.push_back(Buffer::allocate(1024 + i * 64));
    }
  });
}

const bool kRegistered = [] {
  add_products();
  add_ops();
  // Arrays read and written: w, g and the slots; w and the slots
  add_optimizer<Sgd>("sgd momentum", SgdOptions{.momentum = 0.9}, 5);
  add_optimizer<Adam>("adam", AdamOptions{}, 7);
  add_optimizer<RmsProp>("rmsprop", RmsPropOptions{}, 7);
  add_allocator();
  return true;
}();

}  // namespace
