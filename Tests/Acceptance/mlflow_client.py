"""The unmodified `mlflow` client, told to give up soon and to tell nobody, and a fixture of it for one server."""

import os

import pytest

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402

__all__ = ["MlflowClient", "client", "mlflow"]


@pytest.fixture
def client(server):
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    # The module remembers the experiment of the test before, which this server has never seen.
    mlflow.set_experiment(experiment_id="0")
    yield MlflowClient(server.url)
    while mlflow.active_run():
        mlflow.end_run()
