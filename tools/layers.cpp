// tools/layers.cpp: limpid layers.
#include "tools/layers.h"

#include "framework/tensor/record.h"
#include "interpret/saliency/cam.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/model.h"

#include <map>
#include <memory>

namespace limpid::tools {
namespace {

Json run(const Invocation& in, const ModelOptions& o) {
  const RunFolder folder = open_model(o, in.console);
  Json rows = Json::array();
  int64_t total_macs = 0;
  in.console.result(in.console.bold(
      padded("layer", 22) + padded("type", 18) + padded("output", 20) + padded("parameters", 12) +
      "multiply-adds"));
  for (const LayerRow& row : layer_rows(folder)) {
    const Json shape = Json::array_of(row.output.sizes());
    total_macs += row.macs;
    in.console.result(
        padded(row.name, 22) + padded(row.type, 18) + padded(to_text(shape), 20) +
        padded(std::to_string(row.parameters), 12) + std::to_string(row.macs));
    rows.push(Json::object(
        {{"name", row.name},
         {"type", row.type},
         {"output_shape", shape},
         {"parameters", row.parameters},
         {"macs", row.macs},
         {"spatial", row.is_spatial}}));
  }
  const int64_t parameters = parameter_count(*folder.model);
  in.console.result(
      padded("total", 60) + padded(std::to_string(parameters), 12) + std::to_string(total_macs));
  return Json::object({{"layers", rows}, {"parameters", parameters}, {"macs", total_macs}});
}

}  // namespace

std::vector<LayerRow> layer_rows(const RunFolder& folder) {
  // One forward pass of one black image shows the shapes
  struct Seen {
    Shape output;
    int64_t macs = 0;
  };
  std::map<const Module*, Seen> seen;
  Pass pass;
  pass.observer = [&](const Module& layer, const Tensor& input, const Tensor& output) {
    seen[&layer] = {output.shape(), layer.macs(input.shape(), output.shape())};
  };
  std::vector<int64_t> sizes = {1};
  for (const int64_t size : folder.card.input.sizes()) sizes.push_back(size);
  const Shape one(std::span<const int64_t>{sizes});
  const Recording off(false);
  (*folder.model)(Tensor::zeros(one), pass);

  // In the order of the network's state
  std::vector<LayerRow> rows;
  for (const auto& [name, layer] : layers(*folder.model)) {
    const Seen& row = seen[layer];
    rows.push_back(
        {.name = name,
         .type = layer->type(),
         .output = Shape(row.output.sizes().subspan(1)),
         .parameters = parameter_count(*layer),
         .macs = row.macs,
         .is_spatial = interpret::is_spatial(row.output, one)});
  }
  return rows;
}

Command layers_command() {
  auto options = std::make_shared<ModelOptions>();
  return {
      .name = "layers",
      .summary = "every layer with shapes, parameters and cost",
      .example = "limpid layers runs/digits",
      .declare = [options](Arguments& a) { declare_model(a, *options); },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "layers.json"};
}

}  // namespace limpid::tools
