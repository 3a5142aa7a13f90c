"""Tells people that a task failed, that a run is late or what serves, where settings say whom.

========================================  ==========================================
``RETRAINING_NOTIFY_SNS``                 the ARN of an SNS topic
``RETRAINING_NOTIFY_MAIL``                mail addresses, separated by commas
``RETRAINING_NOTIFY_SLACK``               a Slack channel, such as ``#models``
``RETRAINING_DEADLINE_HOURS``             so long after its start a run is late
========================================  ==========================================

Without the first three nobody is told, and nothing is imported; without the last no run is
late. SNS uses the connection
``aws_default``, mail ``smtp_default``, Slack ``slack_api_default``.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk.bases.notifier import BaseNotifier
    from airflow.sdk.definitions.deadline import DeadlineAlert

log = logging.getLogger(__name__)

SNS, MAIL, SLACK = (f"RETRAINING_NOTIFY_{name}" for name in ("SNS", "MAIL", "SLACK"))
HOURS = "RETRAINING_DEADLINE_HOURS"
# Airflow renders these; the exception is the gate's or the job's own reason.
_FAILED_SUBJECT = "{{ ti.dag_id }}: {{ ti.task_id }} failed"
_FAILED = """\
{{ ti.task_id }} of {{ ti.dag_id }}, run {{ run_id }}, failed at attempt {{ ti.try_number }}:

{{ exception }}

{{ ti.log_url }}"""
_ALARM_SUBJECT = "{{ ti.dag_id }}: what serves was rejected"
_ALARM = """\
{{ ti.task_id }} of {{ ti.dag_id }}, run {{ run_id }}, found this and goes on:

{{ alarm }}

{{ ti.log_url }}"""
_LATE_SUBJECT = "{{ dag_run.dag_id }} is late"
_LATE = """\
{{ dag_run.dag_id }}, run {{ dag_run.dag_run_id or dag_run.run_id }}, is not over by \
{{ deadline.deadline_time }}."""
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[\w.-]+")


class NotificationError(Exception):
    """A setting cannot be used; the message names it and says what to do."""


def failure_callbacks() -> list[BaseNotifier]:
    """Return what a task's ``on_failure_callback`` should be; [] if nobody is to be told.

    Raises:
        NotificationError: A setting is malformed, or the provider that it needs is not installed.
    """
    return _notifiers(_FAILED_SUBJECT, _FAILED)


def tell_alarm(alarm: str, *, ti: Any, run_id: str) -> None:
    """Tell people what a task has found that fails no task.

    Args:
        alarm: What it is, in a sentence.
        ti: The task's instance.
        run_id: Its run.

    Raises:
        NotificationError: As of ``failure_callbacks``.
    """
    for notifier in _notifiers(_ALARM_SUBJECT, _ALARM):
        notifier({"ti": ti, "run_id": run_id, "alarm": alarm})


def deadline() -> DeadlineAlert | None:
    """Return what a DAG's ``deadline`` should be; None if the settings name none.

    It counts from when a run was queued, so a backfill of old dates is not late from the start.

    Raises:
        NotificationError: The setting is no number of hours.
    """
    text = os.environ.get(HOURS)
    if not text:
        return None
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours < math.inf:
        raise NotificationError(f"{HOURS}={text!r} is not a number of hours above 0")
    from airflow.sdk.definitions.callback import AsyncCallback  # noqa: PLC0415 - only if wanted
    from airflow.sdk.definitions.deadline import (  # noqa: PLC0415
        DeadlineAlert,
        DeadlineReference,
    )

    return DeadlineAlert(
        name="late",
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=hours),
        callback=AsyncCallback(tell_late),
    )


async def tell_late(**kwargs: Any) -> None:
    """Tell people that a run is not over by its deadline: the callback of a ``DeadlineAlert``.

    Airflow forgets the deadline of a run that succeeds, and calls this also for one that failed
    long before: nobody is told of it.
    """
    context: Any = kwargs.get("context") or {}
    end = _moment(context, "dag_run", "end_date")
    due = _moment(context, "deadline", "deadline_time")
    if end and due and end <= due:
        log.info("not late: the run ended at %s, and its deadline is %s", end, due)
        return
    log.warning("a run is late: %s", context.get("dag_run"))
    for notifier in late_notifiers():
        notifier.context = context
        await notifier


def late_notifiers() -> Sequence[BaseNotifier]:
    """Return who is told of a late run.

    Raises:
        NotificationError: As of ``failure_callbacks``.
    """
    return _notifiers(_LATE_SUBJECT, _LATE)


def _moment(context: Any, of: str, member: str) -> datetime | None:
    """Return a time of a callback's context, which has them as texts or as what they are."""
    told = (context.get(of) or {}).get(member)
    if isinstance(told, str):
        try:
            told = datetime.fromisoformat(told)
        except ValueError:
            return None
    if not isinstance(told, datetime):
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _notifiers(subject: str, message: str) -> list[BaseNotifier]:
    found: list[BaseNotifier] = []
    if topic := os.environ.get(SNS):
        if not _TOPIC.fullmatch(topic):
            raise NotificationError(f"{SNS}={topic!r} is not the ARN of an SNS topic")
        notifier = _class(SNS, "amazon.aws.notifications.sns", "SnsNotifier")
        found.append(notifier(target_arn=topic, subject=subject, message=message))
    if addresses := [part.strip() for part in os.environ.get(MAIL, "").split(",") if part.strip()]:
        if any("@" not in address for address in addresses):
            raise NotificationError(f"{MAIL}={os.environ[MAIL]!r} has a part that is no address")
        notifier = _class(MAIL, "smtp.notifications.smtp", "SmtpNotifier")
        # As preformatted text, with what HTML would take for markup escaped.
        html = re.sub(r"\{\{ (.*?) \}\}", r"{{ (\1) | string | e }}", message)
        found.append(notifier(to=addresses, subject=subject, html_content=f"<pre>{html}</pre>"))
    if channel := os.environ.get(SLACK):
        notifier = _class(SLACK, "slack.notifications.slack", "SlackNotifier")
        found.append(notifier(channel=channel, text=f"{subject}\n{message}"))
    return found


def _class(setting: str, module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(f"airflow.providers.{module}"), name)
    except ImportError as error:
        package = f"apache-airflow-providers-{module.partition('.')[0]}"
        raise NotificationError(f"{setting} is set, which needs the package {package}") from error
