// tools/workloads.cpp: networks, batches and steps of the benchmark.
#include "tools/workloads.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/coreset/select.h"
#include "interpret/gradient_penalty/penalty.h"
#include "interpret/numerics/squared_distances.h"
#include "interpret/numerics/wasserstein.h"
#include "tools/arguments.h"

namespace limpid::tools {
namespace {

constexpr double kRate = 0.01;  // learning rate

using Kind = Workload::Kind;

std::vector<Workload> make_workloads() {
  const Shape small = {32, 3, 32, 32};
  std::vector<Workload> all = {
      {"mlp_train_b128", Kind::train, "mlp:256-128", {128, 784}, 10},
      {"lenet_train_b128", Kind::train, "lenet5", {128, 1, 28, 28}, 10},
      {"convnet128_train_b64", Kind::train, "convnet", {64, 3, 32, 32}, 10},
      {"resnet18_train_b32", Kind::train, "resnet18", small, 100},
      {"mobilenetv2_train_b32", Kind::train, "mobilenet_v2", small, 100},
      {"resnet18_infer_b32", Kind::infer, "resnet18", small, 100},
      {"mobilenetv2_infer_b32", Kind::infer, "mobilenet_v2", small, 100},
      {"resnet18_interpretable_b16", Kind::interpretable, "resnet18", {16, 3, 32, 32}, 100},
      {"convnet128_interpretable_b32", Kind::interpretable, "convnet", small, 10},
      {"resnet8_train_b64", Kind::train, "resnet8", {64, 3, 32, 32}, 10},
      {"resnet8_interpretable_b64", Kind::interpretable, "resnet8", {64, 3, 32, 32}, 10},
      {"coreset_k-center_n10000", Kind::select, "k-center", {10000, 512}, 10},
      {"coreset_herding_n10000", Kind::select, "herding", {10000, 512}, 10},
      {"coreset_facility-location_n10000", Kind::select, "facility-location", {10000, 512}, 10},
      {"ot_sinkhorn_n1000_eps05", Kind::sinkhorn, "", {1000, 64}, 0, 0.05, 1e-6},
      {"ot_sinkhorn_n1000_eps005", Kind::sinkhorn, "", {1000, 64}, 0, 0.005, 1e-4},
      {"ot_sliced_n2000", Kind::sliced, "", {2000, 64}, 0},
      {"op_overhead_1000adds", Kind::adds, "", {8}, 0},
  };
  for (const Kind kind : {Kind::transport, Kind::wasserstein}) {
    const std::string name = kind == Kind::transport ? "ot_emd_" : "ot_w2_";
    for (const int64_t n : {200, 500, 1000, 2000}) {
      all.push_back({join_text(name, "n", n), kind, "equal", {n, n, 1}, 0});
      all.push_back({join_text(name, "unequal_n", n), kind, "random", {n, 3 * n / 4, 1}, 0});
    }
    all.push_back({name + "batch_n64", kind, "equal", {64, 64, 1000}, 0});
  }
  return all;
}

// Updates the parameters, without a gradient of the images.
void descend(Problem& p, const Tensor& loss) {
  std::vector<Tensor> leaves;
  for (const auto& named : parameters(*p.net)) leaves.push_back(named.second);
  p.optimizer->clear_gradients();
  backward(loss, leaves);
  p.optimizer->step(kRate);
}

// The cross-entropy, or with the gradient penalty.
Tensor loss_of(Problem& p, bool is_interpretable) {
  Rng rng(1);
  Pass pass(Mode::train, &rng);
  if (!p.drops) pass.keep_all();
  if (!is_interpretable) return cross_entropy((*p.net)(p.x, pass), p.labels);
  Tensor x = p.x.clone();
  x.require_gradient();
  const Tensor log_p = log_softmax((*p.net)(x, pass));
  const Tensor losses = -select(log_p, p.labels.values<int64_t>());  // [N, 1]
  return mean(losses) + interpret::gradient_penalty(losses, x);
}

// Two clouds, and what does not belong to the step.
Problem transport_problem(const Workload& w) {
  constexpr int64_t kDirections = 200;
  Rng rng(0);
  Problem p;
  p.x = Tensor::normal(w.images, rng, 0, 1, DType::f64);
  p.y = Tensor::normal(w.images, rng, 0.5, 1, DType::f64);
  if (w.kind == Kind::sliced) {
    p.directions = interpret::slice_directions(w.images[1], kDirections, 0);
    return p;
  }
  p.costs = interpret::squared_distances(p.x, p.y);
  p.sinkhorn = {
      .epsilon = w.epsilon * mean(p.costs).item(), .marginal_tolerance = w.marginal_tolerance};
  return p;
}

void thousand_adds(Tensor& a) {
  Tensor b = a;
  for (int i = 0; i < 1000; ++i) b = b + a;
  backward(sum(b));
  a.clear_gradient();
}

std::vector<TransportCase> transport_cases(const Workload& workload, Rng& rng) {
  constexpr int64_t kDimensions = 64;
  const int64_t n = workload.images[0], m = workload.images[1];
  const auto masses = [&](int64_t count) {
    const Tensor drawn = Tensor::uniform({count}, rng, 0, 1, DType::f64);
    return (drawn / sum(drawn)).to_vector();
  };
  std::vector<TransportCase> cases(static_cast<size_t>(workload.images[2]));
  for (auto& [X, Y, problem] : cases) {
    X = Tensor::normal({n, kDimensions}, rng, 0, 1, DType::f64);
    Y = Tensor::normal({m, kDimensions}, rng, 0.5, 1, DType::f64);
    problem.C = interpret::squared_distances(X, Y);
    if (workload.model == "equal") continue;
    problem.a = masses(n);
    problem.b = masses(m);
  }
  return cases;
}

}  // namespace

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = make_workloads();
  return all;
}

const Workload& workload_named(const std::string& name) {
  std::string known;
  for (const Workload& workload : workloads()) {
    if (workload.name == name) return workload;
    known += workload.name + ", ";
  }
  throw UsageError("no workload '" + name + "'; there are: " + known + "all");
}

std::shared_ptr<Sgd> optimizer_of(Module& net) {
  return std::make_shared<Sgd>(parameters(net), SgdOptions{.momentum = 0.9, .weight_decay = 5e-4});
}

Problem problem_of(const Workload& workload) {
  if (workload.kind == Kind::sinkhorn || workload.kind == Kind::sliced) {
    return transport_problem(workload);
  }
  Rng rng(0);
  Problem p;
  if (workload.kind == Kind::transport || workload.kind == Kind::wasserstein) {
    p.transports = transport_cases(workload, rng);
    return p;
  }
  p.x = Tensor::normal(workload.images, rng, 0, 1);
  if (workload.kind == Kind::adds) return p;
  if (workload.kind == Kind::select) {
    p.selector = workload.model;
  } else {
    const Shape example(workload.images.sizes().subspan(1));
    p.net = make_model(workload.model, {example, workload.classes}, rng);
    p.optimizer = optimizer_of(*p.net);
  }
  p.labels = Tensor::empty({workload.images[0]}, DType::i64);
  for (int64_t n = 0; n < workload.images[0]; ++n) {
    p.labels.mutable_data<int64_t>()[n] = rng.integer(workload.classes);
  }
  return p;
}

Tensor do_step(Kind kind, Problem& p) {
  if (kind == Kind::adds) {
    p.x.require_gradient();
    thousand_adds(p.x);
    return {};
  }
  if (kind == Kind::sinkhorn) {
    p.solved = interpret::sinkhorn(p.costs, {}, {}, p.sinkhorn);
    return {};
  }
  if (kind == Kind::sliced) {
    interpret::sliced_transport(p.x, p.y, p.directions);
    return {};
  }
  if (kind == Kind::select) {
    interpret::select_coreset(
        p.selector, {.features = p.x, .labels = p.labels}, {.fraction = 0.05, .per_class = false});
    return {};
  }
  if (kind == Kind::transport) {
    std::vector<interpret::TransportProblem> problems;
    for (const TransportCase& one : p.transports) problems.push_back(one.problem);
    interpret::optimal_transport(problems);
    return {};
  }
  if (kind == Kind::wasserstein) {
    parallel::for_each(std::ssize(p.transports), [&](int64_t k) {
      const auto& [X, Y, problem] = p.transports[static_cast<size_t>(k)];
      interpret::wasserstein2_exact(X, Y, problem.a, problem.b);
    });
    return {};
  }
  if (kind == Kind::infer) {
    const Recording off(false);
    Pass pass;
    return (*p.net)(p.x, pass);
  }
  const Tensor loss = loss_of(p, kind == Kind::interpretable);
  descend(p, loss);
  return loss.detach();
}

int64_t macs_of(Problem& p) {
  const Recording off(false);
  Pass pass;
  int64_t total = 0;
  pass.observer = [&](const Module& layer, const Tensor& input, const Tensor& output) {
    total += layer.macs(input.shape(), output.shape());
  };
  (*p.net)(p.x, pass);
  return total;
}

}  // namespace limpid::tools
