// tools/shallow.h: what the commands `shallow ...` share: model, domain, limits.
#pragma once

#include "interpret/shallow/regions.h"
#include "tools/model.h"

#include <string>
#include <vector>

namespace limpid::tools {

struct ShallowOptions {
  ModelOptions model;
  std::string box = "-5,5";
  int64_t max_regions = 100'000;
  double time_limit = 60;  // seconds; 0: none
};

/// MODEL, --box, --max-regions and --time-limit.
void declare_shallow(Arguments& a, ShallowOptions& o);

/// A model in double precision and its form by stages.
struct ShallowModel {
  RunFolder folder;
  interpret::PiecewiseLinear net;
};
/// Throws FormatError for weights that are not finite, UsageError for a network that is not
/// piecewise linear or too large.
ShallowModel open_piecewise_linear(const ShallowOptions& o, Console& console);

/// "input 43" of a table; of a picture "row 5, column 3", and before it the channel if it has
/// several.
std::string input_name(const Shape& input, size_t i);

/// Limits, Ctrl-C included.
interpret::RegionOptions region_options(const ShallowOptions& o);

/// "all" or "LO,HI", the same for every input. Throws UsageError.
interpret::Domain domain_from(const std::string& text, int64_t inputs);
/// The domain as it stands in results: "all" or [LO, HI].
Json to_json(const interpret::Domain& domain);

/// The numbers of --indices. Throws UsageError unless each is one of `count` test examples.
std::vector<int64_t> indices_from(const std::vector<std::string>& texts, int64_t count);

/// f(x) of standardised points [P, n] in double precision, as [P, q].
std::vector<double> deep_values(const ShallowModel& model, const std::vector<double>& points);

}  // namespace limpid::tools
