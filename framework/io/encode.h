// framework/io/encode.h: bytes as text.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace limpid {

/// Base64 with the standard alphabet and padding (RFC 4648, section 4), in one line: pictures
/// inside an HTML page.
std::string base64_text(std::span<const std::byte> bytes);

}  // namespace limpid
