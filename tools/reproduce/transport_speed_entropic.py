#!/usr/bin/env python3
# tools/reproduce/transport_speed_entropic.py: Sinkhorn and sliced transport beside POT, one thread.
#
#     python3 tools/reproduce/transport_speed_entropic.py --python PYTHON_WITH_POT
#
# `limpid bench` and POT (Python Optimal Transport) take turns, so that both meet the same machine;
# the least of all times counts. Both solve clouds of one law, N(0, 1) and N(0.5, 1) per coordinate
# in 64 dimensions, each drawn by its own generator. POT's ot.bregman.sinkhorn_log stops after the
# last iteration that leaves a marginal error (L1) not below that of limpid.
import argparse
import json
import os
import subprocess
import sys
import time

from predictions import LIMPID, Table

# workload: (points, eps as a share of the mean cost; 0: sliced, most that limpid / POT may be)
WORKLOADS = {
    "ot_sinkhorn_n1000_eps05": (1000, 0.05, 0.2),
    "ot_sinkhorn_n1000_eps005": (1000, 0.005, 0.2),
    "ot_sliced_n2000": (2000, 0, 0.25),
}
DIMENSIONS, SHIFT, DIRECTIONS = 64, 0.5, 200
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


# ---- The part that runs with POT ----

def iterations_above(K, a, error):
    """How many pairs of updates leave the L1 error of the columns at `error` or above."""
    v = 1 / len(a) / K.sum(0)
    iterations = 0
    while True:
        u = a / (K @ v)
        sums = K.T @ u
        if abs(v * sums - a).sum() < error:
            return iterations
        iterations += 1
        v = a / sums


def pot_worker():
    """Answers lines {"workload", "error"} on standard input with times of POT, in seconds."""
    import warnings

    import numpy
    import ot

    warnings.simplefilter("ignore")  # of iterations that end before POT's own threshold
    rng = numpy.random.default_rng(0)
    problems = {}
    for name, (n, epsilon, _) in WORKLOADS.items():
        x = rng.normal(size=(n, DIMENSIONS))
        y = rng.normal(size=(n, DIMENSIONS)) + SHIFT
        problems[name] = (x, y)
    counts = {}
    for line in sys.stdin:
        asked = json.loads(line)
        name = asked["workload"]
        n, epsilon, _ = WORKLOADS[name]
        x, y = problems[name]
        if not epsilon:
            start = time.perf_counter()
            ot.sliced_wasserstein_distance(x, y, n_projections=DIRECTIONS, seed=0)
            answer = {"seconds": time.perf_counter() - start}
        else:
            a, C = numpy.full(n, 1 / n), ot.dist(x, y)
            reg = epsilon * C.mean()
            if name not in counts:
                counts[name] = max(1, iterations_above(numpy.exp(-C / reg), a, asked["error"]))
            start = time.perf_counter()
            plan = ot.bregman.sinkhorn_log(a, a, C, reg, numItermax=counts[name], stopThr=0)
            answer = {"seconds": time.perf_counter() - start, "iterations": counts[name],
                      "error": float(abs(plan.sum(0) - a).sum() + abs(plan.sum(1) - a).sum())}
        print(json.dumps(dict(answer, version=ot.__version__)), flush=True)


# ---- The part that compares ----

def limpid_bench(workload):
    run = subprocess.run([LIMPID, "bench", workload, "--threads", "1", "--reps", "5", "--json"],
                         stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout)["rows"][0]


def compare(workload, pot, rounds):
    """The least times in ms, with what both achieved."""
    times, times_pot = [], []
    for _ in range(rounds):
        ours = limpid_bench(workload)
        times.append(ours["min_ms"])
        pot.stdin.write(json.dumps({"workload": workload, "error": ours.get("marginal_error")}))
        pot.stdin.write("\n")
        pot.stdin.flush()
        theirs = json.loads(pot.stdout.readline())
        times_pot.append(1000 * theirs["seconds"])
    return min(times), min(times_pot), ours, theirs


def add_row(table, workload, pot, rounds):
    _, epsilon, most = WORKLOADS[workload]
    least, least_pot, ours, theirs = compare(workload, pot, rounds)
    figure = f"limpid {least:.1f} ms, POT {theirs['version']} {least_pot:.0f} ms"
    if epsilon:
        figure += (f"; marginal error {ours['marginal_error']:.2g} after {ours['iterations']} "
                   f"iterations, {theirs['error']:.2g} after {theirs['iterations']}")
        if theirs["error"] < ours["marginal_error"]:
            sys.exit(f"reproduce: POT's error is below ours in {workload}")
    ratio = least / least_pot
    table.add("transport speed", "Gaussians, d = 64", workload, f"{figure}; ratio {ratio:.3f}",
              f"at most {most}" if ratio <= most else f"above {most}", True)


def main():
    p = argparse.ArgumentParser(description="Sinkhorn and sliced transport of limpid and of POT")
    p.add_argument("--python", default=sys.executable, help="a Python that has POT")
    p.add_argument("--rounds", type=int, default=3, help="turns of both")
    p.add_argument("--pot", action="store_true", help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.pot:
        return pot_worker()
    with subprocess.Popen([o.python, os.path.abspath(__file__), "--pot"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env=dict(os.environ, **ONE_THREAD)) as pot:
        table = Table()
        for workload in WORKLOADS:
            add_row(table, workload, pot, o.rounds)
        pot.stdin.close()
    print(table.markdown())


if __name__ == "__main__":
    main()
