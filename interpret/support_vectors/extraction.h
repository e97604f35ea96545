// interpret/support_vectors/extraction.h: which samples of a data set support a trained classifier.
//
// Paper    Deep Support Vectors (arXiv 2403.17329), selection: deep_kkt.h has the conditions; here
//          the candidates x_i are given, so only the multipliers lambda_i >= 0 are sought with
//              theta + sum_i lambda_i g_i = 0,    g_i = d L_i / d theta.
//
//   solver   problem                                              multipliers
//   paper    gradient steps on sum_k c_k |theta + sum lambda g|   early stopped, as the paper does;
//            (l1, mean per tensor), dropping lambda_i < 0          lambda follows the gradient size
//   nnls     min |theta + sum lambda g|^2 / 2 + rho sum lambda    optimal, with a duality gap
//   lp       min sum lambda, subject to the condition itself      exact, or shown to be infeasible
//   sketch   nnls on sums of random signs of the gradients        as good as the sketch
//
// The condition alone does not say which samples: complementary slackness is left out, and with
// more samples than rank many lambda satisfy it. rho > 0 and lp stand in for it: a unit of alpha_i
// = lambda_i |p_i - y_i| costs least on the smallest margin. For theta = s times the solution of a
// support vector machine, lp returns its support vectors if s > 1 + W(1/e) = 1.2785, since then
// (1 + e^(s m)) / m grows for margins m >= 1; below, logits are too small to tell.
//
// rho is in units of max_i |slope_i| at lambda = 0, so that 1 leaves nothing and data of any size
// need the same.
//
// Parameters before a norm cannot be reached: if the outputs do not change with the length of
// theta_l, <theta_l, g_i,l> = 0 for every sample, and no lambda brings the residual below
// |theta_l|. They are found by both tests on some of the samples and left out, unless asked for.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"
#include "interpret/numerics/linear_program.h"
#include "interpret/numerics/nonnegative_lasso.h"
#include "interpret/support_vectors/sample_gradients.h"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace limpid::interpret {

enum class SupportSolver : uint8_t { paper, nnls, lp, sketch };

struct SupportOptions {
  SupportSolver solver = SupportSolver::nnls;
  double rho = 0;                // see above
  double tolerance = 1e-3;       // nnls, sketch: relative gap
  std::string parameters = "*";  // names, * and ? as in freeze()
  bool keeps_invariant = false;  // also parameters before a norm
  int64_t steps = 200;           // paper
  bool projects = false;         // paper: lambda_i < 0 becomes 0 and may return
  int64_t sketch_size = 2048;    // sketch: numbers per gradient
  uint64_t seed = 0;             // sketch
  SampleGradientOptions gradients = {};
  /// Called now and then with a stage and how far it is; work ends with Error if it returns false.
  std::function<bool(const char* stage, int64_t done, int64_t total)> progress = {};
};

/// The parameters that stationarity is asked of.
struct ChosenParameters {
  std::vector<std::string> chosen, invariant;  // the second: left out, see above
};
/// Parameters that require a gradient and fit the pattern. Tests run on the images given, some
/// dozens are enough. Throws ValueError if none fits, or all that fit are invariant.
ChosenParameters choose_parameters(
    Module& model, const Tensor& images, const Tensor& labels, const std::string& pattern = "*",
    bool keeps_invariant = false);

struct SupportStep {
  double objective = 0;  // of the solver
  double residual = 0;   // |theta + sum lambda g| / |theta|; sketch: of the sketch
  double gap = 0;        // relative; paper: none, 0
  int64_t alive = 0;     // lambda_i > 0
};

/// All figures per sample are f64 [n].
struct SupportVectors {
  Tensor lambda;
  Tensor alpha;          // lambda_i |p_i - y_i|
  Tensor gradient_size;  // |g_i|
  Tensor cosine;         // <theta, -g_i> / (|theta| |g_i|); 0 where g_i = 0
  Tensor entropy;        // of p_i, nats
  Tensor margin;         // logit of the label minus the largest other
  Tensor correct;        // 1 where margin > 0
  Tensor alive;          // 1 where lambda_i > 0
  ChosenParameters parameters;
  std::vector<std::pair<std::string, double>> relative_residual;  // |R_k| / |theta_k| per tensor
  double total_residual = 0;                                      // over all of them
  std::vector<SupportStep> trace;
  std::string status;  // "converged", "max iterations", "infeasible", ...
  bool converged = false;
  double rho = 0;           // absolute
  double objective = 0;     // P(lambda) of nnls, sum lambda of lp, L_stat of paper
  double relative_gap = 0;  // nnls, sketch, lp
  double sketch_error = 0;  // |K_sketch - K|_F / |K|_F over some samples; sketch
  std::vector<SampleGradients::Form> forms;
  double gradient_seconds = 0, solver_seconds = 0;
};

/// Labels are classes. Throws ShapeError unless there is one label per image and ValueError for no
/// samples, fewer than two classes among the labels, options out of range, and a problem too large
/// for lp.
SupportVectors extract_support_vectors(
    Module& model, const Tensor& images, const Tensor& labels, const SupportOptions& options = {});

/// What samples are ranked by.
enum class SupportScore : uint8_t { alpha, lambda, lambda_g, cosine, entropy, random };

/// The best `per_class` samples of each class, classes in order, best first: correctly classified,
/// and alive for the scores with a lambda, so a class may have fewer. Equal scores go by index.
std::vector<int64_t> select_support(
    const SupportVectors& vectors, const Tensor& labels, SupportScore score, int64_t per_class,
    uint64_t seed = 0);

/// Sum of values over the samples of each class, classes 0 ... classes - 1.
std::vector<double> class_sums(const Tensor& values, const Tensor& labels, int64_t classes);

}  // namespace limpid::interpret
