"""What a job holds is what its dry run said: from the first step to the checkpoint, and when it goes on from one."""

import pathlib
import time

import pytest


def status(process, key):
    """A number of /proc's status of a process, in bytes."""
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":"))


def wide(optimizer, steps):
    """Twenty million parameters, so that what the server holds besides is small beside them."""
    return {
        "dataset": {"name": "digits"}, "optimizer": optimizer,
        "model": {"layers": [{"type": "linear", "out": 4352}, {"type": "relu"}, {"type": "linear", "out": 4608},
                             {"type": "relu"}, {"type": "linear", "out": 10}]},
        "train": {"steps": steps, "batch_size": 16, "evaluate_every": {"steps": steps}},
        "checkpoint": {"every_epochs": 0},
    }


# The store's caches of pages, which the first large checkpoint fills: the writer's and a reader's.
STORE = 44 << 20


def check(server, base, said):
    """What the server has held at most, more than it did without a job, is what the dry run said."""
    held = status(server.process, "VmHWM") - base
    assert 0.9 * said < held < 1.1 * said + STORE, f"{held >> 20} MiB, said {said >> 20} MiB"


def test_what_a_job_holds_is_what_its_dry_run_said(server):
    spec = wide({"type": "adam", "lr": 1e-5}, 40)
    answer = server.request("POST", "/api/v1/jobs?dry_run=true", json=spec)
    assert answer.status_code == 200, answer.text
    said = answer.json()["memory_bytes"]
    assert said > 4 * 20_000_000 * 4
    base = status(server.process, "VmRSS")
    job = server.submit(spec)
    # It is stopped in its middle, keeps its state, and goes on from there in a new process.
    while server.job(job["id"])["progress"]["step"] < 3:
        time.sleep(0.02)
    server.stop()
    server.start()
    job = server.wait(job["id"])
    assert "going on from step" in str(server.get(f"/api/v1/runs/{job['run_id']}/log")["lines"])
    check(server, base, said)
    # Another that begins with its model holds that too.
    spec["model"]["init_from"] = {"run_id": job["run_id"], "checkpoint": "latest"}
    spec["train"]["steps"] = 3
    more = server.request("POST", "/api/v1/jobs?dry_run=true", json=spec).json()["memory_bytes"]
    assert more - said == pytest.approx(4 * 20_000_000, rel=0.05)
    pathlib.Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    server.run_job(spec)
    check(server, base, more)
