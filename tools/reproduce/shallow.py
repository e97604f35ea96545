#!/usr/bin/env python3
# tools/reproduce/shallow.py: the shallow form of arXiv 2306.11827: its size, exactness and speed.
#
#     python3 tools/reproduce/shallow.py --part exactness --out reproduction/shallow
#     make reproduce-shallow PART=growth
#
# The shallow form has a unit for every activation region. Part growth, S1 to S3, counts the regions
# of networks that grow by units, by inputs and by depth, beside the most that their widths allow in
# all of R^n (Serra, Tjandraatmadja and Ramalingam 2018, Theorem 1). S4 to S8 measure what the paper
# was criticised for: exactness by test cases and on one network, speed by limpid_bench, which
# `make bench` builds. Runs are kept under --out (see predictions.py). One part prints its rows; all
# of them together write the results.
import json
import math
import os
import random
import re
import subprocess
import sys

from arguments import read_arguments
from predictions import BUILD, TESTS, Bench, Table, mean, parts_named, seed_interval, slope

BENCHMARKS = os.path.join(BUILD, "limpid_bench")

SEEDS = range(5)
BOX = 10  # every standardised input lies in [-BOX, BOX]
UNITS = 8
# Inputs and hidden widths of networks that grow in one respect
GROWTH = {
    "units": [(2, [n]) for n in (4, 6, 8, 12, 16, 24, 32)],
    "inputs": [(n, [UNITS]) for n in range(1, 7)],
    "depth": [(2, [UNITS] * layers) for layers in range(1, 7)],
}


class Shallow(Bench):
    def regions(self, inputs, widths, seed):
        """What `shallow convert` says of one network, trained for an epoch."""
        name = f"{name_of(inputs, widths)}-seed{seed}"
        run = self.trained(name, [
            "--data", "csv:" + gaussians(self.out, inputs), "--label-column", "class", "--model",
            "mlp:" + "-".join(map(str, widths)), "--epochs", "1", "--seed", str(seed)])
        return self.cached(name + "-shallow", [
            "shallow", "convert", run["folder"], f"--box=-{BOX},{BOX}", "--check", "100",
            "--time-limit", "0", "--out", self.file(name + "-shallow.safetensors")])


def name_of(inputs, widths):
    return "-".join(map(str, (inputs, *widths)))


def gaussians(folder, inputs):
    """A table of four classes, normally distributed around random centres; 1,000 rows."""
    path = os.path.join(folder, f"gaussians{inputs}.csv")
    if os.path.exists(path):
        return path
    generator = random.Random(inputs)
    centres = [[generator.gauss(0, 2) for _ in range(inputs)] for _ in range(4)]
    with open(path + ".new", "w") as file:
        file.write(",".join([f"x{i}" for i in range(inputs)] + ["class"]) + "\n")
        for row in range(1000):
            values = [f"{generator.gauss(m, 1):.6f}" for m in centres[row % 4]]
            file.write(",".join([*values, "abcd"[row % 4]]) + "\n")
    os.replace(path + ".new", path)
    return path


def sizes_of(kind):
    """What stands on the axis, and how it is called."""
    return {"units": ([widths[0] for _, widths in GROWTH[kind]], "hidden units N"),
            "inputs": ([inputs for inputs, _ in GROWTH[kind]], "inputs n"),
            "depth": ([len(widths) for _, widths in GROWTH[kind]], "hidden layers")}[kind]


# By the number of units both grow as a power, by inputs and depth the bound grows by a factor
PREDICTIONS = {
    "units": ("S1 regions by units", "2-N", "power of N"),
    "inputs": ("S2 regions by inputs", f"n-{UNITS}", "factor per input"),
    "depth": ("S3 regions by depth", f"2-{UNITS}-...-{UNITS}", "factor per layer"),
}


def fitted(kind, sizes, counts):
    """The power or factor of a line through the logarithms of the counts."""
    if kind == "units":
        return slope([math.log(n) for n in sizes], [math.log(c) for c in counts])
    return math.exp(slope(sizes, [math.log(c) for c in counts]))


def tabulate_growth(bench, table):
    for kind, networks in GROWTH.items():
        sizes, axis = sizes_of(kind)
        prediction, setting, rate = PREDICTIONS[kind]
        results = [[bench.regions(*network, seed) for seed in SEEDS] for network in networks]
        counts = [[r["regions"] for r in of_size] for of_size in results]
        bounds = [of_size[0]["region_bound"] for of_size in results]
        means = [mean(c) for c in counts]
        truncated = any(r["truncated"] for of_size in results for r in of_size)
        is_within = all(max(c) <= bound for c, bound in zip(counts, bounds))
        m, low, high = seed_interval([fitted(kind, sizes, c) for c in zip(*counts)])
        # a factor fitted to all hides that each input or layer adds less than the one before
        last = "" if kind == "units" else (f"; of the last {means[-1] / means[-2]:.2f}, bound "
                                           f"{bounds[-1] / bounds[-2]:.2f}")
        table.add(prediction, "Gaussians", f"{setting}, {axis} {sizes[0]} to {sizes[-1]}",
                  f"{means[0]:.1f} to {means[-1]:,.1f} regions, bound {bounds[0]:,.0f} to "
                  f"{bounds[-1]:,.0f}; {rate} {m:.2f} [{low:.2f}, {high:.2f}], bound "
                  f"{fitted(kind, sizes, bounds):.2f}{last}",
                  "truncated" if truncated else "within the bound" if is_within
                  else "beyond the bound", True)
        for network, of_size, average, bound in zip(networks, counts, means, bounds):
            table.add(prediction, "Gaussians", name_of(*network),
                      f"{average:,.1f} regions, {min(of_size):,} to {max(of_size):,}; bound "
                      f"{bound:,.0f}, {share(average / bound)} of it",
                      "within the bound" if max(of_size) <= bound else "beyond the bound")
        table.add_chart(
            prediction.split(" ", 1)[1].capitalize(), axis, "log10 of regions",
            f"{prediction}: networks {setting}, mean of {len(SEEDS)} seeds in the box "
            f"[-{BOX}, {BOX}]^n, and the most that the widths allow in all of R^n. Fitted {rate}: "
            f"{m:.2f}, bound {fitted(kind, sizes, bounds):.2f}{last}.",
            [("regions", sizes, [math.log10(v) for v in means]),
             ("bound", sizes, [math.log10(v) for v in bounds])])


def share(value):
    return f"{100 * value:.3g} %"


# ---- What the paper was criticised for ----

def whole_numbers(bench):
    """What the tests of networks with whole weights print: counts and the largest difference."""
    def call():
        run = subprocess.run([TESTS, "--test-case=shallow network: whole numbers*"], check=True,
                             stdout=subprocess.PIPE, text=True)
        lattice = re.search(r"wrong at (\d+) of (\d+) lattice points", run.stdout)
        random_points = re.search(r"(\d+) points and (\d+) on cuts: largest difference (\S+)",
                                  run.stdout)
        return {"lattice": lattice.groups(), "random": random_points.groups()}
    return bench.cached_call("whole-numbers", call)


def tabulate_exactness(bench, table):
    found = whole_numbers(bench)
    wrong, lattice = map(int, found["lattice"])
    table.add("S5 faces counted twice", "20 networks 2-3-3-1", "whole weights",
              f"closed half-spaces wrong at {wrong:,} of {lattice:,} lattice points", "")
    points, on_cuts, largest = found["random"]
    table.add("S5 faces counted twice", "20 networks 2-3-3-1", "whole weights, half-open",
              f"largest difference {float(largest):.2g} at {int(points):,} random points and "
              f"{int(on_cuts):,} on cuts", "")

    run = bench.trained("moons", ["--data", "moons", "--model", "mlp:16-16", "--epochs", "10"])
    facets = bench.file("moons-facets.json")
    result = bench.cached("moons-shallow", [
        "shallow", "convert", run["folder"], "--box=-3,3", "--fine-tune", "--adjacency", facets,
        "--out", bench.file("moons-shallow.safetensors")])
    name = "mlp:16-16, 10 epochs, box [-3, 3]"
    finite = result["forms"]["finite"]
    large = finite["large"]
    table.add("S6 infinite weights carry the equality", "moons", name,
              f"{large:.0e} in their place: {finite['check']['wrong']:,} of "
              f"{finite['check']['points']:,} points wrong, half of them {0.5 / large:.0e} beside a "
              "cut", "")
    tuned = result["fine_tune"]
    with open(facets) as file:
        count = len(json.load(file)["facets"])
    table.add("S7 the linear models can be tuned", "moons", name,
              f"test examples {100 * tuned['test']['accuracy_before']:.1f} -> "
              f"{100 * tuned['test']['accuracy']:.1f} %; jumps at "
              f"{100 * tuned['share_of_facets']:.0f} % of {count} facets, by up to "
              f"{tuned['jump']:.1f}", "")
    widths = result["widths"]
    table.add("S8 shallow in depth alone", "moons", name,
              f"{result['units']} units become layers of {widths[0]:,}, {widths[1]:,}, "
              f"{widths[2]:,}", "")


# ---- Speed ----

def benchmark(bench, what):
    """Milliseconds of process time on one thread by the benchmark's argument, and what it counts."""
    def call():
        if not os.path.exists(BENCHMARKS):
            sys.exit("reproduce: part speed needs build/limpid_bench; make bench (libbenchmark-dev)")
        run = subprocess.run([BENCHMARKS, f"--benchmark_filter=^shallow/{what}/",
                              "--benchmark_format=json"], check=True, stdout=subprocess.PIPE,
                             env=dict(os.environ, LIMPID_BENCH_THREADS="1"), text=True)
        return {"rows": json.loads(run.stdout[run.stdout.index("{"):])["benchmarks"]}
    return bench.cached_call("bench-" + re.sub(r"\W+", "-", what).strip("-"), call)["rows"]


def times(bench, what, of_each=1):
    return {int(row["name"].split("/")[-2]): row["cpu_time"] / of_each
            for row in benchmark(bench, what)}


def growth_of(times_by_size, first, last):
    """The factor by which a time grows with each, and the R^2 of the line through its logarithms."""
    sizes = [n for n in times_by_size if first <= n <= last]
    logs = [math.log(times_by_size[n]) for n in sizes]
    rate = slope(sizes, logs)
    rest = sum((y - mean(logs) - rate * (x - mean(sizes))) ** 2 for x, y in zip(sizes, logs))
    return math.exp(rate), 1 - rest / sum((y - mean(logs)) ** 2 for y in logs)


def tabulate_speed(bench, table):
    for what, way in (("naive", "every pattern"), ("split/[0-9]+", "splitting")):
        took = times(bench, what, 3)  # of three networks together
        factor, fit = growth_of(took, 2, 16)
        table.add("S4 exponential time", "2-(N/2)-(N/2)-1", f"N of 2 to 16, {way}",
                  f"{factor:.2f} times with each neuron, R^2 {fit:.4f}; {took[12]:.2g} ms at 12",
                  "")
    for what, way, first, last in (("exact", "over the regions", 8, 18),
                                   ("definition", "by the definition", 4, 12)):
        took = times(bench, "shapley/" + what)
        factor, _ = growth_of(took, first, last)
        table.add("Shapley values, interventional", "n-16-16-1, 10 background points",
                  f"{way}, n of {first} to {last}",
                  f"{factor:.1f} times with each input; {float(f'{took[12]:.2g}'):g} ms at 12", "")
    rate = benchmark(bench, "split/4-16-16")[0]["items_per_second"]
    table.add("Regions per second", "4-16-16-1", "one thread", f"{float(f'{rate:.1g}'):,.0f}", "")


PARTS = {"growth": tabulate_growth, "exactness": tabulate_exactness, "speed": tabulate_speed}


def main():
    o = read_arguments("size, exactness and speed of the shallow form", "shallow", PARTS,
                       has_table=False)
    bench, table = Shallow(o.out, o.threads), Table()
    for part in parts_named(o.part, PARTS):
        PARTS[part](bench, table)
    if o.part != "all":
        print(table.markdown())
        return
    table.write(
        "shallow", "Any Deep ReLU Network is Shallow",
        f"Made by `python3 tools/reproduce/shallow.py` from runs of commit "
        f"{', '.join(sorted(bench.commits))}: `mlp` networks trained for one epoch on Gaussians of "
        f"four classes, seeds 0 to {len(SEEDS) - 1}; regions are those that `shallow convert` lists "
        f"in the box [-{BOX}, {BOX}]^n of standardised inputs. The bound is that of Serra, "
        "Tjandraatmadja and Ramalingam (2018) for all of R^n; in brackets, 95 % intervals over the "
        "seeds. Times are of one thread, on a machine in other use.", bench.commits)


if __name__ == "__main__":
    main()
