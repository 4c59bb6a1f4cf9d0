"""Rows of the list of methods against PyTorch itself, and the whole way of a masked language model."""

import csv
import gzip
import io
import os
import pathlib
import statistics

import numpy as np
import pytest
import requests
import safetensors.torch
import torch

from conftest import digits

DATA = pathlib.Path(__file__).parent / "data"
NORMED = [
    {"type": "linear", "out": 24},
    {"type": "batch_norm"},
    {"type": "relu"},
    {"type": "linear", "out": 10},
]


def network():
    return torch.nn.Sequential(
        torch.nn.Linear(64, 24), torch.nn.BatchNorm1d(24), torch.nn.ReLU(), torch.nn.Linear(24, 10)
    )


def pictures():
    from sklearn.datasets import load_digits

    data = load_digits()
    return torch.tensor(data.data, dtype=torch.float32) / 16, torch.tensor(data.target)


def bring(server, name, state):
    answer = server.request("PUT", f"/api/v1/weights/{name}", data=safetensors.torch.save(state))
    assert answer.status_code == 201, answer.text


def model(server, run, **query):
    return safetensors.torch.load(server.checkpoint(run, part="model", **query))


def whole_set(**changes):
    """A job whose every step sees all digits, so that no order matters."""
    spec = digits(dataset={"name": "digits", "validation": 0}, train={"steps": 12, "batch_size": 1797})
    spec["model"] = {"layers": [dict(layer) for layer in NORMED], "init_from": {"weights": "start"}}
    spec["optimizer"] = {"type": "sgd", "lr": 0.1, "momentum": 0.5}
    spec.update(changes)
    return spec


def descend(net, optimizer, x, y, before=lambda step: None):
    """PyTorch's losses over the twelve steps of `whole_set`; `before` is called before each."""
    losses = []
    for step in range(12):
        before(step)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        losses.append(float(loss.detach()))
        optimizer.step()
    return losses


def test_T2_a_frozen_batch_norm_is_pytorchs_in_eval_mode(server):
    x, y = pictures()
    torch.manual_seed(1)
    net = network()
    net(x * 2 + 1)  # statistics that are not those of the data
    bring(server, "start", net.state_dict())
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    spec = whole_set()
    spec["model"]["layers"][1]["freeze"] = True
    run = server.run_job(spec)["run_id"]
    net[1].eval()
    for parameter in net[1].parameters():
        parameter.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1, momentum=0.5)
    losses = descend(net, optimizer, x, y)
    assert server.curve(run, "train/loss")["values"] == pytest.approx(losses, rel=2e-5)
    after = model(server, run)
    for name in before:
        if name.startswith("1."):
            assert torch.equal(after[name], before[name]), name
    assert torch.allclose(after["0.weight"], net.state_dict()["0.weight"], atol=1e-5)
    free = server.run_job(whole_set())["run_id"]
    assert server.curve(free, "train/loss")["values"][5] != pytest.approx(losses[5], rel=1e-3)


@pytest.mark.parametrize(
    "method",
    [
        {"type": "sgd", "lr": 0.1, "momentum": 0.8, "dampening": 0.4},
        {"type": "adam", "lr": 0.004, "amsgrad": True},
        {"type": "adamw", "lr": 0.004, "weight_decay": 0.1},
        {"type": "nadam", "lr": 0.004, "momentum_decay": 0.05},
        {"type": "radam", "lr": 0.01, "betas": [0.9, 0.95]},
        {"type": "adagrad", "lr": 0.05, "lr_decay": 0.3},
    ],
    ids=lambda method: method["type"],
)
def test_T3_what_thaws_takes_its_first_step_then(server, method):
    """Head first, then all: PyTorch skips what has no gradient, so its state and its count of steps begin with the thaw."""
    x, y = pictures()
    torch.manual_seed(5)
    net = torch.nn.Sequential(torch.nn.Linear(64, 24), torch.nn.Tanh(), torch.nn.Linear(24, 10))
    bring(server, "start", net.state_dict())
    spec = whole_set(optimizer=method)
    spec["model"]["layers"] = [
        {"type": "linear", "out": 24, "unfreeze_at": 5}, {"type": "tanh"}, {"type": "linear", "out": 10, "lr_scale": 0.5},
    ]  # fmt: skip
    run = server.run_job(spec)["run_id"]
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in method.items() if key != "type"}
    kinds = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam, torch.optim.RAdam, torch.optim.Adagrad
    kind = {kind.__name__.lower(): kind for kind in kinds}[method["type"]]
    groups = [{"params": net[0].parameters()}, {"params": net[2].parameters(), "lr": method["lr"] / 2}]
    losses = descend(net, kind(groups, **fields), x, y, before=lambda step: net[0].requires_grad_(step >= 5))
    assert server.curve(run, "train/loss")["values"] == pytest.approx(losses, rel=2e-5)
    after = model(server, run)
    for name, tensor in net.state_dict().items():
        assert torch.allclose(after[name], tensor, atol=2e-5), name


def test_O3_looking_ahead_is_as_far_as_a_layer_goes(server):
    """The textbook form with two rates: each layer looks as far ahead as it will go, lr * lr_scale * momentum * a."""
    x, y = pictures()
    torch.manual_seed(6)
    net = torch.nn.Sequential(torch.nn.Linear(64, 24), torch.nn.Tanh(), torch.nn.Linear(24, 10))
    bring(server, "start", net.state_dict())
    spec = whole_set(optimizer={"type": "nag", "lr": 0.2, "momentum": 0.8})
    spec["model"]["layers"] = [
        {"type": "linear", "out": 24, "lr_scale": 0.1}, {"type": "tanh"}, {"type": "linear", "out": 10},
    ]  # fmt: skip
    run = server.run_job(spec)["run_id"]
    rates = [0.02, 0.02, 0.2, 0.2]
    parameters = list(net.parameters())
    velocity = [torch.zeros_like(parameter) for parameter in parameters]
    losses = []
    for _ in range(12):
        with torch.no_grad():
            for parameter, rate, a in zip(parameters, rates, velocity):
                parameter -= rate * 0.8 * a
        net.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        losses.append(float(loss.detach()))
        with torch.no_grad():
            for parameter, rate, a in zip(parameters, rates, velocity):
                parameter += rate * 0.8 * a
                a.mul_(0.8).add_(parameter.grad)
                parameter -= rate * a
    assert server.curve(run, "train/loss")["values"] == pytest.approx(losses, rel=2e-5)


def test_G13_stochastic_averages_are_pytorchs(server):
    x, y = pictures()
    torch.manual_seed(2)
    net = network()
    bring(server, "start", net.state_dict())
    run = server.run_job(whole_set(average={"type": "swa", "start": 4, "every": 2}))["run_id"]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
    average = torch.optim.swa_utils.AveragedModel(net)
    for step in range(1, 13):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        if step >= 4 and step % 2 == 0:
            average.update_parameters(net)
    torch.optim.swa_utils.update_bn([x], average)
    expected = average.module.state_dict()
    averaged = model(server, run)
    for name, tensor in expected.items():
        assert torch.allclose(averaged[name].double(), tensor.double(), atol=2e-5), name
    assert averaged["1.num_batches_tracked"] == 1
    raw = safetensors.torch.load(server.checkpoint(run, part="all"))
    assert not torch.allclose(raw["model.1.running_mean"], expected["1.running_mean"], atol=1e-3)
    loaded = network()
    loaded.load_state_dict(averaged)


def test_G8_mixed_examples_and_names_of_bad_fields(server):
    spec = digits(
        augment=[{"type": "random_shift", "pixels": 1}, {"type": "mixup", "alpha": 0.4}],
        optimizer={"type": "adam", "lr": 0.005},
        train={"epochs": 10, "batch_size": 32},
    )
    ended = server.run_job(spec)
    assert server.curve(ended["run_id"], "val/accuracy")["values"][-1] > 0.8
    shares = server.curve(ended["run_id"], "train/accuracy")["values"]
    assert any(abs(value * 32 - round(value * 32)) > 1e-6 for value in shares), "weighted by lambda"
    again = server.run_job(server.get(f"/api/v1/runs/{ended['run_id']}/spec"))
    assert server.curves(again["run_id"]) == server.curves(ended["run_id"])
    for method, field, says in [
        ({"type": "mixup", "alpha": -0.1}, "augment.0.alpha", ">= 0"),
        ({"type": "cutmix", "alpha": 0}, "augment.0.alpha", "> 0"),
        ({"type": "cutmix", "p": 2}, "augment.0.p", "from 0 to 1"),
        ({"type": "cutmix", "beta": 1}, "augment.0.beta", "not a field"),
    ]:
        refused = server.request("POST", "/api/v1/jobs", json=digits(augment=[method]))
        assert refused.status_code == 400 and refused.json()["field"] == field, refused.text
        assert says in refused.json()["message"]
    schema = server.get("/api/v1/openapi.json")["components"]["schemas"]["JobSpec"]["properties"]["augment"]
    assert {"mixup", "cutmix"} <= {v["properties"]["type"]["const"] for v in schema["items"]["oneOf"]}


def test_W10_the_table_of_results(server):
    """Every run with its hyperparameters, sortable, as CSV; the file of a model carries what matters in its name."""
    for rate in (0.001, 0.003):
        server.run_job(digits(optimizer={"type": "adam", "lr": rate}, train={"epochs": 2}))
    text = server.request("GET", "/api/v1/runs?format=csv&order_by=params.optimizer.lr DESC").text
    rows = list(csv.DictReader(io.StringIO(text)))
    rates = [next(value for key, value in row.items() if "optimizer.lr" in key) for row in rows]
    assert rates == ["0.003", "0.001"]
    assert all(any("val/accuracy" in key and value for key, value in row.items()) for row in rows)
    run = server.get("/api/v1/runs")["runs"][0]["info"]["run_id"]
    answer = server.request("GET", f"/api/v1/runs/{run}/checkpoints/latest")
    name = answer.headers["Content-Disposition"]
    for part in ("digits.", "layers-4", "epochs-2", "act-relu", "val_loss-", "val_accuracy-"):
        assert part in name, name


def fashion(part, classes, each):
    """Pictures of some of Fashion-MNIST's classes, as NumPy files with labels from 0."""
    folder = pathlib.Path(os.environ.get("CAIRN_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))

    def read(name, header):
        path = next(folder.glob(f"{part}-{name}*"))
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return np.frombuffer(data, "u1", offset=header)

    labels = read("labels", 8)
    pictures = read("images", 16).reshape(-1, 28, 28)
    rows = np.concatenate([np.flatnonzero(labels == label)[:each] for label in classes])
    rows = np.random.default_rng(0).permutation(rows)
    files = {"images": io.BytesIO(), "labels": io.BytesIO()}
    np.save(files["images"], pictures[rows])
    np.save(files["labels"], np.array([classes.index(label) for label in labels[rows]]))
    return {name: file.getvalue() for name, file in files.items()}


def small_cnn(classes, frozen=False):
    freeze = {"freeze": True} if frozen else {}
    return [
        {"type": "conv2d", "channels": 16, "kernel": 3, "padding": 1, **freeze}, {"type": "relu"},
        {"type": "max_pool2d", "kernel": 2},
        {"type": "conv2d", "channels": 32, "kernel": 3, "padding": 1, **freeze}, {"type": "relu"},
        {"type": "max_pool2d", "kernel": 2}, {"type": "flatten"},
        {"type": "linear", "out": 64}, {"type": "relu"}, {"type": "linear", "out": classes},
    ]


def test_T3_head_first_and_then_all_beats_from_scratch(server):
    """Shoes from ten examples of each kind, by a network that has learned to see on everything else: the new head alone,
    then all of it at a tenth of the rate. From scratch has the same steps and the best of three rates."""
    source, target = [0, 1, 2, 3, 4, 6, 8], [5, 7, 9]
    for name, part, classes, each in [("others", "train", source, 2000), ("shoes", "t10k", target, 1000)]:
        answer = requests.put(
            f"{server.url}/api/v1/datasets/{name}?format=npy", files=fashion(part, classes, each), timeout=60)
        assert answer.status_code == 201, answer.text
    body = server.run_job(digits(
        dataset={"name": "others", "validation": 0}, model={"layers": small_cnn(len(source))}, seed=1,
        augment=[{"type": "random_shift", "pixels": 2}], optimizer={"type": "adam", "lr": 0.001},
        schedule={"type": "cosine"}, train={"steps": 1000, "batch_size": 64, "log_every": 100},
        checkpoint={"every_steps": 0}), timeout=300)["run_id"]

    def job(seed, steps, rate, begin=None, **model):
        return server.run_job(digits(
            dataset={"name": "shoes", "validation": 0.99}, seed=seed, optimizer={"type": "adam", "lr": rate},
            model={"layers": small_cnn(len(target), **model), "init_from": begin}, checkpoint={"every_steps": 0},
            train={"steps": steps, "batch_size": 16, "log_every": 10, "evaluate_every": {"steps": steps}}),
            timeout=120)["run_id"]

    def accuracy(run):
        return server.curve(run, "val/accuracy")["values"][-1]

    seeds = [1, 2, 3]
    scratch = {rate: [accuracy(job(seed, 120, rate)) for seed in seeds] for rate in (0.0003, 0.001, 0.003)}
    tuned, heads = [], []
    for seed in seeds:
        skip = {"run_id": body, "checkpoint": "latest", "skip": ["7.*", "9.*"]}
        heads.append(job(seed, 60, 0.003, skip, frozen=True))
        tuned.append(job(seed, 60, 0.0003, {"run_id": heads[-1], "checkpoint": "latest"}))
    after, best = statistics.fmean(map(accuracy, tuned)), max(map(statistics.fmean, scratch.values()))
    print(f"T3: head first {statistics.fmean(map(accuracy, heads)):.3f}, then all {after:.3f}; from scratch {best:.3f}")
    assert after > best + 0.015
    before, head, all = (model(server, run) for run in (body, heads[0], tuned[0]))
    assert torch.equal(before["0.weight"], head["0.weight"]) and not torch.equal(head["0.weight"], all["0.weight"])


def upload_messages(server):
    body = (DATA / "sms_spam.csv.gz").read_bytes()
    answer = requests.put(
        f"{server.url}/api/v1/datasets/sms", params={"format": "text", "label": "label"}, data=body, timeout=60
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_texts_with_labels_are_a_set(server):
    told = upload_messages(server)
    assert (told["kind"], told["task"], told["examples"], told["classes"]) == ("text", "classification", 5574, ["ham", "spam"])
    quality = server.get("/api/v1/datasets/sms")["quality"]
    assert quality["class_balance"] == [{"class": "ham", "examples": 4827}, {"class": "spam", "examples": 747}]
    assert quality["duplicate_rows"] > 300 and quality["missing_values"] == 0
    body = (DATA / "sms_spam.csv.gz").read_bytes()
    found = requests.put(f"{server.url}/api/v1/datasets/found", params={"format": "csv", "label": "label"}, data=body, timeout=60)
    assert found.json()["kind"] == "text" and found.json()["classes"] == ["ham", "spam"]
    for text, says in [
        (b"label,text\nham,hello you\nspam\n", "line 3: 1 fields"),
        (b"label,text\nham,hello you\n,what now\n", "line 3: the label is missing"),
        (b"label,text\nham,hello \xff\n", "line 2: the text is not UTF-8"),
        (b"label,text,more\nham,a b,c d\n", "line 1: 3 columns"),
    ]:
        refused = requests.put(
            f"{server.url}/api/v1/datasets/bad", params={"format": "text", "label": "label"}, data=text, timeout=60
        )
        assert refused.status_code == 400 and says in refused.json()["message"], refused.text
    assert "bad" not in [d["name"] for d in server.get("/api/v1/datasets")["datasets"]]
    spec = {"dataset": {"name": "sms", "tokenizer": "word", "context": 24, "limit": 2000},
            "model": {"preset": "transformer_encoder", "layers": 1, "dim": 16, "heads": 2},
            "optimizer": {"type": "adam", "lr": 0.005}, "train": {"epochs": 6}}
    dry = server.request("POST", "/api/v1/jobs?dry_run=true", json=spec).json()
    assert [layer["output_shape"] for layer in dry["layers"]][-2:] == [[16], [2]]
    run = server.run_job(spec)["run_id"]
    answer = server.request("POST", f"/api/v1/runs/{run}/predict", json={"inputs": [
        "Ok lar, see you at home later then", "FREE prize! Text WIN to 80086 now to claim your cash award"]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["classes"][0] == 0 and len(answer.json()["outputs"][0]) == 2
    ham, spam = (row[1] for row in answer.json()["probabilities"])
    assert spam > 10 * ham
    for question in ({"inputs": [[1, 2]]}, {"prompt": "x"}):
        assert server.request("POST", f"/api/v1/runs/{run}/predict", json=question).status_code == 400
