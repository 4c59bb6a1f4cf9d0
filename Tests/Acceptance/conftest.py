"""The real program under test: started on a free port with a folder of its own, ended by its process id."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("CAIRN_BINARY", ROOT / ".build" / "release" / "cairn"))

# The only curve that depends on time and not on the spec.
TIMED_CURVES = {"examples_per_second"}


def digits(**changes):
    """A small job on the digits set; keyword arguments replace whole sections."""
    spec = {
        "experiment": "digits",
        "name": "mlp",
        "seed": 7,
        "dataset": {"name": "digits"},
        "model": {
            "layers": [
                {"type": "linear", "out": 32},
                {"type": "relu"},
                {"type": "dropout", "p": 0.2},
                {"type": "linear", "out": 10},
            ]
        },
        "optimizer": {"type": "adam", "lr": 0.001},
        "train": {"epochs": 3, "batch_size": 32},
    }
    spec.update(changes)
    return spec


class Server:
    """A running `cairn serve`; `restart` after `kill` keeps folder and port."""

    def __init__(self, folder, *flags, environment=None):
        self.folder = pathlib.Path(folder)
        self.flags = list(flags)
        self.environment = environment or {}
        self.port = 0
        self.token = None
        self.start()

    def start(self):
        command = [BINARY, "serve", "--port", str(self.port), "--data", self.folder, *self.flags]
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **self.environment},
        )
        line = self.process.stdout.readline()
        match = re.fullmatch(r"cairn listening on (http://\S+:(\d+))\n", line)
        if not match:
            self.process.kill()
            raise RuntimeError(f"the server did not start: {line!r} {self.process.stderr.read()!r}")
        self.url, self.port = match.group(1), int(match.group(2))

    def request(self, method, path, **options):
        if self.token:
            options.setdefault("headers", {})["Authorization"] = f"Bearer {self.token}"
        options.setdefault("timeout", 30)
        return requests.request(method, self.url + path, **options)

    def get(self, path):
        answer = self.request("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def submit(self, spec):
        answer = self.request("POST", "/api/v1/jobs", json=spec)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def action(self, job, name):
        return self.request("POST", f"/api/v1/jobs/{job['id']}/{name}")

    def job(self, job_id):
        return self.get(f"/api/v1/jobs/{job_id}")

    def wait(self, job_id, states=("finished",), timeout=60):
        deadline = time.monotonic() + timeout
        while True:
            job = self.job(job_id)
            if job["state"] in states:
                return job
            if job["state"] in ("failed", "cancelled", "finished") or time.monotonic() > deadline:
                raise AssertionError(f"job {job_id} is {job['state']}, not {states}: {job}")
            time.sleep(0.02)

    def run_job(self, spec, timeout=60):
        return self.wait(self.submit(spec)["id"], timeout=timeout)

    def curve(self, run_id, key):
        return self.get(f"/api/v1/runs/{run_id}/metrics/{key}?max_points=0")

    def curves(self, run_id):
        """Every curve that the spec determines: {key: (steps, values)}."""
        keys = [m["key"] for m in self.get(f"/api/v1/runs/{run_id}/metrics")["metrics"]]
        found = {key: self.curve(run_id, key) for key in keys if key not in TIMED_CURVES}
        return {key: (curve["steps"], curve["values"]) for key, curve in found.items()}

    def checkpoint(self, run_id, which="latest", part="all"):
        answer = self.request("GET", f"/api/v1/runs/{run_id}/checkpoints/{which}?part={part}")
        assert answer.status_code == 200, answer.text
        return answer.content

    def kill(self):
        """Ends the process as a power button would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def stop(self, timeout=20):
        """Asks it to end; gives the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()
                raise
        return self.process.returncode


@pytest.fixture
def servers(tmp_path):
    """A maker of servers with folders of their own; all are ended with the test."""
    started = []

    def make(*flags, folder=None, environment=None):
        folder = folder or tmp_path / f"data{len(started)}"
        started.append(Server(folder, *flags, environment=environment))
        return started[-1]

    yield make
    crashes = []
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()
        elif server.process.returncode not in (0, 1, -signal.SIGKILL) and not server.process.stderr.closed:
            crashes.append(server.process.stderr.read())
    assert not crashes, f"the server crashed:\n{crashes[0][-20000:]}"


@pytest.fixture
def server(servers):
    return servers()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server for all tests of a module."""
    server = Server(tmp_path_factory.mktemp("shared"))
    yield server
    assert server.stop() == 0


def cairn(*words, **options):
    """Runs one command of the program to its end."""
    options.setdefault("timeout", 120)
    return subprocess.run(
        [str(BINARY), *map(str, words)], capture_output=True, text=True, cwd=options.pop("cwd", ROOT), **options
    )
