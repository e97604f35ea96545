// tools/shallow_certify.cpp: limpid shallow certify.
#include "interpret/shallow/attack.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/shallow.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace limpid::tools {
namespace {

struct CertifyOptions {
  ShallowOptions shallow;
  std::string data;
  std::vector<std::string> indices = {"0", "1", "2", "3", "4"};
  int64_t attack = 10'000;
};

// A certificate and what attacks made of it
struct Certified {
  interpret::Certificate certificate;
  interpret::Attack attack;
};

Json to_json(const Certified& certified, int64_t index, const ModelCard& card, bool has_attack) {
  const auto& [c, a] = certified;
  const auto name = [&](int64_t k) {
    const bool has_names = k >= 0 && k < card.classes();
    return has_names ? Json(card.class_names[static_cast<size_t>(k)]) : Json();
  };
  Json attack;
  if (has_attack) {
    attack = Json::object(
        {{"tried", a.tried},
         {"changed", a.changed},
         {"radius", a.radius},
         {"tight", c.point.empty() ? Json() : Json(a.is_tight)},
         {"tight_on_ray", c.point.empty() ? Json() : Json(a.is_tight_on_ray)}});
  }
  return Json::object(
      {{"index", index},
       {"class", c.label},
       {"class_name", name(c.label)},
       {"other", c.other >= 0 ? Json(c.other) : Json()},
       {"other_name", name(c.other)},
       {"distance", c.distance},
       {"exact", c.is_exact},
       {"linear_radius", c.linear_radius},
       {"regions_opened", c.regions_opened},
       {"point", Json::array_of(c.point)},
       {"attack", attack}});
}

void print(
    const std::vector<Certified>& certified, const std::vector<int64_t>& indices, bool has_attack,
    const Console& console) {
  console.result(console.bold(
      padded("example", 10) + padded("class", 8) + padded("nearest", 10) + padded("distance", 14) +
      padded("linear radius", 16) + padded("regions opened", has_attack ? 16 : 0) +
      (has_attack ? "gradient attack" : "")));
  int64_t solved = 0, tried = 0, changed = 0, with_tie = 0, tight = 0;
  for (size_t k = 0; k < certified.size(); ++k) {
    const auto& [c, a] = certified[k];
    console.result(join_text(
        padded(std::to_string(indices[k]), 10), padded(std::to_string(c.label), 8),
        padded(c.other >= 0 ? std::to_string(c.other) : "-", 10),
        padded(join_text(c.is_exact ? "" : "over ", fixed(c.distance, 6)), 14),
        padded(fixed(c.linear_radius, 6), 16),
        padded(std::to_string(c.regions_opened), has_attack ? 16 : 0),
        has_attack ? (std::isfinite(a.radius) ? fixed(a.radius, 6) : "none found") : ""));
    solved += c.is_exact ? 1 : 0;
    with_tie += c.point.empty() ? 0 : 1;
    tried += a.tried;
    changed += a.changed;
    tight += a.is_tight ? 1 : 0;
  }
  console.result(
      "distance: Euclidean, in standardised inputs, to the nearest point of the box where another "
      "class ties; the network is affine within the linear radius");
  console.result(
      join_text("solved to optimality: ", solved, " of ", std::ssize(certified), " examples"));
  if (!has_attack) return;
  console.result(join_text(
      "within the distance ", changed, " of ", tried,
      " attacks change the class; within 1.000001 times the distance it changes for ", tight,
      " of ", with_tie));
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
  std::vector<Certified> certified;
  for (size_t k = 0; k < indices.size(); ++k) {
    const std::span<const double> x = std::span(values).subspan(k * n, n);
    certified.push_back(
        {.certificate = as_usage([&] { return interpret::certify(tree, x); }), .attack = {}});
    if (o.attack == 0) continue;
    certified.back().attack = interpret::attack(
        model.net, domain, x, certified.back().certificate,
        {.random_points = o.attack, .seed = static_cast<uint64_t>(in.common.seed) + k});
    in.console.progress("attack", static_cast<int64_t>(k + 1), std::ssize(indices));
    check_interrupt();
  }
  const bool has_attack = o.attack > 0;
  print(certified, indices, has_attack, in.console);
  Json rows = Json::array();
  for (size_t k = 0; k < indices.size(); ++k) {
    rows.push(to_json(certified[k], indices[k], model.folder.card, has_attack));
  }
  const auto solved =
      std::ranges::count_if(certified, [](const auto& c) { return c.certificate.is_exact; });
  return Json::object(
      {{"model", name_of(model.folder)},
       {"box", tools::to_json(domain)},
       {"regions", tree.size()},
       {"truncated", tree.truncated},
       {"solved", solved},
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
            a.text("data", options->data, "data set, its test part; the run's own unless given");
            a.list("indices", options->indices, "which examples, by position");
            a.integer(
                "attack", options->attack,
                "random points within the distance, beside gradient steps; 0: no attack", 0,
                100'000'000);
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "certify.json",
      .if_rank_dies = kNoResult};
}

}  // namespace limpid::tools
