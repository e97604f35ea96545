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

from predictions import LIMPID, Bench

RANKS = (1, 2, 4, 8, 64, 1000)
VALUES = 1 << 20  # floats in the sum that beta is taken from
MODEL = "resnet8"
DATA = ["--data", "fashion-2k", "--limit-test", "10", "--model", MODEL]
NORMS = [16, 16, 16, 32, 32, 64, 64]  # channels of the batch norms of the network
AT_ONCE = 1 << 20  # bytes from all ranks up to which a sum is one message


class Ranks(Bench):
    def sums(self, ranks):
        """Milliseconds of a sum over so many ranks, by the number of floats: the least of all."""
        def call():
            command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(ranks), LIMPID,
                       "bench", "rank_sums", "--reps", "200", "--json"]
            run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            return json.loads(run.stdout)
        rows = self.cached_call(f"sums-{ranks}", call)["rows"]
        return {row["values"]: row["min_ms"] for row in rows}

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


def main():
    parser = argparse.ArgumentParser()
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
    for n, by_values in sums.items():
        print(f"{n} ranks here: one number {1e3 * by_values[1]:.1f} us, 4 MiB "
              f"{by_values[VALUES]:.2f} ms")
    alpha = o.alpha or sum(sums[n][1] / math.log2(n) for n in sums) / len(sums) / 1e3
    beta = o.beta or min(2 * (1 - 1 / n) * 4 * VALUES / (sums[n][VALUES] / 1e3) for n in sums)
    print(f"{MODEL}, {parameters} parameters, {os.cpu_count()} cores here; a step of b examples on "
          f"one core: {1e3 * start:.2f} + {1e3 * each:.3f} b ms; alpha {1e6 * alpha:.1f} us, beta "
          f"{beta / 1e9:.2f} GB/s")
    print("\n| ranks | examples each | compute, ms | messages, ms | step, ms | speed-up | efficiency |"
          "\n|---|---|---|---|---|---|---|")
    alone = sum(predicted(1, o.batch, start, each, parameters, alpha, beta))
    for n in RANKS:
        compute, send = predicted(n, o.batch, start, each, parameters, alpha, beta)
        speed = alone / (compute + send)
        print(f"| {n} | {math.ceil(o.batch / n)} | {1e3 * compute:.2f} | {1e3 * send:.2f} | "
              f"{1e3 * (compute + send):.2f} | {speed:.1f} | {100 * speed / n:.0f} % |")


if __name__ == "__main__":
    main()
