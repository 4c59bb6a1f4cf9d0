#!/usr/bin/env python3
"""Writes Tests/TrainingTests/GoldenImageRuns.swift: the first losses of networks on images by PyTorch in float64.

Usage: make_golden_images.py   (torch and scikit-learn installed; run from the repository's root)

The jobs begin from 0.4 * sin(1.3 i + k) for element i of parameter k and go through the digits in their own order,
so nothing in them is random. Of each run: the losses, then the sums of the buffers after the last step.
"""
import json

import sklearn.datasets as sets
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
DIGITS = sets.load_digits()
IMAGES = torch.tensor(DIGITS.data / 16).reshape(-1, 1, 8, 8)
LABELS = torch.tensor(DIGITS.target)


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def conv(channels, kernel, **more):
    return {"type": "conv2d", "channels": channels, "kernel": kernel, **more}


NORM, RELU, FLATTEN = {"type": "batch_norm"}, {"type": "relu"}, {"type": "flatten"}


def linear(out):
    return {"type": "linear", "out": out}


def job(model, optimizer, batch, steps=20, **more):
    return {"dataset": {"name": "digits", "validation": 0, "shuffle": False, "limit": 97}, "model": model,
            "optimizer": optimizer, "train": {"steps": steps, "batch_size": batch}, **more}


def lenet():
    return [conv(6, 5, padding=2), RELU, {"type": "max_pool2d", "kernel": 2}, conv(16, 5, padding=2), RELU,
            {"type": "max_pool2d", "kernel": 2}, FLATTEN, linear(120), RELU, linear(84), RELU, linear(10)]


def resnet(blocks, channels):
    def normed(width, stride=1):
        return [conv(width, 3, stride=stride, padding=1, bias=False), NORM]

    layers = []
    for stage in range(3):
        width = channels << stage
        layers += normed(width, 1 if stage == 0 else 2) + [RELU]
        for _ in range(blocks):
            layers += [{"type": "residual", "layers": normed(width) + [RELU] + normed(width)}, RELU]
    return layers + [{"type": "global_avg_pool"}, linear(10)]


JOBS = {
    "batch norm": (job({"layers": [
        conv(5, 3, padding=1), NORM, RELU, {"type": "max_pool2d", "kernel": 2}, conv(17, 3, padding=1), NORM, RELU,
        {"type": "max_pool2d", "kernel": 2}, FLATTEN, linear(31), RELU, linear(10)]},
        {"type": "sgd", "lr": 0.02, "momentum": 0.9}, 32), None),
    "odd windows": (job({"layers": [
        conv(3, [2, 3], stride=[1, 2], padding=[2, 3]), RELU,
        {"type": "avg_pool2d", "kernel": [3, 2], "stride": 2, "padding": 1}, conv(15, 2, padding=2, bias=False),
        {"type": "max_pool2d", "kernel": 3, "stride": 2, "padding": 1},
        {"type": "batch_norm", "eps": 1e-3, "momentum": 0.3}, FLATTEN, linear(10)]},
        {"type": "sgd", "lr": 0.05}, 31), None),
    "features": (job({"layers": [FLATTEN, linear(17), NORM, {"type": "tanh"}, linear(15), NORM, RELU, linear(10)]},
                     {"type": "sgd", "lr": 0.02, "weight_decay": 0.01}, 40), None),
    "lenet": (job({"preset": "lenet"}, {"type": "sgd", "lr": 0.002}, 40), lenet()),
    "resnet": (job({"preset": "resnet", "blocks": 1, "channels": 4}, {"type": "sgd", "lr": 0.01, "momentum": 0.9}, 33),
               resnet(1, 4)),
}


def build(layers, shape):
    """PyTorch's layers and the shape that they make of `shape`."""
    built = []
    for layer in layers:
        kind = layer["type"]
        if kind == "conv2d":
            built.append(nn.Conv2d(shape[0], layer["channels"], layer["kernel"], layer.get("stride", 1),
                                   layer.get("padding", 0), bias=layer.get("bias", True)))
        elif kind == "linear":
            built.append(nn.Linear(shape[0], layer["out"]))
        elif kind == "batch_norm":
            norm = nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d
            built.append(norm(shape[0], layer.get("eps", 1e-5), layer.get("momentum", 0.1)))
        elif kind in ("max_pool2d", "avg_pool2d"):
            pool = nn.MaxPool2d if kind == "max_pool2d" else nn.AvgPool2d
            built.append(pool(layer["kernel"], layer.get("stride"), layer.get("padding", 0)))
        elif kind == "global_avg_pool":
            built.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        elif kind == "residual":
            built.append(Residual(*build(layer["layers"], shape)[0]))
        else:
            built.append({"relu": nn.ReLU, "tanh": nn.Tanh, "flatten": nn.Flatten}[kind]())
        with torch.no_grad():
            shape = list(built[-1].eval()(torch.zeros(1, *shape)).shape[1:])
    return built, shape


def run(spec, layers):
    model = nn.Sequential(*build(layers or spec["model"]["layers"], [1, 8, 8])[0]).train()
    for k, p in enumerate(model.parameters()):
        values = 0.4 * torch.sin(1.3 * torch.arange(p.numel(), dtype=torch.float64) + k)
        p.data = values.float().double().reshape(p.shape)
    fields = {k: v for k, v in spec["optimizer"].items() if k != "type"}
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[spec["optimizer"]["type"]](
        model.parameters(), **fields)
    count, batch = spec["dataset"]["limit"], spec["train"]["batch_size"]
    starts = list(range(0, count, batch))
    losses = []
    for t in range(spec["train"]["steps"]):
        start = starts[t % len(starts)]
        end = min(start + batch, count)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(IMAGES[start:end]), LABELS[start:end])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [b.double().sum().item() for b in model.buffers()]


with open("Tests/TrainingTests/GoldenImageRuns.swift", "w") as out:
    out.write("// swift-format-ignore-file\n// Written by make_golden_images.py: networks on images by PyTorch "
              f"{torch.__version__}, float64.\n\nstruct GoldenImageRun: Sendable {{\n  let name: String\n"
              "  let job: String\n  let losses: [Double]\n"
              "  /// The sum of each buffer after the last step.\n  let buffers: [Double]\n}\n\n"
              "let goldenImageRuns: [GoldenImageRun] = [\n")
    for name, (spec, layers) in JOBS.items():
        losses, buffers = run(spec, layers)
        print(name, losses[0], losses[-1])
        out.write(f'  GoldenImageRun(\n    name: "{name}",\n    job: #"{json.dumps(spec)}"#,\n'
                  f"    losses: {losses},\n    buffers: {buffers}),\n")
    out.write("]\n")
