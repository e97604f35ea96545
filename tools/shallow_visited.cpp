// tools/shallow_visited.cpp: limpid shallow visited.
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "interpret/shallow/visited.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/model.h"

#include <algorithm>
#include <memory>

namespace limpid::tools {
namespace {

struct VisitedOptions {
  ModelOptions model;
  std::string data;
  int64_t count = 1000;
  std::string build = "train";
};

// The first examples of a part, in double precision
Tensor first_of(const RunFolder& folder, const datasets::Dataset& part, int64_t count) {
  const Tensor x = standardised(datasets::first(part, count).images.tensor(), folder.card);
  return to(x, DType::f64);
}

Json run(const Invocation& in, const VisitedOptions& o) {
  const RunFolder folder = open_model(o.model, in.console);
  convert(*folder.model, DType::f64);
  const datasets::Split data = parts_of(o.data, in.common, folder);
  if (data.train.size() == 0) throw UsageError("the data have no training part to be visited by");
  const Tensor test = first_of(folder, data.test, o.count);
  Tensor examples = first_of(folder, data.train, o.count);
  const bool is_all = o.build == "all";
  if (is_all) examples = concat({examples, test}, 0);
  const interpret::Visited visited = interpret::visited_regions(
      as_usage([&] { return interpret::pattern_keys(*folder.model, examples); }));
  check_interrupt();
  const interpret::VisitedCheck check =
      interpret::check_visited(*folder.model, visited, examples, is_all ? examples : test);
  const double covered = static_cast<double>(check.covered) / static_cast<double>(check.points);
  const auto points = std::ssize(visited.region_of);
  const int64_t largest = *std::ranges::max_element(visited.counts);
  in.console.result(join_text(
      name_of(folder), ": ", points, is_all ? " examples" : " training examples", " visit ",
      visited.size(), " regions, ", visited.single_point_regions(), " of them alone, at most ",
      largest, " together"));
  in.console.result(join_text(
      is_all ? "the same examples" : "test examples", " in visited regions: ", check.covered,
      " of ", check.points, " (", percent(covered), "); of the regions of the other ",
      check.points - check.covered, " nothing is known"));
  if (check.covered > 0) {
    in.console.result(join_text(
        "there the regions' models differ from the network by at most ", check.max_abs_error));
  }
  return Json::object(
      {{"model", name_of(folder)},
       {"build", o.build},
       {"points", points},
       {"regions", visited.size()},
       {"single_point_regions", visited.single_point_regions()},
       {"largest_region", largest},
       {"test_points", check.points},
       {"covered", check.covered},
       {"coverage", covered},
       {"max_abs_error", check.covered > 0 ? Json(check.max_abs_error) : Json()}});
}

}  // namespace

Command shallow_visited_command() {
  auto options = std::make_shared<VisitedOptions>();
  return {
      .name = "shallow visited",
      .summary = "regions that training data visit, for networks of any size",
      .example = "limpid shallow visited runs/moons --count 500",
      .declare =
          [options](Arguments& a) {
            declare_model(a, options->model);
            a.text("data", options->data, "data set; the run's own unless given");
            a.integer(
                "count", options->count, "so many examples of each part, from the first on", 1,
                INT64_MAX);
            a.text(
                "build", options->build,
                "examples that visit: training ones, the test ones tried on them, or all, tried on "
                "themselves",
                {"train", "all"});
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "visited.json"};
}

}  // namespace limpid::tools
