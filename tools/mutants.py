#!/usr/bin/env python3
# tools/mutants.py: faults put into the code one at a time; for each a test must fail.
#
#     python3 tools/mutants.py        # or: make mutants
#
# Works in a copy of the sources below build-mutants/.
import os
import shutil
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
COPY = os.path.join(ROOT, "build-mutants")
PARTS = ("framework", "interpret", "datasets", "tests", "tools", "CMakeLists.txt",
         "CMakePresets.json")
SHALLOW, NUMERICS = "interpret/shallow/", "interpret/numerics/"
# what it is, file, code, fault, test cases of interpret_test that must notice
MUTANTS = (
    ("the on side of a cut is closed too", SHALLOW + "shallow_network.cpp",
     "layer(2).end_row(1);", "layer(2).end_row(0);", "shallow network*"),
    ("faces belong to the other side", SHALLOW + "regions.cpp",
     "row_value(at, x) > 0 ?", "row_value(at, x) >= 0 ?", "shallow*"),
    ("no minus row in the last layer", SHALLOW + "shallow_network.cpp",
     "r < models_ ? 1 : -1", "r < models_ ? 1 : 0", "shallow network*"),
    ("a condition of every region is lost", SHALLOW + "shallow_network.cpp",
     "  return conditions;\n", "  if (conditions.size() > 1) conditions.pop_back();\n"
     "  return conditions;\n", "shallow network*"),
    ("ties of the ratio test go to the last constraint", SHALLOW + "feasibility.cpp",
     "(by_index ? index > hit.index : rate >= hit.rate)", "(by_index ? index < hit.index : false)",
     "shallow*"),
    ("the inner ball may leave the box", SHALLOW + "regions.cpp",
     "radius = std::min({radius, part.centre[i] - problem.low[i], problem.high[i] - "
     "part.centre[i]});", "", "shallow*"),
    ("potentials of the other side shift the wrong way", NUMERICS + "network_simplex.cpp",
     "      by = -by;\n", "", "transport*"),
    ("flow that turns round a cycle forgets a side", NUMERICS + "network_simplex.cpp",
     "x = at(x).parent) at(x).flow += is_row(x) ? flow : -flow;",
     "x = at(x).parent) at(x).flow += is_row(x) ? flow : 0;", "transport*"),
    ("prices do not fall along a path", NUMERICS + "assignment.cpp",
     "r.v + (r.distance - end.value)", "r.v", "transport*,assignment*"),
    ("columns without mass have a price of 0", NUMERICS + "transport.cpp",
     "v = std::min(v, C.data<double>()[rows.index[i] * m + j] - flow.u[i]);", "v = 0;",
     "transport*"),
    ("near points by the difference of squares", NUMERICS + "squared_distances.cpp",
     "row[j] < kNear * both", "row[j] < 0", "squared distances*"),
)


def run(arguments):
    return subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def failed_cases(pattern):
    """Names of the test cases that fail; None if the program does not build."""
    built = run(["cmake", "--build", os.path.join(COPY, "build"), "-j", str(os.cpu_count()),
                 "--target", "interpret_test"])
    if built.returncode != 0:
        return None
    try:
        text = subprocess.run([os.path.join(COPY, "build/tests/interpret_test"),
                               "--test-case=" + pattern], stdout=subprocess.PIPE, text=True,
                              cwd=os.path.join(COPY, "build"), timeout=300).stdout
    except subprocess.TimeoutExpired:
        return ["no end within 300 s"]
    cases = []
    for line in text.splitlines():
        if line.startswith("TEST CASE:"):
            cases.append(line[len("TEST CASE:"):].strip())
    return cases if "FAILURE" in text or "ERROR" in text else []


def main():
    shutil.rmtree(COPY, ignore_errors=True)
    os.makedirs(COPY)
    for part in PARTS:
        source, target = os.path.join(ROOT, part), os.path.join(COPY, part)
        (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, target)
    run(["cmake", "-S", COPY, "-B", os.path.join(COPY, "build"), "-DCMAKE_BUILD_TYPE=Release"])
    whole = failed_cases("shallow*,transport*,assignment*,squared distances*")
    if whole is None or whole:
        sys.exit(f"mutants: the code without a fault does not pass: {whole}")
    survivors = 0
    for what, file, code, fault, pattern in MUTANTS:
        path = os.path.join(COPY, file)
        with open(path) as f:
            text = f.read()
        if text.count(code) != 1:
            sys.exit(f"mutants: {file} has {text.count(code)} places of {code!r}")
        with open(path, "w") as f:
            f.write(text.replace(code, fault))
        cases = failed_cases(pattern)
        with open(path, "w") as f:
            f.write(text)
        survivors += not cases
        noticed = ("does not build" if cases is None
                   else "; ".join(dict.fromkeys(cases)) or "NOTHING")
        print(f"{what}: noticed by {noticed}", flush=True)
    print(f"{len(MUTANTS) - survivors} of {len(MUTANTS)} faults are noticed")
    sys.exit(survivors > 0)


if __name__ == "__main__":
    main()
