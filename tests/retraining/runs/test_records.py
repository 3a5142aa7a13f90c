"""Decision records keep what they said, whoever writes at once and however often."""

from __future__ import annotations

import contextlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import botocore.client
import pytest
from retraining import naming
from retraining.aws import s3 as objects
from retraining.gate import decision
from retraining.runs import records

from tests.retraining.declarations import pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

BUCKET = "records"
DECLARED = pipeline("p")
REGISTERED = {"model_package_arn": "arn:aws:sagemaker:x:1:model-package/p/2", "version": 2}


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def run_of(name: str) -> str:
    return naming.run_uri(BUCKET, "p", "2026-11-20", name)


def decide(s3: Any, uri: str, score: float, **said: Any) -> str:
    """Write a report, and the decision about it; return its verdict."""
    report = json.dumps({"scores_metrics": {"score": score}}).encode()
    objects.put(s3, naming.report_uri(uri), report)
    found = decision.decide(report, DECLARED.policy, parameters={"least": 0.5})
    records.write_decision(
        s3,
        uri,
        decision=found,
        report=records.read_report(s3, uri),
        pipeline=DECLARED.to_record(),
        parameters={"least": 0.5},
        run={"run_id": "r"},
        **said,
    )
    return found.verdict.value


def register(s3: Any, uri: str) -> None:
    arn, version = REGISTERED["model_package_arn"], REGISTERED["version"]
    etag = records.read_report(s3, uri).etag
    records.add_registration(s3, uri, arn=str(arn), version=int(str(version)), report_etag=etag)


def earlier(s3: Any, uri: str) -> list[dict[str, Any]]:
    """Read the records that others have taken the place of."""
    bucket, folder = naming.split_s3_uri(naming.output_uri(uri, "decisions"))
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=folder).get("Contents", [])
    return [objects.get_json(s3, f"s3://{bucket}/{item['Key']}") for item in listed]


def test_a_new_decision_stands_beside_the_old_and_still_names_what_was_registered(s3: Any) -> None:
    uri = run_of("changed")
    decide(s3, uri, 0.75)
    register(s3, uri)
    said = records.read_decision(s3, uri)
    decide(s3, uri, 0.25)
    record = records.read_decision(s3, uri)
    assert (record["verdict"], record["registered"]) == ("reject", REGISTERED)
    assert earlier(s3, uri) == [said]
    assert said["registered"] == REGISTERED


def test_what_is_said_again_is_written_once(s3: Any) -> None:
    uri = run_of("again")
    for score in (0.75, 0.75, 0.25, 0.25):
        decide(s3, uri, score)
        register(s3, uri)
        register(s3, uri)
    assert [record["verdict"] for record in earlier(s3, uri)] == ["pass"]
    bucket, key = naming.split_s3_uri(naming.decision_uri(uri))
    before = s3.head_object(Bucket=bucket, Key=key)["LastModified"]
    decide(s3, uri, 0.25)
    assert s3.head_object(Bucket=bucket, Key=key)["LastModified"] == before


def test_decisions_and_registrations_at_once_lose_nothing(s3: Any) -> None:
    uri = run_of("at once")
    decide(s3, uri, 0.75)
    with ThreadPoolExecutor(6) as pool:
        registrations = [pool.submit(register, s3, uri) for _ in range(3)]
        decisions = [pool.submit(decide, s3, uri, score) for score in (0.1, 0.2, 0.3)]
        for done in (*registrations, *decisions):
            done.result()
    everything = [*earlier(s3, uri), records.read_decision(s3, uri)]
    assert everything[-1]["registered"] == REGISTERED
    words = {record["explanation"] for record in everything}
    assert {word for word in words if "0.75" in word}


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(4))
def test_a_death_at_any_write_ends_like_no_death(
    s3: Any, monkeypatch: pytest.MonkeyPatch, number: int, is_done: bool
) -> None:
    uri = run_of(f"death {number} {is_done}")
    real, writes = botocore.client.BaseClient._make_api_call, [0]  # type: ignore[attr-defined]

    def dying(client: Any, operation: str, parameters: Any) -> Any:
        if operation != "PutObject" or "evaluation.json" in parameters["Key"]:
            return real(client, operation, parameters)
        writes[0] += 1
        if writes[0] - 1 == number:
            if is_done:
                real(client, operation, parameters)
            raise ConnectionError
        return real(client, operation, parameters)

    def live(step: Callable[[], object]) -> None:
        with contextlib.suppress(ConnectionError):
            step()
            return
        step()

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", dying)
    live(lambda: decide(s3, uri, 0.75))
    live(lambda: register(s3, uri))
    live(lambda: decide(s3, uri, 0.25))
    assert writes[0] > number
    record = records.read_decision(s3, uri)
    assert (record["verdict"], record["registered"]) == ("reject", REGISTERED)
    (kept,) = earlier(s3, uri)
    assert (kept["verdict"], kept["registered"]) == ("pass", REGISTERED)


@pytest.mark.parametrize("broken", [b"", b"[]", b"{", b"\xff", b"[" * 50_000])
def test_a_broken_record_is_kept_aside_and_replaced(s3: Any, broken: bytes) -> None:
    uri = run_of(f"broken {broken[:2]!r} {len(broken)}")
    objects.put(s3, naming.decision_uri(uri), broken)
    decide(s3, uri, 0.75)
    assert records.read_decision(s3, uri)["registered"] is None
    bucket, folder = naming.split_s3_uri(naming.output_uri(uri, "decisions"))
    (item,) = s3.list_objects_v2(Bucket=bucket, Prefix=folder)["Contents"]
    assert item["Size"] == len(broken)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"verdict": "pass"}, None),
        ({"verdict": "reject", "explanation": "0.4 is not ≥ 0.5"}, "is reject by now, 0.4 is not"),
        ({"verdict": "undecidable"}, "is undecidable by now"),
        ({"verdict": "reject", "against_gate": {"by": "ada", "reason": "x"}}, None),
        ({"verdict": "undecidable", "against_gate": {"by": "ada", "reason": "x"}}, "undecidable"),
        ({"verdict": ["pass"]}, r"is \['pass'\] by now"),
        ({"verdict": "reject", "against_gate": "ada"}, "reject"),
        ([], "cannot be read"),
        (None, None),
    ],
)
def test_a_version_is_objected_to_by_its_own_decision_alone(
    s3: Any, record: object, words: str | None
) -> None:
    uri = run_of(f"objection {record}")
    if record is not None:
        objects.put_json(s3, naming.decision_uri(uri), record)
    found = records.objection(s3, uri)
    assert found is None if words is None else re.search(words, str(found))


def test_a_version_is_objected_to_whose_run_has_evaluated_another_model_since(s3: Any) -> None:
    """A clear: its test rows are the other model's, so it would be found bad by them."""
    uri = run_of("evaluated again")
    for score, is_objected_to in ((0.75, False), (0.75, False), (0.8, True), (0.75, False)):
        assert decide(s3, uri, score) == "pass"
        register(s3, uri)
        found = records.objection(s3, uri)
        assert (found is not None) == is_objected_to
        assert found is None or "has written another report since" in found


def test_a_version_that_no_run_made_is_not_objected_to(s3: Any) -> None:
    assert records.objection(s3, "") is None


def test_a_decision_that_may_not_be_read_is_an_objection(s3: Any) -> None:
    found = records.objection(s3, "s3://no-such-bucket/p/runs/2026-11-20/r/")
    assert found is not None
    assert "NoSuchBucket" in found


def test_a_record_keeps_what_was_compared(s3: Any) -> None:
    uri = run_of("compared")
    told = {"outcome": "gone", "reason": "deleted", "version": "arn:v/2", "rows": 7}
    for champion, kept in (
        (told, told | {"rows_unseen_by_champion": "unknown"}),
        ({"outcome": 7}, None),
        (None, None),
    ):
        report = {"scores_metrics": {"score": 1}, "champion": champion}
        content = json.dumps(report).encode()
        objects.put(s3, naming.report_uri(uri), content)
        records.write_decision(
            s3,
            uri,
            decision=decision.decide(content, DECLARED.policy, parameters={"least": 0.5}),
            report=records.read_report(s3, uri),
            pipeline=DECLARED.to_record(),
            parameters={},
            run={"run_id": "r"},
        )
        assert records.read_decision(s3, uri)["champion"] == kept
