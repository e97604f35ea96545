// tests/fuzz/onnx.cpp: libFuzzer target for the ONNX reader.
#include "framework/import/onnx.h"

#include "framework/core/error.h"

#include <cstddef>
#include <cstdint>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    limpid::load_onnx(std::as_bytes(std::span(data, size)), "input");
  } catch (const limpid::Error&) {
    // A refused file is what most inputs should be
  }
  return 0;
}
