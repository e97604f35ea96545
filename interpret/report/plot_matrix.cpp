// interpret/report/plot_matrix.cpp: layout of matrices.
#include "framework/core/error.h"
#include "interpret/report/markup.h"
#include "interpret/report/plot.h"
#include "interpret/report/svg.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {

namespace {

constexpr size_t kMostNumberedColumns = 30;

void check_matrix(const MatrixChart& chart) {
  check_shape(
      chart.values.size() == chart.row_names.size(), "matrix_chart", chart.values.size(),
      " rows of values for ", chart.row_names.size(), " row names");
  for (size_t r = 0; r < chart.values.size(); ++r) {
    check_shape(
        chart.values[r].size() == chart.column_names.size(), "matrix_chart", "row ", r, " has ",
        chart.values[r].size(), " values for ", chart.column_names.size(), " column names");
  }
}

double greatest_size(const MatrixChart& chart) {
  double greatest = 0;
  for (const auto& row : chart.values) {
    for (const double value : row) {
      if (is_drawable(value)) greatest = std::max(greatest, std::abs(value));
    }
  }
  return greatest;
}

/// For a square matrix with the same names on both sides: the share of the sum on the diagonal.
std::string describe_matrix(const MatrixChart& chart) {
  std::string text = join_text(
      "Matrix of ", chart.row_names.size(), " rows (", chart.row_title, ") and ",
      chart.column_names.size(), " columns (", chart.column_title, ")");
  double sum = 0;
  double diagonal = 0;
  for (size_t r = 0; r < chart.values.size(); ++r) {
    for (size_t c = 0; c < chart.values[r].size(); ++c) {
      if (!(is_drawable(chart.values[r][c]) && chart.values[r][c] >= 0)) return text + ".";
      sum += chart.values[r][c];
      if (r == c) diagonal += chart.values[r][c];
    }
  }
  if (chart.row_names != chart.column_names || sum == 0) return text + ".";
  return text + "; " + number_text(diagonal) + " of " + number_text(sum) + " lie on the diagonal.";
}

std::string cell_text(double value) {
  return is_drawable(value) ? drawn(number_text(value, 3)) : "\xE2\x80\x93";  // en dash
}

/// A cell's place, size and what it says.
struct Cell {
  Svg::Point corner;
  Svg::Point size;
  double value = 0;
  double strength = 0;  // of the colour, in [0, 1]
  bool has_number = true;
  std::string hint;
};

void draw_cell(Svg& svg, const Cell& cell) {
  // One pixel of space on the right and below keeps the cells apart
  const Svg::Point inner{cell.size.x - 1, cell.size.y - 1};
  const double opacity = 0.05 + 0.95 * cell.strength;
  svg.rectangle(cell.corner, inner, cell.value < 0 ? "f2" : "f1", opacity, cell.hint);
  if (!cell.has_number) return;
  // Numbers turn to the colour of the page where the cell is strong; for the dark theme earlier
  const char* classes = cell.strength > 0.8    ? "on"
                        : cell.strength > 0.62 ? "half"
                        : cell.value == 0      ? "muted"
                                               : "";
  svg.text(
      {cell.corner.x + inner.x / 2, cell.corner.y + inner.y / 2}, cell_text(cell.value),
      {Anchor::middle, classes});
}

/// Sizes of the parts of a matrix, in pixels.
struct MatrixLayout {
  double left = 0;  // of the first cell
  double top = 0;
  double cell_width = 0;
  double cell_height = 0;
  bool has_numbers = true;
  bool slanted = false;  // names of columns wider than a column
};

MatrixLayout lay_out(const MatrixChart& chart) {
  MatrixLayout at;
  double rows = 0;
  double columns = 0;
  double numbers = 0;
  for (const auto& name : chart.row_names) rows = std::max(rows, text_width(ShortName(name).text));
  for (const auto& name : chart.column_names) {
    columns = std::max(columns, text_width(ShortName(name).text));
  }
  for (const auto& row : chart.values) {
    for (const double value : row) numbers = std::max(numbers, text_width(cell_text(value)));
  }
  at.has_numbers = chart.column_names.size() <= kMostNumberedColumns;
  at.cell_width = at.has_numbers ? std::max(44.0, numbers + 12) : 14;
  at.cell_height = at.has_numbers ? 32 : 14;
  if (!chart.row_names.empty() && !chart.column_names.empty()) {  // both titles fit beside them
    const auto column_count = static_cast<double>(chart.column_names.size());
    const auto row_count = static_cast<double>(chart.row_names.size());
    at.cell_width = std::max(at.cell_width, text_width(chart.column_title) / column_count);
    at.cell_height = std::max(at.cell_height, text_width(chart.row_title) / row_count);
  }
  at.slanted = columns + 6 > at.cell_width;
  at.left = rows + 12 + (chart.row_title.empty() ? 0 : 24);
  at.top = (at.slanted ? columns * 0.71 + 16 : 22) + (chart.column_title.empty() ? 0 : 22);
  return at;
}

void draw_matrix_names(Svg& svg, const MatrixChart& chart, const MatrixLayout& at) {
  const auto rows = static_cast<double>(chart.row_names.size());
  const auto columns = static_cast<double>(chart.column_names.size());
  svg.text(
      {at.left + columns * at.cell_width / 2, 9}, chart.column_title, {Anchor::middle, "strong"});
  svg.text(
      {9, at.top + rows * at.cell_height / 2}, chart.row_title, {Anchor::middle, "strong", -90});
  const std::string_view classes = at.has_numbers ? "" : "small";
  double y = at.top + at.cell_height / 2;
  for (const std::string& whole : chart.row_names) {
    const ShortName name(whole);
    svg.text({at.left - 8, y}, name.text, {Anchor::end, classes}, name.hint);
    y += at.cell_height;
  }
  double x = at.left + at.cell_width / 2;
  for (const std::string& whole : chart.column_names) {
    const ShortName name(whole);
    const TextStyle level{Anchor::middle, classes};
    const TextStyle slanted{Anchor::start, classes, -45};
    svg.text({x, at.top - 11}, name.text, at.slanted ? slanted : level, name.hint);
    x += at.cell_width;
  }
}

}  // namespace

std::string matrix_chart(const MatrixChart& chart) {
  check_matrix(chart);
  const MatrixLayout at = lay_out(chart);
  const double greatest = greatest_size(chart);
  const auto rows = static_cast<double>(chart.row_names.size());
  const auto columns = static_cast<double>(chart.column_names.size());

  // Slanted names reach beyond the last column
  const double overhang = at.slanted ? at.top - 11 : 0;
  const double width = at.left + columns * at.cell_width + overhang;
  const double height = at.top + rows * at.cell_height;
  Svg svg(
      width, height, chart.title,
      chart.description.empty() ? describe_matrix(chart) : chart.description, Fit::scroll);
  draw_matrix_names(svg, chart, at);
  for (size_t r = 0; r < chart.values.size(); ++r) {
    for (size_t c = 0; c < chart.column_names.size(); ++c) {
      const double value = chart.values[r][c];
      const bool has_colour = is_drawable(value) && greatest > 0;
      Cell cell;
      cell.corner = {
          at.left + static_cast<double>(c) * at.cell_width,
          at.top + static_cast<double>(r) * at.cell_height};
      cell.size = {at.cell_width, at.cell_height};
      cell.value = value;
      cell.strength = has_colour ? std::sqrt(std::abs(value) / greatest) : 0;
      cell.has_number = at.has_numbers;
      cell.hint =
          chart.row_names[r] + " \xE2\x86\x92 " + chart.column_names[c] + ": " + cell_text(value);
      draw_cell(svg, cell);
    }
  }
  return svg.finish();
}

}  // namespace limpid::interpret
