"""Weights that people bring: a job begins from them, and what does not fit is named whole."""

import os

import pytest
import safetensors.torch
import torch

from conftest import digits

LAYERS = [{"type": "linear", "out": 32}, {"type": "relu"}, {"type": "linear", "out": 10}]


def state(dtype=torch.float32):
    torch.manual_seed(3)
    network = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    return {name: tensor.to(dtype) for name, tensor in network.state_dict().items()}


def put(server, name, body):
    return server.request("PUT", f"/api/v1/weights/{name}", data=body)


def begin(init_from, **changes):
    spec = digits(train={"steps": 1}, optimizer={"type": "sgd", "lr": 1e-30}, **changes)
    spec["model"] = {"layers": LAYERS, "init_from": init_from}
    return spec


def model(server, run):
    return safetensors.torch.load(server.checkpoint(run, part="model"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_a_job_begins_from_them(server, dtype):
    weights = state(dtype)
    answer = put(server, "mine", safetensors.torch.save(weights))
    assert answer.status_code == 201, answer.text
    assert {t["name"]: t["shape"] for t in answer.json()["tensors"]} == {n: list(t.shape) for n, t in weights.items()}
    assert [w["name"] for w in server.get("/api/v1/weights")["weights"]] == ["mine"]
    ended = server.run_job(begin({"weights": "mine"}))
    assert ended["state"] == "finished", ended
    trained = model(server, ended["run_id"])
    for name, tensor in weights.items():
        assert torch.equal(trained[name], tensor.to(torch.float32)), name
    again = server.run_job(server.get(f"/api/v1/runs/{ended['run_id']}/spec"))
    assert all(torch.equal(model(server, again["run_id"])[name], trained[name]) for name in weights)


def test_a_checkpoint_comes_back_as_weights(server):
    first = server.run_job({**digits(), "model": {"layers": LAYERS}})
    for part in ("model", "all"):
        assert put(server, part, server.checkpoint(first["run_id"], part=part)).status_code == 201
        ended = server.run_job(begin({"weights": part}))
        a, b = model(server, ended["run_id"]), model(server, first["run_id"])
        assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_running_statistics_come_along(server):
    torch.manual_seed(5)
    network = torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 10))
    network(torch.randn(32, 64) * 3)
    weights = network.state_dict()
    assert put(server, "norm", safetensors.torch.save(weights)).status_code == 201
    spec = begin({"weights": "norm"})
    spec["model"]["layers"] = [{"type": "flatten"}, {"type": "linear", "out": 8}, {"type": "batch_norm"}, {"type": "linear", "out": 10}]
    moved = {f"{int(name[0]) + 1}{name[1:]}": tensor for name, tensor in weights.items()}
    put(server, "moved", safetensors.torch.save(moved))
    spec["model"]["init_from"]["weights"] = "moved"
    ended = server.run_job(spec)
    assert ended["state"] == "finished", ended
    trained = model(server, ended["run_id"])
    assert trained["2.num_batches_tracked"] == weights["1.num_batches_tracked"] + 1
    assert trained["2.num_batches_tracked"].dtype == torch.int64
    assert torch.equal(trained["3.weight"], weights["2.weight"])
    # One step moves the running mean a tenth of the way from where it was.
    assert not torch.equal(trained["2.running_mean"], weights["1.running_mean"])
    assert torch.allclose(trained["2.running_mean"], weights["1.running_mean"], atol=0.3)


def test_what_does_not_fit_is_named_whole(server):
    weights = state()
    weights["2.weight"] = torch.zeros(10, 31)
    weights["4.bias"] = weights.pop("2.bias")
    put(server, "odd", safetensors.torch.save(weights))
    refused = server.request("POST", "/api/v1/jobs", json=begin({"weights": "odd"}))
    assert refused.status_code == 400 and refused.json()["field"] == "model.init_from"
    for part in ("2.weight has shape [10, 31], not [10, 32]", "2.bias is missing", "4.bias is not in the model"):
        assert part in refused.json()["message"]
    ended = server.run_job(begin({"weights": "odd", "skip": ["2.*", "4.*"]}))
    assert torch.equal(model(server, ended["run_id"])["0.weight"], weights["0.weight"])
    unknown = server.request("POST", "/api/v1/jobs", json=begin({"weights": "none"}))
    assert unknown.status_code == 400 and "none" in unknown.json()["message"]
    both = server.request("POST", "/api/v1/jobs", json=begin({"weights": "odd", "run_id": "0" * 32}))
    assert both.status_code == 400 and both.json()["field"] == "model.init_from.weights"


def test_damaged_files_are_refused_whole(server):
    good = safetensors.torch.save(state())
    eight = safetensors.torch.save({"x": torch.zeros(2).to(torch.float8_e4m3fn)})
    for body in (b"", b"x" * 100, good[:-1], good + b"x", b"\xff" * 8 + good[8:], eight):
        answer = put(server, "bad", body)
        assert answer.status_code == 400 and "safetensors" in answer.json()["message"], answer.text
    assert server.get("/api/v1/weights")["weights"] == []
    assert put(server, "..", good).status_code in (400, 404, 405)
    assert put(server, ".hidden", good).json()["field"] == "name"
    left = [f for _, _, files in os.walk(os.path.join(server.folder, "artifacts")) for f in files]
    assert left == []


def test_weights_in_use_stay(server):
    put(server, "mine", safetensors.torch.save(state()))
    spec = begin({"weights": "mine"})
    spec["train"] = {"epochs": 100_000}
    running = server.submit(spec)
    server.wait(running["id"], states=("running",))
    assert server.request("DELETE", "/api/v1/weights/mine").status_code == 409
    server.action(running, "cancel")
    server.wait(running["id"], states=("cancelled",))
    assert server.request("DELETE", "/api/v1/weights/mine").status_code == 204
    assert server.request("DELETE", "/api/v1/weights/mine").status_code == 404
