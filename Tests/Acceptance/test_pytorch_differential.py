"""Random jobs against PyTorch: the same weights and batches in float64, and every curve of the training has to be the same.

Each case draws a network, a loss, an optimizer, a schedule and what else touches a step from its number. CAIRN_CASES says
how many cases to draw, CAIRN_FIRST_CASE where to begin.
"""

import copy
import io
import json
import math
import os
import random

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as made
from safetensors.torch import load, save

from conftest import Server

CASES = int(os.environ.get("CAIRN_CASES", 60))
FIRST = int(os.environ.get("CAIRN_FIRST_CASE", 0))
EXAMPLES = 47
STEPS = 12


# The draw -------------------------------------------------------------------------------------------------------------


def maybe(draw, share, fields):
    return fields if draw.random() < share else {}


def activation(draw):
    return draw.choice(
        [
            {"type": "relu"},
            {"type": "tanh"},
            {"type": "leaky_relu", "negative_slope": draw.choice([0.01, 0.2])},
            {"type": "elu", "alpha": draw.choice([1.0, 0.5])},
            {"type": "selu"},
            {"type": "gelu"},
            {"type": "gelu", "approximate": "tanh"},
            {"type": "silu"},
            {"type": "sigmoid"},
            {"type": "softplus", "beta": draw.choice([1.0, 2.5])},
            {"type": "hardswish"},
        ]
    )


def norm(draw):
    return draw.choice(
        [
            {"type": "batch_norm"},
            {"type": "batch_norm", "eps": 1e-3, "momentum": 0.3},
            {"type": "batch_norm", "momentum": None},
            {"type": "layer_norm"},
            {"type": "layer_norm", "eps": 1e-3},
            {"type": "rms_norm"},
        ]
    )


def dense(draw, depth):
    layers = []
    for _ in range(depth):
        layers.append({"type": "linear", "out": draw.choice([1, 5, 15, 16, 17, 31, 33]), **maybe(draw, 0.3, {"bias": False})})
        if draw.random() < 0.4 and layers[-1]["out"] > 1:
            layers.append(norm(draw))
        layers.append(activation(draw))
        if draw.random() < 0.25:
            width = layers[-2 if layers[-2]["type"] == "linear" else -3]["out"]
            layers.append({"type": "residual", "layers": [{"type": "linear", "out": width}, activation(draw)]})
    return layers


def window(draw, **fields):
    kernel = draw.choice([1, 2, 3, [2, 3], [3, 1], 5])
    return {
        "kernel": kernel,
        **maybe(draw, 0.4, {"stride": draw.choice([1, 2, [1, 2], 3])}),
        **maybe(draw, 0.6, {"padding": draw.choice([1, 2, [0, 1]])}),
        **fields,
    }


def image(draw):
    layers = []
    for _ in range(draw.randint(1, 3)):
        if draw.random() < 0.3:
            # The usual block, which trains in fewer passes than its layers one by one.
            layers += [
                {"type": "conv2d", "channels": draw.choice([3, 16, 17]), "kernel": 3, "padding": 1, **maybe(draw, 0.3, {"bias": False})},
                {"type": "batch_norm"},
                {"type": "relu"},
                {"type": "max_pool2d", **draw.choice([{"kernel": 2}, {"kernel": 2}, {"kernel": 3, "stride": 1, "padding": 1}])},
            ]
            continue
        layers.append(
            {"type": "conv2d", "channels": draw.choice([1, 3, 8, 15, 16, 17]), **window(draw), **maybe(draw, 0.3, {"bias": False})}
        )
        if draw.random() < 0.5:
            layers.append({"type": "batch_norm"})
        layers.append(activation(draw))
        if draw.random() < 0.5:
            layers.append(
                {
                    "type": draw.choice(["max_pool2d", "avg_pool2d"]),
                    **draw.choice(
                        [{"kernel": 2}, {"kernel": 3, "stride": 2, "padding": 1}, {"kernel": [2, 3], "stride": 1}, {"kernel": 2, "stride": 3}]
                    ),
                }
            )
    return layers + [draw.choice([{"type": "flatten"}, {"type": "global_avg_pool"}])] + dense(draw, draw.randint(0, 1))


def optimizer(draw):
    decay = maybe(draw, 0.5, {"weight_decay": draw.choice([0.01, 0.1])})
    kind = draw.choice(["sgd", "sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adam", "adamw", "nadam", "radam"])
    lr = draw.choice([0.003, 0.01, 0.02])
    if kind == "momentum":
        return {"type": "sgd", "lr": lr, "momentum": 0.9, **maybe(draw, 0.5, {"dampening": 0.3}), **decay}
    if kind == "nesterov":
        return {"type": "sgd", "lr": lr, "momentum": 0.8, "nesterov": True, **decay}
    more = {
        "sgd": {},
        "adagrad": {**maybe(draw, 0.5, {"lr_decay": 0.1}), **maybe(draw, 0.5, {"initial_accumulator_value": 0.2})},
        "adadelta": {"lr": 1.0, **maybe(draw, 0.5, {"rho": 0.8})},
        "rmsprop": {
            **maybe(draw, 0.5, {"alpha": 0.9}),
            **maybe(draw, 0.5, {"centered": True}),
            **maybe(draw, 0.5, {"momentum": 0.7}),
            "eps": 1e-3,
        },
        "adam": {**maybe(draw, 0.3, {"amsgrad": True}), **maybe(draw, 0.5, {"betas": [0.8, 0.95]})},
        "adamw": {**maybe(draw, 0.3, {"amsgrad": True})},
        "nadam": {**maybe(draw, 0.3, {"decoupled_weight_decay": True}), **maybe(draw, 0.3, {"momentum_decay": 0.01})},
        "radam": {**maybe(draw, 0.3, {"decoupled_weight_decay": True})},
    }[kind]
    return {"type": kind, "lr": lr, **({"eps": 1e-4} if "adam" in kind or kind == "adagrad" else {}), **decay, **more}


def schedule(draw):
    return draw.choice(
        [
            {"type": "constant"},
            {"type": "constant", "factor": 0.25, "total_iters": 4},
            {"type": "step", "step_size": 3, "gamma": 0.5},
            {"type": "multi_step", "milestones": [2, 5, 5], "gamma": 0.5},
            {"type": "exponential", "gamma": 0.8},
            {"type": "linear", "start_factor": 0.25, "total_iters": 7},
            {"type": "linear"},
            {"type": "cosine", "t_max": 5, "eta_min": 0.001},
            {"type": "cosine"},
            {"type": "cosine_restarts", "t_0": 3, "t_mult": 2},
            {"type": "polynomial", "total_iters": 8, "power": 2},
            {"type": "one_cycle", "max_lr": 0.03},
            {"type": "one_cycle", "max_lr": 0.03, "three_phase": True, "anneal_strategy": "linear", "cycle_momentum": False},
            {"type": "cyclic", "base_lr": 0.001, "max_lr": 0.02, "step_size_up": 3, "step_size_down": 2, "cycle_momentum": False},
            {"type": "cyclic", "base_lr": 0.001, "max_lr": 0.02, "step_size_up": 2, "mode": "triangular2", "cycle_momentum": False},
        ]
    )


def case(number):
    """The job of a number, without data and weights."""
    draw = random.Random(number)
    kind = draw.choice(["vectors", "vectors", "images", "images", "numbers"])
    shape = [draw.choice([1, 7, 16, 19])] if kind != "images" else [draw.choice([1, 2, 3]), draw.choice([7, 8, 11]), draw.choice([6, 8, 9])]
    classes = draw.choice([2, 3, 7])
    chosen, moving = {**optimizer(draw), **maybe(draw, 0.2, {"decay_exempt": ["bias", "norm"]})}, schedule(draw)
    if chosen["type"] in ("adagrad", "adadelta") and moving["type"] == "one_cycle":
        moving["cycle_momentum"] = False
    if kind == "numbers":
        loss = draw.choice([{"type": "mse"}, {"type": "mae"}, {"type": "huber"}, {"type": "huber", "delta": 0.3}])
        out = 1
    else:
        loss = draw.choice(
            [
                {"type": "cross_entropy"},
                {"type": "cross_entropy", "label_smoothing": 0.1},
                {"type": "cross_entropy", "class_weights": [round(draw.uniform(0.2, 2), 2) for _ in range(classes)]},
                {
                    "type": "cross_entropy",
                    "label_smoothing": 0.2,
                    "class_weights": [round(draw.uniform(0.2, 2), 2) for _ in range(classes)],
                },
                {"type": "binary_cross_entropy"},
                {"type": "binary_cross_entropy", "pos_weight": 2.5},
            ]
        )
        out = 1 if loss["type"] == "binary_cross_entropy" and classes == 2 else classes
    loss = {**loss, **maybe(draw, 0.25, {"l2": 0.01}), **maybe(draw, 0.25, {"l1": 0.003})}
    batch = draw.choice([5, 16, 31, EXAMPLES])
    accumulate = draw.choice([1, 1, 1, 2, 3])
    layers = image(draw) if kind == "images" else dense(draw, draw.randint(0, 3))
    if accumulate > 1:
        layers = [layer for layer in layers if layer["type"] != "batch_norm"]
    # Schedules with rates of their own give every group the same, so there only the beginnings differ.
    one_rate = moving["type"] in ("one_cycle", "cyclic") or "eta_min" in moving
    for layer in layers:
        if layer["type"] in ("linear", "conv2d"):
            layer.update(maybe(draw, 0 if one_rate else 0.15, {"lr_scale": draw.choice([0.5, 2])}))
            layer.update(maybe(draw, 0.12, {"unfreeze_at": draw.choice([3, 0.3])}))
    return kind, shape, classes, {
        "dataset": {"validation": 0, "shuffle": False, "standardize": False},
        "model": {"layers": layers + [{"type": "linear", "out": out}]},
        "loss": loss,
        "optimizer": chosen,
        "schedule": {**moving, **maybe(draw, 0.3, {"warmup": draw.choice([3, 0.25])})},
        "train": {
            "steps": STEPS,
            "batch_size": batch,
            "accumulate": accumulate,
            **maybe(draw, 0.3, {"drop_last": True}),
            **maybe(draw, 0.3, {"clip_grad_norm": 0.5}),
            **maybe(draw, 0.2, {"clip_grad_value": 0.05}),
        },
        **maybe(draw, 0.3, {"average": {"type": "ema", "decay": 0.7}}),
    }


# The twin -------------------------------------------------------------------------------------------------------------


class Residual(torch.nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class GlobalAverage(torch.nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


NOT_PYTORCHS = ("type", "out", "channels", "layers", "lr_scale", "unfreeze_at")


def build(layers, shape):
    """PyTorch's layers with what they make of a shape; a shape that does not fit raises."""
    nn, built = torch.nn, []
    for layer in layers:
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in layer.items() if k not in NOT_PYTORCHS}
        kind = layer["type"]
        if kind == "linear":
            built.append(nn.Linear(shape[0], layer["out"], **fields))
        elif kind == "conv2d":
            built.append(nn.Conv2d(shape[0], layer["channels"], fields.pop("kernel"), **fields))
        elif kind in ("max_pool2d", "avg_pool2d"):
            built.append((nn.MaxPool2d if kind == "max_pool2d" else nn.AvgPool2d)(fields.pop("kernel"), **fields))
        elif kind == "batch_norm":
            built.append((nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d)(shape[0], **fields))
        elif kind == "layer_norm":
            built.append(nn.LayerNorm(shape, **fields))
        elif kind == "rms_norm":
            built.append(nn.RMSNorm(shape, **{"eps": 1.1920928955078125e-7, **fields}))
        elif kind == "residual":
            built.append(Residual(*build(layer["layers"], shape)[0]))
        elif kind == "global_avg_pool":
            built.append(GlobalAverage())
        else:
            made = {
                "flatten": nn.Flatten, "relu": nn.ReLU, "tanh": nn.Tanh, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "selu": nn.SELU,
                "gelu": nn.GELU, "silu": nn.SiLU, "sigmoid": nn.Sigmoid, "softplus": nn.Softplus, "hardswish": nn.Hardswish,
            }[kind]  # fmt: skip
            built.append(made(**fields))
        with torch.no_grad():
            shape = list(built[-1].eval()(torch.zeros(2, *shape)).shape[1:])
    return built, shape


def objective(spec, output, labels, parameters):
    fields = spec["loss"]
    if fields["type"] == "cross_entropy":
        weights = fields.get("class_weights")
        loss = torch.nn.functional.cross_entropy(
            output, labels, torch.tensor(weights) if weights else None, label_smoothing=fields.get("label_smoothing", 0.0)
        )
    elif fields["type"] == "binary_cross_entropy":
        wanted = labels[:, None] if output.shape[1] == 1 else torch.nn.functional.one_hot(labels, output.shape[1])
        weight = torch.tensor(fields.get("pos_weight", 1.0))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(output, wanted.to(output.dtype), pos_weight=weight)
    else:
        loss = {
            "mse": torch.nn.MSELoss(),
            "mae": torch.nn.L1Loss(),
            "huber": torch.nn.HuberLoss(delta=fields.get("delta", 1.0)),
        }[fields["type"]](output, labels[:, None])
    loss = loss + fields.get("l2", 0) * sum((p**2).sum() for p in parameters)
    return loss + fields.get("l1", 0) * sum(p.abs().sum() for p in parameters)


def groups(spec, model):
    """The parameters in groups: by the scale of their rate, and biases and norms without decay where they are exempt."""
    exempt = spec["optimizer"].get("decay_exempt", [])
    found = {}
    scales = {m: layer.get("lr_scale", 1) for m, layer in zip(model, spec["model"]["layers"])}
    for module in model.modules():
        is_norm = isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.LayerNorm, torch.nn.RMSNorm))
        for name, parameter in module.named_parameters(recurse=False):
            spared = (is_norm and "norm" in exempt) or (not is_norm and name == "bias" and "bias" in exempt)
            found.setdefault((scales.get(module, 1), spared), []).append(parameter)
    lr = spec["optimizer"]["lr"]
    return [
        {"params": parameters, "lr": lr * scale, "scale": scale, **({"weight_decay": 0.0} if spared else {})}
        for (scale, spared), parameters in found.items()
    ]


def optimizer_of(spec, model):
    fields = {k: v for k, v in spec["optimizer"].items() if k not in ("type", "decay_exempt")}
    if "betas" in fields:
        fields["betas"] = tuple(fields["betas"])
    kinds = {
        "sgd": torch.optim.SGD, "adagrad": torch.optim.Adagrad, "adadelta": torch.optim.Adadelta, "rmsprop": torch.optim.RMSprop,
        "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "nadam": torch.optim.NAdam, "radam": torch.optim.RAdam,
    }  # fmt: skip
    return kinds[spec["optimizer"]["type"]](groups(spec, model), **fields)


def scheduler_of(spec, optimizer, steps):
    """PyTorch's schedule over the steps after the warmup."""
    fields = {k: v for k, v in spec["schedule"].items() if k not in ("type", "warmup")}
    kind = spec["schedule"]["type"]
    if kind == "constant":
        return made.ConstantLR(optimizer, fields.get("factor", 1.0), fields.get("total_iters", 5))
    if kind == "cosine":
        return made.CosineAnnealingLR(optimizer, fields.get("t_max", steps), fields.get("eta_min", 0.0))
    if kind == "cosine_restarts":
        return made.CosineAnnealingWarmRestarts(optimizer, fields["t_0"], fields["t_mult"])
    if kind == "one_cycle":
        return made.OneCycleLR(optimizer, fields.pop("max_lr"), total_steps=steps, **fields)
    if kind == "cyclic":
        return made.CyclicLR(optimizer, fields.pop("base_lr"), fields.pop("max_lr"), **fields)
    return {
        "step": made.StepLR,
        "multi_step": made.MultiStepLR,
        "exponential": made.ExponentialLR,
        "linear": made.LinearLR,
        "polynomial": made.PolynomialLR,
    }[kind](optimizer, **fields)


def train(spec, model, inputs, labels):
    """The curves of the job by PyTorch and the average of the weights; the model ends trained."""
    train = spec["train"]
    size = train["batch_size"] * train["accumulate"]
    count = len(inputs)
    if train.get("drop_last"):
        count -= count % min(size, count)
    starts = list(range(0, count, size))
    warmup = spec["schedule"].get("warmup", 0)
    warmup = math.ceil(warmup * STEPS) if warmup < 1 else warmup
    optimizer = optimizer_of(spec, model)
    base = spec["optimizer"]["lr"]
    # Only after the warmup does the schedule begin, and with it the momentum that it moves.
    scheduler = scheduler_of(spec, optimizer, STEPS - warmup)
    parameters = list(model.parameters())
    begins = {}
    for module, layer in zip(model, spec["model"]["layers"]):
        start = layer.get("unfreeze_at", 0)
        begins |= {parameter: math.ceil(start * STEPS) if start < 1 else start for parameter in module.parameters()}
    average = None
    curves = {"train/loss": [], "lr": [], "grad_norm": [], "param_norm": []}
    for step in range(STEPS):
        start = starts[step % len(starts)]
        end = min(start + size, count)
        if step < warmup:
            for group in optimizer.param_groups:
                group.setdefault("kept", group["lr"])
                group["lr"] = base * group["scale"] * (step + 1) / warmup
        elif step == warmup and warmup:
            for group in optimizer.param_groups:
                group["lr"] = group.pop("kept")
        optimizer.zero_grad()
        for parameter, first in begins.items():
            parameter.requires_grad_(step >= first)
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        loss = objective(spec, model(inputs[start:end]), labels[start:end], trained)
        loss.backward()
        curves["train/loss"].append(loss.item())
        curves["lr"].append(optimizer.param_groups[0]["lr"] / optimizer.param_groups[0]["scale"])
        curves["grad_norm"].append(math.sqrt(sum(float((p.grad**2).sum()) for p in trained)))
        curves["param_norm"].append(math.sqrt(sum(float((p**2).sum()) for p in parameters)))
        if "clip_grad_norm" in train:
            torch.nn.utils.clip_grad_norm_(parameters, train["clip_grad_norm"])
        if "clip_grad_value" in train:
            torch.nn.utils.clip_grad_value_(parameters, train["clip_grad_value"])
        optimizer.step()
        if step >= warmup and step + 1 < STEPS:
            scheduler.step()
        if "average" in spec:
            now = [p.detach().clone() for p in parameters]
            decay = spec["average"]["decay"]
            average = now if average is None else [a + (1 - decay) * (p - a) for a, p in zip(average, now)]
    return curves, average


class Trained:
    """What a training left: its curves, and the tensors under the names of a checkpoint."""

    def __init__(self, curves, model, average):
        self.curves = curves
        self.tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        names = [name for name, _ in model.named_parameters()]
        self.tensors |= {f"average.{name}": tensor for name, tensor in zip(names, average or [])}


def twin(spec, model, inputs, labels, kind, precision):
    """The job by PyTorch in a precision, from the model's weights."""
    torch.set_default_dtype(precision)
    try:
        model = copy.deepcopy(model).to(precision).train()
        wanted = torch.tensor(labels, dtype=precision if kind == "numbers" else torch.int64)
        curves, average = train(spec, model, torch.tensor(inputs, dtype=precision), wanted)
        return Trained(curves, model, average)
    finally:
        torch.set_default_dtype(torch.float32)


def put_arrays(server, inputs, labels):
    def array(values):
        file = io.BytesIO()
        np.save(file, values)
        return file.getvalue()

    answer = server.request(
        "PUT",
        "/api/v1/datasets/drawn?format=npy" + ("&task=regression" if labels.dtype != np.int64 else ""),
        files={"images": array(inputs), "labels": array(labels)},
    )
    assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("differential"))
    yield server
    assert server.stop() == 0


@pytest.mark.parametrize("number", range(FIRST, FIRST + CASES))
@pytest.mark.filterwarnings("ignore")
def test_a_random_job_trains_as_in_pytorch(shared, number):
    kind, shape, classes, spec = case(number)
    torch.manual_seed(number)
    noise = np.random.default_rng(number)
    inputs = noise.normal(size=[EXAMPLES, *shape]).astype(np.float32)
    labels = noise.normal(size=EXAMPLES).astype(np.float32) if kind == "numbers" else noise.integers(0, classes, EXAMPLES)
    if kind != "numbers":
        labels[:classes] = np.arange(classes)
    layers = spec["model"]["layers"]
    if kind == "images":
        # The drawn windows may not fit the image: both have to say so.
        try:
            build(layers, shape)
            fits = True
        except (RuntimeError, ValueError, IndexError):
            fits = False
    else:
        fits = True

    put_arrays(shared, inputs, labels)
    spec["dataset"]["name"] = "drawn"
    if not fits:
        answer = shared.request("POST", "/api/v1/jobs?dry_run=true", json=spec)
        assert answer.status_code == 400 and answer.json()["field"].startswith("model."), answer.text
        return
    model = torch.nn.Sequential(*build(layers, shape)[0])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    answer = shared.request("PUT", "/api/v1/weights/drawn", data=save({k: v.contiguous() for k, v in model.state_dict().items()}))
    assert answer.status_code == 201, answer.text
    spec["model"]["init_from"] = {"weights": "drawn"}

    exact, near = (twin(spec, model, inputs, labels, kind, precision) for precision in (torch.float64, torch.float32))
    job = shared.run_job(spec)
    state = load(shared.checkpoint(job["run_id"], "latest", "all"))
    text = json.dumps(spec)
    for key, wanted in exact.curves.items():
        ours = shared.curve(job["run_id"], key)["values"]
        assert len(ours) == STEPS
        tolerance = {"lr": 1e-6, "grad_norm": 2e-3}.get(key, 1e-4)
        for step in range(STEPS):
            # Where rounding is blown up by the training itself, PyTorch's own Float run says by how much.
            slack = 20 * max(abs(a - b) for a, b in zip(near.curves[key][: step + 1], wanted))
            bound = (1e-5 if step == 0 else tolerance) * abs(wanted[step]) + 1e-6 + slack
            assert abs(ours[step] - wanted[step]) <= bound, f"{key} at {step}: {ours} for {wanted}\n{text}"
    for name, wanted in exact.tensors.items():
        ours = state[name]
        if not wanted.dtype.is_floating_point:
            assert torch.equal(ours, wanted)
            continue
        bound = 2e-3 * (wanted.norm() + 1e-2) + 20 * (near.tensors[name].double() - wanted).norm()
        assert (ours.double() - wanted).norm() <= bound, f"{name}\n{text}"
