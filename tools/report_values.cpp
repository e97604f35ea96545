// tools/report_values.cpp: null becomes NaN or nothing; files are looked for twice.
#include "tools/report_values.h"

#include "framework/core/error.h"
#include "framework/io/files.h"
#include "interpret/report/markup.h"
#include "tools/reporting.h"

#include <cmath>
#include <filesystem>
#include <limits>

namespace limpid::tools {

namespace fs = std::filesystem;

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
  if (fs::exists(path)) return path;
  fs::path end = fs::path(path).filename(), rest = fs::path(path).parent_path();
  while (!fs::exists(folder / end) && rest.has_filename()) {
    end = rest.filename() / end;
    rest = rest.parent_path();
  }
  if (!fs::exists(folder / end)) end = fs::path(path).filename();
  return (folder / end).string();
}

std::string svg_at(const std::string& path, const std::string& folder) {
  constexpr int64_t kLargest = 5'000'000;  // bytes, as a whole page
  const std::vector<std::byte> bytes = read_file(found_at(path, folder), kLargest);
  std::string svg(as_text(bytes));
  svg.erase(svg.find_last_not_of(" \n\r\t") + 1);
  return svg;
}

Image picture_at(const std::string& path, const std::string& folder) {
  return for_grid(load_image(found_at(path, folder), 3));
}

int64_t bytes_in_page(const Image& image) { return std::ssize(png_bytes(image)) * 4 / 3; }

bool Gallery::has_room(int64_t bytes) {
  if (bytes > left_ && is_begun_) {
    ++left_out_;
    return false;
  }
  is_begun_ = true;
  left_ -= bytes;
  return true;
}

void Gallery::add(const Image& picture, const std::string& alt, const std::string& caption) {
  if (has_room(bytes_in_page(picture))) report_.picture(picture, alt, caption);
}

void Gallery::add_svg(const std::string& path, const std::string& caption) {
  const std::string svg = svg_at(path, folder_);
  if (has_room(std::ssize(svg))) report_.figure(svg, caption);
}

void Gallery::add_png(const std::string& path, const std::string& alt, const std::string& caption) {
  add(load_image(found_at(path, folder_), 3), alt, caption);
}

void Gallery::end() const {
  if (left_out_ == 0) return;
  report_.paragraph(join_text(left_out_, " more pictures are left out to keep the page small."));
}

std::string text_of(double value, int digits) {
  return std::isfinite(value) ? interpret::fixed_text(value, digits) : "-";
}

std::string brief(double value, int digits) {
  return std::isfinite(value) ? interpret::number_text(value, digits) : "-";
}

std::string share_of(double value) {
  return std::isfinite(value) ? interpret::fixed_text(100 * value, 1) + " %" : "-";
}

void add_pictures(
    interpret::Report& report, const Json& rows, const std::string& title,
    const std::string& folder, int64_t most_bytes, const std::string& caption,
    std::string (*label)(const Json& row)) {
  std::vector<interpret::ImageRow> shown;
  int64_t bytes = 0, left_out = 0;
  for (const Json& row : rows.items()) {
    if (!has_value(row, "png")) continue;
    const Image picture = load_image(found_at(row.text("png"), folder), 3);
    bytes += bytes_in_page(picture);
    if (bytes > most_bytes && !shown.empty()) {
      ++left_out;
      continue;
    }
    shown.push_back({.label = label(row), .images = {picture}});
  }
  if (shown.empty()) return;
  report.image_grid(
      {title}, shown,
      caption + (left_out > 0
                     ? join_text(" ", left_out, " more are left out to keep the page small.")
                     : ""));
}

}  // namespace limpid::tools
