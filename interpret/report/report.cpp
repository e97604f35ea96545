// interpret/report/report.cpp: the elements of a page as HTML.
#include "interpret/report/report.h"

#include "framework/core/error.h"
#include "framework/io/encode.h"
#include "framework/io/files.h"
#include "interpret/report/markup.h"
#include "interpret/report/style.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace limpid::interpret {

namespace {

constexpr int64_t kPictureSide = 288;  // small pictures are enlarged to at most this, pixels
constexpr int64_t kCellSide = 112;     // the same inside a grid
constexpr int64_t kLargestCell = 192;  // larger pictures of a grid are shown reduced, pixels

/// <p> for every paragraph; blank lines separate them.
std::string paragraphs(const std::string& text) {
  std::string out;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find("\n\n", start), text.size());
    if (end > start) out += "<p>" + escape_markup(text.substr(start, end - start)) + "</p>\n";
    start = end + 2;
  }
  return out;
}

/// <img> with the picture inside; shown with sides of at most `side`, enlarged by whole factors and
/// reduced only beyond `largest` pixels.
std::string image_element(
    const Image& image, const std::string& alt, int64_t side, int64_t largest) {
  const std::string data = base64_text(png_bytes(image));
  const int64_t longest = std::max(image.width, image.height);
  const int64_t factor = std::max<int64_t>(1, side / longest);
  const int64_t shown = std::min(longest * factor, largest);
  return join_text(
      "<img", factor > 1 ? " class=\"pixels\"" : "", " width=\"",
      std::max<int64_t>(1, image.width * shown / longest), "\" height=\"",
      std::max<int64_t>(1, image.height * shown / longest), "\" alt=\"", escape_markup(alt),
      "\" src=\"data:image/png;base64,", data, "\">");
}

/// True for texts such as "0.93", "-1.5e-3", "98.2 %", "0.91 +- 0.02", "[0.1, 0.2]" (with the
/// signs U+2212 and U+00B1 too). Gaps ("", "-", "NaN", "inf") do not count against a column.
enum class CellKind { gap, number, text };

CellKind kind_of(std::string_view cell) {
  for (const std::string_view gap : {"", "-", "--", "n/a", "NaN", "nan", "inf", "-inf"}) {
    if (cell == gap) return CellKind::gap;
  }
  bool has_digit = false;
  for (size_t i = 0; i < cell.size(); ++i) {
    const bool is_digit = cell[i] >= '0' && cell[i] <= '9';
    has_digit = has_digit || is_digit;
    const bool is_exponent =
        (cell[i] == 'e' || cell[i] == 'E') && i > 0 && cell[i - 1] >= '0' && cell[i - 1] <= '9';
    const bool is_sign =
        std::string_view("+-.,%()[]/ \xE2\x88\x92\xC2\xB1").find(cell[i]) != std::string_view::npos;
    if (!is_digit && !is_exponent && !is_sign) return CellKind::text;
  }
  return has_digit ? CellKind::number : CellKind::text;
}

/// True if column c holds at least one number and no text.
bool is_numeric(const std::vector<std::vector<std::string>>& rows, size_t c) {
  bool has_number = false;
  for (const auto& row : rows) {
    const CellKind kind = kind_of(row[c]);
    if (kind == CellKind::text) return false;
    has_number = has_number || kind == CellKind::number;
  }
  return has_number;
}

/// Content that scrolls by itself where it is wider than the page.
std::string scrolling(const std::string& content) {
  return "<div class=\"scroll\">" + content + "</div>";
}

}  // namespace

Report::Report(std::string title, std::string subtitle)
    : title_(std::move(title)), subtitle_(std::move(subtitle)) {
  check_value(!title_.empty(), "report", "the title is empty");
}

Report& Report::section(const std::string& heading, const std::string& text) {
  check_value(!heading.empty(), "report", "the heading of a section is empty");
  if (!headings_.empty()) body_ += "</section>\n";
  std::string title = heading;  // a heading of its own in the list of contents
  for (int n = 2; std::ranges::find(headings_, title) != headings_.end(); ++n) {
    title = join_text(heading, " (", n, ")");
  }
  headings_.push_back(title);
  const std::string id = join_text("section-", headings_.size());
  body_ += "<section id=\"" + id + "\" aria-labelledby=\"" + id + "-heading\">\n<h2 id=\"" + id +
           "-heading\">" + escape_markup(title) + "</h2>\n";
  return paragraph(text);
}

Report& Report::add(const std::string& markup) {
  (headings_.empty() ? intro_ : body_) += markup;
  return *this;
}

Report& Report::add_figure(
    const std::string& content, const std::string& caption, const char* classes) {
  std::string markup = join_text("<figure class=\"", classes, "\">\n", content, "\n");
  if (!caption.empty()) markup += "<figcaption>" + escape_markup(caption) + "</figcaption>\n";
  return add(markup + "</figure>\n");
}

Report& Report::paragraph(const std::string& text) { return add(paragraphs(text)); }

Report& Report::tiles(const std::vector<Tile>& tiles) {
  if (tiles.empty()) return *this;
  std::string markup = "<dl>\n";
  for (const Tile& tile : tiles) {
    markup += "<div class=\"tile\"><dt>" + escape_markup(tile.label) + "</dt><dd class=\"value\">" +
              escape_markup(tile.value) + "</dd>";
    if (!tile.note.empty()) markup += "<dd class=\"note\">" + escape_markup(tile.note) + "</dd>";
    markup += "</div>\n";
  }
  return add(markup + "</dl>\n");
}

Report& Report::figure(const std::string& svg, const std::string& caption) {
  check_value(
      svg.starts_with("<svg") && svg.ends_with("</svg>") && svg.find("</svg>") == svg.size() - 6 &&
          svg.find("<script") == std::string::npos,
      "report", "a figure must be one <svg> element without a script, got ", svg.size(),
      " bytes of something else");
  return add_figure(scrolling(svg), caption, "plot");
}

Report& Report::picture(const Image& image, const std::string& alt, const std::string& caption) {
  check_value(!alt.empty(), "report", "a picture needs a text that says what is to be seen");
  return add_figure(image_element(image, alt, kPictureSide, kMaxImageSide), caption, "picture");
}

Report& Report::image_grid(
    const std::vector<std::string>& column_labels, const std::vector<ImageRow>& rows,
    const std::string& caption) {
  std::string markup = "<table class=\"grid\">\n<thead><tr><td></td>";
  for (const std::string& label : column_labels) {
    markup += "<th scope=\"col\">" + escape_markup(label) + "</th>";
  }
  markup += "</tr></thead>\n<tbody>\n";
  for (const ImageRow& row : rows) {
    check_shape(
        row.images.size() == column_labels.size() &&
            (row.notes.empty() || row.notes.size() == row.images.size()),
        "report", "row \"", row.label, "\" has ", row.images.size(), " pictures and ",
        row.notes.size(), " notes for ", column_labels.size(), " columns");
    markup += "<tr><th scope=\"row\">" + escape_markup(row.label) + "</th>";
    for (size_t c = 0; c < row.images.size(); ++c) {
      const std::string note = row.notes.empty() ? "" : row.notes[c];
      markup += "<td>";
      if (!row.images[c].pixels.empty()) {
        const std::string alt =
            row.label + ", " + column_labels[c] + (note.empty() ? "" : ": " + note);
        markup += image_element(row.images[c], alt, kCellSide, kLargestCell);
      }
      if (!note.empty()) markup += "<div class=\"note\">" + escape_markup(note) + "</div>";
      markup += "</td>";
    }
    markup += "</tr>\n";
  }
  return add_figure(scrolling(markup + "</tbody></table>"), caption, "images");
}

Report& Report::table(
    const std::vector<std::string>& headers, const std::vector<std::vector<std::string>>& rows,
    const std::string& caption) {
  for (size_t r = 0; r < rows.size(); ++r) {
    check_shape(
        rows[r].size() == headers.size(), "report", "row ", r, " of the table has ", rows[r].size(),
        " cells for ", headers.size(), " headers");
  }
  std::vector<const char*> classes;
  for (size_t c = 0; c < headers.size(); ++c) {
    classes.push_back(is_numeric(rows, c) ? " class=\"number\"" : "");
  }
  std::string markup = "<table class=\"data\">\n<thead><tr>";
  for (size_t c = 0; c < headers.size(); ++c) {
    markup += join_text("<th scope=\"col\"", classes[c], ">", escape_markup(headers[c]), "</th>");
  }
  markup += "</tr></thead>\n<tbody>\n";
  for (const auto& row : rows) {
    markup += "<tr>";
    for (size_t c = 0; c < row.size(); ++c) {
      const char* name = c == 0 ? "th" : "td";
      markup += join_text(
          "<", name, c == 0 ? " scope=\"row\"" : "", classes[c], ">", escape_markup(row[c]), "</",
          name, ">");
    }
    markup += "</tr>\n";
  }
  return add_figure(scrolling(markup + "</tbody></table>"), caption, "numbers");
}

Report& Report::command(const std::string& text) {
  return add(
      "<figure class=\"command\">\n<figcaption>Made with</figcaption>\n<pre><code>" +
      escape_markup(text) + "</code></pre>\n</figure>\n");
}

std::string Report::html() const {
  // The policy makes the browser refuse what the page promises not to do
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'\">\n<meta name=\"color-scheme\" content=\"light dark\">\n";
  const std::string title = escape_markup(title_);
  page += "<title>" + title + "</title>\n<style>" + std::string(kPageStyle) +
          "</style>\n</head>\n<body>\n<main>\n<header>\n<h1>" + title + "</h1>\n";
  if (!subtitle_.empty()) page += "<p class=\"subtitle\">" + escape_markup(subtitle_) + "</p>\n";
  page += "</header>\n" + intro_;

  // List the sections if there is something to choose from
  if (headings_.size() > 1) {
    page += "<nav aria-labelledby=\"contents\">\n<h2 id=\"contents\">Contents</h2>\n<ol>\n";
    for (size_t i = 0; i < headings_.size(); ++i) {
      page += join_text(
          "<li><a href=\"#section-", i + 1, "\"><span class=\"number\">", i + 1, "</span>",
          escape_markup(headings_[i]), "</a></li>\n");
    }
    page += "</ol>\n</nav>\n";
  }
  page += body_;
  if (!headings_.empty()) page += "</section>\n";
  return page + "</main>\n</body>\n</html>\n";
}

void Report::save(const std::string& path) const { write_file_atomic(path, as_bytes(html())); }

}  // namespace limpid::interpret
