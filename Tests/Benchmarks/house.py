"""The house's own numbers, printed as the README's table: python Tests/Benchmarks/house.py

Start-up is from the program's start to its first answered request, on an empty folder. The step is the whole
step as a job runs it: batch fetch, forward, backward, update, and the recording of every curve.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Acceptance"))
from conftest import BINARY, Server  # noqa: E402

LAYERS = [
    {"type": "linear", "out": 128},
    {"type": "relu"},
    {"type": "linear", "out": 64},
    {"type": "relu"},
    {"type": "linear", "out": 10},
]


def startup_ms(rounds):
    times = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            process = subprocess.Popen(
                [BINARY, "serve", "--port", "0", "--data", folder], stdout=subprocess.PIPE, text=True
            )
            url = process.stdout.readline().split()[-1]
            urllib.request.urlopen(url + "/healthz").read()
            times.append((time.perf_counter() - begin) * 1000)
            process.terminate()
            process.wait()
    return times


def resident_mb(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1024


def step_us(server, optimizer, rounds):
    times = []
    for seed in range(rounds):
        job = server.run_job(
            {
                "name": "step",
                "seed": seed,
                "dataset": {"name": "digits"},
                "model": {"layers": LAYERS},
                "optimizer": optimizer,
                "train": {"epochs": 40, "batch_size": 32, "evaluate_every": {"epochs": 10}},
                "checkpoint": {"every_epochs": 0},
            }
        )
        rates = server.curve(job["run_id"], "examples_per_second")["values"]
        times += [32e6 / rate for rate in rates]
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    rows = []

    def row(what, values, unit, goal):
        rows.append((what, f"{statistics.median(values):.1f} {unit}", f"{min(values):.1f}–{max(values):.1f}", goal))

    row("start to first answered request, empty folder", startup_ms(rounds), "ms", "under 100 ms")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, "--workers", "1")
        server.get("/healthz")
        time.sleep(1)
        row("resident memory, idle server", [resident_mb(server)], "MB", "under 40 MB")
        row("digits step, batch 32, SGD, one core", step_us(server, {"type": "sgd", "lr": 0.1}, rounds), "µs", "under 60 µs")
        row("digits step, batch 32, Adam, one core", step_us(server, {"type": "adam", "lr": 0.001}, rounds), "µs", "under 60 µs")
        server.stop()
    print("| what | median | range | goal |\n| --- | --- | --- | --- |")
    for cells in rows:
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
