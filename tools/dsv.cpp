// tools/dsv.cpp: the commands of limpid dsv, one file each: dsv_extract.cpp and its neighbours.
#include "tools/commands.h"

namespace limpid::tools {

std::vector<Command> dsv_commands() {
  return {dsv_extract_command(),  dsv_synthesize_command(), dsv_retrain_command(),
          dsv_generate_command(), dsv_edit_command(),       dsv_audit_command()};
}

}  // namespace limpid::tools
