"""The tracking API against MLflow's own server, both measured in one run: python Tests/Benchmarks/tracking.py

Load comes from plain sockets with requests that are written in advance, in processes of their own, so that the
client's Python is not what is measured. SQLite behind both, commits durable as each server has them by default.
"""

import argparse
import json
import multiprocessing
import pathlib
import random
import re
import socket
import statistics
import sys
import tempfile
import time

import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Acceptance"))
from conftest import Server  # noqa: E402
from mlflow_server import MLflowServer  # noqa: E402

API = "/api/2.0/mlflow/"


class Wire:
    """One connection that stays open: sends a request that is ready, reads the answer's status and body."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, request):
        self.socket.sendall(request)
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
        while len(self.rest) < length:
            self.rest += self.more()
        body, self.rest = self.rest[:length], self.rest[length:]
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError((head + b"\n" + body).decode())
        return body

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data


def post(path, body):
    data = json.dumps(body).encode()
    head = f"POST {API}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def call(url, path, body):
    answer = requests.post(url + API + path, json=body, timeout=120)
    answer.raise_for_status()
    return answer.json()


def new_run(url, **fields):
    run = call(url, "runs/create", {"experiment_id": "0", "start_time": 1, **fields})
    return run["run"]["info"]["run_id"]


def log_metrics(port, run, count, out, start):
    wire = Wire(port)
    now = int(time.time() * 1000)
    ready = [post("runs/log-metric", {"run_id": run, "key": "loss", "value": 1 / (i + 1), "timestamp": now + i, "step": i}) for i in range(count)]
    start.wait()
    times = []
    for request in ready:
        begin = time.perf_counter()
        wire.send(request)
        times.append(time.perf_counter() - begin)
    out.put(times)


def crowd(url, port, clients, count):
    """Requests a second and the median time of one, in ms."""
    start, out = multiprocessing.Barrier(clients + 1), multiprocessing.Queue()
    processes = [multiprocessing.Process(target=log_metrics, args=(port, new_run(url), count, out, start)) for _ in range(clients)]
    for process in processes:
        process.start()
    start.wait()
    begin = time.perf_counter()
    times = [t for _ in processes for t in out.get()]
    seconds = time.perf_counter() - begin
    for process in processes:
        process.join()
    return clients * count / seconds, statistics.median(times) * 1000


def batches(url, port, count):
    """Points a second through log-batch of a thousand points: ten curves of a hundred steps."""
    run, wire, now = new_run(url), Wire(port), int(time.time() * 1000)
    ready = []
    for batch in range(count):
        steps = range(batch * 100, batch * 100 + 100)
        metrics = [{"key": f"k{k}", "value": random.random(), "timestamp": now + s, "step": s} for s in steps for k in range(10)]
        ready.append(post("runs/log-batch", {"run_id": run, "metrics": metrics}))
    begin = time.perf_counter()
    for request in ready:
        wire.send(request)
    return count * 1000 / (time.perf_counter() - begin)


def fill(url, port, runs):
    """Runs with three metrics and three parameters each."""
    random.seed(1)
    wire = Wire(port)
    for index in range(runs):
        run = json.loads(wire.send(post("runs/create", {"experiment_id": "0", "start_time": index, "run_name": f"r{index}"})))["run"]["info"]["run_id"]
        metrics = [{"key": key, "value": random.random(), "timestamp": 1, "step": 1} for key in ("acc", "loss", "f1")]
        params = [{"key": key, "value": str(random.choice([0.1, 0.01, 0.001]))} for key in ("lr", "wd", "dropout")]
        wire.send(post("runs/log-batch", {"run_id": run, "metrics": metrics, "params": params}))


def search_ms(port, rounds):
    wire = Wire(port)
    query = {"experiment_ids": ["0"], "filter": "metrics.acc > 0.5 AND params.lr = '0.01'", "order_by": ["metrics.loss ASC"], "max_results": 50}
    request, times = post("runs/search", query), []
    for _ in range(rounds):
        begin = time.perf_counter()
        found = json.loads(wire.send(request))
        times.append((time.perf_counter() - begin) * 1000)
    assert len(found["runs"]) == 50
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="runs that are searched")
    parser.add_argument("--their-runs", type=int, help="runs in MLflow's server (default: as many)")
    parser.add_argument("--their-requests", type=int, default=300)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        ours, theirs = Server(folder / "cairn"), MLflowServer(folder / "mlflow", workers=4)
        try:
            def row(what, here, there, unit, faster, goal):
                rows.append((what, f"{here:,.1f} {unit}", f"{there:,.1f} {unit}", f"{faster:,.1f}x", goal))

            here, median = crowd(ours.url, ours.port, 1, 5000)
            there, their_median = crowd(theirs.url, theirs.port, 1, arguments.their_requests)
            row("log-metric, one client", here, there, "requests/s", here / there, "20x")
            row("log-metric, one client, median", median, their_median, "ms", their_median / median, "under 1 ms")
            here, _ = crowd(ours.url, ours.port, 8, 4000)
            there, _ = crowd(theirs.url, theirs.port, 8, max(20, arguments.their_requests // 8))
            row("log-metric, 8 clients", here, there, "requests/s", here / there, "100x")
            here, there = batches(ours.url, ours.port, 300), batches(theirs.url, theirs.port, max(5, arguments.their_requests // 20))
            row("log-batch of 1,000", here, there, "points/s", here / there, "50x, 300,000")
            fill(ours.url, ours.port, arguments.runs)
            their_runs = arguments.their_runs or arguments.runs
            fill(theirs.url, theirs.port, their_runs)
            here, there = search_ms(ours.port, 20), search_ms(theirs.port, 5)
            row(f"search of {arguments.runs:,} runs (there {their_runs:,}), first 50", here, there, "ms", there / here, "20x, under 20 ms")
        finally:
            ours.stop()
            theirs.stop()
    print("| work | here | MLflow | faster | goal |\n| --- | --- | --- | --- | --- |")
    for cells in rows:
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
