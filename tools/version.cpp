// tools/version.cpp: the one file that sees the generated version header.
#include "tools/version.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/kernels/dispatch.h"
#include "limpid_version.h"

namespace limpid::tools {

std::string version_text() {
  return join_text(
      "limpid ", kVersion, " (", kGitId, ", ", kCompiler, ")\nOpenBLAS ",
      parallel::blas_core_name(), ", oneTBB ", parallel::tbb_version(), ", kernels ",
      kernels::name_of(kernels::instruction_set()));
}

std::string version_number() { return kVersion; }

std::string version_date() { return kDate; }

}  // namespace limpid::tools
