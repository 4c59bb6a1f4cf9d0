"""Experiments, runs, logging and searching: MLflow's own server and this one are asked the same and must answer the
same, field by field, times and ids aside.

Where MLflow's answer is a defect, this server answers 400 instead, and the request says so: values that do not parse are
stored as 0 with a 200, and some bad input is a 500.
"""

import base64
import json
import random

import pytest
from conftest import Server
from mlflow_peer import Peer, Scenario
from mlflow_server import MLflowServer

SEED = 20261121


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    server = MLflowServer(tmp_path_factory.mktemp("mlflow"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("cairn"))
    yield server
    server.stop()


@pytest.fixture
def scenario(ours, theirs):
    return Scenario(Peer(ours.url), Peer(theirs.url))


def unique(name, counter=[0]):
    """A name that no scenario before has used: MLflow's server serves all of them."""
    counter[0] += 1
    return f"{name}-{counter[0]}"


def experiment(scenario, name="@exp"):
    scenario.post("experiments/create", {"name": unique("exp")}, binds=(name, "experiment_id"))
    # Both count from 1, but MLflow's server has seen other scenarios.
    return name


def make_run(scenario, exp, name, **fields):
    body = {"experiment_id": exp, "user_id": "ann", "start_time": 1000, "run_name": name.strip("@"), **fields}
    scenario.post("runs/create", body, binds=(name, "run", "info", "run_id"))
    return name


def check(scenario, at_least):
    scenario.check(at_least)


BAD = [None, "", 5, 1.5, True, [], {}, "x", "-1", "99999999", "0x1", "é"]


def test_experiments(scenario):
    name = unique("exp")
    scenario.post("experiments/create", {"name": name, "tags": [{"key": "a", "value": "1"}]}, binds=("@e", "experiment_id"))
    scenario.post("experiments/create", {"name": name})
    other = unique("exp")
    scenario.post("experiments/create", {"name": other, "artifact_location": "s3://bucket/x?y=1"}, binds=("@f", "experiment_id"))
    for value in BAD:
        scenario.get("experiments/get", {"experiment_id": value})
        for call in ("delete", "restore"):
            if value != "0":
                scenario.post(f"experiments/{call}", {"experiment_id": value})
        if value != "x" and value != "é" and value not in ("-1", "99999999", "0x1"):
            scenario.post("experiments/create", {"name": value})
        scenario.post("experiments/update", {"experiment_id": value, "new_name": "n"})
        scenario.post("experiments/update", {"experiment_id": "@e", "new_name": value} if value in (None, "", 5, True) else {})
        scenario.post("experiments/set-experiment-tag", {"experiment_id": value, "key": "k", "value": "v"})
        scenario.post("experiments/set-experiment-tag", {"experiment_id": "@e", "key": value, "value": "v"})
        scenario.post("experiments/set-experiment-tag", {"experiment_id": "@e", "key": "k", "value": value})
        scenario.get("experiments/get-by-name", {"experiment_name": value})
    for name_ in ("a/", "a//b", "./a", "..", "/a", "x" * 251, "k" * 250, "a b:c.d-e", "손실/검증", "a,b", "a\nb"):
        scenario.post("experiments/set-experiment-tag", {"experiment_id": "@e", "key": name_, "value": "v"})
    for length in (8001, 20000, 20001):
        scenario.post("experiments/set-experiment-tag", {"experiment_id": "@e", "key": "long", "value": "é" * length})
    scenario.post("experiments/create", {"name": "x" * 501})
    scenario.post("experiments/create", {"name": unique("l"), "artifact_location": "runs:/x"})
    scenario.post("experiments/create", {"name": unique("l"), "artifact_location": "s3://" + "x" * 2048})
    scenario.post("experiments/create", {"name": unique("l"), "tags": [{"key": "a//b", "value": "1"}]})
    scenario.post("experiments/update", {"experiment_id": "@f", "new_name": name})
    scenario.post("experiments/delete-experiment-tag", {"experiment_id": "@e", "key": "a"})
    scenario.post("experiments/delete-experiment-tag", {"experiment_id": "@e", "key": "a"})
    scenario.get("experiments/get", {"experiment_id": "@e"})
    scenario.get("experiments/get", {"experiment_id": "@f"})
    make_run(scenario, "@f", "@r1")
    make_run(scenario, "@f", "@r2")
    scenario.post("runs/delete", {"run_id": "@r2"})
    scenario.post("experiments/delete", {"experiment_id": "@f"})
    scenario.post("experiments/delete", {"experiment_id": "@f"})
    scenario.get("experiments/get-by-name", {"experiment_name": other})
    scenario.post("experiments/create", {"name": other})
    scenario.post("experiments/set-experiment-tag", {"experiment_id": "@f", "key": "k", "value": "v"})
    scenario.post("experiments/update", {"experiment_id": "@f", "new_name": unique("n")})
    scenario.post("runs/create", {"experiment_id": "@f", "start_time": 1})
    scenario.get("runs/get", {"run_id": "@r1"})
    scenario.post("runs/log-metric", {"run_id": "@r1", "key": "m", "value": 1, "timestamp": 1})
    scenario.post("experiments/restore", {"experiment_id": "@f"})
    scenario.post("experiments/restore", {"experiment_id": "@f"})
    scenario.get("runs/get", {"run_id": "@r1"})
    scenario.get("runs/get", {"run_id": "@r2"})
    check(scenario, 120)


def test_experiment_search(scenario):
    tag = unique("group")
    for index in range(5):
        body = {"name": unique("Search"), "tags": [{"key": "g", "value": tag}, {"key": "n", "value": str(index)}]}
        scenario.post("experiments/create", body, binds=(f"@s{index}", "experiment_id"))
    scenario.post("experiments/delete", {"experiment_id": "@s4"})
    here = f"tags.g = '{tag}'"
    filters = [
        here, f"{here} AND tags.n = '2'", f"{here} AND tags.n != '2'", f"tag.g = '{tag}' AND name LIKE 'Search%'",
        f"{here} AND name LIKE 'search%'", f"{here} AND name ILIKE 'search%'", f"{here} and tags.n = '1'",
        f"{here} AND tags.n like '1'", f"{here} AND tags.zz IS NULL", f"{here} AND tags.n IS NOT NULL",
        f"{here} AND name IS NULL", f"{here} AND creation_time > 5", f"{here} AND creation_time > 5.5",
        f"{here} AND attribute.creation_time > 5", f"attributes.name = 'x'", "params.a = '1'", "bogus = 'x'",
        f"{here} AND experiment_id = '@s1'", f"{here} AND experiment_id IN ('@s1', '@s2')",
        f"{here} AND experiment_id NOT IN ('@s1')", f"{here} AND experiment_id > '1'", "name IN ('a')",
        "experiment_id = 'abc'", "experiment_id = 1", "name = 5", "name > 'a'", "tags.n > '1'", " ", "name",
        "name = 'a' OR name = 'b'", "creation_time = '5'", f"{here} AND", f"{here} AND last_update_time <= 99999999999999",
    ]
    for text in filters:
        scenario.post("experiments/search", {"max_results": 10, "filter": text, "order_by": ["name ASC"]})
    for order in (["name DESC"], ["experiment_id ASC"], ["experiment_id"], ["attribute.name"], ["tags.n"], ["name up"],
                  ["creation_time DESC", "name"], ["last_update_time ASC"], [""], ["name", "name DESC"], ["bogus"], []):
        scenario.post("experiments/search", {"max_results": 10, "filter": here, "order_by": order})
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL", 2):
        scenario.post("experiments/search", {"max_results": 10, "filter": here, "view_type": view, "order_by": ["name"]})
    for limit in (0, -1, 50000, 50001, "3", None):
        scenario.post("experiments/search", {"max_results": limit, "filter": here, "order_by": ["name"]})
    for token in ("", "nonsense", "e30=", base64.b64encode(b'{"offset": 2}').decode(), "!!!"):
        scenario.post("experiments/search", {"max_results": 2, "filter": here, "order_by": ["name"], "page_token": token})
    scenario.get("experiments/search", {"max_results": 2, "filter": here, "order_by": "name DESC"})
    scenario.post("experiments/search", {})
    check(scenario, 60)


def test_runs(scenario):
    exp = experiment(scenario)
    for fields in (
        {"run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]},
        {"run_name": "a", "tags": [{"key": "mlflow.runName", "value": "a"}]},
        {"run_name": "", "tags": [{"key": "mlflow.runName", "value": "only tag"}]},
        {"tags": [{"key": "x", "value": "1"}, {"key": "x", "value": "2"}]},
        {"tags": [{"key": "a//b", "value": "v" * 9000}]},
        {"tags": "x"}, {"tags": [5]}, {"start_time": "x"}, {"start_time": "12"}, {"start_time": None}, {"user_id": 5},
        {"experiment_id": "abc"}, {"experiment_id": "99999999"}, {"experiment_id": 0}, {"experiment_id": ""}, {"unknown": 1},
    ):
        scenario.post("runs/create", {"experiment_id": exp, "run_name": "name", "start_time": 5, **fields},
                      defect=fields.get("start_time") == "x" or "tags" in fields and fields["tags"] in ("x", [5]) or fields.get("user_id") == 5)
    make_run(scenario, exp, "@r")
    make_run(scenario, exp, "@gone", tags=[{"key": "t", "value": "u"}])
    for value in BAD:
        scenario.get("runs/get", {"run_id": value})
        for call in ("delete", "restore", "update"):
            scenario.post(f"runs/{call}", {"run_id": value})
    scenario.get("runs/get", {"run_uuid": "@r"})
    scenario.post("runs/update", {"run_uuid": "@r", "status": "FAILED"})
    scenario.post("runs/delete", {"run_uuid": "@r"})
    scenario.post("runs/update", {"runId": "@r"})
    for update in ({"status": "FINISHED", "end_time": 2000}, {"status": 1}, {"run_name": "renamed"}, {"run_name": ""},
                   {"end_time": None}, {"end_time": "77"}, {"status": "KILLED"}, {"run_name": 5}, {}):
        scenario.post("runs/update", {"run_id": "@r", **update})
    scenario.post("runs/update", {"run_id": "@r", "status": "BOGUS"}, defect=True)
    scenario.get("runs/get", {"run_id": "@r"})
    for tag in (("mlflow.runName", "via tag"), ("mlflow.runName", ""), ("k", ""), ("k", "손실 'quote' \"two\" `tick`"), ("long", "v" * 8001)):
        scenario.post("runs/set-tag", {"run_id": "@r", "key": tag[0], "value": tag[1]})
        scenario.get("runs/get", {"run_id": "@r"})
    scenario.post("runs/delete-tag", {"run_id": "@r", "key": "k"})
    scenario.post("runs/delete-tag", {"run_id": "@r", "key": "k"})
    scenario.post("runs/delete-tag", {"run_id": "@r", "key": "mlflow.runName"})
    scenario.get("runs/get", {"run_id": "@r"})
    for _ in range(2):
        scenario.post("runs/delete", {"run_id": "@gone"})
        for path, body in (
            ("log-metric", {"key": "m", "value": 1, "timestamp": 1}), ("log-parameter", {"key": "p", "value": "1"}),
            ("set-tag", {"key": "t", "value": "1"}), ("delete-tag", {"key": "t"}), ("update", {"status": "FAILED"}),
            ("log-batch", {"params": [{"key": "p", "value": "1"}]}), ("log-batch", {}),
        ):
            scenario.post(f"runs/{path}", {"run_id": "@gone", **body})
        scenario.get("runs/get", {"run_id": "@gone"})
    scenario.post("runs/restore", {"run_id": "@gone"})
    scenario.get("runs/get", {"run_id": "@gone"})
    check(scenario, 90)


def test_logging(scenario):
    exp = experiment(scenario)
    make_run(scenario, exp, "@r")
    make_run(scenario, exp, "@d")
    base = {"run_id": "@r", "key": "m", "value": 1.5, "timestamp": 10, "step": 2}
    for field in ("key", "value", "timestamp", "step", "run_id"):
        for value in (None, "", [], {}, True, "x", "-3", -3, "12", 1e300, "NaN", "Infinity", "-Infinity", 6.5, 7.0):
            body = {**base, field: value}
            text = isinstance(value, str)
            number = field == "value"
            whole = field in ("timestamp", "step")
            # What does not parse is stored as 0 with a 200 there.
            defect = (
                (number and value in ("x",))
                or (whole and (value in ("x", "NaN", "Infinity", "-Infinity") and text or value in (6.5, 1e300) or value is True))
            )
            # Elsewhere, because there the defect leaves a point behind.
            scenario.post("runs/log-metric", {**body, "run_id": "@d"} if defect else body, defect=defect)
    for name in ("a/", "a//b", "./a", "../a", "/a", ".", "x" * 251, "y" * 250, "a b:c.d-e_f/g", "손실/검증", "a,b", "a'b", "a`b", "a%"):
        scenario.post("runs/log-metric", {**base, "key": name})
        scenario.post("runs/log-parameter", {"run_id": "@r", "key": name, "value": "1"})
        scenario.post("runs/set-tag", {"run_id": "@r", "key": name, "value": "1"})
        scenario.post("runs/log-batch", {"run_id": "@r", "metrics": [{**base, "key": name}]})
    for value in ("1", "2", "1", 5, None, "", "x" * 6001, "x" * 6000, True):
        scenario.post("runs/log-parameter", {"run_id": "@r", "key": "p", "value": value})
        scenario.post("runs/log-parameter", {"run_id": "@r", "key": "q", "value": value})
    for point in ((1, 10, 5), (2, 20, 4), (3, 5, 5), (4, 10, 5), (3, 10, 5)):
        scenario.post("runs/log-metric", {"run_id": "@r", "key": "L", "value": point[0], "timestamp": point[1], "step": point[2]})
        scenario.get("runs/get", {"run_id": "@r"})
    for first in (5, -5):
        for value in (first, "NaN"):
            scenario.post("runs/log-metric", {"run_id": "@r", "key": f"n{first}", "value": value, "timestamp": 1})
    for body in (
        {"params": [{"key": "d", "value": "1"}, {"key": "d", "value": "1"}]},
        {"metrics": [{"key": "bb", "value": 1, "timestamp": 1}], "params": [{"key": "new1", "value": "1"}, {"key": "p", "value": "9"}],
         "tags": [{"key": "tb", "value": "1"}]},
        {"tags": [{"key": "dup", "value": "1"}, {"key": "dup", "value": "2"}]},
        {"metrics": [{"key": "s", "value": 1, "timestamp": 1}] * 3},
        {"metrics": [{"key": "s", "value": 1}]}, {"metrics": [{"value": 1, "timestamp": 1}]}, {"metrics": [{"key": "s", "timestamp": 1}]},
        {"metrics": "x"}, {"metrics": {}}, {"params": [{"value": "1"}]}, {"tags": [{"key": ""}]}, {"params": [{"key": "novalue"}]},
        {"tags": [{"key": "novalue"}]}, {"metrics": None}, {}, {"metrics": [], "params": [], "tags": []},
        {"metrics": [{"key": "s", "value": i, "timestamp": 1} for i in range(1001)]},
        {"params": [{"key": f"p{i}", "value": "1"} for i in range(101)]}, {"tags": [{"key": f"t{i}", "value": "1"} for i in range(101)]},
        {"metrics": [{"key": "s", "value": i, "timestamp": 1} for i in range(950)], "params": [{"key": f"p{i}", "value": "1"} for i in range(60)]},
        {"metrics": [{"key": "big", "value": i, "timestamp": i, "step": -i} for i in range(1000)]},
        {"metrics": [{"key": "s", "value": 1, "timestamp": -1}]}, {"params": [{"key": "a//b", "value": "1"}]},
        {"tags": [{"key": "mlflow.runName", "value": "by batch"}]}, {"params": [{"key": "x", "value": 5}]},
    ):
        defect = body.get("params") == [{"key": "x", "value": 5}]
        scenario.post("runs/log-batch", {"run_id": "@d" if defect else "@r", **body}, defect=defect)
    for run in ("nope", "", None, "a b", "-x", "x" * 300):
        scenario.post("runs/log-batch", {"run_id": run, "metrics": [{"key": "s", "value": 1, "timestamp": 1}]})
        scenario.get("metrics/get-history", {"run_id": run, "metric_key": "m"})
    scenario.get("runs/get", {"run_id": "@r"})
    for key in ("m", "L", "big", "s", "n-5", "none", ""):
        scenario.get("metrics/get-history", {"run_id": "@r", "metric_key": key})
        for limit in (0, -1, 1, 7, "x", 25000):
            scenario.get("metrics/get-history", {"run_id": "@r", "metric_key": key, "max_results": limit},
                         defect=limit == "x" and key != "")
    for token in (base64.b64encode(b'{"offset": 990}').decode(), "zz", "e30="):
        scenario.get("metrics/get-history", {"run_id": "@r", "metric_key": "big", "max_results": 4, "page_token": token})
    for limits in ({}, {"max_results": 1}, {"max_results": 2}, {"max_results": 7}, {"max_results": 0}, {"max_results": 2500},
                   {"max_results": 2501}, {"start_step": -50, "end_step": -10}, {"start_step": 5}, {"start_step": 5, "end_step": 1}):
        scenario.get("metrics/get-history-bulk-interval", {"run_ids": ["@r"], "metric_key": "big", **limits})
    scenario.get("metrics/get-history-bulk-interval", {"metric_key": "big"})
    scenario.get("metrics/get-history-bulk-interval", {"run_ids": ["@r"] * 101, "metric_key": "big"})
    scenario.get("metrics/get-history-bulk-interval", {"run_ids": ["@r"]})
    check(scenario, 250)


def test_run_search(scenario):
    exp = experiment(scenario)
    generator = random.Random(SEED)
    values = [0.5, 0.9, "NaN", -1, 0, 1e6, "Infinity", None]
    for index in range(12):
        name = make_run(scenario, exp, f"@q{index}", start_time=1000 + index * 7 % 12, run_name=generator.choice(["a", "A", "b%", "c d"]))
        metrics = [{"key": key, "value": value, "timestamp": 5, "step": 1} for key in ("acc", "val/loss", "손실")
                   if (value := generator.choice(values)) is not None]
        params = [{"key": key, "value": generator.choice(["0.1", "0.01", "Adam", "adam", "it's"])} for key in ("lr", "opt name") if generator.random() < 0.7]
        tags = [{"key": key, "value": generator.choice(["x", "X", "y", "", "zoë"])} for key in ("team", "a.b") if generator.random() < 0.7]
        scenario.post("runs/log-batch", {"run_id": name, "metrics": metrics, "params": params, "tags": tags})
        if index % 3 == 0:
            scenario.post("runs/update", {"run_id": name, "status": "FINISHED", "end_time": 3000 + index})
    scenario.post("runs/delete", {"run_id": "@q5"})

    def search(text="", **fields):
        return scenario.post("runs/search", {"experiment_ids": [exp], "filter": text, **fields})

    pieces = [
        "metrics.acc > 0.4", "metrics.acc >= 0.5", "metric.acc != 0.5", "metrics.acc = 0", "metrics.acc < 1e7", "metrics.`val/loss` <= -1",
        'metrics."val/loss" > .25', "metrics.`손실` != 0", "metrics.손실 > 0", "metrics.none > 0", "params.lr = '0.1'", "params.lr != '0.1'",
        'params.lr = "0.01"', "param.lr LIKE '0.%'", "parameters.`opt name` ILIKE 'ADAM'", "parameter.`opt name` LIKE 'adam'",
        "params.`opt name` = \"it's\"", "params.`opt name` = 'it''s'", "params.zz IS NULL", "params.lr IS NOT NULL", "tags.team = 'x'", "tags.team ilike 'X'",
        "tag.a.b = ''", "tags.`a.b` != ''", "tags.team LIKE 'zo_'", "tags.team IS NULL", "tags.mlflow.runName = 'a'", "run_name = 'a'", "run_name LIKE 'b%'",
        "run_name ILIKE 'A'", "attributes.run_name LIKE '%'", "attr.status = 'FINISHED'", "run.status != 'RUNNING'", "status ILIKE 'run%'", "status = 'finished'",
        "start_time > 1001", "attributes.start_time = 1000", "created <= 1002", "end_time > 0", "end_time != 3000", "user_id = 'ann'", "user_id LIKE 'A%'",
        "run_id = '@q1'", "run_id IN ('@q1', '@q2')", "run_id NOT IN ('@q1')", "run_id in ('@q3')", "artifact_uri LIKE '%artifacts'", "`run name` = 'a'",
        "datasets.name = 'd'", "dataset.context LIKE 'tr%'",
    ]
    wrong = [
        "metrics.acc > 0.4 OR metrics.acc < 0", "metrics.acc > '0.4'", "params.lr = 0.1", "tags.a-b = '1'", "METRICS.acc > 0", "metrics.acc == 1", "metrics.acc <> 1",
        "run_name IN ('A')", "status IN ('FINISHED')", "bogus.k = '1'", "bogus = '1'", "params.lr > '0.1'", "metrics.acc LIKE '1'", "start_time > '5'",
        "start_time LIKE '5'", " ", "metrics.acc", "metrics.acc >", "> 5", "NOT metrics.acc > 1", "(metrics.acc > 1)", "metrics.acc > 1; metrics.acc > 2",
        "metrics.acc BETWEEN 1 AND 2", "5 < metrics.acc", "run_id IN ()", "run_id IN (1)", "run_id IN 'a'", "params.lr = lr", "params.lr = `x`",
        "metrics.acc IS NULL", "run_id IS NULL", "datasets.bogus = '1'", "params.lr IN ('0.1')", "params.lr = '0.1", "metrics.acc > 1,", "status = FINISHED",
        "AND", "AND AND", "run_id = 'a' run_id = 'b'",
    ]
    order = {"order_by": ["run_id"]}
    for text in pieces:
        search(text, order_by=["metrics.acc", "params.lr DESC", "start_time"])
    for text in wrong:
        search(text)
    for _ in range(60):
        search(" AND ".join(generator.sample(pieces, 2)), order_by=["start_time DESC"])
    for text in ("metrics.acc > 0.4 AND ", "metrics.acc>0.4 and metrics.acc<=1e6", "metrics.acc >-2", "  metrics.acc   >   0.4  "):
        search(text)
    keys = ["metrics.acc", "metrics.`val/loss`", "params.lr", 'params."opt name"', "tags.team", "tags.`a.b`", "run_name", "status", "end_time", "created",
            "user_id", "start_time", "metrics.none"]
    for key in keys:
        for direction in ("", " ASC", " DESC", " desc"):
            search(order_by=[key + direction])
    for items in (["metrics.acc up"], ["bogus"], [""], ["metrics.acc DESC nulls"], ["datasets.name"], ["run name"], ["tags.a-b"], [5], "metrics.acc",
                  ["metrics.acc", "params.lr DESC", "start_time ASC"], ["`metrics`.acc"]):
        search(order_by=items)
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL", 3, None):
        search(run_view_type=view)
    for limit in (0, -1, 1, 5, 50000, 50001, "4"):
        search(max_results=limit)
    for token in ("", "nonsense", base64.b64encode(b'{"offset": 4}').decode(), base64.b64encode(b'{"offset": 400}').decode()):
        search(max_results=3, page_token=token)
    for ids in ([], ["99999999"], ["abc"], [exp, "99999999"], None, exp, [5]):
        scenario.post("runs/search", {"experiment_ids": ids}, defect=ids == [5])
    check(scenario, 250)


def test_forms_of_requests(scenario):
    exp = experiment(scenario)
    make_run(scenario, exp, "@r")
    tag = b'{"run_id": "@r", "key": "k", "value": "v"}'
    types = [None, "text/plain", "application/json; charset=utf-8", "application/jsonx", "application/x-www-form-urlencoded"]
    for kind in types:
        headers = {"Content-Type": kind} if kind else {}
        scenario.post("runs/set-tag", raw=tag, headers=headers)
        scenario.post("runs/log-metric", raw=b'{"run_id": "@r", "key": "m", "value": 1, "timestamp": 1}', headers=headers)
        scenario.post("runs/log-batch", raw=b'{"run_id": "@r", "tags": [{"key": "b", "value": "1"}]}', headers=headers)
        # Only POST is asked for its type.
        scenario.call("PATCH", "registered-models/update", raw=b'{"name": "nobody"}', headers=headers)
        scenario.call("DELETE", "registered-models/delete", raw=b'{"name": "nobody"}', headers=headers)
    for body in (b"", b"{", b"null", b"[]", b"5", b'"x"', b"true", b'""', json.dumps(tag.decode()).encode(), b"  " + tag + b"\n",
                 tag + b" x", tag[:-1] + b",}", tag.replace(b'"', b"'"), b"{}"):  # fmt: skip
        scenario.post("runs/set-tag", raw=body)
    for fields in (
        {"run_id": None, "run_uuid": "@r"}, {"run_id": "", "run_uuid": "@r"}, {"run_id": "@r", "run_uuid": ""}, {"runId": "@r"},
        {"run_id": "@r", "runId": "@r"}, {"run_id": "@r", "run_uuid": 5}, {"run_uuid": 5}, {"run_id": "@r", "run_uuid": "other"},
    ):  # fmt: skip
        scenario.post("runs/set-tag", {**fields, "key": "t", "value": "1"})
        for path in ("delete-tag", "log-inputs", "delete", "restore"):
            scenario.post(f"runs/{path}", {**fields, "key": "none"})
    for query in ({"run_id": "", "run_uuid": "@r"}, {"run_uuid": "@r"}, {"run_id": "@r", "unknown": "1"}):
        scenario.get("runs/get", query)
        scenario.get("metrics/get-history", {**query, "metric_key": "m"})
        scenario.get("artifacts/list", query)
    for run in ("a b", "-x", "x" * 257, "é", "nobody"):
        scenario.post("runs/log-inputs", {"run_id": run, "datasets": []})
    for value in ("0x10", "0x1p3", "+1", "1e5", "-0", "inf", "-Infinity", "1e400"):
        scenario.post("runs/log-metric", {"run_id": "@r", "key": "n", "value": value, "timestamp": 1})
        batch = {"run_id": "@r", "metrics": [{"key": "n", "value": value, "timestamp": 1}]}
        scenario.post("runs/log-batch", batch, defect=value.startswith("0x"))
    for end in (0, 77, 0, None, -5):
        scenario.post("runs/update", {"run_id": "@r", "end_time": end})
    for number in ("-1", "99999999"):
        scenario.post("runs/create", {"experiment_id": number, "start_time": 1})
    scenario.get("runs/get", {"run_id": "@r"})
    check(scenario, 90)


def test_quotes_around_names(scenario):
    exp = experiment(scenario)
    for index in range(3):
        make_run(scenario, exp, f"@n{index}", start_time=10 + index)
        metrics = [{"key": "acc", "value": -index, "timestamp": 1}]
        tags = [{"key": "a b", "value": str(index)}, {"key": "acc", "value": str(-index)}]
        scenario.post("runs/log-batch", {"run_id": f"@n{index}", "metrics": metrics, "tags": tags})
    names = ["{}.'{}'", '{}."{}"', "{}.`{}`"]
    for form in names:
        for entity, key, value in (("tags", "a b", "'1'"), ("tags", "acc", "'-1'"), ("metrics", "acc", "-1"), ("attributes", "run_name", "'n1'")):
            scenario.post("runs/search", {"experiment_ids": [exp], "filter": f"{form.format(entity, key)} = {value}"})
            scenario.post("runs/search", {"experiment_ids": [exp], "order_by": [form.format(entity, key) + " DESC"]})
    for name in ('"start_time"', "`start_time`", "'start_time'", '"Created"', '"end_time" DESC', '"bogus"', '"metrics".acc', '"metrics.acc"'):
        scenario.post("runs/search", {"experiment_ids": [exp], "order_by": [name]})
    for text in ("\"run_name\" = 'n1'", "'run_name' = 'n1'", "`run_name` = 'n1'", "\"start_time\" > 10", "'tags'.acc = '-1'"):
        scenario.post("runs/search", {"experiment_ids": [exp], "filter": text})
    check(scenario, 35)
