// framework/core/text.h: what is done to texts in more than one place.
#pragma once

#include <string>
#include <vector>

namespace limpid {

/// The parts between separators, empty ones too: "a::b" at ':' is {"a", "", "b"}, "" is {""}.
std::vector<std::string> split_text(const std::string& text, char separator);

}  // namespace limpid
