"""The task that judges a run's data before anything is trained on them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException
from botocore.exceptions import ClientError, ParamValidationError

from retraining import naming
from retraining.aws import clients
from retraining.aws import s3 as objects
from retraining.gate import data as gate
from retraining.gate.decision import Verdict
from retraining.gate.policy import parameters_of
from retraining.gate.wire_form import in_record
from retraining.retries import passing_failure
from retraining.runs import kinds, records
from retraining.runs.kinds import WHEN_DATA_DIFFERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from retraining.pipeline import Pipeline

log = logging.getLogger(__name__)


def check_data(
    *,
    pipeline: Pipeline,
    run: Mapping[str, str],
    found: Mapping[str, Mapping[str, str]],
    params: Mapping[str, Any],
    dag_run: Any,
    ti: Any,
) -> str:
    """Judge the run's data by their distance from earlier nights', and write the decision down.

    The parameter ``when_data_differs`` says what becomes of data that the policy rejects: the run
    stops, or goes on, and registration acts on the record. Data that cannot be judged stop it.

    Args:
        pipeline: Whose policy judges.
        run: What the run works on.
        found: The versions whose data to compare with, by their roles; see ``find_champion``.
        params: The run's parameters.
        dag_run: The run.
        ti: The task.

    Returns:
        The decision's explanation.

    Raises:
        AirflowFailException: The data are rejected and stop the run, or cannot be judged. A retry
            would read the same report.
    """
    policy = pipeline.data_policy or ()
    s3 = clients.client("s3")
    report = None
    try:
        report = records.read_data_report(s3, run["run_uri"])
    except records.ReportMissingError as error:
        made = gate.undecidable_data(str(error), policy, params)
    else:
        made = gate.decide_data(
            report.content,
            policy,
            baseline=_other(s3, found, gate.BASELINE),
            reference=_other(s3, found, gate.REFERENCE),
            parameters=params,
        )
    decision = made.decision
    uri = records.write_decision(
        s3,
        run["run_uri"],
        decision=decision,
        report=report,
        pipeline=pipeline.to_record(),
        parameters={
            name: in_record(params[name])
            for name in (WHEN_DATA_DIFFERS, *parameters_of(policy))
            if name in params
        },
        run={**kinds.identity(dag_run), **run},
        data={
            "comparison": made.comparison,
            "missing": made.missing,
            **{role: dict(found.get(role) or {}) for role in (gate.BASELINE, gate.REFERENCE)},
        },
    )
    log.info("%s: %s (%s)", decision.verdict.value, decision.explanation, uri)
    if kinds.stopped_by_data(decision.verdict, params):
        ti.xcom_push(naming.VERDICT_XCOM, f"stopped by its data: {decision.explanation}")
        raise AirflowFailException(
            f"stopped: {decision.explanation}. Nothing was trained; the decision is at {uri}"
        )
    if decision.verdict is Verdict.REJECT:
        log.warning("the data differ, and the run goes on: %s", params[WHEN_DATA_DIFFERS])
    return decision.explanation


def _other(s3: S3Client, found: Mapping[str, Mapping[str, str]], role: str) -> gate.Other:
    told = found.get(role) or {}
    uri = told.get("data_report_uri")
    if not told.get("version"):
        return gate.Other(None, told.get("why") or f"no version is the {role}")
    version = f"version {told['version']} of {told.get('snapshot') or 'no date'}"
    log.info("%s: %s, %s", role, version, told.get("why"))
    if not uri:
        return gate.Other(None, f"{version} names no data report")
    try:
        return gate.Other(objects.get(s3, uri).content)
    except (naming.InvalidNameError, ParamValidationError) as error:
        return gate.Other(None, f"the data report of {version} cannot be read: {error}")
    except ClientError as error:
        if passing_failure(error) is not None:
            raise
        return gate.Other(None, f"the data report of {version} cannot be read: {error}")
