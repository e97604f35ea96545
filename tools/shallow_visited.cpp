// tools/shallow_visited.cpp: limpid shallow visited.
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
};

// Keys of the first examples of a part
std::vector<interpret::PatternKey> keys_of(
    const RunFolder& folder, const datasets::Dataset& part, int64_t count) {
  std::vector<int64_t> indices;
  for (int64_t k = 0; k < std::min(count, part.size()); ++k) indices.push_back(k);
  const Tensor x = standardised(datasets::take(part, indices).images.tensor(), folder.card);
  return as_usage([&] { return interpret::pattern_keys(*folder.model, x); });
}

Json run(const Invocation& in, const VisitedOptions& o) {
  const RunFolder folder = open_model(o.model, in.console);
  const datasets::Split data = parts_of(o.data, in.common, folder);
  if (data.train.size() == 0) throw UsageError("the data have no training part to be visited by");
  const interpret::Visited visited =
      interpret::visited_regions(keys_of(folder, data.train, o.count));
  const auto points = std::ssize(visited.region_of);
  const double covered = interpret::coverage(visited, keys_of(folder, data.test, o.count));
  const int64_t largest = *std::ranges::max_element(visited.counts);
  in.console.result(join_text(
      name_of(folder), ": ", points, " training examples visit ", visited.size(), " regions, ",
      visited.single_point_regions(), " of them alone, at most ", largest,
      " together; test examples in visited regions: ", percent(covered)));
  return Json::object(
      {{"model", name_of(folder)},
       {"points", points},
       {"regions", visited.size()},
       {"single_point_regions", visited.single_point_regions()},
       {"largest_region", largest},
       {"test_points", std::min(o.count, data.test.size())},
       {"coverage", covered}});
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
            a.text("data", options->data, "training and test examples; the run's unless given");
            a.integer("count", options->count, "how many of each, from the first on", 1, INT64_MAX);
          },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
