// tests/fuzz/json.cpp: values, written and parsed again.
#include "framework/io/json.h"

#include "framework/io/files.h"
#include "tests/fuzz/fuzz.h"

using namespace limpid;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = fuzz::bytes_of(data, size);
  fuzz::attempt([&] {
    const Json value = parse_json(as_text(bytes), "text");
    fuzz::must([&] {
      fuzz::expect(parse_json(to_text(value), "text") == value);
      fuzz::expect(parse_json(to_text(value, 2), "text") == value);
    });
  });
  fuzz::expect(is_utf8(excerpt(as_text(bytes))));
  return 0;
}
