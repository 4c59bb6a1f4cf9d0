"""MLflow's own server as the peer: the same version as the client, on a folder and a free port of its own."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import requests


class MLflowServer:
    """`mlflow server` on SQLite with proxied artifacts; `stop` ends its whole process group."""

    def __init__(self, folder, workers=1, environment=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = open(self.folder / "server.log", "wb")
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db", "--workers", str(workers)]
        command += ["--artifacts-destination", str(self.folder / "artifacts"), "--serve-artifacts"]
        self.process = subprocess.Popen(
            command,
            stdout=self.log,
            stderr=self.log,
            cwd=self.folder,
            start_new_session=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", **(environment or {})},
        )
        deadline = time.monotonic() + 180
        while True:
            try:
                if requests.get(self.url + "/health", timeout=5).status_code == 200:
                    return
            except requests.RequestException:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError((self.folder / "server.log").read_text())
            time.sleep(0.2)

    def resident_mb(self):
        """Memory of all its processes."""
        total = 0
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                if os.getpgid(int(status.parent.name)) == self.process.pid:
                    total += int(re.search(r"VmRSS:\s+(\d+)", status.read_text()).group(1))
            except (OSError, AttributeError):
                continue
        return total / 1024

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()
