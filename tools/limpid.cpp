// tools/limpid.cpp: main. The commands stand in files of their own names.
#include "tools/commands.h"
#include "tools/console.h"

#include <utility>

int main(int argc, char** argv) {
  using namespace limpid::tools;
  catch_interrupts();
  std::vector<Command> commands = {
      demo_command(),
      data_list_command(),
      data_info_command(),
      data_get_command(),
      train_command(),
      eval_command(),
      predict_command(),
      layers_command(),
      explain_command(),
      metrics_command(),
      sanity_command(),
      coreset_select_command(),
      coreset_interpret_command(),
      coreset_grow_command(),
      shallow_convert_command(),
      shallow_plot_command(),
      shallow_certify_command(),
      shallow_visited_command(),
      shallow_explain_command(),
      report_command(),
      bench_command()};
  for (Command& command : dsv_commands()) commands.push_back(std::move(command));
  for (Command& command : transport_commands()) commands.push_back(std::move(command));
  return run_commands(commands, argc, argv);
}
