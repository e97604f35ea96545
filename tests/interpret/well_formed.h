// tests/interpret/well_formed.h: a strict reader of tags, for the markup of reports and plots.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

/// What is wrong with the markup, or an empty text: tags must close in order, attributes be quoted,
/// and < > & stand only where markup means them. Style sheets are skipped.
inline std::string markup_fault(std::string_view text) {
  constexpr std::array<std::string_view, 2> kVoid = {"meta", "img"};
  constexpr std::array<std::string_view, 5> kReferences = {
      "&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
  std::vector<std::string> open;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '>') return "stray > at byte " + std::to_string(at);
    const auto begins = [&](std::string_view part) { return text.substr(at).starts_with(part); };
    if (text[at] == '&' && std::ranges::none_of(kReferences, begins)) {
      return "stray & at byte " + std::to_string(at);
    }
    if (text[at] != '<' || begins("<!DOCTYPE html>")) {
      if (text[at] == '<') at = text.find('>', at);
      continue;
    }

    // Find the end of the tag outside of quotes; inside them only references are allowed
    size_t end = at + 1;
    bool quoted = false;
    for (; end < text.size() && (quoted || text[end] != '>'); ++end) {
      if (text[end] == '"') quoted = !quoted;
      if (text[end] == '<') return "< inside a tag at byte " + std::to_string(end);
      if (text[end] == '=' && !quoted && text[end + 1] != '"') return "unquoted attribute";
    }
    if (end >= text.size()) return "tag without end at byte " + std::to_string(at);
    const std::string tag(text.substr(at + 1, end - at - 1));
    at = end;
    if (tag.starts_with("/")) {
      if (open.empty() || open.back() != tag.substr(1)) return "closing " + tag.substr(1);
      open.pop_back();
      continue;
    }
    const std::string name = tag.substr(0, tag.find(' '));
    if (tag.ends_with("/") || std::ranges::count(kVoid, name) > 0) continue;
    open.push_back(name);
    if (name == "style") at = text.find("</style>", at) - 1;
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

/// How often a part occurs.
inline int count_of(std::string_view text, std::string_view part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// A text with everything that could break out of its place, and its escaped form.
inline const std::string kNasty = "</text></p><script>a&b</script>\" onload='x'";
inline const std::string kNastyEscaped =
    "&lt;/text&gt;&lt;/p&gt;&lt;script&gt;a&amp;b&lt;/script&gt;&quot; onload=&#39;x&#39;";

}  // namespace limpid
