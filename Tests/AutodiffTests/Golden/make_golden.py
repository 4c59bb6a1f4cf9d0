"""Writes ../GoldenNetworks.swift: losses of small networks trained by PyTorch in double precision.

Data and first weights are numbers that the Swift tests compute themselves (`value` in Support.swift).
Usage: python3 make_golden.py
"""
import os

import torch

torch.set_default_dtype(torch.float64)


def value(index, salt):
    return float(torch.tensor(((index * 7919 + salt * 104729 + index * index % 977 * 31) % 1000 - 500) / 500,
                              dtype=torch.float32))


def values(count, salt, scale=1.0):
    return [float(torch.tensor(value(i, salt) * scale, dtype=torch.float32)) for i in range(count)]


def network(sizes, activation):
    layers = []
    for i in range(1, len(sizes)):
        layers.append(torch.nn.Linear(sizes[i - 1], sizes[i]))
        if i < len(sizes) - 1:
            layers.append({"relu": torch.nn.ReLU(), "tanh": torch.nn.Tanh()}[activation])
    model = torch.nn.Sequential(*layers)
    for index, parameter in enumerate(model.parameters()):
        parameter.data = torch.tensor(values(parameter.numel(), index + 11, 0.125)).reshape(parameter.shape)
    return model


def losses(sizes, activation, batch, make, steps=20, smoothing=0.0, clip=None):
    model = network(sizes, activation)
    optimizer = make(model.parameters())
    result = []
    for step in range(steps):
        x = torch.tensor(values(batch * sizes[0], 1000 + step)).reshape(batch, sizes[0])
        y = torch.tensor([(i * 7 + step * 3) % sizes[-1] for i in range(batch)])
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y, label_smoothing=smoothing)
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        result.append(loss.item())
    return result


CASES = {
    "digitsAdam": losses([64, 128, 64, 10], "relu", 32, lambda p: torch.optim.Adam(p, lr=1e-3)),
    "tanhNesterov": losses([20, 33, 17, 5], "tanh", 13,
                           lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)),
    "smoothClipped": losses([31, 15, 3], "relu", 7, lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.5, dampening=0.3),
                            smoothing=0.1, clip=0.05),
}

with open(os.path.join(os.path.dirname(__file__), "..", "GoldenNetworks.swift"), "w") as file:
    file.write(f"// Losses of small networks trained by PyTorch {torch.__version__} in double precision.\n")
    file.write("// Written by Golden/make_golden.py.\n\nenum GoldenNetworks {\n")
    for name, numbers in CASES.items():
        file.write(f"  static let {name}: [Double] = [\n")
        for number in numbers:
            file.write(f"    {number!r},\n")
        file.write("  ]\n")
    file.write("}\n")
