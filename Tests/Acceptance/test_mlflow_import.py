"""`cairn import-mlflow` and `cairn gc` on stores that MLflow itself wrote."""

import math
import os

import pytest
from conftest import cairn

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, RunTag  # noqa: E402


def fill(client, folder):
    """Two experiments with histories, awkward keys, artifacts, a deleted run."""
    first = client.create_experiment("first", tags={"team": "a'b"}, artifact_location=str(folder / "files"))
    client.create_experiment("empty")
    runs = []
    for index in range(3):
        run = client.create_run(first, run_name=f"run {index}", start_time=1000 + index).info.run_id
        client.log_batch(
            run,
            [Metric("val/loss", 1 / (step + 1), step * 10, step) for step in range(500)] + [Metric("nan", math.nan, 5, 1)],
            [Param("a b", "x"), Param("lr", str(index))],
            [RunTag("note", "손실 'quoted'")],
        )
        client.log_text(run, f"text {index}", "deep/er/file.txt")
        client.set_terminated(run, "FAILED" if index else "FINISHED", end_time=9000)
        runs.append(run)
    client.delete_run(runs[2])
    return runs


@pytest.mark.parametrize("kind", ["database", "folder"])
def test_an_import_brings_everything_and_may_be_repeated(kind, tmp_path, servers):
    where = tmp_path / ("mlflow.db" if kind == "database" else "mlruns")
    theirs = MlflowClient(f"sqlite:///{where}" if kind == "database" else where.as_uri())
    runs = fill(theirs, tmp_path)
    data = tmp_path / "data"
    first = cairn("import-mlflow", where, "--data", data)
    assert first.returncode == 0, first.stderr
    assert "3 new, 0 there already" in first.stdout
    if kind == "database":
        assert "3 written" in first.stdout
    server = servers(folder=data)
    mlflow.set_tracking_uri(server.url)
    ours = MlflowClient(server.url)

    def picture():
        return [server.get(f"/api/v1/runs/{run}") for run in runs] + [
            server.get(f"/api/v1/runs/{run}/metrics/val/loss?max_points=0") for run in runs
        ]

    for run in runs:
        one, other = ours.get_run(run), theirs.get_run(run)
        assert one.data.params == other.data.params and one.data.tags == other.data.tags
        assert one.info.status == other.info.status and one.info.run_name == other.info.run_name
        assert (one.info.start_time, one.info.end_time) == (other.info.start_time, other.info.end_time)
        assert one.info.lifecycle_stage == other.info.lifecycle_stage
        assert math.isnan(one.data.metrics["nan"]) and one.data.metrics["val/loss"] == other.data.metrics["val/loss"]
        key = lambda m: (m.step, m.timestamp)  # noqa: E731
        history = sorted(ours.get_metric_history(run, "val/loss"), key=key)
        assert [(m.step, m.timestamp, m.value) for m in history] == [
            (m.step, m.timestamp, m.value) for m in sorted(theirs.get_metric_history(run, "val/loss"), key=key)
        ]
    assert ours.get_experiment_by_name("first").tags == {"team": "a'b"}
    if kind == "database":
        assert mlflow.artifacts.load_text(ours.get_run(runs[0]).info.artifact_uri + "/deep/er/file.txt") == "text 0"
    before = picture()
    server.stop()
    again = cairn("import-mlflow", where, "--data", data)
    assert again.returncode == 0 and "0 new, 3 there already" in again.stdout and "0 written" in again.stdout
    server.start()
    assert picture() == before
    server.stop()
    removed = cairn("gc", "--data", data)
    assert removed.returncode == 0 and "removed 1 runs" in removed.stdout, removed.stdout + removed.stderr
    assert cairn("check", "--data", data).stdout == "ok\n"
    server.start()
    assert server.request("GET", f"/api/v1/runs/{runs[2]}").status_code == 404
    assert picture_of(server, runs[:2]) == before[:2]


def picture_of(server, runs):
    return [server.get(f"/api/v1/runs/{run}") for run in runs]


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("no database")
    (tmp_path / "empty").mkdir()
    for path in ("text.db", "empty", "missing"):
        answer = cairn("import-mlflow", tmp_path / path, "--data", tmp_path / "data")
        assert answer.returncode == 1 and answer.stderr
