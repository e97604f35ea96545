// interpret/report/markup.h: texts and numbers, made ready for HTML and SVG.
#pragma once

#include <string>
#include <string_view>

namespace limpid::interpret {

/// The text with & < > " ' as character references: safe as content and inside quoted attributes.
/// Control characters other than tab and line feed, and every byte above 127 of a text that is not
/// UTF-8, become U+FFFD. No locale is involved.
std::string escape_markup(std::string_view text);

/// Exactly `decimals` digits after the point, and commas between thousands from 10,000 on.
/// Never "-0.00". NaN and infinities are "NaN", "inf", "-inf".
std::string fixed_text(double value, int decimals);

/// A number for people: up to `digits` significant digits without trailing zeros, integers below
/// 1e9 in full, an exponent below 1e-4 and from 1e9 on: 0.1235, 60,000, 1.5e-7.
/// Throws ValueError unless 1 <= digits <= 15.
std::string number_text(double value, int digits = 4);

}  // namespace limpid::interpret
