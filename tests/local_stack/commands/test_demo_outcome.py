from __future__ import annotations

from dataclasses import replace

import pytest

from local_stack.commands.demo_outcome import DemoError, Evidence, Outcome, Run, check, tables
from local_stack.samples.pipelines import ABALONE, CALIFORNIA_HOUSING, PIPELINES, PRODUCT_REVIEWS

DAY = "2026-11-20"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/california-housing/1"
ANOTHER = "arn:aws:sagemaker:us-east-1:123456789012:model-package/abalone/1"


def run(features: str, seconds: dict[str, float]) -> Run:
    params = {"snapshot": DAY, "r2_threshold": 0.6, "features": features}
    name = "california-housing"
    return Run(name, features, f"manual__{features}", "success", params, seconds)


RAW = Outcome(
    run("raw", {"train": 3.25, "skip_registration": 0.5}),
    verdict="reject",
    reason="r2 = 0.5758 is not ≥ 0.6",
    rows=20640,
    metric="r2",
    value=0.57583,
    threshold="≥ 0.6",
    packages=(),
)
ENGINEERED = Outcome(
    run("engineered", {"train": 3.0, "register_model": 1.0}),
    verdict="pass",
    reason="r2 = 0.6467 ≥ 0.6",
    rows=20640,
    metric="r2",
    value=0.64672,
    threshold="≥ 0.6",
    packages=(ARN,),
)
OTHER_UNIT = Outcome(
    replace(run("other unit", {"check_data": 0.25}), state="failed"),
    verdict="stopped",
    reason="distance = 11 is not ≤ 1",
    rows=20640,
    metric=None,
    value=None,
    threshold=None,
    packages=(),
)
GOOD = Evidence((RAW, ENGINEERED, OTHER_UNIT), {ARN: {"snapshot": DAY}}, training_jobs=2)
STRICT = Outcome(
    Run("abalone", "strict", "manual__strict", "success", {"snapshot": DAY}, {"train": 0.5}),
    verdict="reject",
    reason="mse = 4.7 is not ≤ 3.0",
    rows=4177,
    metric="mse",
    value=4.7,
    threshold="≤ 3.0",
    packages=(),
)
TUTORIAL = Outcome(
    Run("abalone", "tutorial", "manual__tutorial", "success", {"snapshot": DAY}, {"train": 0.25}),
    verdict="pass",
    reason="mse = 4.7 is ≤ 6.0",
    rows=4177,
    metric="mse",
    value=4.7,
    threshold="≤ 6.0",
    packages=(ANOTHER,),
)
BOTH = Evidence(
    (RAW, ENGINEERED, OTHER_UNIT, STRICT, TUTORIAL),
    {ARN: {"snapshot": DAY}, ANOTHER: {"snapshot": DAY}},
    training_jobs=4,
)


def test_a_run_that_shall_fail_must_fail() -> None:
    def evidence(state: str) -> Evidence:
        frozen = Run("product-reviews", "frozen", "manual__frozen", state, {}, {})
        tuned = Run("product-reviews", "fine-tuned", "manual__tuned", "success", {}, {})
        rejected = replace(STRICT, run=frozen)
        outcomes = (rejected, replace(TUTORIAL, run=tuned))
        return Evidence(outcomes, {ANOTHER: {"snapshot": DAY}}, training_jobs=2)

    check(evidence("failed"), [PRODUCT_REVIEWS], DAY)
    with pytest.raises(DemoError, match="a strict threshold ended as success"):
        check(evidence("success"), [PRODUCT_REVIEWS], DAY)


def test_what_should_happen_passes() -> None:
    check(GOOD, [CALIFORNIA_HOUSING], DAY)
    check(BOTH, PIPELINES, DAY)


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        (replace(GOOD, outcomes=(RAW, OTHER_UNIT)), "the run with engineered features did not end"),
        (
            replace(
                GOOD,
                outcomes=(replace(RAW, run=replace(RAW.run, state="failed")), *GOOD.outcomes[1:]),
            ),
            "the run with raw features ended as failed",
        ),
        (
            replace(GOOD, outcomes=(replace(RAW, verdict="pass"), *GOOD.outcomes[1:])),
            "the gate's verdict on raw features is pass, not reject",
        ),
        (
            replace(GOOD, outcomes=(RAW, replace(ENGINEERED, verdict=""), OTHER_UNIT)),
            "the gate's verdict on engineered features is no decision.json, not pass",
        ),
        (
            replace(GOOD, outcomes=(replace(RAW, packages=(ARN,)), *GOOD.outcomes[1:])),
            "the run with raw features registered 1 versions, not 0",
        ),
        (
            replace(GOOD, outcomes=(RAW, replace(ENGINEERED, packages=()), OTHER_UNIT)),
            "the run with engineered features registered 0 versions, not 1",
        ),
        (
            replace(GOOD, outcomes=(RAW, ENGINEERED, replace(OTHER_UNIT, verdict=""))),
            "the gate's verdict on another unit is no decision.json, not stopped",
        ),
        (replace(GOOD, training_jobs=3), "there were 3 training jobs, not 2"),
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
        check(evidence, [CALIFORNIA_HOUSING], DAY)
    assert str(raised.value) == message


def test_of_two_pipelines_the_one_whose_run_is_missing_is_told() -> None:
    evidence = replace(BOTH, outcomes=(*GOOD.outcomes, TUTORIAL))
    with pytest.raises(DemoError) as raised:
        check(evidence, PIPELINES, DAY)
    assert str(raised.value) == "the run with a strict threshold did not end"
    with pytest.raises(DemoError, match="registry holds 1 versions, not 2"):
        check(replace(BOTH, packages={ARN: {"snapshot": DAY}}), PIPELINES, DAY)


def test_another_pipelines_run_does_not_count() -> None:
    evidence = Evidence((RAW, ENGINEERED), {ANOTHER: {"snapshot": DAY}}, training_jobs=2)
    with pytest.raises(DemoError) as raised:
        check(evidence, [ABALONE], DAY)
    assert str(raised.value) == (
        "the run with a strict threshold did not end; "
        "the run with the tutorial's threshold did not end"
    )


def test_the_table_tells_all() -> None:
    expected = f"""california-housing
  run         snapshot    rows    r2      threshold  verdict  outcome
  raw         2026-11-20  20,640  0.5758  ≥ 0.6      reject   not registered: {RAW.reason}
  engineered  2026-11-20  20,640  0.6467  ≥ 0.6      pass     {ARN}
  other unit  2026-11-20  20,640  -       -          stopped  not trained: {OTHER_UNIT.reason}

  seconds     train  skip_registration  register_model  check_data  all
  raw         3.2    0.5                -               -           3.8
  engineered  3.0    -                  1.0             -           4.0
  other unit  -      -                  -               0.2         0.2"""
    assert tables(GOOD.outcomes) == expected


def test_each_pipeline_has_a_table_of_its_own_with_its_metric() -> None:
    california, abalone = tables(BOTH.outcomes).split("\n\nabalone\n")
    assert california == tables(GOOD.outcomes)
    assert (
        f"\n{abalone}"
        == f"""
  run       snapshot    rows   mse     threshold  verdict  outcome
  strict    2026-11-20  4,177  4.7000  ≤ 3.0      reject   not registered: {STRICT.reason}
  tutorial  2026-11-20  4,177  4.7000  ≤ 6.0      pass     {ANOTHER}

  seconds   train  all
  strict    0.5    0.5
  tutorial  0.2    0.2"""
    )


def test_what_no_record_tells_is_a_question_mark() -> None:
    broken = replace(RAW, verdict="", metric=None, value=None, threshold=None, rows=None)
    _, header, row, *_ = tables([broken]).splitlines()
    assert header.split() == [
        "run",
        "snapshot",
        "rows",
        "metric",
        "threshold",
        "verdict",
        "outcome",
    ]
    assert row.split()[:6] == ["raw", DAY, "?", "?", "?", "none"]
