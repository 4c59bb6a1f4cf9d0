"""Running text through the API: upload, a language model, its continuations; predictions of other models."""

import gzip
import math
import os
import threading

import pytest
import requests

VERSE = ("The stones lie one upon another, flat on flat, and where the path is lost in snow the next one shows.\n"
         "Whoever passes puts a stone on top: so it grows, and so it stays.\n") * 20


def put(server, name, body):
    return requests.put(f"{server.url}/api/v1/datasets/{name}", params={"format": "text"}, data=body, timeout=60)


def job(**changes):
    spec = {"dataset": {"name": "verse", "context": 32}, "seed": 4,
            "model": {"preset": "transformer_lm", "layers": 1, "dim": 32, "heads": 2},
            "optimizer": {"type": "adamw", "lr": 0.01}, "train": {"steps": 400, "batch_size": 16},
            "checkpoint": {"every_steps": 50}}
    spec.update(changes)
    return spec


def predict(server, run, **question):
    return requests.post(f"{server.url}/api/v1/runs/{run}/predict", json=question, timeout=60)


def test_a_language_model_continues_texts(server):
    answer = put(server, "verse", gzip.compress(VERSE.encode()))
    assert answer.status_code == 201, answer.text
    told = server.get("/api/v1/datasets/verse")
    assert told["kind"] == "text" and told["examples"] == len(VERSE)
    assert told["classes"] == sorted(set(VERSE))
    balance = {row["class"]: row["examples"] for row in told["quality"]["class_balance"]}
    assert balance == {c: VERSE.count(c) for c in set(VERSE)}
    dry = requests.post(f"{server.url}/api/v1/jobs?dry_run=true", json=job(), timeout=30).json()
    train = len(VERSE) - round(0.1 * len(VERSE))
    assert dry["steps_per_epoch"] == math.ceil((train - 1) // 32 / 16)
    assert dry["layers"][-1]["output_shape"] == [32, len(set(VERSE))]
    finished = server.run_job(job())
    assert finished["state"] == "finished", finished["error"]
    run = finished["run_id"]
    losses = server.curve(run, "train/loss")["values"]
    assert abs(losses[0] - math.log(len(set(VERSE)))) < 1 and losses[-1] < losses[0] / 2
    question = {"prompt": "Whoever passes puts", "tokens": 60, "temperature": 0.5, "seed": 3}
    first = predict(server, run, **question).json()["text"]
    assert len(first) == 60 and set(first) <= set(VERSE)
    assert predict(server, run, **question).json()["text"] == first
    likeliest = predict(server, run, prompt="Whoever passes puts", tokens=30, temperature=0, seed=1).json()["text"]
    assert predict(server, run, prompt="Whoever passes puts", tokens=30, temperature=0).json()["text"] == likeliest
    assert predict(server, run, prompt="", tokens=5).status_code == 200
    for question, field in [({"prompt": "\u00e9"}, "prompt"), ({"inputs": [[1]]}, "inputs"), ({}, "inputs"),
                            ({"prompt": "x", "tokens": 0}, "tokens"), ({"prompt": "x", "wat": 1}, "wat"),
                            ({"prompt": "x", "temperature": -1}, "temperature")]:
        refused = predict(server, run, **question)
        assert refused.status_code == 400 and refused.json()["field"] == field, refused.text
    assert predict(server, run, prompt="x", checkpoint=7).status_code == 404
    assert predict(server, "0" * 32, prompt="x").status_code == 404


@pytest.mark.parametrize("body, says", [(b"ab\ncd\xff", "line 2"), (b"", "at least 2"), (b"a", "at least 2")])
def test_bad_texts_are_refused(server, body, says):
    refused = put(server, "bad-text", body)
    assert refused.status_code == 400 and says in refused.json()["message"]
    assert "bad-text" not in [d["name"] for d in server.get("/api/v1/datasets")["datasets"]]


def test_outputs_of_a_classifier_and_of_a_regression(server):
    spec = {"dataset": {"name": "iris"}, "model": {"preset": "mlp", "hidden": [16], "activation": "gelu"},
            "optimizer": {"type": "adam", "lr": 0.02}, "train": {"epochs": 30}}
    run = server.run_job(spec)["run_id"]
    rows = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 2.8, 4.3, 1.3]]
    answer = predict(server, run, checkpoint="best", inputs=rows).json()
    assert answer["classes"] == [0, 2, 1]
    for logits, shares, choice in zip(answer["outputs"], answer["probabilities"], answer["classes"]):
        powers = [math.exp(z - max(logits)) for z in logits]
        assert shares == pytest.approx([p / sum(powers) for p in powers])
        assert logits.index(max(logits)) == choice
    assert predict(server, run, inputs=[[1, 2, 3]]).json()["field"] == "inputs.0"
    assert predict(server, run, inputs=[[1, 2, 3, "x"]]).json()["field"] == "inputs.0"
    spec = {"dataset": {"name": "breast-cancer"}, "model": {"layers": [{"type": "linear", "out": 1}]},
            "loss": {"type": "binary_cross_entropy"}, "optimizer": {"type": "adam", "lr": 0.02},
            "train": {"epochs": 3}}
    run = server.run_job(spec)["run_id"]
    answer = predict(server, run, inputs=[[1.0] * 30]).json()
    positive = 1 / (1 + math.exp(-answer["outputs"][0][0]))
    assert answer["probabilities"][0] == pytest.approx([1 - positive, positive])
    spec = {"dataset": {"name": "diabetes"}, "model": {"preset": "mlp", "hidden": [4]}, "loss": {"type": "huber"},
            "optimizer": {"type": "adam"}, "train": {"epochs": 2}}
    run = server.run_job(spec)["run_id"]
    answer = predict(server, run, inputs=[[50, 1, 26, 100, 180, 110, 45, 4, 4.8, 90]]).json()
    assert list(answer) == ["outputs"] and len(answer["outputs"][0]) == 1


def test_examples_of_a_picture_have_its_shape(server):
    """In one list, or as the picture lies; anything else of as many numbers is not it."""
    spec = {"dataset": {"name": "digits", "limit": 200}, "model": {"layers": [{"type": "linear", "out": 10}]},
            "optimizer": {"type": "adam"}, "train": {"steps": 3}}
    run = server.run_job(spec)["run_id"]
    row = [i / 64 for i in range(64)]
    picture = [row[i:i + 8] for i in range(0, 64, 8)]
    answers = [predict(server, run, inputs=[example]).json() for example in (row, picture, [picture])]
    assert answers[0]["outputs"] and answers[0] == answers[1] == answers[2]
    wide = [row[i:i + 16] for i in range(0, 64, 16)]
    ragged = [row[:7], row[7:16]] + picture[2:]
    for example, says in [(wide, "got shape [4, 16]"), ([row], "got shape [1, 64]"), (row[:32], "got shape [32]"),
                          (ragged, "equal length"), ([[]], "got shape [1, 0]"), ([], "got shape [0]"),
                          ([[[[[1]]]]], "equal length"), (["x"] * 64, "finite numbers"), (7, "finite numbers")]:
        refused = predict(server, run, inputs=[row, example])
        assert refused.status_code == 400 and refused.json()["field"] == "inputs.1", refused.text
        assert says in refused.json()["message"], refused.text
    for question, field in [({"inputs": [row], "checkpoint": "first"}, "checkpoint"),
                            ({"inputs": [row], "checkpoint": -1}, "checkpoint"), ({"inputs": [row], "prompt": "a"}, "prompt"),
                            ({"inputs": []}, "inputs"), ({"inputs": [row], "temperature": "warm"}, "temperature")]:
        refused = predict(server, run, **question)
        assert refused.status_code == 400 and refused.json()["field"] == field, refused.text
    body = requests.post(f"{server.url}/api/v1/runs/{run}/predict", json=[1], timeout=30)
    assert body.status_code == 400 and "the body must be an object" in body.json()["message"]


def test_a_large_text_passes_through_a_small_memory(server):
    """100 MB of text, brought, read as tokens and trained on: the server's own memory does not grow with it."""
    block = (VERSE * 25).encode()
    peak, done = [0], threading.Event()

    def watch():
        while not done.wait(0.02):
            for line in open(f"/proc/{server.process.pid}/status"):
                if line.startswith("RssAnon"):
                    peak[0] = max(peak[0], int(line.split()[1]))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        count = (100 << 20) // len(block)
        answer = requests.put(f"{server.url}/api/v1/datasets/verse?format=text", data=(block for _ in range(count)), timeout=300)
        assert answer.status_code == 201 and answer.json()["examples"] == count * len(block), answer.text
        balance = server.get("/api/v1/datasets/verse")["quality"]["class_balance"]
        assert sum(row["examples"] for row in balance) == count * len(block)
        far = server.get(f"/api/v1/datasets/verse/examples?from={count * len(block) // 200 - 1}&limit=1")["examples"]
        assert len(far[0]["text"]) == 200 and far[0]["text"] in VERSE * 2
        for tokenizer in ("char", "word"):
            spec = job(train={"steps": 10, "batch_size": 8}, checkpoint={"every_steps": 0})
            spec["dataset"] = {"name": "verse", "context": 128, "validation": 1e-5, "tokenizer": tokenizer}
            ended = server.wait(requests.post(f"{server.url}/api/v1/jobs", json=spec, timeout=120).json()["id"], timeout=120)
            assert ended["state"] == "finished", ended
    finally:
        done.set()
        watcher.join()
    assert peak[0] < 120 << 10, f"{peak[0]} kB"
    assert os.listdir(os.path.join(server.folder, "artifacts", "datasets")) == ["verse.dataset"]
