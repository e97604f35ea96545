// tools/limpid.cpp: main. The commands stand in files of their own names.
#include "tools/commands.h"
#include "tools/console.h"

#include <fcntl.h>
#include <unistd.h>

namespace {

// A file that is opened later must not get the number of a closed standard stream: what is printed
// would end up in it. Reading from the stand-in and writing to it fails.
void occupy_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) == -1)
      open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace limpid::tools;
  occupy_standard_streams();
  catch_interrupts();
  return run_commands(
      {demo_command(), data_list_command(), data_info_command(), train_command(), eval_command(),
       predict_command(), layers_command(), explain_command(), bench_command()},
      argc, argv);
}
