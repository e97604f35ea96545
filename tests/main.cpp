// tests/main.cpp: doctest's main, after one line on what the tests run on.
#include "framework/core/parallel.h"
#include "framework/kernels/dispatch.h"

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

int main(int argc, char** argv) {
  std::printf(
      "kernels %s, BLAS %s, threads %d\n",
      limpid::kernels::name_of(limpid::kernels::instruction_set()),
      limpid::parallel::blas_core_name(), limpid::parallel::threads());
  return doctest::Context(argc, argv).run();
}
