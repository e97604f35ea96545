// datasets/image_folder.cpp: folders to classes, pictures to planes of bytes.
#include "datasets/image_folder.h"

#include "framework/core/error.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace limpid::datasets {
namespace {

namespace fs = std::filesystem;

struct Picture {
  std::string path;
  int64_t label = 0;
  Image image;
};
using Part = std::vector<Picture>;
using Paths = std::vector<std::string>;

// What a folder holds, sorted by name, without hidden files.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != end(entry);
       entry.increment(error)) {
    if (!entry->path().filename().string().starts_with('.')) entries.push_back(entry->path());
  }
  if (error) throw FormatError(folder.string(), "", "cannot read folder: " + error.message());
  std::ranges::sort(entries, {}, [](const fs::path& path) { return path.filename().string(); });
  return entries;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// Whether the name says that the file is a picture, of a kind that is read or not.
bool is_named_as_picture(const fs::path& file) {
  constexpr std::array kEndings = {".png", ".jpg", ".jpeg", ".bmp",  ".pgm",  ".ppm", ".pnm",
                                   ".gif", ".tif", ".tiff", ".webp", ".heic", ".avif"};
  std::string ending = file.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::ranges::find(kEndings, std::string_view(ending)) != kEndings.end();
}

// The names of the folders in a folder, beside which no picture may lie.
std::vector<std::string> folders_in(const fs::path& folder, Paths& strays) {
  std::vector<std::string> names;
  for (const fs::path& entry : entries_of(folder)) {
    if (is_folder(entry)) {
      names.push_back(entry.filename().string());
    } else if (!is_picture_file(entry.string())) {
      strays.push_back(entry.string());
    } else {
      throw FormatError(entry.string(), "", "not a folder; expected one folder per class");
    }
  }
  return names;
}

// RGB without alpha, or grey without it.
Image without_alpha(Image image) {
  if (image.channels % 2 == 1) return image;
  const int64_t kept = image.channels - 1;
  auto to = image.pixels.begin();
  for (auto from = image.pixels.begin(); from != image.pixels.end(); from += kept + 1) {
    to = std::copy_n(from, kept, to);
  }
  image.pixels.erase(to, image.pixels.end());
  image.channels = kept;
  return image;
}

// Refuses the pictures that could not be read: why for the first, by name for the others.
void check_damage(const Paths& files, const std::string& first_error) {
  constexpr size_t kNamed = 20;
  if (files.empty()) return;
  std::string others;
  for (size_t i = 1; i < std::min(files.size(), kNamed); ++i) {
    others += (i == 1 ? "; also refused: " : ", ") + files[i];
  }
  if (files.size() > kNamed) others += join_text(" and ", files.size() - kNamed, " more");
  throw FormatError(files[0], "", first_error.substr(files[0].size() + 2) + others);
}

// All pictures of the classes in their size.
Part read_part(const fs::path& folder, const std::vector<std::string>& classes, Paths& strays) {
  Part part;
  Paths damaged;
  std::string first_error;
  for (size_t k = 0; k < classes.size(); ++k) {
    if (!is_folder(folder / classes[k])) continue;  // a class that the test part lacks
    for (const fs::path& file : entries_of(folder / classes[k])) {
      const std::string path = file.string();
      if (!is_folder(file) && !is_picture_file(path)) {
        strays.push_back(path);
        continue;
      }
      try {
        const auto label = static_cast<int64_t>(k);
        part.push_back({.path = path, .label = label, .image = without_alpha(load_image(path))});
      } catch (const FormatError& error) {
        if (damaged.empty()) first_error = error.what();
        damaged.push_back(path);
      }
    }
  }
  check_damage(damaged, first_error);
  return part;
}

std::string size_text(const Image& image) {
  return join_text(image.width, " x ", image.height, " pixels");
}

// Brings all pictures to one size, or checks that they have it.
void unite_sizes(Part& part, const Picture& first, const ImageFolderOptions& options) {
  for (Picture& picture : part) {
    Image& image = picture.image;
    const bool is_given = options.side > 0;
    const int64_t width = is_given ? options.side : first.image.width;
    const int64_t height = is_given ? options.side : first.image.height;
    if (is_given && options.resize) image = options.resize(image, options.side);
    if (image.width == width && image.height == height) continue;
    const std::string other = is_given ? join_text(width, " x ", height, " pixels were asked for")
                                       : join_text(first.path, " has ", size_text(first.image));
    throw FormatError(
        picture.path, "",
        "has " + size_text(image) + " but " + other +
            "; all pictures need the same size (--resize N scales and cuts them)");
  }
}

bool is_coloured(const Part& part) {
  return std::ranges::any_of(part, [](const Picture& p) { return p.image.channels == 3; });
}

// From [H, W, channels] to planes [C, H, W]. Grey becomes three equal planes.
void write_planes(const Image& image, int64_t channels, std::byte* out) {
  const int64_t pixels = image.width * image.height;
  const int64_t stored = image.channels;
  for (int64_t c = 0; c < channels; ++c) {
    const int64_t from = stored == 3 ? c : 0;
    for (int64_t i = 0; i < pixels; ++i) {
      *out++ = std::byte{image.pixels[static_cast<size_t>(i * stored + from)]};
    }
  }
}

Dataset assemble(Part part, int64_t channels, const std::vector<std::string>& classes) {
  const int64_t height = part[0].image.height, width = part[0].image.width;
  const Shape shape = {std::ssize(part), channels, height, width};  // [N, C, H, W]
  Dataset out;
  out.classes = std::ssize(classes);
  out.class_names = classes;
  out.labels = Tensor::empty({shape[0]}, DType::i64);  // [N]
  Buffer planes = Buffer::allocate(shape.numel());
  int64_t* label = out.labels.mutable_data<int64_t>();
  std::byte* target = planes.data();
  for (Picture& picture : part) {
    *label++ = picture.label;
    out.files.push_back(picture.path);
    write_planes(picture.image, channels, target);
    target += channels * height * width;
    picture.image = {};  // the set is in memory once
  }
  out.images = Examples::of_buffer(shape, std::move(planes), 255);
  return out;
}

// Every class of the training part has a picture, and no other class is tested.
void check_classes(
    const fs::path& folder, const std::vector<std::string>& classes, const Part& train,
    const std::vector<std::string>& tested) {
  if (classes.empty()) throw FormatError(folder.string(), "", "holds no folders of pictures");
  for (size_t k = 0; k < classes.size(); ++k) {
    if (std::ranges::find(train, static_cast<int64_t>(k), &Picture::label) == train.end()) {
      throw FormatError((folder / classes[k]).string(), "", "holds no pictures");
    }
  }
  for (const std::string& name : tested) {
    if (std::ranges::find(classes, name) == classes.end()) {
      throw FormatError(
          folder.string(), "", join_text("test/", name, " is a class that train does not have"));
    }
  }
}

}  // namespace

bool is_picture_file(const std::string& path) {
  if (is_named_as_picture(path)) return true;
  std::array<char, 16> first = {};
  std::ifstream(path, std::ios::binary).read(first.data(), first.size());
  return is_image(std::as_bytes(std::span(first)));
}

Split load_image_folder(const std::string& folder, const ImageFolderOptions& options) {
  check_value(
      options.side >= 0 && options.side <= kMaxImageSide, "images", "side must be 1 to ",
      kMaxImageSide, " pixels, got ", options.side);
  const fs::path root = folder;
  Paths strays;
  const bool is_parted = is_folder(root / "train");
  if (is_parted) {
    for (const fs::path& entry : entries_of(root)) {
      const std::string name = entry.filename().string();
      if (is_folder(entry) && (name == "train" || name == "test")) continue;
      if (!is_folder(entry) && !is_picture_file(entry.string())) {
        strays.push_back(entry.string());
        continue;
      }
      throw FormatError(entry.string(), "", "expected nothing but train and test here");
    }
  }

  // Read both parts
  const fs::path training = is_parted ? root / "train" : root;
  const std::vector<std::string> classes = folders_in(training, strays);
  Part train = read_part(training, classes, strays);
  Part test;
  std::vector<std::string> tested;
  if (is_parted && is_folder(root / "test")) {
    tested = folders_in(root / "test", strays);
    test = read_part(root / "test", classes, strays);
    if (test.empty()) throw FormatError((root / "test").string(), "", "holds no pictures");
  }
  check_classes(is_parted ? root / "train" : root, classes, train, tested);

  // Size and colour are decided over the whole set
  const Picture first = train[0];
  unite_sizes(train, first, options);
  unite_sizes(test, first, options);
  const int64_t channels = is_coloured(train) || is_coloured(test) ? 3 : 1;
  Split out{.train = assemble(std::move(train), channels, classes)};
  out.train.name = "images:" + folder;
  if (!test.empty()) {
    out.test = assemble(std::move(test), channels, classes);
    out.test.name = out.train.name;
  }
  out.passed_over = std::move(strays);
  return out;
}

}  // namespace limpid::datasets
