// tests/cli/completion_test.cpp: limpid completion, scripts that shells load and that complete.
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

using namespace limpid;
using namespace limpid::cli;

namespace {

// What bash would offer after these words, the last of which is being typed.
std::vector<std::string> offered(const TempDir& folder, const std::vector<std::string>& typed) {
  const std::string script =
      "source \"$0\" || exit 1\nCOMP_WORDS=(\"$@\")\nCOMP_CWORD=$(($# - 1))\n_limpid\n"
      "for word in \"${COMPREPLY[@]}\"; do echo \"$word\"; done\n";
  std::vector<std::string> arguments = {"bash", "-c", script, folder.file("limpid.bash")};
  arguments.insert(arguments.end(), typed.begin(), typed.end());
  const ProcessResult result = run_process("/usr/bin/env", arguments);
  CHECK(result.err == "");
  CHECK(result.status == 0);
  return lines(result.out);
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("completion: bash completes commands, options and choices") {
  if (!has_program("bash")) {
    MESSAGE("not tested: no bash here");
    return;
  }
  const TempDir folder;
  succeed(folder, "completion bash --out limpid.bash");
  CHECK(offered(folder, {"limpid", "tr"}) == Words{"train", "transport"});
  CHECK(offered(folder, {"limpid", "--v"}) == Words{"--version"});
  CHECK(offered(folder, {"limpid", "data", ""}) == Words{"list", "info", "get", "--help"});
  CHECK(offered(folder, {"limpid", "train", "--opt"}) == Words{"--optimizer"});
  CHECK(offered(folder, {"limpid", "dsv", "extract", "--sol"}) == Words{"--solver"});
  CHECK(offered(folder, {"limpid", "train", "--sol"}).empty());  // not of this command
  CHECK(offered(folder, {"limpid", "eval", "run", "--he"}) == Words{"--help"});

  const Words optimizers = {"sgd", "adam", "adamw", "rmsprop"};
  CHECK(offered(folder, {"limpid", "train", "--optimizer", ""}) == optimizers);
  CHECK(offered(folder, {"limpid", "train", "--optimizer", "="}) == optimizers);
  CHECK(offered(folder, {"limpid", "train", "--optimizer", "=", "ad"}) == Words{"adam", "adamw"});
  CHECK(offered(folder, {"limpid", "completion", ""}) == Words{"bash", "zsh", "fish"});
  CHECK(offered(folder, {"limpid", "data", "info", "digits", "--color", "n"}) == Words{"never"});

  // Nothing of its own where files belong, nothing at all where a number does
  CHECK(offered(folder, {"limpid", "eval", ""}).empty());
  CHECK(offered(folder, {"limpid", "train", "--out", ""}).empty());
  CHECK(offered(folder, {"limpid", "train", "--epochs", ""}).empty());
  CHECK(offered(folder, {"limpid", "nope", ""}).empty());
}

TEST_CASE("completion: zsh and fish read their scripts") {
  const TempDir folder;
  for (const std::string shell : {"zsh", "fish"}) {
    const std::string script = succeed(folder, "completion " + shell).out;
    CHECK(script.find("rmsprop") != std::string::npos);
    if (!has_program(shell)) {
      MESSAGE("not tested: no ", shell, " here");
      continue;
    }
    write(folder.file("script"), script);
    const ProcessResult result =
        run_process("/usr/bin/env", {shell, "--no-execute", folder.file("script")});
    INFO(result.err);
    CHECK(result.status == 0);
    CHECK(result.err == "");
  }
}

TEST_CASE("completion: the script with --json, in a file, and of an unknown shell") {
  const TempDir folder;
  const Json json = run_json(folder, "completion fish");
  const std::string printed = succeed(folder, "completion fish").out;
  CHECK(json.text("shell") == "fish");
  CHECK(json.text("script") == printed);
  CHECK(succeed(folder, "completion fish --out limpid.fish").out == "limpid.fish\n");
  CHECK(content(folder.file("limpid.fish")) == printed);
  check_refused(folder, "completion csh", 2, {"limpid: completion: ", "SHELL", "bash, zsh, fish"});
  check_refused(folder, "completion", 2, {"limpid: completion: ", "SHELL"});
}
