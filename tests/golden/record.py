#!/usr/bin/python3
# tests/golden/record.py: writes golden.safetensors, PyTorch's results for the cases of the test.
#
#     apt-get install -y --no-install-recommends python3-torch
#     /usr/bin/python3 tests/golden/record.py
#
# Recorded with PyTorch 1.13.0 of Debian 12 on x86-64. The values of a case are drawn from a seed of
# its own, so a new case leaves the others as they are. They are rounded to f32 once, and both types
# start from the same numbers. Names in the file:
#     CASE/input.NAME     an input, parameter or buffer: F32, or I64 for labels and indices
#     CASE/seed           dL/d output; absent where nothing is differentiated
#     CASE/f64/output, CASE/f64/grad.NAME, CASE/f64/RESULT, and the same with f32
#     CASE/f64/sampled.NAME
#                         a long gradient: entries 0, k, 2k, ... with k = ceil(count / 256)
import json
import os
import struct
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

COMMAND = "/usr/bin/python3 tests/golden/record.py"
OUTPUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden.safetensors")
SAMPLES = 256  # of a long gradient
TYPES = {"f64": torch.float64, "f32": torch.float32}
torch.set_num_threads(1)  # sums in one order: the same file each time

stored = {}  # name -> numpy array


# ---- Storing -------------------------------------------------------------------------------------


def store(name, value):
    assert name not in stored, name
    stored[name] = np.ascontiguousarray(value).reshape(np.shape(value))


def write(path):
    """Layout: framework/io/safetensors.h. Wide elements first, so that all are aligned."""
    codes = {"float64": "F64", "int64": "I64", "float32": "F32"}
    header = {"__metadata__": {"command": COMMAND, "torch": torch.__version__}}
    data = []
    offset = 0
    for name in sorted(stored, key=lambda n: (-stored[n].itemsize, n)):
        array = stored[name]
        header[name] = {
            "dtype": codes[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        data.append(array.tobytes())
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data))


# ---- Values --------------------------------------------------------------------------------------


class Draw:
    """Random values of one case, all exact in f32."""

    def __init__(self, name):
        self.random = np.random.RandomState(zlib.crc32(name.encode("ascii")))

    def normal(self, *shape):
        return self.random.standard_normal(shape).astype(np.float32)

    def uniform(self, low, high, *shape):
        return self.random.uniform(low, high, shape).astype(np.float32)

    def signs(self, *shape):
        return (2 * self.random.randint(0, 2, shape) - 1).astype(np.float32)

    def labels(self, classes, *shape):
        return self.random.randint(0, classes, shape).astype(np.int64)

    def rows(self, *shape):
        """Distributions over the last dimension."""
        weights = self.random.uniform(0.1, 1, shape)
        return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)


def network_value(name, shape):
    """Parameters of whole networks come from a formula, which the test repeats (Run::network).

    s starts as the FNV-1a hash of the name; each step s = 1664525 s + 1013904223 mod 2^32 gives
    u = floor(s / 512) / 2^23 - 1/2. Biases are u, scales of norms 1 + u, weights with n inputs
    u 4 / 2^floor(log2(n) / 2): about He's bound, and exact in f32.
    """
    s = 2166136261
    for byte in name.encode("ascii"):
        s = ((s ^ byte) * 16777619) % 2**32
    count = int(np.prod(shape))
    u = np.empty(count)
    for i in range(count):
        s = (1664525 * s + 1013904223) % 2**32
        u[i] = (s >> 9) / 2**23 - 0.5
    if len(shape) > 1:
        inputs = count // shape[0]
        u *= 4 / 2 ** ((inputs.bit_length() - 1) // 2)
    elif name.endswith("weight"):
        u += 1
    return u.reshape(shape).astype(np.float32)


# ---- Cases ---------------------------------------------------------------------------------------


def store_gradient(prefix, name, gradient, samples):
    gradient = gradient.numpy()
    if samples and gradient.size > SAMPLES:
        k = -(-gradient.size // SAMPLES)
        store(prefix + "sampled." + name, gradient.reshape(-1)[::k])
    else:
        store(prefix + "grad." + name, gradient)


def function_case(name, inputs, function, constants=()):
    """inputs: Draw -> {name: array};  function: {name: tensor} -> tensor. All inputs are
    differentiated, except integers and `constants`."""
    draw = Draw(name)
    arrays = inputs(draw)
    for key, array in arrays.items():
        store(f"{name}/input.{key}", array)
    seed = None
    for label, dtype in TYPES.items():
        leaves = {}
        for key, array in arrays.items():
            tensor = torch.from_numpy(array)
            if tensor.is_floating_point():
                tensor = tensor.to(dtype).clone().requires_grad_(key not in constants)
            leaves[key] = tensor
        output = function(leaves)
        if seed is None:
            seed = draw.normal(*output.shape)
            store(f"{name}/seed", seed)
        store(f"{name}/{label}/output", output.detach().numpy())
        wanted = [key for key in leaves if leaves[key].requires_grad]
        gradients = torch.autograd.grad(
            output, [leaves[key] for key in wanted], torch.from_numpy(np.array(seed)).to(dtype))
        for key, gradient in zip(wanted, gradients):
            store(f"{name}/{label}/grad.{key}", gradient.numpy())


def module_case(name, make, shape, train=True, is_network=False, tokens=None):
    """A layer or network at x of `shape`; tokens: x are indices below that number."""
    draw = Draw(name)
    x = draw.labels(tokens, *shape) if tokens else draw.normal(*shape)
    store(f"{name}/input.x", x)
    module = make()
    values = {}
    for key, parameter in module.named_parameters():
        if is_network:
            values[key] = network_value(key, parameter.shape)
        else:
            values[key] = draw.normal(*parameter.shape) * np.float32(0.5)
    for key, buffer in module.named_buffers():
        if is_network or not buffer.is_floating_point():
            continue
        is_variance = key.endswith("running_var")
        low, high = (0.5, 2) if is_variance else (-1, 1)
        values[key] = draw.uniform(low, high, *buffer.shape)
    if not is_network:
        for key, array in values.items():
            store(f"{name}/input.{key}", array)
    seed = None
    for label, dtype in TYPES.items():
        module = make().to(dtype).train(train)
        state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        with torch.no_grad():
            for key, array in values.items():
                state[key].copy_(torch.from_numpy(array))
        leaf = torch.from_numpy(x)
        if not tokens:
            leaf = leaf.to(dtype).clone().requires_grad_()
        output = module(leaf)
        if seed is None:
            seed = draw.normal(*output.shape)
            store(f"{name}/seed", seed)
        store(f"{name}/{label}/output", output.detach().numpy())
        wanted = dict(module.named_parameters())
        if not tokens:
            wanted["x"] = leaf
        gradients = torch.autograd.grad(
            output, list(wanted.values()), torch.from_numpy(seed).to(dtype))
        for key, gradient in zip(wanted, gradients):
            store_gradient(f"{name}/{label}/", key, gradient, is_network)
        for key, buffer in module.named_buffers():
            if train and not is_network and buffer.is_floating_point():
                store(f"{name}/{label}/{key}", buffer.numpy())


def optimizer_case(name, make):
    """Five steps with given gradients; the output is w [7] after each of them, [5, 7]."""
    draw = Draw(name)
    w, g = draw.normal(7), draw.normal(5, 7)
    store(f"{name}/input.w", w)
    store(f"{name}/input.g", g)
    for label, dtype in TYPES.items():
        parameter = nn.Parameter(torch.from_numpy(w).to(dtype).clone())
        optimizer = make([parameter])
        history = []
        for gradient in g:
            parameter.grad = torch.from_numpy(gradient).to(dtype).clone()
            optimizer.step()
            history.append(parameter.detach().numpy().copy())
        store(f"{name}/{label}/output", np.stack(history))


def schedule_case(name, make):
    """The learning rates of 20 steps, the largest being 1/2."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = make(optimizer)
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    store(f"{name}/f64/output", np.array(rates))


# ---- Convolution ---------------------------------------------------------------------------------


def conv_case(name, x, w, **options):
    function_case(
        name, lambda d: {"x": d.normal(*x), "w": d.normal(*w)},
        lambda t: F.conv2d(t["x"], t["w"], **options))


def transposed_case(name, x, w, **options):
    function_case(
        name, lambda d: {"x": d.normal(*x), "w": d.normal(*w)},
        lambda t: F.conv_transpose2d(t["x"], t["w"], **options))


conv_case("conv2d", (2, 3, 6, 5), (4, 3, 3, 3))
conv_case("conv2d 1x1", (2, 4, 4, 3), (5, 4, 1, 1))
conv_case("conv2d stride 2 padding 1", (2, 3, 7, 6), (4, 3, 3, 3), stride=2, padding=1)
conv_case("conv2d stride 3 filter 2x4", (2, 2, 8, 9), (3, 2, 2, 4), stride=3)
conv_case("conv2d filter 5x3 padding 2", (2, 2, 5, 6), (3, 2, 5, 3), padding=2)
conv_case("conv2d dilation 2", (2, 3, 7, 8), (4, 3, 3, 3), padding=1, dilation=2)
conv_case("conv2d groups 2", (2, 4, 5, 5), (6, 2, 3, 3), padding=1, groups=2)
conv_case(
    "conv2d stride 2 dilation 2 groups 3", (2, 6, 9, 8), (6, 2, 3, 2), stride=2, padding=2,
    dilation=2, groups=3)
conv_case("conv2d depthwise", (2, 5, 6, 6), (5, 1, 3, 3), padding=1, groups=5)
conv_case("conv2d depthwise stride 2 multiplier 2", (2, 3, 7, 7), (6, 1, 3, 3), stride=2, groups=3)
module_case("Conv2d", lambda: nn.Conv2d(4, 6, 3, 2, 1, groups=2), (2, 4, 7, 7))

transposed_case("conv_transpose2d", (2, 3, 4, 4), (3, 4, 3, 3))
transposed_case(
    "conv_transpose2d stride 2 output_padding 1", (2, 3, 4, 3), (3, 2, 3, 3), stride=2, padding=1,
    output_padding=1)
transposed_case(
    "conv_transpose2d stride 3 output_padding 2", (2, 2, 3, 3), (2, 3, 4, 4), stride=3, padding=1,
    output_padding=2)
transposed_case("conv_transpose2d dilation 2", (2, 2, 4, 3), (2, 3, 3, 3), padding=1, dilation=2)
transposed_case(
    "conv_transpose2d groups 2", (2, 4, 4, 4), (4, 3, 3, 3), stride=2, padding=1, groups=2)
module_case(
    "ConvTranspose2d", lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2),
    (2, 4, 4, 4))

# ---- Norms ---------------------------------------------------------------------------------------

module_case("BatchNorm2d train", lambda: nn.BatchNorm2d(4), (3, 4, 4, 3))
module_case("BatchNorm2d evaluate", lambda: nn.BatchNorm2d(4), (3, 4, 4, 3), train=False)
module_case("InstanceNorm2d", lambda: nn.InstanceNorm2d(3, affine=True), (2, 3, 4, 5))
module_case("GroupNorm", lambda: nn.GroupNorm(2, 6), (2, 6, 3, 4))
module_case("LayerNorm", lambda: nn.LayerNorm(10), (2, 5, 10))
function_case(
    "group_norm plain epsilon 0.1", lambda d: {"x": d.normal(2, 6, 7)},
    lambda t: F.group_norm(t["x"], 3, eps=0.1))
function_case(
    "layer_norm plain epsilon 0.1", lambda d: {"x": d.normal(6, 9)},
    lambda t: F.layer_norm(t["x"], (9,), eps=0.1))

# ---- Pools and resizing --------------------------------------------------------------------------


def image_case(name, shape, function):
    function_case(name, lambda d: {"x": d.normal(*shape)}, lambda t: function(t["x"]))


image_case("max_pool2d", (2, 3, 6, 4), lambda x: F.max_pool2d(x, 2))
image_case("max_pool2d 3 stride 2 padding 1", (2, 3, 7, 6), lambda x: F.max_pool2d(x, 3, 2, 1))
image_case("max_pool2d ceil", (2, 3, 6, 8), lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True))
image_case(
    "max_pool2d ceil padding 1", (2, 2, 7, 8),
    lambda x: F.max_pool2d(x, 2, 3, 1, ceil_mode=True))
image_case("avg_pool2d", (2, 3, 6, 5), lambda x: F.avg_pool2d(x, 2))
image_case("avg_pool2d 3 stride 2 padding 1", (2, 3, 7, 6), lambda x: F.avg_pool2d(x, 3, 2, 1))
image_case("adaptive_avg_pool2d", (2, 3, 7, 5), lambda x: F.adaptive_avg_pool2d(x, (3, 4)))
image_case("adaptive_avg_pool2d larger", (2, 2, 3, 2), lambda x: F.adaptive_avg_pool2d(x, (5, 4)))
image_case("global_avg_pool2d", (2, 4, 5, 3), lambda x: F.adaptive_avg_pool2d(x, 1))


def resize(x, mode, *size):
    options = {} if mode == "nearest" else {"align_corners": False}
    return F.interpolate(x, size, mode=mode, **options)


image_case("resize_bilinear up", (2, 2, 4, 3), lambda x: resize(x, "bilinear", 7, 8))
image_case("resize_bilinear down", (2, 2, 8, 7), lambda x: resize(x, "bilinear", 3, 5))
image_case("resize_bilinear up and down", (2, 2, 3, 9), lambda x: resize(x, "bilinear", 6, 4))
image_case("resize_nearest up", (2, 2, 4, 5), lambda x: resize(x, "nearest", 7, 8))
image_case("resize_nearest down", (2, 2, 7, 8), lambda x: resize(x, "nearest", 3, 5))

# ---- Losses --------------------------------------------------------------------------------------


def labels_case(name, function, weights=False):
    def inputs(d):
        values = {"logits": d.normal(6, 5), "labels": d.labels(5, 6)}
        if weights:
            values["weights"] = d.uniform(0.5, 2, 5)
        return values

    function_case(name, inputs, function, constants=("weights",))


def pair_case(name, first, second, function):
    function_case(
        name, lambda d: {"a": first(d), "b": second(d)}, lambda t: function(t["a"], t["b"]))


def normal_5x4(d):
    return d.normal(5, 4)


labels_case("cross_entropy", lambda t: F.cross_entropy(t["logits"], t["labels"]))
labels_case(
    "cross_entropy label smoothing",
    lambda t: F.cross_entropy(t["logits"], t["labels"], label_smoothing=0.125))
labels_case(
    "cross_entropy weights",
    lambda t: F.cross_entropy(t["logits"], t["labels"], t["weights"]), weights=True)
labels_case(
    "cross_entropy weights label smoothing",
    lambda t: F.cross_entropy(t["logits"], t["labels"], t["weights"], label_smoothing=0.25),
    weights=True)
pair_case("soft_cross_entropy", normal_5x4, lambda d: d.rows(5, 4), F.cross_entropy)
labels_case("nll", lambda t: F.nll_loss(F.log_softmax(t["logits"], -1), t["labels"]))
pair_case("l1", normal_5x4, normal_5x4, F.l1_loss)
pair_case("huber", normal_5x4, normal_5x4, lambda a, b: F.huber_loss(a, b, delta=0.75))
pair_case("mse", normal_5x4, normal_5x4, F.mse_loss)
pair_case(
    "bce_with_logits", lambda d: 4 * d.normal(5, 4), lambda d: d.uniform(0, 1, 5, 4),
    F.binary_cross_entropy_with_logits)
pair_case(
    "kl_divergence", lambda d: np.log(d.rows(5, 4)), lambda d: np.log(d.rows(5, 4)),
    lambda a, b: F.kl_div(a, b, reduction="batchmean", log_target=True))
pair_case(
    "hinge", lambda d: d.normal(5, 4), lambda d: d.signs(5, 4),
    lambda a, b: F.margin_ranking_loss(a, torch.zeros_like(a), b, margin=1))
pair_case(
    "cosine_similarity", lambda d: d.normal(4, 7), lambda d: d.normal(4, 7),
    lambda a, b: F.cosine_similarity(a, b).unsqueeze(1))


# ---- Functions of one tensor, reductions, products -----------------------------------------------


def pointwise_case(name, function, scale=3):
    function_case(name, lambda d: {"x": scale * d.normal(4, 9)}, lambda t: function(t["x"]))


pointwise_case("relu", F.relu)
pointwise_case("relu6", F.relu6, scale=6)
pointwise_case("leaky_relu", lambda x: F.leaky_relu(x, 0.2))
pointwise_case("elu", lambda x: F.elu(x, 0.7))
pointwise_case("silu", F.silu)
pointwise_case("gelu", F.gelu)
pointwise_case("softplus", F.softplus)
pointwise_case("sigmoid", torch.sigmoid)
pointwise_case("tanh", torch.tanh)
pointwise_case("erf", torch.erf, scale=1)
pointwise_case("clamp", lambda x: torch.clamp(x, -1, 2))
pointwise_case("softmax", lambda x: F.softmax(x, -1))
pointwise_case("log_softmax", lambda x: F.log_softmax(x, -1))
pointwise_case("log_sum_exp", lambda x: torch.logsumexp(x, -1, keepdim=True))
pointwise_case("variance", lambda x: torch.var(x, 0, unbiased=False, keepdim=True))
pointwise_case("norm", lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True))
pointwise_case("max", lambda x: torch.max(x, 1, keepdim=True)[0])
pointwise_case("cumsum", lambda x: torch.cumsum(x, 1))
pair_case(
    "arithmetic with broadcasting", lambda d: d.normal(3, 1, 4), lambda d: d.uniform(1, 2, 5, 1),
    lambda a, b: (a - b) * a / b + b)
pair_case(
    "maximum and minimum", normal_5x4, normal_5x4,
    lambda a, b: torch.maximum(a, b) - 2 * torch.minimum(a, b))
function_case(
    "gather", lambda d: {"x": d.normal(4, 5), "index": d.labels(5, 4, 5)},
    lambda t: torch.gather(t["x"], 1, t["index"]))

pair_case("matmul", lambda d: d.normal(5, 7), lambda d: d.normal(7, 4), torch.matmul)
pair_case(
    "matmul transposed", lambda d: d.normal(7, 5), lambda d: d.normal(4, 7),
    lambda a, b: torch.matmul(a.mT, b.mT))
pair_case("matmul batched", lambda d: d.normal(2, 3, 4, 5), lambda d: d.normal(2, 3, 5, 2),
          torch.matmul)
pair_case(
    "matmul batched transposed", lambda d: d.normal(3, 4, 5), lambda d: d.normal(3, 2, 5),
    lambda a, b: torch.matmul(a, b.mT))
pair_case("matmul one matrix for all", lambda d: d.normal(3, 4, 5), lambda d: d.normal(5, 6),
          torch.matmul)

# ---- Layers and networks -------------------------------------------------------------------------


class SelfAttention(nn.MultiheadAttention):
    def forward(self, x):
        return super().forward(x, x, x, need_weights=False)[0]


class BasicBlock(nn.Module):
    """He et al. 2016, with shortcut option A."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x):
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        extra = residual.shape[1] - x.shape[1]
        if extra:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, extra // 2, extra - extra // 2))
        return F.relu(residual + x)


class ResNet8(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(BasicBlock(16, 16, 1))
        self.layer2 = nn.Sequential(BasicBlock(16, 32, 2))
        self.layer3 = nn.Sequential(BasicBlock(32, 64, 2))
        self.linear = nn.Linear(64, 4)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


def lenet5():
    layers = {
        "conv1": nn.Conv2d(1, 6, 5, padding=2), "relu1": nn.ReLU(), "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(6, 16, 5), "relu2": nn.ReLU(), "pool2": nn.MaxPool2d(2),
        "flatten": nn.Flatten(),
        "fc1": nn.Linear(64, 120), "relu3": nn.ReLU(),
        "fc2": nn.Linear(120, 84), "relu4": nn.ReLU(),
        "fc3": nn.Linear(84, 10),
    }
    module = nn.Sequential()
    for name, layer in layers.items():
        module.add_module(name, layer)
    return module


module_case("Linear", lambda: nn.Linear(7, 5), (4, 7))
module_case("Embedding", lambda: nn.Embedding(6, 4), (3, 5), tokens=6)
module_case("MultiheadAttention", lambda: SelfAttention(12, 3, batch_first=True), (2, 5, 12))
module_case(
    "TransformerEncoderLayer",
    lambda: nn.TransformerEncoderLayer(
        12, 3, 20, dropout=0, activation="gelu", batch_first=True, norm_first=True), (2, 5, 12))
module_case("lenet5", lenet5, (3, 1, 16, 16), is_network=True)
module_case("resnet8 train", ResNet8, (4, 3, 8, 8), is_network=True)
module_case("resnet8 evaluate", ResNet8, (2, 3, 8, 8), train=False, is_network=True)

# ---- Optimisers and schedules --------------------------------------------------------------------

optimizer_case("Sgd plain", lambda p: torch.optim.SGD(p, lr=0.1))
optimizer_case(
    "Sgd momentum", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05))
optimizer_case(
    "Sgd nesterov",
    lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, weight_decay=0.05, nesterov=True))
optimizer_case("Adam", lambda p: torch.optim.Adam(p, lr=0.1))
optimizer_case(
    "Adam weight decay",
    lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.8, 0.95), eps=0.01, weight_decay=0.05))
optimizer_case("AdamW", lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.05))
optimizer_case("RmsProp", lambda p: torch.optim.RMSprop(p, lr=0.1))
optimizer_case(
    "RmsProp momentum",
    lambda p: torch.optim.RMSprop(
        p, lr=0.1, alpha=0.9, eps=0.01, momentum=0.8, weight_decay=0.05))

schedule_case("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=20))
schedule_case("step", lambda o: torch.optim.lr_scheduler.StepLR(o, 6))
schedule_case("multi-step", lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [5, 11]))
schedule_case(
    "one-cycle", lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.5, total_steps=20))

write(OUTPUT)
cases = {name.split("/")[0] for name in stored}
print(f"{len(cases)} cases, {len(stored)} tensors, {os.path.getsize(OUTPUT)} bytes")
