// tools/report_values.h: values of the JSON that commands wrote, some of which may be missing.
#pragma once

#include "framework/io/image.h"
#include "framework/io/json.h"
#include "interpret/numerics/statistics.h"
#include "interpret/report/report.h"

#include <cstdint>
#include <string>
#include <vector>

namespace limpid::tools {

using Rows = std::vector<std::vector<std::string>>;

/// NaN for a figure that the command could not tell.
double number_in(const Json& json, const std::string& key);
bool has_value(const Json& json, const std::string& key);
std::vector<double> numbers_in(const Json& json, const std::string& key);
interpret::Interval interval_in(const Json& json, const std::string& key);
/// "" for a text that is null or absent.
std::string text_in(const Json& json, const std::string& key);
/// "key: text." for each definition.
std::string definitions_of(const Json& definitions);

/// The path, or, if there is no such file, the shortest end of it that is a file below the folder.
std::string found_at(const std::string& path, const std::string& folder);
/// The picture there, fit for a grid. Throws FormatError if it cannot be read.
Image picture_at(const std::string& path, const std::string& folder);
/// The SVG there, fit for Report::figure. Throws FormatError if it cannot be read.
std::string svg_at(const std::string& path, const std::string& folder);
/// Of a picture inside the page.
int64_t bytes_in_page(const Image& image);

/// Large pictures as long as there is room for them, the first in any case; end() says how many are
/// left out.
class Gallery {
 public:
  /// Pictures are looked for under their names and then below `folder`.
  Gallery(interpret::Report& report, std::string folder, int64_t most_bytes)
      : report_(report), folder_(std::move(folder)), left_(most_bytes) {}

  void add(const Image& picture, const std::string& alt, const std::string& caption);
  void add_svg(const std::string& path, const std::string& caption);
  void add_png(const std::string& path, const std::string& alt, const std::string& caption);
  void end() const;

 private:
  bool has_room(int64_t bytes);

  interpret::Report& report_;
  std::string folder_;
  int64_t left_;
  int64_t left_out_ = 0;
  bool is_begun_ = false;
};

/// "0.250"; "-" for what is not finite.
std::string text_of(double value, int digits);
/// "1,655" or "0.1235", see interpret/report/markup.h; "-" likewise.
std::string brief(double value, int digits = 4);
/// "25.0 %" of 0.25; "-" likewise.
std::string share_of(double value);
/// The pictures that rows name by "png", one below the other under a title; rows without one are
/// left out, and so are those that do not fit, which the caption then says.
void add_pictures(
    interpret::Report& report, const Json& rows, const std::string& title,
    const std::string& folder, int64_t most_bytes, const std::string& caption,
    std::string (*label)(const Json& row));

}  // namespace limpid::tools
