#!/usr/bin/python3
# tests/bench/compare.py: limpid beside PyTorch: equal work first, then time and memory, in turns.
#
#     apt-get install -y --no-install-recommends python3-torch python3-torchvision
#     /usr/bin/python3 tests/bench/compare.py                       every workload, 1 and 2 threads
#     /usr/bin/python3 tests/bench/compare.py lenet_train_b128 --threads 2 --rounds 9
#     /usr/bin/python3 tests/bench/compare.py --check               equal work alone
#     /usr/bin/python3 tests/bench/compare.py --memory --json r.json      memory too, and a file
#
# Equal work: both programs start from the same weights and batch, without dropout, and take five
# steps in double precision: losses must agree to 1e-3 and all parameters together to 1e-3 (the norm
# of the difference over the norm), or the comparison fails. It is far less than that unless the
# work differs. In single precision rounding flips rectifiers, and deep networks with batch norm
# carry that far: the difference of the two programs is printed beside that of PyTorch's own single
# from its own double precision, and the first loss must agree to 1e-5.
# Parameters and multiply-adds of both are printed.
# Time: rounds in turns on the same number of threads, each after 0.3 seconds that are not counted;
# the ratio is that of the medians over the rounds of the medians within a round. Nothing else may run
# on the machine.
# Memory: peak resident memory of a process above that of one that does nothing (`limpid data list`;
# `import torch, torchvision`).
import argparse
import ctypes
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

LIMPID = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/limpid")

if __name__ == "__main__" and os.environ.get("OMP_WAIT_POLICY") != "passive":
    os.environ["OMP_WAIT_POLICY"] = "passive"  # idle threads must not take the other program's core
    os.execv(sys.executable, [sys.executable] + sys.argv)

import torch
import torch.nn.functional as F
import torchvision
from torch import nn


# ---- The workloads, as limpid's tools/workloads.cpp has them ----

class Rectifier(torch.autograd.Function):
    """relu or relu6 whose backward rule is read when it runs, so one forward serves both sweeps."""

    guided = False

    @staticmethod
    def forward(ctx, x, top):
        y = x.clamp(min=0) if top is None else x.clamp(min=0, max=top)
        ctx.save_for_backward(y)
        ctx.top = top
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        passes = y > 0 if ctx.top is None else (y > 0) & (y < ctx.top)
        return (g.clamp(min=0) if Rectifier.guided else g) * passes, None


class RuleReLU(nn.Module):
    def __init__(self, top):
        super().__init__()
        self.top = top

    def forward(self, x):
        return Rectifier.apply(x, self.top)


def replace_rectifiers(module):
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU6):
            setattr(module, name, RuleReLU(6.0))
        elif isinstance(child, nn.ReLU):
            setattr(module, name, RuleReLU(None))
        else:
            replace_rectifiers(child)


def mlp():
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(),
                         nn.Linear(128, 10))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84),
        nn.ReLU(), nn.Linear(84, 10))


def convnet():
    layers, channels = [], 3
    for _ in range(3):
        layers += [nn.Conv2d(channels, 128, 3, padding=1), nn.GroupNorm(128, 128), nn.ReLU(),
                   nn.AvgPool2d(2)]
        channels = 128
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, 10))


def resnet18():
    net = torchvision.models.resnet18(num_classes=100)
    net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    net.maxpool = nn.Identity()
    return net


def mobilenet_v2():
    net = torchvision.models.mobilenet_v2(num_classes=100)
    net.features[0][0] = nn.Conv2d(3, 32, 3, 1, 1, bias=False)
    return net


# Places in a Sequential and the names that limpid gives them
NAMES = {
    mlp: {"0": "fc1", "2": "fc2", "4": "fc3"},
    lenet: {"0": "conv1", "3": "conv2", "7": "fc1", "9": "fc2", "11": "fc3"},
    convnet: {"0": "conv1", "1": "norm1", "4": "conv2", "5": "norm2", "8": "conv3", "9": "norm3",
              "13": "fc"},
}

WORKLOADS = {  # name: kind, network, batch, classes
    "mlp_train_b128": ("train", mlp, (128, 784), 10),
    "lenet_train_b128": ("train", lenet, (128, 1, 28, 28), 10),
    "convnet128_train_b64": ("train", convnet, (64, 3, 32, 32), 10),
    "resnet18_train_b32": ("train", resnet18, (32, 3, 32, 32), 100),
    "mobilenetv2_train_b32": ("train", mobilenet_v2, (32, 3, 32, 32), 100),
    "resnet18_infer_b32": ("infer", resnet18, (32, 3, 32, 32), 100),
    "mobilenetv2_infer_b32": ("infer", mobilenet_v2, (32, 3, 32, 32), 100),
    "resnet18_interpretable_b16": ("interpretable", resnet18, (16, 3, 32, 32), 100),
    "convnet128_interpretable_b32": ("interpretable", convnet, (32, 3, 32, 32), 10),
    "op_overhead_1000adds": ("adds", None, None, 0),
}
# What limpid / PyTorch must not exceed; the goal is lower
LIMITS = {
    "mlp_train_b128": (0.6, 0.8), "lenet_train_b128": (0.4, 0.7),
    "convnet128_train_b64": (0.5, 0.7), "resnet18_train_b32": (0.6, 0.9),
    "mobilenetv2_train_b32": (0.6, 0.9), "resnet18_infer_b32": (0.6, 0.9),
    "mobilenetv2_infer_b32": (0.6, 0.9), "resnet18_interpretable_b16": (0.5, 0.7),
    "convnet128_interpretable_b32": (0.5, 0.7), "op_overhead_1000adds": (0.05, 0.1),
}


SHORT = ("mlp_train_b128", "lenet_train_b128", "op_overhead_1000adds")


class Problem:
    def __init__(self, name):
        torch.manual_seed(0)
        self.kind, self.make, shape, classes = WORKLOADS[name]
        if self.kind == "adds":
            self.a = torch.randn(8, requires_grad=True)
            return
        self.net = self.make()
        if self.kind == "interpretable":
            replace_rectifiers(self.net)
        self.net.train(self.kind != "infer")
        self.x, self.y = torch.randn(shape), torch.randint(0, classes, (shape[0],))
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9,
                                         weight_decay=5e-4)

    def step(self):
        """One step; returns the loss, or the logits of `infer`."""
        if self.kind == "adds":
            b = self.a
            for _ in range(1000):
                b = b + self.a
            b.sum().backward()
            return None
        if self.kind == "infer":
            with torch.no_grad():
                return self.net(self.x)
        self.optimizer.zero_grad()
        if self.kind == "train":
            loss = F.cross_entropy(self.net(self.x), self.y)
        else:
            x = self.x.clone().requires_grad_()
            ce = F.cross_entropy(self.net(x), self.y)
            Rectifier.guided = True
            (guided,) = torch.autograd.grad(ce, x, retain_graph=True)
            Rectifier.guided = False
            (plain,) = torch.autograd.grad(ce, x, create_graph=True)
            cosine = F.cosine_similarity(plain.flatten(1), guided.flatten(1))
            loss = ce + 0.0075 * (1 - cosine).mean()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def state(self):
        """Weights and buffers under limpid's names."""
        places = NAMES.get(self.make, {})
        named = {}
        for name, tensor in self.net.state_dict().items():
            place, _, rest = name.partition(".")
            named[f"{places[place]}.{rest}" if places else name] = tensor.detach().clone()
        return {k: v for k, v in named.items() if not k.endswith("num_batches_tracked")}

    def macs(self):
        total = 0

        def count(layer, inputs, output):
            nonlocal total
            if isinstance(layer, nn.Conv2d):
                total += output.numel() * layer.weight[0].numel()
            elif isinstance(layer, nn.Linear):
                total += output.numel() * layer.in_features

        hooks = [m.register_forward_hook(count) for m in self.net.modules()]
        was_training = self.net.training
        self.net.eval()
        with torch.no_grad():
            self.net(self.x)
        self.net.train(was_training)
        for hook in hooks:
            hook.remove()
        return total


# ---- Files, and the other program ----

TYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}


def save_safetensors(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.contiguous().numpy().tobytes()
        header[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def load_safetensors(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    tensors = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = info["data_offsets"]
        dtype = next(t for t, label in TYPES.items() if label == info["dtype"])
        values = torch.frombuffer(bytearray(data[begin:end]), dtype=dtype)
        tensors[name] = values.reshape(info["shape"])
    return tensors


def limpid(*arguments):
    run = subprocess.run([LIMPID, *arguments, "--json"], check=True, capture_output=True)
    return json.loads(run.stdout)


def openblas():
    """The library behind libblas, as this process has mapped it. Fails unless it is OpenBLAS."""
    torch.ones(64, 64) @ torch.ones(64, 64)
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "blas" in line}
    resolved = sorted({os.path.realpath(f) for f in files if f.startswith("/")})
    print("PyTorch's BLAS:", ", ".join(resolved))
    own = [f for f in resolved if "libopenblas" in f]
    if not own:
        sys.exit("compare: PyTorch does not use OpenBLAS; see update-alternatives")
    return ctypes.CDLL(own[0])


def set_threads(blas, threads):
    torch.set_num_threads(threads)
    blas.openblas_set_num_threads(threads)  # torch leaves it at all cores
    if blas.openblas_get_num_threads() != threads:
        sys.exit("compare: OpenBLAS does not take the thread count")


# ---- The three comparisons ----

def distance(a, b):
    """|a - b| / |b| over all tensors of two dictionaries together."""
    difference = sum(((a[k].double() - b[k].double()) ** 2).sum().item() for k in b)
    return (difference / sum((b[k].double() ** 2).sum().item() for k in b)) ** 0.5


def largest_of(a, b):
    return max(abs(x - y) / abs(y) for x, y in zip(a, b))


def fresh(name, dtype):
    problem = Problem(name)
    for module in problem.net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    problem.net.to(dtype)
    problem.x = problem.x.to(dtype)
    return problem


def five_steps(problem):
    """Losses and parameters of PyTorch; for `infer` none, and the logits."""
    if problem.kind == "infer":
        return [], {"logits": problem.step()}
    losses = [problem.step().item() for _ in range(5)]
    trained = {id(p) for p in problem.net.parameters()}
    kept = problem.net.state_dict(keep_vars=True)
    state = problem.state()
    return losses, {new: state[new] for new, old in zip(state, (
        k for k in kept if not k.endswith("num_batches_tracked"))) if id(kept[old]) in trained}


def check_equal_work(name):
    if WORKLOADS[name][0] == "adds":
        return {}
    problem = fresh(name, torch.float32)
    row = {}
    with tempfile.TemporaryDirectory() as folder:
        start, end = folder + "/start.safetensors", folder + "/end.safetensors"
        save_safetensors(start, {**problem.state(), "x": problem.x, "labels": problem.y})
        for dtype in (torch.float32, torch.float64):
            options = ["--f64"] if dtype == torch.float64 else []
            ours = limpid("bench", name, "--start", start, "--out", end, *options)
            losses, theirs = five_steps(fresh(name, dtype))
            result = load_safetensors(end)
            key = str(dtype).removeprefix("torch.")
            row[key] = {"losses": [ours["losses"], losses],
                        "loss_difference": largest_of(ours["losses"], losses) if losses else 0.0,
                        "difference": distance({k: result[k] for k in theirs}, theirs)}
            row[key + "_state"] = theirs
    exact, single = row["float64"], row["float32"]
    row["own_difference"] = distance(row.pop("float32_state"), row.pop("float64_state"))
    row["parameters"] = [ours["parameters"], sum(p.numel() for p in problem.net.parameters())]
    row["macs"] = [ours["macs"], problem.macs()]
    first = largest_of(*(values[:1] for values in single["losses"])) if single["losses"][0] else 0
    row["equal"] = (exact["loss_difference"] <= 1e-3 and exact["difference"] <= 1e-3
                    and first <= 1e-5 and row["parameters"][0] == row["parameters"][1]
                    and row["macs"][0] == row["macs"][1])
    print(f"{name:29} parameters {row['parameters'][0]:>8} {row['parameters'][1]:>8}  "
          f"GMAC {row['macs'][0] / 1e9:6.3f} {row['macs'][1] / 1e9:6.3f}  "
          f"f64: losses {exact['loss_difference']:.0e}, parameters {exact['difference']:.0e}  "
          f"f32: losses {single['loss_difference']:.0e}, parameters {single['difference']:.0e} "
          f"(PyTorch's own {row['own_difference']:.0e})  "
          f"{'equal' if row['equal'] else 'NOT EQUAL'}", flush=True)
    return row


def median_ms(step, reps):
    begin = time.perf_counter()
    while time.perf_counter() - begin < 0.3:  # as limpid does before it counts
        step()
    times = []
    for _ in range(reps):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def compare_time(name, threads, rounds, reps, blas):
    set_threads(blas, threads)
    problem = Problem(name)
    problem.step()
    problem.step()
    reps = reps or (100 if name in SHORT else 3)
    ours, theirs = [], []
    for _ in range(rounds):
        row = limpid("bench", name, "--threads", str(threads), "--reps", str(reps))["rows"][0]
        ours.append(row["median_ms"])
        theirs.append(median_ms(problem.step, reps))
    a, b = statistics.median(ours), statistics.median(theirs)
    goal, limit = LIMITS[name]
    verdict = "goal met" if a / b <= goal else "within the limit" if a / b <= limit else "TOO SLOW"
    print(f"{name:30} threads {threads}  limpid {a:9.2f} ms ({min(ours):.2f} to {max(ours):.2f})  "
          f"PyTorch {b:9.2f} ms ({min(theirs):.2f} to {max(theirs):.2f})  ratio {a / b:.3f}  "
          f"goal {goal}, limit {limit}: {verdict}", flush=True)
    return {"workload": name, "threads": threads, "limpid_ms": ours, "pytorch_ms": theirs,
            "ratio": a / b, "goal": goal, "limit": limit}


def own_peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


def torch_peak_mb(name):
    """Peak of a new process that takes three steps of a workload, or with no name only imports."""
    run = subprocess.run([sys.executable, __file__, "--peak-of", name], check=True,
                         capture_output=True)
    return float(run.stdout.split()[-1])


def compare_memory(name, threads, idle):
    ours = limpid("bench", name, "--threads", str(threads), "--reps", "1")["peak_rss_mb"] - idle[0]
    theirs = torch_peak_mb(name) - idle[1]
    print(f"{name:30} peak above idle: limpid {ours:7.1f} MB  PyTorch {theirs:7.1f} MB  "
          f"ratio {ours / theirs:.2f}", flush=True)
    return {"workload": name, "limpid_mb": ours, "pytorch_mb": theirs, "ratio": ours / theirs}


def main():
    p = argparse.ArgumentParser(description="limpid beside PyTorch")
    p.add_argument("workload", nargs="*", help="names; all unless given")
    p.add_argument("--threads", type=int, help="1 or 2; both unless given")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--reps", type=int, help="steps per round; 3, and 100 where a step is short")
    p.add_argument("--check", action="store_true", help="equal work alone")
    p.add_argument("--no-check", action="store_true", help="leave out the proof of equal work")
    p.add_argument("--memory", action="store_true", help="memory as well as time")
    p.add_argument("--json", help="file for everything that was measured")
    p.add_argument("--peak-of", dest="peak_of", help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.peak_of is not None:
        if o.peak_of:
            problem = Problem(o.peak_of)
            for _ in range(3):
                problem.step()
        print(own_peak_mb())
        return
    names = o.workload or list(WORKLOADS)
    blas = openblas()
    print(subprocess.run([LIMPID, "--version"], capture_output=True, text=True).stdout.strip())
    checked = [] if o.no_check else names
    report = {"equal_work": {name: check_equal_work(name) for name in checked}}
    if not all(row.get("equal", True) for row in report["equal_work"].values()):
        sys.exit("compare: the two programs do not do the same work")
    if o.memory:
        idle = limpid("data", "list")["peak_rss_mb"], torch_peak_mb("")
        report["memory"] = [compare_memory(n, o.threads or 2, idle) for n in names
                            if WORKLOADS[n][0] in ("train", "interpretable")]
    if not o.check:
        report["time"] = [compare_time(n, t, o.rounds, o.reps, blas)
                          for t in ([o.threads] if o.threads else [1, 2]) for n in names]
    if o.json:
        with open(o.json, "w") as file:
            json.dump(report, file, indent=1)


main()
