"""The unmodified `mlflow` client from PyPI against the real program."""

import concurrent.futures
import json
import math
import threading

import pytest
from conftest import digits
from mlflow_client import MlflowClient, client, mlflow  # noqa: F401
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException


def test_a_run_from_begin_to_end(client):
    mlflow.set_experiment("first")
    with mlflow.start_run(run_name="parent", tags={"team": "a"}) as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"a": 1, "b": None})
        mlflow.log_metric("loss", 2.5, step=0)
        mlflow.log_metrics({"loss": 1.5, "acc": 0.5}, step=1)
        mlflow.set_tag("k", "v")
        with mlflow.start_run(run_name="child", nested=True) as child:
            mlflow.log_metric("loss", 9)
    found = client.get_run(run.info.run_id)
    assert found.info.status == "FINISHED" and found.info.run_name == "parent" and found.info.end_time
    assert found.data.params == {"lr": "0.1", "a": "1", "b": "None"}
    assert found.data.metrics == {"loss": 1.5, "acc": 0.5}
    assert found.data.tags["team"] == "a" and found.data.tags["k"] == "v"
    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == run.info.run_id
    table = mlflow.search_runs(experiment_names=["first"], filter_string="metrics.loss < 5", order_by=["metrics.loss"])
    assert list(table["run_id"]) == [run.info.run_id]
    assert table["params.lr"][0] == "0.1"
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_metric("loss", 0.5, step=2)
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
    assert [m.value for m in client.get_metric_history(run.info.run_id, "loss")] == [2.5, 1.5, 0.5]


def test_failing_code_fails_its_run(client):
    with pytest.raises(ZeroDivisionError):
        with mlflow.start_run() as run:
            1 / 0
    assert client.get_run(run.info.run_id).info.status == "FAILED"


def test_awkward_keys_and_values(client):
    run = client.create_run("0")
    number = run.info.run_id
    keys = ["손실/검증", "a b", "with.dot", "x:y", "Ünïcode-Schlüssel", "k" * 250, "deep/er/est"]
    for index, key in enumerate(keys):
        client.log_metric(number, key, index + 0.25)
        client.log_param(number, key, f"'{key}' \"quoted\" `ticked` \\ \n\t<&>")
        client.set_tag(number, key, "😀" * 3)
    found = client.get_run(number).data
    for index, key in enumerate(keys):
        assert found.metrics[key] == index + 0.25
        assert found.params[key] == f"'{key}' \"quoted\" `ticked` \\ \n\t<&>"
        assert found.tags[key] == "😀" * 3
        hits = client.search_runs(["0"], f"metrics.`{key}` = {index + 0.25} AND tags.`{key}` = '😀😀😀'")
        assert [hit.info.run_id for hit in hits] == [number], key
    for key in ["a//b", "./a", "", "k" * 251, "a,b", "/abs"]:
        with pytest.raises(MlflowException):
            client.log_metric(number, key, 1)


def test_numbers_that_are_not_finite(client):
    number = client.create_run("0").info.run_id
    for step, value in enumerate([math.nan, math.inf, -math.inf, 5e-324, -0.0, 1.7976931348623157e308]):
        client.log_metric(number, "m", value, timestamp=step, step=step)
    values = [m.value for m in client.get_metric_history(number, "m")]
    assert math.isnan(values[0])
    assert values[1:] == [1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 0.0, 1.7976931348623157e308]
    client.log_metric(number, "nan", math.nan)
    assert math.isnan(client.get_run(number).data.metrics["nan"])
    assert client.search_runs(["0"], "metrics.nan > 0 ") == []
    assert len(client.search_runs(["0"], "metrics.nan != 0")) == 1


def test_equal_falling_and_repeated_steps(client):
    number = client.create_run("0").info.run_id
    batch = [Metric("m", float(v), t, s) for v, t, s in [(1, 10, 5), (2, 20, 4), (3, 5, 5), (4, 10, 5), (1, 10, 5), (7, 1, -3)]]
    for _ in range(3):
        client.log_batch(number, batch, [Param("p", "1")], [RunTag("t", "1")])
    history = client.get_metric_history(number, "m")
    assert [(m.timestamp, m.step, m.value) for m in history] == [(1, -3, 7), (5, 5, 3), (10, 5, 1), (10, 5, 4), (20, 4, 2)]
    assert client.get_run(number).data.metrics == {"m": 4.0}
    with pytest.raises(MlflowException, match="Changing param values"):
        client.log_batch(number, [Metric("late", 1.0, 1, 1)], [Param("p", "2")])
    assert "late" not in client.get_run(number).data.metrics


def test_histories_come_in_pages(client):
    number = client.create_run("0").info.run_id
    for start in range(0, 60_000, 1000):
        client.log_batch(number, [Metric("m", float(i), i, i) for i in range(start, start + 1000)])
    history = client.get_metric_history(number, "m")
    assert [m.step for m in history] == list(range(60_000))


def test_lifecycle(client):
    experiment = client.create_experiment("life", tags={"a": "1"})
    number = client.create_run(experiment).info.run_id
    client.delete_run(number)
    assert client.get_run(number).info.lifecycle_stage == "deleted"
    with pytest.raises(MlflowException, match="active"):
        client.log_metric(number, "m", 1)
    assert client.search_runs([experiment]) == []
    assert len(client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)) == 1
    client.restore_run(number)
    client.log_metric(number, "m", 1)
    client.rename_experiment(experiment, "renamed")
    client.set_experiment_tag(experiment, "b", "2")
    assert client.get_experiment_by_name("renamed").tags == {"a": "1", "b": "2"}
    client.delete_experiment(experiment)
    assert client.get_run(number).info.lifecycle_stage == "deleted"
    assert experiment not in [e.experiment_id for e in client.search_experiments()]
    assert experiment in [e.experiment_id for e in client.search_experiments(ViewType.ALL, filter_string="name LIKE 'rena%'")]
    client.restore_experiment(experiment)
    assert client.get_run(number).info.lifecycle_stage == "active"


def test_searches_come_in_pages(client):
    experiment = client.create_experiment("pages")
    runs = [client.create_run(experiment, start_time=i + 1).info.run_id for i in range(25)]
    for index, number in enumerate(runs):
        client.log_batch(number, [Metric("m", float(index % 7), 1, 1)])
    seen, token = [], None
    while True:
        page = client.search_runs([experiment], order_by=["metrics.m DESC"], max_results=4, page_token=token)
        seen += [run.info.run_id for run in page]
        token = page.token
        if not token:
            break
    expected = sorted(range(25), key=lambda i: (-(i % 7), -i))
    assert seen == [runs[i] for i in expected]


def test_asynchronous_logging(client):
    mlflow.set_experiment("async")
    with mlflow.start_run() as run:
        operations = [mlflow.log_metric("m", step * 0.5, step=step, synchronous=False) for step in range(500)]
        mlflow.log_params({f"p{i}": i for i in range(150)}, synchronous=False).wait()
        for operation in operations:
            operation.wait()
        mlflow.flush_async_logging()
    found = client.get_run(run.info.run_id).data
    assert found.metrics == {"m": 249.5} and len(found.params) == 150
    assert sorted(m.step for m in client.get_metric_history(run.info.run_id, "m")) == list(range(500))


def test_eight_clients_at_once(server, client):
    experiment = client.create_experiment("crowd")
    shared = client.create_run(experiment).info.run_id
    barrier = threading.Barrier(8)

    def work(worker):
        own = MlflowClient(server.url)
        barrier.wait()
        number = own.create_run(experiment, run_name=f"w{worker}").info.run_id
        for step in range(50):
            own.log_metric(number, "m", worker + step, step=step)
            own.log_metric(shared, "all", worker, step=step * 8 + worker)
        own.log_batch(number, [Metric("b", float(i), i, i) for i in range(1000)], [Param("w", str(worker))])
        own.set_terminated(number)
        return number

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(work, range(8)))
    for worker, number in enumerate(runs):
        found = client.get_run(number)
        assert found.data.metrics == {"m": worker + 49.0, "b": 999.0} and found.info.status == "FINISHED"
        assert len(client.get_metric_history(number, "m")) == 50
    assert [m.step for m in sorted(client.get_metric_history(shared, "all"), key=lambda m: m.step)] == list(range(400))


def test_what_was_answered_survives_a_kill(server, client):
    number = client.create_run("0").info.run_id
    for step in range(40):
        client.log_metric(number, "m", step, step=step)
    client.log_param(number, "p", "1")
    server.kill()
    server.start()
    assert [m.value for m in client.get_metric_history(number, "m")] == list(range(40))
    found = client.get_run(number).data
    assert found.metrics == {"m": 39.0} and found.params == {"p": "1"}


def test_a_built_in_job_is_an_ordinary_run(server, client):
    job = server.run_job(digits(experiment="trained", name="mlp", train={"epochs": 2, "batch_size": 128}))
    number = job["run_id"]
    experiment = client.get_experiment_by_name("trained")
    found = client.get_run(number)
    assert found.info.experiment_id == experiment.experiment_id and found.info.status == "FINISHED"
    assert found.info.run_name == "mlp" and found.data.params["optimizer.lr"] == "0.001"
    curve = server.curve(number, "train/loss")
    history = client.get_metric_history(number, "train/loss")
    assert sorted((m.step, m.value) for m in history) == sorted(zip(curve["steps"], curve["values"]))
    assert found.data.metrics["val/loss"] == server.curve(number, "val/loss")["values"][-1]
    client.set_tag(number, "reviewed", "yes")
    client.log_metric(number, "mine", 3.5, step=1)
    hits = client.search_runs([experiment.experiment_id], "tags.reviewed = 'yes' AND run_name = 'mlp' AND metrics.mine = 3.5")
    assert [hit.info.run_id for hit in hits] == [number]
    assert server.get(f"/api/v1/runs/{number}")["tags"]["reviewed"] == "yes"


def test_a_client_adds_to_a_job_while_it_runs(server, client):
    """Its tags, parameters, points and files stand beside what the job writes; neither loses any, and the bits of the
    training are those of a job that was left alone."""
    spec = digits(train={"epochs": 40, "batch_size": 16}, checkpoint={"every_epochs": 5, "keep_last": 3})
    job = server.submit(spec)
    number = job["run_id"]
    server.wait(job["id"], states=("running",))
    sent = 0
    while server.job(job["id"])["state"] == "running" or sent == 0:
        client.log_metric(number, "mine", sent * 0.5, step=sent)
        client.log_batch(number, [Metric("mine/batch", float(i), sent, sent * 10 + i) for i in range(10)])
        client.set_tag(number, f"tag{sent}", str(sent))
        client.log_param(number, f"mine.{sent}", sent)
        client.log_text(number, f"note {sent}", f"notes/{sent}.txt")
        sent += 1
    assert server.wait(job["id"])["state"] == "finished" and sent > 1
    alone = server.run_job(spec)
    found = client.get_run(number)
    untouched = client.get_run(alone["run_id"]).data
    assert found.info.status == "FINISHED"
    assert [m.value for m in client.get_metric_history(number, "mine")] == [i * 0.5 for i in range(sent)]
    assert sorted(m.step for m in client.get_metric_history(number, "mine/batch")) == list(range(sent * 10))
    assert found.data.params == {**untouched.params, **{f"mine.{i}": str(i) for i in range(sent)}}
    assert {key: value for key, value in found.data.tags.items() if key.startswith("tag")} == {
        f"tag{i}": str(i) for i in range(sent)
    }
    assert untouched.tags.keys() <= found.data.tags.keys()
    assert {file.path for file in client.list_artifacts(number, "notes")} == {f"notes/{i}.txt" for i in range(sent)}
    assert mlflow.artifacts.load_text(f"{found.info.artifact_uri}/notes/{sent - 1}.txt") == f"note {sent - 1}"
    assert {file.path for file in client.list_artifacts(number)} == {"checkpoints", "notes"}
    curves = {key: curve for key, curve in server.curves(number).items() if not key.startswith("mine")}
    assert curves == server.curves(alone["run_id"])
    saved = [checkpoint["step"] for checkpoint in server.get(f"/api/v1/runs/{number}/checkpoints")["checkpoints"]]
    assert len(saved) >= 3
    for step in saved:
        assert server.checkpoint(number, step) == server.checkpoint(alone["run_id"], step), step


def test_points_of_a_client_reach_who_listens(server, client):
    number = client.create_run("0").info.run_id
    client.log_metric(number, "before", 1.5)
    with server.request("GET", f"/api/v1/events?run={number}", stream=True) as stream:
        lines = stream.iter_lines()
        client.log_metric(number, "m", 2.5, step=3, timestamp=77)
        client.log_batch(number, [Metric("b", 3.5, 78, 4)])
        told = []
        while len(told) < 2:
            line = next(lines)
            if line.startswith(b"data: ") and b'"key"' in line:
                data = json.loads(line[6:])
                told += data if isinstance(data, list) else [data]
    assert [(point["run_id"], point["key"], point["value"], point["step"], point["timestamp"]) for point in told] == [
        (number, "m", 2.5, 3, 77), (number, "b", 3.5, 4, 78),
    ]  # fmt: skip
    assert client.get_run(number).data.metrics == {"before": 1.5, "m": 2.5, "b": 3.5}


def test_native_runs_take_filter_and_order(server, client):
    for index in range(6):
        number = client.create_run("0", run_name=f"n{index}", start_time=5).info.run_id
        client.log_batch(number, [Metric("m", float(index % 3), 1, 1)], [Param("lr", f"0.{index}")])

    def names(query):
        return [run["name"] for run in server.get("/api/v1/runs?" + query)["runs"]]

    assert names("filter=metrics.m>=1&order_by=metrics.m DESC") == ["n5", "n2", "n4", "n1"]
    assert names("filter=params.lr='0.3'") == ["n3"]
    assert names("order_by=metrics.m,params.lr DESC") == ["n3", "n0", "n4", "n1", "n5", "n2"]
    first = server.get("/api/v1/runs?order_by=params.lr&limit=4")
    rest = server.get(f"/api/v1/runs?order_by=params.lr&limit=4&page_token={first['next_page_token']}")
    assert [run["name"] for run in first["runs"] + rest["runs"]] == [f"n{i}" for i in range(6)]
    assert "next_page_token" not in rest
    table = server.request("GET", "/api/v1/runs?filter=metrics.m=2&order_by=params.lr&format=csv").text.splitlines()
    assert len(table) == 3 and "metrics.m" in table[0]
    for query, field in (("filter=metrics.m=='1'", "filter"), ("order_by=bogus", "order_by")):
        answer = server.request("GET", "/api/v1/runs?" + query)
        assert answer.status_code == 400 and answer.json()["field"] == field


def test_probes_and_unknown_paths(server):
    assert server.request("GET", "/health").text == "OK"
    assert server.request("GET", "/version").text.count(".") == 2
    for prefix in ("/api", "/ajax-api"):
        assert server.get(f"{prefix}/3.0/mlflow/server-info")["store_type"] == "SqlStore"
    for path in ("/api/2.0/mlflow/nothing", "/ajax-api/3.0/mlflow/traces", "/api/3.0/mlflow/scorers"):
        answer = server.request("GET", path)
        assert answer.status_code == 404 and answer.json()["error_code"] == "ENDPOINT_NOT_FOUND"
    for path in ("/graphql", "/gateway/x", "/v1/traces", "/api/2.0/mlflow/traces"):
        answer = server.request("POST", path, json={})
        assert answer.status_code == 404 and answer.json()["error_code"] == "ENDPOINT_NOT_FOUND"
    assert server.request("DELETE", "/api/2.0/mlflow/runs/create").status_code == 405
