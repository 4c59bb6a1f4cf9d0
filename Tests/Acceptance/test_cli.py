"""The program as a person meets it in a terminal."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

import pytest
import requests

from conftest import BINARY, ROOT, Server, cairn, digits

COMMANDS = ["serve", "demo", "train", "submit", "runs", "metrics", "show", "backup", "gc", "import-mlflow", "check"]


def test_help_version_and_wrong_words():
    overview = cairn("--help")
    assert overview.returncode == 0 and overview.stderr == ""
    assert all(re.search(rf"^   {name} ", overview.stdout, re.M) for name in COMMANDS)
    for name in COMMANDS:
        page = cairn(name, "--help")
        assert page.returncode == 0 and page.stdout.startswith(f"usage: cairn {name}")
        assert all(len(line) <= 100 for line in page.stdout.splitlines())
    assert re.fullmatch(r"cairn \d+\.\d+\.\d+\n", cairn("--version").stdout)
    for words in ([], ["fly"], ["serve", "--fast"], ["train"], ["serve", "--port", "many"], ["serve", "--port"], ["runs", "a"]):
        wrong = cairn(*words)
        assert wrong.returncode == 64 and wrong.stdout == "" and wrong.stderr != ""
    assert "--fast" in cairn("serve", "--fast").stderr
    assert "65535" in cairn("serve", "--port", "70000").stderr


def test_a_server_that_cannot_start_says_why(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = cairn("serve", "--port", port, "--data", tmp_path / "a")
        assert refused.returncode == 1 and refused.stdout == "" and str(port) in refused.stderr and "in use" in refused.stderr
    (tmp_path / "file").write_text("not a folder")
    refused = cairn("serve", "--port", 0, "--data", tmp_path / "file" / "data")
    assert refused.returncode == 1 and str(tmp_path / "file") in refused.stderr
    newer = tmp_path / "newer"
    Server(newer).stop()
    with sqlite3.connect(newer / "cairn.db") as database:
        database.execute("PRAGMA user_version = 9999")
    refused = cairn("serve", "--port", 0, "--data", newer)
    assert refused.returncode == 1 and "9999" in refused.stderr and "newer" in refused.stderr
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "cairn.db").write_bytes(b"this is not a database, however long one looks at it" * 100)
    refused = cairn("serve", "--port", 0, "--data", broken)
    assert refused.returncode == 1 and refused.stderr.strip()


def test_two_servers_do_not_share_a_folder(server):
    refused = cairn("serve", "--port", 0, "--data", server.folder)
    assert refused.returncode == 1 and "in use" in refused.stderr
    assert server.get("/healthz") == {"status": "ok"}


def test_train_needs_no_server(tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(digits()))
    done = cairn("train", spec, "--data", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert "val/accuracy" in done.stdout and "finished" in done.stdout
    spec.write_text(json.dumps(digits(optimizer={"type": "sgd", "lr": 1e30}, train={"epochs": 5})))
    failed = cairn("train", spec, "--data", tmp_path / "data")
    assert failed.returncode == 1 and "finite" in failed.stderr
    spec.write_text(json.dumps(digits(optimizer={"type": "sgd", "lr": -1})))
    wrong = cairn("train", spec, "--data", tmp_path / "data")
    assert wrong.returncode == 1 and "optimizer.lr" in wrong.stderr
    spec.write_text("{")
    assert cairn("train", spec, "--data", tmp_path / "data").returncode == 1
    assert cairn("train", tmp_path / "none.json", "--data", tmp_path / "data").returncode == 1
    assert cairn("check", "--data", tmp_path / "data").stdout == "ok\n"


def test_submit_and_reports(server, tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(digits()))
    address = ["--server", server.url]
    done = cairn("submit", spec, "--wait", *address)
    assert done.returncode == 0, done.stderr
    run = re.search(r"run ([0-9a-f]{32})", done.stdout).group(1)
    environment = {**os.environ, "CAIRN_SERVER": server.url}
    listed = cairn("runs", env=environment)
    assert run in listed.stdout and "FINISHED" in listed.stdout and "val/loss" in listed.stdout
    assert json.loads(cairn("runs", "--json", *address).stdout)["runs"][0]["run_id"] == run
    assert cairn("runs", "--csv", *address).stdout.startswith("run_id,")
    curve = cairn("metrics", run, "val/loss", "--csv", *address).stdout.splitlines()
    assert curve[0] == "step,timestamp,value" and len(curve) == 4
    assert "153" in cairn("metrics", run, "val/loss", *address).stdout
    page = cairn("show", run, *address).stdout
    assert "optimizer.lr" in page and "train/loss" in page and "latest" in page
    assert json.loads(cairn("show", run, "--json", *address).stdout)["run_id"] == run
    facts = list(csv.reader(cairn("show", run, "--csv", *address).stdout.splitlines()))
    assert facts[0] == ["about", "key", "field", "value"] and all(len(fact) == 4 for fact in facts)
    assert ["run", "", "run_id", run] in facts and ["param", "optimizer.lr", "value", "0.001"] in facts
    last = server.curve(run, "val/loss")["values"][-1]
    (shown,) = [fact[3] for fact in facts if fact[:3] == ["metric", "val/loss", "last"]]
    assert float(shown) == last
    assert ["checkpoint", "153", "label", "latest"] in facts
    for command in (["show", run], ["runs"], ["metrics", run, "val/loss"]):
        both = cairn(*command, "--json", "--csv", *address)
        assert both.returncode == 64 and both.stdout == "" and "--csv" in both.stderr
    unknown = cairn("show", "0" * 32, *address)
    assert unknown.returncode == 1 and "0" * 32 in unknown.stderr
    nobody = cairn("runs", "--server", "http://127.0.0.1:1")
    assert nobody.returncode == 1 and "no server answers" in nobody.stderr
    spec.write_text(json.dumps(digits(surprise=1)))
    assert "surprise" in cairn("submit", spec, *address).stderr


def test_texts_cannot_move_the_cursor(server, tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(digits(name="red \u009b31m end")))
    refused = cairn("submit", spec, "--server", server.url)
    assert refused.returncode == 1 and "red \\u{9b}31m end" in refused.stderr
    assert not any(ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160 for c in refused.stderr)


def test_backup_of_a_live_store(server, servers, tmp_path):
    job = server.run_job(digits())
    copy = tmp_path / "copy.db"
    assert cairn("backup", copy, "--data", server.folder).returncode == 0
    again = cairn("backup", copy, "--data", server.folder)
    assert again.returncode == 1 and str(copy) in again.stderr
    assert cairn("check", "--data", server.folder).stdout == "ok\n"
    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.move(copy, restored / "cairn.db")
    other = servers(folder=restored)
    assert other.curves(job["run_id"]) == server.curves(job["run_id"])
    assert other.checkpoint(job["run_id"]) == server.checkpoint(job["run_id"])
    missing = cairn("check", "--data", tmp_path / "nothing")
    assert missing.returncode == 1 and "nothing" in missing.stderr


def test_the_demo_trains_three_baselines_and_keeps_serving(tmp_path):
    demo = subprocess.Popen(
        [BINARY, "demo", "--port", "0", "--data", tmp_path / "data"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        lines = []
        while not any("Ctrl-C" in line for line in lines):
            line = demo.stdout.readline()
            assert line, lines
            lines.append(line)
        text = "".join(lines)
        url = re.search(r"cairn listening on (\S+)", text).group(1)
        assert f"dashboard  {url}/" in text
        # The line to read a metric is copied as it is printed.
        command = re.search(r"curl -s '.*'", text).group(0)
        curve = subprocess.run(command, shell=True, capture_output=True, text=True).stdout.splitlines()
        assert curve[0] == "step,timestamp,value" and len(curve) > 5
        submit = text[text.index("curl -s " + url + "/api/v1/jobs") : text.index("read a metric")]
        posted = json.loads(subprocess.run(submit, shell=True, capture_output=True, text=True).stdout)
        assert posted["state"] in ("queued", "running")
        jobs = requests.get(url + "/api/v1/jobs", timeout=10).json()["jobs"]
        assert [job["state"] for job in jobs[-3:]] == ["finished"] * 3
        runs = requests.get(url + "/api/v1/runs", timeout=10).json()["runs"]
        assert all(run["metrics"]["val/accuracy"]["last"] > 0.9 for run in runs[-3:])
        assert requests.get(url + "/", timeout=10).headers["Content-Type"].startswith("text/html")
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=20) == 0
    # A second demo on the same folder shows the same three jobs.
    again = subprocess.Popen(
        [BINARY, "serve", "--demo", "--port", "0", "--data", tmp_path / "data"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        url = again.stdout.readline().split()[-1]
        time.sleep(0.3)
        assert len(requests.get(url + "/api/v1/jobs", timeout=10).json()["jobs"]) == 4
    finally:
        again.terminate()
        assert again.wait(timeout=20) == 0


def test_starting_is_quick_and_an_idle_server_is_small(servers):
    """Loose guards against something gone very wrong; the benchmark has the figures."""
    before = time.monotonic()
    server = servers()
    assert server.get("/healthz") == {"status": "ok"}
    assert time.monotonic() - before < 2
    status = open(f"/proc/{server.process.pid}/status").read()
    assert int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) < 100_000
