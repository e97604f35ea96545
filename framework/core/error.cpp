// framework/core/error.cpp: the error types that carry more than a text.
#include "framework/core/error.h"

namespace limpid {

FormatError::FormatError(const std::string& path, const std::string& where, const std::string& why)
    : Error(where.empty() ? path + ": " + why : path + ": " + where + ": " + why) {}

NumericError::NumericError(const std::string& message, double value)
    : Error(message), value_(value) {}

}  // namespace limpid
