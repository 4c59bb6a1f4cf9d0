"""Artifacts through MLflow's proxy: raw requests with awkward paths, ranges and parts, and the unmodified client."""

import http.client
import os
import pathlib
import socket
import time
import urllib.parse

import pytest
import safetensors.numpy
from conftest import digits

PROXY = "/api/2.0/mlflow-artifacts"
FILES = PROXY + "/artifacts"


def put(server, path, data, **options):
    return server.request("PUT", f"{FILES}/{urllib.parse.quote(path)}", data=data, **options)


def names(server, folder):
    answer = server.request("GET", FILES, params={"path": folder})
    assert answer.status_code == 200, answer.text
    return {file["path"]: file.get("file_size", 0 if not file["is_dir"] else None) for file in answer.json().get("files", [])}


def on_disk(server):
    """Bytes in the data folder's artifacts."""
    return sum(path.stat().st_size for path in (server.folder / "artifacts").rglob("*") if path.is_file())


def memory(server):
    """Resident bytes of the server's process."""
    pages = int(pathlib.Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def test_upload_download_list_delete(server):
    for prefix in ["/api", "/ajax-api"]:
        path = f"{prefix}/2.0/mlflow-artifacts/artifacts/0/r/artifacts/d/j.json"
        answer = server.request("PUT", path, data=b'{"a":1}', headers={"Content-Type": "application/json"})
        assert answer.status_code == 200 and answer.content == b""
        answer = server.request("GET", path)
        assert answer.content == b'{"a":1}'
        assert answer.headers["Content-Length"] == "7"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert server.request("HEAD", path).headers["Content-Length"] == "7"
    # The client sends an empty file as a chunked body without chunks.
    assert put(server, "0/r/artifacts/d/empty", iter([])).status_code == 200
    answer = server.get(f"{FILES}?path=0/r/artifacts/d")
    assert sorted(answer["files"], key=lambda f: f["path"]) == [
        {"path": "empty", "is_dir": False},
        {"path": "j.json", "is_dir": False, "file_size": 7},
    ]
    assert server.get(f"{FILES}?path=0/r/artifacts/d/j.json") == {}
    assert server.get(f"{FILES}?path=0/nothing") == {}
    assert server.request("GET", f"{FILES}/0/r/artifacts/d").status_code == 400
    missing = server.request("GET", f"{FILES}/0/r/artifacts/nope.txt")
    assert missing.status_code == 404
    assert missing.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert missing.json()["message"] == "No such artifact: '0/r/artifacts/nope.txt'"
    for _ in range(2):
        answer = server.request("DELETE", f"{FILES}/0/r/artifacts/d")
        assert answer.status_code == 200 and answer.json() == {}
    assert names(server, "0/r/artifacts") == {}
    assert on_disk(server) == 0


def test_names_of_every_kind(server):
    kinds = [
        "plain.txt",
        "with space.txt",
        "손실/검증.json",
        "epoch=0-step=2/epoch=0-step=2.ckpt",
        "q'uote\"d.txt",
        "a+b&c=d;e,f!~@$()*.txt",
        "e\u0301.txt",
        "\u00e9.txt",
        "a" * 250,
        "deep/" * 20 + "x",
    ]
    for index, name in enumerate(kinds):
        assert put(server, f"0/names/{name}", f"{index}".encode()).status_code == 200, name
    for index, name in enumerate(kinds):
        answer = server.request("GET", f"{FILES}/0/names/{urllib.parse.quote(name)}")
        assert answer.text == str(index), name
    assert set(names(server, "0/names")) == {name.split("/")[0] for name in kinds}


def test_empty_parts_of_a_path_count_for_nothing(server):
    assert raw(server, "PUT", f"{FILES}/0/r//artifacts///x", b"1") == 200
    assert raw(server, "GET", f"{FILES}/0//r/artifacts/x") == 200
    assert names(server, "0/r/artifacts") == names(server, "0//r/artifacts/") == {"x": 1}
    assert raw(server, "PUT", f"{FILES}/0/r/artifacts/folder/", b"1") == 400
    assert raw(server, "GET", "/api/2.0/mlflow//runs/get") == 400
    assert raw(server, "DELETE", f"{FILES}/0/r/artifacts//x") == 200
    assert names(server, "0/r/artifacts") == {}


HOSTILE = [
    "..", "../x", "a/../../x", "%2e%2e/x", "..%2fx", "%252e%252e/x", "..%5cx", "..\\x", "/etc/passwd", "%2fetc/passwd",
    "a%00b", "a%23/../x", "a%5c..%5cx", "file:%2f%2f%2fetc%2fpasswd", "c:%2fx", ".%2e/x", "%c0%ae%c0%ae/x",
]  # fmt: skip


def raw(server, method, target, body=b""):
    """The status of a request whose target goes out exactly as it is."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: application/json\r\n\r\n"
        connection.sendall(head.encode() + body)
        return int(connection.makefile("rb").readline().split()[1])


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_leaves_its_folder_is_refused(server, path, tmp_path):
    outside = tmp_path / "x"
    outside.write_text("secret")
    for method in ["PUT", "GET", "DELETE"]:
        assert 400 <= raw(server, method, f"{FILES}/{path}", b"bad" if method == "PUT" else b"") < 500, method
    assert 400 <= raw(server, "GET", f"{FILES}?path={path}") < 500
    for step in ["create", "complete", "abort"]:
        assert 400 <= raw(server, "POST", f"{PROXY}/mpu/{step}/{path}", b'{"path":"x","num_parts":1}') < 500
    assert outside.read_text() == "secret"
    assert on_disk(server) == 0


def test_links_in_the_data_folder_lead_nowhere(server, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("hidden")
    put(server, "0/r/artifacts/a", b"1")
    root = server.folder / "artifacts"
    (root / "0" / "r" / "artifacts").mkdir(parents=True, exist_ok=True)
    (root / "0" / "r" / "artifacts" / "link").symlink_to(secret)
    assert server.request("GET", f"{FILES}/0/r/artifacts/link/key").status_code == 404
    assert names(server, "0/r/artifacts") == {"a": 1}
    assert names(server, "0/r/artifacts/link") == {}
    put(server, "0/r/artifacts/link/key", b"overwritten")
    server.request("DELETE", f"{FILES}/0/r/artifacts")
    assert (secret / "key").read_text() == "hidden"


def test_ranges(server):
    data = bytes(range(256)) * 5000
    put(server, "0/r/artifacts/data.bin", data)
    url = f"{FILES}/0/r/artifacts/data.bin"

    def get(value, **headers):
        return server.request("GET", url, headers={"Range": value, **headers})

    for value, begin, end in [
        ("bytes=0-0", 0, 1), ("bytes=100-299999", 100, 300_000), ("bytes=1279990-", 1_279_990, 1_280_000),
        ("bytes=-7", 1_279_993, 1_280_000), ("bytes=5-99999999", 5, 1_280_000),
    ]:  # fmt: skip
        answer = get(value)
        assert answer.status_code == 206 and answer.content == data[begin:end], value
        assert answer.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{len(data)}"
    answer = get("bytes=1280000-")
    assert answer.status_code == 416 and answer.headers["Content-Range"] == "bytes */1280000"
    for value in ["bytes=9-3", "bytes=a-b", "bytes=0-1,5-6", "pages=1-2"]:
        answer = get(value)
        assert answer.status_code == 200 and answer.content == data, value
    tag = server.request("HEAD", url).headers["ETag"]
    assert get("bytes=0-3", **{"If-Range": tag}).status_code == 206
    assert get("bytes=0-3", **{"If-Range": '"other"'}).status_code == 200
    assert server.request("GET", url, headers={"If-None-Match": tag}).status_code == 304
    put(server, "0/r/artifacts/data.bin", b"new")
    assert server.request("HEAD", url).headers["ETag"] != tag


def test_an_upload_that_is_cut_off_leaves_nothing(server):
    put(server, "0/r/artifacts/a", b"old")
    def wait_for(condition):
        deadline = time.monotonic() + 10
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert condition()

    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = f"PUT {FILES}/0/r/artifacts/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 2_000_000)
        wait_for(lambda: on_disk(server) > 1_000_000)
    wait_for(lambda: on_disk(server) == 3)
    assert server.request("GET", f"{FILES}/0/r/artifacts/a").content == b"old"


def test_what_was_acknowledged_survives_a_kill(server):
    written = {}
    for index in range(30):
        data = os.urandom(index * 5000)
        assert put(server, f"0/r/artifacts/{index % 20}", data).status_code == 200
        written[str(index % 20)] = data
    server.kill()
    server.start()
    assert names(server, "0/r/artifacts") == {name: len(data) for name, data in written.items()}
    for name, data in written.items():
        assert server.request("GET", f"{FILES}/0/r/artifacts/{name}").content == data
    assert on_disk(server) == sum(map(len, written.values()))


def test_memory_stays_flat(server):
    """A file of a size that would show: 200 MB up and down, the process grows by less than a tenth of it."""
    size = int(os.environ.get("CAIRN_LARGE_FILE_MB", "200")) << 20
    put(server, "0/r/artifacts/warm", b"x" * 1_000_000)
    server.request("GET", f"{FILES}/0/r/artifacts/warm")
    before = memory(server)
    block = os.urandom(1 << 20)
    most = 0
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.putrequest("PUT", f"{FILES}/0/r/artifacts/large")
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    for _ in range(size >> 20):
        connection.send(block)
        most = max(most, memory(server))
    assert connection.getresponse().status == 200
    connection.close()
    count = 0
    with server.request("GET", f"{FILES}/0/r/artifacts/large", stream=True, timeout=120) as answer:
        for piece in answer.iter_content(1 << 20):
            assert piece == block[: len(piece)]
            count += len(piece)
            most = max(most, memory(server))
    assert count == size
    assert most - before < 20 << 20, f"{(most - before) >> 20} MB more"


def test_uploads_in_parts(server):
    whole = os.urandom(2_500_000)
    parts = [whole[:1_000_000], whole[1_000_000:2_000_000], whole[2_000_000:]]
    folder = "0/r/artifacts/models"
    created = server.request("POST", f"{PROXY}/mpu/create/{folder}", json={"path": "/home/me/big.bin", "num_parts": 3})
    assert created.status_code == 200, created.text
    upload = created.json()
    assert [c["part_number"] for c in upload["credentials"]] == [1, 2, 3]
    sent = []
    for credential, data in zip(upload["credentials"], parts):
        answer = server.request("PUT", credential["url"].removeprefix(server.url), data=data)
        assert answer.status_code == 200
        sent.append({"part_number": credential["part_number"], "etag": answer.headers["ETag"], "url": credential["url"]})
    assert names(server, folder) == {}
    body = {"path": "/home/me/big.bin", "upload_id": upload["upload_id"], "parts": sent}
    for _ in range(2):  # a repeated request after a lost answer
        answer = server.request("POST", f"{PROXY}/mpu/complete/{folder}", json=body)
        assert answer.status_code == 200 and answer.json() == {}, answer.text
    assert server.request("GET", f"{FILES}/{folder}/big.bin").content == whole
    assert names(server, folder) == {"big.bin": len(whole)}

    again = server.request("POST", f"{PROXY}/mpu/create/{folder}", json={"path": "b", "num_parts": 1}).json()
    server.request("PUT", again["credentials"][0]["url"].removeprefix(server.url), data=b"x" * 100_000)
    wrong = server.request(
        "POST", f"{PROXY}/mpu/complete/{folder}",
        json={"path": "b", "upload_id": again["upload_id"], "parts": [{"part_number": 7, "etag": ""}]},
    )  # fmt: skip
    assert wrong.status_code == 400
    elsewhere = {"path": "other", "upload_id": again["upload_id"], "parts": [{"part_number": 1}]}
    assert server.request("POST", f"{PROXY}/mpu/complete/{folder}", json=elsewhere).status_code == 404
    for _ in range(2):
        body = {"path": "b", "upload_id": again["upload_id"]}
        assert server.request("POST", f"{PROXY}/mpu/abort/{folder}", json=body).status_code == 200
    assert on_disk(server) == len(whole)
    for body in [{}, {"num_parts": 1}, {"path": "a", "num_parts": 0}, {"path": "a", "num_parts": 10**9}]:
        assert server.request("POST", f"{PROXY}/mpu/create/{folder}", json=body).status_code == 400


def test_parts_of_a_protected_server(servers):
    server = servers("--token", "s3cret")
    server.token = "s3cret"
    upload = server.request("POST", f"{PROXY}/mpu/create/0/r", json={"path": "a", "num_parts": 1}).json()
    credential = upload["credentials"][0]
    assert credential["headers"] == {"Authorization": "Bearer s3cret"}
    server.token = None
    path = credential["url"].removeprefix(server.url)
    assert server.request("PUT", path, data=b"x").status_code == 401
    assert server.request("PUT", path, data=b"x", headers=credential["headers"]).status_code == 200
    for method, target in [("GET", FILES), ("GET", f"{FILES}/a"), ("PUT", f"{FILES}/a"), ("DELETE", f"{FILES}/a")]:
        assert server.request(method, target).status_code == 401


def test_checkpoints_are_artifacts(server):
    job = server.run_job(digits(checkpoint={"every_epochs": 1, "keep_last": 2}))
    run = job["run_id"]
    root = server.get(f"/api/2.0/mlflow/artifacts/list?run_id={run}")["root_uri"].removeprefix("mlflow-artifacts:/")
    assert root.endswith(f"/{run}/artifacts")
    put(server, f"{root}/notes.txt", b"mine")
    assert names(server, root) == {"checkpoints": None, "notes.txt": 4}
    listed = server.get(f"/api/2.0/mlflow/artifacts/list?run_id={run}&path=checkpoints")
    assert listed["root_uri"] == f"mlflow-artifacts:/{root}"
    stored = server.get(f"/api/v1/runs/{run}/checkpoints")["checkpoints"]
    assert {f["path"]: f["file_size"] for f in listed["files"]} == {
        f"checkpoints/step-{c['step']}.safetensors": c["bytes"] for c in stored
    }
    for checkpoint in stored:
        path = f"checkpoints/step-{checkpoint['step']}.safetensors"
        answer = server.request("GET", f"{FILES}/{root}/{path}")
        assert answer.content == server.checkpoint(run, checkpoint["step"])
        assert "model.0.weight" in safetensors.numpy.load(answer.content)
        by_run = server.request("GET", f"/get-artifact?run_id={run}&path={path}", headers={"Range": "bytes=8-99"})
        assert by_run.status_code == 206 and by_run.content == answer.content[8:100]
    assert server.request("GET", f"{FILES}/{root}/checkpoints").status_code == 400
    assert server.request("GET", f"{FILES}/{root}/checkpoints/step-999999.safetensors").status_code == 404
    first = stored[0]["step"]
    assert server.request("DELETE", f"{FILES}/{root}/checkpoints/step-{first}.safetensors").status_code == 200
    assert [c["step"] for c in server.get(f"/api/v1/runs/{run}/checkpoints")["checkpoints"]] == [
        c["step"] for c in stored[1:]
    ]
    assert server.request("DELETE", f"{FILES}/{root}/").status_code == 200
    assert names(server, root) == {}
    for path in ["/get-artifact?path=a&run_id=nope", "/api/2.0/mlflow/artifacts/list?run_id=nope"]:
        answer = server.request("GET", path)
        assert answer.status_code == 404 and answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert server.request("GET", f"/get-artifact?run_id={run}").status_code == 400
    assert server.request("GET", f"/get-artifact?run_id={run}&path=../../x").status_code == 400
