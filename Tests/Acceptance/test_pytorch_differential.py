"""Random jobs against PyTorch: the same weights and batches in float64, and every curve of the training has to be the same.

Each case draws a network, a loss, an optimizer, a schedule and what else touches a step from its number. CAIRN_CASES says
how many cases to draw, CAIRN_FIRST_CASE where to begin.
"""

import itertools
import os
import random

import numpy as np
import pytest
import torch

from philox_peer import split
from pytorch_draws import (
    activation, average, class_loss, gives_one_rate, maybe, optimizer, penalties, schedule, training, training_of_a_layer,
    watching,
)  # fmt: skip
from pytorch_peer import build, network, put_arrays, trained_alike

CASES = int(os.environ.get("CAIRN_CASES", 60))
FIRST = int(os.environ.get("CAIRN_FIRST_CASE", 0))
EXAMPLES = 47


# The draw -------------------------------------------------------------------------------------------------------------


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


def parts(draw):
    """What is trained on and what is evaluated."""
    validation = {"validation": draw.choice([0, 0.1, 0.3])}
    folds = draw.randint(2, 9)
    return {
        **draw.choice([validation, validation, {"folds": folds, "fold": draw.randrange(folds)}]),
        **maybe(draw, 0.3, {"test": 0.2}),
        **maybe(draw, 0.2, {"bootstrap": True}),
        **maybe(draw, 0.2, {"split_seed": 5}),
        **maybe(draw, 0.2, {"limit": EXAMPLES - 4}),
    }


def case(number):
    """The job of a number, without data and weights."""
    draw = random.Random(number)
    kind = draw.choice(["vectors", "vectors", "images", "images", "numbers"])
    shape = [draw.choice([1, 7, 16, 19])] if kind != "images" else [draw.choice([1, 2, 3]), draw.choice([7, 8, 11]), draw.choice([6, 8, 9])]
    classes = draw.choice([2, 3, 7])
    if kind == "numbers":
        loss = draw.choice([{"type": "mse"}, {"type": "mae"}, {"type": "huber"}, {"type": "huber", "delta": 0.3}])
        out = 1
    else:
        loss = class_loss(draw, classes)
        out = 1 if loss["type"] == "binary_cross_entropy" and classes == 2 else classes
    loss = {**loss, **penalties(draw)}
    steps = draw.choice([5, 12, 12, 19])
    train = training(draw, steps, EXAMPLES)
    layers = image(draw) if kind == "images" else dense(draw, draw.randint(0, 3))
    dataset = {"name": "drawn", "standardize": False, **parts(draw), **maybe(draw, 0.5, {"shuffle": False})}
    if train["accumulate"] * train["replicas"] * train.get("micro_batches", 1) > 1 or train["batch_size"] < 5:
        layers = [layer for layer in layers if layer["type"] != "batch_norm"]
    # What comes before a batch norm has a bias whose gradient is 0 but for rounding.
    chosen = optimizer(draw, signs=all(layer["type"] != "batch_norm" for layer in layers))
    chosen |= maybe(draw, 0.2, {"decay_exempt": draw.choice([["bias", "norm"], ["bias"], ["norm"]])})
    moving = schedule(draw, chosen)
    # Schedules with rates of their own give every group the same, so there only the beginnings differ.
    for layer in layers:
        if layer["type"] in ("linear", "conv2d", "residual", "layer_norm", "batch_norm"):
            layer.update(training_of_a_layer(draw, gives_one_rate(moving)))
    more, ends = watching(draw, dataset.get("validation") != 0) if draw.random() < 0.3 else ({}, {})
    train |= ends | maybe(draw, 0.4, {"evaluate_every": {"steps": draw.randint(1, 4)}})
    train |= maybe(draw, 0.3, {"stages": draw.randint(1, len(layers) + 1)})
    return kind, shape, classes, {
        "seed": number,
        "dataset": dataset,
        "model": {"layers": layers + [{"type": "linear", "out": out}]},
        "loss": loss,
        "optimizer": chosen,
        "schedule": {**moving, **maybe(draw, 0.3, {"warmup": draw.choice([3, 0.25, 1])})},
        "train": train,
        **maybe(draw, 0.3, {"average": average(draw)}),
        **more,
    }


def fits(layers, shape):
    """Whether the drawn windows fit the picture."""
    try:
        build(layers, shape)
    except (RuntimeError, ValueError, IndexError):
        return False
    return True


def fitting(number):
    """The job of a number, or, where its windows do not fit, of the first that does in steps of 10,000."""
    drawn = map(case, itertools.count(number, 10_000))
    return next((kind, shape, classes, spec) for kind, shape, classes, spec in drawn if fits(spec["model"]["layers"], shape))


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
    put_arrays(shared, inputs, labels)
    rows, held = split(spec["dataset"], labels, number)
    if len(rows) % spec["train"]["batch_size"] == 1:
        # Nor is there a batch norm of a batch of one.
        spec["train"]["drop_last"] = True
    if not fits(layers, shape):
        # Both have to say so.
        answer = shared.request("POST", "/api/v1/jobs?dry_run=true", json=spec)
        assert answer.status_code == 400 and answer.json()["field"].startswith("model."), answer.text
        return
    chosen = [values[part] for part in (rows, held) if part for values in (inputs, labels)]
    trained_alike(shared, spec, layers, network(layers, shape), chosen)
