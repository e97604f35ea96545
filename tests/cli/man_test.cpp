// tests/cli/man_test.cpp: limpid man, the manual page: complete, and without complaints.
#include "tests/cli/limpid.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

using namespace limpid;
using namespace limpid::cli;

namespace {

// The part of a page about one command.
std::string entry(const std::string& page, const std::string& command) {
  const std::string title = "\n.SS limpid " + command + "\n";
  const size_t begin = page.find(title);
  INFO("no entry of ", command);
  REQUIRE(begin != std::string::npos);
  return page.substr(begin, page.find("\n.S", begin + title.size()) - begin);
}

std::string troff(std::string text) {
  for (size_t at = text.find('-'); at != std::string::npos; at = text.find('-', at + 2)) {
    text.replace(at, 1, "\\-");
  }
  return text;
}

}  // namespace

TEST_CASE("man: every command and every option of its help is on the page") {
  const TempDir folder;
  const std::string page = succeed(folder, "man").out;
  const std::string common = page.substr(page.find("\n.SH COMMON OPTIONS\n"));
  for (const std::string& name : commands(folder)) {
    INFO(name);
    const std::string help = succeed(folder, name + " --help").out;
    const std::string own = entry(page, name);
    CHECK(contains(own, troff(example_in(help))));
    for (const HelpRow& row : help_rows(help)) {
      const char* font = row.name.starts_with("--") ? "\\fB" : "\\fI";
      const std::string tag = font + troff(row.name) + "\\fR";
      INFO(row.name);
      CHECK((contains(own, tag) || contains(common, tag)));
    }
  }
  for (const char* title : {"NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES"}) {
    INFO(title);
    CHECK(contains(page, std::string("\n.SH ") + title + "\n"));
  }
  for (const char* name : {"LIMPID_DATA", "XDG_CACHE_HOME", "NO_COLOR", "LIMPID_KERNELS"}) {
    INFO(name);
    CHECK(contains(page, name));
  }
}

TEST_CASE("man: mandoc and man have no complaints") {
  const TempDir folder;
  succeed(folder, "man --out limpid.1");
  CHECK(run_json(folder, "man").text("page") == content(folder.file("limpid.1")));
  struct Checker {
    std::string program, line;
  };
  // man says on stderr what troff warns of
  for (const Checker& c :
       {Checker{"mandoc", "mandoc -Tlint -Wwarning limpid.1"},
        Checker{"man", "LC_ALL=C.UTF-8 man --warnings -l limpid.1 >/dev/null"}}) {
    if (!has_program(c.program) || !has_program(c.program == "man" ? "groff" : c.program)) {
      MESSAGE("not tested: no ", c.program, " here");
      continue;
    }
    INFO(c.line);
    const ProcessResult result =
        run_process("/bin/sh", {"-c", c.line}, {.folder = folder.path().string()});
    CHECK(result.status == 0);
    CHECK(result.out == "");
    CHECK(result.err == "");
  }
}
