// interpret/report/svg.h: the small drawing board under the plots of plot.h.
//
// Coordinates are pixels from the top left, written with two decimals at most. Colours live in one
// style sheet (svg.cpp) as classes: text and lines follow the colour of the page, series the
// palette 1 to 6 in a light and a dark form, so a class name is all a plot ever says about colour.
#pragma once

#include "framework/io/image.h"

#include <string>
#include <string_view>
#include <vector>

namespace limpid::interpret {

inline constexpr int kPaletteSize = 6;  // classes c1 to c6 of lines, f1 to f6 of areas

/// True for values that are drawn; the rest are gaps: NaN, infinities and sizes over 1e150, which
/// would leave the finite numbers inside the scaling.
bool is_drawable(double value);

/// A range of values with round ticks.
struct Axis {
  double low = 0;
  double high = 1;
  std::vector<double> ticks;            // ascending, inside [low, high]
  std::vector<std::string> tick_texts;  // one per tick, all with the same decimals

  /// Position of a value between `start` at low and `end` at high, in pixels.
  double place(double value, double start, double end) const;
};

enum class AxisEnds { at_data, at_ticks };

/// Ticks at multiples of 1, 2 or 5 times a power of ten, about `count` of them; with `whole` never
/// closer than 1. A range without length is widened around its value. at_ticks moves low and high
/// outwards to the next tick. Throws ValueError unless both ends are drawable and low <= high.
Axis make_axis(double low, double high, int count, AxisEnds ends, bool whole = false);

/// Width of a text in the 12 pixel system font, in pixels, a little generous.
double text_width(std::string_view text);

/// A name as it is drawn: beyond 36 characters cut with an ellipsis, and the whole kept as a hint.
struct ShortName {
  explicit ShortName(const std::string& whole);
  std::string text;
  std::string hint;  // empty if nothing was cut
};

/// A number as it is drawn: with the minus sign U+2212 for every hyphen.
std::string drawn(const std::string& number);

enum class Anchor { start, middle, end };

struct TextStyle {
  Anchor anchor = Anchor::start;
  std::string_view classes;  // "muted", "small", ...
  double angle = 0;          // degrees, clockwise around the anchor
};

/// How a page may treat a plot that is wider than its column: reduce it or let it scroll.
enum class Fit { reduce, scroll };

/// Collects shapes; every text is escaped here.
class Svg {
 public:
  /// Throws ValueError without a title, the name that screen readers announce.
  Svg(double width, double height, const std::string& title, const std::string& description,
      Fit fit);

  void line(double x1, double y1, double x2, double y2, std::string_view classes);
  /// Pixels x and y of a connected line.
  struct Point {
    double x = 0;
    double y = 0;
  };
  /// A connected line; a single point becomes a dot.
  void polyline(const std::vector<Point>& points, std::string_view classes);
  void polygon(const std::vector<Point>& points, std::string_view classes);
  /// A rectangle; `opacity` is of its area, `hint` is shown under the pointer.
  void rectangle(
      const Point& corner, const Point& size, std::string_view classes, double opacity = 1,
      const std::string& hint = "");
  /// Pixels, each stretched to its share of the size; they keep their colours in dark themes.
  void picture(const Point& corner, const Point& size, const Image& image);
  /// A text whose middle line is at y. If it was shortened, `hint` may hold the whole.
  void text(
      const Point& at, const std::string& text, const TextStyle& style = {},
      const std::string& hint = "");

  /// The complete element <svg ...>...</svg>.
  std::string finish() const;

 private:
  std::string body_;
};

}  // namespace limpid::interpret
