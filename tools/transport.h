// tools/transport.h: what the commands `transport ...` share.
#pragma once

#include "framework/io/json.h"
#include "framework/tensor/tensor.h"
#include "tools/arguments.h"
#include "tools/run_folder.h"

#include <cstdint>
#include <string>
#include <vector>

namespace limpid::tools {

class Console;

/// Examples of a test part as the model receives them.
struct Examined {
  std::string data;                  // the name of the set
  datasets::Dataset part;            // raw
  Tensor inputs = {};                // [n, ...] standardised
  std::vector<int64_t> labels = {};  // empty where there are no classes
};

/// At most `count` examples of --data (the model's own data if that is empty) in a random order
/// that depends on --seed alone; the training part if there is no test part. Throws as test_part().
Examined examined(
    const std::string& data, const Common& common, const RunFolder& folder, int64_t count,
    Console& console);
/// The same of a set at hand.
Examined examined(
    const datasets::Dataset& set, const RunFolder& folder, int64_t count, uint64_t seed);

}  // namespace limpid::tools
