#!/usr/bin/env python3
# tools/reproduce/figures.py: every number in README has its source, and every command in it exists.
#
#     python3 tools/reproduce/figures.py
#     ctest -R reproduce.figures
#
# The sources stand in the tables of README.md beside this file, whose first column quotes README.
# A number of README's text that no quotation holds is an error. Not looked at are code, what stands
# between marks (`<!-- gradients: begin -->`, see predictions.py), years, addresses at arXiv, numerals
# of lists, and digits that belong to a name or a shape: ResNet-8, 28x28, R^2.
#
# A figure from a stored result has to be what is stored, rounded to the digits that it shows. Of
# commands it is checked that program, subcommands, options, targets, parts, tests and benchmarks
# exist: what has a --help is started with it.
import functools
import glob
import json
import os
import re
import shlex
import subprocess
import sys

from predictions import BUILD, HERE, LIMPID, README, mean, read

ROOT = os.path.normpath(os.path.join(HERE, "../.."))
SOURCES = os.path.join(HERE, "README.md")
BENCHMARKS = os.path.join(ROOT, "tests/bench/README.md")
NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?<!,)"
OF_MPIRUN = {"--allow-run-as-root", "--oversubscribe"}
# In this order: what is passed over comes before what would be found in it
TOKEN = re.compile(
    r"(?P<no_figure>`[^`]*`|\b(?:19|20)\d\d\b(?!,\d)|\b\d{4}\.\d{5}\b|(?<=[.:*] )\d\. (?=[A-Z])"
    r"|[A-Za-z](?:[\w^]|\+\+)*(?:-\w+)*|\d+[x^]\w+|\d+(?:-\d+){2,})"
    rf"|(?P<figure>{NUMBER})")


def plain(text):
    """Text without code blocks, generated parts and numerals of lists, in one line."""
    text = re.sub(r"(?ms)^```.*?^```$", "", text)
    text = re.sub(r"(?s)<!-- (\w+): begin -->.*?<!-- \1: end -->", "", text)
    text = re.sub(r"(?m)^\d+\. ", "", text)
    return " ".join(text.split())


def figures_in(text):
    """Every figure of a plain text, with where it begins."""
    return [(m.start(), m["figure"]) for m in TOKEN.finditer(text) if m["figure"]]


def is_rounded(shown, value):
    """Whether a figure is that value, to the digits it shows."""
    mantissa, _, exponent = shown.replace(",", "").partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(float(mantissa) * 10.0 ** int(exponent or 0) - value) <= 0.5000001 * unit


# ---- The tables of sources ----

def sections(text):
    """The text below every heading of level 2."""
    parts = re.split(r"(?m)^## (.+)\n", text)
    return dict(zip(parts[1::2], parts[2::2]))


def rows(text):
    """The cells of all tables, without the heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row, after in zip(cells, [*cells[1:], [""]])
            if not set(row[0]) <= set("-") and not set(after[0] or "x") <= set("-")]


class Sources:
    def __init__(self, text):
        parts = sections(text)
        self.stored = rows(parts["Compared with stored results"])
        self.counted = rows(parts["Counted in what a command offers"])
        self.measured = rows(parts["Printed by a command"])
        self.no_results = re.findall(r'"([^"]+)"', " ".join(parts["No results"].split()))

    def quotations(self):
        tables = [row[0] for row in [*self.stored, *self.counted, *self.measured]]
        return tables + self.no_results


def is_stored(name, row_name, text):
    """Whether the text, with its numbers whole, stands in that row of results/NAME.json."""
    whole = re.compile(rf"(?<![\d.]){re.escape(text)}(?!\d|\.\d)")
    stored = json.loads(read(os.path.join(HERE, "results", name + ".json")))["rows"]
    return any(whole.search(row["figure"]) for row in stored
               if row_name == ", ".join((row["prediction"], row["data"], row["setting"])))


def value_of(formula):
    """Of numbers, + - * / and mean((a, b))."""
    digits = re.sub(r"(?<=\d),(?=\d{3})", "", formula)
    return eval(digits.strip(), {"__builtins__": {}, "mean": mean})


def compare(row):
    """Errors of a figure that is derived from a stored result."""
    quotation, name, row_name, text, computed = row
    if not is_stored(name, row_name, text):
        return [f"'{quotation}': results/{name}.json has no row '{row_name}' with '{text}'"]
    stored = [figure for _, figure in figures_in(text)]
    formulas = computed.split(";") if computed else stored
    used = {number.lstrip("+") for f in formulas for number in re.findall(NUMBER, f)}
    others = used - {number.lstrip("+") for number in stored} - {"100"}  # for per cent
    if others:
        return [f"'{quotation}': {', '.join(others)} is not in '{text}'"]
    values = [value_of(formula) for formula in formulas]
    shown = [figure for _, figure in figures_in(quotation)]
    if len(shown) == len(values) and all(map(is_rounded, shown, values)):
        return []
    return [f"'{quotation}': results/{name}.json says {', '.join(f'{v:g}' for v in values)}"]


def check_figures(text, sources, program):
    """Errors of the figures in a text: without source, not what the source says, not there."""
    errors = []
    is_covered = [False] * len(text)
    for quotation in sources.quotations():
        places = [m.start() for m in re.finditer(re.escape(quotation), text)]
        if quotation.startswith("## "):  # a whole section
            end = text.find(" ## ", places[0] + 1) if places else -1
            quotation = text[places[0]:end] if places else quotation
        if not places:
            errors.append(f"README does not say '{quotation}', tools/reproduce/README.md does")
        for place in places:
            is_covered[place:place + len(quotation)] = [True] * len(quotation)
    for place, figure in figures_in(text):
        if not all(is_covered[place:place + len(figure)]):
            around = text[max(0, place - 40):place + 40]
            errors.append(f"no source of {figure} in '...{around}...': see "
                          "tools/reproduce/README.md")
    for row in sources.stored:
        errors += compare(row)
    for quotation, command, option, others in sources.counted:
        names = program.choices(command.strip("`").split()[1:], option.strip("`"))
        shown = [figure for _, figure in figures_in(quotation)]
        count = len(names) - len([name for name in others.split(", ") if name])
        if shown != [str(count)] or not set(others.split(", ")) - {""} <= set(names):
            errors.append(f"'{quotation}': {command} offers {count}: {', '.join(names)}")
    return errors


# ---- Commands ----

class Program:
    """The built limpid and what its help says."""

    @functools.lru_cache(maxsize=None)
    def help(self, *subcommands):
        run = subprocess.run([LIMPID, *subcommands, "--help"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
        if run.returncode != 0:
            raise ValueError(run.stdout.strip())
        return run.stdout

    def subcommands(self, *above):
        listed = self.help(*above).partition("Subcommands:\n")[2]
        return re.findall(r"(?m)^  ([a-z]\S*)", listed)

    def options(self, *subcommands):
        return set(re.findall(r"--[a-z][\w-]*", self.help(*subcommands)))

    def choices(self, subcommands, option):
        """The names that the help of an option lists."""
        text = re.search(rf"(?m)^  {option} .*\n?(?:^ {{10,}}.*\n)*", self.help(*subcommands))[0]
        text = re.sub(rf"^  {option} \S+|of selection:", "", text)
        return [name.strip() for name in text.partition(";")[0].split(",")]

    @functools.lru_cache(maxsize=None)
    def all_options(self):
        names = [(), *((name,) for name in self.subcommands())]
        names += [(*name, below) for name in names[1:] for below in self.subcommands(*name)]
        return set.union(*(self.options(*name) for name in names))

    def check(self, words):
        """Errors of `limpid WORDS`."""
        subcommands = []
        while words and words[0] in self.subcommands(*subcommands):
            subcommands.append(words.pop(0))
        if self.subcommands(*subcommands) and words and not words[0].startswith("-"):
            return [f"{' '.join(['limpid', *subcommands])} has no command {words[0]}"]
        if subcommands == ["bench"] and words and re.fullmatch(r"[a-z]\w+_\w+", words[0]):
            if words[0] not in (self.workloads() + self.help("bench")):
                return [f"limpid bench has no workload {words[0]}"]
        wanted = {w.partition("=")[0] for w in words if re.match("--[a-z]", w)}
        return [f"limpid {' '.join(subcommands)} has no option {option}"
                for option in sorted(wanted - self.options(*subcommands))]

    @functools.lru_cache(maxsize=None)
    def workloads(self):
        return subprocess.run([LIMPID, "bench", "?"], stderr=subprocess.PIPE, text=True).stderr

    @functools.lru_cache(maxsize=None)
    def tests(self):
        run = subprocess.run(["ctest", "-N"], cwd=BUILD, stdout=subprocess.PIPE, text=True)
        return re.findall(r"(?m)^ *Test +#\d+: (\S+)", run.stdout)

    def check_ctest(self, words):
        wanted = words[words.index("-R") + 1] if "-R" in words else ""
        return [] if any(re.search(wanted, name) for name in self.tests()) else [
            f"ctest knows no test {wanted}"]

    def check_cases(self, name, words):
        path = os.path.join(BUILD, "tests", name)
        if not os.path.exists(path):
            return [f"{path} is not built"]
        run = subprocess.run([path, "--count", *words],
                             stdout=subprocess.PIPE, text=True)
        count = re.search(r"current filters: (\d+)", run.stdout)
        return [] if count and int(count[1]) > 0 else [f"{name} has no case {' '.join(words)}"]

    def check_make(self, words):
        given = dict(w.split("=", 1) for w in words if "=" in w)
        targets = [w for w in words if "=" not in w]
        makefile = read(os.path.join(ROOT, "Makefile"))
        errors = [f"Makefile has no target {target}" for target in targets
                  if not re.search(rf"(?m)^{re.escape(target)}:", makefile)]
        errors += [f"Makefile has no variable {name}" for name in given
                   if not re.search(rf"(?m)^{name} \?=", makefile)]
        filters = given.get("ARGS", "").partition("--benchmark_filter=")[2]
        if filters:
            sources = "".join(map(read, glob.glob(os.path.join(ROOT, "tests/bench/*.cpp"))))
            if f'"{filters}' not in sources:
                errors.append(f"tests/bench has no benchmark {filters}")
        if "PART" in given and targets[0].startswith("reproduce-"):
            script = targets[0].partition("-")[2] + ".py"
            named = re.search(r"some of (.+?), with commas", script_help(script))[1].split(", ")
            errors += [f"tools/reproduce/{script} has no part {part}"
                       for part in given["PART"].split(",") if part not in named]
        return errors


@functools.lru_cache(maxsize=None)
def script_help(name):
    run = subprocess.run([sys.executable, os.path.join(HERE, name), "--help"], text=True,
                         stdout=subprocess.PIPE, env=dict(os.environ, COLUMNS="1000"))
    return run.stdout


def check_script(path, words):
    if not os.path.exists(os.path.join(ROOT, path)):
        return [f"there is no {path}"]
    source = read(os.path.join(ROOT, path))
    wanted = {w.partition("=")[0] for w in words if w.startswith("--")}
    return [f"{path} has no option {option}" for option in sorted(wanted)
            if f'"{option}"' not in source]


def check_command(text, program):
    """Errors of one command, or None if it is none that is known here."""
    try:
        words = shlex.split(text.replace("...", ""), comments=True)
    except ValueError:
        return None
    while words and (re.match(r"[A-Z_0-9]+=", words[0])):
        words.pop(0)
    if words[:1] == ["mpirun"]:
        words = words[words.index("-np") + 2:] if "-np" in words else []
    if not words:
        return None
    name, rest = os.path.basename(words[0]), words[1:]
    if name == "limpid":
        return program.check(rest)
    if words[0] in program.subcommands() and len(words) > 1:
        return program.check(words)
    if name == "make":
        return program.check_make(rest)
    if name == "ctest":
        return program.check_ctest(rest)
    if name.endswith("_test") and "build/tests" in words[0]:
        return program.check_cases(name, rest)
    if name == "python3" and rest:
        return check_script(rest[0], rest[1:])
    if re.match("--[a-z]", name) and len(words) == len(shlex.split(text)):
        option = name.partition("=")[0]
        return [] if option in program.all_options() | OF_MPIRUN else [f"no command has the option {option}"]
    if re.fullmatch(r"(build|framework|interpret|datasets|tools|tests)/[\w./*-]+", words[0]):
        is_there = words[0].startswith("build/") or glob.glob(os.path.join(ROOT, words[0]))
        return [] if is_there else [f"there is no {words[0]}"]
    return None


def commands_in(text):
    """Lines of the shell blocks, and code in the text."""
    blocks = re.findall(r"(?ms)^```(\w*)[^\n]*\n(.*?)^```$", text)
    lines = [part for language, block in blocks if language in ("", "sh")
             for line in block.splitlines() for part in line.split("&&")]
    return lines + re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```$", "", text))


def check_generated(text):
    """Errors of the parts between marks: each has a script that makes it."""
    return [f"there is no tools/reproduce/{name}.py for the part '{name}' of README"
            for name in re.findall(r"<!-- (\w+): begin -->", text)
            if not os.path.exists(os.path.join(HERE, name + ".py"))]


def check_commands(text, sources, program):
    errors = []
    for command in commands_in(text):
        errors += check_command(command, program) or []
    for _, commands, _ in sources.measured:
        first = re.findall(r"`([^`]+)`", commands)[0]
        if check_command(first, program) is None:
            errors.append(f"not a command: {first}")
    return errors


def main():
    program = Program()
    readme, table = read(README), read(SOURCES)
    sources = Sources(table)
    errors = check_figures(plain(readme), sources, program) + check_generated(readme)
    errors += check_commands(readme + table + read(BENCHMARKS), sources, program)
    for error in errors:
        print("figures:", error, file=sys.stderr)
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
