#!/usr/bin/env python3
# tools/reproduce/gradients.py: what "A Learning Paradigm for Interpretable Gradients" predicts, tried.
#
#     python3 tools/reproduce/gradients.py --part fashion --out reproduction
#     make reproduce-gradients PART=cifar10 CIFAR10=cifar:FOLDER
#
# A part is a list of training runs and of measurements on them. Every run and every measurement is
# one limpid command whose output is kept under --out, so an interrupted part goes on where it
# stopped and a finished one costs nothing. `--table` prints all predictions with figures, intervals
# and verdicts from what is there, and writes them to results/gradients.md and results/gradients.json.
import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LIMPID = os.path.join(HERE, "../../build/limpid")

SEEDS = (0, 1, 2)
LAMBDAS = (0, 1e-3, 7.5e-3, 3e-2, 1e-1, 3e-1)
EPOCHS = 10
RECIPE = ["--epochs", str(EPOCHS), "--batch", "128", "--optimizer", "sgd", "--lr", "0.1",
          "--momentum", "0.9", "--weight-decay", "5e-4", "--schedule", "cosine", "--warmup", "1"]


class Bench:
    """Runs limpid commands once and keeps what they print."""

    def __init__(self, out, data, threads):
        self.out, self.data, self.threads = out, data, threads
        os.makedirs(out, exist_ok=True)

    def command(self, arguments):
        print("+ limpid", " ".join(arguments), file=sys.stderr, flush=True)
        run = subprocess.run([LIMPID, *arguments, "--threads", str(self.threads), "--json"], stdout=subprocess.PIPE, text=True)
        if run.returncode != 0:
            sys.exit(f"reproduce: limpid {' '.join(arguments)} failed")
        return json.loads(run.stdout)

    def cached(self, name, arguments):
        """The JSON of a command, from the file of that name if it is there."""
        path = os.path.join(self.out, name + ".json")
        if os.path.exists(path):
            with open(path) as file:
                return json.load(file)
        result = self.command(arguments)
        result["arguments"] = arguments
        with open(path + ".new", "w") as file:
            json.dump(result, file)
        os.replace(path + ".new", path)
        return result

    def train(self, data, model, strength, seed, error="cosine", extra=()):
        """A training run with the penalty; strength 0 only measures the cosine."""
        options = "".join("-" + e.lstrip("-").replace(":", "_") for e in extra)
        error_name = "cosine" if strength == 0 else error
        name = f"{data}-{model.replace(':', '_')}-{error_name}-{strength:g}-seed{seed}{options}"
        folder = os.path.join(self.out, name)
        arguments = ["train", *self.data[data], "--model", model, *RECIPE, "--seed", str(seed),
                     "--interpretable-gradients", error, "--lambda", repr(float(strength)), *extra,
                     "--out", folder]
        if os.path.exists(folder):
            arguments.append("--resume")
        result = self.cached(name + ".train", arguments)
        result["folder"] = folder
        return result


    def evaluate(self, data, run):
        """All test images, one by one."""
        return self.cached(os.path.basename(run["folder"]) + ".eval", [
            "eval", run["folder"], *self.data[data][:2], "--each"])


def train_grid(bench, data):
    """R1, R2: three seeds, all strengths of the penalty."""
    for seed in SEEDS:
        for strength in LAMBDAS:
            bench.train(data, "resnet8", strength, seed)


def train_errors(bench, data):
    """R5: the other errors at two strengths."""
    for seed in SEEDS:
        for error in ("mse", "mae", "hi"):
            for strength in (7.5e-3, 1e-1):
                bench.train(data, "resnet8", strength, seed, error)


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
    if error != "cosine" or strength not in MEASURED:
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


MEASURED = (7.5e-3, 1e-1)  # strengths at which the long measurements are made


def measure_grid(bench, data):
    for seed in SEEDS:
        for strength in LAMBDAS[1:]:
            measure_run(bench, data, "resnet8", strength, seed)


def measure_time(bench):
    """R9: the step without and with the penalty, ResNet-8 at batch 64, in turns."""
    for turn in range(5):
        for kind in ("train", "interpretable"):
            bench.cached(f"time-{kind}-{turn}", ["bench", kind, "--model", "resnet8", "--batch",
                                                 "64", "--reps", "15"])


PARTS = {
    "fashion": lambda bench: train_grid(bench, "fashion"),
    "fashion-metrics": lambda bench: measure_grid(bench, "fashion"),
    "errors": lambda bench: train_errors(bench, "fashion"),
    "cifar10": lambda bench: train_grid(bench, "cifar10"),
    "cifar10-metrics": lambda bench: measure_grid(bench, "cifar10"),
    "time": measure_time,
}


def main():
    p = argparse.ArgumentParser(description="predictions of arXiv 2404.15024 at a small scale")
    p.add_argument("--part", choices=[*PARTS, "all"], default="all")
    p.add_argument("--out", default="reproduction/gradients", help="folder of runs and results")
    p.add_argument("--fashion", default="fashion-mnist", help="--data of Fashion-MNIST")
    p.add_argument("--cifar10", default="cifar10", help="--data of CIFAR-10")
    p.add_argument("--threads", type=int, default=0, help="of each run; the results are the same")
    o = p.parse_args()
    bench = Bench(o.out, {
        "fashion": ["--data", o.fashion, "--limit-train", "10000", "--limit-test", "1000"],
        "cifar10": ["--data", o.cifar10, "--limit-train", "10000", "--augment", "crop-flip"]},
        o.threads)
    for part in PARTS if o.part == "all" else [o.part]:
        PARTS[part](bench)


if __name__ == "__main__":
    main()
