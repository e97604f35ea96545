# tools/reproduce/transport_ridgelet.py: units drawn from ridgelet spectra, and trained ones beside them.
#
# Part ridgelet of transport.py. R1 draws units with density |T(a, b)| (oracle sampling) and at
# random in three ways, fits the outer weights of both by least squares, and compares errors at equal
# width. R2 trains networks of one input on sin(2 pi x) exp(-2 x^2) and correlates sum |c_j| with
# |T|, bin by bin, beside networks as they are before training.
import math
import os

from predictions import Bench, mean, seed_interval

SEEDS = 5
WIDTHS = (10, 30, 100)
FUNCTIONS = ("sine", "bump", "step", "waves-2d")
UNITS = ("relu", "gaussian")
RANDOM = {"box": "uniform (a, b)", "placed": "a uniform, bent within the data",
          "layer": "as a layer starts"}
# No | in texts: they stand in tables of Markdown
MEASURES = {"spearman": "a in [-20, 20]", "spearman_near": "a where units lie",
            "spearman_places": "places, b / a by sign of a"}


class Ridgelet(Bench):
    def widths(self, function, unit):
        """Errors of oracle and random units, by width."""
        return self.cached(f"{function}-{unit}", [
            "transport", "ridgelet", "--function", function, "--activation", unit, "--widths",
            ",".join(map(str, WIDTHS)), "--seeds", str(SEEDS)])["widths"]

    def agreement(self, seed, is_trained):
        """A network of 60 units on the sine, or the same before training, over the spectrum."""
        name = f"sine-{'trained' if is_trained else 'start'}-seed{seed}"
        run = self.trained(name, [
            "--data", "csv:" + sine_table(self.out), "--label-column", "y", "--task", "regress",
            "--model", "mlp:60", "--epochs", "200" if is_trained else "1", "--lr",
            "0.01" if is_trained else "1e-12", "--seed", str(seed)])
        result = self.cached(name + "-ridgelet", [
            "transport", "ridgelet", run["folder"], "--function", "sine", "--widths", "10",
            "--seeds", "1"])
        return dict(result["units"], loss=run["test_loss"])


def sine_table(folder):
    """1,000 evenly spaced x in [-2, 2]."""
    path = os.path.join(folder, "sine.csv")
    if os.path.exists(path):
        return path
    with open(path + ".new", "w") as file:
        file.write("x,y\n")
        for k in range(1000):
            x = -2 + 4 * (k + 0.5) / 1000
            file.write(f"{x:.6f},{math.sin(2 * math.pi * x) * math.exp(-2 * x * x):.9f}\n")
    os.replace(path + ".new", path)
    return path


def verdict_of(low, high):
    return "reproduced" if low > 0 else "not reproduced" if high < 0 else "under-powered"


def tabulate_oracle(bench, table):
    prediction = "R1 oracle sampling beats random units"
    count = {kind: {} for kind in RANDOM}
    for function in FUNCTIONS:
        for unit in UNITS:
            for row in bench.widths(function, unit):
                oracle = row["oracle"]["errors"]
                for kind, text in RANDOM.items():
                    errors = row["random_" + kind]["errors"]
                    logs = [math.log10(r / o) for r, o in zip(errors, oracle)]
                    m, low, high = seed_interval(logs)
                    result = verdict_of(low, high)
                    count[kind][result] = count[kind].get(result, 0) + 1
                    table.add(prediction, function, f"{unit}, {row['width']} units, {text}",
                              f"error {mean(oracle):.3g} against {mean(errors):.3g}; log10 of the "
                              f"ratio {m:+.2f} [{low:+.2f}, {high:+.2f}]", result)
    for kind, text in RANDOM.items():
        results = count[kind]
        total = sum(results.values())
        won = results.get("reproduced", 0)
        lost = results.get("not reproduced", 0)
        table.add(prediction, ", ".join(FUNCTIONS), f"{', '.join(UNITS)}, widths "
                  f"{', '.join(map(str, WIDTHS))}, {text}",
                  f"better in {won} of {total} settings, worse in {lost}, no difference in "
                  f"{total - won - lost}",
                  "reproduced" if won == total else
                  "reproduced in part" if won > lost else "not reproduced", True)


def tabulate_agreement(bench, table):
    prediction = "R2 trained units lie where T is large"
    trained = [bench.agreement(seed, True) for seed in range(SEEDS)]
    start = [bench.agreement(seed, False) for seed in range(SEEDS)]
    for key, text in MEASURES.items():
        m, low, high = seed_interval([r[key] for r in trained])
        gain, gain_low, gain_high = seed_interval([t[key] - s[key] for t, s in zip(trained, start)])
        result = verdict_of(low, high)
        if result == "reproduced" and gain_low <= 0:
            result = "not beyond the start" if gain <= 0 else "not surely beyond the start"
        table.add(prediction, "sine", f"mlp:60, {text}",
                  f"Spearman {m:+.2f} [{low:+.2f}, {high:+.2f}], before training "
                  f"{mean([r[key] for r in start]):+.2f}; gain {gain:+.2f} [{gain_low:+.2f}, "
                  f"{gain_high:+.2f}]", result, True)


def tabulate_ridgelet(bench, table):
    tabulate_oracle(bench, table)
    tabulate_agreement(bench, table)


def part(bench, table):
    ridgelet = Ridgelet(bench.out, bench.threads)
    ridgelet.commits = bench.commits
    tabulate_ridgelet(ridgelet, table)


PARTS = {"ridgelet": part}
