"""Promise 2 and 3: a job that was killed again and again ends with the bits of one that was left alone."""

import os
import random
import signal
import time

from conftest import digits

SPEC = digits(
    name="killed",
    model={
        "layers": [
            {"type": "linear", "out": 96},
            {"type": "relu"},
            {"type": "dropout", "p": 0.3},
            {"type": "linear", "out": 48},
            {"type": "tanh"},
            {"type": "linear", "out": 10},
        ]
    },
    train={"epochs": 60, "batch_size": 24, "clip_grad_norm": 1.0},
    schedule={"type": "cosine", "warmup": 0.1},
    checkpoint={"every_steps": 97, "keep_last": 2, "keep_best": 1},
)


def outcome(server, run_id):
    checkpoints = server.get(f"/api/v1/runs/{run_id}/checkpoints")["checkpoints"]
    listed = [{key: c[key] for key in ("step", "epoch", "bytes", "labels", "metrics")} for c in checkpoints]
    return (
        server.curves(run_id),
        listed,
        {c["step"]: server.checkpoint(run_id, c["step"]) for c in checkpoints},
        server.checkpoint(run_id, "best", "model"),
    )


def test_killed_jobs_end_with_the_same_bits(servers):
    seconds = float(os.environ.get("CAIRN_KILL_SECONDS", "25"))
    rng = random.Random(int(os.environ.get("CAIRN_KILL_SEED", "1")))
    left_alone = servers("--workers", "1")
    alone = left_alone.run_job(SPEC, timeout=120)
    expected = outcome(left_alone, alone["run_id"])
    assert len(expected[0]["train/loss"][0]) == alone["progress"]["total_steps"]
    left_alone.stop()

    server = servers("--workers", "2")
    deadline = time.monotonic() + seconds
    kills = 0
    while kills < 3 or time.monotonic() < deadline:
        jobs = [server.submit(SPEC), server.submit(SPEC)]
        for _ in range(3):
            time.sleep(rng.uniform(0.0, 0.7))
            server.kill()
            server.start()
            kills += 1
        for job in jobs:
            ended = server.wait(job["id"], timeout=120)
            assert ended["error"] is None
            assert outcome(server, ended["run_id"]) == expected
    assert server.stop() == 0


def test_a_terminated_server_goes_on_where_it_stopped(servers):
    server = servers()
    spec = {**SPEC, "train": {"epochs": 200, "batch_size": 24}}
    job = server.submit(spec)
    while server.job(job["id"])["progress"]["step"] < 500:
        time.sleep(0.01)
    assert server.stop() == 0
    server.start()
    stored = server.get(f"/api/v1/runs/{job['run_id']}/checkpoints")["checkpoints"]
    assert max(c["step"] for c in stored) >= 500
    assert server.job(job["id"])["state"] in ("queued", "running")
    ended = server.wait(job["id"], timeout=120)
    again = server.run_job(spec, timeout=120)
    assert server.curves(ended["run_id"]) == server.curves(again["run_id"])
    assert server.checkpoint(ended["run_id"]) == server.checkpoint(again["run_id"])


def test_a_job_that_ends_the_process_by_a_fault_is_not_tried_again(servers):
    """A kill is no fault of a job's, which goes on; a fault of the program while it trains would come again at every start."""
    server = servers("--workers", "1")
    spec = {**SPEC, "train": {"epochs": 100_000, "batch_size": 24}}
    bad, waiting = server.submit(spec), server.submit(digits())
    server.wait(bad["id"], ("running",))
    server.kill()
    server.start()
    # The store says "running" from before the kill; it trains again when its progress moves.
    restarted = server.job(bad["id"])
    assert restarted["error"] is None
    deadline = time.monotonic() + 30
    while server.wait(bad["id"], ("running",))["progress"] == restarted["progress"]:
        assert time.monotonic() < deadline, "the job does not go on"
        time.sleep(0.01)
    os.kill(server.process.pid, signal.SIGSEGV)
    server.process.communicate(timeout=60)
    assert server.process.returncode == -signal.SIGSEGV
    server.start()
    failed = server.wait(bad["id"], ("failed",))
    assert "not tried again" in failed["error"] and failed["ended_at"] is not None
    assert server.wait(waiting["id"])["state"] == "finished"
    assert server.stop() == 0
    server.start()
    assert server.job(bad["id"])["state"] == "failed"
    assert "crashed-jobs" not in os.listdir(server.folder / "artifacts")
