"""A disk without room: 503, nothing half written, everything acknowledged stays, and it goes on when there is room."""

import subprocess

import pytest
from conftest import cairn

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def small(tmp_path):
    """A file system of 24 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def batch(run, number):
    """Nine hundred points of one step, a parameter and a tag that belong together."""
    return {
        "run_id": run,
        "metrics": [{"key": f"k{k}", "value": number + k / 7, "timestamp": 1, "step": number} for k in range(900)],
        "params": [{"key": f"p{number}", "value": "x" * 1000}],
        "tags": [{"key": f"t{number}", "value": "x" * 1000}],
    }


def test_a_full_disk_refuses_and_recovers(small, servers):
    (small / "ballast").write_bytes(b"x" * (8 << 20))
    server = servers(folder=small / "data")
    run = server.request("POST", f"{API}/runs/create", json={"experiment_id": "0", "start_time": 1}).json()["run"]["info"]["run_id"]
    kept = b"k" * 1_000_000
    assert server.request("PUT", f"{FILES}/0/r/artifacts/kept", data=kept).status_code == 200

    def log(number):
        return server.request("POST", f"{API}/runs/log-batch", json=batch(run, number))

    def check(acknowledged):
        data = server.get(f"{API}/runs/get?run_id={run}")["run"]["data"]
        assert {p["key"] for p in data["params"]} == {f"p{n}" for n in acknowledged}
        assert {t["key"] for t in data["tags"]} - {"mlflow.runName"} == {f"t{n}" for n in acknowledged}
        for key in ("k0", "k899"):
            assert server.curve(run, key)["steps"] == acknowledged
        assert server.request("GET", f"{FILES}/0/r/artifacts/kept").content == kept

    acknowledged, refused = [], 0
    for number in range(3000):
        answer = log(number)
        if answer.status_code == 200:
            acknowledged.append(number)
        else:
            assert answer.status_code == 503 and answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE", answer.text
            refused += 1
            if refused == 20:
                break
    assert refused == 20 and len(acknowledged) > 50
    large = server.request("PUT", f"{FILES}/0/r/artifacts/large", data=b"l" * (16 << 20))
    assert large.status_code == 503, large.text
    listed = server.get(f"{FILES}?path=0/r/artifacts")["files"]
    assert [file["path"] for file in listed] == ["kept"]
    check(acknowledged)
    assert server.request("GET", "/healthz").status_code == 200

    (small / "ballast").unlink()
    for number in range(10_000, 10_020):
        answer = log(number)
        assert answer.status_code == 200, answer.text
        acknowledged.append(number)
    assert server.request("PUT", f"{FILES}/0/r/artifacts/large", data=b"l" * 1_000_000).status_code == 200
    check(acknowledged)
    assert server.stop() == 0
    server.start()
    check(acknowledged)
    server.stop()
    assert cairn("check", "--data", small / "data").stdout == "ok\n"
