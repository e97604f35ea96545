// datasets/fetch.h: published files, brought to a folder and never trusted without their sum.
//
// A file arrives as FOLDER/NAME.part and gets its name only when its MD5 sum is right. A transfer
// that broke off goes on where it stopped. The transfer itself is left to the program curl, which
// is started without a shell.
#pragma once

#include <functional>
#include <span>
#include <string>

namespace limpid::datasets {

/// A published file.
struct KnownFile {
  std::string name = {};
  std::string md5 = {};
  std::string content_md5 = {};  // of what a .gz file holds; empty: not known
};

struct FetchOptions {
  std::string from = {};        // a folder that has the files already; empty: transfer them
  bool shows_progress = false;  // curl's own bar on stderr
  std::function<void(const std::string& line)> report = {};  // told about every step
};

/// Brings all files to the folder, which is made if need be; files that are there are checked.
/// Files of options.from are copied. There a .gz file may also be packed differently, or lie
/// unpacked beside its name: then the sum of the content decides, if it is known.
/// Throws FormatError for a file whose sum is wrong, naming both sums, and for one that is not in
/// options.from; Error if the sum of a transferred file is wrong, and when curl is missing or
/// fails: what it has brought so far is kept for the next call. Nothing is installed then, and a
/// file that is there stays untouched.
void fetch_files(
    const std::string& address, std::span<const KnownFile> files, const std::string& folder,
    const FetchOptions& options = {});

}  // namespace limpid::datasets
