// tools/shallow_plot.cpp: limpid shallow plot.
#include "framework/io/files.h"
#include "interpret/report/region_plot.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/shallow.h"

#include <memory>

namespace limpid::tools {
namespace {

std::vector<std::string> names_of(const ShallowModel& model) {
  const ModelCard& card = model.folder.card;
  if (model.net.outputs() > 1 && card.classes() == model.net.outputs()) return card.class_names;
  if (model.net.outputs() == 1) return {"at most 0", "above 0"};
  std::vector<std::string> names;
  for (int64_t k = 0; k < model.net.outputs(); ++k) names.push_back(join_text("output ", k));
  return names;
}

Json run(const Invocation& in, const ShallowOptions& o) {
  in.arguments.require("out");
  const ShallowModel model = open_piecewise_linear(o, in.console);
  if (model.net.inputs() != 2) {
    throw UsageError(join_text("plot needs two inputs, the network has ", model.net.inputs()));
  }
  const interpret::Domain box = domain_from(o.box, 2);
  if (box.is_all) throw UsageError("--box: a plot needs LO,HI");
  const interpret::Polygons polygons = interpret::clip_regions(model.net, box, region_options(o));
  if (interrupted()) return Json::object();
  const std::string svg = interpret::region_plot(
      polygons, box,
      {.title = "Regions of " + name_of(model.folder), .class_names = names_of(model)});
  write_file_atomic(in.common.out, as_bytes(svg + "\n"));
  double area = 0;
  for (int64_t j = 0; j < polygons.size(); ++j) area += polygons.area(j);
  const int64_t pieces = std::ssize(interpret::decision_boundary(polygons)) / 4;
  in.console.result(join_text(
      polygons.size(), polygons.truncated ? " regions so far, " : " regions, ", pieces,
      " pieces of decision boundary: ", in.common.out));
  return Json::object(
      {{"model", name_of(model.folder)},
       {"box", to_json(box)},
       {"regions", polygons.size()},
       {"truncated", polygons.truncated},
       {"area", area},
       {"boundary_pieces", pieces},
       {"out", in.common.out}});
}

}  // namespace

Command shallow_plot_command() {
  auto options = std::make_shared<ShallowOptions>();
  return {
      .name = "shallow plot",
      .summary = "regions and decision boundary of a network with two inputs",
      .example = "limpid shallow plot runs/moons --box -3,3 --out regions.svg",
      .declare = [options](Arguments& a) { declare_shallow(a, *options); },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
