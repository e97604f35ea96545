// framework/core/ranks.h: several processes, on one machine or many, that work on one thing.
//
// `mpirun -np N limpid ...` starts N ranks, numbered from 0. Each does a share of the work that
// depends on its number alone; sums run in rank order, never in the order of arrival, so a run
// with N ranks gives the same bits every time and on every rank. Rank 0 alone writes files.
// Without LIMPID_MPI, and without a launcher, there is one rank, and everything here is trivial.
// All functions are for the main thread; every rank must call them in the same order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace limpid::ranks {

/// Ranks in all, and the number of this one.
int count();
int mine();
inline bool is_first() { return mine() == 0; }
/// Ranks on the machine of this one, itself included.
int on_this_machine();

/// Entries begin ... end-1 of `of` entries; no share at all if `of` is 0.
struct Share {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t of = 0;

  int64_t size() const { return end - begin; }
};
/// Piece `part` of n entries cut into `parts` neighbouring pieces whose sizes differ by at most 1,
/// in order. Throws ValueError unless 0 <= part < parts and n >= 0.
Share share(int64_t n, int part, int parts);

/// Each value becomes its sum over all ranks, added up in double in rank order.
void sum(std::span<float> values);
void sum(std::span<double> values);

/// The bytes of every rank, in rank order, on every rank, whatever their size.
std::vector<std::vector<std::byte>> gather(std::span<const std::byte> own);

/// True on every rank if it is true on one.
bool any(bool own);
/// What rank 0 says, on every rank.
bool from_first(bool own);

// ---- Beginning and end, for main ----

/// Called on a thread of its own when another rank of this machine is gone without a word; the
/// process ends soon after. Exactly one rank is told of each.
using LostRank = std::function<void(int rank)>;

/// Joins the other ranks, if a launcher has started this process as one of several.
void join(LostRank lost);
/// Waits for the others to end as well; true if all end with this status. A rank that failed
/// (status other than 0) waits for some seconds at most, since the others may need it to go on.
bool leave(int status);
/// Ends all ranks: this one has failed and the others cannot go on without it.
[[noreturn]] void abandon(int status);

}  // namespace limpid::ranks
