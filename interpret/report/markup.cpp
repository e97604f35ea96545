// interpret/report/markup.cpp: escaping and locale-free numbers.
#include "interpret/report/markup.h"

#include "framework/core/error.h"
#include "framework/io/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace limpid::interpret {

namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD in UTF-8

/// Digits of a finite number in one format of std::to_chars.
std::string chars_of(double value, std::chars_format format, int precision) {
  std::array<char, 400> buffer;  // 1.8e308 in full has 309 digits
  const auto end = std::to_chars(
      buffer.data(), buffer.data() + buffer.size(), value, format, std::clamp(precision, 0, 60));
  return {buffer.data(), end.ptr};
}

/// Removes zeros at the end of a fraction, and the point if nothing is left behind it.
void trim_fraction(std::string& text) {
  if (text.find('.') == std::string::npos) return;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
}

std::string not_finite(double value) {
  return std::isnan(value) ? "NaN" : value > 0 ? "inf" : "-inf";
}

}  // namespace

std::string escape_markup(std::string_view text) {
  const bool is_valid = is_utf8(text);
  std::string out;
  out.reserve(text.size() + 16);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_control = (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F;
    if (is_control || (byte > 0x7F && !is_valid)) {
      out += kReplacement;
      continue;
    }
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string fixed_text(double value, int decimals) {
  if (!std::isfinite(value)) return not_finite(value);
  std::string text = chars_of(std::abs(value), std::chars_format::fixed, decimals);
  const bool is_zero = text.find_first_not_of("0.") == std::string::npos;

  // Commas between groups of three, from five digits on
  const size_t whole = std::min(text.find('.'), text.size());
  if (whole >= 5) {
    for (size_t at = whole - 3;; at -= 3) {
      text.insert(at, ",");
      if (at <= 3) break;
    }
  }
  return (value < 0 && !is_zero ? "-" : "") + text;
}

std::string number_text(double value, int digits) {
  check_value(digits >= 1 && digits <= 15, "number_text", "digits must be 1 to 15, got ", digits);
  if (!std::isfinite(value)) return not_finite(value);
  const double size = std::abs(value);
  if (size < 1e9 && size == std::floor(size)) return fixed_text(value, 0);

  // Fixed notation where a reader can still count the digits
  if (size >= 1e-4 && size < 1e9) {
    const int exponent = static_cast<int>(std::floor(std::log10(size)));
    std::string text = fixed_text(value, std::max(0, digits - 1 - exponent));
    trim_fraction(text);
    return text;
  }

  // Mantissa and exponent, both without idle zeros
  const std::string text = chars_of(value, std::chars_format::scientific, digits - 1);
  const size_t mark = text.find('e');
  std::string mantissa = text.substr(0, mark);
  trim_fraction(mantissa);
  std::string exponent = text.substr(mark + 1);
  const std::string sign = exponent.front() == '-' ? "-" : "";
  exponent.erase(0, std::min(exponent.find_first_not_of("+-0"), exponent.size() - 1));
  return mantissa + "e" + sign + exponent;
}

}  // namespace limpid::interpret
