// framework/core/text.h: what is done to texts in more than one place.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

/// The parts between separators, empty ones too: "a::b" at ':' is {"a", "", "b"}, "" is {""}.
std::vector<std::string> split_text(const std::string& text, char separator);

/// The items with the separator between them; text_of makes a text of an item that is none.
template <class Items, class TextOf = std::identity>
std::string joined(const Items& items, std::string_view separator, TextOf text_of = {}) {
  std::string text;
  for (const auto& item : items) {
    if (!text.empty()) text += separator;
    text += std::invoke(text_of, item);
  }
  return text;
}

}  // namespace limpid
