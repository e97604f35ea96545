# tests/interpret/torch_metrics.py: the metrics of saliency maps once more, in PyTorch, one by one.
#
#   torch_metrics.py FOLDER
#
# Reads a network of two blocks (the arrays conv1.weight.npy ... fc.bias.npy), images.npy,
# maps.npy, others.npy, classes.npy, mean.npy and deviation.npy. Writes drop, gain, increase,
# deletion, insertion, ssim, spearman, cosine and variation, one number per image. Needs torch.
import sys

import numpy
import torch
from torch.nn import functional

STEP = 24
SIDE, SIGMA = 11, 5.0  # of the blur


class GuidedReLU(torch.autograd.Function):
    """Springenberg et al. 2015: positive gradients through positive inputs."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(context, g):
        (x,) = context.saved_tensors
        return g.clamp(min=0) * (x > 0)


def network(w, x, relu=functional.relu):
    for block in "12":
        x = functional.conv2d(x, w[f"conv{block}.weight"], w[f"conv{block}.bias"], padding=1)
        norm = f"norm{block}."
        x = functional.batch_norm(
            x, w[norm + "running_mean"], w[norm + "running_var"], w[norm + "weight"],
            w[norm + "bias"], training=False, eps=1e-5)
        x = functional.avg_pool2d(relu(x), 2)
    return functional.linear(x.flatten(1), w["fc.weight"], w["fc.bias"])


def probability(w, x, k):
    with torch.no_grad():
        return torch.softmax(network(w, x), 1)[0, k].item()


def blur_kernel():
    """A Gaussian filter of a window with one 1, the window continued by reflection."""
    radius = int(4 * SIGMA + 0.5)
    t = numpy.arange(-radius, radius + 1)
    tap = numpy.exp(-0.5 * (t / SIGMA) ** 2)
    tap /= tap.sum()
    window = numpy.zeros((SIDE, SIDE))
    window[SIDE // 2, SIDE // 2] = 1
    wide = numpy.pad(window, radius, mode="symmetric")
    out = numpy.zeros((SIDE, SIDE))
    for y in range(SIDE):
        for x in range(SIDE):
            part = wide[y : y + 2 * radius + 1, x : x + 2 * radius + 1]
            out[y, x] = tap @ part @ tap
    return torch.from_numpy(out)


def area(w, image, k, order, start, finish):
    """RISE: from one picture to another along the order of the pixels."""
    current = start.clone()
    scores = [probability(w, current, k)]
    for begin in range(0, len(order), STEP):
        for pixel in order[begin : begin + STEP]:
            y, x = divmod(int(pixel), image.shape[3])
            current[0, :, y, x] = finish[0, :, y, x]
        scores.append(probability(w, current, k))
    return (sum(scores) - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1)


def ssim(a, b):
    t = torch.arange(-5, 6, dtype=torch.float64)
    g = torch.exp(-t * t / (2 * 1.5**2))
    window = (g[:, None] * g[None, :] / g.sum() ** 2)[None, None]
    local = lambda x: functional.conv2d(x, window)
    ma, mb = local(a), local(b)
    va, vb, vab = local(a * a) - ma * ma, local(b * b) - mb * mb, local(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    value = (2 * ma * mb + c1) * (2 * vab + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return value.mean().item()


def average_ranks(v):
    return numpy.array([(v < x).sum() + ((v == x).sum() + 1) / 2 for x in v])


def loss_gradient(w, image, k, relu):
    x = image.clone().requires_grad_(True)
    loss = functional.cross_entropy(network(w, x, relu), torch.tensor([k]))
    return torch.autograd.grad(loss, x)[0]


def variation(g):
    v = g.abs() / g.abs().sum()
    rows = (v[:, :, 1:] - v[:, :, :-1]).abs().sum()
    return (rows + (v[:, :, :, 1:] - v[:, :, :, :-1]).abs().sum()).item()


def main(folder):
    load = lambda name: torch.from_numpy(numpy.load(f"{folder}/{name}.npy")).double()
    names = [f"{layer}{b}.{t}" for b in "12" for layer in ["conv"] for t in ["weight", "bias"]]
    names += [f"norm{b}.{t}" for b in "12"
              for t in ["weight", "bias", "running_mean", "running_var"]]
    w = {name: load(name) for name in names + ["fc.weight", "fc.bias"]}
    images, maps, others = load("images"), load("maps"), load("others")
    classes = numpy.load(f"{folder}/classes.npy")
    mean, deviation = load("mean")[:, None, None], load("deviation")[:, None, None]
    kernel = blur_kernel()
    channels = images.shape[1]
    results = {}

    def note(name, value):
        results.setdefault(name, []).append(value)

    for n, k in enumerate(int(c) for c in classes):
        image, values = images[n : n + 1], maps[n, 0].flatten().numpy()
        pixels = image * deviation + mean
        p = probability(w, (pixels - mean) / deviation, k)
        o = probability(w, (pixels * maps[n : n + 1] - mean) / deviation, k)
        note("drop", 100 * max(0, p - o) / p)
        note("gain", 100 * max(0, o - p) / (1 - p))
        note("increase", 100.0 * (o > p))

        order = sorted(range(len(values)), key=lambda i: (-values[i], i))
        weight = kernel.expand(channels, 1, SIDE, SIDE)
        blurred = functional.conv2d(image, weight, padding=SIDE // 2, groups=channels)
        note("deletion", area(w, image, k, order, image, torch.zeros_like(image)))
        note("insertion", area(w, image, k, order, blurred, image))

        note("ssim", ssim(maps[n : n + 1], others[n : n + 1]))
        ranks = average_ranks(values), average_ranks(others[n, 0].flatten().numpy())
        note("spearman", numpy.corrcoef(*ranks)[0, 1])

        plain = loss_gradient(w, image, k, functional.relu)
        guided = loss_gradient(w, image, k, GuidedReLU.apply)
        note("cosine", functional.cosine_similarity(plain.flatten(), guided.flatten(), 0).item())
        note("variation", variation(plain))
    for name, numbers in results.items():
        numpy.save(f"{folder}/{name}.npy", numpy.array(numbers))


main(sys.argv[1])
