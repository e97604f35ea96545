// tests/cli/limpid.cpp: the helpers of the command line tests.
#include "tests/cli/limpid.h"

#include "framework/io/files.h"
#include "framework/io/gzip.h"
#include "framework/io/safetensors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <sstream>

namespace limpid::cli {

namespace fs = std::filesystem;

namespace {

// The commands that a help text lists below "Subcommands:", each with the words before it.
std::vector<std::string> subcommands(const std::string& help, const std::string& prefix) {
  std::vector<std::string> names;
  bool is_inside = false;
  for (const std::string& line : lines(help)) {
    if (is_inside && line.starts_with("  ")) {
      names.push_back(prefix + line.substr(2, line.find(' ', 2) - 2));
    }
    is_inside = line == "Subcommands:" || (is_inside && line.starts_with("  "));
  }
  return names;
}

}  // namespace

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

ProcessResult run_words(
    const TempDir& folder, const std::vector<std::string>& arguments, ProcessOptions options) {
  if (options.folder.empty()) options.folder = folder.path().string();
  options.environment.try_emplace("LIMPID_DATA", folder.file("no-such-data"));
  return run_process(LIMPID_BINARY, arguments, options);
}

ProcessResult run(const TempDir& folder, const std::string& line, ProcessOptions options) {
  return run_words(folder, words(line), std::move(options));
}

ProcessResult succeed(
    const TempDir& folder, const std::string& line, const ProcessOptions& options) {
  ProcessResult result = run(folder, line, options);
  INFO("limpid ", line, "\n", result.err);
  REQUIRE(result.status == 0);
  return result;
}

Json run_json(const TempDir& folder, const std::string& line) {
  const ProcessResult result = succeed(folder, line + " --json");
  INFO("limpid ", line, "\n", result.out);
  REQUIRE(lines(result.out).size() == 1);
  Json json = parse_json(result.out, "stdout");
  const Json::Members& members = json.members();
  REQUIRE(members.size() > 4);
  CHECK(members[0].key == "schema");
  CHECK(members[0].value == Json(1));
  CHECK(members[1].key == "command");
  CHECK(line.starts_with(members[1].value.text()));
  CHECK(members[2].key == "seconds");
  CHECK(members[2].value.number() > 0);
  CHECK(members[3].key == "peak_rss_mb");
  CHECK(members[3].value.number() > 1);
  return json;
}

void check_one_line(const std::string& error, const std::vector<std::string>& texts) {
  INFO("stderr: ", error);
  CHECK(error.starts_with("limpid: "));
  CHECK(lines(error).size() == 1);
  CHECK(error.ends_with('\n'));
  for (const std::string& text : texts) {
    INFO("expected: ", text);
    CHECK(error.find(text) != std::string::npos);
  }
}

void check_refused(
    const TempDir& folder, const std::string& line, int status,
    const std::vector<std::string>& texts) {
  INFO("limpid ", line);
  const auto before = snapshot(folder.path().string());
  const ProcessResult result = run(folder, line);
  CHECK(result.status == status);
  CHECK(result.out == "");
  check_one_line(result.err, texts);
  CHECK(snapshot(folder.path().string()) == before);
}

void blind(const TempDir& folder, const std::string& run) {
  const std::string path = folder.file(run + "/last.safetensors");
  SafetensorsFile file = load_safetensors(path);
  for (auto& [name, tensor] : file.tensors) {
    if (name.ends_with("weight") && !name.starts_with("optimizer.")) {
      tensor = Tensor::zeros(tensor.shape());
    }
  }
  save_safetensors(path, file.tensors);
}

void train(const TempDir& folder, const std::string& out, const std::string& options) {
  succeed(folder, "train --quiet --out " + out + " " + options);
}

std::string content(const std::string& path) {
  return std::string(as_text(read_file(path, 1 << 28)));
}

void write(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

bool exists(const std::string& path) { return fs::exists(path); }

std::string replaced(std::string text, const std::string& old_part, const std::string& new_part) {
  const size_t at = text.find(old_part);
  INFO("no '", old_part, "' in ", text);
  REQUIRE(at != std::string::npos);
  return text.replace(at, old_part.size(), new_part);
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) out.push_back(line);
  return out;
}

std::vector<HelpRow> help_rows(const std::string& help) {
  constexpr size_t kColumn = 30;  // where descriptions begin
  std::vector<HelpRow> rows;
  bool is_inside = false;
  for (const std::string& line : lines(help)) {
    if (line.empty() || line == "Positionals:" || line == "Options:") {
      is_inside = !line.empty();
    } else if (is_inside && line.starts_with(std::string(kColumn, ' '))) {
      rows.back().help = line.substr(kColumn);  // below a long name
    } else if (is_inside) {
      const size_t end = line.find(' ', 2);
      HelpRow row{.name = line.substr(2, end - 2), .value = "", .help = ""};
      if (end != std::string::npos) {
        // The rest: "TEXT=adam       sgd, adam, ..."; a long value ends with one space
        std::string rest = line.substr(end + 1);
        if (rest.starts_with("... ")) rest = rest.substr(4);  // a word that may be several
        const bool has_value = !rest.starts_with(' ');
        const size_t after = has_value ? std::min(rest.find(' '), rest.size()) : 0;
        row.value = rest.substr(0, after);
        const size_t begin = rest.find_first_not_of(' ', after);
        if (begin != std::string::npos) row.help = rest.substr(begin);
      }
      if (row.name == "-h,--help") row.name = "--help";
      rows.push_back(row);
    }
  }
  return rows;
}

std::string example_in(const std::string& help) {
  const std::vector<std::string> all = lines(help);
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    if (all[i] == "Example:") return replaced(all[i + 1], "  limpid ", "");
  }
  return "";
}

std::vector<std::string> commands(const TempDir& folder) {
  std::vector<std::string> leaves;
  for (const std::string& name : subcommands(succeed(folder, "--help").out, "")) {
    const auto below = subcommands(succeed(folder, name + " --help").out, name + " ");
    if (below.empty()) leaves.push_back(name);
    leaves.insert(leaves.end(), below.begin(), below.end());
  }
  return leaves;
}

bool has_program(const std::string& name) {
  return run_process("/bin/sh", {"-c", "command -v " + name}).status == 0;
}

std::map<std::string, std::string> snapshot(const std::string& folder) {
  std::map<std::string, std::string> entries;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    std::string& value = entries[fs::relative(entry.path(), folder).string()];
    if (!entry.is_regular_file()) continue;
    const auto time = entry.last_write_time().time_since_epoch().count();
    value = std::to_string(time) + " " + content(entry.path().string());
  }
  return entries;
}

std::string checksum(const std::string& path) {
  std::ostringstream text;
  text << std::hex << std::setfill('0') << std::setw(8) << crc32(as_bytes(content(path)));
  return text.str();
}

}  // namespace limpid::cli
