"""`cairn import-mlflow` and `cairn gc` on stores that MLflow itself wrote."""

import math
import os
import subprocess
import time

import pytest
from conftest import BINARY, cairn

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import (  # noqa: E402
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
)


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


def test_an_import_that_was_killed_is_finished_by_the_next(tmp_path, servers):
    """A run is hidden until all of it is there; what a kill has left hidden comes to light, what was deleted does not."""
    folder = tmp_path / "mlruns" / "0"
    runs = [f"{index:032x}" for index in range(1, 201)]
    for run in runs:
        (folder / run / "metrics").mkdir(parents=True)
        (folder / run / "meta.yaml").write_text(
            f"artifact_uri: ''\nend_time: 2\nexperiment_id: '0'\nlifecycle_stage: active\nrun_id: {run}\nrun_name: r\n"
            f"run_uuid: {run}\nsource_type: 4\nstart_time: 1\nstatus: 3\ntags: []\nuser_id: u\n"
        )
        (folder / run / "metrics" / "loss").write_text("".join(f"{step} {1 / (step + 1)} {step}\n" for step in range(50)))
    (folder / "meta.yaml").write_text("artifact_location: ''\nexperiment_id: '0'\nlifecycle_stage: active\nname: Default\n")
    data, killed = tmp_path / "data", 0
    for attempt in range(8):
        process = subprocess.Popen([BINARY, "import-mlflow", folder.parent, "--data", data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.05 + 0.02 * attempt)
        process.kill()
        killed += process.wait() != 0
    assert killed > 0
    assert cairn("import-mlflow", folder.parent, "--data", data).returncode == 0
    server = servers(folder=data)
    found = MlflowClient(server.url).search_runs(["0"], max_results=1000)
    assert sorted(run.info.run_id for run in found) == runs
    assert {run.data.metrics["loss"] for run in found} == {1 / 50}
    MlflowClient(server.url).delete_run(runs[0])
    assert server.stop() == 0
    assert cairn("import-mlflow", folder.parent, "--data", data).returncode == 0
    server.start()
    assert len(MlflowClient(server.url).search_runs(["0"], max_results=1000)) == 199


@pytest.mark.parametrize("kind", ["database", "folder"])
def test_an_import_brings_everything_and_may_be_repeated(kind, tmp_path, servers):
    where = tmp_path / ("mlflow.db" if kind == "database" else "mlruns")
    theirs = MlflowClient(f"sqlite:///{where}" if kind == "database" else where.as_uri())
    runs = fill(theirs, tmp_path)
    data = tmp_path / "data"
    first = cairn("import-mlflow", where, "--data", data)
    assert first.returncode == 0, first.stderr
    assert "3 new, 0 there already" in first.stdout
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


def fill_models(client, folder):
    """A run with a logged model, data sets and a registry with a deleted version, stages, aliases and tags."""
    experiment = client.create_experiment("an experiment whose name is long enough for a YAML writer to fold it: yes # really")
    run = client.create_run(experiment, run_name="it's: \"quoted\" # and\ntwo lines").info.run_id
    model = client.create_logged_model(experiment, name="mdl", source_run_id=run, params={"a": "1"}, tags={"t": "x y"}, model_type="kind")
    (folder / "files" / "deep").mkdir(parents=True)
    (folder / "files" / "MLmodel").write_text("flavors: {}")
    (folder / "files" / "deep" / "weights.bin").write_bytes(bytes(range(256)) * 40)
    client.log_model_artifacts(model.model_id, str(folder / "files"))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_metric(run, "acc", 0.5, step=3, timestamp=7, model_id=model.model_id)
    schema = '{"mlflow_colspec": [' + ", ".join(f'{{"type": "double", "name": "col {i}"}}' for i in range(12)) + "]}"
    dataset = Dataset("data", "d1", "local", '{"uri": "/x"}', schema, '{"num_rows": 5}')
    client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])], [LoggedModelInput(model.model_id)])
    client.log_outputs(run, [LoggedModelOutput(model.model_id, 4)])
    client.create_registered_model("reg", {"k": "v w"}, "two\nlines and 😀 \"quotes\"")
    for index in range(3):
        client.create_model_version("reg", f"models:/{model.model_id}", run, tags={"n": str(index)}, model_id=model.model_id, description=f"dé {index}")
    client.delete_model_version("reg", "2")
    client.transition_model_version_stage("reg", "1", "Production")
    client.set_registered_model_alias("reg", "champ", "3")
    return experiment, run, model.model_id


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["database", "folder", "moved folder"])
def test_models_data_sets_and_the_registry_come_over(kind, tmp_path, servers, monkeypatch):
    where = tmp_path / ("mlflow.db" if kind == "database" else "mlruns")
    # The default place of a database's artifacts is the working folder's.
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{where}" if kind == "database" else where.as_uri()
    # The client finds some things through the module's addresses, which may be the server's of another test.
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    theirs = MlflowClient(uri, uri)
    experiment, run, model = fill_models(theirs, tmp_path)
    wanted = (theirs.get_run(run), theirs.get_logged_model(model), theirs.get_registered_model("reg"), theirs.get_model_version("reg", "1"))
    if kind == "moved folder":
        where = where.rename(tmp_path / "elsewhere")
    data = tmp_path / "data"
    first = cairn("import-mlflow", where, "--data", data)
    assert first.returncode == 0, first.stderr
    assert "models       1 new" in first.stdout and "1 models and 2 versions new" in first.stdout and "2 written" in first.stdout, first.stdout
    again = cairn("import-mlflow", where, "--data", data)
    assert "0 new, 1 there" in again.stdout and "0 models and 0 versions" in again.stdout and "0 written" in again.stdout, again.stdout
    server = servers(folder=data)
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    ours = MlflowClient(server.url)

    found = ours.get_run(run)
    assert found.info.run_name == wanted[0].info.run_name
    (given,), (expected,) = found.inputs.dataset_inputs, wanted[0].inputs.dataset_inputs
    assert given.dataset.to_dictionary() == expected.dataset.to_dictionary()
    assert [(t.key, t.value) for t in given.tags] == [(t.key, t.value) for t in expected.tags]
    assert [i.model_id for i in found.inputs.model_inputs] == [model]
    assert [(o.model_id, o.step) for o in found.outputs.model_outputs] == [(model, 4)]

    logged = ours.get_logged_model(model)
    for field in ("name", "params", "tags", "status", "model_type", "source_run_id", "creation_timestamp"):
        assert getattr(logged, field) == getattr(wanted[1], field), field
    assert [(m.key, m.value, m.step, m.timestamp, m.run_id) for m in logged.metrics] == [("acc", 0.5, 3, 7, run)]

    registered = ours.get_registered_model("reg")
    for field in ("description", "tags", "aliases", "creation_timestamp", "last_updated_timestamp"):
        assert getattr(registered, field) == getattr(wanted[2], field) or field == "aliases", field
    assert {alias: int(version) for alias, version in registered.aliases.items()} == {"champ": 3}
    version = ours.get_model_version("reg", "1")
    for field in ("description", "tags", "current_stage", "run_id", "source", "creation_timestamp", "last_updated_timestamp"):
        assert getattr(version, field) == getattr(wanted[3], field), field
    assert sorted(int(v.version) for v in ours.search_model_versions("name = 'reg'")) == [1, 3]
    for uri in ("models:/reg@champ", "models:/reg/1", "models:/reg/Production", f"models:/{model}"):
        local = mlflow.artifacts.download_artifacts(uri)
        with open(os.path.join(local, "deep", "weights.bin"), "rb") as file:
            assert file.read() == bytes(range(256)) * 40, uri
    assert ours.create_model_version("reg", f"models:/{model}", run, model_id=model).version in (4, "4")
    # What the registry names is not collected; what it does not name any more is.
    ours.delete_experiment(found.info.experiment_id)
    server.stop()
    kept = cairn("gc", "--data", data)
    assert "removed 1 runs, 0 models and 0 experiments" in kept.stdout and "kept 1 " in kept.stdout, kept.stdout
    server.start()
    assert mlflow.artifacts.download_artifacts("models:/reg@champ")
    ours.delete_registered_model("reg")
    server.stop()
    removed = cairn("gc", "--data", data)
    assert "removed 0 runs, 1 models and 1 experiments" in removed.stdout and "kept" not in removed.stdout, removed.stdout
    assert int(removed.stdout.split("freed ")[1].split()[0]) >= 256 * 40
    assert cairn("check", "--data", data).stdout == "ok\n"


def picture_of(server, runs):
    return [server.get(f"/api/v1/runs/{run}") for run in runs]


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("no database")
    (tmp_path / "empty").mkdir()
    for path in ("text.db", "empty", "missing"):
        answer = cairn("import-mlflow", tmp_path / path, "--data", tmp_path / "data")
        assert answer.returncode == 1 and answer.stderr
