#!/usr/bin/env python3
# tools/reproduce/shallow.py: how the shallow form of a network grows (arXiv 2306.11827), counted.
#
#     python3 tools/reproduce/shallow.py --out reproduction/shallow
#     make reproduce-shallow
#
# The shallow form has a unit for every activation region. S1 to S3 count the regions of networks
# that grow by units, by inputs and by depth, beside the most that their widths allow in all of R^n
# (Serra, Tjandraatmadja and Ramalingam 2018, Theorem 1). Runs are kept under --out (see
# predictions.py); `--table` only makes the table.
import argparse
import math
import os
import random

from predictions import Bench, Table, mean, parts_named, seed_interval, slope

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


def train_and_count(bench):
    for networks in GROWTH.values():
        for network in networks:
            for seed in SEEDS:
                bench.regions(*network, seed)


PARTS = {"growth": train_and_count}


def write_table(bench):
    table = Table()
    tabulate_growth(bench, table)
    table.write(
        "shallow", "Any Deep ReLU Network is Shallow",
        f"Made by `python3 tools/reproduce/shallow.py --table` from runs of commit "
        f"{', '.join(sorted(bench.commits))}: `mlp` networks trained for one epoch on Gaussians of "
        f"four classes, seeds 0 to {len(SEEDS) - 1}; regions are those that `shallow convert` lists "
        f"in the box [-{BOX}, {BOX}]^n of standardised inputs. The bound is that of Serra, "
        "Tjandraatmadja and Ramalingam (2018) for all of R^n; in brackets, 95 % intervals over the "
        "seeds.", bench.commits)


def main():
    p = argparse.ArgumentParser(description="growth of the shallow form of arXiv 2306.11827")
    p.add_argument("--part", default="all", help="some of " + ", ".join(PARTS) + ", with commas")
    p.add_argument("--table", action="store_true", help="only write the table")
    p.add_argument("--out", default="reproduction/shallow", help="folder of runs and results")
    p.add_argument("--threads", type=int, default=0, help="of each run; the results are the same")
    o = p.parse_args()
    bench = Shallow(o.out, o.threads)
    if not o.table:
        for part in parts_named(o.part, PARTS):
            PARTS[part](bench)
    write_table(bench)


if __name__ == "__main__":
    main()
