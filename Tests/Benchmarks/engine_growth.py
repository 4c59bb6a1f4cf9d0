"""How the engine's cost grows: python Tests/Benchmarks/engine_growth.py [growth] [together] [memory]

growth: the time of a step as batch, width and depth grow from 1x to 64x; the last column is the time for one unit of
work relative to the largest job, which stays near 1 where cost is linear; with CAIRN_PLOT=FILE drawn as well.
together: two jobs of one thread at once, in work per second relative to one alone.
memory: what a large job holds more than a small one, beside what their dry runs said.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

from engine import BINARY, JOBS


def spec(layers, batch, steps, dataset="fashion-mnist"):
    return {
        "dataset": {"name": dataset, "validation": 0}, "model": {"layers": layers},
        "optimizer": {"type": "adam", "lr": 1e-4},
        "train": {"steps": steps, "batch_size": batch, "evaluate_every": {"steps": steps}, "log_every": 100},
        "checkpoint": {"every_epochs": 0},
    }


def start(job, folder, threads=1):
    path = pathlib.Path(folder) / "spec.json"
    path.write_text(json.dumps(job))
    command = [str(BINARY), "train", str(path), "--data", str(folder), "--threads", str(threads)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def rate(process):
    """Examples per second at the end of a run."""
    output, _ = process.communicate()
    row = next(line.split() for line in output.splitlines() if line.startswith("examples_per_second"))
    return float(row[-1])


def step_time(job):
    """Microseconds of a step, the better of two runs."""
    with tempfile.TemporaryDirectory() as folder:
        return min(job["train"]["batch_size"] / rate(start(job, folder)) * 1e6 for _ in range(2))


def mlp(width, depth):
    hidden = [{"type": "linear", "out": width}, {"type": "relu"}]
    return hidden * (depth + 1) + [{"type": "linear", "out": 10}]


def growth():
    factors = [1, 4, 16, 64]
    rows = {
        "batch, convolutions": [
            (16 * f, spec(JOBS["Fashion-MNIST CNN"][1]["layers"], 16 * f, max(8, 320 // f))) for f in factors],
        "batch, linear": [(32 * f, spec(mlp(256, 2), 32 * f, max(10, 1600 // f))) for f in factors],
        # A square layer's work and parameters grow with the square of its width.
        "width": [(f * f, spec(mlp(32 * f, 2), 64, max(6, 3000 // (f * f)))) for f in (1, 4, 16, 64)],
        "depth": [(f, spec(mlp(256, f), 64, max(20, 1000 // f))) for f in factors],
    }
    print("| what grows | factor | µs a step | per unit, of the largest |\n| --- | --- | --- | --- |")
    measured = {}
    for name, jobs in rows.items():
        times = measured[name] = [(work, step_time(job)) for work, job in jobs]
        last = times[-1][1] / times[-1][0]
        for factor, (work, time_) in zip(factors, times):
            print(f"| {name} | {factor} | {time_:.0f} | {time_ / work / last:.2f} |", flush=True)
    if "CAIRN_PLOT" in os.environ:
        plot(measured, os.environ["CAIRN_PLOT"])


def plot(measured, path):
    """Time over work, both logarithmic and relative to the largest job; linear cost is the grey diagonal."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 5), layout="constrained")
    least = min(times[0][0] / times[-1][0] for times in measured.values())
    axes.loglog([least, 1], [least, 1], color="0.7", label="linear")
    for name, times in measured.items():
        work, time_ = times[-1]
        axes.loglog([w / work for w, _ in times], [t / time_ for _, t in times], marker="o", label=name)
    axes.set(xlabel="work, relative to the largest job", ylabel="time of a step, relative to the largest job")
    axes.legend()
    figure.savefig(path)


def together():
    name = "Fashion-MNIST CNN"
    job = spec(JOBS[name][1]["layers"], 64, 400)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        alone = rate(start(job, one))
        pair = [start(job, one), start(job, two)]
        both = sum(rate(process) for process in pair)
    print(f"two jobs at once: {both / alone:.2f} times the work of one ({alone:.0f} and {both:.0f} examples a second)")


def dry_run(job):
    """The bytes that a server says a job will need."""
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [str(BINARY), "serve", "--port", "0", "--data", folder], stdout=subprocess.PIPE, text=True)
        try:
            address = server.stdout.readline().split()[-1]
            request = urllib.request.Request(f"{address}/api/v1/jobs?dry_run=true", json.dumps(job).encode())
            return json.load(urllib.request.urlopen(request))["memory_bytes"]
        finally:
            server.terminate()
            server.wait()


def held(job):
    """The most that a run of the job holds, in bytes, as /proc says."""
    with tempfile.TemporaryDirectory() as folder:
        process = start(job, folder)
        most = 0
        while process.poll() is None:
            try:
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                most = max([most] + [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")])
            except (FileNotFoundError, ProcessLookupError):
                break
            time.sleep(0.02)
        process.communicate()
        return most


def memory():
    print("| job | held more than the small one | said more | ratio |\n| --- | --- | --- | --- |")
    layers = JOBS["Fashion-MNIST CNN"][1]["layers"]
    for name, small, large in [
        ("CNN, batch 8 and 1024", spec(layers, 8, 6), spec(layers, 1024, 6)),
        ("MLP, width 32 and 4096", spec(mlp(32, 1), 64, 6), spec(mlp(4096, 1), 64, 6)),
    ]:
        more, said = held(large) - held(small), dry_run(large) - dry_run(small)
        print(f"| {name} | {more >> 20} MiB | {said >> 20} MiB | {more / said:.2f} |", flush=True)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["growth", "together", "memory"]
    for name in wanted:
        {"growth": growth, "together": together, "memory": memory}[name]()
