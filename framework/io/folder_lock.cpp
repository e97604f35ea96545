// framework/io/folder_lock.cpp: flock() on the folder itself.
#include "framework/io/folder_lock.h"

#include "framework/core/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace limpid {

FolderLock::FolderLock(const std::string& path)
    : descriptor_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0) throw Error(path + ": cannot open the folder: " + std::strerror(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  throw Error(path + ": in use: another process is writing there");
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace limpid
