// tools/transport_dae.cpp: limpid transport dae.
#include "framework/core/error.h"
#include "framework/io/npy.h"
#include "framework/ops/linear_maps.h"
#include "interpret/numerics/transport.h"
#include "interpret/transport/denoiser.h"
#include "interpret/transport/flow.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/flow_pictures.h"
#include "tools/interpreting.h"
#include "tools/run_folder.h"
#include "tools/transport_points.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>

namespace limpid::tools {
namespace {

using interpret::Denoiser;
using interpret::DenoiserQuality;
using interpret::Flow;

constexpr int64_t kMatched = 500;          // points of the W2 at the end
constexpr int64_t kMatchedPerLayer = 200;  // and of those of every layer
constexpr int64_t kDraws = 4000;           // that measure a trained layer
constexpr double kMostMatched = 2e8;       // layers times cubed points, about a second

struct DaeOptions {
  PointsOptions points;
  double variance = 0.02;
  int64_t layers = 8;
  std::string kind = "kde";
  std::string stepper = "rk45";
  bool layers_only = false;
  int64_t width = 64;
  int64_t steps = 4000;
  int64_t batch = 256;
  double lr = 1e-2;
  std::vector<std::string> stack;
};

// ---- What is computed ----

// The continuous limit, by the law or, where that has ended, by particles
struct Limit {
  std::string how;  // "law", "particles", "none"
  std::optional<Flow> flow;
};

struct Moved {
  Flow layers, shallow;
  Limit limit;
  std::vector<Denoiser> trained;
  std::optional<DenoiserQuality> quality;  // of the first layer
  std::optional<Flow> exact_layers;        // of the law, if layers were trained
  std::optional<interpret::StackComparison> stack;
};

interpret::OdeOptions ode_options(const std::string& stepper) {
  if (stepper == "euler") return {.stepper = interpret::Stepper::euler, .steps = 20};
  if (stepper == "rk4") return {.stepper = interpret::Stepper::rk4, .steps = 20};
  return {.relative = 1e-6, .absolute = 1e-8};
}

Limit limit_of(const DaeOptions& o, const TransportPoints& t) {
  if (o.layers_only) return {.how = "none", .flow = std::nullopt};
  const double end = t.law->blow_up_time();
  if (o.variance < end) {
    return {
        .how = "law",
        .flow = interpret::continuous_flow(
            *t.law, t.points, o.variance, o.layers, {.ode = ode_options(o.stepper)})};
  }
  if (t.kernel == nullptr) {
    throw UsageError(join_text(
        "--variance: ", o.variance, " reaches t* = ", end,
        ", half the smallest variance of the law, where the continuous limit ends; choose less, or "
        "--layers-only"));
  }
  return {
      .how = "particles",
      .flow = interpret::particle_flow(
          t.points, o.variance, o.layers, t.kernel->bandwidth(),
          {.stepper = interpret::Stepper::rk4, .steps = 4})};
}

Flow exact_layers(const DaeOptions& o, const TransportPoints& t) {
  const std::vector<double> taus = interpret::equal_steps(o.variance, o.layers);
  if (t.mixture != nullptr) {
    return as_usage([&] { return interpret::compose_mixture(*t.mixture, t.points, taus); });
  }
  return interpret::compose_particles(
      *t.law, t.points, t.points, taus,
      {.bandwidth = o.points.bandwidth, .refits_bandwidth = o.points.bandwidth == 0});
}

std::vector<int64_t> widths_from(const DaeOptions& o) {
  std::vector<int64_t> widths;
  for (const std::string& text : o.stack) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > 4096) {
      throw UsageError("--stack: " + excerpt(text) + " is no width in 1 to 4096");
    }
    widths.push_back(value);
  }
  return widths;
}

interpret::DenoiserOptions denoiser_options(const DaeOptions& o, const Invocation& in) {
  return {
      .width = o.width,
      .steps = o.steps,
      .batch = o.batch,
      .learning_rate = o.lr,
      .seed = static_cast<uint64_t>(in.common.seed),
      .progress = [&in](int64_t step, int64_t steps) {
        in.console.progress("train", step, steps);
        return !interrupted();
      }};
}

void train(Moved& moved, const DaeOptions& o, const TransportPoints& t, const Invocation& in) {
  const std::vector<double> taus = interpret::equal_steps(o.variance, o.layers);
  const interpret::DenoiserOptions options = denoiser_options(o, in);
  if (o.kind == "linear") {
    moved.layers =
        interpret::composed_flow(t.points, taus, [&](int64_t l, const Tensor& x, double tau) {
          const auto seed = options.seed + static_cast<uint64_t>(l);
          moved.trained.push_back(
              as_usage([&] { return interpret::fit_linear_denoiser(x, tau, seed); }));
          return interpret::trained_step(moved.trained.back(), x);
        });
  } else {
    interpret::TrainedComposition composition =
        interpret::train_composition(t.points, taus, options);
    moved.layers = std::move(composition.flow);
    moved.trained = std::move(composition.layers);
  }
  check_interrupt();
  moved.quality = interpret::measure_denoiser(
      moved.trained[0], *t.law, taus[0], kDraws, static_cast<uint64_t>(in.common.seed) + 1000);
  moved.exact_layers = exact_layers(o, t);
  if (o.stack.empty()) return;
  const std::vector<int64_t> widths = widths_from(o);
  moved.stack = interpret::train_stack(
      t.points, interpret::equal_steps(o.variance, std::ssize(widths)), widths, options);
  check_interrupt();
}

Moved move(const DaeOptions& o, const TransportPoints& t, const Invocation& in) {
  Moved moved;
  moved.limit = limit_of(o, t);  // first: it may refuse
  check_interrupt();
  if (o.kind == "trained" || o.kind == "linear") {
    train(moved, o, t, in);
  } else {
    moved.layers = exact_layers(o, t);
  }
  moved.shallow = interpret::shallow_flow(*t.law, t.points, o.variance);
  return moved;
}

// ---- What is reported ----

// The first of the points, for costs that grow as the cube of their number
Tensor first_points(const Tensor& x, int64_t count) {
  return slice(x, 0, 0, std::min(count, x.size(0)));
}

double w2(const Tensor& x, const Tensor& y, int64_t count = kMatched) {
  return interpret::wasserstein2_exact(first_points(x, count), first_points(y, count)).distance;
}

Json rows_of(const Flow& flow) {
  // As many points as fit about a second
  const double budget = kMostMatched / static_cast<double>(2 * flow.layers());
  const auto count = static_cast<int64_t>(
      std::clamp(std::cbrt(budget), 20.0, static_cast<double>(kMatchedPerLayer)));
  Json rows = Json::array();
  for (int64_t l = 0; l <= flow.layers(); ++l) {
    const auto at = static_cast<size_t>(l);
    const Tensor here = flow.at(l);
    rows.push(Json::object(
        {{"time", flow.time[at]},
         {"variance", interpret::mean_variance(here)},
         {"w2_previous", l == 0 ? 0 : w2(flow.at(l - 1), here, count)},
         {"w2_input", l == 0 ? 0 : w2(flow.at(0), here, count)},
         {"kinetic", flow.energy[at]},
         {"length", flow.length[at]},
         {"entropy_change", flow.entropy_change[at]}}));
  }
  return rows;
}

Json to_json(const DenoiserQuality& q) {
  return Json::object(
      {{"draws", kDraws},
       {"loss", q.loss},
       {"floor", q.floor},
       {"least_loss", q.least_loss},
       {"error", q.error},
       {"displacement", q.displacement},
       {"relative_error", q.relative_error()},
       {"relative_error_root", std::sqrt(q.relative_error())},
       {"asymmetry", q.asymmetry},
       {"smallest_eigenvalue", q.smallest_eigenvalue}});
}

// Gap to the composition with noise C C' of the decoders, and to the one with round noise
Json to_json(const interpret::StackComparison& stack, const Tensor& points, const Flow& round) {
  const auto layers = std::ssize(stack.stack);
  const double spread = interpret::mean_variance(points) * static_cast<double>(points.size(1));
  const Tensor composed = stack.composition.flow.at(-1);
  return Json::object(
      {{"layers", layers},
       {"gap", stack.gap},
       {"gap_round", round.layers() == layers
                         ? Json(interpret::paired_cost(stack.decoded, round.at(-1)) / spread)
                         : Json()},
       {"variance_decoded", interpret::mean_variance(stack.decoded)},
       {"variance_composed", interpret::mean_variance(composed)}});
}

// Share of the end points nearest to each centre
Json masses_of(const interpret::MixtureLaw& law, const Tensor& x) {
  const int64_t K = law.components(), m = law.dimension();
  std::vector<int64_t> counts(static_cast<size_t>(K));
  for (int64_t i = 0; i < x.size(0); ++i) {
    int64_t nearest = 0;
    double least = INFINITY;
    for (int64_t k = 0; k < K; ++k) {
      double square = 0;
      for (int64_t j = 0; j < m; ++j) {
        square += std::pow(x.data<double>()[i * m + j] - law.means().data<double>()[k * m + j], 2);
      }
      if (square < least) {
        least = square;
        nearest = k;
      }
    }
    ++counts[static_cast<size_t>(nearest)];
  }
  Json masses = Json::array();
  for (const int64_t c : counts) {
    masses.push(static_cast<double>(c) / static_cast<double>(x.size(0)));
  }
  return masses;
}

// Variance after n layers of a normal law, in closed form
std::optional<double> layers_variance(const TransportPoints& t, const std::vector<double>& taus) {
  if (t.mixture == nullptr || t.mixture->components() > 1) return std::nullopt;
  const Tensor variances = t.mixture->whitened(0).variances;
  double sum = 0;
  for (const double v : variances.values<double>()) sum += interpret::composed_variance(v, taus);
  return sum / static_cast<double>(variances.numel());
}

Json or_null(std::optional<double> value) { return value ? *value : Json(); }

Json result_of(const DaeOptions& o, const TransportPoints& t, const Moved& moved) {
  const int64_t m = t.law->dimension();
  const Tensor covariance = t.law->covariance();
  double law_variance = 0;
  for (int64_t j = 0; j < m; ++j) {
    law_variance += covariance.data<double>()[j * m + j] / static_cast<double>(m);
  }
  const Tensor end = moved.layers.at(-1);
  const std::optional<Flow>& limit = moved.limit.flow;
  std::optional<double> limit_variance, distance;
  if (limit) {
    limit_variance = interpret::mean_variance(limit->at(-1));
    distance = w2(end, limit->at(-1));
  }
  Json json = Json::object(
      {{"data", o.points.data},
       {"points", t.source},
       {"law", t.law_name},
       {"kind", o.kind},
       {"dimension", m},
       {"count", t.points.size(0)},
       {"variance", o.variance},
       {"layers", o.layers},
       {"t_star", t.law->blow_up_time()},
       {"theory", moved.limit.how},
       {"clamped", limit ? limit->is_clamped : false},
       {"variance_before", interpret::mean_variance(t.points)},
       {"variance_after", interpret::mean_variance(end)},
       {"variance_shallow", interpret::mean_variance(moved.shallow.at(-1))},
       {"variance_theory", or_null(limit_variance)},
       {"variance_law", law_variance},
       {"variance_law_layers",
        or_null(layers_variance(t, interpret::equal_steps(o.variance, o.layers)))},
       {"variance_law_theory",
        moved.limit.how == "law" ? Json(law_variance - 2 * o.variance) : Json()},
       {"w2_to_theory", or_null(distance)},
       {"w2_shallow_to_theory", limit ? Json(w2(moved.shallow.at(-1), limit->at(-1))) : Json()},
       {"w2_moved", w2(t.points, end)},
       {"path", rows_of(moved.layers)},
       {"theory_path", limit ? rows_of(*limit) : Json()}});
  if (t.mixture != nullptr && t.mixture->components() > 1 && limit) {
    json.set("masses", masses_of(*t.mixture, limit->at(-1)));
  }
  if (moved.quality) {
    json.set("trained", to_json(*moved.quality));
    json.set("w2_to_exact", w2(end, moved.exact_layers->at(-1)));
    json.set("variance_exact", interpret::mean_variance(moved.exact_layers->at(-1)));
  }
  if (o.kind == "linear" && m == 1) json.set("slope", moved.trained[0].linear_part().item());
  if (moved.stack) json.set("stack", to_json(*moved.stack, t.points, moved.layers));
  return json;
}

void print(const Json& r, const Console& console) {
  const auto number = [](const Json& value) {
    return value.is_null() ? std::string("-") : fixed(value.number(), 6);
  };
  console.result(join_text("points: ", r.text("points")));
  console.result(
      join_text("law: ", r.text("law"), "; its flow ends at t* = ", fixed(r.number("t_star"), 6)));
  console.result(console.bold(
      padded("noise variance spent", 22) + padded("variance", 12) + padded("W2 to before", 14) +
      padded("W2 to input", 13) + padded("kinetic", 12) + "entropy change"));
  for (const Json& row : r.at("path").items()) {
    console.result(
        padded(fixed(row.number("time"), 6), 22) + padded(fixed(row.number("variance"), 6), 12) +
        padded(fixed(row.number("w2_previous"), 6), 14) +
        padded(fixed(row.number("w2_input"), 6), 13) + padded(fixed(row.number("kinetic"), 6), 12) +
        number(row.at("entropy_change")));
  }
  console.result(join_text(
      "variance per coordinate: ", number(r.at("variance_before")), " before, ",
      number(r.at("variance_shallow")), " after one layer of all the noise, ",
      number(r.at("variance_after")), " after ", r.integer("layers"), " layers, ",
      number(r.at("variance_theory")), " in the continuous limit"));
  console.result(join_text(
      "W2 to the continuous limit: ", number(r.at("w2_to_theory")), ", of one layer ",
      number(r.at("w2_shallow_to_theory"))));
  if (r.text("theory") == "particles") {
    console.result(
        "the law's own flow has ended before: the limit is that of particles in kernels of the "
        "same "
        "width");
  }
  if (const Json* trained = r.find("trained")) {
    console.result(join_text(
        "first trained layer, on ", kDraws, " draws: loss ", number(trained->at("loss")),
        ", least possible ", number(trained->at("floor")), "; relative squared error to the exact ",
        "map ", number(trained->at("relative_error")), ", asymmetry of its Jacobian ",
        number(trained->at("asymmetry"))));
  }
  if (const Json* stack = r.find("stack")) {
    console.result(join_text(
        "stacked and decoded against composed: gap ", number(stack->at("gap")),
        " of the variance"));
  }
}

Json run(const Invocation& in, const DaeOptions& o) {
  const bool learns = o.kind == "trained" || o.kind == "linear";
  if (!o.stack.empty() && o.kind != "trained") {
    throw UsageError("--stack: goes with --kind trained");
  }
  widths_from(o);
  const LawKind kind = o.kind == "exact" ? LawKind::exact
                       : o.kind == "kde" ? LawKind::kernel
                                         : LawKind::best;
  const TransportPoints t = read_points(o.points, kind, in.common);
  const bool is_exact_mixture = (kind == LawKind::exact || learns) && t.mixture != nullptr;
  if (is_exact_mixture && t.mixture->components() > 1 && t.law->dimension() > 2 && o.layers > 1) {
    throw UsageError(join_text(
        "--layers: exact layers of a mixture are carried in up to two dimensions, the law has ",
        t.law->dimension()));
  }
  const Moved moved = move(o, t, in);
  check_interrupt();
  Json result = result_of(o, t, moved);
  Json trajectory;
  if (!in.common.out.empty()) {
    const std::string folder = in.common.out + "/";
    make_folder(in.common.out);
    save_npy(folder + "trajectory.npy", moved.layers.path);
    save_npy(folder + "shallow.npy", moved.shallow.path);
    if (moved.limit.flow) save_npy(folder + "continuous.npy", moved.limit.flow->path);
    trajectory = folder + "trajectory.npy";
    result.set(
        "pictures", draw_flows(
                        {.law = *t.law,
                         .layers = moved.layers,
                         .shallow = moved.shallow,
                         .limit = moved.limit.flow ? &*moved.limit.flow : nullptr,
                         .noise_variance = o.variance},
                        in.common.out));
  }
  result.set("trajectory", trajectory);
  print(result, in.console);
  return result;
}

void declare(Arguments& a, DaeOptions& o) {
  declare_points(a, o.points);
  a.number(
      "variance", o.variance, "of the noise, per coordinate, spent by all layers", 1e-12, 1e12);
  a.integer("layers", o.layers, "that spend it, in equal parts", 1, 10'000);
  a.text(
      "kind", o.kind,
      "exact: of the law in closed form; kde: of a kernel density, fitted at every layer; trained: "
      "networks; linear: least squares",
      {"exact", "kde", "trained", "linear"});
  a.text("stepper", o.stepper, "of the continuous limit", {"euler", "rk4", "rk45"});
  a.flag("layers-only", o.layers_only, "without the continuous limit, which may not exist");
  a.integer("width", o.width, "hidden units of a trained layer", 1, 4096);
  a.integer("steps", o.steps, "steps of Adam, per trained layer", 1, 10'000'000);
  a.integer("batch", o.batch, "examples per step", 1, 100'000);
  a.number("lr", o.lr, "largest learning rate of Adam, falling along a cosine", 1e-9, 10);
  a.list("stack", o.stack, "also train a stack of codes of these widths, and decode it");
}

}  // namespace

Command transport_dae_command() {
  auto options = std::make_shared<DaeOptions>();
  return {
      .name = "transport dae",
      .summary = "denoising autoencoders as transport: one layer, many, and their limit",
      .example =
          "limpid transport dae --data moons --variance 0.02 --layers 8 --kind kde --out dae",
      .declare = [options](Arguments& a) { declare(a, *options); },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "dae.json"};
}

}  // namespace limpid::tools
