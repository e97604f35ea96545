#!/usr/bin/python3
# tests/bench/scale.py: how the time and memory of a step grow with batch, width, depth and threads.
#
#     /usr/bin/python3 tests/bench/scale.py                  tables on the screen, two minutes
#     /usr/bin/python3 tests/bench/scale.py --json s.json    and all figures in a file
#
# Every line is one process of `limpid bench`, the best of three where threads are compared.
# Milliseconds are medians over repetitions; "live" is the peak of the buffer counter, "RSS" the peak
# resident memory of the process, with the program itself (about 20 MB). GF/s counts the
# multiplications and additions of the plain sums, three times those of a forward pass for a
# training step.
# Threads: from T1 and T2 the serial share s of Amdahl's law, T(p) = T1 (s + (1 - s) / p), which
# gives s = 2 T2 / T1 - 1, and with it what 4, 8 and 16 cores would do, were memory no limit.
import argparse
import json
import os
import subprocess

LIMPID = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/limpid")


def step(model, batch, threads=1, kind="train", shape="3,32,32", reps=None):
    """One row of `limpid bench`, with the peak resident memory of its process in MB."""
    command = [LIMPID, "bench", kind, "--model", model, "--batch", str(batch), "--input", shape,
               "--threads", str(threads), "--reps", str(reps or (5 if batch > 64 else 9)), "--json"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = json.loads(output)
    row = result["rows"][0]
    row.update(model=model, batch=batch, rss_mb=result["peak_rss_mb"],
               gflops=2e-6 * row["macs"] * (3 if kind == "train" else 1) / row["median_ms"])
    return row


def best_step(model, batch, threads, shape):
    """The best of three processes: in some, both threads share a core for a while."""
    rows = [step(model, batch, threads, shape=shape) for _ in range(3)]
    return min(rows, key=lambda row: row["median_ms"])


def table(title, first, rows, key):
    print(f"\n{title}\n{first:>16} {'ms':>9} {'ms/image':>9} {'GF/s':>7} {'live MB':>8} {'RSS MB':>7}")
    for row in rows:
        print(f"{str(row[key]):>16} {row['median_ms']:9.2f} {row['median_ms'] / row['batch']:9.3f} "
              f"{row['gflops']:7.1f} {row['peak_live_mb']:8.1f} {row['rss_mb']:7.1f}", flush=True)


def amdahl(one, two):
    serial = max(0.0, 2 * two / one - 1)
    return serial, {p: 1 / (serial + (1 - serial) / p) for p in (2, 4, 8, 16)}


def main():
    parser = argparse.ArgumentParser(description="growth of a training step")
    parser.add_argument("--json", help="file for all figures")
    options = parser.parse_args()
    figures = {}

    batches = [1, 2, 4, 8, 16, 32, 64, 128, 256]
    for model in ("resnet20", "mobilenet_v2:0.5"):
        rows = [step(model, batch) for batch in batches]
        table(f"batch, {model}, 3x32x32, training, 1 thread", "batch", rows, "batch")
        figures[f"batch {model}"] = rows

    rows = [step(f"resnet18:{w}", 16) for w in (0.125, 0.25, 0.5, 1)]
    table("width, resnet18:W, batch 16, training, 1 thread", "model", rows, "model")
    figures["width"] = rows

    rows = [step(model, 32) for model in ("resnet8", "resnet20")]
    rows += [step("mlp:" + "-".join(["256"] * n), 128, shape="784") for n in (1, 2, 4, 8, 16)]
    for row in rows:
        if row["model"].startswith("mlp"):
            row["model"] = f"mlp 256 x {row['model'].count('256')}"
    table("depth, training, 1 thread (resnet batch 32, mlp batch 128)", "model", rows, "model")
    figures["depth"] = rows

    print("\nthreads, training\n           model     1 thread    2 threads  speed-up  serial share"
          "   4 cores   8 cores  16 cores (Amdahl)")
    figures["threads"] = []
    for model, batch, shape in (("mlp:256-128", 128, "784"), ("lenet5", 128, "1,28,28"),
                                ("resnet20", 32, "3,32,32"), ("resnet18", 16, "3,32,32"),
                                ("mobilenet_v2", 32, "3,32,32"), ("tiny_vit", 32, "3,32,32")):
        one, two = (best_step(model, batch, threads, shape) for threads in (1, 2))
        serial, faster = amdahl(one["median_ms"], two["median_ms"])
        figures["threads"].append({"model": model, "one": one, "two": two, "serial": serial,
                                   "speed_up": faster})
        print(f"{model:>16} {one['median_ms']:9.2f} ms {two['median_ms']:9.2f} ms "
              f"{one['median_ms'] / two['median_ms']:9.2f} {100 * serial:11.1f} %  "
              + "  ".join(f"{faster[p]:8.1f}" for p in (4, 8, 16)), flush=True)

    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
