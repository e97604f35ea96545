// tools/bench.cpp: limpid bench: steps of well-known networks, timed or replayed.
#include "framework/core/buffer.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/ranks.h"
#include "framework/io/safetensors.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/workloads.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace limpid::tools {
namespace {

struct BenchOptions {
  std::string workload;
  std::string model;  // with train, infer or interpretable: a network of one's own
  int64_t batch = 32;
  std::vector<std::string> input = {"3", "32", "32"};
  int64_t reps = 7;
  std::string start;    // weights and a batch to replay
  int64_t steps = 5;    // of the replay
  bool is_f64 = false;  // replay in double precision
};

struct Times {
  double median = 0, least = 0;  // milliseconds
};

Times times_of(std::vector<double> milliseconds) {
  std::ranges::sort(milliseconds);
  const size_t half = milliseconds.size() / 2;
  return {
      .median = milliseconds.size() % 2 == 1 ? milliseconds[half]
                                             : (milliseconds[half - 1] + milliseconds[half]) / 2,
      .least = milliseconds.front()};
}

// Repetitions of a step, after two that are not counted, or more for 0.3 seconds: a new worker
// thread may share a core with the main one until the system moves it.
Times time_step(const std::function<void()>& step, int64_t reps) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  step();
  do {
    step();
  } while (Clock::now() - begin < std::chrono::milliseconds(300));
  std::vector<double> times;
  for (int64_t r = 0; r < reps; ++r) {
    const auto start = Clock::now();
    step();
    const std::chrono::duration<double, std::milli> took = Clock::now() - start;
    times.push_back(took.count());
  }
  return times_of(std::move(times));
}

// Sums over the ranks of mpirun, of few values and of many: what a message costs, and a byte.
Json time_sums(const BenchOptions& o, const Console& console) {
  using Clock = std::chrono::steady_clock;
  Json rows = Json::array();
  for (const int64_t count : {int64_t{1}, int64_t{1} << 10, int64_t{1} << 16, int64_t{1} << 20}) {
    std::vector<float> values(static_cast<size_t>(count), 1);
    std::vector<double> times;
    for (int64_t r = 0; r < o.reps + 2; ++r) {  // two that are not counted
      std::ranges::fill(values, 1.0F);
      ranks::any(false);  // start together
      const auto start = Clock::now();
      ranks::sum(values);
      const std::chrono::duration<double, std::milli> took = Clock::now() - start;
      if (r >= 2) times.push_back(took.count());
    }
    const Times t = times_of(std::move(times));
    console.result(join_text(
        "rank_sums values=", count, " ranks=", ranks::count(), " median_ms=", fixed(t.median, 4),
        " min_ms=", fixed(t.least, 4)));
    rows.push(Json::object(
        {{"workload", "rank_sums"},
         {"ranks", ranks::count()},
         {"values", count},
         {"bytes", 4 * count},
         {"median_ms", t.median},
         {"min_ms", t.least}}));
  }
  return rows;
}

Json time_workload(const Workload& workload, const BenchOptions& o, const Console& console) {
  reset_peak();
  auto problem = std::make_shared<Problem>(problem_of(workload));
  const Times times =
      time_step([problem, kind = workload.kind] { do_step(kind, *problem); }, o.reps);
  const int64_t peak = memory().peak_bytes;
  console.result(join_text(
      workload.name, " threads=", parallel::threads(), " median_ms=", fixed(times.median, 3),
      " min_ms=", fixed(times.least, 3)));
  Json row = Json::object(
      {{"workload", workload.name},
       {"threads", parallel::threads()},
       {"median_ms", times.median},
       {"min_ms", times.least},
       {"macs", problem->net ? macs_of(*problem) : 0},
       {"peak_live_mb", static_cast<double>(peak) / (1 << 20)}});
  if (workload.kind == Workload::Kind::sinkhorn) {
    row.set("iterations", problem->solved.iterations);
    row.set("marginal_error", problem->solved.marginal_error);
  }
  return row;
}

// A step of the network that --model names, on --batch random examples of shape --input.
Workload own_workload(const BenchOptions& o) {
  Workload w;
  w.name = join_text(o.model, "_", o.workload, "_b", o.batch);
  w.model = o.model;
  if (o.workload == "train") {
    w.kind = Workload::Kind::train;
  } else if (o.workload == "infer") {
    w.kind = Workload::Kind::infer;
  } else if (o.workload == "interpretable") {
    w.kind = Workload::Kind::interpretable;
  } else {
    throw UsageError("--model: say what to time: train, infer or interpretable");
  }
  std::vector<int64_t> sizes = {o.batch};
  for (const std::string& text : o.input) {
    int64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error != std::errc() || end != text.data() + text.size() || size < 1 || size > 1 << 16) {
      throw UsageError("--input: " + excerpt(text) + " is not a size of 1 to 65536");
    }
    sizes.push_back(size);
  }
  w.images = Shape(std::span<const int64_t>(sizes));
  w.classes = 10;
  return w;
}

// Steps from given weights on a given batch, without dropout, so that another program that starts
// there can compare. The file holds the weights under their names, `x` and `labels`.
Json replay(const Workload& workload, const BenchOptions& o, const std::string& out) {
  Problem problem = problem_of(workload);
  if (problem.net == nullptr) throw UsageError("--start: nothing to compare there");
  if (out.empty())
    throw UsageError("--start needs --out, the file for the weights after the steps");
  std::map<std::string, Tensor> given = load_safetensors(o.start).tensors;
  problem.drops = false;
  for (const auto& [name, place] : {std::pair{"x", &problem.x}, {"labels", &problem.labels}}) {
    const auto found = given.find(name);
    if (found == given.end() || found->second.shape() != place->shape()) {
      throw FormatError(o.start, name, join_text("missing, or not ", place->shape()));
    }
    *place = found->second;
    given.erase(found);
  }
  try {
    load_state(*problem.net, given, [](const std::string& name) {
      return name.ends_with(".num_batches_tracked");
    });
  } catch (const ValueError& error) {
    throw FormatError(o.start, "", error.what());
  }

  if (o.is_f64) {
    convert(*problem.net, DType::f64);
    Tensor wide = Tensor::empty(problem.x.shape(), DType::f64);
    wide.assign(problem.x);
    problem.x = wide;
    problem.optimizer = optimizer_of(*problem.net);
  }
  const int64_t macs = macs_of(problem);
  const bool trains = workload.kind != Workload::Kind::infer;
  std::map<std::string, Tensor> result;
  Json losses = Json::array();
  for (int64_t s = 0; s < (trains ? o.steps : 1); ++s) {
    const Tensor value = do_step(workload.kind, problem);
    trains ? static_cast<void>(losses.push(value.item()))
           : static_cast<void>(result.emplace("logits", value));
  }
  if (trains) {
    for (const auto& [name, tensor] : state(*problem.net)) result.emplace(name, tensor);
  }
  save_safetensors(out, result);
  return Json::object(
      {{"workload", workload.name},
       {"losses", losses},
       {"parameters", parameter_count(*problem.net)},
       {"macs", macs},
       {"out", out}});
}

Json run(const Invocation& in, const BenchOptions& o) {
  if (!o.start.empty()) return replay(workload_named(o.workload), o, in.common.out);
  if (o.workload == "rank_sums") {
    return Json::object({{"rows", time_sums(o, in.console)}});
  }
  if (ranks::count() > 1) throw UsageError("under mpirun, only rank_sums is a workload");
  Json rows = Json::array();
  if (!o.model.empty()) {
    rows.push(time_workload(own_workload(o), o, in.console));
  } else if (o.workload == "all") {
    for (const Workload& w : workloads()) rows.push(time_workload(w, o, in.console));
  } else {
    rows.push(time_workload(workload_named(o.workload), o, in.console));
  }
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
            a.positional(
                "WORKLOAD", options->workload,
                "a name, or all; with --model: train, infer or interpretable; rank_sums: sums over "
                "the ranks of mpirun");
            a.text("model", options->model, "network to time in place of a named workload");
            a.integer("batch", options->batch, "examples per step", 1, 1 << 16);
            a.list("input", options->input, "its input: channels,height,width or features");
            a.integer("reps", options->reps, "timed repetitions", 1, 100000);
            a.text(
                "start", options->start,
                "or: replay from the weights, x and labels of this safetensors file, untimed");
            a.integer("steps", options->steps, "steps of the replay", 1, 1000);
            a.flag("f64", options->is_f64, "replay in double precision");
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .if_rank_dies = kNoResult};
}

}  // namespace limpid::tools
