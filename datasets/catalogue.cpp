// datasets/catalogue.cpp: the known data sets and how each one is loaded.
#include "datasets/catalogue.h"

#include "datasets/cifar.h"
#include "datasets/csv.h"
#include "datasets/embedded.h"
#include "datasets/idx.h"
#include "datasets/image_folder.h"
#include "datasets/npy_pair.h"
#include "datasets/photographs.h"
#include "datasets/synthetic.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/core/text.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace limpid::datasets {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSyntheticTrain = 2000, kSyntheticTest = 500;
constexpr uint64_t kTrainSeed = 0, kTestSeed = 1;  // of synthetic data
constexpr double kMoonsNoise = 0.15;
constexpr int64_t kGaussians = 4;
constexpr double kGaussiansDeviation = 0.3;  // the nearest centre is right for 98.2 %
constexpr double kRollNoise = 0.5;           // neighbouring turns are 6.3 apart
constexpr const char* kDebianFashion = "/usr/share/datasets/fashion-mnist";  // the Debian package

// Sums of a file: as published, and of what it holds.
struct Sums {
  std::string packed = {}, content = {};
};

// The four files of the MNIST family, given their sums.
std::vector<KnownFile> idx_files(
    const Sums& train_images, const Sums& train_labels, const Sums& test_images,
    const Sums& test_labels) {
  return {
      {"train-images-idx3-ubyte.gz", train_images.packed, train_images.content},
      {"train-labels-idx1-ubyte.gz", train_labels.packed, train_labels.content},
      {"t10k-images-idx3-ubyte.gz", test_images.packed, test_images.content},
      {"t10k-labels-idx1-ubyte.gz", test_labels.packed, test_labels.content}};
}

Known cifar(
    const std::string& name, int64_t classes, const std::string& archive, const std::string& md5) {
  return {
      .name = name,
      .what = join_text("photographs of ", classes, " kinds of things"),
      .shape = "[3, 32, 32]",
      .classes = classes,
      .train = 50000,
      .test = 10000,
      .licence = "none stated, for research; Krizhevsky 2009",
      .address = "https://www.cs.toronto.edu/~kriz/",
      .files = {{.name = archive, .md5 = md5}}};
}

std::vector<Known> make_catalogue() {
  return {
      {.name = "digits",
       .what = "UCI optical digits, embedded",
       .shape = "[1, 8, 8]",
       .classes = 10,
       .train = 1797,
       .licence = "CC BY 4.0; Alpaydin and Kaynak 1998"},
      {.name = "fashion-2k",
       .what = "class-balanced cut of Fashion-MNIST, embedded",
       .shape = "[1, 28, 28]",
       .classes = 10,
       .train = 2000,
       .test = 500,
       .licence = "MIT; Xiao, Rasul, Vollgraf 2017"},
      {.name = "moons",
       .what = "two interleaved half circles, synthetic",
       .shape = "[2]",
       .classes = 2,
       .train = kSyntheticTrain,
       .test = kSyntheticTest,
       .licence = "generated"},
      {.name = "gaussians",
       .what = "four round clusters, synthetic",
       .shape = "[2]",
       .classes = kGaussians,
       .train = kSyntheticTrain,
       .test = kSyntheticTest,
       .licence = "generated"},
      {.name = "swiss-roll",
       .what = "a rolled-up sheet cut into four, synthetic",
       .shape = "[3]",
       .classes = 4,
       .train = kSyntheticTrain,
       .test = kSyntheticTest,
       .licence = "generated"},
      {.name = "shapes",
       .what = "coloured shapes with object masks, synthetic",
       .shape = "[3, 32, 32]",
       .classes = 4,
       .train = kSyntheticTrain,
       .test = kSyntheticTest,
       .licence = "generated"},
      {.name = "mnist",
       .what = "handwritten digits",
       .shape = "[1, 28, 28]",
       .classes = 10,
       .train = 60000,
       .test = 10000,
       .licence = "CC BY-SA 3.0 by common statement; LeCun, Cortes, Burges",
       .address = "https://ossci-datasets.s3.amazonaws.com/mnist/",
       .files = idx_files(
           {"f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"},
           {"d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"},
           {"9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"},
           {"ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"})},
      {.name = "fashion-mnist",
       .what = "articles of clothing",
       .shape = "[1, 28, 28]",
       .classes = 10,
       .train = 60000,
       .test = 10000,
       .licence = "MIT; Xiao, Rasul, Vollgraf 2017",
       .address = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
       .files = idx_files(
           {"8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"},
           {"25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"},
           {"bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"},
           {"bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"})},
      {.name = "kmnist",
       .what = "cursive Japanese characters (Kuzushiji-MNIST)",
       .shape = "[1, 28, 28]",
       .classes = 10,
       .train = 60000,
       .test = 10000,
       .licence = "CC BY-SA 4.0; Clanuwat et al. 2018",
       .address = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
       .files = idx_files(
           {.packed = "bdb82020997e1d708af4cf47b453dcf7"},
           {.packed = "e144d726b3acfaa3e44228e80efcd344"},
           {.packed = "5c965bf0a639b31b8f53240b1b52f4d7"},
           {.packed = "7320c461ea6c1c855c0b718fb2a4b134"})},
      cifar("cifar10", 10, "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
      cifar("cifar100", 100, "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
      {.name = "idx:FOLDER",
       .what = "a folder of IDX files, plain or .gz",
       .shape = "[1, H, W]",
       .licence = "yours"},
      {.name = "cifar:FOLDER",
       .what = "a folder of CIFAR's binary files, plain or .gz, or the published archive",
       .shape = "[3, 32, 32]",
       .licence = "yours"},
      {.name = "images:FOLDER",
       .what = "pictures in one folder per class, or in train/CLASS and test/CLASS",
       .shape = "[C, H, W]",
       .licence = "yours"},
      {.name = "csv:FILE",
       .what = "a table, one column of which is the label",
       .shape = "[D]",
       .licence = "yours"},
      {.name = "npy:X.npy,y.npy",
       .what = "two arrays: inputs, and labels or targets",
       .shape = "[D] or [C, H, W]",
       .licence = "yours"},
  };
}

bool is_cifar(const Known& known) { return known.name.starts_with("cifar"); }

// The parts of a set in its folder, with the names of the classes.
Split load_folder(const Known& known, const std::string& folder) {
  Split out = is_cifar(known) ? load_cifar(folder) : load_idx(folder, {.classes = known.classes});
  if (out.train.classes != known.classes) {
    throw FormatError(
        folder, "", join_text("holds ", out.train.classes, " classes, not ", known.classes));
  }
  for (Dataset* part : {&out.train, &out.test}) {
    part->name = known.name;
    if (known.name == "fashion-mnist") part->class_names = fashion_class_names();
    if (known.name == "kmnist") {
      part->class_names = {"o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"};
    }
  }
  return out;
}

// What should be in the folder of a set, and how to get it.
std::string expectation(const Known& known) {
  std::string text = "expected ";
  for (const KnownFile& file : known.files) {
    text += file.name + " (MD5 " + file.md5 + "), ";
  }
  const char* forms = is_cifar(known) ? "or the files in it" : "each plain or .gz";
  return text + forms + "; get them with: limpid data get " + known.name;
}

// DATA_DIR/NAME.
fs::path own_folder(const Known& known, const std::string& data_dir) {
  return fs::path(data_dir.empty() ? default_data_dir() : data_dir) / known.name;
}

Split load_known(const Known& known, const std::string& data_dir) {
  const std::string folder = find_folder(known, data_dir);
  if (folder.empty()) {
    throw FormatError(
        own_folder(known, data_dir).string(), "", "no such folder; " + expectation(known));
  }
  try {
    return load_folder(known, folder);
  } catch (const FormatError& error) {
    throw FormatError(known.name, "", join_text(error.what(), "; ", expectation(known)));
  }
}

// What follows the prefix, if the specification begins with it.
std::optional<std::string> path_after(std::string_view prefix, const std::string& spec) {
  if (!spec.starts_with(prefix)) return std::nullopt;
  check_value(
      spec.size() > prefix.size(), "data", prefix, " needs a path, as in ", prefix, "path/to/it");
  return spec.substr(prefix.size());
}

// Class numbers as targets.
void become_targets(Dataset& part) {
  if (part.is_empty() || part.is_regression()) return;
  Tensor targets = Tensor::empty(part.labels.shape());  // [N]
  targets.assign(part.labels);
  part.labels = targets;
  part.classes = 0;
  part.class_names.clear();
}

// Pictures scaled and cut to one size, if the options name one.
ImageFolderOptions picture_options(const LoadOptions& options) {
  if (options.resize == 0) return {};
  const int64_t shorter_side = options.resize;
  return {
      .side = options.crop > 0 ? options.crop : options.resize,
      .resize = [shorter_side](const Image& image, int64_t side) {
        return centre_crop(resize_shorter_side(image, shorter_side), side, side);
      }};
}

// A set as its source has it; the test part may be empty.
Split load_whole(const std::string& spec, const LoadOptions& options) {
  if (const auto folder = path_after("idx:", spec)) return load_idx(*folder);
  if (const auto folder = path_after("cifar:", spec)) return load_cifar(*folder);
  if (const auto folder = path_after("images:", spec)) {
    return load_image_folder(*folder, picture_options(options));
  }
  if (const auto files = path_after("npy:", spec)) return {.train = load_npy_pair(*files)};
  if (const auto file = path_after("csv:", spec)) {
    return {
        .train = load_csv(
            *file, {.label = options.label_column, .is_regression = options.is_regression})};
  }
  if (spec == "digits") return {.train = digits()};
  if (spec == "fashion-2k") return fashion_2k();
  if (spec == "moons") {
    return {
        .train = moons(kSyntheticTrain, kMoonsNoise, Rng(kTrainSeed)),
        .test = moons(kSyntheticTest, kMoonsNoise, Rng(kTestSeed))};
  }
  if (spec == "gaussians") {
    return {
        .train = gaussians(kSyntheticTrain, kGaussians, kGaussiansDeviation, Rng(kTrainSeed)),
        .test = gaussians(kSyntheticTest, kGaussians, kGaussiansDeviation, Rng(kTestSeed))};
  }
  if (spec == "swiss-roll") {
    return {
        .train = swiss_roll(kSyntheticTrain, kRollNoise, Rng(kTrainSeed)),
        .test = swiss_roll(kSyntheticTest, kRollNoise, Rng(kTestSeed))};
  }
  if (spec == "shapes") {
    return {
        .train = shapes(kSyntheticTrain, Rng(kTrainSeed)),
        .test = shapes(kSyntheticTest, Rng(kTestSeed))};
  }
  const Known* known = find_known(spec);
  if (known != nullptr && !known->files.empty()) return load_known(*known, options.data_dir);

  raise<ValueError>(
      "data", "unknown data set ", spec, "; known are ", joined(catalogue(), ", ", &Known::name));
}

}  // namespace

Split load(const std::string& spec, const LoadOptions& options) {
  check_value(
      options.limit_train >= 0 && options.limit_test >= 0, "data",
      "limits must not be negative, got ", options.limit_train, " and ", options.limit_test);
  Split out = load_whole(spec, options);
  if (options.is_regression) {
    become_targets(out.train);
    become_targets(out.test);
  }
  if (out.test.is_empty()) {
    Split parts = stratified_split(out.train, options.test_fraction, options.split_seed);
    parts.passed_over = std::move(out.passed_over);
    out = std::move(parts);
  }
  if (options.limit_train > 0) out.train = limit_balanced(out.train, options.limit_train);
  if (options.limit_test > 0) out.test = limit_balanced(out.test, options.limit_test);
  return out;
}

const std::vector<Known>& catalogue() {
  static const std::vector<Known> known = make_catalogue();
  return known;
}

const Known* find_known(const std::string& name) {
  const auto& all = catalogue();
  const auto at = std::ranges::find(all, name, &Known::name);
  return at == all.end() ? nullptr : &*at;
}

std::string find_folder(const Known& known, const std::string& data_dir) {
  const fs::path own = own_folder(known, data_dir);
  std::error_code ignored;
  if (fs::is_directory(own, ignored)) return own.string();
  const bool has_package =
      known.name == "fashion-mnist" && fs::is_directory(kDebianFashion, ignored);
  return has_package ? kDebianFashion : "";
}

std::string default_data_dir() {
  const auto variable = [](const char* name) -> fs::path {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const fs::path own = variable("LIMPID_DATA"); !own.empty()) return own.string();
  if (const fs::path cache = variable("XDG_CACHE_HOME"); cache.is_absolute()) {
    return (cache / "limpid").string();
  }
  if (const fs::path home = variable("HOME"); !home.empty()) {
    return (home / ".cache" / "limpid").string();
  }
  raise<Error>("data", "no data folder: none of LIMPID_DATA, XDG_CACHE_HOME and HOME is set");
}

}  // namespace limpid::datasets
