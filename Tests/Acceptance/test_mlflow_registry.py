"""The model registry, logged models and inputs: MLflow's own server and this one are asked the same and must answer the
same, field by field, times and ids aside."""

from conftest import Server
from mlflow_peer import Peer, Scenario
from mlflow_server import MLflowServer


def run_of(scenario, name):
    body = {"experiment_id": "0", "start_time": 1, "run_name": name}
    scenario.call("POST", "runs/create", body, (f"@{name}@", "run", "info", "run_id"))


def registered_models(s):
    create = lambda body: s.call("POST", "registered-models/create", body)  # noqa: E731
    create({"name": "N"})
    create({"name": "N"})
    create({"name": "tagged", "description": "words", "tags": [{"key": "a", "value": "1"}, {"key": "b", "value": ""}]})
    create({"name": "twice", "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]})
    create({"name": "empty description", "description": ""})
    for name in ["", "  ", None, 5, "a/b", "a:b", "..", ".", "a" * 300, "모델", "q'\"`x", "%_", "N ", "n"]:
        create({"name": name})
    create({})
    create({"name": "bad", "tags": "x"})
    create({"name": "bad", "tags": [{"key": "a//b", "value": "1"}]})
    create({"name": "bad", "tags": [{"key": "k" * 251, "value": "1"}]})
    create({"name": "bad", "tags": [{"key": "k", "value": "v" * 100_001}]})
    create({"name": "bad", "description": 5})
    for name in ["N", "tagged", "twice", "모델", "nope", "", "a/b", "bad"]:
        s.call("GET", "registered-models/get", {"name": name})
    s.call("GET", "registered-models/get")
    for body in [
        {"name": "N", "description": "new"}, {"name": "N", "description": ""}, {"name": "tagged"}, {"name": "nope"},
        {"name": "N", "description": None}, {"description": "x"}, {"name": "N", "description": 7},
    ]:  # fmt: skip
        s.call("PATCH", "registered-models/update", body)
        s.call("GET", "registered-models/get", {"name": body.get("name") or "N"})
    for body in [
        {"name": "N", "key": "k", "value": "v"}, {"name": "N", "key": "k", "value": "w"}, {"name": "N", "key": "e"},
        {"name": "N", "key": "n", "value": None}, {"name": "N", "key": "n5", "value": 5}, {"name": "N", "value": "v"},
        {"name": "nope", "key": "k", "value": "v"}, {"key": "k", "value": "v"}, {"name": "N", "key": "a b/c", "value": "v"},
        {"name": "N", "key": "../x", "value": "v"}, {"name": "N", "key": "k" * 250, "value": "v"},
        {"name": "N", "key": "k" * 251, "value": "v"}, {"name": "N", "key": "l", "value": "v" * 100_000},
        {"name": "N", "key": "l", "value": "v" * 100_001}, {"name": "N", "key": "키", "value": "값"},
    ]:  # fmt: skip
        s.call("POST", "registered-models/set-tag", body)
    s.call("GET", "registered-models/get", {"name": "N"})
    for body in [{"name": "N", "key": "k"}, {"name": "N", "key": "k"}, {"name": "nope", "key": "k"}, {"name": "N"}, {}]:
        s.call("DELETE", "registered-models/delete-tag", body)
    s.call("GET", "registered-models/get", {"name": "N"})


def versions(s):
    run_of(s, "r1")
    run_of(s, "r2")
    create = lambda body: s.call("POST", "model-versions/create", body)  # noqa: E731
    source = "mlflow-artifacts:/0/@r1@/artifacts/model"
    create({"name": "N", "source": source, "run_id": "@r1@"})
    create({"name": "N", "source": source, "run_id": "@r1@", "description": "d", "run_link": "http://l",
            "tags": [{"key": "t", "value": "1"}]})  # fmt: skip
    create({"name": "N", "source": "s3://bucket/x"})
    create({"name": "N", "source": "runs:/@r1@/m", "run_id": "@r1@"})
    create({"name": "tagged", "source": "s3://bucket/y", "run_id": "@r2@"})
    for body in [
        {"name": "N"}, {"source": "s3://b/x"}, {"name": "nope", "source": "s3://b/x"}, {"name": "N", "source": ""},
        {"name": "N", "source": "/tmp/x"}, {"name": "N", "source": "file:///etc"}, {"name": "N", "source": "relative/x"},
        {"name": "N", "source": "s3://b/../x"}, {"name": "N", "source": "runs:/@r1@/m"},
        {"name": "N", "source": "runs:/@r1@/m", "run_id": "@r2@"}, {"name": "N", "source": source},
        {"name": "N", "source": source, "run_id": "@r2@"}, {"name": "N", "source": source, "run_id": "nope"},
        {"name": "N", "source": "mlflow-artifacts:/0/@r1@/artifacts/../../x", "run_id": "@r1@"},
        {"name": "N", "source": "mlflow-artifacts:/0/@r1@/artifacts/%2e%2e/x", "run_id": "@r1@"},
        {"name": "N", "source": "models:/m-nope"},
        {"name": "N", "source": "models:/nope/1"}, {"name": "N", "source": "models:/N/99"}, {"name": "N", "source": "models:/"},
        {"name": "N", "source": "s3://b/x", "tags": [{"key": "a//b", "value": ""}]}, {"name": "N", "source": 5},
        {"name": "a/b", "source": "s3://b/x"}, {"name": "N", "source": "s3://b"}, {"name": "N", "source": "s3://b/"},
        {"name": "N", "source": "s3://b/./x"}, {"name": "N", "source": "http://host/x"}, {"name": "N", "source": "ftp://host/x"},
        {"name": "N", "source": "hdfs://host:80/x"}, {"name": "N", "source": "models:/N@nobody"}, {"name": "N", "source": "s3:x"},
        {"name": "N", "source": "models:/m-nope/x"}, {"name": "N", "source": "models:/N/1", "model_id": "m-nope"},
        {"name": "N", "source": "s3://b/%2e%2e/x"}, {"name": "N", "source": "s3://b/x?y=../z"},
    ]:  # fmt: skip
        create(body)
    missing = {"name": "N", "source": "models:/m-nope", "model_id": "m-nope"}
    s.call("POST", "model-versions/create", missing, instead=400)
    for source in ["s3://b/x#part", "s3://b//x/", "s3://b/" + "x" * 400, "s3://b/é ü", "dbfs:/x"]:
        create({"name": "twice", "source": source})
    create({"name": "tagged", "source": "models:/N/1"})
    create({"name": "tagged", "source": "models:/N/1", "run_id": "@r2@"})
    for number in ["1", "2", "3", "4", "5", "99", "0", "-1", "x", "", "1.5", " 1"]:
        s.call("GET", "model-versions/get", {"name": "N", "version": number})
        s.call("GET", "model-versions/get-download-uri", {"name": "N", "version": number})
    s.call("GET", "model-versions/get", {"name": "N"})
    s.call("GET", "model-versions/get", {"version": "1"})
    s.call("GET", "model-versions/get", {"name": "nope", "version": "1"})
    for number in ["1", "2", "3"]:
        s.call("GET", "model-versions/get-download-uri", {"name": "tagged", "version": number})
        s.call("GET", "model-versions/get", {"name": "tagged", "version": number})
    for body in [
        {"name": "N", "version": "1", "description": "D"}, {"name": "N", "version": "1"}, {"name": "N", "version": "77"},
        {"name": "N", "version": 1, "description": "D"}, {"name": "N", "description": "D"},
    ]:  # fmt: skip
        s.call("PATCH", "model-versions/update", body)
    for body in [
        {"name": "N", "version": "1", "key": "k", "value": "v"}, {"name": "N", "version": "1", "key": "k2"},
        {"name": "N", "version": "9", "key": "k", "value": "v"}, {"name": "N", "version": "1", "value": "v"},
        {"name": "N", "version": "1", "key": "x//", "value": "v"}, {"name": "N", "version": "y", "key": "k", "value": "v"},
        {"name": "N", "key": "k", "value": "v"}, {"name": "N", "version": "2", "key": "k", "value": "z"},
    ]:  # fmt: skip
        s.call("POST", "model-versions/set-tag", body)
    s.call("GET", "model-versions/get", {"name": "N", "version": "1"})
    for body in [
        {"name": "N", "version": "1", "key": "k2"}, {"name": "N", "version": "1", "key": "k2"},
        {"name": "N", "version": "9", "key": "k"}, {"name": "N", "version": "1"},
    ]:  # fmt: skip
        s.call("DELETE", "model-versions/delete-tag", body)


def stages_and_aliases(s):
    move = lambda **body: s.call("POST", "model-versions/transition-stage", body)  # noqa: E731
    latest = lambda body: s.call("POST", "registered-models/get-latest-versions", body)  # noqa: E731
    move(name="N", version="1", stage="Production")
    move(name="N", version="2", stage="staging")
    move(name="N", version="3", stage="PRODUCTION", archive_existing_versions=True)
    move(name="N", version="1", stage="Bogus")
    move(name="N", version="1")
    move(name="N", stage="Staging")
    move(name="N", version="88", stage="Staging")
    move(name="nope", version="1", stage="Staging")
    move(name="N", version="x", stage="Staging")
    s.call("POST", "model-versions/transition-stage",
           {"name": "N", "version": "1", "stage": "None", "archive_existing_versions": True}, instead=400)  # fmt: skip
    for body in [
        {"name": "N"}, {"name": "N", "stages": ["Production"]}, {"name": "N", "stages": ["none", "ARCHIVED"]},
        {"name": "N", "stages": ["x"]}, {"name": "N", "stages": []}, {"name": "nope"}, {}, {"name": "N", "stages": "None"},
    ]:  # fmt: skip
        latest(body)
    s.call("GET", "registered-models/get-latest-versions", {"name": "N", "stages": ["Staging", "None"]})
    s.call("GET", "registered-models/get", {"name": "N"})
    alias = lambda **body: s.call("POST", "registered-models/alias", body)  # noqa: E731
    alias(name="N", alias="champ", version="1")
    alias(name="N", alias="champ", version="2")
    alias(name="N", alias="other-one_2", version="2")
    alias(name="tagged", alias="champ", version="1")
    for name in ["latest", "LATEST", "v1", "V22", "v", "va", "a b", "a.b", "é", "a" * 255, "a" * 256, ""]:
        alias(name="N", alias=name, version="1")
    alias(name="N", alias="x", version="99")
    alias(name="N", alias="x", version="z")
    alias(name="nope", alias="x", version="1")
    alias(name="N", alias="x")
    alias(name="N", version="1")
    for name in ["champ", "latest", "zz", "a b", "", "v1"]:
        s.call("GET", "registered-models/alias", {"name": "N", "alias": name})
    s.call("GET", "registered-models/alias", {"name": "nope", "alias": "a"})
    s.call("GET", "registered-models/alias", {"name": "twice", "alias": "latest"})
    s.call("GET", "registered-models/get", {"name": "N"})
    s.call("GET", "model-versions/get", {"name": "N", "version": "2"})
    latest({"name": "N"})
    for body in [
        {"name": "N", "alias": "other-one_2"}, {"name": "N", "alias": "other-one_2"}, {"name": "nope", "alias": "a"},
        {"name": "N"}, {"name": "N", "alias": "a b"},
    ]:  # fmt: skip
        s.call("DELETE", "registered-models/alias", body)


def searches(s):
    models = lambda **query: s.call("GET", "registered-models/search", query)  # noqa: E731
    found = lambda **query: s.call("GET", "model-versions/search", query)  # noqa: E731
    s.call("POST", "registered-models/create", {"name": "prompt", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]})
    s.call("POST", "model-versions/create", {"name": "prompt", "source": "prompt-template",
           "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]})  # fmt: skip
    prompt = "tags.`mlflow.prompt.is_prompt`"
    filters = [
        "", "name = 'N'", "name != 'N'", "name LIKE 'n%'", "name ILIKE 'n%'", "name like 'N'", "name IN ('N', 'twice')",
        "name NOT IN ('N')", "name = \"N\"", "name = N", "name = 5", "name > 'N'", "name == 'N'", "name LIKE '%\\%%'", "name LIKE '_'",
        "tags.a = '1'", "tag.a != '1'", "tags.a LIKE '_'", "tags.a IN ('1')", "tags.a = 1", "tags.a = '1' AND tags.b = ''",
        "tags.a != '1' AND tags.a != '2'", "tags.nothing = 'x'", "tags.nothing != 'x'", "name = 'N' AND tags.`a b/c` = 'v'",
        "name = 'N' OR name = 'n'", "bogus = 'x'", "bogus.x = 'x'", "attribute.name = 'N'", "attributes.name = 'N'", "name", " ",
        "name = 'N' AND", "name = 'N';name = 'N'", "(name = 'N')", "name = 'it''s'", "name = '모델'",
        f"{prompt} = 'true'", f"{prompt} != 'true'", f"{prompt} = 'false'", f"{prompt} != 'false'", "version_number = 1",
    ]  # fmt: skip
    for text in filters:
        models(filter=text)
    for order in [
        ["name"], ["name DESC"], ["name asc"], ["last_updated_timestamp DESC"], ["timestamp"], ["creation_timestamp"], ["bogus"],
        ["name foo"], ["name DESC", "timestamp"], [""], ["name ASC extra"],
    ]:  # fmt: skip
        models(order_by=order)
    s.call("GET", "registered-models/search", {"order_by": ["name", "name DESC"]}, instead=400)
    s.call("GET", "registered-models/search", {"filter": "name IS NULL"}, instead=400)
    s.call("GET", "registered-models/search", {"max_results": -1}, instead=400)
    for limit in [1, 3, 1000, 1001, "x", 0]:
        models(max_results=limit)
    models(max_results=2, page_token="eyJvZmZzZXQiOiAyfQ==")
    models(page_token="rubbish!")
    models(page_token="")
    for text in [
        "", "name = 'N'", "name LIKE 't%'", "name IN ('N','tagged')", "run_id = '@r1@'", "run_id IN ('@r1@')", "run_id != '@r1@'",
        "run_id LIKE '%a%' AND name = 'zz'", "source_path = 's3://bucket/x'", "source_path LIKE 's3%'", "source_path IN ('x')",
        "version_number = 1", "version_number > 1", "version_number <= 2", "version_number != 2", "version_number = '2'",
        "version_number = 1.5", "version_number LIKE '1'", "version_number = 'x'", "version_number IN (1)", "version = 1",
        "current_stage = 'None'", "tags.k = 'v'", "tags.k != 'v'", "tags.t = '1' AND name = 'N'", "tags.k ILIKE 'V'", "name = 5",
        "name = 'N' AND version_number > 1 AND version_number < 4", f"{prompt} = 'true'", f"{prompt} != 'true'", "x.y = 'z'", " ",
        "creation_timestamp > 5",
    ]:  # fmt: skip
        found(filter=text, order_by=["name", "version_number"])
    for order in [
        ["name"], ["version_number DESC"], ["version_number", "name DESC"], ["creation_timestamp", "name"], ["run_id"], ["version"],
        ["name foo"],
    ]:  # fmt: skip
        found(order_by=order)
    for limit in [1, 2, 200_000, 200_001, 0, -1, "x"]:
        found(max_results=limit, order_by=["name", "version_number"])


def renames_and_deletions(s):
    for body in [
        {"name": "twice", "new_name": "renamed"}, {"name": "twice", "new_name": "x"}, {"name": "renamed", "new_name": "tagged"},
        {"name": "renamed"}, {"name": "renamed", "new_name": ""}, {"name": "renamed", "new_name": "a/b"}, {"new_name": "z"},
        {"name": "renamed", "new_name": "renamed"}, {"name": "N", "new_name": "M"},
    ]:  # fmt: skip
        s.call("POST", "registered-models/rename", body)
    s.call("GET", "registered-models/get", {"name": "M"})
    s.call("GET", "registered-models/get", {"name": "N"})
    s.call("GET", "model-versions/get", {"name": "M", "version": "2"})
    s.call("GET", "registered-models/alias", {"name": "M", "alias": "champ"})
    for body in [
        {"name": "M", "version": "2"}, {"name": "M", "version": "2"}, {"name": "M", "version": "4"}, {"name": "M"},
        {"name": "nope", "version": "1"}, {"name": "M", "version": "x"},
    ]:  # fmt: skip
        s.call("DELETE", "model-versions/delete", body)
    s.call("GET", "registered-models/get", {"name": "M"})
    s.call("GET", "registered-models/alias", {"name": "M", "alias": "champ"})
    s.call("GET", "model-versions/search", {"filter": "name = 'M'", "order_by": ["version_number"]})
    s.call("POST", "model-versions/create", {"name": "M", "source": "s3://b/new"})
    for body in [{"name": "M"}, {"name": "M"}, {}, {"name": ""}]:
        s.call("DELETE", "registered-models/delete", body)
    s.call("GET", "model-versions/search", {"filter": "name = 'M'"})
    s.call("POST", "registered-models/create", {"name": "M"})
    s.call("POST", "model-versions/create", {"name": "M", "source": "s3://b/new"})


def logged_models(s):
    def create(bind, **body):
        s.call("POST", "logged-models", {"experiment_id": "0", **body}, (f"@{bind}@", "model", "info", "model_id"))

    create("m1", name="first", source_run_id="@r1@", model_type="kind", params=[{"key": "p", "value": "1"}],
           tags=[{"key": "t", "value": "x"}, {"key": "u", "value": ""}])  # fmt: skip
    create("m2", name="second")
    create("m3", name="first", params=[{"key": "lr", "value": "0.1"}, {"key": "p", "value": "2"}])
    for body in [
        {"name": "a/b"}, {"name": "a:b"}, {"name": "a.b"}, {"name": "50%"}, {"name": 'q"'}, {"name": "q'"}, {"name": 5},
        {"experiment_id": "99"}, {"experiment_id": "x"}, {"experiment_id": 0}, {"params": "x"},
    ]:  # fmt: skip
        s.call("POST", "logged-models", {"experiment_id": "0", "name": "ok", **body})
    s.call("POST", "logged-models", {"name": "x"})
    s.call("GET", "logged-models/m-nope")
    s.call("GET", "logged-models/@m1@")
    for body in [
        {"model_id": "@m1@", "status": "LOGGED_MODEL_READY"}, {"model_id": "@m1@", "status": 3}, {"model_id": "@m1@"},
        {"model_id": "@m1@", "status": "LOGGED_MODEL_READY"}, {"status": "LOGGED_MODEL_READY"},
    ]:  # fmt: skip
        s.call("PATCH", "logged-models/@m1@", body)
    s.call("PATCH", "logged-models/m-nope", {"model_id": "m-nope", "status": "LOGGED_MODEL_READY"})
    for tags in [[{"key": "t", "value": "y"}, {"key": "new", "value": "1"}], [], "x", [{"key": "e"}]]:
        s.call("PATCH", "logged-models/@m1@/tags", {"tags": tags})
    s.call("PATCH", "logged-models/m-nope/tags", {"tags": [{"key": "t", "value": "y"}]})
    for key in ["new", "new", "zz"]:
        s.call("DELETE", f"logged-models/@m1@/tags/{key}")
    s.call("DELETE", "logged-models/m-nope/tags/t")
    s.call("POST", "logged-models/@m2@/params", {"model_id": "@m2@", "params": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]})
    s.call("POST", "logged-models/@m2@/params", {"model_id": "@m2@", "params": [{"key": "a", "value": "1"}]}, instead=400)
    s.call("POST", "logged-models/m-nope/params", {"model_id": "m-nope", "params": [{"key": "a", "value": "1"}]}, instead=404)
    s.call("POST", "logged-models/@m2@/params", {"params": [{"key": "c", "value": "1"}]})
    point = {"run_id": "@r1@", "key": "acc", "timestamp": 10}
    for model, value, step, extra in [
        ("@m1@", 0.5, 0, {}), ("@m1@", 0.9, 1, {}), ("@m2@", 0.7, 0, {}), ("@m1@", 0.5, 0, {}),
        ("@m2@", 0.2, 3, {"dataset_name": "d", "dataset_digest": "1"}), ("@m3@", -4, 2, {"timestamp": 20}),
    ]:  # fmt: skip
        s.call("POST", "runs/log-metric", {**point, "model_id": model, "value": value, "step": step, **extra})
    s.call("POST", "runs/log-metric", {**point, "model_id": "m-nope", "value": 1, "step": 9})
    s.call("POST", "runs/log-batch", {"run_id": "@r1@", "metrics": [
        {"key": "f1", "value": 1.5, "timestamp": 1, "step": 0, "model_id": "@m2@", "dataset_name": "d", "dataset_digest": "2"},
        {"key": "plain", "value": 2, "timestamp": 1, "step": 0}]})  # fmt: skip
    for model in ["@m1@", "@m2@", "@m3@"]:
        s.call("GET", f"logged-models/{model}")
    for text in [
        "", "name = 'first'", "name LIKE 'sec%'", "name ILIKE 'SEC%'", "name IN ('first')", "name != 'first'", "params.p = '1'",
        "params.p != '1'", "params.lr LIKE '0%'", "tags.t = 'y'", "tags.t = 'x'", "metrics.acc > 0.6", "metrics.acc = 0.5",
        "metrics.acc < 0", "metrics.acc != 0.5", "metrics.f1 >= 1.5", "model_type = 'kind'", "source_run_id = '@r1@'", "model_id = '@m1@'",
        "status = '2'", "creation_timestamp > 5", "creation_timestamp < 5", "attributes.name = 'first'",
        "name = 'first' AND metrics.acc > 0.6", "name like 'first'",
        "metric.acc > 0.6", "name = 'first' OR name = 'second'", "metrics.acc LIKE 'x'",
    ]:  # fmt: skip
        s.call("POST", "logged-models/search", {"experiment_ids": ["0"], "filter": text})
    for body in [
        {"datasets": [{"dataset_name": "d", "dataset_digest": "1"}]}, {"datasets": [{"dataset_digest": "1"}]},
        {"datasets": [{"dataset_name": "d", "dataset_digest": "2"}], "filter": "metrics.acc > 0.1"},
        {"order_by": [{"field_name": "name"}]}, {"order_by": [{"field_name": "name", "ascending": False}]},
        {"order_by": [{"field_name": "metrics.acc"}]}, {"order_by": [{"field_name": "metrics.acc", "ascending": False}]},
        {"order_by": [{"field_name": "metrics.acc", "dataset_name": "d"}]}, {"order_by": [{"field_name": "creation_timestamp"}]},
        {"order_by": [{"field_name": "params.p"}]}, {"order_by": [{}]}, {"order_by": ["name"]},
        {"order_by": [{"field_name": "metrics.acc", "dataset_digest": "1"}]},
        {"max_results": 2}, {"max_results": 0}, {"max_results": "x"},
    ]:  # fmt: skip
        s.call("POST", "logged-models/search", {"experiment_ids": ["0"], **body})
    s.call("POST", "logged-models/search", {"experiment_ids": ["0"], "page_token": "junk"}, instead=400)
    for text in ["bogus = 'x'", "metrics.acc > 'x'"]:
        s.call("POST", "logged-models/search", {"experiment_ids": ["0"], "filter": text}, instead=400)
    s.call("POST", "logged-models/search", {"experiment_ids": []})
    s.call("POST", "logged-models/search", {})
    s.call("POST", "logged-models/search", {"experiment_ids": [0]})
    s.call("POST", "model-versions/create", {"name": "M", "source": "models:/@m1@", "model_id": "@m1@"})
    s.call("POST", "model-versions/create", {"name": "M", "source": "models:/@m1@"})
    s.call("POST", "model-versions/create", {"name": "M", "source": "models:/@m1@", "model_id": "@m2@"})
    s.call("POST", "model-versions/create", {"name": "M", "source": "mlflow-artifacts:/0/models/@m2@/artifacts/x", "model_id": "@m2@"})
    s.call("POST", "model-versions/create", {"name": "M", "source": "mlflow-artifacts:/0/models/@m2@/artifacts/x", "model_id": "@m1@"})
    for number in ["2", "3"]:
        s.call("GET", "model-versions/get", {"name": "M", "version": number})
        s.call("GET", "model-versions/get-download-uri", {"name": "M", "version": number})
    s.call("GET", "logged-models/@m1@")
    s.call("GET", "logged-models/@m1@/artifacts/directories")
    s.call("GET", "logged-models/m-nope/artifacts/directories")
    s.call("DELETE", "logged-models/@m3@")
    s.call("GET", "logged-models/@m3@")
    s.call("GET", "logged-models/@m3@", {"allow_deleted": "true"})
    s.call("GET", "logged-models/@m3@", {"allow_deleted": "maybe"})
    s.call("POST", "logged-models/search", {"experiment_ids": ["0"]})
    s.call("DELETE", "logged-models/m-nope")


def inputs_and_outputs(s):
    train = {"name": "train", "digest": "abc", "source_type": "local", "source": '{"uri":"x"}', "schema": "{}", "profile": "{}"}
    log = lambda body: s.call("POST", "runs/log-inputs", body)  # noqa: E731
    log({"run_id": "@r1@", "datasets": [{"dataset": train, "tags": [{"key": "mlflow.data.context", "value": "training"}]}]})
    log({"run_id": "@r1@", "datasets": [{"dataset": {**train, "schema": "other"}, "tags": [{"key": "n", "value": "1"}]}]})
    log({"run_id": "@r2@", "datasets": [{"dataset": {**train, "profile": "other"}}, {"dataset": {**train, "digest": "def"}}]})
    log({"run_id": "@r2@", "models": [{"model_id": "@m1@"}]})
    log({"run_id": "@r2@", "datasets": [{"dataset": {"name": "bare"}}]})
    for body in [
        {}, {"run_id": "nope", "datasets": []}, {"run_id": "@r1@"}, {"run_id": "@r1@", "datasets": "x"},
        {"run_id": "@r1@", "datasets": [{"dataset": {**train, "name": "n" * 501}}]},
        {"run_id": "@r1@", "datasets": [{"dataset": {**train, "digest": "d" * 37}}]},
        {"run_id": "@r1@", "datasets": [{"dataset": train, "tags": [{"key": "k" * 256, "value": ""}]}]},
        {"run_id": "@r1@", "datasets": [{"dataset": train, "tags": [{"key": "k", "value": "v" * 501}]}]},
    ]:  # fmt: skip
        log(body)
    s.call("POST", "runs/outputs", {"run_id": "@r1@", "models": [{"model_id": "@m1@", "step": 4}, {"model_id": "@m2@"}]})
    for body in [{"run_id": "@r1@"}, {"models": []}, {"run_id": "nope", "models": [{"model_id": "@m1@"}]}]:
        s.call("POST", "runs/outputs", body)
    for run in ["@r1@", "@r2@"]:
        s.call("GET", "runs/get", {"run_id": run})
    for ids in [["0"], [], ["99"], ["x"], [str(n) for n in range(21)]]:
        if ids != ["x"]:
            s.call("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": ids})


def files(s):
    proxy = "/api/2.0/mlflow-artifacts/artifacts"
    for peer in s.peers:
        for path, data in [("d/a.txt", b"1"), ("d/empty", b""), ("d/e/f.json", b"{}"), ("top", b"xyz")]:
            peer.session.put(f"{peer.url}{proxy}/0/{peer.ids['@r1@']}/artifacts/{path}", data=data, timeout=30)
            peer.session.put(f"{peer.url}{proxy}/0/models/{peer.ids['@m1@']}/artifacts/{path}", data=data, timeout=30)
    for path in ["", "d", "d/", "d/e", "d/a.txt", "nope", "../x", "/abs"]:
        s.call("GET", "artifacts/list", {"run_id": "@r1@", "path": path})
        s.call("GET", "logged-models/@m1@/artifacts/directories", {"artifact_directory_path": path})
        s.call("GET", proxy, {"path": f"0/@r1@/artifacts/{path}" if path[:1] not in "/." else path})
    s.call("GET", "artifacts/list", {"run_id": "nope"})
    s.call("GET", "artifacts/list")
    s.call("GET", "/api/2.0/mlflow-artifacts/presigned/0/x")
    for owner in [{"run_id": "@r1@"}, {"run_id": "nope"}, {"model_id": "@m1@"}, {"model_id": "m-nope"}]:
        s.call("POST", "artifacts/presigned-upload-url", {**owner, "path": "x"})
    s.call("GET", "/ajax-api/2.0/mlflow/logged-models/@m1@/artifacts/files")
    s.call("GET", "/get-artifact", {"run_id": "nope", "path": "x"})


def test_the_same_answers_as_mlflow(tmp_path):
    ours = Server(tmp_path / "ours")
    theirs = MLflowServer(tmp_path / "theirs")
    try:
        scenario = Scenario(Peer(ours.url), Peer(theirs.url))
        for part in [registered_models, versions, stages_and_aliases, searches, renames_and_deletions, logged_models,
                     inputs_and_outputs, files]:  # fmt: skip
            part(scenario)
        scenario.check(400)
    finally:
        theirs.stop()
        ours.stop()
