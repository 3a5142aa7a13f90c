from __future__ import annotations

from dataclasses import replace

import pytest

from local_stack.commands.demo_outcome import DemoError, Evidence, Outcome, Run, check, table

DAY = "2026-11-20"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/california-housing/1"


def run(features: str, seconds: dict[str, float]) -> Run:
    params = {"snapshot": DAY, "r2_threshold": 0.6, "features": features}
    return Run(features, f"manual__{features}", "success", params, seconds)


RAW = Outcome(
    run("raw", {"train": 3.25, "skip_registration": 0.5}),
    verdict="reject",
    reason="r2 = 0.5758 is not ≥ 0.6",
    rows=20640,
    r2=0.57583,
    packages=(),
)
ENGINEERED = Outcome(
    run("engineered", {"train": 3.0, "register_model": 1.0}),
    verdict="pass",
    reason="r2 = 0.6467 ≥ 0.6",
    rows=20640,
    r2=0.64672,
    packages=(ARN,),
)
GOOD = Evidence((RAW, ENGINEERED), {ARN: {"snapshot": DAY}})


def test_what_should_happen_passes() -> None:
    check(GOOD, DAY)


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        (replace(GOOD, outcomes=(RAW,)), "the run with engineered features did not end"),
        (
            replace(
                GOOD,
                outcomes=(replace(RAW, run=replace(RAW.run, state="failed")), ENGINEERED),
            ),
            "the run with raw features ended as failed",
        ),
        (
            replace(GOOD, outcomes=(replace(RAW, verdict="pass"), ENGINEERED)),
            "the gate's verdict on raw features is pass, not reject",
        ),
        (
            replace(GOOD, outcomes=(RAW, replace(ENGINEERED, verdict=""))),
            "the gate's verdict on engineered features is no decision.json, not pass",
        ),
        (
            replace(GOOD, outcomes=(replace(RAW, packages=(ARN,)), ENGINEERED)),
            "the run with raw features registered 1 versions, not 0",
        ),
        (
            replace(GOOD, outcomes=(RAW, replace(ENGINEERED, packages=()))),
            "the run with engineered features registered 0 versions, not 1",
        ),
        (replace(GOOD, packages={}), "the registry holds 0 versions, not 1"),
        (
            replace(GOOD, packages={ARN: {"snapshot": DAY}, "other": {"snapshot": DAY}}),
            "the registry holds 2 versions, not 1",
        ),
        (
            replace(GOOD, packages={ARN: {"snapshot": "2026-11-19"}}),
            f"the metadata of {ARN} do not name the snapshot {DAY}",
        ),
    ],
)
def test_each_thing_that_did_not_happen_is_told(evidence: Evidence, message: str) -> None:
    with pytest.raises(DemoError) as raised:
        check(evidence, DAY)
    assert str(raised.value) == message


def test_the_table_tells_all() -> None:
    expected = f"""
  run         snapshot    rows    r2      threshold  verdict  outcome
  raw         2026-11-20  20,640  0.5758  ≥ 0.6      reject   not registered: {RAW.reason}
  engineered  2026-11-20  20,640  0.6467  ≥ 0.6      pass     {ARN}

  seconds     train  skip_registration  register_model  all
  raw         3.2    0.5                -               3.8
  engineered  3.0    -                  1.0             4.0"""
    assert f"\n{table(GOOD.outcomes)}" == expected
