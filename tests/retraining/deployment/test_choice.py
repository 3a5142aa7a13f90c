from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining.deployment.choice import (
    Choice,
    DeploymentRefusedError,
    choose,
    first_usable,
    in_turn,
)
from retraining.deployment.endpoints import Endpoint
from retraining.registry.versions import Version

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)


def version(number: int, snapshot: str = "2026-11-20", **changes: Any) -> Version:
    values: dict[str, Any] = {
        "arn": f"arn:{number}",
        "number": number,
        "snapshot": snapshot,
        "created": BEGIN + timedelta(hours=number),
        "approval": "Approved",
        "status": "Completed",
    }
    return Version(**(values | changes))


def endpoint(config: str, *, verified: str | None, status: str = "InService") -> Endpoint:
    return Endpoint("houses", "arn:e", status, config, "", verified, "")


def config_of(item: Version) -> str:
    return f"config-{item.number}"


def choice(newest: Version | None, **changes: Any) -> Choice:
    arguments: dict[str, Any] = {
        "asked": None,
        "endpoint": None,
        "verified": None,
        "served": None,
        "is_there": True,
        "is_lost": False,
        "config_of": config_of,
        "is_resizing": False,
    }
    return choose(newest, **(arguments | changes))


def serving(number: int, **changes: Any) -> dict[str, Any]:
    config = f"config-{number}"
    return {"endpoint": endpoint(config, verified=config), "verified": version(number, **changes)}


def test_the_newest_is_deployed_where_nothing_serves() -> None:
    assert choice(version(1)).version == version(1)
    assert choice(None) == Choice(None, False, "no approved version is to be deployed")


def test_what_serves_already_is_not_deployed_again() -> None:
    assert choice(version(1), **serving(1)).version is None
    assert choice(version(1), asked=version(1), **serving(1)).version is None
    assert "serves already" in choice(version(1), **serving(1)).reason


def test_a_newer_version_replaces_what_serves() -> None:
    assert choice(version(2), **serving(1)).version == version(2)


def test_a_version_of_an_older_snapshot_does_not_overtake() -> None:
    late = version(2, "2026-10-01")
    assert choice(late, **serving(1)).version is None
    assert "older" in choice(late, **serving(1)).reason
    assert choice(version(1), asked=late, **serving(1)).version == late


def test_what_a_person_passed_over_is_not_deployed_unasked() -> None:
    three, two, one = version(3), version(2), version(1)
    assert in_turn([three, two, one], "2-3", with_passed=False) == [one]
    # What was approved after the rollback has its turn, though its data or number are older.
    assert in_turn([three, two, one], "3", with_passed=False) == [two, one]
    assert in_turn([three, two, one], "3", with_passed=True) == [two, one, three]
    assert choice(two, asked=three, **serving(1)).version == three


def test_a_rejected_version_that_serves_is_replaced_even_by_an_older_one() -> None:
    rejected = serving(3, approval="Rejected", approval_reason="by ute: wrong")
    older = version(1, "2026-10-01")
    found = choice(older, **rejected)
    assert found.version == older
    assert "version 3 serves though it is Rejected (by ute: wrong)" in found.reason


def test_a_version_that_a_person_tries_before_its_approval_serves_on() -> None:
    tried = serving(3, approval="PendingManualApproval")
    assert choice(version(1, "2026-10-01"), **tried).version is None
    assert choice(None, **tried).version is None


def test_a_rejected_version_that_nothing_can_replace_is_no_green_run() -> None:
    rejected = serving(3, approval="Rejected", approval_reason="by ute: wrong")
    with pytest.raises(
        DeploymentRefusedError, match=r"Rejected \(by ute: wrong\).*goes on serving"
    ):
        choice(None, **rejected)


def test_what_lacks_something_is_passed_over_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    three, two, one = version(3), version(2), version(1)
    found = first_usable([three, two, one], lambda item: "no data" if item == three else None)
    assert found == two
    assert "version 3 is passed over: no data" in caplog.text
    assert first_usable([one], lambda _: "no data") is None


def test_another_size_is_something_to_do_for_a_person_only() -> None:
    other = {"endpoint": endpoint("small", verified="small"), "verified": version(1)}
    assert choice(version(1), **other).version is None
    assert choice(version(1), is_resizing=True, **other).version == version(1)
    assert choice(version(1), asked=version(1), **other).version == version(1)


@pytest.mark.parametrize("approval", ["Rejected", "PendingManualApproval", ""])
def test_only_approved_versions_are_deployed_by_hand_too(approval: str) -> None:
    asked = version(1, approval=approval, approval_reason="who and why")
    with pytest.raises(DeploymentRefusedError, match="who and why"):
        choice(version(2), asked=asked)
    with pytest.raises(DeploymentRefusedError, match="InProgress"):
        choice(version(2), asked=version(1, status="InProgress"))


@pytest.mark.parametrize("status", ["InService", "Updating", "RollingBack", "Failed"])
def test_a_deployment_that_was_interrupted_is_taken_up(status: str) -> None:
    left = {"endpoint": endpoint("config-2", verified="config-1", status=status)}
    assert choice(version(2), verified=version(1), **left).version == version(2)
    # Its version was rejected meanwhile, and version 1 is the newest again.
    assert choice(version(1), verified=version(1), **left).version == version(1)


def test_what_an_interrupted_deployment_left_is_put_back_if_nothing_may_be_deployed() -> None:
    left = {"endpoint": endpoint("config-2", verified="config-1"), "verified": version(1)}
    for newest in (None, version(3, "2026-10-01")):
        found = choice(newest, **left)
        assert (found.version, found.is_restoring) == (version(1), True)


def test_a_config_that_was_deleted_is_not_put_back_but_its_version_deployed_anew() -> None:
    left = {"endpoint": endpoint("config-2", verified="config-1"), "is_there": False}
    found = choice(None, verified=version(1), **left)
    assert (found.version, found.is_restoring) == (version(1), False)
    # Unless that may not be deployed; then it is no repetition, but told.
    for gone in (None, version(1, approval="Rejected")):
        with pytest.raises(DeploymentRefusedError, match="config-1, which was, is gone"):
            choice(None, verified=gone, **left)


def test_a_version_whose_model_data_is_gone_is_not_put_back_and_keeps_none_from_its_place() -> None:
    left = {"endpoint": endpoint("config-2", verified="config-1"), "verified": version(1)}
    older = version(3, "2026-10-01")
    found = choice(older, is_lost=True, **left)
    assert (found.version, found.is_restoring) == (older, False)
    with pytest.raises(DeploymentRefusedError, match="config-1, which was, is gone"):
        choice(None, is_lost=True, **left)
    # While it serves, it does.
    assert choice(older, is_lost=True, **serving(1)).version is None


def test_what_was_never_verified_does_not_serve_on_in_green_runs() -> None:
    with pytest.raises(DeploymentRefusedError, match="never verified"):
        choice(None, endpoint=endpoint("config-2", verified=None))
    # What was found bad, and not flipped back: that is done now.
    bad = version(2, approval="Rejected", approval_reason="it answers wrongly")
    for status in ("InService", "Failed"):
        left = endpoint("config-2", verified=None, status=status)
        found = choice(None, endpoint=left, served=bad)
        assert (found.version, found.is_flipping) == (bad, True)
        assert "it answers wrongly" in found.reason
    failed = choice(None, endpoint=endpoint("config-2", verified=None, status="Failed"))
    assert failed.version is None
    assert "never verified" in failed.reason


DATES = st.sampled_from(["", "2026-10-01", "2026-11-20", "2026-11-21"])
VERSIONS = st.builds(version, st.integers(1, 5), DATES)


@given(VERSIONS, VERSIONS, st.booleans())
def test_unasked_no_older_data_ever_takes_the_place_of_newer(
    newest: Version, kept: Version, is_resizing: bool
) -> None:
    config = config_of(kept)
    found = choice(
        newest,
        endpoint=endpoint(config, verified=config),
        verified=kept,
        is_resizing=is_resizing,
    )
    if found.version is not None:
        assert found.version.age >= kept.age
        # And a second run finds nothing to do.
        config = config_of(found.version)
        again = choice(newest, endpoint=endpoint(config, verified=config), verified=found.version)
        assert again.version is None
