// tools/transport.cpp: examples for the commands `transport ...`.
#include "tools/transport.h"

#include "framework/core/rng.h"
#include "framework/tensor/integers.h"
#include "tools/commands.h"
#include "tools/console.h"

#include <algorithm>

namespace limpid::tools {

Examined examined(
    const datasets::Dataset& set, const RunFolder& folder, int64_t count, uint64_t seed) {
  std::vector<int64_t> rows = Rng(seed).permutation(set.size());
  rows.resize(static_cast<size_t>(std::min(set.size(), count)));
  Examined seen{.data = set.name, .part = datasets::take(set, rows)};
  seen.inputs = standardised(seen.part.images.tensor(), folder.card);
  if (!set.is_regression()) seen.labels = to_integers(seen.part.labels);
  return seen;
}

Examined examined(
    const std::string& data, const Common& common, const RunFolder& folder, int64_t count,
    Console& console) {
  const datasets::Split split = parts_of(data, common, folder, 0);
  const bool has_test = !split.test.is_empty();
  if (!has_test) console.note("note: the data have no test part; the training part is examined");
  return examined(
      has_test ? split.test : split.train, folder, count, static_cast<uint64_t>(common.seed));
}

std::vector<Command> transport_commands() {
  return {
      transport_report_command(), transport_fix_command(), transport_shift_command(),
      transport_dae_command(), transport_ridgelet_command()};
}

}  // namespace limpid::tools
