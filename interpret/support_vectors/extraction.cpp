// interpret/support_vectors/extraction.cpp: parameters, four solvers, figures, selection.
#include "interpret/support_vectors/extraction.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "framework/tensor/record.h"
#include "interpret/support_vectors/deep_kkt.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fnmatch.h>
#include <set>

namespace limpid::interpret {
namespace {

constexpr double kInvariant = 1e-2;  // cosine and change of the output; a norm's epsilon is in both
constexpr double kRounding = 1e-5;   // of the length of a gradient, in f32
constexpr double kSatisfied = 1e-4;  // lp: relative residual of a condition that holds
constexpr int64_t kProbe = 64;       // samples that the tests look at
constexpr double kStepShare = 0.05;  // paper: of the first lambda, per step
constexpr double kWarmUp = 0.1;      // paper: of the steps, before samples are dropped
constexpr int64_t kLargestProgram = 20'000'000;  // numbers of the matrix of lp

size_t at(int64_t i) { return static_cast<size_t>(i); }

double dot(const Tensor& a, const Tensor& b) {
  return sum(to(a, DType::f64) * to(b, DType::f64)).item();
}
double largest(const Tensor& t) {
  double most = 0;
  for (const double v : t.to_vector()) most = std::max(most, std::abs(v));
  return most;
}

Tensor total_of(const std::vector<Tensor>& parts) {
  const Recording off(false);
  Tensor total = parts[0];
  for (size_t k = 1; k < parts.size(); ++k) total = total + parts[k];
  return total;
}

Tensor logits_of(Module& model, const Tensor& images) {
  const Recording off(false);
  Pass pass;
  return model(images.detach(), pass).detach();
}

// The logits with a parameter at twice its length.
Tensor logits_with_twice(Module& model, Tensor parameter, const Tensor& images) {
  struct Restore {
    Tensor& parameter;
    Tensor before;
    ~Restore() { parameter.assign(before); }
  } restore{parameter, parameter.clone()};
  const Recording off(false);
  parameter.assign(2 * restore.before);
  return logits_of(model, images);
}

// max_i |<theta_l, g_i,l>| / (|theta_l| |g_i,l|), 0 where the tensor's share of |g_i| is rounding,
// as that of a bias before a norm is
double largest_cosine(
    const SampleGradients& gradients, size_t slot, const Tensor& square,
    const Tensor& all_squares) {
  std::vector<Tensor> v;
  for (const auto& named : gradients.target()) {
    v.push_back(Tensor::zeros(named.second.shape(), named.second.dtype()));
  }
  v[slot] = gradients.target()[slot].second.detach();
  const std::vector<double> product = gradients.products(v).to_vector();
  const std::vector<double> squares = square.to_vector();
  const std::vector<double> total = all_squares.to_vector();
  const double length = std::sqrt(dot(v[slot], v[slot]));
  double most = 0;
  for (size_t i = 0; i < product.size(); ++i) {
    const double scale = length * std::sqrt(squares[i]);
    const bool is_rounding = std::sqrt(squares[i]) <= kRounding * std::sqrt(total[i]);
    if (scale > 0 && !is_rounding) most = std::max(most, std::abs(product[i]) / scale);
  }
  return most;
}

struct Solved {
  Tensor lambda;  // [n] f64
  std::vector<SupportStep> trace;
  std::string status;
  bool converged = false;
  double objective = 0, relative_gap = 0, rho = 0, sketch_error = 0;
};

// ---- nnls ----

Solved solved_by(
    InnerProducts& products, const SupportOptions& o, const char* stage, double target_square) {
  const Tensor start = products.slopes(Tensor::zeros({products.count()}, DType::f64));
  Solved solved;
  solved.rho = o.rho * largest(start);
  LassoOptions options{.rho = solved.rho, .tolerance = o.tolerance};
  options.progress = [&](int64_t iteration, double) {
    return !o.progress || o.progress(stage, iteration, 0);
  };
  const LassoResult r = nonnegative_lasso(products, options);
  solved.lambda = r.lambda;
  solved.converged = r.converged;
  solved.status = r.converged ? "converged" : "max iterations";
  solved.objective = r.objective;
  solved.relative_gap = r.relative_gap;
  for (const LassoStep& step : r.trace) {
    const double unit = std::max(step.objective, 1e-6 * 0.5 * target_square);
    solved.trace.push_back(
        {step.objective, std::sqrt(step.residual_square / target_square), step.gap / unit,
         step.positive});
  }
  return solved;
}

// ---- lp ----

Solved by_linear_program(const SampleGradients& gradients, const SupportOptions&) {
  const int64_t n = gradients.count();
  std::vector<Tensor> parts;
  for (const auto& named : gradients.target()) {
    parts.push_back(reshape(named.second.detach(), {named.second.numel()}));
  }
  const Tensor theta = to(concat(parts, 0), DType::f64);
  const int64_t P = theta.numel();
  check_value(
      n <= kLargestProgram / std::max<int64_t>(P, 1), "support_vectors", "the linear program of ",
      n, " samples and ", P, " parameters has more than ", kLargestProgram,
      " numbers; choose fewer of either, or nnls");
  const std::vector<int64_t> all = index_range(0, n);
  const LinearResult r = linear_program(
      {.c = Tensor::ones({n}, DType::f64), .A = transpose(gradients.dense(all)), .b = -theta});
  Solved solved;
  solved.status = r.status == LinearStatus::optimal ? "converged" : name_of(r.status);
  solved.converged = r.status == LinearStatus::optimal;
  solved.lambda = solved.converged ? r.x : Tensor::zeros({n}, DType::f64);
  solved.objective = sum(solved.lambda).item();
  solved.relative_gap = solved.objective > 0 ? r.gap / solved.objective : 0;
  return solved;
}

// ---- sketch ----

// Each parameter is added, with a random sign, to one of k numbers (Charikar et al. 2002): inner
// products are right on average.
class Sketch {
 public:
  Sketch(int64_t P, int64_t k, uint64_t seed) : k_(k), place_(at(P)), sign_(at(P)) {
    Rng rng(seed);
    std::vector<double> places(at(P)), signs(at(P));
    rng.uniform(places, 0, static_cast<double>(k));
    rng.uniform(signs, -1, 1);
    for (size_t p = 0; p < place_.size(); ++p) {
      place_[p] = std::min(k - 1, static_cast<int64_t>(places[p]));
      sign_[p] = signs[p] < 0 ? -1 : 1;
    }
  }
  // rows [b, P] -> [b, k]
  Tensor operator()(const Tensor& rows) const {
    const int64_t b = rows.size(0), P = rows.size(1);
    Tensor out = Tensor::zeros({b, k_}, DType::f64);
    double* to = out.mutable_data<double>();
    const double* from = rows.data<double>();
    parallel::for_blocks(b, 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t p = 0; p < P; ++p)
          to[i * k_ + place_[at(p)]] += sign_[at(p)] * from[i * P + p];
      }
    });
    return out;
  }

 private:
  int64_t k_;
  std::vector<int64_t> place_;
  std::vector<double> sign_;
};

Solved by_sketch(SampleGradients& gradients, const SupportOptions& o) {
  constexpr int64_t kRows = 128, kCompared = 256;
  const int64_t n = gradients.count();
  std::vector<Tensor> parts;
  for (const auto& named : gradients.target()) {
    parts.push_back(reshape(named.second.detach(), {1, named.second.numel()}));
  }
  const Tensor theta = to(concat(parts, 1), DType::f64);
  const Sketch sketch(theta.size(1), o.sketch_size, o.seed);
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < n; i += kRows) {
    const std::vector<int64_t> indices = index_range(i, i + std::min(kRows, n - i));
    rows.push_back(sketch(gradients.dense(indices)));
    check_value(!o.progress || o.progress("sketch", i, n), "support_vectors", "stopped");
  }
  const double target_square = gradients.target_square();
  DenseInnerProducts sketched(concat(rows, 0), reshape(sketch(theta), {o.sketch_size}));
  Solved solved = solved_by(sketched, o, "multipliers", target_square);

  // What it is worth for the gradients themselves
  std::vector<int64_t> compared;
  for (int64_t i = 0; i < n; i += std::max<int64_t>(1, n / kCompared)) compared.push_back(i);
  const Tensor K = gradients.gram(compared, compared);
  const Tensor error = sketched.gram(compared, compared) - K;
  const double size = dot(K, K);
  solved.sketch_error = size > 0 ? std::sqrt(dot(error, error) / size) : 0;
  const LassoStep exact = measure_lasso(gradients, solved.lambda, solved.rho);
  solved.objective = exact.objective;
  solved.relative_gap = exact.gap / std::max(exact.objective, 1e-6 * 0.5 * target_square);
  return solved;
}

// ---- paper ----

std::vector<Tensor> residual_of(const SampleGradients& gradients, const Tensor& lambda) {
  const Recording off(false);
  std::vector<Tensor> residual = gradients.combined(lambda);
  for (size_t k = 0; k < residual.size(); ++k) {
    residual[k] = gradients.target()[k].second.detach() + residual[k];
  }
  return residual;
}

double square_of(std::span<const Tensor> tensors) {
  double square = 0;
  for (const Tensor& t : tensors) square += dot(t, t);
  return square;
}

// <theta, -G1> / |G1|^2: the best multiplier that is the same for all
double uniform_multiplier(const SampleGradients& gradients) {
  const Tensor ones = Tensor::ones({gradients.count()}, DType::f64);
  const std::vector<Tensor> G = gradients.combined(ones);
  double product = 0, theta_square = 0;
  for (size_t k = 0; k < G.size(); ++k) {
    const Tensor theta = gradients.target()[k].second.detach();
    product -= dot(theta, G[k]);
    theta_square += dot(theta, theta);
  }
  const double square = square_of(G);
  if (square == 0) return 0;
  return product > 0 ? product / square : std::sqrt(theta_square / square);
}

Solved by_gradient_steps(
    SampleGradients& gradients, const Tensor& labels, const SupportOptions& o) {
  const int64_t n = gradients.count();
  const double first = uniform_multiplier(gradients);
  const double theta_square = gradients.target_square();
  std::vector<double> lambda(at(n), first);
  std::vector<bool> is_alive(at(n), true);
  const auto y = labels.values<int64_t>();
  std::vector<int64_t> left(at(*std::max_element(y.begin(), y.end()) + 1), 0);
  for (const int64_t label : y) ++left[at(label)];
  Solved solved;

  // L_stat and its slopes by lambda at the present multipliers
  const auto look = [&](const Tensor& at_lambda, double& value) {
    std::vector<Tensor> v = residual_of(gradients, at_lambda);
    value = 0;
    const double residual = std::sqrt(square_of(v) / theta_square);
    for (Tensor& r : v) {
      const double c = 1 / static_cast<double>(r.numel());
      value += c * sum(to(abs(r), DType::f64)).item();
      r = c * sign(r);
    }
    solved.trace.push_back(
        {value, residual, 0,
         std::count_if(lambda.begin(), lambda.end(), [](double l) { return l > 0; })});
    return gradients.products(v).to_vector();
  };
  const Recording off(false);
  double at_zero = 0;
  const std::vector<double> first_slopes = look(Tensor::zeros({n}, DType::f64), at_zero);
  solved.trace.clear();
  for (const double s : first_slopes) solved.rho = std::max(solved.rho, o.rho * std::abs(s));

  const auto warm_up = static_cast<int64_t>(kWarmUp * static_cast<double>(o.steps));
  for (int64_t t = 0; t <= o.steps; ++t) {
    const std::vector<double> s = look(Tensor::of({n}, lambda, DType::f64), solved.objective);
    if (t == o.steps) break;
    double steepest = 0;
    for (size_t i = 0; i < s.size(); ++i) {
      if (is_alive[i]) steepest = std::max(steepest, std::abs(s[i] + solved.rho));
    }
    if (steepest == 0) break;
    // Smaller toward the end: the slope of |.| does not vanish on its own
    const double decay = 1 - static_cast<double>(t) / static_cast<double>(o.steps);
    const double rate = kStepShare * first * decay / steepest;
    for (size_t i = 0; i < s.size(); ++i) {
      if (!is_alive[i]) continue;
      lambda[i] -= rate * (s[i] + solved.rho);
      if (lambda[i] >= 0) continue;
      lambda[i] = 0;
      if (o.projects || t < warm_up || left[at(y[i])] == 1) continue;
      is_alive[i] = false;
      --left[at(y[i])];
    }
    check_value(!o.progress || o.progress("steps", t + 1, o.steps), "support_vectors", "stopped");
  }
  solved.lambda = Tensor::of({n}, lambda, DType::f64);
  solved.status = "all steps taken";
  return solved;
}

// ---- Figures per sample ----

void describe(SupportVectors& v, const SampleGradients& gradients, const Tensor& labels) {
  const Recording off(false);
  const int64_t n = gradients.count(), K = gradients.logits().size(1);
  const Tensor logits = to(gradients.logits(), DType::f64);
  const Tensor log_p = log_softmax(logits);
  v.entropy = reshape(-sum(exp(log_p) * log_p, {1}), {n});
  v.alpha = v.lambda * residual_sizes(logits, labels);
  v.margin = Tensor::empty({n}, DType::f64);
  v.correct = Tensor::zeros({n}, DType::f64);
  v.alive = greater(v.lambda, Tensor::zeros({n}, DType::f64));
  for (int64_t i = 0; i < n; ++i) {
    const double* row = logits.data<double>() + i * K;
    const int64_t y = labels.data<int64_t>()[i];
    double other = -std::numeric_limits<double>::infinity();
    for (int64_t k = 0; k < K; ++k) {
      if (k != y) other = std::max(other, row[k]);
    }
    v.margin.mutable_data<double>()[i] = row[y] - other;
    v.correct.mutable_data<double>()[i] = row[y] > other ? 1 : 0;
  }
  v.gradient_size = sqrt(total_of(gradients.squares()));
  std::vector<Tensor> theta;
  for (const auto& named : gradients.target()) theta.push_back(named.second.detach());
  const double length = std::sqrt(square_of(theta));
  const std::vector<double> product = gradients.products(theta).to_vector();
  const std::vector<double> size = v.gradient_size.to_vector();
  std::vector<double> cosine(at(n), 0.0);
  for (size_t i = 0; i < cosine.size(); ++i) {
    if (size[i] * length > 0) cosine[i] = -product[i] / (size[i] * length);
  }
  v.cosine = Tensor::of({n}, cosine, DType::f64);

  const std::vector<Tensor> residual = residual_of(gradients, v.lambda);
  for (size_t k = 0; k < residual.size(); ++k) {
    v.relative_residual.emplace_back(
        gradients.target()[k].first,
        std::sqrt(dot(residual[k], residual[k]) / dot(theta[k], theta[k])));
  }
  v.total_residual = std::sqrt(square_of(residual)) / length;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void check_samples(const Tensor& images, const Tensor& labels) {
  const char* op = "support_vectors";
  check_shape(
      images.defined() && labels.defined() && images.rank() >= 2 && labels.rank() == 1 &&
          labels.size(0) == images.size(0),
      op, "needs one class per image");
  check_dtype(labels.dtype() == DType::i64, op, "labels must be classes, i64");
  check_value(images.size(0) > 0, op, "needs at least one sample");
  const auto y = labels.values<int64_t>();
  check_value(
      std::set<int64_t>(y.begin(), y.end()).size() >= 2, op,
      "all samples have one class; there is no boundary to support");
}

}  // namespace

ChosenParameters choose_parameters(
    Module& model, const Tensor& images, const Tensor& labels, const std::string& pattern,
    bool keeps_invariant) {
  ChosenParameters result;
  NamedTensors fitting;
  for (const auto& named : stationary_parameters(model)) {
    if (fnmatch(pattern.c_str(), named.first.c_str(), 0) == 0) fitting.push_back(named);
  }
  check_value(
      !fitting.empty(), "support_vectors", "no parameter that requires a gradient fits '", pattern,
      "'; the first is ", stationary_parameters(model)[0].first);
  std::vector<std::string> names;
  for (const auto& named : fitting) names.push_back(named.first);
  if (keeps_invariant) return {names, {}};

  const int64_t count = std::min(kProbe, images.size(0));
  const Tensor probe = slice(images.detach(), 0, 0, count);
  const Tensor probe_labels = slice(labels, 0, 0, count);
  const SampleGradients gradients(model, probe, probe_labels, names);
  const std::vector<Tensor> squares = gradients.squares();
  const Tensor all_squares = total_of(squares);
  const Tensor before = logits_of(model, probe);
  const Recording off(false);
  const double spread = largest(before - mean(before));
  for (size_t k = 0; k < fitting.size(); ++k) {
    const bool is_zero = largest(fitting[k].second) == 0;
    bool is_invariant = false;
    if (!is_zero && largest_cosine(gradients, k, squares[k], all_squares) < kInvariant) {
      const Tensor after = logits_with_twice(model, fitting[k].second, probe);
      is_invariant = largest(after - before) <= kInvariant * spread;
    }
    (is_invariant ? result.invariant : result.chosen).push_back(names[k]);
  }
  check_value(
      !result.chosen.empty(), "support_vectors",
      "the outputs do not change with the length of any parameter that fits '", pattern,
      "' (they stand before a norm), so stationarity cannot be reached");
  return result;
}

SupportVectors extract_support_vectors(
    Module& model, const Tensor& images, const Tensor& labels, const SupportOptions& o) {
  check_samples(images, labels);
  const char* op = "support_vectors";
  check_value(o.rho >= 0 && std::isfinite(o.rho), op, "rho ", o.rho, " is negative");
  check_value(o.steps >= 1, op, "needs at least one step");
  check_value(o.sketch_size >= 1, op, "a sketch has at least one number");
  SupportVectors v;
  auto start = std::chrono::steady_clock::now();
  v.parameters = choose_parameters(model, images, labels, o.parameters, o.keeps_invariant);
  SampleGradientOptions gathering = o.gradients;
  if (o.progress && !gathering.progress) {
    gathering.progress = [&](int64_t done, int64_t total) {
      return o.progress("gradients", done, total);
    };
  }
  SampleGradients gradients(model, images, labels, v.parameters.chosen, gathering);
  v.forms = gradients.forms();
  v.gradient_seconds = seconds_since(start);

  start = std::chrono::steady_clock::now();
  Solved solved;
  switch (o.solver) {
    case SupportSolver::paper: solved = by_gradient_steps(gradients, labels, o); break;
    case SupportSolver::nnls:
      solved = solved_by(gradients, o, "multipliers", gradients.target_square());
      break;
    case SupportSolver::lp: solved = by_linear_program(gradients, o); break;
    case SupportSolver::sketch: solved = by_sketch(gradients, o); break;
  }
  v.lambda = solved.lambda;
  v.trace = std::move(solved.trace);
  v.status = solved.status;
  v.converged = solved.converged;
  v.rho = solved.rho;
  v.objective = solved.objective;
  v.relative_gap = solved.relative_gap;
  v.sketch_error = solved.sketch_error;
  describe(v, gradients, labels);
  if (o.solver == SupportSolver::lp && v.converged && v.total_residual > kSatisfied) {
    v.converged = false;  // the program fed on the rounding of f32 gradients
    v.status = "infeasible";
  }
  v.solver_seconds = seconds_since(start);
  return v;
}

std::vector<int64_t> select_support(
    const SupportVectors& v, const Tensor& labels, SupportScore score, int64_t per_class,
    uint64_t seed) {
  const int64_t n = labels.numel();
  std::vector<double> values(at(n));
  bool needs_lambda = false;
  switch (score) {
    case SupportScore::alpha:
      values = v.alpha.to_vector();
      needs_lambda = true;
      break;
    case SupportScore::lambda:
      values = v.lambda.to_vector();
      needs_lambda = true;
      break;
    case SupportScore::lambda_g:
      values = (v.lambda * v.gradient_size).to_vector();
      needs_lambda = true;
      break;
    case SupportScore::cosine: values = v.cosine.to_vector(); break;
    case SupportScore::entropy: values = v.entropy.to_vector(); break;
    case SupportScore::random: Rng(seed).uniform(values, 0, 1); break;
  }
  const auto y = labels.values<int64_t>();
  const double* correct = v.correct.data<double>();
  const double* alive = v.alive.data<double>();
  std::vector<int64_t> order = index_range(0, n);
  std::erase_if(
      order, [&](int64_t i) { return correct[i] == 0 || (needs_lambda && alive[i] == 0); });
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    if (y[at(a)] != y[at(b)]) return y[at(a)] < y[at(b)];
    return values[at(a)] > values[at(b)];
  });
  std::vector<int64_t> chosen;
  int64_t of_class = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    const bool is_first = k == 0 || y[at(order[k])] != y[at(order[k - 1])];
    of_class = is_first ? 1 : of_class + 1;
    if (of_class <= per_class) chosen.push_back(order[k]);
  }
  return chosen;
}

std::vector<double> class_sums(const Tensor& values, const Tensor& labels, int64_t classes) {
  std::vector<double> sums(at(classes), 0.0);
  const std::vector<double> all = values.to_vector();
  for (size_t i = 0; i < all.size(); ++i) {
    sums[at(labels.data<int64_t>()[i])] += all[i];
  }
  return sums;
}

}  // namespace limpid::interpret
