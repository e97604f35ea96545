// datasets/cifar.cpp: records to images and labels, and finding the files in a folder or archive.
#include "datasets/cifar.h"

#include "datasets/tar.h"
#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/io/gzip.h"
#include "framework/io/json.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace limpid::datasets {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxBytes = int64_t{1}
                              << 30;        // of one file, unpacked; an archive has 184 million
constexpr int64_t kMaxNameBytes = 1 << 20;  // of a file of class names
constexpr int64_t kPixels = 3 * 32 * 32;
constexpr int64_t kCoarseClasses = 20;
constexpr const char* kExpected =
    "expected data_batch_1.bin ... and test_batch.bin (CIFAR-10), or train.bin and test.bin "
    "(CIFAR-100), each plain or .gz, or cifar-10-binary.tar.gz or cifar-100-binary.tar.gz";

// What differs between the two kinds.
struct Form {
  int64_t label_bytes;  // in front of the pixels; the last one is the label
  int64_t classes;
  const char* test;
  const char* class_names;
  const char* archive;
};

const Form& form_of(CifarKind kind) {
  static constexpr Form ten{1, 10, "test_batch.bin", "batches.meta.txt", "cifar-10-binary.tar"};
  static constexpr Form hundred{2, 100, "test.bin", "fine_label_names.txt", "cifar-100-binary.tar"};
  return kind == CifarKind::cifar10 ? ten : hundred;
}

// The number of records of a file, whose length must be a multiple of the record.
int64_t count_records(const CifarFile& file, int64_t record) {
  const int64_t bytes = std::ssize(file.bytes);
  if (bytes == 0) throw FormatError(file.name, "", "holds no examples");
  if (bytes % record != 0) {
    throw FormatError(
        file.name, join_text("byte ", bytes / record * record),
        join_text("ends inside a record: ", bytes, " bytes, each record has ", record));
  }
  return bytes / record;
}

void check_label(const CifarFile& file, int64_t at, int64_t classes) {
  const auto label = std::to_integer<int64_t>(file.bytes[static_cast<size_t>(at)]);
  if (label < classes) return;
  throw FormatError(
      file.name, join_text("byte ", at),
      join_text("class ", label, " is out of range, expected 0 to ", classes - 1));
}

// Files by their names without folder and .gz, on the disk or in an archive.
class Source {
 public:
  explicit Source(const std::string& folder) : place_(folder) {
    std::error_code error;
    for (auto entry = fs::directory_iterator(folder, error); !error && entry != end(entry);
         entry.increment(error)) {
      std::string name = entry->path().filename().string();
      const bool is_packed = name.ends_with(".gz");
      if (is_packed) name.resize(name.size() - 3);
      if (!is_packed || !paths_.contains(name)) paths_[name] = entry->path().string();
    }
    if (error) throw FormatError(folder, "", "cannot read folder: " + error.message());
  }

  // The files inside the archive of this name, which must be there.
  Source(const Source& outside, const std::string& archive) : place_(outside.paths_.at(archive)) {
    archive_ = read_unpacked(place_, kMaxBytes);
    for (const TarMember& member : parse_tar(archive_, place_)) {
      const std::string name = member.name.substr(member.name.rfind('/') + 1);
      if (!members_.emplace(name, member.bytes).second) {
        throw FormatError(place_, excerpt(name), "two members have this name");
      }
    }
  }

  const std::string& place() const { return place_; }
  bool contains(const std::string& name) const {
    return paths_.contains(name) || members_.contains(name);
  }

  // The names data_batch_N.bin, by number.
  std::vector<std::string> batches() const {
    std::map<std::pair<size_t, std::string>, std::string> by_number;  // shorter numbers are smaller
    const auto note = [&](const std::string& name) {
      constexpr std::string_view kBegin = "data_batch_", kEnd = ".bin";
      if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) return;
      const std::string number =
          name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
      if (number.empty() || number.find_first_not_of("0123456789") != std::string::npos) return;
      by_number[{number.size(), number}] = name;
    };
    for (const auto& entry : paths_) note(entry.first);
    for (const auto& entry : members_) note(entry.first);
    std::vector<std::string> names;
    for (const auto& entry : by_number) names.push_back(entry.second);
    return names;
  }

  // The content of a file that is there; `memory` keeps what was read from the disk.
  CifarFile open(const std::string& name, std::vector<std::byte>& memory, int64_t limit) const {
    if (const auto found = members_.find(name); found != members_.end()) {
      return {.name = place_ + ": " + name, .bytes = found->second};
    }
    memory = read_unpacked(paths_.at(name), limit);
    return {.name = paths_.at(name), .bytes = memory};
  }

 private:
  std::string place_;                         // for messages
  std::map<std::string, std::string> paths_;  // of a folder, or
  std::vector<std::byte> archive_;
  std::map<std::string, std::span<const std::byte>> members_;
};

Dataset load_part(const Source& source, CifarKind kind, const std::vector<std::string>& names) {
  std::vector<std::vector<std::byte>> memory(names.size());
  std::vector<CifarFile> files;
  for (size_t i = 0; i < names.size(); ++i) {
    files.push_back(source.open(names[i], memory[i], kMaxBytes));
  }
  return parse_cifar(kind, files);
}

// One name per line; empty lines count for nothing.
std::vector<std::string> read_class_names(const Source& source, const Form& form) {
  if (!source.contains(form.class_names)) return numbered_classes(form.classes);
  std::vector<std::byte> memory;
  const CifarFile file = source.open(form.class_names, memory, kMaxNameBytes);
  std::string_view text = as_text(file.bytes);
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t length = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, length);
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    if (!line.empty()) names.emplace_back(line);
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  if (std::ssize(names) != form.classes) {
    throw FormatError(
        file.name, "", join_text(names.size(), " class names, expected ", form.classes));
  }
  return names;
}

// Both parts from the files of a folder or archive.
Split load_files(const Source& source, CifarKind kind) {
  const Form& form = form_of(kind);
  const std::vector<std::string> training =
      kind == CifarKind::cifar10 ? source.batches() : std::vector<std::string>{"train.bin"};
  std::string missing;
  if (training.empty()) missing = "data_batch_1.bin";
  for (const std::string& name : training) {
    if (!source.contains(name)) missing = name;
  }
  if (!source.contains(form.test))
    missing += (missing.empty() ? "" : ", ") + std::string(form.test);
  if (!missing.empty()) {
    throw FormatError(source.place(), "", join_text("missing ", missing, "; ", kExpected));
  }
  const std::vector<std::string> class_names = read_class_names(source, form);
  Split out{
      .train = load_part(source, kind, training), .test = load_part(source, kind, {form.test})};
  for (Dataset* part : {&out.train, &out.test}) part->class_names = class_names;
  return out;
}

Split load_folder(const Source& source) {
  const bool has_ten = !source.batches().empty() || source.contains("test_batch.bin");
  const bool has_hundred = source.contains("train.bin") || source.contains("test.bin");
  if (has_ten && has_hundred) {
    throw FormatError(source.place(), "", "holds both CIFAR-10 and CIFAR-100; keep one per folder");
  }
  if (has_ten) return load_files(source, CifarKind::cifar10);
  if (has_hundred) return load_files(source, CifarKind::cifar100);

  // No files: the published archive
  std::vector<CifarKind> archives;
  for (const CifarKind kind : {CifarKind::cifar10, CifarKind::cifar100}) {
    if (source.contains(form_of(kind).archive)) archives.push_back(kind);
  }
  if (archives.size() != 1) {
    const char* why = archives.empty() ? "holds no CIFAR files; " : "holds both archives; ";
    throw FormatError(source.place(), "", std::string(why) + kExpected);
  }
  return load_files(Source(source, form_of(archives[0]).archive), archives[0]);
}

}  // namespace

Dataset parse_cifar(CifarKind kind, std::span<const CifarFile> files) {
  check_value(!files.empty(), "parse_cifar", "needs at least one file");
  const Form& form = form_of(kind);
  const int64_t record = form.label_bytes + kPixels;
  int64_t count = 0;  // N
  for (const CifarFile& file : files) count += count_records(file, record);

  Dataset out;
  out.name = files[0].name;
  out.classes = form.classes;
  out.class_names = numbered_classes(form.classes);
  out.labels = Tensor::empty({count}, DType::i64);  // [N]
  Buffer pixels = Buffer::allocate(count * kPixels);
  int64_t* label = out.labels.mutable_data<int64_t>();
  std::byte* target = pixels.data();
  for (const CifarFile& file : files) {
    for (int64_t at = 0; at < std::ssize(file.bytes); at += record) {
      if (kind == CifarKind::cifar100) check_label(file, at, kCoarseClasses);
      const int64_t place = at + form.label_bytes - 1;
      check_label(file, place, form.classes);
      *label++ = std::to_integer<int64_t>(file.bytes[static_cast<size_t>(place)]);
      std::memcpy(target, file.bytes.data() + place + 1, kPixels);
      target += kPixels;
    }
  }
  out.images = Examples::of_buffer({count, 3, 32, 32}, std::move(pixels), 255);
  return out;
}

Split load_cifar(const std::string& folder) {
  Split out = load_folder(Source(folder));
  for (Dataset* part : {&out.train, &out.test}) part->name = "cifar:" + folder;
  return out;
}

}  // namespace limpid::datasets
