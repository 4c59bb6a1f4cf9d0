"""Running text through the API: upload, a language model, its continuations; predictions of other models."""

import gzip
import math
import os
import threading
import time

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


def test_what_looks_the_same_is_no_fault(server):
    """Angstrom's sign and the letter: two characters of a text, and two names of a metric, that Unicode takes to be equal."""
    text = "\u212b\u00c5 ab" * 50
    assert put(server, "signs", text.encode()).status_code == 201
    told = server.get("/api/v1/datasets/signs")
    assert told["classes"] == sorted(set(text))
    assert told["quality"]["class_balance"] == [{"class": c, "examples": 50} for c in sorted(set(text))]
    spec = job(train={"steps": 3, "batch_size": 2}, dataset={"name": "signs", "context": 8})
    run = server.run_job(spec)["run_id"]
    for key in ("\u212b", "\u00c5"):
        metric = {"run_id": run, "key": key, "value": 1, "timestamp": 1, "step": 0}
        assert server.request("POST", "/api/2.0/mlflow/runs/log-metric", json=metric).status_code == 200
        server.stop()
        server.start()
    assert server.request("GET", f"/api/v1/runs/{run}/metrics/none").status_code == 404
    assert {"\u212b", "\u00c5"} <= {m["key"] for m in server.get(f"/api/v1/runs/{run}/metrics")["metrics"]}


def test_jobs_on_a_large_text_are_checked_beside_the_handlers(server):
    """Of a text it is known what it is made of, so a job is not kept waiting for its tokens; and where they must be counted,
    nobody else waits."""
    words = ["".join("abcdefghij"[int(digit)] for digit in str(7 * i % 18_000)) for i in range(20_000)]
    block = " ".join(words).encode() + b"\n"
    count = (64 << 20) // len(block)
    answer = requests.put(f"{server.url}/api/v1/datasets/verse?format=text", data=(block for _ in range(count)), timeout=300)
    assert answer.status_code == 201, answer.text
    server.stop()
    server.start()

    def spec(tokenizer, **more):
        found = job(train={"steps": 2, "batch_size": 4}, checkpoint={"every_steps": 0})
        found["model"] = {"layers": [{"type": "embedding", "dim": 2}, {"type": "linear", "out": 18_000}]}
        found["dataset"] = {"name": "verse", "context": 16, "validation": 1e-5, "tokenizer": tokenizer, **more}
        if tokenizer == "char":
            found["model"] = {"preset": "transformer_lm", "layers": 1, "dim": 8, "heads": 1}
        return found

    def dry(spec):
        began = time.monotonic()
        found = requests.post(f"{server.url}/api/v1/jobs?dry_run=true", json=spec, timeout=120)
        return found, time.monotonic() - began

    for tokenizer in ("char", "word"):
        told, seconds = dry(spec(tokenizer))
        assert seconds < 2, f"{tokenizer}: {seconds} s"
        if tokenizer == "word":
            # A wrong number of outputs is found without the tokens: the message knows the size of the vocabulary.
            vocabulary = len({" " + word for word in words[1:]}) + len([words[0], "\n"])
            assert told.status_code == 400 and str(vocabulary) in told.json()["message"], told.text
        else:
            assert told.status_code == 200, told.text
            tokens = count * len(block) - round(1e-5 * count * len(block))
            assert told.json()["steps_per_epoch"] == math.ceil((tokens - 1) // 16 / 4)

    # With a limit the words up to it are counted; so many questions at once would take every handler.
    slow = [threading.Thread(target=dry, args=(spec("word", limit=count * len(block) - 1 - i),)) for i in range(24)]
    for thread in slow:
        thread.start()
    waits = []
    while any(thread.is_alive() for thread in slow):
        began = time.monotonic()
        assert server.request("GET", "/healthz").status_code == 200
        assert server.request("GET", "/api/v1/jobs").status_code == 200
        waits.append(time.monotonic() - began)
        time.sleep(0.01)
    assert len(waits) > 10 and max(waits) < 2, f"{len(waits)} answers, the slowest in {max(waits)} s"
    ended = server.wait(server.submit(spec("char"))["id"], timeout=120)
    assert ended["state"] == "finished", ended
