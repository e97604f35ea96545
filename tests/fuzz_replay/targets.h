// tests/fuzz_replay/targets.h: the fuzz targets of tests/fuzz by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace limpid {

struct FuzzTarget {
  const char* name;
  int (*run)(const uint8_t* data, size_t size);  // LLVMFuzzerTestOneInput of that file
};

/// All of them; the list is made by CMake from the files that are there.
std::vector<FuzzTarget> fuzz_targets();

}  // namespace limpid
