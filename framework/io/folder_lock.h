// framework/io/folder_lock.h: one writer per folder.
#pragma once

#include <string>

namespace limpid {

/// Holds the lock of a folder for a scope. It belongs to the process: the system takes it back
/// however the process ends, and nothing is left in the folder.
class FolderLock {
 public:
  /// Throws Error `path: in use: ...` if another process holds the lock, and if the folder cannot
  /// be opened. File systems without locks are taken as they are.
  explicit FolderLock(const std::string& path);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace limpid
