// framework/core/ranks_messages.h: the messages behind ranks.cpp, and included by nothing else.
//
// Two files define these functions; CMake's LIMPID_MPI picks one: ranks_mpi.cpp, the only file that
// knows MPI, or ranks_alone.cpp.
#pragma once

#include "framework/core/ranks.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace limpid::ranks::messages {

struct Place {
  int mine = 0;
  int count = 1;
  int on_this_machine = 1;
};
const Place& place();

/// Sends `own` to every rank; `all` gets sizes[r] bytes of each rank r, one after the other.
/// sizes[mine] is the size of `own`. Throws Error.
void gather(std::span<const std::byte> own, std::span<const int64_t> sizes, std::byte* all);

/// Sends to_sizes[r] bytes of `to` to each rank r; `from` gets from_sizes[r] bytes of each. Throws
/// Error.
void exchange(
    const std::byte* to, std::span<const int64_t> to_sizes, std::byte* from,
    std::span<const int64_t> from_sizes);

}  // namespace limpid::ranks::messages
