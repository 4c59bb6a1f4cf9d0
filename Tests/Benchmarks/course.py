"""What recorded curves and augmentations add to a step of the Fashion-MNIST CNN, as parts of the processor time of a
step without them. Each run is paired with one without, just before it, and the median of the pairs counts, as a shared
machine's speed drifts by more than what is measured; rounds go on while there is time.

    python course.py [--binary PATH] [--steps N] [--seconds N] [--case NAME]
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

PLAIN = {
    "dataset": {"name": "fashion-mnist", "validation": 0, "test": 0},
    "seed": 1,
    "model": {
        "layers": [
            {"type": "conv2d", "channels": 16, "kernel": 3, "padding": 1}, {"type": "batch_norm"}, {"type": "relu"},
            {"type": "max_pool2d", "kernel": 2},
            {"type": "conv2d", "channels": 32, "kernel": 3, "padding": 1}, {"type": "batch_norm"}, {"type": "relu"},
            {"type": "max_pool2d", "kernel": 2}, {"type": "flatten"}, {"type": "linear", "out": 128}, {"type": "relu"},
            {"type": "linear", "out": 10},
        ]
    },
    "optimizer": {"type": "adamw", "lr": 0.001},
    "checkpoint": {"every_steps": 0},
}

# What is changed, and how much of a step it may cost.
CASES = {
    "curves at every step": ({}, 0.05, True),
    "random_shift": ([{"type": "random_shift", "pixels": 2}], 0.10, False),
    "random_crop, horizontal_flip": ([{"type": "random_crop", "padding": 2}, {"type": "horizontal_flip"}], 0.10, False),
    "rotate": ([{"type": "rotate", "degrees": 10}], 0.10, False),
    "cutout": ([{"type": "cutout", "size": 8}], 0.10, False),
    "gaussian_noise": ([{"type": "gaussian_noise", "std": 0.1}], 0.10, False),
    "weight_noise": ([{"type": "weight_noise", "std": 0.01}], 0.10, False),
    "mixup": ([{"type": "mixup", "alpha": 0.2}], 0.10, False),
    "cutmix": ([{"type": "cutmix", "alpha": 1}], 0.10, False),
}


def seconds(binary, spec, folder):
    """Processor time of a whole run."""
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [binary, "train", path, "--data", folder / "data", "--threads", "1"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=os.environ.get("CAIRN_BINARY", ROOT / ".build" / "release" / "cairn"))
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=150, help="no round begins later than this")
    parser.add_argument("--case", choices=CASES, action="append", help="only this one; several may be given")
    options = parser.parse_args()
    cases = {name: CASES[name] for name in options.case or CASES}
    deadline = time.monotonic() + options.seconds

    def spec(steps, augment=None, curves=False):
        train = {"steps": steps, "batch_size": 64, "log_every": 1 if curves else 1_000_000}
        return {**PLAIN, "augment": augment or [], "train": train}

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        base = min(seconds(options.binary, spec(1), folder) for _ in range(2))
        print(f"start and first step: {base:.3f} s", flush=True)
        found, length, rounds = {case: [] for case in cases}, 0, 0
        while rounds == 0 or time.monotonic() + length < deadline:
            begin = time.monotonic()
            for case, (augment, _, curves) in cases.items():
                plain = seconds(options.binary, spec(options.steps), folder) - base
                whole = seconds(options.binary, spec(options.steps, augment, curves), folder) - base
                found[case].append((plain, whole))
            length, rounds = time.monotonic() - begin, rounds + 1
            step = statistics.median(plain for pairs in found.values() for plain, _ in pairs) / options.steps
            print(f"after round {rounds}: a step without either takes {1000 * step:.3f} ms", flush=True)
            for case, (_, limit, _) in cases.items():
                costs = sorted(whole / plain - 1 for plain, whole in found[case])
                print(
                    f"  {case:32} {100 * statistics.median(costs):+6.1f} % ({100 * costs[0]:+.1f} to"
                    f" {100 * costs[-1]:+.1f})   goal: below {100 * limit:.0f} %", flush=True,
                )


if __name__ == "__main__":
    main()
