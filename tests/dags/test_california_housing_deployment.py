"""Both DAGs: a model is registered, approved, deployed, replaced, and taken back if it is bad."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.deployment import endpoints
from retraining.registry import versions as registry

from tests.dags.place import ROOT, Place, did, new_place, parsed_dags

if TYPE_CHECKING:
    from collections.abc import Iterator

DAG_ID = "california_housing_deployment"
SNAPSHOT = "2026-11-20"
NAME = "california-housing"
ENTRY_POINT = "code/entry_point.py"
# A hand on what is being deployed, at a moment that no timing could meet: as it answers.
CALLS = """

def _call(operation, members):
    import json, os, urllib.request
    scope = "AWS4-HMAC-SHA256 Credential=x/20261120/us-east-1/sagemaker/aws4_request"
    headers = {
        "X-Amz-Target": f"SageMaker.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": f"{scope}, SignedHeaders=host, Signature=0",
    }
    body = json.dumps(members).encode()
    urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], body, headers))

def predict_fn(rows, model):
    global _call
    import numpy
    # Not as it answers those who only call it all the time.
    if numpy.ravel(rows)[0] != 3:
        call, _call = _call, lambda *_: None
        call(%r, %r)
    return model.predict(rows)
"""
RAISING = b"\nraise OSError('no library')\n"
REGRETS = "by a person, while it was verified"
OFF = b"\n\ndef predict_fn(rows, model):\n    return model.predict(rows) + 0.01\n"


@contextmanager
def hammered(place: Place) -> Iterator[list[Exception | str]]:
    """Call the endpoint all through the block; note its errors and answers."""
    answers: list[Exception | str] = []
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.05):
            try:
                answers.append(place.ask(NAME, "3,20,5,1,1000,3,37,-122\n"))
            except Exception as error:
                answers.append(error)

    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(work) for _ in range(2)]
        try:
            yield answers
        finally:
            ended.set()
        for work_done in working:
            work_done.result()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any) -> Iterator[Place]:
    table = (ROOT / ".local" / "sample-data" / "california_housing.csv").read_bytes()
    with new_place(tmp_path_factory.mktemp("deployment"), run_embedded_sagemaker) as place:
        place.land(NAME, SNAPSHOT, table, name="houses.csv")
        yield place


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    parsed = parsed_dags(tmp_path_factory.mktemp("shape"))
    assert parsed["errors"] == {}
    dag: dict[str, Any] = parsed["dags"][DAG_ID]
    return dag


def test_what_serves_is_changed_by_one_arm_and_judged_by_the_next(shape: dict[str, Any]) -> None:
    edges = [edge for edge in shape["edges"] if edge[0] != "choose_version"]
    assert edges == [
        ["deploy_version", "verify_version"],
        ["keep_version", "flip_back"],
        ["verify_version", "flip_back"],
        ["verify_version", "keep_version"],
    ]
    for task in ("nothing_to_do", "deploy_version"):
        assert ["choose_version", task] in shape["edges"]


def test_parameters_and_tasks_are_the_documented_ones(shape: dict[str, Any]) -> None:
    assert shape["catchup"] is False
    assert shape["params"] == {
        "version": None,
        "endpoint_name": "california-housing",
        "memory_size_mb": 2048,
        "max_concurrency": 5,
        "instance_type": "",
        "reject_when_broken": True,
        "smoke_rows": 20,
        "tolerance": None,
        "keep": 5,
    }
    for name in [*shape["params"], *shape["tasks"]]:
        assert f"`{name}`" in shape["doc"]


@pytest.mark.e2e
def test_from_registration_to_the_endpoint_and_back(place: Place) -> None:
    sagemaker = place.client("sagemaker")
    (trained,), log = place.run("california_housing_retraining", {"snapshot": SNAPSHOT})
    assert trained["state"] == "success", log[-3000:]
    assert trained["tasks"]["ask_for_approval"] == "skipped"
    one = registry.describe(sagemaker, place.versions(NAME)[0]["ModelPackageArn"])
    assert one.approval == registry.PENDING
    for _ in range(2):
        registry.approve(sagemaker, one.arn, reason="by a test, twice")
    # The first version of an endpoint of its own is broken: there is nothing to flip back to.
    first = place.register_like(one.arn, snapshot="2026-10-02", changed={ENTRY_POINT: RAISING})
    runs, log = place.run(
        DAG_ID,
        {"endpoint_name": "of-its-own", "version": first.number, "reject_when_broken": False},
        {"version": one.arn},
        {"version": one.number},
    )
    assert [run["state"] for run in runs] == ["failed", "success", "success"]
    assert runs[0]["tasks"]["flip_back"] == "failed"
    assert "there was nothing to flip back to, so of-its-own was deleted" in log
    assert endpoints.find(sagemaker, "of-its-own") is None
    assert registry.describe(sagemaker, first.arn).approval == registry.APPROVED
    assert runs[1]["tasks"]["keep_version"] == "success"
    assert runs[2]["tasks"]["nothing_to_do"] == "success"
    assert "version 1 serves already" in log
    check_predictions(place, one)

    two = place.register_like(one.arn, snapshot=SNAPSHOT)
    raises = place.register_like(one.arn, snapshot="2026-11-22", changed={ENTRY_POINT: RAISING})
    missing = place.register_like(one.arn, snapshot="2026-11-23", is_there=False)
    off = place.register_like(
        one.arn,
        snapshot="2026-11-24",
        changed={ENTRY_POINT: OFF},
    )
    late = place.register_like(one.arn, snapshot="2026-10-01")
    regretted = register_regretted(place, after=late)
    with hammered(place) as answers:
        # The newest snapshots first; then there is nothing newer; then a person rolls back.
        runs, log = place.run(DAG_ID, {}, {}, {}, {}, {}, {"version": one.number}, {})
    broken = ["deploy_version", "flip_back", "verify_version"]
    good = ["deploy_version", "keep_version", "verify_version"]
    regretted_late = sorted({*good, *broken})
    idle = ["nothing_to_do"]
    assert [did(run) for run in runs] == [regretted_late, broken, broken, good, idle, good, idle]
    assert [run["state"] for run in runs] == ["failed"] * 3 + ["success"] * 4
    assert len(answers) > 100
    assert {str(answer) for answer in answers if isinstance(answer, Exception)} == set()
    for version, words in (
        (raises, "the service took the update back"),
        (regretted, REGRETS),
        (off, "row 1 of the test split is predicted as"),
    ):
        judged = registry.describe(sagemaker, version.arn)
        assert judged.approval == registry.REJECTED
        assert words in judged.approval_reason
        assert f"version {version.number} was not kept" in log
    assert f"version {two.number} serves already" in log
    assert f"version {missing.number} was passed over by hand" in log
    for left in (late, missing):
        assert registry.describe(sagemaker, left.arn).approval == registry.APPROVED
    assert f"version {missing.number} is passed over: its model data is gone" in log
    found = endpoints.find(sagemaker, NAME)
    assert found is not None
    assert found.is_sound
    serving = endpoints.version_of_config(sagemaker, found.config)
    assert serving is not None
    assert serving.number == one.number
    check_predictions(place, one)
    check_that_a_deleted_endpoint_is_not_the_versions_fault(place, one)


def register_regretted(place: Place, *, after: registry.Version) -> registry.Version:
    """A good version that is rejected while it is verified."""
    arn = after.arn.replace(f"/{after.number}", f"/{after.number + 1}")
    said = {"ModelApprovalStatus": "Rejected", "ApprovalDescription": REGRETS}
    rejects = CALLS % ("UpdateModelPackage", {"ModelPackageArn": arn, **said})
    regretted = place.register_like(
        after.arn, snapshot="2026-11-25", changed={ENTRY_POINT: rejects.encode()}
    )
    assert regretted.arn == arn
    return regretted


def check_that_a_deleted_endpoint_is_not_the_versions_fault(
    place: Place, one: registry.Version
) -> None:
    sagemaker = place.client("sagemaker")
    deletes = CALLS % ("DeleteEndpoint", {"EndpointName": NAME})
    orphan = place.register_like(
        one.arn, snapshot="2026-11-26", changed={ENTRY_POINT: deletes.encode()}
    )
    (run,), log = place.run(DAG_ID, {})
    assert (run["state"], did(run)) == ("failed", ["deploy_version", "verify_version"]), log
    assert registry.describe(sagemaker, orphan.arn).approval == registry.APPROVED
    assert endpoints.find(sagemaker, NAME) is None


def check_predictions(place: Place, version: registry.Version) -> None:
    """All rows of the test split are answered as evaluation answered them."""
    run = naming.run_of_report(version.report_uri)
    tested = place.table(f"{naming.output_uri(run, 'test')}test.csv")
    rows = [[row[name] for name in row if name != "MedHouseVal"] for row in tested]
    told = place.ask(NAME, "".join(f"{','.join(row)}\n" for row in rows))
    answers = [float(text) for text in told.replace(",", " ").split()]
    evaluated = [float(row["predicted"]) for row in place.table(naming.predictions_uri(run))]
    assert len(evaluated) == 4099
    assert answers == pytest.approx(evaluated, rel=1e-9)
