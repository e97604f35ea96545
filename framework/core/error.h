// framework/core/error.h: every error the library throws, and the checks that throw them.
//
// Grammar of a message:  op: fact, with numbers (argument shape, argument shape); hint
// Everything is thrown before any state changes.
#pragma once

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>

namespace limpid {

/// Base of everything the library throws.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The shape of an argument does not fit.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// The element type of an argument does not fit; types are never promoted silently.
class DTypeError : public Error {
 public:
  using Error::Error;
};

/// The value of an argument is outside its range.
class ValueError : public Error {
 public:
  using Error::Error;
};

/// Autograd misuse: no graph, a released graph, a missing derivative, an overwritten value.
class GraphError : public Error {
 public:
  using Error::Error;
};

/// A file is not what it should be. The text is `path: where: why`.
class FormatError : public Error {
 public:
  /// `where` is a byte offset, a line number or a tensor name; may be empty.
  FormatError(const std::string& path, const std::string& where, const std::string& why);
};

/// A computation left the finite numbers or did not converge; carries the last value.
class NumericError : public Error {
 public:
  NumericError(const std::string& message, double value);
  double value() const { return value_; }

 private:
  double value_;
};

/// Writes all parts one after the other.
template <class... Parts>
std::string join_text(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

/// Throws E with the text `op: parts...`. The parts are joined only here, so checks are cheap.
template <class E, class... Parts>
[[noreturn]] void raise(const char* op, const Parts&... parts) {
  throw E(join_text(op, ": ", parts...));
}

/// Each throws the error of its name, as raise() does, unless the condition holds.
template <class... Parts>
void check_shape(bool condition, const char* op, const Parts&... parts) {
  if (!condition) raise<ShapeError>(op, parts...);
}
template <class... Parts>
void check_dtype(bool condition, const char* op, const Parts&... parts) {
  if (!condition) raise<DTypeError>(op, parts...);
}
template <class... Parts>
void check_value(bool condition, const char* op, const Parts&... parts) {
  if (!condition) raise<ValueError>(op, parts...);
}
template <class... Parts>
void check_graph(bool condition, const char* op, const Parts&... parts) {
  if (!condition) raise<GraphError>(op, parts...);
}

}  // namespace limpid
