"""The tracking API against MLflow's own server, both measured in one run: python Tests/Benchmarks/tracking.py

Load comes from plain sockets with requests that are written in advance, in processes of their own, so that the
client's Python is not what is measured. SQLite behind both, commits durable as each server has them by default.
MLflow's side runs for seconds, not for counts. The ten thousand runs that MLflow searches are put into its
database directly, which takes seconds where its API takes many minutes; what is measured is the search alone.
"""

import argparse
import json
import multiprocessing
import pathlib
import random
import re
import signal
import socket
import sqlite3
import statistics
import sys
import tempfile
import time

import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Acceptance"))
from conftest import Server  # noqa: E402
from mlflow_server import MLflowServer  # noqa: E402

API = "/api/2.0/mlflow/"
METRICS, PARAMS, RATES = ("acc", "loss", "f1"), ("lr", "wd", "dropout"), ("0.1", "0.01", "0.001")


class Wire:
    """One connection that stays open: sends a request that is ready, reads the answer's status and body."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, request):
        self.socket.sendall(request)
        # The answer to a write comes at once and whole; whoever measures must not be the one who is slow.
        data = self.more()
        if not self.rest and data.endswith(b"\r\n\r\n{}") and data.startswith(b"HTTP/1.1 200"):
            return b"{}"
        self.rest += data
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
        parts, have = [self.rest], len(self.rest)
        while have < length:
            parts.append(self.more())
            have += len(parts[-1])
        whole = b"".join(parts)
        body, self.rest = whole[:length], whole[length:]
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError((head + b"\n" + body).decode())
        return body

    def more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data


def post(path, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {API}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def new_run(url, **fields):
    answer = requests.post(url + API + "runs/create", json={"experiment_id": "0", "start_time": 1, **fields}, timeout=120)
    answer.raise_for_status()
    return answer.json()["run"]["info"]["run_id"]


def timed(action, rounds):
    """The median time of an action in ms, after one that does not count; and its last result."""
    result, times = action(), []
    for _ in range(rounds):
        begin = time.perf_counter()
        result = action()
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times), result


def calm(most=60):
    """Waits until the machine has nothing else to do: a server that answers may still be starting its workers."""

    def ticks():
        return [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]

    for _ in range(most):
        before = ticks()
        time.sleep(1)
        spent = [after - earlier for after, earlier in zip(ticks(), before)]
        if spent[3] + spent[4] > 0.85 * sum(spent):
            return
    print("(the machine is busy with something else)", flush=True)


# --- writing


def log_metrics(port, run, count, seconds, out, start):
    wire = Wire(port)
    now = int(time.time() * 1000)
    ready = [post("runs/log-metric", {"run_id": run, "key": "loss", "value": 1 / (i + 1), "timestamp": now + i, "step": i}) for i in range(count)]
    start.wait()
    times, end = [], time.perf_counter() + seconds
    for request in ready:
        begin = time.perf_counter()
        if begin > end:
            break
        wire.send(request)
        times.append(time.perf_counter() - begin)
    out.put(times)


def crowd(server, clients, count, seconds=10):
    """Requests a second and the median time of one in ms: each client sends `count` unless time is up before."""
    start, out = multiprocessing.Barrier(clients + 1), multiprocessing.Queue()
    runs = [new_run(server.url) for _ in range(clients)]
    processes = [multiprocessing.Process(target=log_metrics, args=(server.port, run, count, seconds, out, start)) for run in runs]
    for process in processes:
        process.start()
    start.wait()
    begin = time.perf_counter()
    times = [t for _ in processes for t in out.get()]
    took = time.perf_counter() - begin
    for process in processes:
        process.join()
    return len(times) / took, statistics.median(times) * 1000


def batches(server, count, seconds=10):
    """Points a second through log-batch of a thousand points: ten curves of a hundred steps."""
    run, wire, now = new_run(server.url), Wire(server.port), int(time.time() * 1000)
    ready = []
    for batch in range(count):
        steps = range(batch * 100, batch * 100 + 100)
        metrics = [{"key": f"k{k}", "value": random.random(), "timestamp": now + s, "step": s} for s in steps for k in range(10)]
        ready.append(post("runs/log-batch", {"run_id": run, "metrics": metrics}))
    begin = time.perf_counter()
    sent = 0
    while sent < count and time.perf_counter() < begin + seconds:
        wire.send(ready[sent])
        sent += 1
    return sent * 1000 / (time.perf_counter() - begin)


def writing(ours, theirs, row):
    calm()
    here, median = crowd(ours, 1, 10_000)
    there, their_median = crowd(theirs, 1, 2000)
    row("log-metric, one client", here, there, "requests/s", "20x", here >= 20 * there)
    row("log-metric, one client, median", median, their_median, "ms", "under 1 ms", median < 1, lower=True)
    calm()
    here, _ = crowd(ours, 8, 8000)
    calm()
    there, _ = crowd(theirs, 8, 500)
    row("log-metric, 8 clients", here, there, "requests/s", "100x", here >= 100 * there)
    calm()
    here, there = batches(ours, 1000), batches(theirs, 100)
    row("log-batch of 1,000", here, there, "points/s", "50x, 300,000", here >= max(50 * there, 300_000))


# --- searching


def fill(server, runs):
    """Runs with three metrics and three parameters each, through the API."""
    random.seed(1)
    wire = Wire(server.port)
    for index in range(runs):
        answer = wire.send(post("runs/create", {"experiment_id": "0", "start_time": index, "run_name": f"r{index}"}))
        run = json.loads(answer)["run"]["info"]["run_id"]
        metrics = [{"key": key, "value": random.random(), "timestamp": 1, "step": 1} for key in METRICS]
        params = [{"key": key, "value": random.choice(RATES)} for key in PARAMS]
        wire.send(post("runs/log-batch", {"run_id": run, "metrics": metrics, "params": params}))


def fill_database(server, runs):
    """The same runs in MLflow's tables."""
    random.seed(1)
    with sqlite3.connect(server.folder / "mlflow.db", timeout=60) as database:
        for index in range(runs):
            run = f"{index:032x}"
            database.execute(
                "INSERT INTO runs(run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
                " source_version, lifecycle_stage, artifact_uri, experiment_id) VALUES (?,?,'UNKNOWN','','','','RUNNING',?,'','active',?,0)",
                (run, f"r{index}", index, f"mlflow-artifacts:/0/{run}/artifacts"),
            )
            database.execute("INSERT INTO tags(key, value, run_uuid) VALUES ('mlflow.runName', ?, ?)", (f"r{index}", run))
            for key in METRICS:
                point = (key, random.random(), 1, 1, 0, run)
                for table in ("metrics", "latest_metrics"):
                    database.execute(f"INSERT INTO {table}(key, value, timestamp, step, is_nan, run_uuid) VALUES (?,?,?,?,?,?)", point)
            for key in PARAMS:
                database.execute("INSERT INTO params(key, value, run_uuid) VALUES (?,?,?)", (key, random.choice(RATES), run))


def searching(ours, theirs, row, runs):
    fill(ours, runs)
    fill_database(theirs, runs)
    calm()
    query = {"experiment_ids": ["0"], "filter": "metrics.acc > 0.5 AND params.lr = '0.01'", "order_by": ["metrics.loss ASC"], "max_results": 50}
    found = []

    def search(wire):
        found.append(json.loads(wire.send(post("runs/search", query)))["runs"])

    (here, _), (there, _) = (timed(lambda wire=Wire(server.port): search(wire), 15) for server in (ours, theirs))
    pictures = [[run["info"]["run_name"] for run in answer] for answer in (found[0], found[-1])]
    assert pictures[0] == pictures[1] and len(pictures[0]) == 50, "the servers found different runs"
    row(f"search of {runs:,} runs, ordered, first 50", here, there, "ms", "20x, under 20 ms", here < min(20, there / 20), lower=True)


# --- curves


def long_curve(server, run, key, points, spikes=None):
    """Logs a curve in batches of a thousand; gives the seconds that the server took."""
    wire, now, took = Wire(server.port), 1_750_000_000_000, 0.0
    entry = '{"key":"' + key + '","value":%r,"timestamp":%d,"step":%d}'
    for start in range(0, points, 1000):
        values = [random.gauss(0, 1) for _ in range(min(1000, points - start))]
        for step in spikes or ():
            if start <= step < start + 1000:
                values[step - start] = spikes[step]
        body = ",".join(entry % (value, now + 7 * (start + i) + i % 3, start + i) for i, value in enumerate(values))
        request = post("runs/log-batch", (f'{{"run_id":"{run}","metrics":[' + body + "]}").encode())
        begin = time.perf_counter()
        wire.send(request)
        took += time.perf_counter() - begin
    return took


def gauge(server, name):
    text = requests.get(server.url + "/metrics", timeout=60).text
    return float(re.search(rf"^cairn_{name} (\S+)$", text, re.M).group(1))


def settle(server):
    """Waits until every point is in order."""
    deadline = time.monotonic() + 120
    while gauge(server, "store_unfolded_points") > 0:
        if time.monotonic() > deadline:
            raise RuntimeError("the store does not come to rest")
        time.sleep(0.2)


def curves(ours, row, points, many, length):
    random.seed(2)
    spikes = {step: (-1) ** i * (1000.0 + i) for i, step in enumerate(random.sample(range(points), 20))}
    settle(ours)
    before = (ours.folder / "cairn.db").stat().st_size
    long = new_run(ours.url)
    took = long_curve(ours, long, "loss", points, spikes)
    runs = [new_run(ours.url) for _ in range(many)]
    took += sum(long_curve(ours, run, "loss", length) for run in runs)
    logged = points + many * length
    row(f"log-batch, one curve a batch, {logged:,} points", logged / took, None, "points/s", "300,000", logged / took >= 300_000)
    peak = memory(ours, "VmHWM")
    wire = Wire(ours.port)
    screen = get(f"/api/v1/runs/{long}/metrics/loss?max_points=1000")
    for when in ("at once", "at rest"):
        if when == "at rest":
            settle(ours)
        here, body = timed(lambda: wire.send(screen), 15)
        curve = json.loads(body)
        whole = curve["count"] == points and len(curve["steps"]) <= 1000
        extremes = sorted(value for value in curve["min"] + curve["max"] if abs(value) >= 1000)
        kept = whole and extremes == sorted(spikes.values())
        row(f"1,000 buckets of {points:,} points, {when}", here, None, "ms", "under 50 ms, all extremes", here < 50 and kept, lower=True)
    path = "/api/v1/curves?key=loss&max_points=1000&" + "&".join(f"run={run}" for run in runs)
    here, body = timed(lambda: wire.send(get(path)), 15)
    assert [curve["count"] for curve in json.loads(body)["curves"]] == [length] * many
    row(f"{many} curves of {length:,} points in one call", here, None, "ms", "under 200 ms", here < 200, lower=True)
    now = memory(ours, "VmRSS")
    row(f"memory after {logged:,} points and the runs", now, None, "MB", "under 150 MB", now < 150, lower=True)
    row("the same, peak while logging", peak, None, "MB", "", True, lower=True)
    # The write-ahead log is emptied into the file when the server ends.
    ours.stop()
    size = ((ours.folder / "cairn.db").stat().st_size - before) / logged
    row("disk", size, None, "bytes a point", "at most 20", size <= 20, lower=True)


def memory(server, field):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(field + r":\s+(\d+) kB", status).group(1)) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["writing", "searching", "curves"], help="one part")
    parser.add_argument("--runs", type=int, default=10_000, help="runs that are searched")
    parser.add_argument("--points", type=int, default=10_000_000, help="points of the long curve")
    arguments = parser.parse_args()
    # Asked to end early, it still ends its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rows = []

    def row(what, here, there, unit, goal, reached, lower=False):
        factor = "" if there is None else f"{there / here if lower else here / there:,.1f}x"
        peer = "" if there is None else f"{there:,.2f} {unit}"
        rows.append((what, f"{here:,.2f} {unit}", peer, factor, goal, "yes" if reached else "no"))
        print("| " + " | ".join(rows[-1]) + " |", flush=True)

    print("| work | here | MLflow | faster | goal | reached |\n| --- | --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        ours = Server(folder / "cairn")
        theirs = None if arguments.only == "curves" else MLflowServer(folder / "mlflow", workers=4)
        try:
            if arguments.only in (None, "writing"):
                writing(ours, theirs, row)
            if arguments.only in (None, "searching"):
                searching(ours, theirs, row, arguments.runs)
            elif arguments.only == "curves":
                fill(ours, arguments.runs)
            if theirs:
                theirs.stop()
            if arguments.only in (None, "curves"):
                curves(ours, row, arguments.points, many=50, length=100_000)
        finally:
            ours.stop()
            if theirs:
                theirs.stop()


if __name__ == "__main__":
    main()
