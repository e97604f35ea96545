// tools/shallow.cpp: what the commands `shallow ...` share.
#include "tools/shallow.h"

#include "framework/core/error.h"
#include "framework/nn/module.h"
#include "tools/console.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace limpid::tools {

void declare_shallow(Arguments& a, ShallowOptions& o) {
  declare_model(a, o.model);
  a.text(
      "box", o.box,
      "LO,HI of every input as the network sees it (standardised), or all for every real number");
  a.integer("max-regions", o.max_regions, "stop after so many regions", 1, int64_t{1} << 24);
  a.number("time-limit", o.time_limit, "stop after so many seconds; 0: never", 0, 1e9);
}

ShallowModel open_piecewise_linear(const ShallowOptions& o, Console& console) {
  RunFolder folder = open_model(o.model, console);
  check_finite(folder, o.model.model);
  convert(*folder.model, DType::f64);
  interpret::PiecewiseLinear net =
      as_usage([&] { return interpret::piecewise_linear(*folder.model, folder.card.input); });
  return {.folder = std::move(folder), .net = std::move(net)};
}

std::string input_name(const Shape& input, size_t i) {
  if (input.rank() != 3) return join_text("input ", i);
  const auto at = static_cast<int64_t>(i);
  const int64_t width = input[2], pixels = input[1] * width;
  const std::string place = join_text("row ", at % pixels / width, ", column ", at % width);
  return input[0] == 1 ? place : join_text("channel ", at / pixels, ", ", place);
}

interpret::RegionOptions region_options(const ShallowOptions& o) {
  interpret::RegionOptions options;
  options.max_regions = o.max_regions;
  options.time_limit = o.time_limit;
  options.should_stop = [] { return interrupted(); };
  return options;
}

interpret::Domain domain_from(const std::string& text, int64_t inputs) {
  if (text == "all") return interpret::Domain::all();
  const auto fail = [&](const char* why) {
    throw UsageError("--box: " + excerpt(text) + why + "; LO,HI or all");
  };
  double ends[2] = {0, 0};
  const char* at = text.data();
  const char* stop = text.data() + text.size();
  for (int i = 0; i < 2; ++i) {
    const auto [next, error] = std::from_chars(at, stop, ends[i]);
    if (error != std::errc() || !std::isfinite(ends[i])) fail(" is not two numbers");
    const bool is_end = i == 0 ? next != stop && *next == ',' : next == stop;
    if (!is_end) fail(" is not two numbers");
    at = next + 1;
  }
  if (!(ends[0] < ends[1])) fail(" is empty");
  return interpret::Domain::box(inputs, ends[0], ends[1]);
}

std::vector<int64_t> indices_from(const std::vector<std::string>& texts, int64_t count) {
  std::vector<int64_t> indices;
  for (const std::string& text : texts) {
    int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0 || value >= count) {
      throw UsageError(
          "--indices: " + excerpt(text) + join_text(" is not a test example in 0 to ", count - 1));
    }
    indices.push_back(value);
  }
  return indices;
}

Json to_json(const interpret::Domain& domain) {
  if (domain.is_all) return "all";
  return Json::array({domain.low[0], domain.high[0]});
}

std::vector<double> deep_values(const ShallowModel& model, const std::vector<double>& points) {
  const int64_t count = std::ssize(points) / model.net.inputs();
  std::vector<int64_t> sizes = {count};
  for (const int64_t size : model.folder.card.input.sizes()) sizes.push_back(size);
  const Tensor x = Tensor::of(Shape(std::span<const int64_t>(sizes)), points, DType::f64);
  return logits_of(model.folder, x).to_vector();
}

}  // namespace limpid::tools
