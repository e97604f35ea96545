// tests/fuzz/fuzz.h: what all fuzz targets share.
//
// A target is one file with one entry point, which gives any bytes to a parser. It may throw
// limpid::Error; anything else (another exception, a crash, a sanitizer's report, endless memory)
// is a finding. With clang and LIMPID_FUZZ each file becomes fuzz_NAME, driven by libFuzzer
// (make fuzz); in the ordinary tests the same files are driven by tests/fuzz_replay.
#pragma once

#include "framework/core/error.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace limpid::fuzz {

inline constexpr size_t kMaxInput = 64 << 10;     // bytes; longer inputs are passed over
inline constexpr int64_t kMaxInflated = 1 << 22;  // bytes, where a parser takes a limit

/// The input as bytes, empty if it is too long.
inline std::span<const std::byte> bytes_of(const uint8_t* data, size_t size) {
  return std::as_bytes(std::span(data, size > kMaxInput ? 0 : size));
}

/// Calls f, which may throw the library's errors and nothing else.
template <class F>
void attempt(const F& f) {
  try {
    f();
  } catch (const Error&) {
  }
}

/// Calls f, which must not throw: what a parser accepted has to be usable.
template <class F>
void must(const F& f) noexcept {
  f();
}

/// What must hold whatever the input is.
inline void expect(bool condition) {
  if (!condition) std::abort();
}

}  // namespace limpid::fuzz
