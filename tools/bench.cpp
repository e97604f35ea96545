// tools/bench.cpp: limpid bench, one step of well-known networks on random data.
#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/optim/sgd.h"
#include "framework/tensor/record.h"
#include "interpret/interpretable_gradients.h"
#include "tools/commands.h"
#include "tools/console.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>

namespace limpid::tools {
namespace {

struct BenchOptions {
  std::string workload;
  int64_t reps = 7;
};

using Step = std::function<void()>;

// A network with an optimiser (SGD, momentum 0.9, weight decay 5e-4) and one random batch.
struct Problem {
  std::shared_ptr<Module> net;
  std::shared_ptr<Sgd> optimizer;
  Tensor x;       // [N, ...]
  Tensor labels;  // [N]
};

Problem problem(const std::string& model, const Shape& images, int64_t classes) {
  Rng rng(0);
  const Shape example(images.sizes().subspan(1));
  Problem p;
  p.net = make_model(model, {example, classes}, rng);
  p.optimizer =
      std::make_shared<Sgd>(parameters(*p.net), SgdOptions{.momentum = 0.9, .weight_decay = 5e-4});
  p.x = Tensor::normal(images, rng, 0, 1);
  p.labels = Tensor::empty({images[0]}, DType::i64);
  for (int64_t n = 0; n < images[0]; ++n)
    p.labels.mutable_data<int64_t>()[n] = rng.integer(classes);
  return p;
}

constexpr double kRate = 0.01;  // learning rate

// Forward, backward and update of one batch.
Step training_step(const std::string& model, const Shape& images, int64_t classes) {
  return [p = problem(model, images, classes), rng = std::make_shared<Rng>(1)] {
    Pass pass(Mode::train, rng.get());
    p.optimizer->clear_gradients();
    backward(cross_entropy((*p.net)(p.x, pass), p.labels));
    p.optimizer->step(kRate);
  };
}

// The same with the cosine gradient penalty, lambda 7.5e-3, its target a constant.
Step interpretable_step(const std::string& model, const Shape& images, int64_t classes) {
  return [p = problem(model, images, classes), rng = std::make_shared<Rng>(1)] {
    Pass pass(Mode::train, rng.get());
    p.optimizer->clear_gradients();
    Tensor x = p.x.clone();
    x.require_gradient();
    const Tensor logits = (*p.net)(x, pass);
    const Tensor losses = -select(log_softmax(logits), p.labels.values<int64_t>());
    const Tensor total = mean(losses) + interpret::gradient_penalty(losses, x);
    std::vector<Tensor> leaves;
    for (const auto& named : parameters(*p.net)) leaves.push_back(named.second);
    backward(total, leaves);
    p.optimizer->step(kRate);
  };
}

// A forward pass in evaluation, nothing recorded.
Step inference_step(const std::string& model, const Shape& images, int64_t classes) {
  return [p = problem(model, images, classes)] {
    const Recording off(false);
    Pass pass;
    (*p.net)(p.x, pass);
  };
}

// 1,000 recorded additions of eight numbers, then the gradient: the cost of the tape itself.
Step thousand_adds() {
  Rng rng(0);
  Tensor a = Tensor::normal({8}, rng, 0, 1);
  a.require_gradient();
  return [a]() mutable {
    Tensor b = a;
    for (int i = 0; i < 1000; ++i) b = b + a;
    backward(sum(b));
    a.clear_gradient();
  };
}

struct Workload {
  std::string name;
  std::function<Step()> make;
};

std::vector<Workload> workloads() {
  return {
      {"mlp_train_b128",
       [] {
         return training_step("mlp:256-128", {128, 784}, 10);
       }},
      {"lenet_train_b128",
       [] {
         return training_step("lenet5", {128, 1, 28, 28}, 10);
       }},
      {"convnet128_train_b64",
       [] {
         return training_step("convnet", {64, 3, 32, 32}, 10);
       }},
      {"resnet18_train_b32",
       [] {
         return training_step("resnet18", {32, 3, 32, 32}, 100);
       }},
      {"mobilenetv2_train_b32",
       [] {
         return training_step("mobilenet_v2", {32, 3, 32, 32}, 100);
       }},
      {"resnet18_infer_b32",
       [] {
         return inference_step("resnet18", {32, 3, 32, 32}, 100);
       }},
      {"mobilenetv2_infer_b32",
       [] {
         return inference_step("mobilenet_v2", {32, 3, 32, 32}, 100);
       }},
      {"resnet18_interpretable_b16",
       [] {
         return interpretable_step("resnet18", {16, 3, 32, 32}, 100);
       }},
      {"convnet128_interpretable_b32",
       [] {
         return interpretable_step("convnet", {32, 3, 32, 32}, 10);
       }},
      {"op_overhead_1000adds", thousand_adds},
  };
}

// Milliseconds of each repetition, after two that are not counted.
std::vector<double> time_step(const Step& step, int64_t reps) {
  step();
  step();
  std::vector<double> times;
  for (int64_t r = 0; r < reps; ++r) {
    const auto start = std::chrono::steady_clock::now();
    step();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    times.push_back(took.count());
  }
  std::sort(times.begin(), times.end());
  return times;
}

Json run(const Invocation& in, const BenchOptions& o) {
  Json rows = Json::array();
  std::string known;
  for (const Workload& workload : workloads()) {
    known += (known.empty() ? "" : ", ") + workload.name;
    if (o.workload != "all" && o.workload != workload.name) continue;
    const std::vector<double> times = time_step(workload.make(), o.reps);
    const size_t half = times.size() / 2;
    const double median = times.size() % 2 == 1 ? times[half] : (times[half - 1] + times[half]) / 2;
    in.console.result(join_text(
        workload.name, " threads=", parallel::threads(), " median_ms=", fixed(median, 3),
        " min_ms=", fixed(times.front(), 3)));
    rows.push(Json::object(
        {{"workload", workload.name},
         {"threads", parallel::threads()},
         {"median_ms", median},
         {"min_ms", times.front()}}));
  }
  if (rows.items().empty())
    throw UsageError("no workload '" + o.workload + "'; there are: " + known + ", all");
  return Json::object({{"rows", rows}});
}

}  // namespace

Command bench_command() {
  auto options = std::make_shared<BenchOptions>();
  return {
      .name = "bench",
      .summary = "time one step of a workload",
      .example = "limpid bench op_overhead_1000adds --reps 20",
      .declare =
          [options](Arguments& a) {
            a.positional("WORKLOAD", options->workload, "a name, or all");
            a.integer("reps", options->reps, "timed repetitions", 1, 100000);
          },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
