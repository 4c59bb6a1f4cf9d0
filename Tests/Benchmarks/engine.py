"""The engine against PyTorch, and JAX where it is installed: python Tests/Benchmarks/engine.py [--rounds 3] [JOB ...]

One training step of whole jobs: fetch of the batch from memory, forward, backward, update. Ours is the job as users run
it, its curves recorded. The programs take turns, each in a process of its own with as many threads as we have; the
table shows the best block of each and the ratio of the best peer's time to ours.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("CAIRN_BINARY", ROOT / ".build" / "release" / "cairn"))

CONV = [
    {"type": "conv2d", "channels": 16, "kernel": 3, "padding": 1}, {"type": "batch_norm"}, {"type": "relu"},
    {"type": "max_pool2d", "kernel": 2},
    {"type": "conv2d", "channels": 32, "kernel": 3, "padding": 1}, {"type": "batch_norm"}, {"type": "relu"},
    {"type": "max_pool2d", "kernel": 2}, {"type": "flatten"}, {"type": "linear", "out": 128}, {"type": "relu"},
    {"type": "dropout", "p": 0.25}, {"type": "linear", "out": 10},
]
# Data set, model, optimizer, batch, steps in a block.
JOBS = {
    "digits MLP": ("digits", {"preset": "mlp", "hidden": [128, 64]}, "adam", 32, 1000),
    "Fashion-MNIST MLP": ("fashion-mnist", {"preset": "mlp", "hidden": [256, 128]}, "adam", 128, 200),
    "Fashion-MNIST CNN": ("fashion-mnist", {"layers": CONV}, "adamw", 64, 60),
}
BLOCKS = 5


def ours(name, threads):
    """The time of a step in microseconds, the best of the blocks."""
    dataset, model, optimizer, batch, steps = JOBS[name]
    spec = {
        "dataset": {"name": dataset, "validation": 0}, "model": model, "optimizer": {"type": optimizer, "lr": 1e-3},
        "train": {"steps": steps * BLOCKS, "batch_size": batch, "evaluate_every": {"steps": steps},
                  "log_every": 100},
        "checkpoint": {"every_epochs": 0},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "spec.json"
        path.write_text(json.dumps(spec))
        command = [BINARY, "train", path, "--data", folder, "--threads", str(threads)]
        output = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout
    row = next(line.split() for line in output.splitlines() if line.startswith("examples_per_second"))
    return batch / float(row[-1]) * 1e6


def peer(which, name, threads):
    """The same by another library, in a process of its own; None where it is not installed."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    if which == "jax":
        environment["XLA_FLAGS"] = (
            f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} "
            f"intra_op_parallelism_threads={threads}"
        )
    command = [sys.executable, __file__, "--peer", which, "--threads", str(threads), name]
    if which == "jax" and threads == 1:
        command = ["taskset", "-c", "0"] + command
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode == 3:
        return None
    result.check_returncode()
    return float(result.stdout.split()[-1])


def data(name):
    """Features and labels, of the shapes of the job; their values do not matter for the time."""
    import numpy

    dataset, _, _, batch, steps = JOBS[name]
    random = numpy.random.default_rng(1)
    count, width = (1797, 64) if dataset == "digits" else (60000, 784)
    features = random.random((count, width), dtype=numpy.float32)
    labels = random.integers(0, 10, count)
    order = numpy.concatenate([random.permutation(count) for _ in range(batch * steps // count + 1)])
    return features, labels, order, batch, steps


def best(block, steps):
    import time

    times = []
    for _ in range(BLOCKS):
        begin = time.perf_counter()
        block()
        times.append((time.perf_counter() - begin) / steps * 1e6)
    return min(times)


def with_torch(name, threads):
    try:
        import torch
        from torch import nn
    except ImportError:
        sys.exit(3)
    torch.set_num_threads(threads)
    features, labels, order, batch, steps = data(name)
    features, labels, order = torch.tensor(features), torch.tensor(labels), torch.tensor(order)
    _, model, optimizer, _, _ = JOBS[name]
    if "layers" in model:
        features = features.reshape(-1, 1, 28, 28)
        net = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(1568, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10))
    else:
        sizes, layers = [features.shape[1], *model["hidden"]], []
        for inputs, outputs in zip(sizes, sizes[1:]):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        net = nn.Sequential(*layers, nn.Linear(sizes[-1], 10))
    step = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimizer](net.parameters(), lr=1e-3)

    def block():
        for i in range(steps):
            rows = order[i * batch:(i + 1) * batch]
            step.zero_grad()
            nn.functional.cross_entropy(net(features[rows]), labels[rows]).backward()
            step.step()

    return best(block, steps)


def with_jax(name, _):
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        sys.exit(3)
    features, labels, order, batch, steps = data(name)
    _, model, optimizer, _, _ = JOBS[name]
    random = iter(jax.random.split(jax.random.key(1), 20))
    sizes = [1568, 128, 10] if "layers" in model else [features.shape[1], *model["hidden"], 10]
    dense = [(jax.random.normal(next(random), (a, b)) / a**0.5, jnp.zeros(b)) for a, b in zip(sizes, sizes[1:])]
    convs = []
    if "layers" in model:
        features = features.reshape(-1, 28, 28, 1)
        for a, b in ((1, 16), (16, 32)):
            weight = jax.random.normal(next(random), (3, 3, a, b)) / 3
            convs.append((weight, jnp.zeros(b), jnp.ones(b), jnp.zeros(b)))
    decay = 0.01 if optimizer == "adamw" else 0.0

    def loss(parameters, x, y, key):
        convs, dense = parameters
        for weight, bias, scale, shift in convs:
            x = jax.lax.conv_general_dilated(x, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = x + bias
            mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
            x = jax.nn.relu((x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift)
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = x.reshape(x.shape[0], -1)
        for index, (weight, bias) in enumerate(dense):
            x = x @ weight + bias
            if index + 1 < len(dense):
                x = jax.nn.relu(x)
                if convs:
                    x = jnp.where(jax.random.bernoulli(key, 0.75, x.shape), x / 0.75, 0)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1))

    @jax.jit
    def update(parameters, m, v, t, x, y, key):
        gradients = jax.grad(loss)(parameters, x, y, key)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
        a, b = 1 - 0.9**t, 1 - 0.999**t
        parameters = jax.tree.map(
            lambda p, m, v: p * (1 - 1e-3 * decay) - 1e-3 * (m / a) / (jnp.sqrt(v / b) + 1e-8), parameters, m, v)
        return parameters, m, v

    state = [(convs, dense), jax.tree.map(jnp.zeros_like, (convs, dense)), jax.tree.map(jnp.zeros_like, (convs, dense))]
    key = jax.random.key(2)

    def block():
        for i in range(steps):
            rows = order[i * batch:(i + 1) * batch]
            state[:] = update(*state, i + 1.0, features[rows], labels[rows], key)
        jax.block_until_ready(state)

    return best(block, steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jobs", nargs="*", default=list(JOBS))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, action="append")
    parser.add_argument("--peer", choices=["torch", "jax"])
    options = parser.parse_args()
    if options.peer:
        run = with_torch if options.peer == "torch" else with_jax
        print(run(options.jobs[0], options.threads[0]))
        return
    print("| job | threads | ours, µs | PyTorch, µs | JAX, µs | ratio |\n| --- | --- | --- | --- | --- | --- |")
    for name in options.jobs:
        for threads in options.threads or [1, 2]:
            times = {"ours": [], "torch": [], "jax": []}
            for _ in range(options.rounds):
                times["ours"].append(ours(name, threads))
                for which in ("torch", "jax"):
                    times[which].append(peer(which, name, threads))
            fastest = {which: min((t for t in many if t is not None), default=None) for which, many in times.items()}
            peers = [t for which, t in fastest.items() if which != "ours" and t is not None]
            ratio = f"{min(peers) / fastest['ours']:.2f}" if peers else "–"
            cells = [f"{t:.0f}" if t is not None else "–" for t in (fastest["ours"], fastest["torch"], fastest["jax"])]
            print(f"| {name} | {threads} | {' | '.join(cells)} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
