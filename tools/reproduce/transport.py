#!/usr/bin/env python3
# tools/reproduce/transport.py: layers as transport of the data (arXiv 1605.02832), tried.
#
#     python3 tools/reproduce/transport.py --part dae-trained --out reproduction/transport
#     make reproduce-transport PART=dae-trained
#
# Parts stand in modules beside this file: each runs limpid commands, whose outputs are kept under
# --out (see predictions.py), and adds rows to the table. A finished part costs nothing.
import argparse

import transport_dae
from predictions import Bench, Table, parts_named

PARTS = {**transport_dae.PARTS}


def main():
    p = argparse.ArgumentParser(description="layers as transport of the data")
    p.add_argument("--part", default="all", help="some of " + ", ".join(PARTS) + ", with commas")
    p.add_argument("--out", default="reproduction/transport", help="folder of runs and results")
    p.add_argument("--threads", type=int, default=0, help="of each run; the results are the same")
    o = p.parse_args()
    bench, table = Bench(o.out, o.threads), Table()
    for part in parts_named(o.part, PARTS):
        PARTS[part](bench, table)
    table.write(
        "transport", "Transport Analysis of Infinitely Deep Neural Network",
        f"Made by `python3 tools/reproduce/transport.py` from runs of commit "
        f"{', '.join(sorted(bench.commits))}. Trained denoisers: one hidden layer of tanh units "
        f"beside the identity, {transport_dae.TRAINING[1]} steps of Adam on batches of "
        f"{transport_dae.TRAINING[3]} with fresh noise, against the exact map of the law their "
        "points were drawn from, at 4,000 fresh noisy draws. In brackets, 95 % intervals over the "
        "seeds.", bench.commits)


if __name__ == "__main__":
    main()
