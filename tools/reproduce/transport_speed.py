#!/usr/bin/env python3
# tools/reproduce/transport_speed.py: exact optimal transport beside POT's emd2, one thread each.
#
#     python3 tools/reproduce/transport_speed.py            # needs POT and NumPy
#     python3 tools/reproduce/transport_speed.py --sizes 200,500 --rounds 3
#
# Both solve problems of one law: X ~ N(0, I) and Y ~ N(1/2, I) in 64 dimensions, costs |x - y|^2,
# masses equal, or random for n against 3 n / 4 points. Times are of the solver on a given cost
# matrix, and of everything from the points on; each is the least over the rounds, in which the two
# programs take turns, so that another load on the machine meets both.
import argparse
import os
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy is loaded

import numpy
import ot

from predictions import Bench, Table

DIMENSIONS = 64
BATCH, BATCH_SIZE = 1000, 64
LARGEST_RATIO = {"equal": 1.0, "unequal": 1.0, "batch": 0.3}  # of the solver


def milliseconds(call):
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


class Pot:
    """Problems of one kind as POT solves them."""

    def __init__(self, kind, n, seed):
        rng = numpy.random.default_rng(seed)
        m = 3 * n // 4 if kind == "unequal" else n
        self.problems = []
        for _ in range(BATCH if kind == "batch" else 1):
            X = rng.normal(size=(n, DIMENSIONS))
            Y = rng.normal(size=(m, DIMENSIONS)) + 0.5
            a, b = ((rng.random(k) if kind == "unequal" else numpy.ones(k)) for k in (n, m))
            self.problems.append((X, Y, a / a.sum(), b / b.sum(), ot.dist(X, Y)))

    def solve(self):
        for _, _, a, b, C in self.problems:
            ot.emd2(a, b, C, numItermax=10**8)

    def whole(self):
        for X, Y, a, b, _ in self.problems:
            ot.emd2(a, b, ot.dist(X, Y), numItermax=10**8)


def workload(kind, n):
    return {"equal": f"n{n}", "unequal": f"unequal_n{n}", "batch": f"batch_n{n}"}[kind]


def compare(bench, kind, n, rounds):
    """The least milliseconds of (ours, POT's) for the solver and for the whole."""
    pot = Pot(kind, n, seed=n)
    solve, whole = [], []
    for _ in range(rounds):
        ours = [bench.command(["bench", f"ot_{what}_{workload(kind, n)}"])["rows"][0]["min_ms"]
                for what in ("emd", "w2")]
        repetitions = 7 if n <= 500 else 3
        theirs = [min(milliseconds(call) for _ in range(repetitions))
                  for call in (pot.solve, pot.whole)]
        solve.append((ours[0], theirs[0]))
        whole.append((ours[1], theirs[1]))
    return [tuple(map(min, zip(*pairs))) for pairs in (solve, whole)]


def figure(pair):
    ours, theirs = pair
    return f"{ours:.2f} ms, POT {theirs:.2f} ms, ratio {ours / theirs:.2f}"


def main():
    p = argparse.ArgumentParser(description="exact optimal transport beside POT, one thread each")
    p.add_argument("--sizes", default="200,500,1000,2000", help="points, with commas")
    p.add_argument("--rounds", type=int, default=3, help="of both programs in turn")
    p.add_argument("--out", default="reproduction/transport", help="folder of the bench")
    o = p.parse_args()
    bench = Bench(o.out, threads=1)
    cases = [(kind, int(n)) for kind in ("equal", "unequal") for n in o.sizes.split(",")]
    table = Table()
    for kind, n in [*cases, ("batch", BATCH_SIZE)]:
        solve, whole = compare(bench, kind, n, o.rounds)
        setting = {"equal": f"{n} to {n}, equal masses",
                   "unequal": f"{n} to {3 * n // 4}, random masses",
                   "batch": f"{BATCH} problems, {n} to {n}, equal masses"}[kind]
        is_met = solve[0] <= LARGEST_RATIO[kind] * solve[1]
        table.add(f"at most {LARGEST_RATIO[kind]} of emd2", "Gaussians, 64-d", setting,
                  f"{figure(solve)}; with the cost matrix {figure(whole)}",
                  "met" if is_met else "not met")
    print(f"limpid {bench.commit}, POT {ot.__version__}, NumPy {numpy.__version__}\n",
          file=sys.stderr)
    print(table.markdown())


if __name__ == "__main__":
    main()
