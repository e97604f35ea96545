#!/usr/bin/env python3
# tools/reproduce/coreset.py: interpreting networks with little data (arXiv 2410.00524), tried.
#
#     python3 tools/reproduce/coreset.py --part vebi --out reproduction/coreset
#     make reproduce-coreset PART=vebi
#
# Parts are lists of limpid commands whose outputs are kept under --out (see predictions.py): an
# interrupted part goes on where it stopped, a finished one costs nothing. `--table` makes the table
# of the given parts. The figures of the paper were not at hand; E1 to E11 are its claims and our own
# theory with thresholds fixed before the first run, E12 and E13 go beyond it.
import math
import os
import statistics
import struct

from altered import FLIPPED, altered_part, flip_labels
from arguments import read_arguments
from predictions import Bench, Table, mean, parts_named, ranks, seed_interval, slope

SEEDS = (0, 1)  # of the networks
RUNS = 5        # of a random selection
METHODS = ("random", "moderate", "dgpruning")
# E5 tries all that need no training and no search at the inputs
SELECTORS = ("moderate", "moderate-3q", "dgpruning", "dgpruning:entropy", "dgpruning:margin",
             "dgpruning:el2n", "herding", "moments", "k-center", "contextual-diversity", "least-confidence",
             "entropy", "margin", "el2n", "cal", "facility-location", "weighted", "graph-cut",
             "log-det", "k-medoids", "ccs", "craig", "gradmatch", "glister")
# E12 and E13: with weights, the same samples without, by what VEBI itself sees, and in the middle
BEYOND = ("weighted", "facility-location", "craig", "moments", "moderate")
SMALL = (0.05, 0.1, 0.2)  # fractions of E5, E12 and E13
FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
MODEL = ["--model", "convnet:32x3:none:max", "--epochs", "4", "--optimizer", "adam", "--lr", "1e-3"]


class Coreset(Bench):
    def __init__(self, out, data, limit, threads):
        super().__init__(out, threads)
        self.data, self.limit = data, limit

    def network(self, data, seed):
        return self.trained(f"{data}-seed{seed}", [*self.data[data], *MODEL, "--seed", str(seed)])

    def compared(self, name, data, seed, methods, fractions, options):
        run = self.network(data, seed)
        return self.cached(f"{data}-seed{seed}-{name}", [
            "coreset", "interpret", run["folder"], "--methods", ",".join(methods), "--fractions",
            ",".join(map(str, fractions)), "--seeds", str(RUNS), *options])

    def vebi(self, data, seed):
        return self.compared("vebi", data, seed, METHODS, FRACTIONS, [])

    def ice(self, data, seed):
        """Factorising takes minutes on all fractions, and E9 asks for one."""
        return self.compared("ice", data, seed, ("random",), (0.3,), [
            "--interpreter", "ice", "--concepts", "6"])

    def every_selector(self, data, seed):
        return self.compared("selectors", data, seed, ("random", *SELECTORS), SMALL, [])

    def beyond(self, data, seed):
        return self.compared("beyond", data, seed, ("random", *BEYOND), SMALL, [])

    def ablated(self, data, seed):
        return self.compared("ablation", data, seed, METHODS, (0.1,), ["--ablation"])

    def flipped_shares(self, data, seed):
        """Shares of wrong labels in a tenth of data with them, by method, one per run."""
        folder = self.cached(f"{data}.info", ["data", "info", self.data[data][1]])["path"]
        source, flipped = altered_part(self, f"{data}-flips", folder, self.limit, flip_labels)
        run = self.trained(f"{data}-flips-seed{seed}",
                           [*source, "--limit-test", "1000", *MODEL, "--seed", str(seed)])
        shares = {}
        for method in METHODS:
            for r in range(RUNS if method == "random" else 1):
                name = f"{data}-flips-seed{seed}-{method}{r}"
                self.cached(name, ["coreset", "select", run["folder"], "--method", method,
                                   "--fraction", "0.1", "--seed", str(r), "--out",
                                   self.file(name + ".npy")])
                chosen = read_positions(self.file(name + ".npy"))
                hits = len(flipped.intersection(chosen))
                shares.setdefault(method, []).append(hits / len(chosen))
        return shares

    def grown(self, data, seed, target):
        run = self.network(data, seed)
        return self.cached(f"{data}-seed{seed}-grow{target}", [
            "coreset", "grow", run["folder"], "--method", "random", "--target", str(target),
            "--verify-full"])


def data_named(text):
    return "idx:" + text if os.path.isdir(text) else text


def read_positions(path):
    """A file of int64 as `coreset select` writes it."""
    with open(path, "rb") as file:
        data = file.read()
    begin = 10 + struct.unpack("<H", data[8:10])[0]
    return struct.unpack(f"<{(len(data) - begin) // 8}q", data[begin:])


def rows_of(result, method):
    return {row["fraction"]: row for row in result["rows"] if row["method"] == method}


def headline(row, result):
    return row["similarity"][result["headline"]]["mean"]


def verdict(is_right):
    return "reproduced" if is_right else "not reproduced"


def tabulate_growth_of_similarity(results, data, table):
    """E1, E2, E3, E4: more data, more alike; the 95 % control; little is enough; beyond chance."""
    for method in METHODS:
        curves = [[headline(rows_of(r, method)[f], r) for f in FRACTIONS] for r in results]
        # Spearman: both are ranks without ties
        rho = mean([slope(range(len(FRACTIONS)), ranks(c)) for c in curves])
        least = 0.9 if method == "random" else 0.8
        table.add("E1 more alike with more data", data, method,
                  "cosine " + ", ".join(f"{mean(v):.3f}" for v in zip(*curves))
                  + f" at 5 to 50 %; Spearman {rho:.2f}", verdict(rho >= least),
                  method == "random")
        nulls = [r["null"][r["headline"]]["mean"] for r in results]
        widths = [(e["ci"][1] - e["ci"][0]) / 2 for r in results
                  for e in [rows_of(r, method)[0.05]["similarity"][r["headline"]]]]
        beyond = [(c[0] - null) / width for c, null, width in zip(curves, nulls, widths)]
        table.add("E4 beyond chance at 5 %", data, method,
                  f"chance {mean(nulls):.3f}; {min(beyond):.1f} half-widths of the interval",
                  verdict(min(beyond) >= 5))
    control = [r["control"][r["headline"]]["mean"] for r in results]
    floor = [r["floor"][r["headline"]]["mean"] for r in results]
    table.add("E2 the 95 % control", data, "random",
              f"cosine {mean(control):.4f}; all data in another order {min(floor):.7f}",
              verdict(min(control) >= 0.99 and min(floor) >= 1 - 1e-6))
    at = {f: mean([headline(rows_of(r, "random")[f], r) for r in results]) for f in (0.05, 0.3)}
    top = mean([rows_of(r, "random")[0.3]["similarity"]["top_jaccard"]["mean"] for r in results])
    table.add("E3 little is enough", data, "random",
              f"cosine {at[0.05]:.3f} at 5 %, {at[0.3]:.3f} at 30 %, Jaccard of the largest "
              f"{top:.3f}", verdict(at[0.05] >= 0.8 and at[0.3] >= 0.95 and top >= 0.7), True)


def lead(results, method, fractions, over="random"):
    """Of a method over another, by class and network, mean over fractions."""
    return [mean([rows_of(r, method)[f]["classes"][c] - rows_of(r, over)[f]["classes"][c]
                  for f in fractions])
            for r in results for c in range(len(r["rows"][0]["classes"]))]


def normal_interval(values, comparisons=1):
    """Mean and 95 % interval, of so many intervals together (Bonferroni)."""
    m = mean(values)
    z = statistics.NormalDist().inv_cdf(1 - 0.025 / comparisons)
    half = z * statistics.stdev(values) / len(values) ** 0.5
    return m, m - half, m + half


def who_is_ahead(method, low, high):
    return "random" if high < 0 else method if low > 0 else "neither"


def tabulate_selectors(results, data, table):
    """E5: the paper's selectors beside chance, paired by class."""
    for method in METHODS[1:]:
        for fraction in SMALL:
            m, low, high = normal_interval(lead(results, method, [fraction]))
            table.add("E5 beside a random selection", data, f"{method}, {100 * fraction:g} %",
                      f"cosine {m:+.3f} [{low:+.3f}, {high:+.3f}]",
                      f"ahead: {who_is_ahead(method, low, high)}", fraction == 0.05)


def tabulate_every_selector(by_data, table):
    """E5 for all selectors: the sentence that answers it."""
    every = [r for results in by_data.values() for r in results]
    found = {}
    for method in SELECTORS:
        for data, results in by_data.items():
            m, low, high = normal_interval(lead(results, method, SMALL), len(SELECTORS))
            table.add("E5 every selector beside a random one", data, f"{method}, 5 to 20 %",
                      f"cosine {m:+.4f} [{low:+.4f}, {high:+.4f}]",
                      f"ahead: {who_is_ahead(method, low, high)}")
        found[method] = normal_interval(lead(every, method, SMALL), len(SELECTORS))
    best = max(found, key=lambda name: found[name][1])
    m, low, high = found[best]
    better = [name for name, (_, lower, _) in found.items() if lower > 0]
    worse = [name for name, (_, _, upper) in found.items() if upper < 0]
    lead_of_best = f"cosine {m:+.4f} [{low:+.4f}, {high:+.4f}] over a random selection"
    answer = (f"Yes, {len(better)} of {len(found)} do ({', '.join(better)}); the best, {best}, has a "
              if better else f"No: the best of {len(found)}, {best}, has a ") + lead_of_best
    answer += f"; {len(worse)} are worse than random"
    table.add("E5 does any informed selector beat a random one?", ", ".join(by_data),
              f"mean of 5, 10 and 20 %, intervals hold for all {len(found)} together", answer,
              "yes" if better else "no", True)


def tabulate_beyond(results, data, table):
    """E12 and E13: weights against bias, and a choice by the moments that VEBI fits."""
    def difference(method, fraction, over="random"):
        return normal_interval(lead(results, method, [fraction], over))

    for fraction in SMALL:
        cosine = mean([headline(rows_of(r, "random")[fraction], r) for r in results])
        table.add("E12 beyond the paper: cosine", data, f"random, {100 * fraction:g} %",
                  f"{cosine:.3f}", "")
        for method in BEYOND:
            cosine = mean([headline(rows_of(r, method)[fraction], r) for r in results])
            m, low, high = difference(method, fraction)
            rows = [rows_of(r, method)[fraction] for r in results]
            count, effective = rows[0]["count"], mean([row["effective"] for row in rows])
            weighs = f"; as {effective:.0f} of equal weight" if effective < count else ""
            table.add("E12 beyond the paper: cosine", data,
                      f"{method}, {100 * fraction:g} %, {count} samples",
                      f"{cosine:.3f}; over random {m:+.3f} [{low:+.3f}, {high:+.3f}]{weighs}",
                      f"ahead: {who_is_ahead(method, low, high)}")
    (w, w_low, w_high), (m, m_low, m_high) = difference("weighted", 0.05), difference("moderate", 0.05)
    u, u_low, u_high = difference("weighted", 0.05, "facility-location")
    table.add("E12 weighted facility location > random > moderate", data, "5 %",
              f"over random: weighted {w:+.3f} [{w_low:+.3f}, {w_high:+.3f}], moderate {m:+.3f} "
              f"[{m_low:+.3f}, {m_high:+.3f}]; weighted over the same samples without weights "
              f"{u:+.3f} [{u_low:+.3f}, {u_high:+.3f}]", verdict(w_low > 0 and m_high < 0), True)
    leads = {fraction: difference("moments", fraction) for fraction in SMALL}
    table.add("E13 moments > random", data, "5, 10, 20 %",
              "cosine " + ", ".join(f"{m:+.3f} [{low:+.3f}, {high:+.3f}]"
                                    for m, low, high in leads.values()),
              verdict(all(low > 0 for _, low, _ in leads.values())), True)


def tabulate_theory(results, data, table):
    """E6 and E7: how errors fall with n, and what is saved."""
    slopes = []
    for r in results:
        rows = rows_of(r, "random")
        gaps = [(math.log(1 / row["count"] - 1 / r["count"]), math.log(1 - headline(row, r)))
                for row in rows.values()]
        slopes.append(slope(*zip(*gaps)))
    table.add("E6 1 - cosine falls as 1/n - 1/N", data, "random",
              f"slope on logarithmic axes {', '.join(f'{s:.2f}' for s in slopes)}",
              verdict(all(0.6 <= s <= 1.4 for s in slopes)))
    for method in METHODS:
        shares, whole = [], []
        for r in results:
            seconds, full = rows_of(r, method)[0.1]["seconds"], r["seconds_full"]
            all_data = full["activations"] + full["fit"]
            shares.append((seconds["activations"] + seconds["fit"]) / all_data)
            whole.append(sum(seconds.values()) / all_data)
        table.add("E7 cost at 10 %", data, method,
                  f"{100 * mean(shares):.0f} % of the seconds of all data; "
                  f"{100 * mean(whole):.0f} % with features and selection",
                  verdict(max(shares) <= 0.2) if method == "random" else "", method != "moderate")


def tabulate_concepts(bench, data, table):
    """E9: concepts at 30 % beside concepts of all data from another start."""
    results = [bench.ice(data, seed) for seed in SEEDS]
    at = mean([headline(rows_of(r, "random")[0.3], r) for r in results])
    floor = mean([r["floor"]["matched_cosine"]["mean"] for r in results])
    table.add("E9 concepts of ICE", data, "random, 30 %",
              f"matched cosine {at:.3f}; all data from another start {floor:.3f}",
              verdict(at >= 0.9 * floor), True)


def tabulate_growing(bench, data, table):
    """E10: growth stops in time, and rightly."""
    grown = [bench.grown(data, seed, 0.95) for seed in SEEDS]
    table.add("E10 growth to 0.95", data, "random",
              "stops at " + ", ".join(f"{100 * g['fraction']:g} % ({g['stop_reason']}), audit "
                                      f"{g['similarity_full']:.3f}" for g in grown),
              verdict(all(g["fraction"] < 0.6 and g["similarity_full"] >= 0.93 for g in grown)), True)
    strict = [bench.grown(data, seed, 0.9999) for seed in SEEDS]
    table.add("E10 growth to 0.9999", data, "random",
              "stops at " + ", ".join(f"{100 * g['fraction']:g} %" for g in strict),
              verdict(all(g["stop_reason"] in ("budget", "complete") for g in strict)))


def tabulate_ablation(bench, data, table):
    """E8: what classes lose without their units."""
    results = [bench.ablated(data, seed) for seed in SEEDS]
    full, random = ([r["ablation"][name]["mean"] for r in results] for name in ("full", "random"))
    for method in METHODS:
        rows = [rows_of(r, method)[0.1]["drop"] for r in results]
        drops = [row["mean"] for row in rows]
        intervals = ", ".join(f"{100 * row['mean']:.1f} [{100 * row['ci'][0]:.1f}, "
                              f"{100 * row['ci'][1]:.1f}]" for row in rows)
        table.add("E8 accuracy lost with the units", data, f"{method}, 10 %",
                  f"points {intervals}; units of all data {points(full)}; as many others of the "
                  f"same layers {points(random)}",
                  verdict(all(d >= 2 * r and abs(d - f) <= 0.25 * f
                              for d, r, f in zip(drops, random, full))), method == "random")


def points(shares):
    return ", ".join(f"{100 * share:.1f}" for share in shares)


def tabulate_flips(bench, data, table):
    """E11: selectors that prefer the far find the mislabelled, those in the middle avoid them."""
    results = [bench.flipped_shares(data, seed) for seed in SEEDS]
    m, low, high = seed_interval(results[0]["random"])  # which no network has a say in
    text = f"random {100 * m:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
    for method, sign in (("dgpruning", 1), ("moderate", -1)):
        shares = [result[method][0] for result in results]
        beyond = all(share > high if sign > 0 else share < low for share in shares)
        table.add(f"E11 {100 * FLIPPED:.0f} % wrong labels, {'more' if sign > 0 else 'fewer'} chosen",
                  data, f"{method}, 10 %", f"{points(shares)} % of the chosen; {text}",
                  verdict(beyond), True)


def vebi(bench, data):
    return [bench.vebi(data, seed) for seed in SEEDS]


PARTS = {
    "train": lambda bench, data: [bench.network(data, seed) for seed in SEEDS],
    "vebi": lambda bench, data: vebi(bench, data),
    "ice": lambda bench, data: [bench.ice(data, seed) for seed in SEEDS],
    "selectors": lambda bench, data: [bench.every_selector(data, seed) for seed in SEEDS],
    "beyond": lambda bench, data: [bench.beyond(data, seed) for seed in SEEDS],
    "ablation": lambda bench, data: [bench.ablated(data, seed) for seed in SEEDS],
    "flips": lambda bench, data: [bench.flipped_shares(data, seed) for seed in SEEDS],
    "grow": lambda bench, data: [
        bench.grown(data, seed, target) for seed in SEEDS for target in (0.95, 0.9999)],
}


def write_table(bench, parts):
    table = Table()
    if "selectors" in parts:
        tabulate_every_selector({data: PARTS["selectors"](bench, data) for data in bench.data}, table)
    for data in bench.data:
        if "vebi" in parts:
            results = vebi(bench, data)
            tabulate_growth_of_similarity(results, data, table)
            tabulate_selectors(results, data, table)
            tabulate_theory(results, data, table)
        if "beyond" in parts:
            tabulate_beyond(PARTS["beyond"](bench, data), data, table)
        if "ablation" in parts:
            tabulate_ablation(bench, data, table)
        if "flips" in parts:
            tabulate_flips(bench, data, table)
        if "ice" in parts:
            tabulate_concepts(bench, data, table)
        if "grow" in parts:
            tabulate_growing(bench, data, table)
    table.write(
        "coreset", "Predictions about interpreting networks with little data",
        f"Made by `python3 tools/reproduce/coreset.py --table` from runs of commit "
        f"{', '.join(sorted(bench.commits))}: networks of three convolutions on 10,000 images, seeds "
        f"0 and 1, {RUNS} runs of a random selection. Similarities are those of `coreset interpret` "
        "to the interpretation on all data. The paper gives no figures that could be compared; "
        "thresholds were fixed before the first run.", bench.commits)


def main():
    o = read_arguments("predictions of arXiv 2410.00524 at a small scale", "coreset", PARTS, {
        "fashion": ("fashion-mnist", "--data of Fashion-MNIST, or a folder"),
        "mnist": ("mnist", "--data of MNIST, or a folder"),
        "limit": (10000, "training images")})
    limits = ["--limit-train", str(o.limit), "--limit-test", "1000"]
    bench = Coreset(o.out, {name: ["--data", data_named(data), *limits] for name, data in
                            (("fashion", o.fashion), ("mnist", o.mnist))}, o.limit, o.threads)
    parts = parts_named(o.part, PARTS)
    if not o.table:
        for part in parts:
            for data in bench.data:
                PARTS[part](bench, data)
    if o.table or o.part == "all":
        write_table(bench, parts)


if __name__ == "__main__":
    main()
