#!/usr/bin/env python3
"""Writes Tests/TrainingTests/GoldenRuns.swift: whole runs carried out by PyTorch in float64.

Usage: make_golden.py   (torch and scikit-learn installed; run from the repository's root)

The jobs begin from constant weights, or from 0.4 * sin(1.3 i + k) for element i of tensor k, and go through the
data in its own order, so nothing in them is random.
"""
import json
import math

import numpy as np
import sklearn.datasets as sets
import torch

torch.set_default_dtype(torch.float64)
LOADERS = {"iris": sets.load_iris, "wine": sets.load_wine,
           "diabetes": lambda: sets.load_diabetes(scaled=False)}


def linear(out, value=None):
    if value is None:
        return {"type": "linear", "out": out}
    return {"type": "linear", "out": out, "init": {"type": "constant", "val": value}}


def job(dataset, layers, optimizer, steps, batch=10000, **more):
    return {"dataset": {"name": dataset, "validation": 0, "shuffle": False}, "model": {"layers": layers},
            "optimizer": optimizer, "train": {"steps": steps, "batch_size": batch, **more.pop("train", {})}, **more}


JOBS = {
    "nesterov": job("iris", [linear(3, 0.1)], {"type": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True,
                                              "weight_decay": 0.01}, 15),
    "dampening and clipping": job("wine", [linear(3, -0.2)],
                                  {"type": "sgd", "lr": 0.3, "momentum": 0.9, "dampening": 0.5}, 15,
                                  train={"clip_grad_norm": 0.25}),
    "adam": job("wine", [linear(3, 0.1)], {"type": "adam", "lr": 0.05, "betas": [0.8, 0.99], "weight_decay": 0.1},
                20, loss={"type": "cross_entropy", "label_smoothing": 0.1},
                schedule={"type": "cosine", "warmup": 3, "eta_min": 0.001}),
    "short batches": job("diabetes", [linear(1, 0.5)], {"type": "adam", "lr": 2.0}, 12, batch=128,
                         train={"clip_grad_value": 20.0}, schedule={"type": "step", "step_size": 5}),
    "two layers": job("wine", [linear(4, 0.05), {"type": "tanh"}, {"type": "dropout", "p": 0}, linear(3, 0.1)],
                      {"type": "sgd", "lr": 0.5}, 12, batch=50, train={"drop_last": True}),
    "three layers": job("wine", [linear(9), {"type": "relu"}, linear(6), {"type": "tanh"}, linear(3)],
                        {"type": "adam", "lr": 0.02}, 24, batch=60,
                        loss={"type": "cross_entropy", "label_smoothing": 0.2}),
    "deep regression": job("diabetes", [linear(12), {"type": "tanh"}, linear(7), {"type": "relu"}, linear(1)],
                           {"type": "sgd", "lr": 1e-4, "momentum": 0.5, "weight_decay": 0.1}, 16, batch=100),
}


def rate(job, t):
    base, spec, total = job["optimizer"]["lr"], job.get("schedule", {}), job["train"]["steps"]
    warmup = spec.get("warmup", 0)
    if t < warmup:
        return base * (t + 1) / warmup
    t, total = t - warmup, total - warmup
    if spec.get("type") == "cosine":
        return spec["eta_min"] + (base - spec["eta_min"]) * (1 + math.cos(math.pi * t / total)) / 2
    if spec.get("type") == "step":
        return base * 0.1 ** (t // spec["step_size"])
    return base


def run(job):
    data = LOADERS[job["dataset"]["name"]]()
    x = (data.data - data.data.mean(0)) / data.data.std(0)
    classes = job["dataset"]["name"] != "diabetes"
    x, y = torch.tensor(x), torch.tensor(data.target)
    layers, width = [], x.shape[1]
    for layer in job["model"]["layers"]:
        if layer["type"] == "linear":
            layers.append(torch.nn.Linear(width, layer["out"]))
            if "init" in layer:
                torch.nn.init.constant_(layers[-1].weight, layer["init"]["val"])
                torch.nn.init.zeros_(layers[-1].bias)
            width = layer["out"]
        else:
            layers.append({"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU,
                           "dropout": lambda: torch.nn.Dropout(layer["p"])}[layer["type"]]())
    model = torch.nn.Sequential(*layers)
    if "init" not in job["model"]["layers"][0]:
        for k, p in enumerate(model.parameters()):
            p.data = 0.4 * torch.sin(1.3 * torch.arange(p.numel()) + k).reshape(p.shape)
    fields = {k: v for k, v in job["optimizer"].items() if k != "type"}
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[job["optimizer"]["type"]](
        model.parameters(), **fields)
    smoothing = job.get("loss", {}).get("label_smoothing", 0)
    rows = []
    batch = min(job["train"]["batch_size"], len(x))
    starts = [s for s in range(0, len(x), batch) if s + batch <= len(x) or not job["train"].get("drop_last")]
    for t in range(job["train"]["steps"]):
        start = starts[t % len(starts)]
        bx, by = x[start:start + batch], y[start:start + batch]
        optimizer.zero_grad()
        out = model(bx)
        if classes:
            loss = torch.nn.functional.cross_entropy(out, by, label_smoothing=smoothing)
            accuracy = (out.argmax(1) == by).double().mean().item()
        else:
            loss = torch.nn.functional.mse_loss(out[:, 0], by)
            accuracy = None
        loss.backward()
        norm = math.sqrt(sum((p.grad ** 2).sum().item() for p in model.parameters()))
        size = math.sqrt(sum((p ** 2).sum().item() for p in model.parameters()))
        if "clip_grad_norm" in job["train"]:
            torch.nn.utils.clip_grad_norm_(model.parameters(), job["train"]["clip_grad_norm"])
        if "clip_grad_value" in job["train"]:
            torch.nn.utils.clip_grad_value_(model.parameters(), job["train"]["clip_grad_value"])
        for group in optimizer.param_groups:
            group["lr"] = rate(job, t)
        optimizer.step()
        rows.append([loss.item(), accuracy, rate(job, t), norm, size])
    return rows


with open("Tests/TrainingTests/GoldenRuns.swift", "w") as out:
    out.write("// swift-format-ignore-file\n// Written by make_golden.py: whole runs by PyTorch "
              f"{torch.__version__}, float64.\n\nstruct GoldenRun: Sendable {{\n  let name: String\n  let job: String\n"
              "  /// train/loss, train/accuracy (-1 where there is none), lr, grad_norm, param_norm of each step.\n"
              "  let rows: [[Double]]\n}\n\nlet goldenRuns: [GoldenRun] = [\n")
    for name, spec in JOBS.items():
        rows = [[-1 if v is None else v for v in row] for row in run(spec)]
        out.write(f'  GoldenRun(\n    name: "{name}",\n    job: #"{json.dumps(spec)}"#,\n    rows: [\n')
        out.writelines(f"      {row},\n" for row in rows)
        out.write("    ]),\n")
    out.write("]\n")
