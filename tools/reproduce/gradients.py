#!/usr/bin/env python3
# tools/reproduce/gradients.py: what "A Learning Paradigm for Interpretable Gradients" predicts, tried.
#
#     python3 tools/reproduce/gradients.py --part fashion --out reproduction
#     make reproduce-gradients PART=cifar10 CIFAR10=cifar:FOLDER
#
# A part is a list of training runs and of measurements on them. Every run and every measurement is
# one limpid command whose output is kept under --out, so an interrupted part goes on where it
# stopped and a finished one costs nothing. `--table` prints the predictions of the given parts with
# figures, intervals and verdicts, and writes results/gradients.md and results/gradients.json.
import collections
import math
import os
import random

from arguments import read_arguments
from predictions import Bench, Table, mean, parts_named, seed_interval

SEEDS = (0, 1, 2)
MEASURED = (7.5e-3, 1e-1)  # strengths at which the long measurements are made
STRENGTHS = (*MEASURED, 3e-2)  # in the order in which they are run
EPOCHS = 10
RECIPE = ["--epochs", str(EPOCHS), "--batch", "128", "--optimizer", "sgd", "--lr", "0.1",
          "--momentum", "0.9", "--weight-decay", "5e-4", "--schedule", "cosine", "--warmup", "1"]
ADAM = ["--epochs", str(EPOCHS), "--batch", "128", "--optimizer", "adam", "--lr", "2e-3",
        "--schedule", "cosine", "--warmup", "1"]
# R12: data, network, recipe; two seeds, with and without the penalty
OTHERS = (("cifar100", "resnet18:0.25", RECIPE), ("cifar100", "mobilenet_v2:0.5", RECIPE),
          ("fashion", "tiny_vit", ADAM), ("friedman", "mlp:64-32", ADAM))

# Data under this ending are trained with the penalty on the gradient of the training pass, with the
# statistics of the batch, at the measured strengths alone. The paper does not say whose gradient it
# means, and with batch norm the two differ.
BATCH = "-batch"


class Gradients(Bench):
    def __init__(self, out, data, threads):
        super().__init__(out, threads)
        self.data = data

    def train(self, data, model, strength, seed, error="cosine", recipe=RECIPE):
        """A training run with the penalty; strength 0 only measures the cosine."""
        error_name = "cosine" if strength == 0 else error
        if strength == 0:
            data = data.removesuffix(BATCH)
        name = f"{data}-{model.replace(':', '_')}-{error_name}-{strength:g}-seed{seed}"
        return self.trained(name, [
            *self.data[data], "--model", model, *recipe, "--seed", str(seed),
            "--interpretable-gradients", error, "--lambda", repr(float(strength))])

    def evaluate(self, data, run):
        """All test images, one by one."""
        return self.cached(os.path.basename(run["folder"]) + ".eval", [
            "eval", run["folder"], *self.data[data][:2], "--limit-test", "0", "--each"])


def strengths_of(data):
    return MEASURED if data.endswith(BATCH) else STRENGTHS


def train_grid(bench, data):
    """R1, R2: three seeds, all strengths of the penalty."""
    for strength in (0, *strengths_of(data)):
        for seed in SEEDS:
            bench.train(data, "resnet8", strength, seed)


def train_errors(bench, data):
    """R5: the other errors at two strengths."""
    for seed in SEEDS:
        for error in ("mse", "mae", "hi"):
            for strength in (7.5e-3, 1e-1):
                bench.train(data, "resnet8", strength, seed, error)


def train_others(bench):
    """R12: other networks, tasks and data."""
    for data, model, recipe in OTHERS:
        for seed in SEEDS[:2]:
            for strength in (0, 1e-1):
                bench.train(data, model, strength, seed, recipe=recipe)


def friedman(folder):
    """A regression on a table: Friedman's first function of five features, 2,000 rows."""
    path = os.path.join(folder, "friedman.csv")
    generator = random.Random(1)
    with open(path, "w") as file:
        file.write("a,b,c,d,e,y\n")
        for _ in range(2000):
            a, b, c, d, e = row = [generator.random() for _ in range(5)]
            y = (10 * math.sin(math.pi * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e
                 + generator.gauss(0, 1))
            file.write(",".join(f"{v:.6f}" for v in (*row, y)) + "\n")
    return path


# ---- Measurements on the runs ----

IMAGES = 1000  # of the test part
CAMS = "grad-cam,grad-cam++,xgrad-cam,layer-cam"


def measure_run(bench, data, model, strength, seed, error="cosine"):
    """Everything that is known of one penalised run beside the run without penalty."""
    plain = bench.train(data, model, 0, seed)
    run = bench.train(data, model, strength, seed, error)
    name = f"{data}-{model}-{error}-{strength:g}-seed{seed}"
    pair = [plain["folder"], "--against", run["folder"], *bench.data[data][:2], "--count",
            str(IMAGES)]
    result = {
        "run": run,
        "eval": bench.evaluate(data, run),
        # R3 and R6: the last maps; R4: those of stage 2, where the CAMs differ
        "last": bench.cached(name + ".last", ["metrics", *pair, "--method", CAMS, "--gradients",
                                              "--confidence-only"]),
    }
    if error != "cosine" or strength not in MEASURED or data.endswith(BATCH):
        return result
    result["stage2"] = bench.cached(name + ".stage2", [
        "metrics", *pair, "--method", "xgrad-cam,layer-cam", "--layer", "layer2",
        "--confidence-only"])
    result["score"] = bench.cached(name + ".score", [
        "metrics", *pair[:-1], "300", "--method", "score-cam", "--confidence-only"])
    result["insertion"] = bench.cached(name + ".insertion", [  # R7
        "metrics", *pair[:-1], "500", "--method", "grad-cam,grad-cam++,gradient", "--controls",
        "random,shuffled"])
    result["sanity"] = [bench.cached(name + f".sanity{i}", [  # R8
        "sanity", run["folder"] if i else plain["folder"], *bench.data[data][:2], "--count", "100",
        "--method", "gradient"]) for i in (0, 1)]
    return result


SMOOTH = ("gradient", "smooth:4:gradient", "smooth:16:gradient", "smooth:50:gradient")


def measure_smooth(bench, data, seed):
    """R10: SmoothGrad on both networks. `gradient` itself is the case of one copy without noise."""
    plain, run = (bench.train(data, "resnet8", s, seed) for s in (0, MEASURED[-1]))
    return bench.cached(f"{data}-smooth-seed{seed}", [
        "metrics", plain["folder"], "--against", run["folder"], *bench.data[data][:2], "--count",
        "200", "--method", ",".join(SMOOTH), "--roughness", "--controls", "random"])


def measure_grid(bench, data):
    for strength in strengths_of(data):
        for seed in SEEDS:
            measure_run(bench, data, "resnet8", strength, seed)
    for seed in SEEDS:
        if not data.endswith(BATCH):
            measure_smooth(bench, data, seed)


FULL_SIZE = ("resnet18", "mobilenet_v2")  # the paper's networks


def measure_time(bench):
    """R9: the step without and with the penalty, ResNet-8 at batch 64, in turns."""
    for turn in range(5):
        for kind in ("train", "interpretable"):
            bench.cached(f"time-{kind}-{turn}", ["bench", kind, "--model", "resnet8", "--batch",
                                                 "64", "--reps", "15"])
    for model in FULL_SIZE:
        for kind in ("train", "interpretable"):
            bench.cached(f"time-{kind}-{model}", ["bench", kind, "--model", model, "--batch", "64",
                                                  "--reps", "3"])


# ---- The table: one line per prediction ----

def accuracy_change(plain, penalised, resamples=2000):
    """Change of the mean accuracy over seeds in points, and its 95 % interval, paired by image."""
    right = [[[int(p == t) for p, t in zip(e["predicted"], e["labels"])] for e in evals]
             for evals in (plain, penalised)]
    per_image = [sum(b) - sum(a) for a, b in zip(zip(*right[0]), zip(*right[1]))]
    n, seeds = len(per_image), len(plain)
    counts = collections.Counter(per_image)
    values, weights = list(counts), list(counts.values())
    generator = random.Random(0)
    means = sorted(sum(generator.choices(values, weights, k=n)) for _ in range(resamples))
    scale = 100 / n / seeds
    return (scale * sum(per_image), scale * means[int(0.025 * resamples)],
            scale * means[int(0.975 * resamples) - 1])


def difference_of(metrics, method, figure):
    row = next(r for r in metrics["against"]["differences"] if r["method"] == method)[figure]
    return row["difference"], *row["interval"]


SHUFFLED = "shuffled grad-cam"


def tabulate(bench, data, table):
    strengths = sorted(strengths_of(data))
    runs = {s: [bench.train(data, "resnet8", s, seed) for seed in SEEDS] for s in (0, *strengths)}
    plain = [bench.evaluate(data, run) for run in runs[0]]
    measured = {s: [measure_run(bench, data, "resnet8", s, seed) for seed in SEEDS]
                for s in strengths}

    # R1: the cosine on the test images; R2: accuracy
    cosines = {s: [run["gradient_cosine"] for run in runs[s]] for s in runs}
    rises = sum(all(cosines[b][k] > cosines[a][k]
                    for a, b in zip((0, *strengths), strengths)) for k in range(len(SEEDS)))
    gains = [cosines[strengths[-1]][k] - cosines[0][k] for k in range(len(SEEDS))]
    table.add("R1 cosine rises with lambda", data, "all lambda",
              f"monotone in {rises} of {len(SEEDS)} seeds; gain at the largest "
              + ", ".join(f"{g:+.3f}" for g in gains),
              "reproduced" if rises == len(SEEDS) and min(gains) > 0.05
              else "rises, not monotone" if min(gains) > 0.05 else "not reproduced", headline=True)
    table.add("R1 cosine", data, "lambda 0", "cosine "
              + ", ".join(f"{c:.3f}" for c in cosines[0]), "", headline=True)
    for s in strengths:
        change, low, high = accuracy_change(plain, [m["eval"] for m in measured[s]])
        level = mean([m["eval"]["accuracy"] for m in measured[s]])
        gain = min(b - a for a, b in zip(cosines[0], cosines[s]))
        table.add("R1, R2 cosine and accuracy", data, f"lambda {s:g}",
                  "cosine " + ", ".join(f"{c:.3f}" for c in cosines[s])
                  + f"; {100 * level:.1f} % ({change:+.2f} [{low:+.2f}, {high:+.2f}] points)",
                  ("accuracy kept" if abs(change) <= 1 else "loss below 2 points" if low > -2
                   else "accuracy not kept")
                  + (", cosine raised" if gain > 0.05 else ", cosine not raised"), headline=True)

    # R3, R4: confidence metrics of the CAMs, beside the change of the shuffled maps
    signs = {"ad": -1, "ag": 1, "ai": 1}
    for s in strengths:
        last = [m["last"] for m in measured[s]]
        for figure, sign in signs.items():
            table.add_difference(
                "R3 Grad-CAM", data, f"lambda {s:g}", figure.upper(), sign,
                [difference_of(m, "grad-cam", figure) for m in last],
                control=[difference_of(m, SHUFFLED, figure)[0] for m in last], headline=True)
    if not data.endswith(BATCH):
        tabulate_long(bench, data, measured, signs, table)


def tabulate_long(bench, data, measured, signs, table):
    for s in MEASURED:
        for method, key in (("grad-cam++", "last"), ("xgrad-cam", "stage2"),
                            ("layer-cam", "stage2"), ("score-cam", "score")):
            for figure, sign in signs.items():
                table.add_difference(
                    f"R4 {method}" + (" at stage 2" if key == "stage2" else ""), data,
                    f"lambda {s:g}", figure.upper(), sign,
                    [difference_of(m[key], method, figure) for m in measured[s]])

    # R6: how clean the gradient is
    for s in sorted(measured):
        for figure, sign in (("variation", -1), ("stability", 1)):
            quality = [m["last"]["gradients"][figure] for m in measured[s]]
            table.add_difference("R6 cleaner gradient", data, f"lambda {s:g}", figure, sign,
                                 [(q["difference"], *q["difference_interval"]) for q in quality], 4,
                                 headline=s in MEASURED)

    # R7: insertion and deletion
    for s in MEASURED:
        for method in ("grad-cam", "grad-cam++", "gradient"):
            for figure, sign in (("insertion", 1), ("deletion", -1)):
                table.add_difference(
                    f"R7 {method}", data, f"lambda {s:g}", figure, sign,
                    [difference_of(m["insertion"], method, figure) for m in measured[s]], 4,
                    headline=method != "grad-cam++")

    # R8: the gradient after all layers were randomised
    for s in MEASURED:
        after = [[m["sanity"][k]["rows"][-1]["spearman_abs"] for m in measured[s]] for k in (0, 1)]
        change = [b - a for a, b in zip(*after)]
        table.add("R8 gradient depends on the weights", data, f"lambda {s:g}",
                  f"rank correlation of the gradient's size after randomisation {mean(after[0]):.3f} -> "
                  f"{mean(after[1]):.3f}", "reproduced" if max(change) <= 0.1 else "not reproduced",
                  headline=True)
    tabulate_smooth(bench, data, table)
    tabulate_meaning(bench, data, table)


def tabulate_others(bench, table):
    """R12: the signs of R1 to R3."""
    for data, model, recipe in OTHERS:
        pairs = [[bench.train(data, model, s, seed, recipe=recipe) for s in (0, 1e-1)]
                 for seed in SEEDS[:2]]
        gains = [b["gradient_cosine"] - a["gradient_cosine"] for a, b in pairs]
        table.add("R12 cosine rises", data, f"{model}, lambda 0.1",
                  "gain " + ", ".join(f"{g:+.3f}" for g in gains),
                  "reproduced" if min(gains) > 0.05 else "not reproduced" if max(gains) <= 0
                  else "under-powered", headline=True)
        if data == "friedman":
            losses = [(a["test_loss"], b["test_loss"]) for a, b in pairs]
            table.add("R12 error kept", data, f"{model}, lambda 0.1", "squared error "
                      + ", ".join(f"{a:.4f} -> {b:.4f}" for a, b in losses), "", headline=True)
            continue
        change, low, high = accuracy_change(*[[bench.evaluate(data, pair[k]) for pair in pairs]
                                              for k in (0, 1)])
        table.add("R12 accuracy kept", data, f"{model}, lambda 0.1",
                  f"{change:+.2f} [{low:+.2f}, {high:+.2f}] points",
                  "reproduced" if abs(change) <= 1 else "within 2 points" if low > -2
                  else "not reproduced", headline=True)
        measured = [bench.cached(
            f"{data}-{model.replace(':', '_')}-seed{seed}.last",
            ["metrics", a["folder"], "--against", b["folder"], *bench.data[data][:2], "--count",
             str(IMAGES), "--method", "grad-cam", "--confidence-only"])
            for seed, (a, b) in zip(SEEDS, pairs)]
        for figure, sign in (("ad", -1), ("ag", 1), ("ai", 1)):
            table.add_difference("R12 Grad-CAM", data, f"{model}, lambda 0.1", figure.upper(), sign,
                                 [difference_of(m, "grad-cam", figure) for m in measured],
                                 headline=True)


def tabulate_errors(bench, table):
    """R5: AG - AD of Grad-CAM against the run without penalty, with the accuracy beside it."""
    plain = [bench.evaluate("fashion", bench.train("fashion", "resnet8", 0, k)) for k in SEEDS]
    for s in MEASURED:
        cosine = []
        for error in ("cosine", "mse", "mae", "hi"):
            measured = [measure_run(bench, "fashion", "resnet8", s, k, error) for k in SEEDS]
            gain = [difference_of(m["last"], "grad-cam", "ag")[0]
                    - difference_of(m["last"], "grad-cam", "ad")[0] for m in measured]
            change = accuracy_change(plain, [m["eval"] for m in measured])
            m, low, high = seed_interval(gain)
            figure = (f"AG - AD {m:+.2f} [{low:+.2f}, {high:+.2f}], accuracy {change[0]:+.2f} "
                      f"[{change[1]:+.2f}, {change[2]:+.2f}]")
            result = ""
            if error == "cosine":
                cosine = gain
            else:
                m, low, high = seed_interval([c - g for c, g in zip(cosine, gain)])
                figure += f"; cosine is {m:+.2f} [{low:+.2f}, {high:+.2f}] better"
                result = ("reproduced" if low > 0 else "not reproduced" if high < 0
                          else "under-powered")
            table.add("R5 cosine beats other errors", "fashion", f"{error}, lambda {s:g}", figure,
                      result, headline=True)


def tabulate_time(bench, table):
    ratios = [bench.cached(f"time-interpretable-{k}", [])["rows"][0]["median_ms"]
              / bench.cached(f"time-train-{k}", [])["rows"][0]["median_ms"] for k in range(5)]
    table.add("R9 cost of the step", "random", "resnet8, batch 64",
              f"{sorted(ratios)[2]:.2f} times ({min(ratios):.2f} to {max(ratios):.2f})",
              "reproduced" if sorted(ratios)[2] <= 3.5 else "not reproduced", headline=True)
    for model in FULL_SIZE:
        ms = {kind: bench.cached(f"time-{kind}-{model}", [])["rows"][0]["min_ms"]
              for kind in ("train", "interpretable")}
        hours = {kind: t / 64 * 50_000 * 200 / 3.6e6 for kind, t in ms.items()}
        table.add("R12 cost at full size, extrapolated", "50,000 images, 200 epochs",
                  f"{model}, threads: {bench.threads or os.cpu_count()}",
                  f"{hours['train']:.0f} hours, with the penalty {hours['interpretable']:.0f}", "",
                  headline=True)


def write_table(bench, parts):
    table = Table()
    for data in GRIDS:
        if data + "-metrics" in parts:
            tabulate(bench, data, table)
    if "errors" in parts:
        tabulate_errors(bench, table)
    if "others" in parts:
        tabulate_others(bench, table)
    if "time" in parts:
        tabulate_time(bench, table)
    table.write(
        "gradients", "Predictions of A Learning Paradigm for Interpretable Gradients",
        f"Made by `python3 tools/reproduce/gradients.py --table` from runs of commit "
        f"{', '.join(sorted(bench.commits))}: ResNet-8, 10,000 training images, {EPOCHS} epochs, "
        "seeds 0 to 2; the penalty is on the gradient with the statistics of "
        "batch norm held constant, in rows of data ending in -batch on that of the training pass. "
        "Differences are those to lambda 0 of the same seed, mean "
        "over the seeds with the 95 % interval of Student's t; accuracy: all test images, interval "
        "of the bootstrap, paired by image. Verdicts use the intervals over images of each seed: "
        "reproduced, if the sign is right in all seeds and sure in two; not reproduced, if the "
        "opposite is sure in two; else under-powered.", bench.commits)


def tabulate_smooth(bench, data, table):
    """R10: the interaction is how much less SmoothGrad gains on the penalised network."""
    measured = [measure_smooth(bench, data, seed) for seed in SEEDS]
    figures = (("roughness", -1), ("guided_cosine", 1), ("insertion", 1), ("deletion", -1))
    rows = [{r["method"]: r for r in m["rows"]} for m in measured]
    others = [{r["method"]: r for r in m["against"]["rows"]} for m in measured]
    setting = f"lambda {MEASURED[-1]:g} against 0"
    for figure, sign in figures:
        levels = [mean([r[method][figure] for r in rows]) for method in SMOOTH]
        own = [mean([r[method][figure] for r in others]) for method in SMOOTH]
        equal = next((m for m, v in zip(SMOOTH, levels) if sign * v >= sign * own[0]), "none here")
        table.add("R10 SmoothGrad", data, setting,
                  f"{figure} for N = 1, 4, 16, 50: " + ", ".join(f"{v:.4f}" for v in levels)
                  + "; penalised " + ", ".join(f"{v:.4f}" for v in own)
                  + f"; the plain network equals the penalised gradient at: {equal}", "")
        for method in SMOOTH[1:]:
            change = [difference_of(m, method, figure)[0] - difference_of(m, "gradient", figure)[0]
                      for m in measured]
            m, low, high = seed_interval(change)
            table.add("R10 gains are sub-additive", data, f"{method}, {setting}",
                      f"interaction of {figure} {m:+.4f} [{low:+.4f}, {high:+.4f}]",
                      "reproduced" if sign * m < 0 and low * high > 0
                      else "rejected" if low * high > 0 else "under-powered")


def tabulate_meaning(bench, data, table):
    """R11: the slope of the penalty beside adversarial training, and what the guided rule removes."""
    for s in MEASURED:
        gradients = [measure_run(bench, data, "resnet8", s, seed)["last"]["gradients"]
                     for seed in SEEDS]
        for figure in ("shift_cosine", "accuracy_fgsm_1", "accuracy_fgsm_2", "accuracy_random_2"):
            m, low, high = seed_interval([g[figure]["difference"] for g in gradients])
            table.add("R11 meaning", data, f"lambda {s:g}",
                      f"{figure} {mean([g[figure]['mean'] for g in gradients]):.4f}, change "
                      f"{m:+.4f} [{low:+.4f}, {high:+.4f}]", "")
        table.add("R11 share removed by the guided rule", data, f"lambda {s:g}",
                  f"{mean([g['removal']['mean'] for g in gradients]):.3f} -> "
                  f"{mean([g['removal']['against']['mean'] for g in gradients]):.3f}", "")


GRIDS = ("fashion", "cifar10", "fashion" + BATCH)
PARTS = {
    **{data: lambda bench, data=data: train_grid(bench, data) for data in GRIDS},
    **{data + "-metrics": lambda bench, data=data: measure_grid(bench, data) for data in GRIDS},
    "errors": lambda bench: train_errors(bench, "fashion"),
    "others": train_others,
    "time": measure_time,
}


def main():
    o = read_arguments("predictions of arXiv 2404.15024 at a small scale", "gradients", PARTS, {
        "fashion": ("fashion-mnist", "--data of Fashion-MNIST"),
        "cifar10": ("cifar10", "--data of CIFAR-10"),
        "cifar100": ("cifar100", "--data of CIFAR-100")})
    fashion = ["--data", o.fashion, "--limit-train", "10000", "--limit-test", "1000"]
    held = ["--penalty-mode", "held"]
    bench = Gradients(o.out, {
        "fashion": [*fashion, *held],
        "fashion" + BATCH: [*fashion, "--penalty-mode", "train"],
        "cifar10": ["--data", o.cifar10, "--limit-train", "10000", "--augment", "crop-flip", *held],
        "cifar100": ["--data", o.cifar100, "--limit-train", "5000", "--augment", "crop-flip", *held],
        "friedman": ["--data", "csv:" + os.path.join(o.out, "friedman.csv"), "--task", "regress"]},
        o.threads)
    friedman(o.out)
    parts = parts_named(o.part, PARTS)
    if not o.table:
        for part in parts:
            PARTS[part](bench)
    if o.table or o.part == "all":
        write_table(bench, parts)


if __name__ == "__main__":
    main()
