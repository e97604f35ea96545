// tests/cli/limpid.cpp: the helpers of the command line tests.
#include "tests/cli/limpid.h"

#include "framework/io/files.h"
#include "framework/io/gzip.h"
#include "framework/io/safetensors.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <sstream>

namespace limpid::cli {

namespace fs = std::filesystem;

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
