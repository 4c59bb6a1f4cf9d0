"""Files that the unmodified `mlflow` client logs: texts, pictures, tables, folders, large ones in parts; system metrics."""

import json
import os
import pathlib
import time

import numpy
import pytest
from mlflow_client import client, mlflow  # noqa: F401


def tree(client, run, path=None):
    found = {}
    for entry in client.list_artifacts(run, path):
        found.update(tree(client, run, entry.path) if entry.is_dir else {entry.path: entry.file_size or 0})
    return found


def test_texts_dictionaries_pictures_and_tables(client, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from PIL import Image

    (tmp_path / "sub" / "deep er").mkdir(parents=True)
    (tmp_path / "sub" / "deep er" / "é=1.txt").write_text("x")
    (tmp_path / "sub" / "empty").write_bytes(b"")
    picture = numpy.arange(4 * 5 * 3, dtype=numpy.uint8).reshape(4, 5, 3)
    with mlflow.start_run() as run:
        mlflow.log_text("hällo\n", "notes/a b.txt")
        mlflow.log_dict({"a": [1, None, "é"]}, "conf.json")
        mlflow.log_dict({"a": 1}, "conf.yaml")
        figure, axes = pyplot.subplots()
        axes.plot([1, 2])
        mlflow.log_figure(figure, "plots/line.png")
        pyplot.close(figure)
        mlflow.log_image(picture, "still.png")
        for step in range(3):
            mlflow.log_image(picture, key="frames/val", step=step, synchronous=True)
        mlflow.log_table({"question": ["a", "b"], "score": [0.5, 1.5]}, "table.json")
        mlflow.log_table({"question": ["c"], "score": [2.5]}, "table.json")
        mlflow.log_artifacts(str(tmp_path / "sub"), "copied")
    number = run.info.run_id
    files = tree(client, number)
    assert {"notes/a b.txt", "conf.json", "conf.yaml", "plots/line.png", "still.png", "table.json"} <= set(files)
    assert files["copied/deep er/é=1.txt"] == 1 and files["copied/empty"] == 0
    assert len([name for name in files if name.startswith("images/frames")]) == 6
    root = run.info.artifact_uri
    assert mlflow.artifacts.load_text(f"{root}/notes/a b.txt") == "hällo\n"
    assert mlflow.artifacts.load_dict(f"{root}/conf.json") == {"a": [1, None, "é"]}
    assert numpy.array_equal(numpy.asarray(mlflow.artifacts.load_image(f"{root}/still.png")), picture)
    assert isinstance(mlflow.artifacts.load_image(f"{root}/plots/line.png"), Image.Image)
    table = mlflow.load_table("table.json", run_ids=[number])
    assert list(table["question"]) == ["a", "b", "c"] and list(table["score"]) == [0.5, 1.5, 2.5]
    local = pathlib.Path(client.download_artifacts(number, "copied", str(tmp_path)))
    assert (local / "deep er" / "é=1.txt").read_text() == "x" and (local / "empty").read_bytes() == b""
    tags = client.get_run(number).data.tags
    assert json.loads(tags["mlflow.loggedArtifacts"]) == [{"path": "table.json", "type": "table"}]


def test_a_large_file_goes_in_parts(client, server, tmp_path, monkeypatch):
    """What the client does above 500 MB, with its threshold lowered unless CAIRN_LARGE_FILE_MB asks for the real thing."""
    size = int(os.environ.get("CAIRN_LARGE_FILE_MB", "40"))
    if size < 500:
        monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(20 << 20))
        monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE", str(20 << 20))
    block = os.urandom(1 << 20)
    with open(tmp_path / "large.bin", "wb") as file:
        for _ in range(size):
            file.write(block)

    def memory():
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    number = client.create_run("0").info.run_id
    client.log_text(number, "warm", "warm.txt")
    before = memory()
    client.log_artifact(number, str(tmp_path / "large.bin"), "models")
    assert tree(client, number)["models/large.bin"] == size << 20
    with server.request("GET", "/metrics") as answer:
        assert answer.status_code == 200
    (tmp_path / "back").mkdir()
    back = client.download_artifacts(number, "models/large.bin", str(tmp_path / "back"))
    with open(back, "rb") as file:
        for _ in range(size):
            assert file.read(1 << 20) == block
        assert file.read(1) == b""
    # Several parts of ten megabytes are under way at a time; none of them may be whole in memory.
    assert memory() - before < 40, f"{memory() - before} MB more"


def test_system_metrics_are_ordinary_curves(client):
    pytest.importorskip("psutil")
    mlflow.set_system_metrics_sampling_interval(0.2)
    mlflow.set_system_metrics_samples_before_logging(1)
    try:
        with mlflow.start_run(log_system_metrics=True) as run:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                if len(client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")) >= 2:
                    break
                time.sleep(0.2)
    finally:
        mlflow.set_system_metrics_sampling_interval(None)
        mlflow.set_system_metrics_samples_before_logging(None)
    found = client.get_run(run.info.run_id).data.metrics
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= set(found)
    steps = [m.step for m in client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")]
    assert steps == list(range(len(steps))) and len(steps) >= 2


def test_data_sets_of_runs(client):
    import pandas

    frame = pandas.DataFrame({"x": [1.0, 2.0, 3.0], "y": [0, 1, 0]})
    dataset = mlflow.data.from_pandas(frame, name="three rows", targets="y")
    with mlflow.start_run() as run:
        for _ in range(2):
            mlflow.log_input(dataset, context="training", tags={"fold": "1"})
    (given,) = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert given.dataset.name == "three rows" and given.dataset.digest == dataset.digest
    assert json.loads(given.dataset.profile) == {"num_rows": 3, "num_elements": 6}
    assert {tag.key: tag.value for tag in given.tags} == {"mlflow.data.context": "training", "fold": "1"}
    for text in ("datasets.name = 'three rows'", f"dataset.digest = '{dataset.digest}'", "datasets.context ILIKE 'TRAIN%'"):
        assert [r.info.run_id for r in client.search_runs(["0"], text)] == [run.info.run_id], text
    assert client.search_runs(["0"], "datasets.context = 'validation'") == []
