"""Abalone's two DAGs: gated by an error that must be small, built by the image's own algorithm."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.deployment import endpoints
from retraining.registry import versions as registry

from tests.dags.place import ROOT, Place, did, new_place, parsed_dags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "abalone"
RETRAINING, DEPLOYMENT = "abalone_retraining", "abalone_deployment"
GOOD, BAD = "2026-11-20", "2026-11-21"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any) -> Iterator[Place]:
    table = (ROOT / ".local" / "sample-data" / "abalone.csv").read_bytes()
    with new_place(tmp_path_factory.mktemp("abalone"), run_embedded_sagemaker) as place:
        place.land(NAME, GOOD, table, name="abalone.csv")
        place.land(NAME, BAD, b"X" + table[1:], name="abalone.csv")
        yield place


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    parsed = parsed_dags(tmp_path_factory.mktemp("shape"))
    assert parsed["errors"] == {}
    found: dict[str, Any] = parsed["dags"]
    return found


def test_the_retraining_dag_reads_as_the_tutorials_pipeline(dags: dict[str, Any]) -> None:
    assert dags[RETRAINING]["edges"] == [
        ["check_data", "train"],
        ["check_quality", "register_model"],
        ["check_quality", "reject_model"],
        ["check_quality", "skip_registration"],
        ["evaluate", "check_quality"],
        ["find_champion", "check_data"],
        ["preprocess", "check_data"],
        ["register_model", "create_model"],
        ["resolve_run", "find_champion"],
        ["resolve_run", "preprocess"],
        ["train", "evaluate"],
    ]
    assert dags[RETRAINING]["params"]["mse_threshold"] == 6.0
    # It asks nobody, and so has no switch for it.
    assert not {"ask_for_approval", "approval_hours"} & set(dags[RETRAINING]["params"])
    for dag in (dags[RETRAINING], dags[DEPLOYMENT]):
        for name in [*dag["params"], *dag["tasks"]]:
            assert f"`{name}`" in dag["doc"]


@pytest.mark.e2e
def test_a_model_is_registered_only_while_its_error_is_small_enough(
    place: Place, tmp_path: Path
) -> None:
    """Pass, reject, bad data, and a report that cannot be judged; then the endpoint."""
    runs, log = place.run(
        RETRAINING,
        {"snapshot": GOOD, "mse_threshold": 2},
        {"snapshot": GOOD, "mse_threshold": 2, "when_rejected": "fail"},
        {"snapshot": BAD},
        {"snapshot": GOOD},
    )
    skipped, failed, spoiled, passed = runs
    assert [run["state"] for run in runs] == ["success", "failed", "failed", "success"], log[-5000:]
    assert skipped["tasks"]["skip_registration"] == "success"
    assert skipped["tasks"]["register_model"] == "skipped"
    assert failed["tasks"]["reject_model"] == "failed"
    assert "is not ≤ 2" in log
    assert spoiled["tasks"]["preprocess"] == "failed"
    assert "abalone.csv: line 1, column sex: 'X'" in log

    decision = place.decision(NAME, passed, GOOD)
    mse = decision["conditions"][0]["operands"]["regression_metrics.mse"]
    assert 4 < mse < 5.5
    assert decision["pipeline"]["headline"] == {
        "metric": "regression_metrics.mse",
        "better": "lower",
    }
    (version,) = place.versions(NAME)
    assert version["ModelPackageDescription"].startswith(f"snapshot {GOOD}, mse {mse:.4g}")
    metadata = version["CustomerMetadataProperties"]
    assert float(metadata["mse"]) == mse
    assert float(metadata["mse_threshold"]) == 6
    assert metadata["headline"] == "regression_metrics.mse"
    container = version["InferenceSpecification"]["Containers"][0]
    assert container["Image"].endswith("sagemaker-xgboost:3.0-5")
    # The image serves its own models, in what the registry says.
    assert container["Environment"] == {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}

    sagemaker = place.client("sagemaker")
    (model,) = sagemaker.list_models(NameContains="version-1")["Models"]
    described = sagemaker.describe_model(ModelName=model["ModelName"])
    assert described["PrimaryContainer"]["ModelDataUrl"] == container["ModelDataUrl"]
    training = sagemaker.describe_training_job(TrainingJobName=metadata["training_job"])
    assert {"train:rmse", "validation:rmse"} <= {
        metric["MetricName"] for metric in training["FinalMetricDataList"]
    }

    scripts = shutil.copytree(ROOT / "include" / "scripts", tmp_path / "scripts")
    evaluate = scripts / NAME / "evaluate.py"
    evaluate.write_text(
        evaluate.read_text() + "\n    import pathlib\n"
        "    path = pathlib.Path('/opt/ml/processing/output/evaluation/evaluation.json')\n"
        "    path.write_text(path.read_text().replace('\"mse\"', '\"error\"'))\n"
    )
    (run,), log = place.run(RETRAINING, {"snapshot": GOOD}, RETRAINING_SCRIPTS_FOLDER=str(scripts))
    assert run["tasks"]["check_quality"] == "failed"
    assert "has no 'mse'; it has error" in place.decision(NAME, run, GOOD)["explanation"]
    assert len(place.versions(NAME)) == 1


@pytest.mark.e2e
def test_the_version_is_deployed_verified_and_a_broken_one_flipped_back(place: Place) -> None:
    sagemaker = place.client("sagemaker")
    arn = place.versions(NAME)[0]["ModelPackageArn"]
    registry.approve(sagemaker, arn, reason="by a test")
    (run,), log = place.run(DEPLOYMENT, {})
    assert did(run) == ["deploy_version", "keep_version", "verify_version"], log[-5000:]

    one = registry.describe(sagemaker, arn)
    asked = json.loads(place.body(naming.smoke_uri(naming.run_of_report(one.report_uri))))
    rows = asked["requests"][:50]
    answer = place.ask(NAME, "\n".join(row["body"] for row in rows))
    expected = [row["expected"] for row in rows]
    assert [float(text) for text in answer.replace(",", " ").split()] == pytest.approx(expected)

    broken = place.register_like(
        arn, snapshot="2026-11-22", changed={"xgboost-model": b"\0not a model"}
    )
    (run,), log = place.run(DEPLOYMENT, {})
    assert "flip_back" in did(run), log[-5000:]
    assert run["state"] == "failed"
    assert registry.describe(sagemaker, broken.arn).approval == registry.REJECTED
    found = endpoints.find(sagemaker, NAME)
    assert found is not None
    serving = endpoints.version_of_config(sagemaker, found.config)
    assert serving is not None
    assert serving.number == 1
