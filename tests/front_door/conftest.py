"""One project with a few pipelines, all of whose runs have been before the first test looks."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.registry import versions

from local_stack.programs import ports
from local_stack.services.environment import BUCKET
from tests.front_door import variants
from tests.front_door.api import Api, api_server
from tests.front_door.project import ROOT, Project, empty_database, new_project
from tests.front_door.tampering import registered_like
from tests.front_door.tickets.land import tickets
from tests.web.mailbox import Mailbox, mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOD, BAD = "2026-11-20", "2026-11-21"
WITHOUT, DEEP = "Tickets-Without-Accuracy", "DEEP-tickets-2"
OWN = {"california-housing": "california_housing.csv", "abalone": "abalone.csv"}
PIPELINES = {
    "tickets_retraining": "tickets",
    "tickets_strict": "tickets",
    "Tickets_Without_Accuracy_retraining": WITHOUT,
    "DEEP_tickets_2_retraining": DEEP,
    "abalone_retraining": "abalone",
    "california_housing_retraining": "california-housing",
}
PERSON = "ada@example.org"
SWAPPED = """
_predict = predict_fn


def predict_fn(wording, model):
    answer = _predict(wording, model)
    names = sorted(answer["probabilities"])
    other = dict(zip(names, names[1:] + names[:1], strict=True))
    return answer | {"desk": other[answer["desk"]]}
"""
BLURRED = """
_predict = predict_fn


def predict_fn(wording, model):
    answer = _predict(wording, model)
    by_desk = {desk: share + 0.01 for desk, share in answer["probabilities"].items()}
    return answer | {"probabilities": by_desk}
"""
TALKATIVE = """
_predict = predict_fn


def predict_fn(wording, model):
    answer = _predict(wording, model)
    by_desk = {desk: share * (1 + 1e-9) for desk, share in answer["probabilities"].items()}
    return answer | {"probabilities": by_desk, "model": "the third", "words": len(wording.split())}
"""


@dataclass(frozen=True, slots=True)
class Past:
    """What has been.

    Attributes:
        project: Where.
        runs: How each retraining run and the first deployments ended, by a name.
        log: What Airflow wrote meanwhile.
        deployed: How the deployments of the tampered versions ended, in the order of ``tampered``.
        deployment_log: What Airflow wrote meanwhile.
        tampered: Versions: with swapped labels, with other probabilities, with more members.
        api: The API server.
        mails: What people were told.
    """

    project: Project
    runs: dict[str, dict[str, Any]]
    log: str
    deployed: list[dict[str, Any]]
    deployment_log: str
    tampered: list[versions.Version]
    api: Api
    mails: Mailbox

    def of_run(self, name: str, file: str) -> Any:
        """Read one of the JSON files that evaluation and the gate left of a run."""
        return json.loads(self.project.read(f"{self.folder(name)}evaluation/{file}"))

    def folder(self, name: str) -> str:
        """Return the S3 folder of a retraining run."""
        run = self.runs[name]
        snapshot = BAD if name == "failed" else GOOD
        return naming.run_uri(BUCKET, PIPELINES[run["dag_id"]], snapshot, run["run_id"])

    def report(self, name: str) -> Any:
        """Read the evaluation report of a run."""
        return self.of_run(name, "evaluation.json")

    def shown(self, name: str, what: str = "run") -> dict[str, Any]:
        """Return what the page gets about a run."""
        run = self.runs[name]
        found: dict[str, Any] = self.api.page(
            f"data/{what}", dag_id=run["dag_id"], run_id=run["run_id"]
        )
        return found

    def versions(self, group: str) -> list[dict[str, Any]]:
        """Describe the versions of a group, the oldest first."""
        client = self.project.sagemaker.client("sagemaker")
        found = client.list_model_packages(
            ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Ascending"
        )["ModelPackageSummaryList"]
        return [
            client.describe_model_package(ModelPackageName=item["ModelPackageArn"])
            for item in found
        ]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Airflow's database in which nothing has been."""
    return empty_database(tmp_path_factory.mktemp("database"))


@pytest.fixture(scope="session")
def past(
    tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any, database: Path
) -> Iterator[Past]:
    folder = tmp_path_factory.mktemp("front-door")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(run_embedded_sagemaker(folder / "sagemaker"))
        box = stack.enter_context(mailbox())
        project = new_project(
            folder / "project",
            server,
            database,
            RETRAINING_NOTIFY_MAIL=PERSON,
            AIRFLOW_CONN_SMTP_DEFAULT=_smtp(box.port),
            AIRFLOW__API__PORT=str(ports.any_free()),
        )
        for add in (
            variants.add_tickets, variants.add_second_dag, variants.add_without_accuracy,
            variants.add_deep, variants.add_reports,
        ):  # fmt: skip
            add(project)
        for name, file in OWN.items():
            variants.add_own(project, name.replace("-", "_"))
            content = (ROOT / ".local/sample-data" / file).read_bytes()
            project.land(name, GOOD, {file: content})
        table = tickets().encode()
        for pipeline in ("tickets", WITHOUT, DEEP):
            project.land(pipeline, GOOD, {"tickets.csv": table})
        project.land("tickets", BAD, {"tickets.csv": table.replace(b'"Billing"\n', b"Biling\n", 3)})
        again = {"reuse_steps": "always"}
        wanted = {
            "passed": ("tickets_retraining", {"snapshot": GOOD, "approval_status": "Approved"}),
            "rejected": ("tickets_strict", {"snapshot": GOOD} | again),
            "failed": ("tickets_retraining", {"snapshot": BAD}),
            "undecidable": ("Tickets_Without_Accuracy_retraining", {}),
            "deep": ("DEEP_tickets_2_retraining", {"approval_status": "Approved"}),
            "light": ("abalone_retraining", {}),
            "heavy": ("abalone_retraining", {"mse_threshold": 3.5} | again),
            "houses": ("california_housing_retraining", {}),
            "deployed": ("tickets_deployment", {}),
            "deep deployed": ("DEEP_tickets_2_deployment", {}),
            "reported": ("past_runs_report", {}),
        }
        ended, log = project.run(*wanted.values())
        api = stack.enter_context(api_server(project))  # it starts while models are deployed
        sagemaker = server.client("sagemaker")
        (good,) = sagemaker.list_model_packages(ModelPackageGroupName="tickets")[
            "ModelPackageSummaryList"
        ]
        tampered = [
            registered_like(server, good["ModelPackageArn"], snapshot=day, entry_point=more)
            for day, more in (
                ("2026-11-24", SWAPPED), ("2026-11-23", BLURRED), ("2026-11-22", TALKATIVE),
            )
        ]  # fmt: skip
        deployed, deployment_log = project.run(*[("tickets_deployment", {})] * len(tampered))
        yield Past(
            project,
            dict(zip(wanted, ended, strict=True)),
            log,
            deployed,
            deployment_log,
            [versions.describe(sagemaker, version.arn) for version in tampered],
            api(),
            box,
        )


def _smtp(port: int) -> str:
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.org"}
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    return json.dumps(smtp)
