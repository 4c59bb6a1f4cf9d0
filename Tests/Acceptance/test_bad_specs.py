"""Jobs that are wrong in one field, at random: each is refused by the name of that field, and the server lives.

A job that is right is drawn, written out with all of its defaults, and broken in one place. CAIRN_CASES says how many
jobs to break, CAIRN_FIRST_CASE where to begin; each is broken in twenty ways.
"""

import copy
import os
import random
import time

import numpy as np
import pytest

import test_pytorch_differential
import test_pytorch_text
from pytorch_draws import maybe
from pytorch_peer import put_arrays

CASES = int(os.environ.get("CAIRN_CASES", 40))
FIRST = int(os.environ.get("CAIRN_FIRST_CASE", 0))
WAYS = 20

# No field takes any of these.
NEVER = [[[1]], {"surprise": 1}, [{"surprise": 1}], [None]]
NUMBERS = [-1, -0.5, 0, 0.5, 1, 1.5, 2, 7, 1000, 2**31, 2**53, 2**62, 2**64, 10**30, -(2**63), 1e-320, 1e300, -1e300]


def fields_of(value, path=()):
    """The paths of all fields of a job, whole sections and elements of lists too."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from fields_of(inner, (*path, key))


def at(spec, path):
    for key in path:
        spec = spec[key]
    return spec


def changed(spec, path, value):
    spec = copy.deepcopy(spec)
    at(spec, path[:-1])[path[-1]] = value
    return spec


def name(path):
    """A path as errors name it, where a field of no name is two quotes."""
    return ".".join(str(key) if key != "" else '""' for key in path)


def of_another_type(draw, value):
    """What is never right where this value is."""
    wrong = list(NEVER)
    if isinstance(value, bool):
        wrong += ["true", 1, 0.5]
    elif isinstance(value, (int, float)):
        wrong += ["7", "many", True, [], {}, "NaN"]
    elif isinstance(value, str):
        wrong += [True, [], {}, 1.5, "no such thing \N{SNOWMAN}"]
    elif isinstance(value, (list, dict)):
        wrong = [True, 1.5, "many"]
    return draw.choice(wrong)


def broken(draw, spec):
    """A job broken in one field, the path of that field, and whether it has to be refused."""
    paths = [path for path in fields_of(spec) if path[0] not in ("name", "experiment", "tags")]
    way = draw.choice(["type", "type", "unknown", "number", "number", "element", "shape", "missing"])
    if way == "type":
        path = draw.choice(paths)
        value = at(spec, path)
        return changed(spec, path, of_another_type(draw, value)), path, True
    if way == "unknown":
        objects = [(), *(path for path in paths if isinstance(at(spec, path), dict))]
        path = (*draw.choice(objects), draw.choice(["surprise", "learning_rate", "Lr", ""]))
        return changed(spec, path, draw.choice([1, None, "x", {}])), path, True
    if way == "number":
        numbers = [p for p in paths if isinstance(at(spec, p), (int, float)) and not isinstance(at(spec, p), bool)]
        path = draw.choice(numbers)
        return changed(spec, path, draw.choice(NUMBERS)), path, False
    lists = [path for path in paths if isinstance(at(spec, path), list) and at(spec, path)]
    if way == "element" and lists:
        path = draw.choice(lists)
        items = list(at(spec, path))
        draw.choice([items.pop, lambda: items.append(items[0]), items.clear, items.reverse])()
        return changed(spec, path, items), path, False
    if way == "shape" and "layers" in spec["model"] and isinstance(spec["model"]["layers"], list):
        extra = draw.choice(
            [
                {"type": "linear", "out": draw.randint(1, 9)}, {"type": "conv2d", "channels": 3, "kernel": draw.choice([1, 3, 1000])},
                {"type": "embedding", "dim": 4}, {"type": "embedding", "dim": 4, "vocab": draw.choice([1, 5])},
                {"type": "attention", "heads": draw.randint(1, 9)}, {"type": "transformer_block", "heads": 2, "mlp_ratio": 1e9},
                {"type": "max_pool2d", "kernel": draw.choice([2, 1024])}, {"type": "batch_norm"}, {"type": "positional"}, {"type": "flatten"},
                {"type": "residual", "layers": [{"type": "linear", "out": 5}]}, {"type": "global_avg_pool"}, {"type": "layer_norm"},
                {"type": "residual", "layers": [{"type": "residual", "layers": [{"type": "residual", "layers": [{"type": "relu"}]}]}]},
            ]  # fmt: skip
        )
        layers = list(spec["model"]["layers"])
        layers.insert(draw.randint(0, len(layers)), extra)
        return changed(spec, ("model", "layers"), layers), ("model",), False
    path = draw.choice(paths)
    spec = copy.deepcopy(spec)
    inside = at(spec, path[:-1])
    inside.pop(path[-1])
    return spec, path, False


def valid(server, number):
    """A job that is right, its data brought to the server."""
    draw = random.Random(number)
    if draw.random() < 0.5:
        spec, (query, body), *_ = test_pytorch_text.case(number)
        answer = server.request("PUT", f"/api/v1/datasets/drawn?{query}", data=body.encode())
        assert answer.status_code == 201, answer.text
    else:
        kind, shape, classes, spec = test_pytorch_differential.fitting(number)
        noise = np.random.default_rng(number)
        inputs = noise.normal(size=[20, *shape]).astype(np.float32)
        put_arrays(server, inputs, noise.normal(size=20).astype(np.float32) if kind == "numbers" else np.arange(20) % classes)
        if kind == "images":
            augment = [{"type": "random_shift", "pixels": 1}, {"type": "horizontal_flip"}, {"type": "cutmix", "alpha": 0.5}]
            spec |= maybe(draw, 0.3, {"augment": draw.choice([augment, augment[:1]])})
    early = {"metric": "train/loss", "patience": 3, "restore_best": True}
    spec["train"] |= maybe(draw, 0.4, {"early_stopping": early}) | maybe(draw, 0.3, {"evaluate_every": {"steps": 2}})
    spec["train"] |= maybe(draw, 0.3, {"scale_lr_with_batch": {"base": 16}})
    return spec


def of_one_place(field, path):
    """Whether an error's field is that of a path, something inside of it or what it is inside of."""
    field, path = field.split("."), name(path).split(".")
    return field[: len(path)] == path or path[: len(field)] == field


@pytest.mark.parametrize("number", range(FIRST, FIRST + CASES))
def test_a_job_broken_in_one_field_is_refused_by_its_name(shared, number):
    spec = valid(shared, number)
    answer = shared.request("POST", "/api/v1/jobs?dry_run=true", json=spec)
    if answer.status_code == 400:
        # Weights of classes may not go with a mixture in parts.
        assert answer.json()["field"] == "loss.class_weights", answer.text
        return
    assert answer.status_code == 200, answer.text
    full = answer.json()["spec"]
    again = shared.request("POST", "/api/v1/jobs?dry_run=true", json=full)
    assert again.json() == answer.json()
    for way in range(WAYS):
        draw = random.Random(1000 * number + way)
        wrong, path, must_fail = broken(draw, full)
        answer = shared.request("POST", "/api/v1/jobs?dry_run=true", json=wrong)
        said = f"{name(path)}: {answer.text[:500]}\n{wrong}"
        assert answer.status_code in (200, 400), said
        if answer.status_code == 400:
            found = answer.json()
            assert found["error_code"] == "INVALID_PARAMETER_VALUE" and found.get("field"), said
            assert found["field"] in found["message"], said
            if must_fail:
                assert of_one_place(found["field"], path), said
            posted = shared.request("POST", "/api/v1/jobs", json=wrong)
            assert (posted.status_code, posted.json()) == (400, found), posted.text
            continue
        assert not must_fail, said
        runs(shared, wrong, said)
    assert shared.process.poll() is None and shared.get("/healthz") == {"status": "ok"}


def runs(server, spec, said):
    """What was not refused works: it ends, or goes on till it is stopped; it may diverge, but nothing else."""
    job = server.submit(spec)
    deadline = time.monotonic() + 1.5
    while server.job(job["id"])["state"] in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(0.01)
    server.action(job, "cancel")
    job = server.wait(job["id"], states=("finished", "cancelled", "failed"), timeout=20)
    assert job["state"] != "failed" or "diverged" in job["error"], f"{job['error']}\n{said}"
