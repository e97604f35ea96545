#!/usr/bin/env python3
# tools/reproduce/transport.py: layers as transport of the data (arXiv 1605.02832), tried.
#
#     python3 tools/reproduce/transport.py --part dae-trained --out reproduction/transport
#     make reproduce-transport PART=dae-trained
#
# Parts stand in modules beside this file: each runs limpid commands, whose outputs are kept under
# --out (see predictions.py), and adds rows to the table. A finished part costs nothing. One part
# prints its rows; all of them together write the results.

from arguments import read_arguments
import transport_dae
import transport_layers
import transport_ridgelet
from predictions import Bench, Table, parts_named

PARTS = {**transport_dae.PARTS, **transport_ridgelet.PARTS, **transport_layers.PARTS}


def main():
    o = read_arguments("layers as transport of the data", "transport", PARTS, {
        "mnist": ("mnist", "--data of MNIST; shifts need idx:FOLDER"),
        "fashion": ("fashion-mnist", "--data of Fashion-MNIST"),
        "cifar10": ("cifar10", "--data of CIFAR-10")}, has_table=False)
    bench, table = Bench(o.out, o.threads), Table()
    bench.data = {"mnist": o.mnist, "fashion": o.fashion, "cifar": o.cifar10}
    for part in parts_named(o.part, PARTS):
        PARTS[part](bench, table)
    if o.part != "all":
        print(table.markdown())
        return
    table.write(
        "transport", "Transport Analysis of Infinitely Deep Neural Network",
        f"Made by `python3 tools/reproduce/transport.py` from runs of commit "
        f"{', '.join(sorted(bench.commits))}. Trained denoisers: one hidden layer of tanh units "
        f"beside the identity, {transport_dae.TRAINING[1]} steps of Adam on batches of "
        f"{transport_dae.TRAINING[3]} with fresh noise, against the exact map of the law their "
        "points were drawn from, at 4,000 fresh noisy draws. Networks with faults: lenet5 and "
        "mlp:64-64-64 on 10,000 MNIST images, 3 epochs, resnet8 on 10,000 CIFAR-10 images, 8 "
        "epochs; the rules were fixed on seeds 0 to 9 of the first two. In brackets, 95 % "
        "intervals over the seeds, and Wilson's for shares.", bench.commits)


if __name__ == "__main__":
    main()
