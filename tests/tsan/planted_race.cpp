// tests/tsan/planted_race.cpp: a program with a race, which ThreadSanitizer must report.
//
// It shows that a silent run of the unit tests means something: the blocks do run on several
// threads, and nothing between limpid and ThreadSanitizer hides what they do.
#include "framework/core/parallel.h"

#include <cstdint>
#include <cstdio>

int main() {
  const limpid::parallel::ThreadLimit limit(4);
  int64_t counter = 0;
  limpid::parallel::for_blocks(1000, 1, [&](int64_t begin, int64_t end) {
    counter += end - begin;  // the race: all blocks add to one number
  });
  std::printf("counted %lld of 1000, and no race was reported\n", static_cast<long long>(counter));
}
