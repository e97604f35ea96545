// tools/shallow_certify.cpp: limpid shallow certify.
#include "framework/ops/linear_maps.h"
#include "interpret/shallow/certificate.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/shallow.h"

#include <cmath>
#include <memory>

namespace limpid::tools {
namespace {

struct CertifyOptions {
  ShallowOptions shallow;
  std::string data;
  std::vector<std::string> indices = {"0", "1", "2", "3", "4"};
};

Json to_json(const interpret::Certificate& c, int64_t index, const ModelCard& card) {
  const auto name = [&](int64_t k) {
    const bool has_names = k >= 0 && k < card.classes();
    return has_names ? Json(card.class_names[static_cast<size_t>(k)]) : Json();
  };
  Json point = Json::array();
  for (const double v : c.point) point.push(v);
  return Json::object(
      {{"index", index},
       {"class", c.label},
       {"class_name", name(c.label)},
       {"other", c.other >= 0 ? Json(c.other) : Json()},
       {"other_name", name(c.other)},
       {"distance", std::isfinite(c.distance) ? Json(c.distance) : Json()},
       {"exact", c.is_exact},
       {"linear_radius", std::isfinite(c.linear_radius) ? Json(c.linear_radius) : Json()},
       {"regions_opened", c.regions_opened},
       {"point", point}});
}

Json run(const Invocation& in, const CertifyOptions& o) {
  const ShallowModel model = open_piecewise_linear(o.shallow, in.console);
  if (model.folder.card.task != Task::classify) {
    throw UsageError("certify needs a network that decides between classes");
  }
  const interpret::Domain domain = domain_from(o.shallow.box, model.net.inputs());
  const datasets::Dataset test = test_part(o.data, in.common, model.folder);
  const std::vector<int64_t> indices = indices_from(o.indices, test.size());
  const Tensor inputs =
      standardised(datasets::take(test, indices).images.tensor(), model.folder.card);
  const interpret::RegionTree tree = as_usage(
      [&] { return interpret::enumerate_regions(model.net, domain, region_options(o.shallow)); });
  if (interrupted()) return Json::object();

  // All of them before anything is printed
  const std::vector<double> values = inputs.to_vector();
  const auto n = static_cast<size_t>(model.net.inputs());
  std::vector<interpret::Certificate> certificates;
  for (size_t k = 0; k < indices.size(); ++k) {
    certificates.push_back(
        as_usage([&] { return interpret::certify(tree, std::span(values).subspan(k * n, n)); }));
  }

  in.console.result(in.console.bold(
      padded("example", 10) + padded("class", 8) + padded("nearest", 10) + padded("distance", 14) +
      padded("linear radius", 16) + "regions opened"));
  Json rows = Json::array();
  for (size_t k = 0; k < indices.size(); ++k) {
    const interpret::Certificate& c = certificates[k];
    in.console.result(join_text(
        padded(std::to_string(indices[k]), 10), padded(std::to_string(c.label), 8),
        padded(c.other >= 0 ? std::to_string(c.other) : "-", 10),
        padded(join_text(c.is_exact ? "" : "over ", fixed(c.distance, 6)), 14),
        padded(fixed(c.linear_radius, 6), 16), c.regions_opened));
    rows.push(to_json(c, indices[k], model.folder.card));
  }
  in.console.result(
      "distance: Euclidean, in standardised inputs, to the nearest point of the box where another "
      "class ties; the network is affine within the linear radius");
  return Json::object(
      {{"model", name_of(model.folder)},
       {"box", tools::to_json(domain)},
       {"regions", tree.size()},
       {"truncated", tree.truncated},
       {"certificates", rows}});
}

}  // namespace

Command shallow_certify_command() {
  auto options = std::make_shared<CertifyOptions>();
  return {
      .name = "shallow certify",
      .summary = "the exact distance of examples to the decision boundary",
      .example = "limpid shallow certify runs/moons --indices 0,1,2",
      .declare =
          [options](Arguments& a) {
            declare_shallow(a, options->shallow);
            a.text("data", options->data, "test examples of these data; the run's unless given");
            a.list("indices", options->indices, "which of them");
          },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
