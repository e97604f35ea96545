// tests/cli/streams_test.cpp: what goes where, terminals, closed streams, locales, odd paths.
#include "framework/io/npy.h"
#include "tests/cli/limpid.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <filesystem>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kSmall = " --epochs 2 --limit-train 100 --limit-test 20";

bool has_escapes(const std::string& text) { return text.find('\033') != std::string::npos; }

}  // namespace

TEST_CASE("streams: results on stdout, notes on stderr, --quiet silences notes alone") {
  const TempDir folder;
  const std::string line = "train --data fashion-2k --model lenet5" + kSmall + " --out ";
  const ProcessResult loud = succeed(folder, line + "a");
  const ProcessResult quiet = succeed(folder, line + "b --quiet");
  CHECK(contains(loud.err, "epoch 2/2"));
  CHECK_FALSE(contains(loud.out, "epoch"));
  CHECK_FALSE(contains(loud.err, "test accuracy"));
  CHECK(quiet.err == "");
  CHECK(quiet.out == replaced(loud.out, " a\n", " b\n"));

  // With --json nothing but the object is on stdout, and the notes stay
  const ProcessResult json = succeed(folder, line + "c --json");
  CHECK(lines(json.out).size() == 1);
  CHECK(contains(json.err, "epoch 2/2"));

  for (const char* command :
       {"eval a", "layers a", "explain a --count 2 --out e", "data list", "data info digits",
        "bench op_overhead_1000adds --reps 1"}) {
    INFO(command);
    const ProcessResult result = succeed(folder, command);
    CHECK(result.out != "");
    CHECK(result.err == "");
    CHECK_FALSE(has_escapes(result.out));
    CHECK(succeed(folder, std::string(command) + " --quiet").out != "");
  }
}

TEST_CASE("streams: colours and the bar on a terminal only, and only if they are wanted") {
  if (!std::filesystem::exists("/dev/pts/ptmx")) {  // as in a root without mounted devices
    MESSAGE("not tested: this system offers no pseudo-terminals");
    return;
  }
  const TempDir folder;
  train(folder, "r", "--data digits --model mlp:8" + kSmall);
  const ProcessOptions terminal{
      .environment = {{"TERM", "xterm"}, {"NO_COLOR", {}}}, .has_terminal = true};
  ProcessOptions no_color = terminal;
  no_color.environment["NO_COLOR"] = "1";
  ProcessOptions dumb = terminal;
  dumb.environment["TERM"] = "dumb";
  CHECK(has_escapes(succeed(folder, "layers r", terminal).out));
  CHECK_FALSE(has_escapes(succeed(folder, "layers r --color never", terminal).out));
  CHECK_FALSE(has_escapes(succeed(folder, "layers r", no_color).out));
  CHECK_FALSE(has_escapes(succeed(folder, "layers r", dumb).out));
  CHECK(has_escapes(succeed(folder, "layers r --color always").out));
  CHECK_FALSE(has_escapes(succeed(folder, "layers r").out));

  // stdout in a file is no terminal, whatever stderr is
  ProcessOptions redirected = terminal;
  redirected.output = folder.file("layers.txt");
  succeed(folder, "layers r", redirected);
  CHECK(contains(content(redirected.output), "fc1"));
  CHECK_FALSE(has_escapes(content(redirected.output)));

  const std::string line = "train --data fashion-2k --model lenet5" + kSmall + " --out ";
  const std::string shown = succeed(folder, line + "a", terminal).out;
  CHECK(contains(shown, "epoch 1/2 [####"));
  CHECK_FALSE(contains(succeed(folder, line + "b --quiet", terminal).out, "[#"));
  CHECK_FALSE(contains(succeed(folder, line + "c").err, "[#"));
}

TEST_CASE("streams: results that cannot be written are a failure (bad input 44)") {
  const TempDir folder;
  train(folder, "r", "--data digits --model mlp:8" + kSmall);
  for (const char* command :
       {"--help", "--version", "train --help", "data list", "eval r", "eval r --json",
        "explain r --count 9 --method gradient --out e"}) {
    INFO(command);
    if (exists("/dev/full")) {
      const ProcessResult full = run(folder, command, {.output = "/dev/full"});
      CHECK(full.status == 1);
      check_one_line(full.err, {"stdout"});
    }
    const ProcessResult closed = run(folder, command, {.closes_output = true});
    CHECK(closed.status == 1);
    check_one_line(closed.err, {"stdout"});
  }
}

TEST_CASE("streams: a reader that goes away ends the program quietly (bad input 43)") {
  const TempDir folder;
  // The shell's status is that of the last command; what limpid says goes to stderr of both
  const std::string line =
      "for i in 1 2 3 4 5; do \"" LIMPID_BINARY "\" train --help; done | head -c 1 > /dev/null";
  const ProcessResult result =
      Process("/bin/sh", {"-c", line}, {.folder = folder.path().string()}).wait();
  CHECK(result.status == 0);
  CHECK_FALSE(contains(result.err, "terminate"));
  CHECK_FALSE(contains(result.err, "what()"));
}

TEST_CASE("streams: nothing that is printed ends up in a file of the results") {
  const TempDir folder;
  const std::string line = "train --data digits --model mlp:8" + kSmall + " --out ";
  succeed(folder, line + "a");
  CHECK(run(folder, line + "b", {.closes_output = true}).status == 1);
  CHECK(run(folder, line + "c", {.closes_errors = true}).status == 0);
  CHECK(run(folder, line + "d", {.closes_output = true, .closes_errors = true}).status == 1);
  for (const char* out : {"b", "c", "d"}) {
    for (const char* file : {"/last.safetensors", "/config.json", "/metrics.jsonl"}) {
      INFO(out, file);
      CHECK(content(folder.file(out + std::string(file))) == content(folder.file("a") + file));
    }
  }
}

TEST_CASE("streams: the locale changes nothing (bad input 45)") {
  const TempDir folder;
  train(folder, "r", "--data digits --model mlp:8" + kSmall);
  for (const char* command : {"eval r", "layers r", "data info digits", "train --help"}) {
    INFO(command);
    const std::string plain = succeed(folder, command, {.environment = {{"LC_ALL", "C"}}}).out;
    for (const char* locale : {"de_DE.UTF-8", "C.UTF-8", "nonsense"}) {
      const ProcessOptions other{.environment = {{"LC_ALL", locale}, {"LANG", locale}}};
      CHECK(succeed(folder, command, other).out == plain);
    }
  }
  const ProcessOptions german{.environment = {{"LC_ALL", "de_DE.UTF-8"}}};
  const ProcessResult result =
      run(folder, "train --data digits --model mlp:8 --lr 0,5 --out s", german);
  CHECK(result.status == 2);
  const std::string json = succeed(folder, "eval r --json", german).out;
  CHECK(
      parse_json(json, "stdout").number("accuracy") ==
      run_json(folder, "eval r").number("accuracy"));
}

TEST_CASE("streams: paths with spaces, UTF-8 and a line break (bad input 45)") {
  const TempDir folder;
  for (const std::string& name :
       {std::string("two words"),
        std::string("gr\xC3\xB6\xC3\x9F"
                    "e"),
        std::string("a\nb")}) {
    INFO(name);
    const auto go = [&](const std::vector<std::string>& arguments) {
      const ProcessResult result = run_words(folder, arguments);
      INFO(result.err);
      CHECK(result.status == 0);
      return result.out;
    };
    go({"train", "--quiet", "--data", "digits", "--model", "mlp:8", "--epochs", "1",
        "--limit-train", "50", "--out", name + "/run"});
    go({"eval", name + "/run"});
    save_npy(folder.file("x.npy"), Tensor::zeros({1, 8, 8}));
    go({"predict", name + "/run", "--input", "x.npy", "--out", name + "/y.npy"});
    CHECK(load_npy(folder.file(name + "/y.npy")).shape() == Shape{1, 10});
    const std::string out =
        go({"explain", name + "/run", "--count", "1", "--json", "--method", "gradient", "--out",
            name + "/maps"});
    const Json result = parse_json(out, "stdout");
    CHECK(exists(folder.file(result.at("maps").items().at(0).text("png"))));

    // An error stays on one line
    const ProcessResult error = run_words(folder, {"eval", name});
    CHECK(error.status == 2);
    check_one_line(error.err, {"no run folder"});
  }
}

TEST_CASE("streams: a working folder that is gone (bad input 45)") {
  const TempDir folder;
  const std::string gone = folder.file("gone");
  std::filesystem::create_directory(gone);
  // The shell removes its own folder, then becomes limpid
  const ProcessResult result = run_process(
      "/bin/sh",
      {"-c", "rmdir ../gone && exec " LIMPID_BINARY " train --data digits --model mlp:8 --out r"},
      {.folder = gone});
  CHECK(result.status == 1);
  check_one_line(lines(result.err).back() + "\n", {"limpid: train: r"});
}
