// datasets/csv.cpp: from lines of text to features and labels.
#include "datasets/csv.h"

#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/io/gzip.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace limpid::datasets {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 30;  // of one file, unpacked
constexpr size_t kMaxClasses = 1000;             // more look like numbers to be regressed

using Fields = std::vector<std::string>;

struct Line {
  int64_t number = 0;  // in the file, from 1
  Fields fields;
};

// Splits text into lines of fields, one at a time.
class LineReader {
 public:
  LineReader(std::string_view text, const std::string& name) : text_(text), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);  // byte order mark
    const std::string_view first = text_.substr(0, text_.find('\n'));
    for (const char candidate : {',', ';', '\t'}) {
      if (first.find(candidate) == std::string_view::npos) continue;
      separator_ = candidate;
      break;
    }
  }

  /// The next line that is not empty; nothing at the end.
  std::optional<Line> next() {
    while (at_ < text_.size()) {
      Line line{.number = ++lines_, .fields = {}};
      bool ends = false;
      while (!ends) ends = read_field(line);
      if (line.fields.size() > 1 || !line.fields[0].empty()) return line;
    }
    return std::nullopt;
  }

 private:
  // Appends one field; true if it was the last of its line.
  bool read_field(Line& line) {
    std::string field;
    const bool is_quoted = at_ < text_.size() && text_[at_] == '"';
    if (is_quoted) field = read_quoted(line.number);
    while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n') {
      if (text_[at_] != '\r') field += text_[at_];
      ++at_;
    }
    if (!is_quoted) trim(field);
    line.fields.push_back(std::move(field));
    const bool ends = at_ >= text_.size() || text_[at_] == '\n';
    if (at_ < text_.size()) ++at_;
    return ends;
  }

  // What stands between quotes; two quotes in it mean one.
  std::string read_quoted(int64_t line) {
    std::string field;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        const bool is_escaped = at_ < text_.size() && text_[at_] == '"';
        if (!is_escaped) return field;
      }
      lines_ += text_[at_] == '\n';
      field += text_[at_];
    }
    throw FormatError(name_, join_text("line ", line), "a quote is not closed");
  }

  static void trim(std::string& field) {
    const auto is_blank = [](char c) { return c == ' '; };
    while (!field.empty() && is_blank(field.back())) field.pop_back();
    const auto begin = std::ranges::find_if_not(field, is_blank);
    field.erase(field.begin(), begin);
  }

  std::string_view text_;
  const std::string& name_;
  char separator_ = ',';
  size_t at_ = 0;
  int64_t lines_ = 0;
};

std::optional<double> number_in(const std::string& field) {
  const char* begin = field.data() + (field.starts_with('+') ? 1 : 0);
  const char* end = field.data() + field.size();
  double value = 0;
  const auto [stopped, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || stopped != end || begin == end) return std::nullopt;
  return value;
}

// The place of the label column, given the first line.
size_t label_column(const Fields& first, const CsvOptions& options) {
  if (options.label.empty()) return first.size() - 1;
  const auto named = std::ranges::find(first, options.label);
  if (named != first.end()) return static_cast<size_t>(named - first.begin());
  const std::optional<double> number = number_in(options.label);
  check_value(
      number && *number >= 0 && *number < static_cast<double>(first.size()) &&
          *number == std::floor(*number),
      "csv", "no column '", options.label, "'; there are ", first.size(),
      ", numbered from 0; the first is '", first[0], "'");
  return static_cast<size_t>(*number);
}

// What the lines hold, before it becomes tensors.
struct Table {
  size_t columns = 0, label = 0;
  Fields names;                 // of the columns; empty without a header
  std::vector<float> features;  // [N, columns - 1]
  std::vector<std::string> labels;
  std::vector<int64_t> lines;  // where each example stands
};

std::string column_text(const Table& table, size_t column) {
  return table.names.empty() ? join_text("column ", column)
                             : join_text("column '", table.names[column], "'");
}

void add_example(Table& table, const Line& line, const std::string& name) {
  const std::string place = join_text("line ", line.number);
  if (line.fields.size() != table.columns) {
    throw FormatError(
        name, place, join_text(line.fields.size(), " fields, the first line has ", table.columns));
  }
  for (size_t c = 0; c < table.columns; ++c) {
    if (c == table.label) continue;
    const std::optional<double> value = number_in(line.fields[c]);
    const auto narrow = static_cast<float>(value.value_or(0));
    if (!value || !std::isfinite(narrow)) {
      throw FormatError(
          name, place,
          join_text(column_text(table, c), " holds '", line.fields[c], "', not a finite number"));
    }
    table.features.push_back(narrow);
  }
  if (line.fields[table.label].empty()) {
    throw FormatError(name, place, column_text(table, table.label) + " is empty");
  }
  table.labels.push_back(line.fields[table.label]);
  table.lines.push_back(line.number);
}

Table read_table(
    std::span<const std::byte> bytes, const std::string& name, const CsvOptions& options) {
  LineReader reader(as_text(bytes), name);
  std::optional<Line> line = reader.next();
  if (!line) throw FormatError(name, "", "holds no examples");
  Table table;
  table.columns = line->fields.size();
  if (table.columns < 2) {
    throw FormatError(
        name, "line 1", "one column; needs features and a label, separated by commas");
  }
  table.label = label_column(line->fields, options);

  // A header has a feature that is no number
  bool is_header = false;
  for (size_t c = 0; c < table.columns; ++c) {
    is_header |= c != table.label && !number_in(line->fields[c]);
  }
  if (is_header) {
    table.names = line->fields;
    line = reader.next();
    if (!line) throw FormatError(name, "", "holds a header but no examples");
  }
  for (; line; line = reader.next()) add_example(table, *line, name);
  return table;
}

// Distinct texts in order, each with its number.
std::map<std::string, int64_t> numbered(const Table& table, Fields& names) {
  std::map<std::string, int64_t> classes;
  bool are_whole = true;
  for (const std::string& label : table.labels) {
    classes.emplace(label, 0);
    if (classes.size() > kMaxClasses) return classes;
    const std::optional<double> value = number_in(label);
    are_whole &= value && *value == std::floor(*value);
  }
  for (const auto& entry : classes) names.push_back(entry.first);
  if (are_whole) {
    std::ranges::stable_sort(names, {}, [](const std::string& n) { return *number_in(n); });
  }
  for (size_t k = 0; k < names.size(); ++k) classes[names[k]] = static_cast<int64_t>(k);
  return classes;
}

void set_targets(Dataset& out, const Table& table, const std::string& name) {
  out.labels = Tensor::empty({std::ssize(table.labels)});  // [N]
  float* target = out.labels.mutable_data<float>();
  for (size_t i = 0; i < table.labels.size(); ++i) {
    const std::optional<double> value = number_in(table.labels[i]);
    target[i] = static_cast<float>(value.value_or(0));
    if (value && std::isfinite(target[i])) continue;
    throw FormatError(
        name, join_text("line ", table.lines[i]),
        join_text("the target is '", table.labels[i], "', not a finite number"));
  }
}

void set_classes(Dataset& out, const Table& table, const std::string& name) {
  const std::map<std::string, int64_t> classes = numbered(table, out.class_names);
  if (classes.size() > kMaxClasses) {
    throw FormatError(
        name, "",
        join_text(
            "more than ", kMaxClasses, " different labels in ", column_text(table, table.label),
            "; use --task regress for numbers"));
  }
  out.classes = std::ssize(out.class_names);
  out.labels = Tensor::empty({std::ssize(table.labels)}, DType::i64);  // [N]
  int64_t* label = out.labels.mutable_data<int64_t>();
  for (const std::string& text : table.labels) *label++ = classes.at(text);
}

}  // namespace

Dataset parse_csv(
    std::span<const std::byte> bytes, const std::string& name, const CsvOptions& options) {
  const Table table = read_table(bytes, name, options);
  Dataset out;
  out.name = name;
  Tensor features =
      Tensor::empty({std::ssize(table.labels), static_cast<int64_t>(table.columns) - 1});
  std::ranges::copy(table.features, features.mutable_data<float>());
  out.images = features;
  options.is_regression ? set_targets(out, table, name) : set_classes(out, table, name);
  return out;
}

Dataset load_csv(const std::string& path, const CsvOptions& options) {
  return parse_csv(read_unpacked(path, kMaxBytes), path, options);
}

}  // namespace limpid::datasets
