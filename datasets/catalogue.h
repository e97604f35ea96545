// datasets/catalogue.h: from the name of a data set to its examples.
//
// This is the only place that knows the names of DATA on the command line:
//   embedded          digits, fashion-2k
//   synthetic         moons, gaussians, swiss-roll, shapes
//   a path            idx:FOLDER, cifar:FOLDER, images:FOLDER, csv:FILE,
//                     npy:X.npy,y.npy
//   the data folder   mnist, fashion-mnist, kmnist: four IDX files in DATA_DIR/NAME
//                     cifar10, cifar100: the published archive there, or what it holds
// Synthetic sets are constants like the others: the training part is drawn with seed 0, the test
// part with seed 1, whatever the seed of the run; 2,000 + 500 examples, moons with
// noise 0.15, four gaussians with deviation 0.3, swiss-roll with noise 0.5.
#pragma once

#include "datasets/dataset.h"
#include "datasets/fetch.h"

#include <cstdint>
#include <string>
#include <vector>

namespace limpid::datasets {

struct LoadOptions {
  std::string data_dir = {};   // empty: default_data_dir()
  double test_fraction = 0.2;  // for a set without a test part of its own, split stratified
  uint64_t split_seed = 0;     // of that split
  int64_t limit_train = 0;     // class-balanced cuts, see limit_balanced; 0: everything
  int64_t limit_test = 0;
  std::string label_column = {};  // of a table, see CsvOptions
  int64_t resize = 0;             // of images:FOLDER: shorter side in pixels; 0: as they are
  int64_t crop = 0;               // then cut out of the middle; 0: a square of that side
  bool is_regression = false;     // labels are wanted as numbers; classes 0, 1, ... become them
};

/// The set that `spec` names, in two parts. Throws ValueError for an unknown name, listing the
/// known ones, and for options out of range; FormatError for files that are missing (listing
/// what is expected) or damaged.
Split load(const std::string& spec, const LoadOptions& options = {});

/// One line of `limpid data list`.
struct Known {
  std::string name = {};
  std::string what = {};
  std::string shape = {};       // of one example, as text: "[1, 28, 28]"
  int64_t classes = 0;          // 0: depends on the files
  int64_t train = 0, test = 0;  // examples; test 0: split off the training part
  std::string licence = {};
  std::string address = {};           // folder the files were published in; empty: nothing to get
  std::vector<KnownFile> files = {};  // as published, below that address
};

/// Everything that load() knows, in the order in which it is listed.
const std::vector<Known>& catalogue();

/// The entry of this name, or nullptr.
const Known* find_known(const std::string& name);

/// The folder that holds the files of a set: DATA_DIR/NAME, or for fashion-mnist that of the Debian
/// package dataset-fashion-mnist; empty if there is neither.
std::string find_folder(const Known& known, const std::string& data_dir);

/// The data folder: LIMPID_DATA, else $XDG_CACHE_HOME/limpid, else ~/.cache/limpid. Empty
/// variables count as unset, and so does a relative XDG_CACHE_HOME, as its specification asks.
/// Throws Error if none is set.
std::string default_data_dir();

}  // namespace limpid::datasets
