// tests/support/fixture.h: answers of other libraries, stored as JSON in tests/data.
#pragma once

#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/tensor/tensor.h"

#include <string>
#include <vector>

namespace limpid {

/// The file tests/data/NAME, made by a script beside the test that reads it.
inline Json fixture(const std::string& name) {
  const std::string path = std::string(LIMPID_TEST_DATA) + "/" + name;
  const std::vector<std::byte> bytes = read_file(path, 1 << 20);
  return parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

inline std::vector<double> numbers(const Json& list) {
  std::vector<double> values;
  for (const Json& item : list.items()) values.push_back(item.number());
  return values;
}

/// [n, m] f64 of a list of rows.
inline Tensor matrix(const Json& rows) {
  std::vector<double> values;
  for (const Json& row : rows.items()) {
    for (const Json& item : row.items()) values.push_back(item.number());
  }
  const int64_t n = std::ssize(rows.items());
  return Tensor::of({n, std::ssize(values) / n}, values, DType::f64);
}

}  // namespace limpid
