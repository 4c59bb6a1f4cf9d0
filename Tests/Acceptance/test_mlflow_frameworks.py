"""Training frameworks that log to MLflow by themselves, and models that come back from where they were logged."""

import warnings

import numpy
import pytest
from mlflow_client import client, mlflow  # noqa: F401
import mlflow.sklearn
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

warnings.filterwarnings("ignore")


def test_scikit_learn_logs_by_itself_and_the_model_comes_back(client):
    inputs, labels = load_iris(return_X_y=True)
    mlflow.sklearn.autolog(log_input_examples=True, registered_model_name="iris")
    try:
        with mlflow.start_run() as run:
            model = LogisticRegression(max_iter=300).fit(inputs, labels)
            model.score(inputs, labels)
        mlflow.sklearn.autolog(log_models=False)
        with mlflow.start_run() as search:
            GridSearchCV(LogisticRegression(max_iter=300), {"C": [0.1, 1.0]}, cv=3).fit(inputs, labels)
    finally:
        mlflow.sklearn.autolog(disable=True)
    number = run.info.run_id
    found = client.get_run(number)
    assert found.data.params["max_iter"] == "300" and found.data.params["l1_ratio"]
    assert found.data.metrics["training_accuracy_score"] == pytest.approx(model.score(inputs, labels))
    assert any("score" in key and not key.startswith("training") for key in found.data.metrics)
    assert found.data.tags["estimator_name"] == "LogisticRegression"
    (given,) = found.inputs.dataset_inputs
    assert given.dataset.digest and {t.key: t.value for t in given.tags} == {"mlflow.data.context": "train"}
    paths = {file.path for file in client.list_artifacts(number)}
    assert {"training_confusion_matrix.png", "estimator.html"} <= paths
    assert "model/MLmodel" in {file.path for file in client.list_artifacts(number, "model")}
    (output,) = found.outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert logged.status.value == "READY" and logged.source_run_id == number
    metrics = {metric.key: metric for metric in logged.metrics}
    assert metrics["training_accuracy_score"].value == found.data.metrics["training_accuracy_score"]
    assert metrics["training_accuracy_score"].dataset_digest == given.dataset.digest
    children = client.search_runs(["0"], f"tags.mlflow.parentRunId = '{search.info.run_id}'")
    assert len(children) == 2

    client.set_registered_model_alias("iris", "champion", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client.transition_model_version_stage("iris", "1", "Production")
    wanted = model.predict(inputs)
    for uri in (f"runs:/{number}/model", f"models:/{logged.model_id}", "models:/iris/1", "models:/iris@champion", "models:/iris/Production"):
        loaded = mlflow.sklearn.load_model(uri)
        assert numpy.array_equal(loaded.predict(inputs), wanted), uri
    assert client.get_model_version_by_alias("iris", "champion").run_id == number
    plain = mlflow.pyfunc.load_model("models:/iris@champion")
    assert plain.metadata.signature is not None and numpy.array_equal(plain.predict(inputs), wanted)
    best = mlflow.search_logged_models(experiment_ids=["0"], filter_string="metrics.training_accuracy_score > 0.5", output_format="list")
    assert logged.model_id in {m.model_id for m in best}


def test_a_model_logged_by_hand_with_example_and_params(client):
    inputs, labels = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=300).fit(inputs, labels)
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="mdl", input_example=inputs[:2], pip_requirements=["scikit-learn"], params={f"p{i}": i for i in range(130)})
        mlflow.log_metric("acc", 0.5, model_id=info.model_id, step=2)
    logged = client.get_logged_model(info.model_id)
    assert len(logged.params) == 130 and [m.value for m in logged.metrics] == [0.5]
    version = mlflow.register_model(f"runs:/{run.info.run_id}/mdl", "by-hand", tags={"a": "b"})
    assert version.version in ("1", 1) and version.status == "READY"
    assert numpy.array_equal(mlflow.sklearn.load_model("models:/by-hand/latest").predict(inputs), model.predict(inputs))
    client.delete_logged_model(info.model_id)
    assert info.model_id not in {m.model_id for m in client.search_logged_models(["0"])}


def test_lightning_logs_curves_parameters_and_checkpoints(client, tmp_path):
    torch = pytest.importorskip("torch")
    lightning = pytest.importorskip("lightning.pytorch")
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers import MLFlowLogger

    class Line(lightning.LightningModule):
        def __init__(self, lr=0.05):
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch, _):
            loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

    lightning.seed_everything(1)
    inputs = torch.randn(64, 2)
    data = torch.utils.data.TensorDataset(inputs, inputs.sum(1, keepdim=True))
    logger = MLFlowLogger(experiment_name="lightning", tracking_uri=client.tracking_uri, log_model=True, tags={"kind": "line"})
    trainer = lightning.Trainer(
        max_epochs=3, logger=logger, log_every_n_steps=1, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
        default_root_dir=tmp_path, callbacks=[ModelCheckpoint(dirpath=tmp_path / "checkpoints", monitor="loss", filename="{epoch}-{step}")],
    )
    trainer.fit(Line(), torch.utils.data.DataLoader(data, batch_size=16))
    run = client.get_run(logger.run_id)
    assert run.info.status == "FINISHED" and run.data.params == {"lr": "0.05"} and run.data.tags["kind"] == "line"
    history = client.get_metric_history(logger.run_id, "loss")
    assert [m.step for m in history] == list(range(12)) and history[-1].value < history[0].value
    assert run.data.metrics["epoch"] == 2
    (name,) = [file.path for file in client.list_artifacts(logger.run_id)]
    assert "=" in name
    (checkpoint,) = [f.path for f in client.list_artifacts(logger.run_id, name) if f.path.endswith(".ckpt")]
    local = client.download_artifacts(logger.run_id, checkpoint, str(tmp_path))
    restored = Line.load_from_checkpoint(local, weights_only=False)
    assert restored.layer.weight.shape == (1, 2)
