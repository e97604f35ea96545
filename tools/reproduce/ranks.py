#!/usr/bin/env python3
# tools/reproduce/ranks.py: what to expect of training on N ranks, from a cost model measured here.
#
#     LIMPID_MPI=1 tools/setup.sh && make CMAKE_FLAGS=-DLIMPID_MPI=ON
#     python3 tools/reproduce/ranks.py --out reproduction/ranks
#
# A step of B examples on N ranks takes
#
#     t(N) = s + c ceil(B / N) + the sum over its messages of T(m, N)
#     T(m, N) = alpha log2(N) + (N - 1) m / beta                      all at once, N m <= 1 MiB
#     T(m, N) = 2 (N - 1) alpha + 2 (1 - 1 / N) m / beta              by pieces
#
# s + c b is a step of b examples on one rank by itself (a line through two batch sizes). T is the
# time of a sum of m bytes (framework/core/ranks.cpp): two for the loss and an interrupt, four for
# each batch norm, one for all gradients. beta is the bytes that a rank sends in a second while all do.
# alpha and beta are measured with 2 and 4 ranks on this machine, where messages are copies in memory
# and all ranks share its cores: on a network give its own with --alpha and --beta.
import argparse
import json
import math
import os
import subprocess
import textwrap

from predictions import HERE, LIMPID, Bench, write_block

RANKS = (2, 4, 8, 64, 1000)
VALUES = 1 << 20  # floats in the sum that beta is taken from
MODEL = "resnet8"
DATA = ["--data", "fashion-2k", "--limit-test", "10", "--model", MODEL]
NORMS = [16, 16, 16, 32, 32, 64, 64]  # channels of the batch norms of the network
AT_ONCE = 1 << 20  # bytes from all ranks up to which a sum is one message


class Ranks(Bench):
    def sums(self, ranks):
        """Milliseconds of a sum over so many ranks, by the number of floats: the least of all."""
        rows = self.shared(f"sums-{ranks}", ranks, ["bench", "rank_sums", "--reps", "200"])["rows"]
        return {row["values"]: row["min_ms"] for row in rows}

    def regions(self, ranks):
        """All regions in a box of a small network, by so many ranks of one thread: the fastest of
        five runs."""
        folder = self.trained("roll", ["--data", "swiss-roll", "--model", "mlp:40-40",
                                       "--epochs", "1"])["folder"]
        runs = [self.shared(f"regions-{ranks}-{k}", ranks, [
            "shallow", "convert", folder, "--box", "-10,10", "--check", "1000",
            "--out", self.file("regions.safetensors")]) for k in range(5)]
        return max(runs, key=lambda run: run["regions_per_second"])

    def shared(self, name, ranks, arguments):
        """What a command prints that so many ranks share, each on one thread."""
        def call():
            command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(ranks), LIMPID,
                       *arguments, "--threads", "1", "--json"]
            run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            return json.loads(run.stdout)
        return self.cached_call(name, call)

    def step(self, batch):
        """Seconds of a step of one rank by itself, and the parameters of the network."""
        run = self.trained(f"{MODEL}-b{batch}", [*DATA, "--batch", str(batch), "--epochs", "2",
                                                 "--limit-train", str(16 * batch)])
        return batch / run["images_per_second"], run["parameters"]


def sum_time(size, ranks, alpha, beta):
    """Seconds of a sum of so many bytes."""
    if size * ranks <= AT_ONCE:
        return alpha * math.log2(ranks) + (ranks - 1) * size / beta
    return 2 * (ranks - 1) * alpha + 2 * (1 - 1 / ranks) * size / beta


def predicted(ranks, batch, start, each, parameters, alpha, beta):
    """Seconds of computing and of sending."""
    compute = start + each * math.ceil(batch / ranks)
    if ranks == 1:
        return compute, 0.0
    sizes = [24, 8, 4 * parameters] + [4 * channels for channels in NORMS for _ in range(4)]
    return compute, sum(sum_time(size, ranks, alpha, beta) for size in sizes)


NETWORK = (30e-6, 1e9)  # alpha and beta of a network, assumed


class Table:
    """What to expect of a batch, here and over a network, rank by rank."""

    def __init__(self, batch, start, each, parameters):
        self.of_step = (batch, start, each, parameters)

    def efficiency(self, ranks, link):
        alone = sum(predicted(1, *self.of_step, *link))
        return alone / (ranks * sum(predicted(ranks, *self.of_step, *link)))

    def markdown(self, here):
        lines = ["| ranks | examples each | compute, ms | messages, ms | efficiency | messages by "
                 "network, ms | efficiency |", "|---|---|---|---|---|---|---|"]
        for n in RANKS:
            compute, send = predicted(n, *self.of_step, *here)
            by_network = predicted(n, *self.of_step, *NETWORK)[1]
            lines.append(
                f"| {n:,} | {math.ceil(self.of_step[0] / n)} | {1e3 * compute:.1f} | "
                f"{1e3 * send:.1f} | {100 * self.efficiency(n, here):.0f} % | "
                f"{1e3 * by_network:.1f} | {100 * self.efficiency(n, NETWORK):.0f} % |")
        return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description="a cost model of N ranks, measured here")
    parser.add_argument("--out", default="reproduction/ranks")
    parser.add_argument("--batch", type=int, default=1000, help="examples of a step, of all ranks")
    parser.add_argument("--alpha", type=float, help="seconds of a message")
    parser.add_argument("--beta", type=float, help="bytes per second of a rank")
    o = parser.parse_args()
    bench = Ranks(o.out, 1)
    (small, parameters), (large, _) = bench.step(16), bench.step(64)
    each = (large - small) / 48
    start = max(0.0, small - 16 * each)
    sums = {n: bench.sums(n) for n in (2, 4)}
    alpha = o.alpha or sum(sums[n][1] / math.log2(n) for n in sums) / len(sums) / 1e3
    beta = o.beta or min(2 * (1 - 1 / n) * 4 * VALUES / (sums[n][VALUES] / 1e3) for n in sums)
    one, two = bench.regions(1), bench.regions(2)
    text = textwrap.fill(
        f"What to expect, by the cost model of `tools/reproduce/ranks.py`, for `{MODEL}` on 28x28 "
        f"({parameters:,} parameters) and batches of {o.batch:,}. Measured on {os.cpu_count()} "
        f"cores: {1e3 * each:.2f} ms per example; a sum of one number over 2 and 4 ranks "
        f"{1e3 * sums[2][1]:.1f} and {1e3 * sums[4][1]:.1f} us, of 4 MiB {sums[2][VALUES]:.1f} and "
        f"{sums[4][VALUES]:.1f} ms, which makes alpha {1e6 * alpha:.1f} us and beta "
        f"{beta / 1e9:.2f} GB/s. The network of the last two columns ({1e6 * NETWORK[0]:.0f} us, "
        f"{NETWORK[1] / 1e9:.0f} GB/s) is assumed. Nothing above 4 ranks, and nothing over a "
        f"network, has been run. {two['regions']:,} regions of a network 3-40-40-2 come "
        f"{two['regions_per_second'] / one['regions_per_second']:.1f} times as fast from 2 ranks "
        "with one thread each as from one.", 120)
    text += "\n\n" + Table(o.batch, start, each, parameters).markdown((alpha, beta))
    with open(os.path.join(HERE, "results/ranks.md"), "w") as file:
        file.write(text)
    write_block("ranks", text)
    print(text)


if __name__ == "__main__":
    main()
