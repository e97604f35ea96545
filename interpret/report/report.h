// interpret/report/report.h: one HTML page that holds everything, to read, print and pass on.
//
//     Report report("How the classifier decides", "digits, lenet5, seed 7");
//     report.tiles({{"Test accuracy", "98.2 %", "1,000 pictures"}});
//     report.section("Learning curves", "Both losses fall together: no sign of overfitting.")
//         .figure(line_chart(chart), "Cross-entropy by epoch.")
//         .table({"epoch", "loss"}, {{"1", "0.93"}, {"2", "0.41"}}, "Loss on the test set.");
//     report.command("limpid explain run --method grad_cam");
//     report.save("report.html");
//
// The page needs no network, no script and no font file, and its own policy forbids all three. It
// follows the light or dark theme of the reader, prints on white, and fits a phone. Every text is
// escaped; every picture has an alternative text. The same calls give the same bytes: there is no
// time stamp.
#pragma once

#include "framework/io/image.h"

#include <string>
#include <vector>

namespace limpid::interpret {

/// A key figure: "Test accuracy", "98.2 %", "1,000 pictures". The note may be empty.
struct Tile {
  std::string label;
  std::string value;
  std::string note = {};
};

/// One line of an image grid. An Image without pixels leaves its cell empty; `notes` stand below
/// the pictures and are either absent or as many as the pictures.
struct ImageRow {
  std::string label;
  std::vector<Image> images;
  std::vector<std::string> notes = {};
};

/// Collects the page from top to bottom; every call returns *this. What is added before the first
/// section stands above the list of contents. In all texts, a blank line starts a new paragraph.
class Report {
 public:
  /// Throws ValueError for an empty title.
  explicit Report(std::string title, std::string subtitle = "");

  /// Starts a section, listed in the contents. Throws ValueError for an empty heading.
  Report& section(const std::string& heading, const std::string& text = "");
  Report& paragraph(const std::string& text);
  /// Key figures side by side.
  Report& tiles(const std::vector<Tile>& tiles);

  /// A plot of plot.h; its markup is taken as it is.
  /// Throws ValueError unless it is one <svg> element without a script.
  Report& figure(const std::string& svg, const std::string& caption = "");
  /// A picture as PNG inside the page; small ones are enlarged with square pixels.
  /// `alt` says what is to be seen, for those who cannot see it. Throws ValueError if it is empty,
  /// and as png_bytes().
  Report& picture(const Image& image, const std::string& alt, const std::string& caption = "");
  /// Pictures under column labels, for example one row per example and one column per method. The
  /// alternative text of a picture is made of both labels and its note.
  /// Throws ShapeError if a row does not fit the labels.
  Report& image_grid(
      const std::vector<std::string>& column_labels, const std::vector<ImageRow>& rows,
      const std::string& caption = "");

  /// The first cell of a row names the row. Columns of numbers are aligned at the right.
  /// Throws ShapeError if a row does not have one cell per header.
  Report& table(
      const std::vector<std::string>& headers, const std::vector<std::vector<std::string>>& rows,
      const std::string& caption = "");
  /// The command that made the results, word for word.
  Report& command(const std::string& text);

  /// The whole page.
  std::string html() const;
  /// Writes the page atomically, see framework/io/files.h.
  void save(const std::string& path) const;

 private:
  /// Adds finished markup to the open section or to the intro.
  Report& add(const std::string& markup);
  /// Adds a <figure> with its caption below.
  Report& add_figure(const std::string& content, const std::string& caption, const char* classes);

  std::string title_;
  std::string subtitle_;
  std::vector<std::string> headings_;
  std::string intro_;  // markup before the first section
  std::string body_;   // markup of the sections; the last one is still open
};

}  // namespace limpid::interpret
