"""What the trainer learns, that PyTorch agrees, and that nothing but the spec decides the bits."""

import math

import pytest
import torch
from safetensors.torch import load

from conftest import digits

CONTRACT_JOB = digits(
    name="contract",
    model={
        "layers": [
            {"type": "linear", "out": 128},
            {"type": "relu"},
            {"type": "linear", "out": 64},
            {"type": "relu"},
            {"type": "linear", "out": 10},
        ]
    },
    train={"epochs": 15, "batch_size": 32},
)


def test_digits_is_learnt_in_seconds(server):
    job = server.run_job(CONTRACT_JOB, timeout=30)
    first = server.curve(job["run_id"], "train/loss")
    assert first["steps"][0] == 0
    assert first["values"][0] == pytest.approx(math.log(10), rel=0.05)
    accuracy = server.curve(job["run_id"], "val/accuracy")
    assert accuracy["steps"][-1] == job["progress"]["total_steps"]
    assert accuracy["values"][-1] > 0.95
    assert job["ended_at"] - job["started_at"] < 20_000


def test_the_model_loads_into_pytorch(server):
    job = server.run_job(CONTRACT_JOB)
    state = load(server.checkpoint(job["run_id"], "latest", "model"))
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    )
    model.load_state_dict(state)
    whole = load(server.checkpoint(job["run_id"], "latest", "all"))
    for name, tensor in state.items():
        assert torch.equal(whole[f"model.{name}"], tensor)
    assert any(name.startswith("optimizer.") for name in whole)
    # The norm that the run recorded last is the norm before the last update, so it is near the stored one.
    norm = math.sqrt(sum(float((t.double() ** 2).sum()) for t in state.values()))
    assert server.curve(job["run_id"], "param_norm")["values"][-1] == pytest.approx(norm, rel=1e-2)
    # PyTorch with these weights tells the digits apart as the run's own evaluation did.
    from sklearn.datasets import load_digits

    data = load_digits()
    features = torch.tensor(data.data, dtype=torch.float32) / 16
    right = (model(features).argmax(1).numpy() == data.target).mean()
    assert right > 0.95


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
def test_full_batch_training_equals_pytorch(server, optimizer):
    """Whole set as one batch: no order, no dropout; the curve must be PyTorch's from the same weights."""
    settings = {
        "sgd": ({"type": "sgd", "lr": 0.1}, lambda p: torch.optim.SGD(p, lr=0.1)),
        "momentum": (
            {"type": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.001},
            lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.001),
        ),
        "nesterov": (
            {"type": "sgd", "lr": 0.05, "momentum": 0.8, "nesterov": True},
            lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True),
        ),
        "adam": (
            {"type": "adam", "lr": 0.01, "weight_decay": 0.01},
            lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.01),
        ),
    }
    wanted, make = settings[optimizer]
    # The same seed with no update leaves the initial weights in the checkpoint of step 0.
    spec = digits(
        name=optimizer,
        dataset={"name": "iris", "validation": 0, "standardize": False},
        model={"layers": [{"type": "linear", "out": 17}, {"type": "tanh"}, {"type": "linear", "out": 3}]},
        optimizer=wanted,
        train={"epochs": 20, "batch_size": 150},
        checkpoint={"every_steps": 1, "keep_last": 50},
    )
    job = server.run_job(spec)
    checkpoints = server.get(f"/api/v1/runs/{job['run_id']}/checkpoints")["checkpoints"]
    first = min(c["step"] for c in checkpoints)
    model = torch.nn.Sequential(torch.nn.Linear(4, 17), torch.nn.Tanh(), torch.nn.Linear(17, 3)).double()
    dataset = server.get("/api/v1/datasets/iris")
    assert dataset["examples"] == 150
    features, labels = iris()
    # Restart PyTorch at the first stored step, with the optimizer's state where it has one.
    part = load(server.checkpoint(job["run_id"], first, "model"))
    model.load_state_dict({name: tensor.double() for name, tensor in part.items()})
    steps, values = server.curves(job["run_id"])["train/loss"]
    loss = torch.nn.functional.cross_entropy(model(features), labels)
    assert float(loss.detach()) == pytest.approx(values[steps.index(first)], rel=2e-6)
    stateful = make(model.parameters())
    whole = load(server.checkpoint(job["run_id"], first, "all"))
    seed_optimizer(stateful, model, whole, first)
    for step in range(first, 20):
        stateful.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(features), labels)
        loss.backward()
        norm = math.sqrt(sum(float((p.grad**2).sum()) for p in model.parameters()))
        assert float(loss.detach()) == pytest.approx(values[steps.index(step)], rel=1e-5)
        grad_norm = server.curves(job["run_id"])["grad_norm"][1][step]
        assert grad_norm == pytest.approx(norm, rel=1e-4)
        stateful.step()


def seed_optimizer(optimizer, model, tensors, step):
    """Puts the checkpoint's optimizer tensors where PyTorch keeps its own."""
    names = {"m": "exp_avg", "v": "exp_avg_sq", "momentum_buffer": "momentum_buffer"}
    for name, parameter in model.named_parameters():
        state = optimizer.state[parameter]
        for slot, torch_name in names.items():
            if f"optimizer.{slot}.{name}" in tensors:
                state[torch_name] = tensors[f"optimizer.{slot}.{name}"].double()
        if "exp_avg" in state:
            state["step"] = torch.tensor(float(step))


def iris():
    from sklearn.datasets import load_iris

    data = load_iris()
    return torch.tensor(data.data, dtype=torch.float64), torch.tensor(data.target)


def test_bits_do_not_depend_on_threads_levels_or_company(servers):
    spec = digits(
        name="bits",
        model={
            "layers": [
                {"type": "linear", "out": 200},
                {"type": "relu"},
                {"type": "dropout", "p": 0.4},
                {"type": "linear", "out": 65},
                {"type": "tanh"},
                {"type": "linear", "out": 10},
            ]
        },
        train={"epochs": 4, "batch_size": 257, "clip_grad_norm": 0.5},
        optimizer={"type": "sgd", "lr": 0.2, "momentum": 0.9, "nesterov": True},
    )
    found = {}
    for level in ("baseline", "avx2", "avx512"):
        try:
            server = servers("--workers", "2", environment={"CAIRN_KERNELS": level})
        except RuntimeError as refusal:
            assert level in str(refusal)  # a processor without this level says so by name
            continue
        jobs = {
            threads: server.submit({**spec, "train": {**spec["train"], "threads": threads}}) for threads in (1, 2, 3)
        }
        for threads, job in jobs.items():
            ended = server.wait(job["id"], timeout=120)
            found[level, threads] = (
                server.curves(ended["run_id"]),
                server.checkpoint(ended["run_id"], "latest", "model"),
            )
        server.stop()
    assert len(found) >= 3
    reference = found["baseline", 1]
    for key, outcome in found.items():
        assert outcome == reference, key


def test_a_regression_set_is_learnt(server):
    job = server.run_job(
        digits(
            dataset={"name": "diabetes"},
            model={"layers": [{"type": "linear", "out": 32}, {"type": "relu"}, {"type": "linear", "out": 1}]},
            train={"epochs": 30, "batch_size": 32},
            optimizer={"type": "adam", "lr": 0.01},
        )
    )
    losses = server.curve(job["run_id"], "val/loss")["values"]
    assert losses[-1] < 0.2 * losses[0] or losses[-1] < 5000
    assert "train/accuracy" not in server.curves(job["run_id"])


@pytest.mark.parametrize("name", ["iris", "wine", "breast-cancer", "moons", "spirals", "fashion-mnist"])
def test_every_built_in_set_trains(server, name):
    entry = server.get(f"/api/v1/datasets/{name}")
    spec = digits(dataset={"name": name, "limit": 2000}, train={"steps": 30, "batch_size": 50})
    spec["model"] = {"layers": [{"type": "linear", "out": 16}, {"type": "relu"}, {"type": "linear", "out": len(entry["classes"])}]}
    job = server.run_job(spec)
    values = server.curve(job["run_id"], "train/loss")["values"]
    assert len(values) == 30 and values[-1] < values[0]


def test_a_diverging_job_fails_alone_and_says_where(server):
    job = server.submit(
        digits(
            dataset={"name": "diabetes", "standardize": False},
            model={"layers": [{"type": "linear", "out": 64}, {"type": "linear", "out": 1}]},
            loss={"type": "mse"},
            optimizer={"type": "sgd", "lr": 1000},
            train={"epochs": 50},
        )
    )
    failed = server.wait(job["id"], states=("failed",))
    assert "step" in failed["error"] and "finite" in failed["error"]
    log = server.get(f"/api/v1/runs/{job['run_id']}/log")["lines"]
    assert any(failed["error"] in line["text"] for line in log)
    assert server.get(f"/api/v1/runs/{job['run_id']}")["info"]["status"] == "FAILED"
    server.run_job(digits())
