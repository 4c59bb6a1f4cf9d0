"""The public examples of Tests/Examples, each run as it stands.

Tiny Shakespeare takes the better part of an hour: here it is cut short and held to a bound for its first steps; with
CAIRN_LONG=1 in the environment it runs whole.
"""

import gzip
import json
import os
import time

import pytest
import requests

from conftest import ROOT, cairn

EXAMPLES = ROOT / "Tests" / "Examples"
DATA = ROOT / "Tests" / "Acceptance" / "data"
LONG = os.environ.get("CAIRN_LONG") == "1"


def example(name):
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def put(server, name, body, **options):
    answer = requests.put(f"{server.url}/api/v1/datasets/{name}", params=options, data=body, timeout=60)
    assert answer.status_code == 201, answer.text


def last(server, run, key):
    return server.curve(run, key)["values"][-1]


def test_every_example_is_run_here():
    here = (ROOT / "Tests" / "Acceptance" / "test_examples.py").read_text()
    names = [path.stem for path in EXAMPLES.glob("*.json")]
    assert len(names) >= 4 and all(f'example("{name}")' in here for name in names)


def test_digits(tmp_path):
    """In the foreground, without a server."""
    done = cairn("train", EXAMPLES / "digits.json", "--data", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert example("digits")["dataset"]["name"] == "digits"


def test_digits_accuracy(server):
    run = server.run_job(example("digits"))["run_id"]
    assert last(server, run, "test/accuracy") > 0.96


def test_fashion_mnist(server):
    """Above 0.92 on the set's own test split, in under five minutes on two cores."""
    spec = example("fashion-mnist")
    spec["train"]["threads"] = 2
    began = time.monotonic()
    run = server.run_job(spec, timeout=900)["run_id"]
    print(f"fashion-mnist: {last(server, run, 'test/accuracy')} in {time.monotonic() - began:.0f} s")
    assert last(server, run, "test/accuracy") > 0.92


def test_tiny_shakespeare(server):
    put(server, "tiny-shakespeare", (DATA / "tinyshakespeare.txt.gz").read_bytes(), format="text")
    spec = example("tiny-shakespeare")
    dry = server.request("POST", "/api/v1/jobs?dry_run=true", json=spec).json()
    assert 750_000 < dry["parameters"] < 850_000
    if not LONG:
        spec["train"].update(steps=60, batch_size=8, evaluate_every={"steps": 60})
        spec["schedule"]["warmup"] = 10
        spec["checkpoint"] = {"every_steps": 0}
        # As many characters as are evaluated in a second or two.
        spec["dataset"]["limit"] = 200_000
    run = server.run_job(spec, timeout=4 * 3600)["run_id"]
    loss = last(server, run, "val/loss")
    question = {"prompt": "ROMEO:\n", "tokens": 500 if LONG else 50, "temperature": 0.8, "seed": 1}
    text = requests.post(f"{server.url}/api/v1/runs/{run}/predict", json=question, timeout=300).json()["text"]
    print(f"tiny-shakespeare: val/loss {loss}\n{text}")
    assert loss < (1.65 if LONG else 2.7)
    if LONG:
        with gzip.open(DATA / "tinyshakespeare.txt.gz", "rt") as file:
            known = set(file.read().split())
        words = text.split()
        assert sum(word in known for word in words) > 0.8 * len(words)


def test_regression_from_a_csv(server):
    """Ridge regression on the diabetes data, as a CSV with a header: as good as the closed form's."""
    from sklearn.datasets import load_diabetes

    table = load_diabetes(as_frame=True, scaled=False).frame
    put(server, "diabetes-csv", table.to_csv(index=False).encode(), format="csv", label="target", task="regression")
    told = server.get("/api/v1/datasets/diabetes-csv")
    assert told["examples"] == 442 and told["kind"] == "tabular"
    run = server.run_job(example("diabetes"))["run_id"]
    error = last(server, run, "test/loss")
    variance = table["target"].var(ddof=0)
    assert error < 0.65 * variance


def test_spam_from_scratch(server):
    """One job on the messages alone: what the fine-tuned model is compared with."""
    put(server, "sms", (DATA / "sms_spam.csv.gz").read_bytes(), format="text", label="label")
    run = server.run_job(example("sms-scratch"), timeout=600)["run_id"]
    print(f"sms-scratch: {last(server, run, 'test/accuracy')}")
    assert last(server, run, "test/accuracy") > 0.97
    question = {"inputs": ["Ok lar, see you at home later then", "FREE prize! Text WIN to 80086 now to claim your cash"]}
    answer = requests.post(f"{server.url}/api/v1/runs/{run}/predict", json=question, timeout=60).json()
    assert answer["classes"] == [0, 1]


def test_T4_masked_words_then_spam(server):
    """Words from the messages alone, then the recipe on their labels: above 0.97 on a fifth that neither has seen; and
    from 200 labelled messages better than the same network from scratch."""
    put(server, "sms", (DATA / "sms_spam.csv.gz").read_bytes(), format="text", label="label")
    words = server.run_job(example("sms-words"), timeout=900)["run_id"]
    accuracy = server.curve(words, "val/accuracy")["values"]
    assert accuracy[-1] > 0.15 and accuracy[-1] > accuracy[0]
    body = server.checkpoint(words, "latest", "model")
    assert server.request("PUT", "/api/v1/weights/sms-words", data=body).status_code == 201
    dry = server.request("POST", "/api/v1/jobs?dry_run=true", json=example("sms-spam")).json()["spec"]
    assert dry["train"]["epochs"] == 20 and dry["schedule"]["type"] == "linear" and dry["schedule"]["warmup"] == 0.1
    assert dry["optimizer"]["bias_correction"] is True and dry["optimizer"]["lr"] == 2e-5
    spam = server.run_job(example("sms-spam"), timeout=900)["run_id"]
    print(f"sms-spam: {last(server, spam, 'val/accuracy')} after {accuracy[-1]} of the hidden words")
    assert last(server, spam, "val/accuracy") > 0.97

    few = example("sms-spam")
    few["dataset"]["validation"] = 1 - 200 / 5574
    few["train"].update(batch_size=1, evaluate_every={"epochs": 20})
    few["checkpoint"] = {"every_epochs": 0}
    scratch = json.loads(json.dumps(few))
    del scratch["model"]["init_from"]
    tuned, fresh = (last(server, server.run_job(job, timeout=900)["run_id"], "val/accuracy") for job in (few, scratch))
    print(f"from 200 messages: {tuned}, from scratch {fresh}")
    assert tuned > fresh + 0.02


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES.glob("*.json")])
def test_examples_are_whole(name):
    spec = example(name)
    assert {"experiment", "name", "seed", "dataset", "model", "optimizer", "train"} <= set(spec)
