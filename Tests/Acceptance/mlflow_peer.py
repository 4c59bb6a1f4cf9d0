"""The same request to two servers, this one and MLflow's own, and where their answers differ."""

import base64
import json
import re

import requests

# Times, what only MLflow has, and the words of messages.
NOISE = {
    "creation_time", "last_update_time", "creation_timestamp", "last_updated_timestamp", "creation_timestamp_ms",
    "last_updated_timestamp_ms", "sqlstate", "error_class", "message", "workspace", "field",
}  # fmt: skip
# Lists whose order is free.
SETS = {
    "tags", "params", "metrics of a run", "aliases", "latest_versions", "dataset_inputs", "files", "model_outputs",
    "dataset_summaries",
}  # fmt: skip


class Peer:
    """One of the servers: ids of its own behind names that both share, such as `@run0`."""

    def __init__(self, url):
        self.url = url
        self.session = requests.Session()
        self.ids = {}

    def fill(self, value):
        """Names become this server's ids."""
        if isinstance(value, bytes):
            return self.fill(value.decode("latin-1")).encode("latin-1")
        if isinstance(value, str):
            for name, number in self.ids.items():
                value = value.replace(name, number)
            return value
        if isinstance(value, dict):
            return {key: self.fill(part) for key, part in value.items()}
        return [self.fill(part) for part in value] if isinstance(value, list) else value

    def plain(self, value, key=None):
        """An answer with names for ids, without noise, and free lists in one order."""
        if isinstance(value, dict):
            inside = " of a run" if key == "data" else ""
            return {
                name: self.plain(part, "metrics of a run" if inside and name == "metrics" else name)
                for name, part in value.items()
                if name not in NOISE
            }
        if isinstance(value, list):
            parts = [self.plain(part) for part in value]
            return sorted(parts, key=lambda part: json.dumps(part, sort_keys=True)) if key in SETS else parts
        return self.named(value, key) if isinstance(value, str) else value

    def named(self, value, key):
        """A text with names for ids. Those of experiments are short: they count only where an id is meant."""
        if key == "next_page_token" and "experiment_ids" in base64.b64decode(value).decode():
            return "a token that names its question"
        for name, number in self.ids.items():
            if len(number) > 8:
                value = value.replace(number, name)
            elif key == "experiment_id" and value == number:
                value = name
            elif key in ("artifact_uri", "artifact_location") and re.match(rf"mlflow-artifacts:/{number}(/|$)", value):
                value = value.replace(f":/{number}", f":/{name}", 1)
        return json.loads(value) if key == "value" and value.startswith("[{") else value

    def send(self, method, path, body=None, raw=None, headers=None):
        """Status and parsed answer; `raw` are the bytes of a body that need not be JSON."""
        path = self.fill(path)
        where = self.url + (path if path.startswith("/") else "/api/2.0/mlflow/" + path)
        if raw is not None:
            options = {"data": self.fill(raw), "headers": {"Content-Type": "application/json"} if headers is None else headers}
        else:
            options = {"params" if method == "GET" else "json": self.fill(body or {})}
        answer = self.session.request(method, where, timeout=60, **options)
        try:
            return answer.status_code, answer.json()
        except ValueError:
            return answer.status_code, {}


def differences(ours, theirs, path=""):
    """The places where two answers differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = []
        for key in sorted(ours.keys() | theirs.keys()):
            found += differences(ours.get(key, "absent"), theirs.get(key, "absent"), f"{path}.{key}")
        return found
    if isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            return [f"{path}: {len(ours)} elements here, {len(theirs)} there"]
        return [line for index, pair in enumerate(zip(ours, theirs)) for line in differences(*pair, f"{path}[{index}]")]
    return [] if ours == theirs else [f"{path}: here {str(ours)[:200]}, there {str(theirs)[:200]}"]


class Scenario:
    """Requests that go to both servers, and what differed in the answers."""

    def __init__(self, ours, theirs):
        self.peers = [ours, theirs]
        self.count = 0
        self.differences = []

    def call(self, method, path, body=None, binds=None, instead=None, defect=False, raw=None, headers=None):
        """One request to both; `binds` gives the id in the answer a name.

        `instead`: the status here where MLflow's answer is a defect; `defect` stands for 400. A 500 of MLflow's is a
        defect in any case: then any other answer will do.
        """
        self.count += 1
        if path in ("runs/create", "experiments/create") and not binds:
            keys = ("run", "info", "run_id") if path == "runs/create" else ("experiment_id",)
            binds = (f"@made{self.count}@", *keys)
        answers = []
        for peer in self.peers:
            status, parsed = peer.send(method, path, body, raw, headers)
            if binds and status == 200:
                name, *keys = binds
                number = parsed
                for key in keys:
                    number = number[key]
                peer.ids[name] = number
            answers.append((status, peer.plain(parsed)))
        (status, ours), (their_status, theirs) = answers
        instead = 400 if defect else instead
        found = []
        if instead is not None:
            if status != instead or (instead == 400 and ours.get("error_code") != "INVALID_PARAMETER_VALUE"):
                found = [f"here {status} {ours}, wanted {instead}; there {their_status} {theirs}"]
        elif their_status == 500:
            found = [] if status < 500 else [f"here {status} {ours}, there a 500"]
        elif status != their_status:
            found = [f"here {status} {ours}", f"there {their_status} {theirs}"]
        else:
            found = differences(ours, theirs)
        if found:
            what = repr(raw) if raw is not None else json.dumps(body, ensure_ascii=False)
            self.differences.append("\n    ".join([f"{method} {path} {what[:300]}", *found]))
        return answers

    def post(self, path, body=None, **options):
        return self.call("POST", path, body, **options)

    def get(self, path, body=None, **options):
        return self.call("GET", path, body, **options)

    def check(self, at_least):
        """Fails unless so many requests had the same answers."""
        assert self.count >= at_least
        text = "\n".join(self.differences)
        assert not self.differences, f"{len(self.differences)} of {self.count} answers differ:\n{text}"
