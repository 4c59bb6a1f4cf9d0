"""The contract over real HTTP: every call of the native API, right and wrong."""

import csv
import io
import json
import time

import pytest
import requests
from safetensors import safe_open

from conftest import digits


def error(answer, status, code, field=None):
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["error_code"] == code
    assert body.get("field") == field, body
    if field:
        assert field in body["message"], body
    return body["message"]


# --- jobs


def test_a_job_is_posted_followed_and_read(server):
    answer = server.request("POST", "/api/v1/jobs", json=digits(tags={"why": "baseline"}))
    assert answer.status_code == 201
    job = answer.json()
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert job["state"] in ("queued", "running") and job["error"] is None
    assert set(job) >= {"id", "run_id", "state", "error", "priority", "created_at", "started_at", "ended_at", "progress"}
    assert len(job["run_id"]) == 32 and int(job["run_id"], 16) >= 0
    ended = server.wait(job["id"])
    assert ended["created_at"] <= ended["started_at"] <= ended["ended_at"]
    progress = ended["progress"]
    assert progress["step"] == progress["total_steps"] == 3 * 51
    assert progress["epoch"] == 3

    run = server.get(f"/api/v1/runs/{job['run_id']}")
    assert run["info"]["status"] == "FINISHED" and run["info"]["run_name"] == "mlp"
    assert run["tags"]["why"] == "baseline"
    assert float(run["params"]["optimizer.lr"]) == 0.001
    loss = server.curve(job["run_id"], "train/loss")
    summary = run["metrics"]["train/loss"]
    assert summary["count"] == loss["count"] == 153
    assert summary["last"] == loss["values"][-1]
    assert summary["min"] == min(loss["values"]) and summary["max"] == max(loss["values"])
    assert "min" not in loss and loss["sampled"] is False
    assert loss["steps"] == list(range(153))
    assert server.curve(job["run_id"], "val/loss")["steps"] == [51, 102, 153]
    keys = {m["key"] for m in server.get(f"/api/v1/runs/{job['run_id']}/metrics")["metrics"]}
    assert keys >= {"train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr", "grad_norm", "param_norm", "epoch"}

    log = server.get(f"/api/v1/runs/{job['run_id']}/log")
    assert [line["line"] for line in log["lines"]] == list(range(1, len(log["lines"]) + 1))
    rest = server.get(f"/api/v1/runs/{job['run_id']}/log?from={log['next']}")
    assert rest["lines"] == [] and rest["next"] == log["next"]


def test_the_stored_spec_repeats_the_run(server):
    job = server.run_job(digits())
    spec = server.get(f"/api/v1/runs/{job['run_id']}/spec")
    assert spec["optimizer"]["betas"] == [0.9, 0.999] and spec["seed"] == 7
    again = server.run_job(spec)
    assert server.get(f"/api/v1/runs/{again['run_id']}/spec") == spec
    assert server.curves(again["run_id"]) == server.curves(job["run_id"])
    assert server.checkpoint(again["run_id"]) == server.checkpoint(job["run_id"])


def test_a_dry_run_tells_everything_and_stores_nothing(server):
    answer = server.request("POST", "/api/v1/jobs?dry_run=true", json=digits())
    assert answer.status_code == 200
    plan = answer.json()
    assert plan["parameters"] == 64 * 32 + 32 + 32 * 10 + 10
    assert [layer["parameters"] for layer in plan["layers"]] == [2080, 0, 0, 330]
    assert plan["layers"][-1]["output_shape"] == [10]
    assert plan["steps_per_epoch"] == 51 and plan["total_steps"] == 153
    assert plan["memory_bytes"] > 4 * plan["parameters"]
    assert plan["spec"]["train"]["epochs"] == 3
    assert server.request("POST", "/api/v1/jobs/check", json=digits()).json() == {
        "plan": plan, "error": None, "range": None, "proposals": None}
    assert server.get("/api/v1/jobs")["jobs"] == [] and server.get("/api/v1/runs")["runs"] == []


LONG = digits(train={"epochs": 100_000, "batch_size": 32}, checkpoint={"every_epochs": 1000})


def test_pause_resume_cancel(server):
    job = server.submit(LONG)
    server.wait(job["id"], states=("running",))
    paused = server.action(job, "pause")
    assert paused.status_code == 200
    held = server.wait(job["id"], states=("paused",))
    step = held["progress"]["step"]
    labels = {c["step"]: c["labels"] for c in server.get(f"/api/v1/runs/{job['run_id']}/checkpoints")["checkpoints"]}
    assert "latest" in labels[step]
    time.sleep(0.2)
    assert server.job(job["id"])["progress"]["step"] == step
    error(server.action(job, "pause"), 409, "RESOURCE_CONFLICT")
    assert server.action(job, "resume").status_code == 200
    server.wait(job["id"], states=("running",))
    while server.job(job["id"])["progress"]["step"] <= step:
        time.sleep(0.01)
    assert server.action(job, "cancel").status_code == 200
    ended = server.wait(job["id"], states=("cancelled",))
    assert ended["ended_at"] is not None
    for action in ("pause", "resume", "cancel"):
        error(server.action(job, action), 409, "RESOURCE_CONFLICT")
    run = server.get(f"/api/v1/runs/{job['run_id']}")
    assert run["info"]["status"] == "KILLED"
    curve = server.curve(job["run_id"], "train/loss")
    assert curve["steps"] == list(range(ended["progress"]["step"]))
    assert server.checkpoint(job["run_id"])


def test_a_paused_job_ends_with_the_bits_of_an_undisturbed_one(server):
    spec = digits(train={"epochs": 40, "batch_size": 16})
    job = server.submit(spec)
    for _ in range(4):
        time.sleep(0.05)
        if server.action(job, "pause").status_code == 200:
            if server.job(job["id"])["state"] == "finished":
                break
            server.wait(job["id"], states=("paused",))
            server.action(job, "resume")
    ended = server.wait(job["id"])
    other = server.run_job(spec)
    assert server.curves(ended["run_id"]) == server.curves(other["run_id"])
    assert server.checkpoint(ended["run_id"]) == server.checkpoint(other["run_id"])


def test_priority_decides_and_then_age(servers):
    server = servers("--workers", "1")
    blocker = server.submit(LONG)
    server.wait(blocker["id"], states=("running",))
    low = server.submit(digits(name="low"))
    high = server.submit(digits(name="high", priority=5))
    also_high = server.submit(digits(name="also high", priority=5))
    assert high["priority"] == 5
    assert [j["id"] for j in server.get("/api/v1/jobs?state=queued")["jobs"]] == [also_high["id"], high["id"], low["id"]]
    server.action(blocker, "cancel")
    ended = [server.wait(job["id"]) for job in (high, also_high, low)]
    starts = [job["started_at"] for job in ended]
    assert starts == sorted(starts)


def test_a_job_that_is_just_beginning_can_be_paused_and_cancelled(server):
    for _ in range(150):
        for action, state in (("pause", "paused"), ("cancel", "cancelled")):
            job = server.submit(LONG)
            answer = server.action(job, action)
            assert (answer.status_code, answer.json().get("state")) == (200, state), answer.text
            server.action(job, "cancel")


def test_a_queued_job_can_be_paused_and_cancelled(servers):
    server = servers("--workers", "1")
    blocker = server.submit(LONG)
    server.wait(blocker["id"], states=("running",))
    waiting = server.submit(digits())
    assert server.action(waiting, "pause").json()["state"] == "paused"
    assert server.action(waiting, "resume").json()["state"] == "queued"
    assert server.action(waiting, "cancel").json()["state"] == "cancelled"
    server.action(blocker, "cancel")


def test_lists_are_paged_newest_first(servers):
    server = servers("--workers", "1")
    blocker = server.submit(LONG)
    jobs = [blocker] + [server.submit(digits(name=f"job {i}", experiment="even" if i % 2 == 0 else "odd")) for i in range(5)]
    expected = [job["id"] for job in reversed(jobs)]
    seen, token = [], ""
    while True:
        page = server.get("/api/v1/jobs?limit=2" + (f"&page_token={token}" if token else ""))
        assert len(page["jobs"]) <= 2
        seen += [job["id"] for job in page["jobs"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert seen == expected
    runs, token = [], ""
    while True:
        page = server.get("/api/v1/runs?limit=4" + (f"&page_token={token}" if token else ""))
        runs += [run["info"]["run_id"] for run in page["runs"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert runs == [job["run_id"] for job in reversed(jobs)]
    assert len(server.get("/api/v1/runs?experiment=even")["runs"]) == 3
    for job in jobs:
        server.action(job, "cancel")


@pytest.mark.parametrize(
    "change, field",
    [
        ({"optimizer": {"type": "adam", "lr": -1}}, "optimizer.lr"),
        ({"optimizer": {"type": "adam", "lr": "fast"}}, "optimizer.lr"),
        ({"optimizer": {"type": "adam", "lr": "NaN"}}, "optimizer.lr"),
        ({"optimizer": {"type": "adam", "learning_rate": 1}}, "optimizer.learning_rate"),
        ({"optimizer": {"type": "gradient"}}, "optimizer.type"),
        ({"optimizer": None}, "optimizer"),
        ({"optimizer": []}, "optimizer"),
        ({"model": {"layers": []}}, "model.layers"),
        ({"model": {"layers": [{"type": "linear", "out": "ten"}]}}, "model.layers.0.out"),
        ({"model": {"layers": [{"type": "linear", "out": 0}]}}, "model.layers.0.out"),
        ({"model": {"layers": [{"type": "linear", "out": -3}]}}, "model.layers.0.out"),
        ({"model": {"layers": [{"type": "linear", "out": 2**62}]}}, "model.layers.0.out"),
        ({"model": {"layers": [{"type": "linear", "out": 1.5}]}}, "model.layers.0.out"),
        ({"model": {"layers": [{"type": "linear"}]}}, "model.layers.0.out"),
        ({"model": {"layers": [{"type": "nonsense"}]}}, "model.layers.0.type"),
        ({"model": {"layers": [{"type": "dropout", "p": 1.5}, {"type": "linear", "out": 10}]}}, "model.layers.0.p"),
        ({"dataset": {"name": "no such set"}}, "dataset.name"),
        ({"dataset": {}}, "dataset.name"),
        ({"dataset": {"name": "digits", "validation": 1.5}}, "dataset.validation"),
        ({"train": {"batch_size": 0}}, "train.batch_size"),
        ({"train": {"epochs": 0}}, "train.epochs"),
        ({"train": {"epochs": 10**30}}, "train.epochs"),
        ({"seed": -1}, "seed"),
        ({"schedule": {"type": "cosine", "warmup": -0.5}}, "schedule.warmup"),
        ({"surprise": 1}, "surprise"),
        ({"tags": {"a": 1}}, "tags.a"),
        ({"priority": "high"}, "priority"),
    ],
)
def test_a_wrong_spec_is_refused_by_field(server, change, field):
    spec = {**digits(), **change}
    for path in ("/api/v1/jobs", "/api/v1/jobs?dry_run=true"):
        error(server.request("POST", path, json=spec), 400, "INVALID_PARAMETER_VALUE", field)
    found = server.request("POST", "/api/v1/jobs/check", json=spec)
    assert found.status_code == 200 and found.json()["plan"] is None and found.json()["error"]["field"] == field
    assert server.get("/api/v1/jobs")["jobs"] == []


def test_the_message_shows_limits_and_what_was_given(server):
    spec = digits(model={"layers": [{"type": "linear", "out": 8}, {"type": "relu"}, {"type": "linear", "out": "ten"}]})
    message = error(
        server.request("POST", "/api/v1/jobs", json=spec), 400, "INVALID_PARAMETER_VALUE", "model.layers.2.out"
    )
    assert message.startswith("model.layers.2.out must be an integer from 1 to ") and message.endswith('got "ten"')


def test_a_network_that_does_not_fit_the_classes_is_refused(server):
    spec = digits(model={"layers": [{"type": "linear", "out": 7}]})
    answer = server.request("POST", "/api/v1/jobs", json=spec)
    assert answer.status_code == 400 and answer.json()["field"].startswith("model")
    assert "10" in answer.json()["message"] and "7" in answer.json()["message"]


def test_a_network_over_the_memory_limit_is_refused_with_its_size(server):
    spec = digits(model={"layers": [{"type": "linear", "out": 60000}, {"type": "linear", "out": 60000}, {"type": "linear", "out": 10}]})
    answer = server.request("POST", "/api/v1/jobs", json=spec)
    assert answer.status_code == 400 and "byte" in answer.json()["message"].lower() or "GiB" in answer.json()["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"[]", b'"text"', b'{"a":1,"a":2}', b"\xff\xfe", b"{} {}"])
def test_a_malformed_body_is_refused(server, body):
    answer = server.request("POST", "/api/v1/jobs", data=body)
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    found = server.request("POST", "/api/v1/jobs/check", data=body)
    assert found.status_code == 200 and found.json()["error"] == answer.json()


def test_a_body_over_the_limit_is_refused(server):
    answer = server.request("POST", "/api/v1/jobs", data=b" " * (20 << 20))
    assert answer.status_code == 413 and answer.json()["error_code"] == "REQUEST_TOO_LARGE"
    assert server.get("/healthz") == {"status": "ok"}


def test_unknown_things_are_404_and_wrong_methods_405(server):
    none = "0" * 32
    for path in (
        "/api/v1/jobs/999", "/api/v1/jobs/abc", f"/api/v1/runs/{none}", f"/api/v1/runs/{none}/metrics",
        f"/api/v1/runs/{none}/metrics/a", f"/api/v1/runs/{none}/log", f"/api/v1/runs/{none}/spec",
        f"/api/v1/runs/{none}/checkpoints", f"/api/v1/runs/{none}/checkpoints/latest", "/api/v1/datasets/none",
        "/api/v1/nothing", "/nothing",
    ):  # fmt: skip
        error(server.request("GET", path), 404, "RESOURCE_DOES_NOT_EXIST")
    answer = server.request("DELETE", "/api/v1/jobs")
    error(answer, 405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= {method.strip() for method in answer.headers["Allow"].split(",")}
    error(server.request("GET", "/api/v1/jobs?limit=0"), 400, "INVALID_PARAMETER_VALUE", "limit")
    error(server.request("GET", "/api/v1/jobs?limit=1001"), 400, "INVALID_PARAMETER_VALUE", "limit")
    error(server.request("GET", "/api/v1/jobs?state=asleep"), 400, "INVALID_PARAMETER_VALUE", "state")
    error(server.request("GET", "/api/v1/jobs?colour=red"), 400, "INVALID_PARAMETER_VALUE", "colour")
    error(server.request("GET", "/api/v1/jobs?page_token=!!"), 400, "INVALID_PARAMETER_VALUE", "page_token")


# --- curves and checkpoints


def test_curves_are_sampled_with_their_extremes(server):
    job = server.run_job(digits(train={"epochs": 30, "batch_size": 16}))
    path = f"/api/v1/runs/{job['run_id']}/metrics/train/loss"
    whole = server.get(path + "?max_points=0")
    assert whole["count"] == len(whole["values"]) == job["progress"]["total_steps"]
    small = server.get(path + "?max_points=50")
    assert small["sampled"] is True and small["count"] == whole["count"]
    assert 25 <= len(small["values"]) <= 50
    assert max(small["max"]) == max(whole["values"]) and min(small["min"]) == min(whole["values"])
    assert all(low <= mean <= high for low, mean, high in zip(small["min"], small["values"], small["max"]))
    assert small["steps"] == sorted(small["steps"])
    part = server.get(path + "?max_points=0&from_step=100&to_step=119")
    assert part["steps"] == list(range(100, 120)) and part["values"] == whole["values"][100:120]

    rows = list(csv.reader(io.StringIO(server.request("GET", path + "?max_points=0&format=csv").text)))
    assert rows[0] == ["step", "timestamp", "value"]
    assert [float(row[2]) for row in rows[1:]] == whole["values"]
    rows = list(csv.reader(io.StringIO(server.request("GET", path + "?max_points=50&format=csv").text)))
    assert rows[0] == ["step", "timestamp", "value", "min", "max"] and len(rows) - 1 == len(small["values"])

    both = server.get(f"/api/v1/curves?key=train/loss&run={job['run_id']}&max_points=50")
    assert both["curves"][0]["run_id"] == job["run_id"] and both["curves"][0]["values"] == small["values"]
    error(server.request("GET", f"/api/v1/runs/{job['run_id']}/metrics/none"), 404, "RESOURCE_DOES_NOT_EXIST")
    error(server.request("GET", path + "?max_points=-1"), 400, "INVALID_PARAMETER_VALUE", "max_points")


def test_runs_as_csv(server):
    server.run_job(digits(name='=cmd(), "quoted"'))
    server.run_job(digits(optimizer={"type": "sgd", "lr": 0.1}))
    rows = list(csv.DictReader(io.StringIO(server.request("GET", "/api/v1/runs?format=csv").text)))
    assert len(rows) == 2
    assert rows[0]["params.optimizer.type"] == "sgd" and rows[1]["params.optimizer.type"] == "adam"
    assert rows[1]["name"] == '\'=cmd(), "quoted"'
    assert 0 <= float(rows[0]["metrics.val/loss"]) < 10


def test_checkpoints_are_kept_as_asked_and_deleted(server, tmp_path):
    job = server.run_job(
        digits(train={"epochs": 8}, checkpoint={"every_epochs": 1, "keep_last": 2, "keep_best": 1})
    )
    run = f"/api/v1/runs/{job['run_id']}"
    checkpoints = server.get(run + "/checkpoints")["checkpoints"]
    losses = dict(zip(*server.curves(job["run_id"])["val/loss"]))
    best = min(losses, key=losses.get)
    latest = job["progress"]["total_steps"]
    assert {c["step"] for c in checkpoints} == {latest, latest - 51, best}
    by_label = {label: c for c in checkpoints for label in c["labels"]}
    assert by_label["latest"]["step"] == latest and by_label["best"]["step"] == best
    assert by_label["best"]["metrics"]["val/loss"] == losses[best]
    answer = server.request("GET", run + "/checkpoints/best")
    assert len(answer.content) == by_label["best"]["bytes"] == int(answer.headers["Content-Length"])
    name = answer.headers["Content-Disposition"]
    assert name.startswith("attachment") and ".safetensors" in name and "digits." in name and "act-relu" in name
    file = tmp_path / "all.safetensors"
    file.write_bytes(answer.content)
    with safe_open(file, "pt") as tensors:
        metadata = tensors.metadata()
        assert int(metadata["step"]) == best
        assert {name.split(".")[0] for name in tensors.keys()} == {"model", "optimizer"}
    assert server.request("DELETE", run + f"/checkpoints/{latest - 51}").status_code == (204 if best != latest - 51 else 204)
    error(server.request("GET", run + f"/checkpoints/{latest - 51}"), 404, "RESOURCE_DOES_NOT_EXIST")
    error(server.request("GET", run + "/checkpoints/middle"), 400, "INVALID_PARAMETER_VALUE", "step")
    error(server.request("GET", run + "/checkpoints/latest?part=half"), 400, "INVALID_PARAMETER_VALUE", "part")


# --- live events


def frames(answer):
    frame = {}
    for line in answer.iter_lines(decode_unicode=True):
        if line == "":
            if "data" in frame:
                yield frame
            frame = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            frame[name] = value


def collect(server, query, until, headers=None):
    found = []
    with server.request("GET", f"/api/v1/events{query}", stream=True, headers=headers or {}, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        for frame in frames(answer):
            found.append((frame["event"], json.loads(frame["data"]), frame["id"]))
            if until(found[-1]):
                return found
    raise AssertionError("the stream ended")


def test_events_tell_every_point_once_and_resume_without_a_gap(servers):
    server = servers("--workers", "1")
    blocker = server.submit(LONG)
    server.wait(blocker["id"], states=("running",))
    job = server.submit(digits())
    query = f"?run={job['run_id']}"

    def finished(event):
        return event[0] == "job" and event[1]["state"] == "finished"

    with server.request("GET", f"/api/v1/events{query}", stream=True, timeout=30) as answer:
        server.action(blocker, "cancel")
        found = []
        for frame in frames(answer):
            found.append((frame["event"], json.loads(frame["data"]), frame["id"]))
            if finished(found[-1]):
                break
    points = {}
    for kind, data, _ in found:
        if kind == "metric":
            for point in data if isinstance(data, list) else [data]:
                assert point["run_id"] == job["run_id"]
                assert (point["key"], point["step"]) not in points
                points[point["key"], point["step"]] = point["value"]
    for key, (steps, values) in server.curves(job["run_id"]).items():
        assert [points[key, step] for step in steps] == values
    assert {kind for kind, _, _ in found} >= {"metric", "job", "run", "checkpoint", "log"}
    # From the middle on, the same events again.
    middle = len(found) // 2
    again = collect(server, query, finished, headers={"Last-Event-ID": found[middle][2]})
    assert again == found[middle + 1 :]
    server.kill()
    server.start()
    reset = collect(server, query, lambda event: True, headers={"Last-Event-ID": found[middle][2]})
    assert reset[0][0] == "reset"


# --- the rest


def test_health_version_metrics_and_description(server):
    assert server.get("/healthz") == {"status": "ok"}
    version = server.request("GET", "/version")
    assert version.headers["Content-Type"].startswith("text/plain") and version.text.strip()
    prometheus = server.request("GET", "/metrics").text
    assert "# TYPE" in prometheus and "cairn_" in prometheus
    document = server.get("/api/v1/openapi.json")
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method in operations:
            if method == "get" and "{" not in path and path not in ("/api/v1/events", "/api/v1/curves"):
                assert server.request("GET", path).status_code == 200, path
    from openapi_spec_validator import validate

    validate(document)


def test_a_token_is_demanded_everywhere_but_where_the_page_needs_none(servers):
    server = servers("--token", "s3cret")
    mlflow = ["/health", "/api/3.0/mlflow/server-info", "/get-artifact?run_id=a&path=b"]
    mlflow += [f"{prefix}/2.0/mlflow/runs/get?run_id=a" for prefix in ("/api", "/ajax-api")]
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}):
        for path in ("/api/v1/jobs", "/api/v1/runs", "/metrics", "/version", "/api/v1/openapi.json", "/api/v1/events", *mlflow):
            answer = requests.get(server.url + path, headers=headers, timeout=10)
            error(answer, 401, "UNAUTHENTICATED")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert requests.get(server.url + "/healthz", timeout=10).status_code == 200
    assert requests.get(server.url + "/", timeout=10).status_code == 200
    error(requests.post(server.url + "/api/v1/jobs", json=digits(), timeout=10), 401, "UNAUTHENTICATED")
    server.token = "s3cret"
    assert server.run_job(digits())["state"] == "finished"


def test_datasets_tell_their_quality(server):
    names = {entry["name"] for entry in server.get("/api/v1/datasets")["datasets"]}
    assert names >= {"digits", "iris", "wine", "breast-cancer", "diabetes", "moons", "spirals", "fashion-mnist"}
    entry = server.get("/api/v1/datasets/digits")
    assert entry["examples"] == 1797 and len(entry["classes"]) == 10 and entry["kind"] == "image"


def test_who_missed_much_is_told_to_read_anew(server):
    """More than is sent again, less than is kept: the stream goes on after one reset."""
    server.run_job(digits(train={"steps": 2}))
    with server.request("GET", "/api/v1/events", headers={"Last-Event-ID": "0-0"}, stream=True) as stream:
        first = next(line for line in stream.iter_lines() if line.startswith(b"id: "))[4:].decode()
    ended = server.run_job(digits(train={"epochs": 40}))
    with server.request("GET", "/api/v1/events", headers={"Last-Event-ID": first}, stream=True) as stream:
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith(b"event: ")) == b"event: reset"
        server.submit(digits(train={"steps": 2}))
        assert next(line for line in lines if line.startswith(b"event: ")) != b"event: reset"
    assert ended["state"] == "finished"


def test_who_comes_back_gets_what_clients_logged_meanwhile(server):
    def post(call, body):
        answer = server.request("POST", f"/api/2.0/mlflow/runs/{call}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    run = post("create", {"experiment_id": "0"})["run"]["info"]["run_id"]

    def log(step):
        post("log-metric", {"run_id": run, "key": "loss", "step": step, "timestamp": step, "value": 0.5})

    def steps(number, after):
        """The steps of so many points after an event, and the last event."""
        found = []
        with server.request("GET", "/api/v1/events", headers={"Last-Event-ID": after}, stream=True, timeout=5) as stream:
            for frame in frames(stream):
                if frame["event"] == "metric":
                    found += [point["step"] for point in json.loads(frame["data"])]
                if frame["event"] == "reset" and number:
                    log(0)
                if len(found) >= number:
                    return found, frame["id"]

    found, last = steps(1, "0-0")
    assert found == [0]
    deadline = time.monotonic() + 10
    while "event_streams 0" not in server.request("GET", "/metrics").text:
        assert time.monotonic() < deadline, "the stream is still open"
        time.sleep(0.02)
    log(1)
    log(2)
    assert steps(2, last)[0] == [1, 2]
