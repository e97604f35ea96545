// tests/support/failure.h: what a call that must fail says.
#pragma once

#include "framework/core/error.h"

#include <string>

namespace limpid {

/// The text of the error of type E that f throws; empty if it throws nothing.
template <class E = FormatError, class F>
std::string failure(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace limpid
