// tools/report_values.h: values of the JSON that commands wrote, some of which may be missing.
#pragma once

#include "framework/io/image.h"
#include "framework/io/json.h"
#include "interpret/numerics/statistics.h"

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

/// The path, or, if there is no such file, that of a file of its name in the folder.
std::string found_at(const std::string& path, const std::string& folder);
/// The picture there, fit for a grid. Throws FormatError if it cannot be read.
Image picture_at(const std::string& path, const std::string& folder);

}  // namespace limpid::tools
