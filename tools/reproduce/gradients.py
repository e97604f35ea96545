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

    def __init__(self, out, data):
        self.out, self.data = out, data
        os.makedirs(out, exist_ok=True)

    def command(self, arguments):
        print("+ limpid", " ".join(arguments), file=sys.stderr, flush=True)
        run = subprocess.run([LIMPID, *arguments, "--json"], stdout=subprocess.PIPE, text=True)
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
        name = f"{data}-{model.replace(':', '_')}-{error}-{strength:g}-seed{seed}{options}"
        folder = os.path.join(self.out, name)
        arguments = ["train", *self.data[data], "--model", model, *RECIPE, "--seed", str(seed),
                     "--interpretable-gradients", error, "--lambda", repr(float(strength)), *extra,
                     "--out", folder]
        if os.path.exists(folder):
            arguments.append("--resume")
        result = self.cached(name + ".train", arguments)
        result["folder"] = folder
        return result


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


PARTS = {
    "fashion": lambda bench: train_grid(bench, "fashion"),
    "errors": lambda bench: train_errors(bench, "fashion"),
    "cifar10": lambda bench: train_grid(bench, "cifar10"),
}


def main():
    p = argparse.ArgumentParser(description="predictions of arXiv 2404.15024 at a small scale")
    p.add_argument("--part", choices=[*PARTS, "all"], default="all")
    p.add_argument("--out", default="reproduction/gradients", help="folder of runs and results")
    p.add_argument("--fashion", default="fashion-mnist", help="--data of Fashion-MNIST")
    p.add_argument("--cifar10", default="cifar10", help="--data of CIFAR-10")
    o = p.parse_args()
    bench = Bench(o.out, {
        "fashion": ["--data", o.fashion, "--limit-train", "10000", "--limit-test", "1000"],
        "cifar10": ["--data", o.cifar10, "--limit-train", "10000", "--augment", "crop-flip"]})
    for part in PARTS if o.part == "all" else [o.part]:
        PARTS[part](bench)


if __name__ == "__main__":
    main()
