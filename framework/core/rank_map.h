// framework/core/rank_map.h: independent pieces of work, shared out over ranks and threads.
#pragma once

#include "framework/core/pack.h"
#include "framework/core/parallel.h"
#include "framework/core/ranks.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace limpid::ranks {

/// f(0), ..., f(n - 1) on every rank, each with the bits that one process gives it. Rank r of R
/// computes those of r, r + R, r + 2 R, ... on its threads, for few and large pieces of work; then
/// every rank is sent the others'. T is packed by core/pack.h. f must not send messages itself; if
/// it throws on one rank, that rank fails and the run ends.
template <class T, class F>
std::vector<T> map(int64_t n, const F& f) {
  const int64_t R = count();
  const auto for_those_of = [n, R](int64_t rank, const auto& use) {
    for (int64_t i = rank; i < n; i += R) use(static_cast<size_t>(i));
  };
  std::vector<T> results(static_cast<size_t>(n));
  std::vector<size_t> own;
  for_those_of(mine(), [&](size_t i) { own.push_back(i); });
  parallel::for_each(std::ssize(own), [&](int64_t k) {
    const size_t i = own[static_cast<size_t>(k)];
    results[i] = f(static_cast<int64_t>(i));
  });
  if (R == 1) return results;

  Packer packer;
  for (const size_t i : own) packer(results[i]);
  const std::vector<std::vector<std::byte>> all = gather(packer.bytes());
  for (int64_t r = 0; r < R; ++r) {
    if (r == mine()) continue;
    Unpacker unpacker(all[static_cast<size_t>(r)]);
    for_those_of(r, [&](size_t i) { unpacker(results[i]); });
  }
  return results;
}

}  // namespace limpid::ranks
