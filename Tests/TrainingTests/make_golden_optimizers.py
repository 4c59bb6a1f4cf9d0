"""Writes GoldenOptimizers.swift: twelve steps of each optimizer in float64 from theta0 = [1, -2, 3, 0.5] with the
gradient a * theta + cos(theta), a = [1, 10, 0.1, 3]. By PyTorch where it has the optimizer, else by its formula.

Run from the repository's root: python Tests/TrainingTests/make_golden_optimizers.py
"""
import json
import torch

START, A = [1.0, -2.0, 3.0, 0.5], torch.tensor([1.0, 10.0, 0.1, 3.0], dtype=torch.float64)


def gradient(theta):
    return A * theta + torch.cos(theta)


def by_torch(make, **fields):
    theta = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = make([theta], **fields)
    rows = []
    for _ in range(12):
        theta.grad = gradient(theta.detach())
        optimizer.step()
        rows.append(theta.detach().tolist())
    return rows


def by_formula(step):
    theta, state, rows = torch.tensor(START, dtype=torch.float64), {}, []
    for t in range(1, 13):
        theta = step(theta, t, state)
        rows.append(theta.tolist())
    return rows


def nag(lr, momentum):
    def step(w, t, s):
        a = momentum * s.get("a", 0) + gradient(w - lr * momentum * s.get("a", torch.zeros_like(w)))
        s["a"] = a
        return w - lr * a
    return step


def lion(lr, b1, b2, wd):
    def step(w, t, s):
        m, g = s.get("m", torch.zeros_like(w)), gradient(w)
        w = w * (1 - lr * wd) - lr * torch.sign(b1 * m + (1 - b1) * g)
        s["m"] = b2 * m + (1 - b2) * g
        return w
    return step


def adagrad_inside(lr, eps):
    def step(w, t, s):
        g = gradient(w)
        s["s"] = s.get("s", 0) + g * g
        return w - lr * g / torch.sqrt(s["s"] + eps)
    return step


def rmsprop_inside(lr, alpha, eps):
    def step(w, t, s):
        g = gradient(w)
        s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g * g
        return w - lr * g / torch.sqrt(s["v"] + eps)
    return step


def adam_formula(lr, eps, inside, corrected):
    def step(w, t, s):
        g = gradient(w)
        s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
        s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
        c1, c2 = (1 - 0.9**t, 1 - 0.999**t) if corrected else (1, 1)
        root = torch.sqrt(s["v"] / c2 + eps) if inside else torch.sqrt(s["v"] / c2) + eps
        return w - lr * s["m"] / c1 / root
    return step


o = torch.optim
CASES = {
    "sgd": ({"type": "sgd", "lr": 0.05}, o.SGD),
    "sgd, decay": ({"type": "sgd", "lr": 0.05, "weight_decay": 0.1}, o.SGD),
    "momentum": ({"type": "sgd", "lr": 0.02, "momentum": 0.9}, o.SGD),
    "momentum, dampening, decay": (
        {"type": "sgd", "lr": 0.02, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}, o.SGD),
    "nesterov, decay": ({"type": "sgd", "lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}, o.SGD),
    "nag": ({"type": "nag", "lr": 0.02, "momentum": 0.9}, nag(0.02, 0.9)),
    "adagrad": ({"type": "adagrad", "lr": 0.1}, o.Adagrad),
    "adagrad, all fields": (
        {"type": "adagrad", "lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.05, "initial_accumulator_value": 0.1},
        o.Adagrad),
    "adagrad, eps inside": ({"type": "adagrad", "lr": 0.1, "eps": 0.01, "eps_inside_sqrt": True},
                            adagrad_inside(0.1, 0.01)),
    "adadelta": ({"type": "adadelta"}, o.Adadelta),
    "adadelta, all fields": ({"type": "adadelta", "lr": 0.5, "rho": 0.95, "weight_decay": 0.05}, o.Adadelta),
    "rmsprop": ({"type": "rmsprop"}, o.RMSprop),
    "rmsprop, momentum": ({"type": "rmsprop", "alpha": 0.9, "momentum": 0.5, "eps": 1e-3}, o.RMSprop),
    "rmsprop, centered": ({"type": "rmsprop", "alpha": 0.9, "centered": True, "eps": 1e-2}, o.RMSprop),
    "rmsprop, centered, momentum, decay": (
        {"type": "rmsprop", "centered": True, "momentum": 0.9, "weight_decay": 0.05}, o.RMSprop),
    "rmsprop, eps inside": ({"type": "rmsprop", "lr": 0.02, "alpha": 0.9, "eps": 0.01, "eps_inside_sqrt": True},
                            rmsprop_inside(0.02, 0.9, 0.01)),
    "adam": ({"type": "adam", "lr": 0.1}, o.Adam),
    "adam, amsgrad, decay": ({"type": "adam", "lr": 0.1, "weight_decay": 0.05, "amsgrad": True}, o.Adam),
    "adam, large eps": ({"type": "adam", "lr": 0.1, "betas": [0.7, 0.8], "eps": 0.1}, o.Adam),
    "adam, eps inside": ({"type": "adam", "lr": 0.1, "eps": 0.01, "eps_inside_sqrt": True},
                         adam_formula(0.1, 0.01, True, True)),
    "adam, uncorrected": ({"type": "adam", "lr": 0.1, "bias_correction": False}, adam_formula(0.1, 1e-8, False, False)),
    "adamw": ({"type": "adamw", "lr": 0.1}, o.AdamW),
    "adamw, amsgrad, decay": ({"type": "adamw", "lr": 0.1, "weight_decay": 0.1, "amsgrad": True}, o.AdamW),
    "adamax": ({"type": "adamax", "lr": 0.1}, o.Adamax),
    "nadam": ({"type": "nadam", "lr": 0.1}, o.NAdam),
    "nadam, decay": ({"type": "nadam", "lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1}, o.NAdam),
    "nadam, decoupled": (
        {"type": "nadam", "lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}, o.NAdam),
    "radam": ({"type": "radam", "lr": 0.1}, o.RAdam),
    "radam, decay": ({"type": "radam", "lr": 0.1, "weight_decay": 0.1}, o.RAdam),
    "radam, decoupled": (
        {"type": "radam", "lr": 0.1, "betas": [0.9, 0.9], "weight_decay": 0.1, "decoupled_weight_decay": True},
        o.RAdam),
    "lion": ({"type": "lion", "lr": 0.05, "weight_decay": 0.1}, lion(0.05, 0.9, 0.99, 0.1)),
}

with open("Tests/TrainingTests/GoldenOptimizers.swift", "w") as out:
    out.write("// swift-format-ignore-file\n// Written by make_golden_optimizers.py: twelve steps in float64, by PyTorch "
              f"{torch.__version__} where it has the method.\n\nstruct GoldenOptimizer: Sendable {{\n  let name: String\n"
              "  let spec: String\n  let rows: [[Double]]\n}\n\nlet goldenOptimizers: [GoldenOptimizer] = [\n")
    for name, (spec, source) in CASES.items():
        fields = {k: v for k, v in spec.items() if k != "type"}
        rows = by_torch(source, **fields) if isinstance(source, type) else by_formula(source)
        out.write(f'  GoldenOptimizer(\n    name: "{name}",\n    spec: #"{json.dumps(spec)}"#,\n    rows: [\n')
        out.writelines(f"      {row},\n" for row in rows)
        out.write("    ]),\n")
    out.write("]\n")
