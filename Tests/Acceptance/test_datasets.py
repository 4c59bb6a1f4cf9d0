"""Data sets that people bring: every format, every fault, and nothing half-stored."""

import gzip
import io
import os
import struct
import threading
import time

import numpy as np
import pytest
import requests
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from conftest import digits


def put(server, name, body=None, files=None, **query):
    return requests.put(f"{server.url}/api/v1/datasets/{name}", params=query, data=body, files=files, timeout=60)


def csv(x, y, names, label="target"):
    lines = [",".join(list(names) + [label])]
    lines += [",".join(repr(float(v)) for v in row) + f",{target}" for row, target in zip(x, y)]
    return ("\n".join(lines) + "\n").encode()


def npy(array, **options):
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def idx(array):
    kinds = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
    head = struct.pack(">BBBB", 0, 0, kinds[array.dtype.name], array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def job(name, outputs, **changes):
    spec = digits(**changes)
    spec.update(dataset={"name": name}, model={"layers": [{"type": "flatten"}, {"type": "linear", "out": outputs}]})
    return spec


def names(server):
    return [d["name"] for d in server.get("/api/v1/datasets")["datasets"]]


def test_a_table_trains_as_the_built_in_one_does(server):
    wine = load_wine()
    answer = put(server, "my-wine", csv(wine.data, [f"class_{t}" for t in wine.target], wine.feature_names), format="csv")
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == "/api/v1/datasets/my-wine"
    told = server.get("/api/v1/datasets/my-wine")
    known = server.get("/api/v1/datasets/wine")
    assert told["examples"] == 178 and told["input_shape"] == [13] and told["task"] == "classification"
    assert told["classes"] == ["class_0", "class_1", "class_2"]
    assert told["quality"] == known["quality"]
    curves = []
    for name in ("wine", "my-wine"):
        ended = server.run_job(job(name, 3))
        assert ended["state"] == "finished", ended
        curves.append(server.curve(ended["run_id"], "train/loss")["values"])
    assert curves[0] == curves[1]


def test_a_number_to_predict_and_a_label_in_the_middle(server):
    data = load_diabetes()
    x = np.insert(data.data, 3, data.target, axis=1)
    columns = list(data.feature_names[:3]) + ["progress"] + list(data.feature_names[3:])
    text = "\r\n".join([";".join(columns)] + [";".join(repr(float(v)) for v in row) for row in x]).encode()
    answer = put(server, "progress", gzip.compress(text), format="csv", label="progress")
    assert answer.status_code == 201, answer.text
    assert answer.json()["task"] == "regression" and answer.json()["classes"] is None
    ended = server.run_job(job("progress", 1, loss={"type": "mse"}, optimizer={"type": "adam", "lr": 1.0}))
    assert ended["state"] == "finished", ended
    ranges = server.get("/api/v1/datasets/progress")["quality"]["ranges"]
    assert [r["column"] for r in ranges] == data.feature_names


def test_quotes_missing_values_and_no_header(server):
    text = b'\xef\xbb\xbf"a, or b","c ""d""",kind\n1,2,"x\ny"\n,4,z\n\n3,NA,"x\ny"\n-1e-3, 5 ,z\n'
    answer = put(server, "odd", text, format="csv")
    assert answer.status_code == 201, answer.text
    told = server.get("/api/v1/datasets/odd")
    assert told["examples"] == 4 and told["classes"] == ["x\ny", "z"]
    assert told["quality"]["missing_values"] == 2
    assert [r["column"] for r in told["quality"]["ranges"]] == ["a, or b", 'c "d"']
    ended = server.run_job(job("odd", 2, dataset={"name": "odd"}))
    assert ended["state"] == "finished", ended
    assert all(v == v for v in map(float, server.curve(ended["run_id"], "train/loss")["values"]))
    spec = job("odd", 2)
    spec["dataset"]["standardize"] = False
    refused = server.request("POST", "/api/v1/jobs", json=spec)
    assert refused.status_code == 400 and refused.json()["field"] == "dataset.standardize"
    assert put(server, "bare", b"1,2,0\n3,4,1\n5,6,0\n7,8,1\n", format="csv").json()["examples"] == 4
    many = put(server, "targets", b"".join(b"%d,%d\n" % (i, i * i) for i in range(50)), format="csv")
    assert many.json()["task"] == "regression"


@pytest.mark.parametrize("body, says", [
    (b"", "line 1: the file is empty"),
    (b"a,b\n", "line 2: no rows"),
    (b"a,b\n1,2\n3\n", "line 3: 1 fields, where the first line has 2"),
    (b"a,b\n1,2,3\n", "line 2: 3 fields"),
    (b"a,b\n1,x\n,\n", "line 3: the label is missing"),
    (b"a,b\n1,x\nParis,y\n", 'line 3: column "a" holds "Paris" where a number is needed'),
    (b"a,b\n0x10,x\n1,y\n", 'line 2: column "a" holds "0x10"'),
    (b"a,b\ninf,x\n1,y\n", 'line 2: column "a" holds "inf"'),
    (b'a,b\n1,"x\n2,y\n', "line 2: a quote is opened"),
    (b'a,b\n1,"x"y\n', "line 2: text after a closing quote"),
    (b"a,b\n1,\x00\n", "line 2: a zero byte"),
    (b"a,b\n1,\xff\xfe\n2,x\n", "line 2: the label is not UTF-8"),
    (b"a\n1\n", "line 1: one column only"),
    (b"a,b\n1,x\n2,x\n", "one class only"),
    (gzip.compress(b"a,b\n1,x\n2,y\n")[:-6], "the file ends early"),
    (gzip.compress(b"a,b\n1,x\n2,y\n")[:-8] + b"12345678", "checksum"),
])
def test_a_bad_table_is_refused_with_its_place(server, body, says):
    answer = put(server, "bad", body, format="csv")
    assert answer.status_code == 400 and says in answer.json()["message"], answer.text
    assert "bad" not in names(server)
    assert os.listdir(os.path.join(server.folder, "artifacts", "datasets")) == []


def test_wrong_words_are_named(server):
    good = b"a,b\n1,0\n2,1\n3,0\n4,1\n"
    for query, field in [({}, "format"), ({"format": "xml"}, "format"), ({"format": "csv", "task": "x"}, "task"),
                         ({"format": "csv", "label": "c"}, "label"), ({"format": "npy", "label": "a"}, "label"),
                         ({"format": "csv", "sheet": 1}, "sheet")]:
        answer = put(server, "d", good, **query)
        assert answer.status_code == 400 and answer.json()["field"] == field, answer.text
    assert put(server, ".d", good, format="csv").json()["field"] == "name"
    assert put(server, "d%2Fe", good, format="csv").status_code in (400, 404)
    assert put(server, "iris", good, format="csv").status_code == 409
    text = put(server, "d", b"a,b\n1,x\n2,y\n", format="csv", task="regression")
    assert text.status_code == 400 and "line 2" in text.json()["message"]


@pytest.mark.parametrize("encode, form", [(npy, "npy"), (idx, "idx")])
def test_arrays_of_pictures_train(server, encode, form):
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 90).astype("uint8")
    pictures = random.integers(0, 50, (90, 6, 5)).astype("uint8")
    pictures[np.arange(90), labels, labels] = 255
    answer = put(server, "spots", files={"images": gzip.compress(encode(pictures)), "labels": encode(labels)}, format=form)
    assert answer.status_code == 201, answer.text
    told = server.get("/api/v1/datasets/spots")
    assert told["kind"] == "image" and told["input_shape"] == [1, 6, 5] and told["classes"] == ["0", "1", "2"]
    assert [c["examples"] for c in told["quality"]["class_balance"]] == np.bincount(labels).tolist()
    assert told["quality"]["ranges"][0]["max"] == 1
    ended = server.run_job(job("spots", 3, train={"epochs": 20}, optimizer={"type": "adam", "lr": 0.02}))
    assert float(server.curve(ended["run_id"], "train/accuracy")["values"][-1]) > 0.9


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "<f2", "<i2", ">i4", "<i8", "<u2", "|b1", "|i1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_numbers_of_every_type_and_order(server, kind, order):
    values = (np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5) % 2).astype(kind)
    values = values * np.array(3 if kind[1] != "b" else 1).astype(kind)
    answer = put(server, "x", files={"images": npy(np.asarray(values, order=order)), "labels": npy(np.array([0, 1]))}, format="npy")
    assert answer.status_code == 201, answer.text
    told = server.get("/api/v1/datasets/x")
    assert told["input_shape"] == [3, 4, 5]
    spread = told["quality"]["ranges"][0]
    assert (spread["min"], spread["max"], spread["mean"]) == (0, float(values.max()), float(values.astype("f8").mean()))


def test_tables_of_numbers_and_targets(server):
    data = load_breast_cancer()
    files = {"images": npy(data.data.astype("f4")), "labels": npy(data.target)}
    assert put(server, "cells", files=files, format="npy").json()["input_shape"] == [30]
    first = server.run_job(job("breast-cancer", 2))
    again = server.run_job(job("cells", 2))
    assert server.curve(first["run_id"], "train/loss")["values"] == server.curve(again["run_id"], "train/loss")["values"]
    line = {"images": npy(np.arange(20.0)), "labels": npy(np.arange(20.0) * 2)}
    told = put(server, "line", files=line, format="npy").json()
    assert told["task"] == "regression" and told["input_shape"] == [1] and told["kind"] == "tabular"


def test_damaged_arrays_are_refused(server):
    x, y = np.zeros((4, 2, 2), "f4"), np.array([0, 1, 0, 1])
    bad = [
        ({"images": npy(x)}, "labels is missing"),
        ({"images": npy(x), "labels": npy(y), "more": b"1"}, '"more"'),
        ({"images": npy(x)[:-1], "labels": npy(y)}, "images, byte 128"),
        ({"images": b"x" + npy(x), "labels": npy(y)}, "images, byte 0: not a .npy file"),
        ({"images": npy(np.array([[{}]]), allow_pickle=True), "labels": npy(y)}, "Python objects"),
        ({"images": npy(x.astype("c8")), "labels": npy(y)}, "type <c8"),
        ({"images": npy(np.zeros(4, "i4,f4")), "labels": npy(y)}, "structured"),
        ({"images": npy(x), "labels": npy(y[:3])}, "4 images"),
        ({"images": npy(x), "labels": npy(y - 1)}, "index 0"),
        ({"images": npy(x), "labels": npy(y + 0.5), "task": None}, "index 0"),
        ({"images": npy(np.full((4, 2, 2), np.inf, "f4")), "labels": npy(y)}, "example"),
        ({"images": npy(np.zeros((4, 1, 2, 2, 2))), "labels": npy(y)}, "axes"),
        ({"images": npy(np.zeros((0, 2))), "labels": npy(y[:0])}, "nothing"),
    ]
    for files, says in bad:
        query = {"format": "npy"}
        if "task" in files:
            files.pop("task")
            query["task"] = "classification"
        answer = put(server, "bad", files=files, **query)
        assert answer.status_code == 400 and says in answer.json()["message"], (says, answer.text)
    cut = put(server, "bad", files={"images": idx(x.astype("u1"))[:-2], "labels": idx(y.astype("u1"))}, format="idx")
    assert cut.status_code == 400 and "images, byte 16: shape [4, 2, 2] needs 16 bytes of data, found 14" in cut.json()["message"]
    assert "bad" not in names(server)
    assert os.listdir(os.path.join(server.folder, "artifacts", "datasets")) == []


def test_a_bomb_does_not_go_off(server):
    bomb = gzip.compress(b"\0" * (100 << 20))
    assert len(bomb) < 200_000
    answer = put(server, "bomb", bomb, format="csv")
    assert answer.status_code == 400 and "when unpacked" in answer.json()["message"]


def test_a_form_cut_in_odd_places(server):
    """Boundaries split over packets, near-boundaries in the data, an empty part."""
    picture = npy(np.zeros((4, 2, 2), "u1"))[:-16] + b"\r\n--se-\r\n--s\r\r\n".ljust(16, b"-")
    body = (b"preamble\r\n--sep\r\nContent-Disposition: form-data; name=\"images\"; filename=\"a.npy\"\r\n"
            b"Content-Type: application/octet-stream\r\n\r\n" + picture
            + b"\r\n--sep\r\nContent-Disposition: form-data; name=\"labels\"\r\n\r\n" + npy(np.array([0, 1, 0, 1]))
            + b"\r\n--sep--\r\nepilogue")
    def pieces():
        for i in range(0, len(body), 7):
            yield body[i:i + 7]
    answer = requests.put(server.url + "/api/v1/datasets/split?format=npy", data=pieces(),
                          headers={"Content-Type": 'multipart/form-data; boundary="sep"'}, timeout=60)
    assert answer.status_code == 201, answer.text
    for damaged in (body[:-20], body.replace(b"--sep--", b"--sop--"), b""):
        answer = requests.put(server.url + "/api/v1/datasets/cut?format=npy", data=damaged,
                              headers={"Content-Type": "multipart/form-data; boundary=sep"}, timeout=60)
        assert answer.status_code == 400 and "boundary" in answer.json()["message"]
    empty = body.replace(picture, b"")
    answer = requests.put(server.url + "/api/v1/datasets/cut?format=npy", data=empty,
                          headers={"Content-Type": "multipart/form-data; boundary=sep"}, timeout=60)
    assert answer.status_code == 400 and "images, byte 0" in answer.json()["message"]


def test_a_set_in_use_stays(server):
    rows = b"".join(b"%d,%d,%d\n" % (i, i % 7, i % 2) for i in range(2000))
    assert put(server, "busy", rows, format="csv").status_code == 201
    running = server.submit(job("busy", 2, train={"epochs": 100_000}))
    server.wait(running["id"], states=("running",))
    for answer in (put(server, "busy", rows, format="csv"), server.request("DELETE", "/api/v1/datasets/busy")):
        assert answer.status_code == 409 and "busy" in answer.json()["message"]
    server.action(running, "cancel")
    server.wait(running["id"], states=("cancelled",))
    assert server.request("DELETE", "/api/v1/datasets/busy").status_code == 204
    assert server.request("DELETE", "/api/v1/datasets/busy").status_code == 404
    assert server.request("GET", "/api/v1/datasets/busy").status_code == 404
    assert server.request("DELETE", "/api/v1/datasets/iris").status_code == 409
    assert os.listdir(os.path.join(server.folder, "artifacts", "datasets")) == []


def test_sets_and_their_jobs_survive_a_kill(server):
    rows = b"".join(b"%d,%d,%d\n" % (i, i % 7, i % 2) for i in range(2000))
    assert put(server, "kept", rows, format="csv").status_code == 201
    spec = job("kept", 2, train={"epochs": 100})
    whole = server.run_job(spec)
    other = server.submit(spec)
    time.sleep(0.1)
    server.kill()
    server.start()
    assert "kept" in names(server)
    ended = server.wait(other["id"])
    assert server.curve(ended["run_id"], "train/loss")["values"] == server.curve(whole["run_id"], "train/loss")["values"]


def test_a_large_table_passes_through_a_small_memory(server):
    """200 MB of CSV: the server's own memory does not grow with it."""
    row = b",".join(b"%d.5" % i for i in range(100))
    block = b"".join(row + b",%d\n" % (i % 2) for i in range(2000))
    pid = server.process.pid
    peak = [0]
    done = threading.Event()

    def watch():
        while not done.wait(0.02):
            for line in open(f"/proc/{pid}/status"):
                if line.startswith("RssAnon"):
                    peak[0] = max(peak[0], int(line.split()[1]))
    watcher = threading.Thread(target=watch)
    watcher.start()
    answer = requests.put(server.url + "/api/v1/datasets/large?format=csv", data=(block for _ in range(200)), timeout=300)
    done.set()
    watcher.join()
    assert answer.status_code == 201 and answer.json()["examples"] == 400_000, answer.text
    assert peak[0] < 100 << 10, f"{peak[0]} kB"
