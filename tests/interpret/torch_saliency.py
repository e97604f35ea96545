# tests/interpret/torch_saliency.py: saliency maps by PyTorch, for torch_saliency_test.cpp.
#
#     python3 torch_saliency.py FOLDER
#
# reads from FOLDER   weights.safetensors, images.npy [N, C, H, W], classes.npy [N],
#                     mean.npy and deviation.npy [C]
# writes to FOLDER    torch-NAME.npy for every NAME of RESULTS, and prints the names
#
# Nothing here is taken from limpid but the numbers in these files. Arithmetic is in double. To
# compare something else, a metric for example, write a function of a Case and name it in RESULTS.
import json
import struct
import sys

import numpy
import torch
import torch.nn.functional as functional

TYPES = {"F32": numpy.float32, "F64": numpy.float64, "I64": numpy.int64}


def load_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        array = numpy.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy()).double()
    return tensors


class Rectifier(torch.autograd.Function):
    """max(x, 0) with the backward rule of its second argument."""

    @staticmethod
    def forward(ctx, x, rule):
        ctx.save_for_backward(x)
        ctx.rule = rule
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        if ctx.rule != "deconv":
            g = g * (x > 0)
        return (g if ctx.rule == "standard" else g * (g > 0)), None


class Case:
    """A network with its images: conv, norm, relu, max-pool, conv, relu, mean, linear."""

    def __init__(self, folder):
        self.weights = load_safetensors(f"{folder}/weights.safetensors")
        load = lambda name: torch.from_numpy(numpy.load(f"{folder}/{name}.npy"))
        self.images = load("images").double()
        self.classes = load("classes").long()
        self.mean = load("mean").double().view(1, -1, 1, 1)
        self.deviation = load("deviation").double().view(1, -1, 1, 1)

    def maps(self, x, rule="standard"):
        """The last rectified maps [N, K, h, w]."""
        w = self.weights
        x = functional.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=1)
        x = functional.batch_norm(
            x, w["bn1.running_mean"], w["bn1.running_var"], w["bn1.weight"], w["bn1.bias"]
        )
        x = functional.max_pool2d(Rectifier.apply(x, rule), 2)
        x = functional.conv2d(x, w["conv2.weight"], w["conv2.bias"], padding=1)
        return Rectifier.apply(x, rule)

    def head(self, maps):
        return maps.mean((2, 3)) @ self.weights["linear.weight"].T + self.weights["linear.bias"]

    def logits(self, x, rule="standard"):
        return self.head(self.maps(x, rule))

    def of_class(self, per_class):
        return per_class.gather(1, self.classes[:, None])

    def masked(self, mask):
        """Pixels times a mask [N, 1, H, W], standardised again."""
        pixels = self.images * self.deviation + self.mean
        return (mask * pixels - self.mean) / self.deviation

    def slopes(self):
        """A [N, K, h, w] and dy_c/dA."""
        maps = self.maps(self.images).detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.of_class(self.head(maps)).sum(), maps)
        return maps.detach(), slope

    def enlarge(self, maps):
        return functional.interpolate(
            maps, size=self.images.shape[2:], mode="bilinear", align_corners=False
        )


# ---- Maps of the input ----


def gradient(case, x=None, rule="standard"):
    x = (case.images if x is None else x).detach().requires_grad_()
    return torch.autograd.grad(case.of_class(case.logits(x, rule)).sum(), x)[0]


def integrated_gradients(case, steps=50):
    start = (-case.mean / case.deviation).expand_as(case.images)
    way = case.images - start
    total = sum(gradient(case, start + (s + 0.5) / steps * way) for s in range(steps))
    return way * total / steps


# ---- Class activation maps ----


def combined(alpha, maps):
    return (alpha * maps).sum(1, keepdim=True).relu()


def grad_cam(case):
    maps, slope = case.slopes()
    return combined(slope.mean((2, 3), keepdim=True), maps)


def grad_cam_plus_plus(case):
    maps, slope = case.slopes()
    square, cube = slope**2, slope**3
    below = 2 * square + maps.sum((2, 3), keepdim=True) * cube
    alpha = torch.where(slope != 0, square / below, torch.zeros_like(slope))
    return combined((alpha * slope.relu()).sum((2, 3), keepdim=True), maps)


def xgrad_cam(case):
    maps, slope = case.slopes()
    total = maps.sum((2, 3), keepdim=True)
    weights = (slope * maps).sum((2, 3), keepdim=True) / torch.where(total == 0, 1.0, total)
    return combined(weights, maps)


def hires_cam(case):
    maps, slope = case.slopes()
    return combined(slope, maps)


def layer_cam(case):
    maps, slope = case.slopes()
    return combined(slope.relu(), maps)


def eigen_cam(case):
    results = []
    for maps in case.slopes()[0]:
        rows = maps.flatten(1).T
        centred = rows - rows.mean(0)
        component = centred @ torch.linalg.svd(centred, full_matrices=False)[2][0]
        if (component * centred.sum(1)).sum() < 0:
            component = -component
        results.append(component.view(1, *maps.shape[1:]).relu())
    return torch.stack(results)


def ablation_cam(case):
    maps, _ = case.slopes()
    whole = case.of_class(case.head(maps))
    drops = []
    for k in range(maps.shape[1]):
        without = maps.clone()
        without[:, k] = 0
        drops.append(whole - case.of_class(case.head(without)))
    return combined((torch.cat(drops, 1) / whole)[:, :, None, None], maps)


def score_cam(case):
    maps, _ = case.slopes()
    large = case.enlarge(maps)
    weights = []
    for k in range(maps.shape[1]):
        one = large[:, k : k + 1]
        low, high = one.amin((2, 3), keepdim=True), one.amax((2, 3), keepdim=True)
        flat = high == low
        mask = (one - low) / torch.where(flat, 1.0, high - low)
        probability = case.of_class(case.logits(case.masked(mask)).softmax(1))
        weights.append(torch.where(flat[:, :, 0, 0], 0.0, probability))
    return combined(torch.cat(weights, 1)[:, :, None, None], maps)


RESULTS = {
    "gradient": gradient,
    "guided": lambda case: gradient(case, rule="guided"),
    "deconv": lambda case: gradient(case, rule="deconv"),
    "gradient-x-input": lambda case: gradient(case) * case.images,
    "integrated-gradients": integrated_gradients,
    "grad-cam": grad_cam,
    "grad-cam++": grad_cam_plus_plus,
    "xgrad-cam": xgrad_cam,
    "hires-cam": hires_cam,
    "layer-cam": layer_cam,
    "eigen-cam": eigen_cam,
    "ablation-cam": ablation_cam,
    "score-cam": score_cam,
    "guided-grad-cam": lambda case: gradient(case, rule="guided") * case.enlarge(grad_cam(case)),
}


def main(folder):
    torch.set_num_threads(2)
    case = Case(folder)
    for name, result in RESULTS.items():
        numpy.save(f"{folder}/torch-{name}.npy", result(case).detach().numpy())
        print(name, flush=True)


main(sys.argv[1])
