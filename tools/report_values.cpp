// tools/report_values.cpp: null becomes NaN or nothing; files are looked for twice.
#include "tools/report_values.h"

#include "framework/core/error.h"
#include "tools/reporting.h"

#include <filesystem>
#include <limits>

namespace limpid::tools {

double number_in(const Json& json, const std::string& key) {
  const Json& value = json.at(key);
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.number(key);
}

bool has_value(const Json& json, const std::string& key) {
  const Json* value = json.find(key);
  return value != nullptr && !value->is_null();
}

std::vector<double> numbers_in(const Json& json, const std::string& key) {
  std::vector<double> values;
  for (const Json& item : json.at(key).items()) {
    values.push_back(item.is_null() ? std::numeric_limits<double>::quiet_NaN() : item.number());
  }
  return values;
}

interpret::Interval interval_in(const Json& json, const std::string& key) {
  const std::vector<double> ends = numbers_in(json, key);
  check_value(ends.size() == 2, "interval", "\"", key, "\" has ", ends.size(), " ends");
  return {ends[0], ends[1]};
}

std::string text_in(const Json& json, const std::string& key) {
  return has_value(json, key) ? json.text(key) : "";
}

std::string definitions_of(const Json& definitions) {
  std::string text;
  for (const Json::Member& member : definitions.members()) {
    text += (text.empty() ? "" : " ") + member.key + ": " + member.value.text() + ".";
  }
  return text;
}

std::string found_at(const std::string& path, const std::string& folder) {
  if (std::filesystem::exists(path)) return path;
  return (std::filesystem::path(folder) / std::filesystem::path(path).filename()).string();
}

Image picture_at(const std::string& path, const std::string& folder) {
  return for_grid(load_image(found_at(path, folder), 3));
}

}  // namespace limpid::tools
