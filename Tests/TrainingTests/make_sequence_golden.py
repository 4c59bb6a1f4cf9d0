#!/usr/bin/env python3
"""Writes Tests/TrainingTests/GoldenSequenceRuns.swift: runs over text and over activations, by PyTorch in float64.

Usage: make_sequence_golden.py   (torch and scikit-learn installed; run from the repository's root)

As in make_golden.py, element i of tensor k begins as 0.4 * sin(1.3 i + k), and the data come in their own order.
"""
import json

import sklearn.datasets as sets
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
TEXT = ("The stones lie one upon another, flat on flat, and where the path is lost in snow the next one shows.\n"
        "Whoever passes puts a stone on top: so it grows, and so it stays; nobody built it, everybody did.\n") * 6


class Positions(nn.Module):
    def __init__(self, steps, width, learned):
        super().__init__()
        if learned:
            self.weight = nn.Parameter(torch.zeros(steps, width))
        else:
            t, j = torch.arange(steps)[:, None], torch.arange(0, width, 2)[None, :]
            angles = t * 10000.0 ** (-j / width)
            self.weight = torch.stack([angles.sin(), angles.cos()], -1).reshape(steps, -1)[:, :width]

    def forward(self, x):
        return x + self.weight


def mask(x, causal):
    return torch.triu(torch.full((x.shape[1], x.shape[1]), float("-inf")), 1) if causal else None


class Attention(nn.MultiheadAttention):
    def __init__(self, width, heads, causal):
        super().__init__(width, heads, batch_first=True)
        self.causal = causal

    def forward(self, x):
        return super().forward(x, x, x, attn_mask=mask(x, self.causal), need_weights=False)[0]


class Block(nn.TransformerEncoderLayer):
    def __init__(self, width, heads, causal, ratio):
        super().__init__(width, heads, int(ratio * width), 0.0, "gelu", batch_first=True, norm_first=True)
        self.causal = causal

    def forward(self, x):
        return super().forward(x, src_mask=mask(x, self.causal))


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def build(specs, shape, vocabulary=None):
    modules = []
    for spec in specs:
        kind, fields = spec["type"], {k: v for k, v in spec.items() if k != "type"}
        if kind == "linear":
            modules.append(nn.Linear(shape[-1], fields["out"]))
            shape = [*shape[:-1], fields["out"]]
        elif kind == "embedding":
            modules.append(nn.Embedding(fields.get("vocab") or vocabulary, fields["dim"]))
            shape = [*shape, fields["dim"]]
        elif kind == "positional":
            modules.append(Positions(*shape, fields.get("kind", "learned") == "learned"))
        elif kind == "attention":
            modules.append(Attention(shape[-1], fields["heads"], fields.get("causal", False)))
        elif kind == "transformer_block":
            modules.append(Block(shape[-1], fields["heads"], fields.get("causal", False), fields.get("mlp_ratio", 4)))
        elif kind == "layer_norm":
            modules.append(nn.LayerNorm(shape[-1], **fields))
        elif kind == "rms_norm":
            modules.append(nn.RMSNorm(shape[-1], **{"eps": 2.0 ** -23, **fields}))
        elif kind == "residual":
            modules.append(Residual(*build(fields["layers"], shape)))
        elif kind == "flatten":
            modules.append(nn.Flatten())
            shape = [shape[0] * shape[1]]
        else:
            modules.append({"relu": nn.ReLU, "tanh": nn.Tanh, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU,
                            "selu": nn.SELU, "gelu": nn.GELU, "silu": nn.SiLU, "sigmoid": nn.Sigmoid,
                            "softplus": nn.Softplus, "hardswish": nn.Hardswish}[kind](**fields))
    return modules


def layers(model, outputs):
    if "layers" in model and "preset" not in model:
        return model["layers"]
    block = {"type": "transformer_block", "heads": model["heads"], "mlp_ratio": model.get("mlp_ratio", 4),
             "causal": model["preset"] == "transformer_lm"}
    return [{"type": "embedding", "dim": model["dim"]}, {"type": "positional"}, *[block] * model["layers"],
            {"type": "layer_norm"}, {"type": "linear", "out": outputs}]


def text(model, context, batch, optimizer, steps=20):
    return {"dataset": {"name": "verse", "context": context, "validation": 0, "shuffle": False}, "model": model,
            "optimizer": optimizer, "train": {"steps": steps, "batch_size": batch}}


def table(name, specs, optimizer, steps=12, **more):
    return {"dataset": {"name": name, "validation": 0, "shuffle": False}, "model": {"layers": specs},
            "optimizer": optimizer, "train": {"steps": steps, "batch_size": 31}, **more}


def linear(out):
    return {"type": "linear", "out": out}


ADAMW = {"type": "adamw", "lr": 0.002}
CHARACTERS = len(set(TEXT))
JOBS = {
    "language model": text({"preset": "transformer_lm", "layers": 2, "dim": 24, "heads": 2}, 15, 5, ADAMW),
    "aligned heads": text({"preset": "transformer_lm", "layers": 1, "dim": 32, "heads": 2, "mlp_ratio": 2}, 31, 3,
                          ADAMW),
    "encoder": text({"preset": "transformer_encoder", "layers": 1, "dim": 15, "heads": 3}, 17, 4,
                    {"type": "adam", "lr": 0.001}),
    "layers of its own": text(
        {"layers": [{"type": "embedding", "dim": 18}, {"type": "positional", "kind": "sinusoidal"},
                    {"type": "residual", "layers": [{"type": "rms_norm"},
                                                    {"type": "attention", "heads": 3, "causal": True}]},
                    {"type": "residual", "layers": [{"type": "rms_norm", "eps": 1e-5}, linear(31),
                                                    {"type": "gelu", "approximate": "tanh"}, linear(18)]},
                    {"type": "layer_norm", "eps": 1e-3}, linear(CHARACTERS)]}, 16, 6,
        {"type": "sgd", "lr": 0.3, "momentum": 0.5}),
    "curved": table("iris", [linear(17), {"type": "gelu"}, {"type": "layer_norm"}, linear(15), {"type": "silu"},
                             linear(16), {"type": "softplus"}, linear(9), {"type": "sigmoid"}, linear(3)],
                    {"type": "adam", "lr": 0.01}),
    "cornered": table("wine", [linear(15), {"type": "leaky_relu", "negative_slope": 0.2}, linear(17),
                               {"type": "elu", "alpha": 0.7}, linear(31), {"type": "selu"}, linear(5),
                               {"type": "hardswish"}, linear(3)], {"type": "sgd", "lr": 0.02}),
    "one logit": table("breast-cancer", [linear(9), {"type": "tanh"}, linear(1)], {"type": "sgd", "lr": 0.3},
                       loss={"type": "binary_cross_entropy"}),
    "yes or no each": table("wine", [linear(17), {"type": "relu"}, linear(3)], {"type": "adam", "lr": 0.01},
                            loss={"type": "binary_cross_entropy"}),
    "absolute": table("diabetes", [linear(7), {"type": "tanh"}, linear(1)], {"type": "adam", "lr": 0.5},
                      loss={"type": "mae"}),
    "huber": table("diabetes", [linear(1)], {"type": "adam", "lr": 2.0}, loss={"type": "huber", "delta": 60.0}),
    "weighted": table("wine", [linear(15), {"type": "relu"}, linear(3)], {"type": "sgd", "lr": 0.1},
                      loss={"type": "cross_entropy", "class_weights": [0.5, 3.0, 1.25], "label_smoothing": 0.1}),
}


def measure(spec, logits, answers):
    kind = spec.get("type", "cross_entropy")
    if kind == "mae":
        return nn.functional.l1_loss(logits[:, 0], answers), -1
    if kind == "huber":
        return nn.functional.huber_loss(logits[:, 0], answers, delta=spec["delta"]), -1
    if kind == "binary_cross_entropy":
        one = logits.shape[-1] == 1
        target = answers[:, None].double() if one else nn.functional.one_hot(answers, logits.shape[-1]).double()
        guess = (logits[:, 0] > 0).long() if one else logits.argmax(-1)
        return (nn.functional.binary_cross_entropy_with_logits(logits, target),
                (guess == answers).double().mean().item())
    weights = torch.tensor(spec["class_weights"]) if "class_weights" in spec else None
    loss = nn.functional.cross_entropy(logits.flatten(0, -2), answers.flatten(), weight=weights,
                                       label_smoothing=spec.get("label_smoothing", 0.0))
    return loss, (logits.argmax(-1) == answers).double().mean().item()


def run(job):
    name, batch = job["dataset"]["name"], job["train"]["batch_size"]
    if name == "verse":
        names = sorted(set(TEXT))
        tokens = torch.tensor([names.index(c) for c in TEXT])
        context = job["dataset"]["context"]
        count = (len(tokens) - 1) // context
        x = tokens[:count * context].reshape(count, context)
        y = tokens[1:count * context + 1].reshape(count, context)
        modules = build(layers(job["model"], len(names)), [context], len(names))
    else:
        data = {"iris": sets.load_iris, "wine": sets.load_wine, "breast-cancer": sets.load_breast_cancer,
                "diabetes": lambda: sets.load_diabetes(scaled=False)}[name]()
        x = torch.tensor((data.data - data.data.mean(0)) / data.data.std(0))
        y = torch.tensor(data.target)
        modules = build(job["model"]["layers"], [x.shape[1]])
    model = nn.Sequential(*modules)
    for k, p in enumerate(model.parameters()):
        p.data = 0.4 * torch.sin(1.3 * torch.arange(p.numel()) + k).reshape(p.shape)
    fields = {k: v for k, v in job["optimizer"].items() if k != "type"}
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[job["optimizer"]["type"]]
    optimizer, rows = make(model.parameters(), **fields), []
    per_epoch = -(-len(x) // batch)
    for t in range(job["train"]["steps"]):
        start = t % per_epoch * batch
        inputs, answers = x[start:start + batch], y[start:start + batch]
        logits = model(inputs)
        loss, accuracy = measure(job.get("loss", {}), logits, answers)
        weights = torch.cat([p.detach().flatten() for p in model.parameters()]).norm().item()
        optimizer.zero_grad()
        loss.backward()
        norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item()
        optimizer.step()
        rows.append([loss.item(), accuracy, fields["lr"], norm, weights])
    return rows, [f"{k} {list(p.shape)}" for k, p in model.named_parameters()]


with open("Tests/TrainingTests/GoldenSequenceRuns.swift", "w") as out:
    out.write("// swift-format-ignore-file\n// Written by make_sequence_golden.py: whole runs by PyTorch "
              f"{torch.__version__}, float64.\n\nlet goldenText = {json.dumps(TEXT)}\n\n"
              "let goldenSequenceRuns: [(run: GoldenRun, tensors: [String])] = [\n")
    for name, spec in JOBS.items():
        rows, tensors = run(spec)
        out.write(f'  (GoldenRun(\n    name: "{name}",\n    job: #"{json.dumps(spec)}"#,\n    rows: [\n')
        out.writelines(f"      {row},\n" for row in rows)
        out.write(f"    ]), {json.dumps(tensors)}),\n")
    out.write("]\n")
