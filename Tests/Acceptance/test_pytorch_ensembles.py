"""Ensembles of random jobs against their formulas: the members' models in PyTorch, their predictions averaged here.

CAIRN_CASES says how many cases to draw, CAIRN_FIRST_CASE where to begin.
"""

import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import load

import philox_peer
from pytorch_peer import accuracy, build, loss_of, put_arrays
from test_pytorch_differential import EXAMPLES, fitting

CASES = int(os.environ.get("CAIRN_CASES", 25))
FIRST = int(os.environ.get("CAIRN_FIRST_CASE", 0))


def predictions(loss, outputs):
    """What a model says of its outputs: probabilities of classes, or numbers."""
    if loss["type"] == "cross_entropy":
        return outputs.softmax(-1)
    return outputs.sigmoid() if loss["type"] == "binary_cross_entropy" else outputs


def outputs_of(loss, predictions):
    """Outputs that would be predictions like these."""
    if loss["type"] == "cross_entropy":
        return predictions.log()
    return predictions.logit() if loss["type"] == "binary_cross_entropy" else predictions


def metrics(loss, outputs, labels):
    found = {"loss": loss_of(loss, outputs, labels).item()}
    return found if labels.is_floating_point() else {**found, "accuracy": accuracy(outputs, labels)}


def near(found, part, wanted, text):
    for key, value in wanted.items():
        assert found[f"{part}/{key}"] == pytest.approx(value, rel=2e-5, abs=1e-6), f"{key}: {found} for {wanted}\n{text}"


@pytest.mark.parametrize("number", range(FIRST, FIRST + CASES))
@pytest.mark.filterwarnings("ignore")
def test_members_and_their_average_are_what_their_models_say(shared, number):
    kind, shape, classes, spec = fitting(number)
    noise = np.random.default_rng(number)
    inputs = noise.normal(size=[EXAMPLES, *shape]).astype(np.float32)
    labels = noise.normal(size=EXAMPLES).astype(np.float32) if kind == "numbers" else np.arange(EXAMPLES) % classes
    put_arrays(shared, inputs, labels)
    modules = torch.nn.Sequential(*build(spec["model"]["layers"], shape)[0]).double().eval()
    # One split for all members.
    spec["dataset"] |= {"split_seed": number, "bootstrap": False}
    rows, held = philox_peer.split(spec["dataset"], labels, number)
    if len(rows) % spec["train"]["batch_size"] == 1:
        spec["train"]["drop_last"] = True
    runs = [shared.run_job({**spec, "seed": seed})["run_id"] for seed in range(2 + number % 3)]
    for part, split, chosen in [("train", "train", rows), ("val", "validation", held)]:
        if not chosen:
            continue
        wanted = torch.tensor(labels[chosen], dtype=torch.float64 if kind == "numbers" else torch.int64)
        each = []
        for run in runs:
            modules.load_state_dict(load(shared.checkpoint(run, "latest", "model")))
            with torch.no_grad():
                each.append(modules(torch.tensor(inputs[chosen], dtype=torch.float64)))
        mean = sum(predictions(spec["loss"], outputs) for outputs in each) / len(each)
        members = [{"run_id": run, "checkpoint": "latest"} for run in runs]
        answer = shared.request("POST", "/api/v1/ensembles", json={"members": members, "split": split})
        assert answer.status_code == 201, answer.text
        found, text = answer.json(), json.dumps(spec)
        for member, outputs in zip(found["members"], each):
            near(member["metrics"], part, metrics(spec["loss"], outputs, wanted), text)
        near(found["ensemble"], part, metrics(spec["loss"], outputs_of(spec["loss"], mean), wanted), text)
