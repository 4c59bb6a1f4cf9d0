"""Ensembles through the API: trained in five ways or of models that are there; sharpness of minima."""

import math
import random
import statistics
import threading
import time

import pytest
import requests

from conftest import digits

SMALL = digits(
    dataset={"name": "digits", "limit": 600, "validation": 0.25, "test": 0.2},
    model={"layers": [{"type": "linear", "out": 16}, {"type": "relu"}, {"type": "linear", "out": 10}]},
    optimizer={"type": "adam", "lr": 0.01},
    train={"epochs": 4, "batch_size": 32},
)


def put_csv(server, name, header, rows, task="classification"):
    text = "\n".join([",".join(header), *(",".join(map(str, row)) for row in rows)])
    answer = server.request(
        "PUT", f"/api/v1/datasets/{name}?format=csv&label={header[-1]}&task={task}", data=text.encode()
    )
    assert answer.status_code == 201, answer.text


def begin(server, **request):
    answer = server.request("POST", "/api/v1/ensembles", json=request, timeout=120)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/api/v1/ensembles/{answer.json()['id']}"
    return answer.json()


def settled(server, ensemble, state="finished", timeout=120):
    deadline = time.monotonic() + timeout
    while True:
        found = server.get(f"/api/v1/ensembles/{ensemble['id']}")
        if found["state"] == state:
            return found
        assert found["state"] == "running" and time.monotonic() < deadline, found
        time.sleep(0.05)


def train(server, method, members, base, **more):
    return settled(server, begin(server, train={"method": method, "members": members, "base": base}, **more))


def mean_of(ensemble, key):
    return statistics.fmean(m["metrics"][key] for m in ensemble["members"])


def last(server, run, key):
    return server.curve(run, key)["values"][-1]


def test_G11_seeds(server):
    started = begin(server, train={"method": "seeds", "members": 4, "base": SMALL})
    assert started["state"] == "running" and len(started["members"]) == 4 and started["ensemble"] == {}
    found = settled(server, started)
    runs = [m["run_id"] for m in found["members"]]
    assert len(set(runs)) == 4 and [m["state"] for m in found["members"]] == ["finished"] * 4
    for member in found["members"]:
        for key in ["val/loss", "val/accuracy", "test/loss", "test/accuracy"]:
            assert member["metrics"][key] == pytest.approx(last(server, member["run_id"], key), rel=1e-5)
        assert "trained_on_validation_examples" not in member
        tags = server.get(f"/api/v1/runs/{member['run_id']}")["tags"]
        assert tags["ensemble"] == str(found["id"])
    assert len({last(server, run, "val/loss") for run in runs}) == 4
    for part in ["val", "test"]:
        assert found["ensemble"][f"{part}/loss"] < mean_of(found, f"{part}/loss")
        assert found["ensemble"][f"{part}/accuracy"] >= mean_of(found, f"{part}/accuracy")
    # The same models by name say the same.
    again = begin(server, members=[{"run_id": run, "checkpoint": "latest"} for run in runs], split="validation")
    assert again["state"] == "finished" and again["method"] == "members"
    assert again["ensemble"]["val/loss"] == pytest.approx(found["ensemble"]["val/loss"], rel=1e-12)
    assert set(again["ensemble"]) == {"val/loss", "val/accuracy"}
    listed = server.get("/api/v1/ensembles?limit=1")
    assert [e["id"] for e in listed["ensembles"]] == [again["id"]]
    rest = server.get(f"/api/v1/ensembles?page_token={listed['next_page_token']}")
    assert rest["ensembles"] == [found] and "next_page_token" not in rest
    # The same request trains the same bits.
    twin = train(server, "seeds", 4, SMALL)
    assert twin["ensemble"] == found["ensemble"]


def softmax(logits):
    powers = [math.exp(z - max(logits)) for z in logits]
    return [p / sum(powers) for p in powers]


def test_G11_probabilities_are_averaged(server):
    """Against the outputs of the models themselves, on a test split that is known here."""
    rows = [(random.Random(i).gauss(i % 3, 1.5), random.Random(-i).gauss(i % 3, 1.5), i % 3) for i in range(120)]
    put_csv(server, "blobs", ["a", "b", "kind"], rows)
    base = {"dataset": {"name": "blobs", "validation": 0, "test": 0}, "optimizer": {"type": "adam", "lr": 0.02},
            "model": {"preset": "mlp", "hidden": [5]}, "train": {"epochs": 3}}
    runs = [server.run_job({**base, "seed": seed})["run_id"] for seed in range(3)]
    found = begin(server, members=[{"run_id": run} for run in runs], split="train")
    inputs = [row[:2] for row in rows]
    each = []
    for run in runs:
        answer = server.request("POST", f"/api/v1/runs/{run}/predict", json={"inputs": inputs}).json()
        each.append([softmax(logits) for logits in answer["outputs"]])
    mean = [[statistics.fmean(m[i][c] for m in each) for c in range(3)] for i in range(len(rows))]
    loss = statistics.fmean(-math.log(p[row[2]]) for p, row in zip(mean, rows))
    accuracy = statistics.fmean(max(range(3), key=lambda c: p[c]) == row[2] for p, row in zip(mean, rows))
    assert found["ensemble"]["train/loss"] == pytest.approx(loss, rel=1e-5)
    assert found["ensemble"]["train/accuracy"] == pytest.approx(accuracy)


def test_models_that_have_seen_the_examples_are_told(server):
    runs = [server.run_job({**SMALL, "seed": seed})["run_id"] for seed in (1, 2)]
    found = begin(server, members=[{"run_id": run} for run in runs])
    assert "trained_on_validation_examples" not in found["members"][0]
    # Another seed cuts other parts: most of the first one's validation part is in the second one's training part.
    assert 30 < found["members"][1]["trained_on_validation_examples"] < 150


def test_G2_folds(server):
    base = {"dataset": {"name": "iris"}, "model": {"preset": "mlp", "hidden": [8]}, "seed": 3,
            "optimizer": {"type": "adam", "lr": 0.02}, "train": {"epochs": 20}}
    found = train(server, "folds", 4, base)
    assert [m["fold"] for m in found["members"]] == [0, 1, 2, 3]
    assert sum(m["examples"] for m in found["members"]) == 150
    for key in ["val/loss", "val/accuracy"]:
        values = [last(server, m["run_id"], key) for m in found["members"]]
        assert [m["metrics"][key] for m in found["members"]] == pytest.approx(values, rel=1e-5)
        assert found["mean"][key] == pytest.approx(statistics.fmean(values), rel=1e-5)
        assert found["standard_deviation"][key] == pytest.approx(statistics.stdev(values), rel=1e-4)
        weighted = sum(m["metrics"][key] * m["examples"] for m in found["members"]) / 150
        assert found["ensemble"][key] == pytest.approx(weighted)
    # Then train on everything with the settings that were chosen.
    final = server.run_job({**base, "dataset": {"name": "iris", "validation": 0}})
    assert "training on 150 examples" in server.get(f"/api/v1/runs/{final['run_id']}/log")["lines"][0]["text"]


def noisy_wave(count, noise):
    draw = random.Random(5)
    rows = []
    for _ in range(count):
        a, b = draw.uniform(-2, 2), draw.uniform(-2, 2)
        rows.append((a, b, math.sin(2 * a) + b / 2 + draw.gauss(0, noise)))
    return rows


def test_G9_bagging(server):
    noise = 0.3
    put_csv(server, "wave", ["a", "b", "y"], noisy_wave(800, noise), task="regression")
    base = {"dataset": {"name": "wave", "validation": 0.3}, "model": {"preset": "mlp", "hidden": [24]},
            "optimizer": {"type": "adam", "lr": 0.02}, "train": {"epochs": 40, "batch_size": 32}}
    found = train(server, "bagging", 6, base)
    specs = [server.get(f"/api/v1/runs/{m['run_id']}/spec") for m in found["members"]]
    assert all(s["dataset"]["bootstrap"] for s in specs) and len({s["seed"] for s in specs}) == 6
    assert {s["dataset"]["split_seed"] for s in specs} == {0}
    error = mean_of(found, "val/loss")
    assert found["squared_error"] == pytest.approx(error, rel=1e-5)
    assert found["bias_squared"] + found["variance"] + found["noise"] == pytest.approx(error, rel=1e-5)
    # What averaging takes away is the variance.
    assert error - found["ensemble"]["val/loss"] == pytest.approx(found["variance"], rel=1e-4)
    assert found["noise"] == pytest.approx(noise**2, rel=0.35)
    assert found["variance"] > 0
    # A straight line cannot bend: bias. Its members agree: little variance.
    line = train(server, "bagging", 4, {**base, "model": {"layers": [{"type": "linear", "out": 1}]}})
    assert line["bias_squared"] > 4 * found["bias_squared"] and line["variance"] < found["variance"]


def rings(count, wrong=0.0):
    """Points inside of a ring against those around and within it."""
    draw = random.Random(11)
    rows = []
    for _ in range(count):
        x, y = draw.uniform(-1, 1), draw.uniform(-1, 1)
        inside = 0.35 < math.hypot(x, y) < 0.8
        if draw.random() < wrong:
            inside = not inside
        rows.append((x, y, int(inside)))
    return rows


def test_G10_boosting(server):
    rows = rings(900)
    put_csv(server, "rings", ["x", "y", "kind"], rows)
    base = {"dataset": {"name": "rings", "validation": 0.3}, "model": {"preset": "mlp", "hidden": [3]},
            "optimizer": {"type": "adam", "lr": 0.05}, "train": {"epochs": 30, "batch_size": 32}, "seed": 2}
    found = train(server, "boosting", 8, base)
    members = found["members"]
    specs = [server.get(f"/api/v1/runs/{m['run_id']}/spec") for m in members]
    for number, spec in enumerate(specs):
        assert spec["dataset"]["boost_after"] == [m["run_id"] for m in members[:number]]
    assert found["ensemble"]["val/accuracy"] > max(m["metrics"]["val/accuracy"] for m in members)
    assert sum(m["vote"] for m in members) == pytest.approx(1)
    assert all(0 < m["weighted_error"] < 1 for m in members)
    # Boosting makes each next task harder than the first was.
    assert statistics.fmean(m["weighted_error"] for m in members[1:]) > members[0]["weighted_error"]
    largest = found["largest_weights"]
    assert [w["weight"] for w in largest] == sorted((w["weight"] for w in largest), reverse=True)
    assert largest[0]["weight"] > 3 / 630
    # The heaviest examples lie at the borders of the ring.
    def margin(row):
        return min(abs(math.hypot(*row[:2]) - 0.35), abs(math.hypot(*row[:2]) - 0.8))
    typical = statistics.median(margin(row) for row in rows)
    assert statistics.fmean(margin(rows[w["example"]]) for w in largest) < typical


def test_G12_snapshots(server):
    found = train(server, "snapshots", 3, SMALL)
    assert len({m["run_id"] for m in found["members"]}) == 1
    run = found["members"][0]["run_id"]
    total = server.job(found["members"][0]["job_id"])["progress"]["total_steps"]
    cycle = math.ceil(total / 3)
    assert [m["checkpoint"] for m in found["members"]] == [cycle, 2 * cycle, total]
    assert [m["step"] for m in found["members"]] == [cycle, 2 * cycle, total]
    rates = server.curve(run, "lr")["values"]
    # The rate has come down at the end of each cycle and is up again at once.
    assert rates[cycle - 1] < rates[0] / 50 and rates[cycle] == rates[0] == rates[2 * cycle]
    assert found["ensemble"]["val/loss"] < mean_of(found, "val/loss")
    assert len(server.get("/api/v1/jobs")["jobs"]) == 1


@pytest.mark.parametrize("method", ["seeds", "boosting"])
def test_an_ensemble_survives_the_death_of_the_server(servers, method):
    base = {**SMALL, "train": {"epochs": 12, "batch_size": 4}}
    calm = servers("--workers", "1")
    wanted = train(calm, method, 3, base)
    calm.stop()
    server = servers("--workers", "1")
    started = begin(server, train={"method": method, "members": 3, "base": base})
    for _ in range(4):
        time.sleep(0.15)
        server.kill()
        server.start()
    found = settled(server, started)
    assert found["ensemble"] == wanted["ensemble"]
    assert [m["metrics"] for m in found["members"]] == [m["metrics"] for m in wanted["members"]]
    server.kill()
    server.start()
    assert server.get(f"/api/v1/ensembles/{found['id']}") == found


def test_an_ensemble_is_cancelled_with_its_jobs(servers):
    server = servers("--workers", "1")
    base = {**SMALL, "train": {"epochs": 100000, "batch_size": 4}}
    started = begin(server, train={"method": "seeds", "members": 3, "base": base})
    server.wait(started["members"][0]["job_id"], states=("running",))
    time.sleep(0.2)
    answer = server.request("POST", f"/api/v1/ensembles/{started['id']}/cancel")
    assert answer.status_code == 200 and answer.json()["state"] == "cancelled"
    for member in started["members"]:
        server.wait(member["job_id"], states=("cancelled",))
    again = server.request("POST", f"/api/v1/ensembles/{started['id']}/cancel")
    assert again.status_code == 409 and "is cancelled" in again.json()["message"]


def test_a_member_that_fails_ends_the_ensemble(server):
    base = {**SMALL, "optimizer": {"type": "sgd", "lr": 1e30}}
    started = begin(server, train={"method": "boosting", "members": 2, "base": base})
    found = settled(server, started, "failed")
    assert "member 1 failed: " in found["error"] and "diverged" in found["error"]


def test_requests_that_are_wrong_name_their_field(server):
    run = server.run_job(SMALL)["run_id"]
    other = server.run_job({"dataset": {"name": "iris"}, "model": {"preset": "mlp", "hidden": [4]},
                            "optimizer": {"type": "adam"}, "train": {"epochs": 1}})["run_id"]
    train = {"method": "seeds", "members": 3, "base": SMALL}
    cases = [
        ({}, 400, "members"), ({"members": [], "split": "test"}, 400, "members"),
        ({"members": [{"run_id": run}], "train": train}, 400, "members"),
        ({"members": [{"checkpoint": "best"}]}, 400, "members.0.run_id"),
        ({"members": [{"run_id": run}, {"run_id": "0" * 32}]}, 404, "members.1.run_id"),
        ({"members": [{"run_id": run, "checkpoint": 7}]}, 404, "members.0.checkpoint"),
        ({"members": [{"run_id": run, "checkpoint": "newest"}]}, 400, "members.0.checkpoint"),
        ({"members": [{"run_id": run, "step": 7}]}, 400, "members.0.step"),
        ({"members": [{"run_id": run}, {"run_id": other}]}, 400, "members.1"),
        ({"members": [{"run_id": run}], "split": "all"}, 400, "split"),
        ({"members": [{"run_id": other}], "split": "test"}, 400, "split"),
        ({"train": {**train, "method": "stacking"}}, 400, "train.method"),
        ({"train": {**train, "members": 1}}, 400, "train.members"),
        ({"train": {**train, "members": "many"}}, 400, "train.members"),
        ({"train": {**train, "rounds": 3}}, 400, "train.rounds"),
        ({"train": {"method": "seeds"}}, 400, "train.base"),
        ({"train": {**train, "base": {**SMALL, "optimizer": {"type": "adam", "lr": -1}}}}, 400,
         "train.base.optimizer.lr"),
        ({"train": {"method": "folds", "members": 3, "base": {**SMALL, "dataset": {"name": "digits", "folds": 3}}}},
         400, "train.base.dataset.folds"),
        ({"train": {"method": "boosting", "members": 3,
                    "base": {**SMALL, "dataset": {"name": "diabetes"}, "model": {"preset": "mlp", "hidden": [3]}}}},
         400, "train.method"),
        ({"train": {"method": "seeds", "members": 3,
                    "base": {**SMALL, "dataset": {"name": "digits", "validation": 0}}}}, 400,
         "train.base.dataset.validation"),
        ({"train": {"method": "snapshots", "members": 100, "base": {**SMALL, "train": {"steps": 50}}}}, 400,
         "train.members"),
    ]
    for body, status, field in cases:
        refused = server.request("POST", "/api/v1/ensembles", json=body)
        assert (refused.status_code, refused.json().get("field")) == (status, field), (body, refused.text)
        assert field in refused.json()["message"]
    assert server.get("/api/v1/ensembles") == {"ensembles": []}
    assert len(server.get("/api/v1/jobs")["jobs"]) == 2
    for path in ["7", "x", "0"]:
        assert server.request("GET", f"/api/v1/ensembles/{path}").status_code == 404


def sharpness(server, run, **question):
    return server.request("POST", f"/api/v1/runs/{run}/sharpness", json=question, timeout=60)


def test_G14_sharpness(server):
    """A straight line through known points, whose loss is a bowl: the largest value in a box is at a corner."""
    rows = [(x / 8, 3 * x / 8 + (-1) ** x) for x in range(-16, 17)]
    put_csv(server, "line", ["x", "y"], rows, task="regression")
    spec = {"dataset": {"name": "line", "validation": 0, "standardize": False},
            "model": {"layers": [{"type": "linear", "out": 1}]}, "optimizer": {"type": "adam", "lr": 0.1},
            "train": {"epochs": 200, "batch_size": 33}}
    run = server.run_job(spec)["run_id"]
    slope = server.request("POST", f"/api/v1/runs/{run}/predict", json={"inputs": [[0], [1]]}).json()["outputs"]
    bias, weight = slope[0][0], slope[1][0] - slope[0][0]

    def loss(w, b):
        return statistics.fmean((w * x + b - y) ** 2 for x, y in rows)

    for epsilon in [1e-3, 0.1]:
        corners = [loss(weight + i * epsilon * (abs(weight) + 1), bias + j * epsilon * (abs(bias) + 1))
                   for i in (-1, 1) for j in (-1, 1)]
        found = sharpness(server, run, epsilon=epsilon).json()
        assert found["loss"] == pytest.approx(loss(weight, bias), rel=1e-5)
        assert found["max_loss"] == pytest.approx(max(corners), rel=1e-5)
        assert found["sharpness"] == pytest.approx(
            100 * (found["max_loss"] - found["loss"]) / (1 + found["loss"]), rel=1e-9)
        assert found["examples"] == 33 and found["epsilon"] == epsilon


def test_G14_small_and_large_batches_are_compared_as_found(server):
    found = {}
    for size in (8, 512):
        steps = {"epochs": 25, "batch_size": size}
        run = server.run_job({**SMALL, "optimizer": {"type": "sgd", "lr": 0.1}, "train": steps})["run_id"]
        found[size] = sharpness(server, run, epsilon=1e-3).json()
        assert found[size]["max_loss"] > found[size]["loss"] > 0
        assert sharpness(server, run, epsilon=1e-3).json() == found[size]
    print({size: answer["sharpness"] for size, answer in found.items()})
    for question, field in [({"epsilon": 0}, "epsilon"), ({"steps": 0}, "steps"), ({"starts": 99}, "starts"),
                            ({"limit": 0}, "limit"), ({"seed": -1}, "seed"), ({"radius": 1}, "radius")]:
        refused = sharpness(server, run, **question)
        assert refused.status_code == 400 and refused.json()["field"] == field, refused.text
    assert sharpness(server, run, checkpoint=7).status_code == 404
    assert sharpness(server, "0" * 32).status_code == 404


def test_long_questions_leave_the_server_answering(server):
    """More questions of sharpness than there are handlers: other requests do not wait for them, nor does the end."""
    spec = {"dataset": {"name": "digits", "validation": 0},
            "model": {"layers": [{"type": "linear", "out": 256}, {"type": "relu"}, {"type": "linear", "out": 10}]},
            "optimizer": {"type": "adam"}, "train": {"steps": 2, "batch_size": 64}}
    run = server.run_job(spec)["run_id"]
    answers = []
    def ask():
        try:
            answers.append(sharpness(server, run, steps=100, starts=20).status_code)
        except requests.ConnectionError:
            answers.append(0)
    asking = [threading.Thread(target=ask) for _ in range(6)]
    for thread in asking:
        thread.start()
    time.sleep(0.5)
    begin = time.monotonic()
    for _ in range(20):
        assert server.get("/healthz") == {"status": "ok"}
    assert time.monotonic() - begin < 5 and not answers
    assert server.stop() == 0
    for thread in asking:
        thread.join()
    assert set(answers) <= {503, 0} and len(answers) == 6


def test_P4_stages_through_the_api(server):
    spec = {**SMALL, "train": {**SMALL["train"], "micro_batches": 4}}
    staged = {**spec, "train": {**spec["train"], "stages": 2, "replicas": 2, "threads": 2}}
    dry = server.request("POST", "/api/v1/jobs?dry_run=true", json=staged).json()
    assert [s["layers"] for s in dry["stages"]] == [["0.linear"], ["1.relu", "2.linear"]]
    assert sum(s["parameters"] for s in dry["stages"]) == dry["parameters"]
    one = {**staged, "train": {**staged["train"], "stages": 1}}
    runs = [server.run_job(job)["run_id"] for job in (staged, one)]
    assert server.curves(runs[0]) == server.curves(runs[1])
    assert server.checkpoint(runs[0]) == server.checkpoint(runs[1])
    for train, field, limit in [({"stages": 4}, "train.stages", "3"), ({"micro_batches": 33}, "train.micro_batches", "32"),
                                ({"stages": 0}, "train.stages", "1")]:
        refused = server.request("POST", "/api/v1/jobs", json={**SMALL, "train": {**SMALL["train"], **train}})
        assert refused.status_code == 400 and refused.json()["field"] == field
        assert limit in refused.json()["message"]


def test_the_description_has_them(server):
    document = server.get("/api/v1/openapi.json")
    for path in ["/api/v1/ensembles", "/api/v1/ensembles/{id}", "/api/v1/ensembles/{id}/cancel",
                 "/api/v1/runs/{run_id}/sharpness"]:
        assert path in document["paths"]
    assert {"Ensemble", "EnsembleRequest", "Sharpness"} <= set(document["components"]["schemas"])
