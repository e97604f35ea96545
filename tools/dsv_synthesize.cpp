// tools/dsv_synthesize.cpp: limpid dsv synthesize.
#include "framework/core/error.h"
#include "framework/io/safetensors.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/model.h"
#include "tools/objective.h"
#include "tools/support_file.h"
#include "tools/synthesising.h"

#include <filesystem>
#include <memory>

namespace limpid::tools {
namespace {

struct SynthesizeOptions {
  ModelOptions model;
  SynthesisArguments synthesis;
  int64_t per_class = 10;
  std::string init = "noise";
  int64_t save_every = 200;
  bool resume = false;
  std::vector<std::string> judge = {};
};

// Images of --init data:D to start from, `per_class` for each class in turn: its own images where D
// has as many classes as the model, else any.
Tensor images_from(
    const std::string& spec, const SynthesizeOptions& o, const Common& common,
    const RunFolder& folder) {
  const datasets::Split parts = as_usage([&] {
    return datasets::load(
        spec, {.data_dir = data_folder(common.data_dir),
               .resize = folder.card.resize,
               .crop = folder.card.crop});
  });
  const datasets::Dataset& data = parts.train;
  if (data.example_shape() != folder.card.input) {
    throw UsageError(join_text(
        "--init: ", spec, " has examples ", data.example_shape(), ", the model takes ",
        folder.card.input));
  }
  const bool matches = data.classes == folder.card.classes();
  const Rng rng(static_cast<uint64_t>(common.seed));
  const std::vector<int64_t> order = Rng(rng).permutation(data.size());
  std::vector<int64_t> chosen;
  size_t next = 0;
  for (int64_t c = 0; c < folder.card.classes(); ++c) {
    if (matches) next = 0;
    for (int64_t found = 0; found < o.per_class; ++next) {
      if (next == order.size()) {
        throw UsageError(
            join_text("--init: ", spec, " has too few examples for ", o.per_class, " per class"));
      }
      if (matches && data.labels.data<int64_t>()[order[next]] != c) continue;
      chosen.push_back(order[next]);
      ++found;
    }
  }
  return standardised(datasets::take(data, chosen).images.tensor(), folder.card);
}

Tensor start_images(const SynthesizeOptions& o, const Common& common, const RunFolder& folder) {
  const std::string prefix = "data:";
  if (o.init.starts_with(prefix)) {
    return images_from(o.init.substr(prefix.size()), o, common, folder);
  }
  if (o.init != "noise") {
    throw UsageError("--init: " + excerpt(o.init) + " is neither noise nor data:D");
  }
  return interpret::noise_images(
      folder.card.input, folder.card.classes() * o.per_class, DType::f32,
      static_cast<uint64_t>(common.seed));
}

// A synthesis under way, in a file beside its result; the metadata hold the options.
std::string state_path(const std::string& out) { return out + ".state"; }

std::string signature(const Invocation& in) {
  Json all = in.arguments.resolved();
  Json kept = Json::object();
  for (const Json::Member& m : all.members()) {
    if (m.key != "resume" && m.key != "save-every" && m.key != "judge") kept.set(m.key, m.value);
  }
  kept.set("seed", in.common.seed);
  return to_text(kept);
}

std::unique_ptr<interpret::Synthesis> resumed(
    const Invocation& in, RunFolder& folder, const Tensor& labels,
    const interpret::SynthesisOptions& options) {
  const std::string path = state_path(in.common.out);
  if (!std::filesystem::exists(path)) {
    throw UsageError("--resume: " + path + " does not exist");
  }
  const SafetensorsFile file = load_safetensors(path);
  const auto found = file.metadata.find("options");
  if (found == file.metadata.end() || found->second != signature(in)) {
    throw UsageError("--resume: " + path + " was written with other options");
  }
  try {
    return std::make_unique<interpret::Synthesis>(
        *folder.model, folder.card.input, file.tensors, labels, options);
  } catch (const ValueError& error) {
    throw FormatError(path, "", error.what());
  } catch (const ShapeError& error) {
    throw FormatError(path, "", error.what());
  }
}

// Runs to the end or to an interrupt, and keeps the state file up to date.
void run_to_end(interpret::Synthesis& synthesis, const Invocation& in, const SynthesizeOptions& o) {
  const auto save = [&] {
    save_safetensors(state_path(in.common.out), synthesis.tensors(), {{"options", signature(in)}});
  };
  while (!synthesis.is_done() && !interrupted()) {
    const size_t lines = synthesis.trace().size();
    synthesis.advance();
    in.console.progress("synthesize", synthesis.steps_done(), o.synthesis.steps);
    if (synthesis.trace().size() > lines && synthesis.steps_done() % 250 == 0) {
      const interpret::TracePoint& t = synthesis.trace().back();
      in.console.stage(join_text(
          "step ", t.step, ": stationarity ", fixed(t.stationarity, 4), ", residual ",
          fixed(t.relative_residual, 3), ", right ", percent(t.primal_accuracy), ", in views ",
          percent(t.primal_accuracy_views), ", entropy ", fixed(t.entropy, 3), ", alive ",
          t.alive));
    }
    if (synthesis.steps_done() % o.save_every == 0 || interrupted()) save();
  }
}

SupportSet support_of(
    const interpret::Synthesis& s, const RunFolder& folder, const Invocation& in) {
  const std::vector<int64_t> rows = s.alive();
  const Tensor residual =
      softmax(s.logits()) - one_hot(s.labels(), folder.card.classes(), s.lambda().dtype());
  const Tensor alpha = s.lambda() * reshape(norm(residual, {1}), {residual.size(0)});
  return {
      .images = take_rows(as_data(s.images(), folder.card), rows),
      .labels = take_rows(s.labels(), rows),
      .lambda = to(take_rows(s.lambda(), rows), DType::f64),
      .alpha = to(take_rows(alpha, rows), DType::f64),
      .metadata = {
          {"origin", "synthesis"}, {"model", name_of(folder)}, {"options", signature(in)}}};
}

Json run(const Invocation& in, const SynthesizeOptions& o) {
  if (in.common.out.empty()) throw UsageError("--out FILE says where the vectors go");
  RunFolder folder = open_model(o.model, in.console);
  check_classifier(folder, "dsv synthesize");
  const auto seed = static_cast<uint64_t>(in.common.seed);
  const interpret::SynthesisOptions options = synthesis_options(o.synthesis, folder, seed);
  const Tensor labels = interpret::labels_per_class(folder.card.classes(), o.per_class);

  std::unique_ptr<interpret::Synthesis> synthesis;
  if (o.resume) {
    synthesis = resumed(in, folder, labels, options);
  } else {
    const Tensor images = start_images(o, in.common, folder);
    synthesis = as_usage([&] {
      return std::make_unique<interpret::Synthesis>(*folder.model, images, labels, options);
    });
  }
  const interpret::TracePoint start =
      synthesis->trace().empty() ? synthesis->measured() : synthesis->trace().front();
  run_to_end(*synthesis, in, o);
  if (interrupted()) return Json::object({{"steps_done", synthesis->steps_done()}});

  const SupportSet set = support_of(*synthesis, folder, in);
  const std::vector<int64_t> classes = to_integers(set.labels);
  write_support(in.common.out, set);
  Json result = Json::object({{"model", name_of(folder)}, {"out", in.common.out}});
  if (set.images.rank() == 4) {
    const std::string png = with_ending(in.common.out, ".png");
    save_class_grid(png, set.images, classes);
    result.set("png", png);
  }
  std::filesystem::remove(state_path(in.common.out));

  const interpret::TracePoint& end = synthesis->trace().back();
  Json residual = Json::array();
  const NamedTensors named = interpret::stationary_parameters(*folder.model);
  for (size_t k = 0; k < named.size(); ++k) {
    residual.push(Json::object({{"tensor", named[k].first}, {"relative", end.tensor_residual[k]}}));
  }
  Json trace = Json::array();
  for (const interpret::TracePoint& t : synthesis->trace()) trace.push(to_json(t));
  in.console.result(join_text(
      "stationarity  ", fixed(start.stationarity, 4), " -> ", fixed(end.stationarity, 4),
      ", relative residual ", fixed(end.relative_residual, 3)));
  in.console.result(join_text(
      "primal        ", percent(end.primal_accuracy), " right, in views ",
      percent(end.primal_accuracy_views)));
  in.console.result(join_text("entropy       ", fixed(end.entropy, 3), " nats"));
  in.console.result(join_text("alive         ", end.alive, " of ", labels.numel()));
  Json judges = Json::array();
  for (const Judgement& j : judged(o.judge, set.images, classes, folder.card, in.console)) {
    in.console.result(join_text("judge         ", j.model, ": ", percent(j.accuracy), " right"));
    judges.push(Json::object(
        {{"model", j.model}, {"accuracy", j.accuracy}, {"probability", j.probability}}));
  }
  in.console.result("vectors       " + in.common.out);
  result.set("entropy", end.entropy)
      .set("primal_accuracy", end.primal_accuracy)
      .set("primal_accuracy_views", end.primal_accuracy_views)
      .set("relative_residual", end.relative_residual)
      .set("stationarity_residual", residual)
      .set("stationarity_start", start.stationarity)
      .set("stationarity", end.stationarity)
      .set("alive", end.alive)
      .set("candidates", labels.numel())
      .set("lambda0", synthesis->lambda0())
      .set("weights", to_json(synthesis->weights()))
      .set("judges", judges)
      .set("trace", trace);
  return result;
}

}  // namespace

Command dsv_synthesize_command() {
  auto options = std::make_shared<SynthesizeOptions>();
  return {
      .name = "dsv synthesize",
      .summary = "support vectors made from the weights of a classifier alone",
      .example =
          "limpid dsv synthesize runs/digits --per-class 2 --steps 200 --out vectors.safetensors",
      .declare =
          [options](Arguments& a) {
            declare_model(a, options->model);
            a.integer("per-class", options->per_class, "support vectors of each class", 1, 100'000);
            a.text("init", options->init, "pixels at the start: noise, or data:D for images of D");
            declare_synthesis(a, options->synthesis);
            a.integer(
                "save-every", options->save_every, "steps between saves of the state", 1,
                10'000'000);
            a.list("judge", options->judge, "other networks that classify the result");
            a.flag("resume", options->resume, "go on from the state that was saved beside --out");
          },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
