// tools/workloads.h: the timed steps of `limpid bench`.
//
//   NAME_train_bN          forward, backward, update of one batch of N
//   NAME_infer_bN          a forward pass in evaluation, nothing recorded
//   NAME_interpretable_bN  a training step with the cosine gradient penalty, lambda 7.5e-3, whose
//                          target is a constant: one forward pass
//   coreset_METHOD_n10000  500 of 10,000 samples with 512 features, of all classes together
//   ot_sinkhorn_n1000_epsE Sinkhorn of two clouds of 1,000 points in 64 dimensions, N(0, 1) and
//                          N(0.5, 1) per coordinate, eps 0.05 or 0.005 of the mean squared
//                          distance, to a marginal error (L1) of 1e-6 or 1e-4; distances made once
//   ot_sliced_n2000        sliced transport of 2,000 such points each along 200 directions
//   ot_emd_nN              exact transport of N to N points of equal mass, a given cost matrix
//   ot_emd_unequal_nN      the same for N to 3 N / 4 points with random masses
//   ot_emd_batch_n64       1,000 problems of 64 to 64 points
//   ot_w2_...              the same from the points: with the cost matrix
//   op_overhead_1000adds   1,000 recorded additions of eight numbers, their sum, backward
//
// resnet8_interpretable_b64 over resnet8_train_b64 is what the penalty costs: at most 3.5 times.
//
// Transport is f64, between X ~ N(0, I) and Y ~ N(1/2, I) in 64 dimensions, costs |x - y|^2.
//
// f32; SGD with momentum 0.9, weight decay 5e-4, learning rate 0.01; random data made once.
#pragma once

#include "framework/nn/models.h"
#include "framework/optim/sgd.h"
#include "interpret/numerics/sinkhorn.h"
#include "interpret/numerics/transport.h"

#include <memory>
#include <string>
#include <vector>

namespace limpid::tools {

struct Workload {
  enum class Kind : uint8_t {
    train,
    infer,
    interpretable,
    select,
    transport,
    wasserstein,
    sinkhorn,
    sliced,
    adds
  };

  std::string name;
  Kind kind = Kind::train;
  std::string model;  // a name of make_model(); of a selector where samples are selected
  Shape images;       // one batch; of transport rows, columns and problems
  int64_t classes = 0;
  // Of Sinkhorn
  double epsilon = 0;  // as a share of the mean cost
  double marginal_tolerance = 0;
};

const std::vector<Workload>& workloads();
/// Throws UsageError listing the names.
const Workload& workload_named(const std::string& name);

/// Two clouds of points, their squared distances and masses.
struct TransportCase {
  Tensor X, Y;
  interpret::TransportProblem problem;
};

/// A network with its optimiser and one batch, random from seed 0.
struct Problem {
  std::shared_ptr<Module> net;
  std::shared_ptr<Sgd> optimizer;
  Tensor x;           // [N, ...]
  Tensor labels;      // [N]
  bool drops = true;  // dropout is active while training
  std::string selector;
  // Of transport
  Tensor y, costs, directions;
  interpret::SinkhornOptions sinkhorn;
  interpret::SinkhornResult solved;  // by the last step
  std::vector<TransportCase> transports;
};
Problem problem_of(const Workload& workload);
std::shared_ptr<Sgd> optimizer_of(Module& net);

/// One step. Returns the loss, or the logits of `infer`; undefined where nothing is learned.
Tensor do_step(Workload::Kind kind, Problem& problem);

/// Multiply-adds of one forward pass over the whole batch.
int64_t macs_of(Problem& problem);

}  // namespace limpid::tools
