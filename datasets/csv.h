// datasets/csv.h: tables of numbers with one column to predict.
//
// A line is one example. Fields are separated by commas, semicolons or tabs, whichever the first
// line uses, and may be quoted (RFC 4180); lines end with LF or CRLF; empty lines count for
// nothing. The first line is a header if one of its features is not a number. Numbers have a point,
// whatever the locale says.
#pragma once

#include "datasets/dataset.h"

#include <cstddef>
#include <span>
#include <string>

namespace limpid::datasets {

struct CsvOptions {
  std::string label = {};  // the column to predict, by name or by number from 0; empty: the last
  bool is_regression = false;  // the column holds targets, not classes
};

/// The table as features [N, D] and labels [N]; `name` stands in the error texts. Class names are
/// the distinct texts of the column, in numeric order if all are whole numbers, else in
/// alphabetical order. Throws FormatError, naming the line and the column, for a missing, empty or
/// infinite number, for lines of different length, for an unterminated quote, for fewer than two
/// columns, for a file without examples and for more than 1,000 classes; ValueError for a label
/// column that does not exist.
Dataset parse_csv(
    std::span<const std::byte> bytes, const std::string& name, const CsvOptions& options = {});
/// The same from a file, plain or .gz.
Dataset load_csv(const std::string& path, const CsvOptions& options = {});

}  // namespace limpid::datasets
