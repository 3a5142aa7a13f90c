"""A place of ``make up`` and the history behind it, which the browser looks at.

The night's run and one over a bad snapshot are real. The runs before them are put into Airflow's
database as tests/web does it; their reports and decision records are written by the library.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from retraining import naming
from retraining.pipeline import CLASS_METRICS, LEARNING_CURVES, WORST_ERRORS
from retraining.registry import versions as registry
from retraining.web.report_pictures import OF_REPORTS

from local_stack.programs import control, ports
from local_stack.programs.keys import keys
from local_stack.programs.places import PROJECT, Place, local_place
from local_stack.services import airflow_api, embedded_sagemaker, environment
from local_stack.services.environment import BUCKET
from tests.faults.airflow_client import AirflowClient
from tests.web.past import DAG, SEXES, SHELLS, Past, serve
from tests.web.stack import PIPELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEPLOYMENT = "california_housing_deployment"
OTHER_DAG = "sagemaker_orphans"
ROLES = {"otto": "op", "ute": "user", "vera": "viewer"}
BAD_RUN = "manual__bad"
_SEED = PROJECT / "tests" / "web" / "seed.py"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_FOUND = TypeVar("_FOUND")
# Like those of the real data; two are below the gate's 0.6, of them one far.
_PAST_R2 = (
    0.711, 0.717, 0.709, 0.714, 0.588, 0.706, 0.712, 0.704, 0.715, 0.699, 0.07, 0.713,
    0.708, 0.718, 0.711, 0.695, 0.716, 0.710, 0.707, 0.714,
)  # fmt: skip
_LABELS = "actual,predicted\n" + "M,M\n" * 40 + "M,F\n" * 9 + "F,F\n" * 30 + "I,I\n" * 20
# What strangers write must neither be run nor push the rest out of sight.
ERRORS = (
    """<script>alert("a")</script> & <b>'b'</b> &amp;""", "endless" * 200,
    "\u05e0\u05d4\u05d3\u05e8 (XL)!", "\N{THUMBS UP SIGN}", "",
)  # fmt: skip
_SEXES = replace(
    SEXES,
    pipeline=replace(SEXES.pipeline, plots=("confusion_matrix", *OF_REPORTS)),
    pictured={
        CLASS_METRICS: {"F": {"precision": 0.77, "recall": 1, "f1": 0.87}, "M": {"f1": None}},
        LEARNING_CURVES: [
            {"epoch": 1, "train_loss": 1.1, "validation_loss": 0.9, "validation_accuracy": 0.8},
            {"epoch": 2, "train_loss": 0.5, "validation_loss": 0.6, "validation_accuracy": 0.91},
        ],
        WORST_ERRORS: [
            {"text": text, "actual": "M", "predicted": "F", "probability": 0.99 - at / 100}
            for at, text in enumerate(ERRORS)
        ],
    },
)
_RINGS = "actual,predicted\n" + "".join(f"{n % 20},{n % 19 + 0.5}\n" for n in range(300))
# Airflow makes the tokens of its people; the administrator of the place is the only one it knows,
# but what its simple auth manager reads in a token is what it signed there.
_TOKENS = """
import json, sys
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
people = json.loads(sys.argv[1])
made = {
    name: SimpleAuthManager().generate_jwt(SimpleAuthManagerUser(username=name, role=role))
    for name, role in people.items()
}
print(json.dumps(made))
"""


@dataclass(frozen=True, slots=True)
class History:
    """What the tests look for.

    Attributes:
        good: The id of the night's run, which registered a version.
        served: The run whose version serves at first; it is approved.
        older: A run of an earlier snapshot than that, whose version is pending.
        rejected, undecidable, failed: Runs that ended so.
        far: A rejected run whose headline is far from all others.
        light, heavy: Runs of the other pipeline that passed and were rejected.
        sex: A run of that one when it predicted labels.
        versions: The version of each run by its id.
        bad_reason: How the message of the job over the bad snapshot begins.
    """

    good: str
    served: Past
    older: Past
    rejected: Past
    undecidable: Past
    failed: Past
    far: Past
    light: Past
    heavy: Past
    sex: Past
    versions: dict[str, int]
    bad_reason: str


@dataclass(frozen=True, slots=True)
class Site:
    """A place that runs.

    Attributes:
        url: Airflow's UI.
        password: Of the account ``admin``.
        variables: The environment of its Airflow.
        airflow: Its REST API, as the administrator.
        tokens: A login of each of ``ROLES``.
        history: What lies in it.
    """

    url: str
    password: str
    variables: dict[str, str]
    airflow: AirflowClient
    tokens: dict[str, str]
    history: History

    def client(self, service: str) -> Any:
        """Return a boto3 client of the embedded SageMaker: sagemaker or s3."""
        return _client(self.variables, service)

    def ask(self, path: str) -> Any:
        """Ask Airflow's REST API as the administrator."""
        return _ask(self.airflow, path)

    def run(self, dag_id: str, run_id: str) -> Any:
        """Return what Airflow says of a run."""
        return self.ask(f"/dags/{dag_id}/dagRuns/{quote(run_id)}")


def until(question: Callable[[], _FOUND | None], what: str, *, seconds: float = 120.0) -> _FOUND:
    """Ask until the answer is true, and return it."""
    give_up = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < give_up, f"there is still no {what}"
        time.sleep(0.1)
    return answer


@contextmanager
def running_place(state: Path) -> Iterator[Site]:
    """Start a place below a folder, let its history happen, and stop it."""
    place = local_place(state=state)
    try:
        port, another = str(ports.any_free()), str(ports.any_free())
        _command(place, "up", "--port", port, "--sagemaker-port", another)
        record = control.read_record(place)
        assert record is not None
        password = keys(place.secrets).password
        variables = environment.inherited(os.environ) | _exported(
            (place.control / "environment.sh").read_text()
        )
        bearer = airflow_api.token(record.url, environment.ADMIN, password)
        airflow = AirflowClient(record.url, bearer)
        night = date.fromisoformat(record.snapshot)
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(_airflow_python, variables, "-c", _TOKENS, json.dumps(ROLES))
            history = _make_history(place, variables, airflow, night=night)
            tokens = json.loads(made.result())
        yield Site(record.url, password, variables, airflow, tokens, history)
    finally:
        _command(place, "down")


def _make_history(
    place: Place, variables: dict[str, str], airflow: AirflowClient, *, night: date
) -> History:
    s3, sagemaker = _client(variables, "s3"), _client(variables, "sagemaker")
    model = f"s3://{BUCKET}/model.tar.gz"
    days = [night - timedelta(days=n) for n in range(1, len(_PAST_R2) + 4)]
    pasts = [
        _past(day, r2, is_backfill=number >= 14)
        for number, (day, r2) in enumerate(zip(days, _PAST_R2, strict=False))
    ]
    undecidable, failed = (
        Past(f"scheduled__{day}T02:00:00+00:00", f"{day}", None, "scheduled", "failed", is_judged)
        for day, is_judged in zip(days[-2:], (True, False), strict=True)
    )
    light, heavy = (
        Past(f"scheduled__{day}T03:00:00+00:00", f"{day}", mse, kind=SHELLS)
        for day, mse in zip(days, (4.87, 6.8), strict=False)
    )
    sex = Past("manual__sex", f"{days[2]}", 0.91, "manual", kind=_SEXES)
    shells = (light, heavy, sex)
    # Before the night's own run gets that far, so that its version is the newest.
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=b"")
    served, older, oldest = pasts[0], pasts[1], pasts[3]
    for past in (*pasts, undecidable, failed):
        past.write(s3)
    for past in shells:
        past.write(s3, predictions=_LABELS if past is sex else _RINGS)
    since = datetime.now(UTC) - timedelta(hours=1)
    registered = {
        past.run_id: past.register(s3, sagemaker, since=since) for past in (oldest, older, served)
    }
    registered[light.run_id] = light.register(s3, sagemaker, since=since)
    registry.reject(sagemaker, registered[oldest.run_id].arn, reason="Rejected by ada: too early")

    last = (night - timedelta(days=1)).isoformat()
    _command(place, "snapshots", "--days", "12", "--end", last)
    manifest = s3.get_object(Bucket=BUCKET, Key=f"{PIPELINE}/history/manifest.json")
    bad = next(
        told
        for told in json.load(manifest["Body"])["nights"]
        if told["expected"].startswith("failed:")
    )
    seeds = [
        past.seed(version=registered[past.run_id].number if past.run_id in registered else None)
        for past in (*pasts, undecidable, failed, *shells)
    ]
    _airflow_python(variables, str(_SEED), input=json.dumps(seeds))

    good = until(lambda: _nightly(airflow, night), "run of the night", seconds=60)
    _wait_for(airflow, good, "success")
    # Not earlier: a scheduler that is busy with its start may take a task that was deferred for
    # one that has failed, and a retry takes a minute.
    airflow.start(DAG, BAD_RUN, {"snapshot": bad["date"]})
    version = _ask(
        airflow,
        f"/dags/{DAG}/dagRuns/{quote(good)}/taskInstances/register_model/xcomEntries/return_value",
    )["value"]
    version = json.loads(version) if isinstance(version, str) else version
    # So that what the past has registered can be deployed, too.
    made = naming.run_uri(BUCKET, PIPELINE, night.isoformat(), good)
    package = sagemaker.describe_model_package(ModelPackageName=version["model_package_arn"])
    _copy(s3, package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"], model)
    for past in (served, older):
        for part in (naming.smoke_uri, naming.predictions_uri):
            _copy(s3, part(made), part(past.uri))
    registry.approve(
        sagemaker, registered[served.run_id].arn, reason="Approved by ada: better than before"
    )
    serve(sagemaker, registered[served.run_id])
    until(
        lambda: sagemaker.describe_endpoint(EndpointName=PIPELINE)["EndpointStatus"] == "InService",
        "endpoint",
    )
    _wait_for(airflow, BAD_RUN, "failed")
    numbers = {run_id: version.number for run_id, version in registered.items()}
    return History(
        good=good,
        served=served,
        older=older,
        rejected=next(past for past in pasts if past.value is not None and past.value < 0.6),
        undecidable=undecidable,
        failed=failed,
        far=next(past for past in pasts if past.value == 0.07),
        light=light,
        heavy=heavy,
        sex=sex,
        versions=numbers | {good: version["version"]},
        bad_reason=bad["expected"].removeprefix("failed: "),
    )


def _wait_for(airflow: AirflowClient, run_id: str, state: str) -> None:
    until(lambda: airflow.state(DAG, run_id) == state, f"{state} of {run_id}", seconds=240)


def _past(day: date, r2: float, *, is_backfill: bool) -> Past:
    kind = "backfill" if is_backfill else "scheduled"
    return Past(f"{kind}__{day}T02:00:00+00:00", f"{day}", r2, kind)


def _nightly(airflow: AirflowClient, night: date) -> str | None:
    runs = _ask(airflow, f"/dags/{DAG}/dagRuns?run_type=scheduled&limit=100")["dag_runs"]
    found = [
        run["dag_run_id"] for run in runs if run["dag_run_id"].startswith(f"scheduled__{night}")
    ]
    return found[0] if found else None


def _command(place: Place, *arguments: str) -> str:
    command = (sys.executable, "-m", "local_stack", "--state", str(place.state), *arguments)
    answer = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=400, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def _exported(text: str) -> dict[str, str]:
    words = (shlex.split(line)[1] for line in text.splitlines())
    return dict(re.split("=", word, maxsplit=1) for word in words)


def _airflow_python(variables: dict[str, str], *arguments: str, input: str = "") -> str:  # noqa: A002 - as of subprocess
    answer = subprocess.run(
        [sys.executable, *arguments],
        env=variables,
        cwd=variables["AIRFLOW_HOME"],
        input=input,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()[-1] if answer.stdout else ""


def _client(variables: dict[str, str], service: str) -> Any:
    make = {"sagemaker": embedded_sagemaker.api, "s3": embedded_sagemaker.s3}[service]
    return make(variables)


def _copy(s3: Any, source: str, target: str) -> None:
    (source_bucket, source_key), (bucket, key) = map(naming.split_s3_uri, (source, target))
    s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": source_bucket, "Key": source_key})


def _ask(airflow: AirflowClient, path: str) -> Any:
    request = urllib.request.Request(
        f"{airflow.url}/api/v2{path}", headers={"Authorization": f"Bearer {airflow.token}"}
    )
    with _OPENER.open(request, timeout=60) as answer:
        return json.load(answer)
