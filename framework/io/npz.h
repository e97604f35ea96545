// framework/io/npz.h: several named arrays in one file, as numpy.savez writes them.
//
// Layout: a zip archive (zip.h) whose members are .npy files (npy.h).
#pragma once

#include "framework/tensor/tensor.h"

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace limpid {

/// The arrays by name, without ".npy"; a name is never used as a path. Stored and deflated members
/// are read. Each array takes as much memory as its own header says, checked before anything that
/// large is inflated. Throws FormatError as parse_zip, zip_content and read_npy do, and for a
/// member that is no .npy file.
std::map<std::string, Tensor> read_npz(std::span<const std::byte> bytes, const std::string& name);
std::map<std::string, Tensor> load_npz(const std::string& path);

/// An archive of stored members: the same bytes for the same arrays. Throws as zip_bytes does.
std::vector<std::byte> npz_bytes(const std::map<std::string, Tensor>& arrays);
/// Writes atomically, see files.h.
void save_npz(const std::string& path, const std::map<std::string, Tensor>& arrays);

}  // namespace limpid
