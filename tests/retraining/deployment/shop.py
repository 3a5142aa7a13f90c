"""A registry's group and an endpoint on the embedded SageMaker, and what deploys to it."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
import textwrap
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.deployment import candidates, deploy, endpoints, faults, smoke
from retraining.deployment.endpoints import Step
from retraining.deployment.plan import Plan, make_plan
from retraining.deployment.requests import Size
from retraining.registry import requests, versions
from retraining.runs import records

from tests.retraining.declarations import pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retraining.registry.versions import Version

BUCKET = "deployments"
ROLE = "arn:aws:iam::123456789012:role/retraining"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
SMALL, LARGE = Size(1024, 20, ""), Size(2048, 20, "")
SINCE = datetime.now(UTC) - timedelta(hours=1)
_TYPES = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
_names = itertools.count(1)


class DeathError(Exception):
    """The worker is gone."""


def program(slope: float, load: str = "") -> str:
    """An entry point: slope times the sum of a row."""
    return textwrap.dedent(
        f"""
        def model_fn(model_dir):
            {load}
            return {slope}

        def input_fn(body, content_type):
            text = body if isinstance(body, str) else body.decode()
            return [[float(x) for x in line.split(",")] for line in text.split()]

        def predict_fn(rows, slope):
            return [slope * sum(row) for row in rows]

        def output_fn(numbers, accept):
            return "\\n".join(map(str, numbers))
        """
    )


def archive(script: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        entry = tarfile.TarInfo("code/entry_point.py")
        entry.size = len(script.encode())
        file.addfile(entry, io.BytesIO(script.encode()))
    return buffer.getvalue()


@dataclass(slots=True)
class Shop:
    """A registry's group, an endpoint of the same name, and what deploys to it."""

    server: Any
    group: str = field(default_factory=lambda: f"shop-{next(_names)}")
    role_arn: str = ROLE
    client: Any = field(init=False)
    runtime: Any = field(init=False)
    s3: Any = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.server.client("sagemaker")
        self.runtime = self.server.client("sagemaker-runtime")
        self.s3 = self.server.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        versions.ensure_group(self.client, self.group, description="x")

    def register(
        self,
        slope: float,
        *,
        snapshot: str = "2026-11-20",
        script: str | None = None,
        evaluated: float | None = None,
        is_approved: bool = True,
        says_default: bool = True,
    ) -> Version:
        """Register a version; ``evaluated`` is the slope that evaluation saw."""
        run = naming.run_uri(BUCKET, self.group, snapshot, f"run-{next(_names)}")
        saw = slope if evaluated is None else evaluated
        files = {
            f"{run}model/model.tar.gz": archive(script or program(slope)),
            naming.smoke_uri(run): json.dumps(
                {
                    "content_type": "text/csv",
                    "accept": "text/csv",
                    "requests": [
                        {"body": body, "expected": saw * total}
                        for body, total in (("1,2", 3.0), ("3,4", 7.0), ("5,6", 11.0))
                    ],
                }
            ).encode(),
        }
        for uri, content in files.items():
            bucket, key = naming.split_s3_uri(uri)
            self.s3.put_object(Bucket=bucket, Key=key, Body=content)
        request = requests.model_package(
            pipeline=pipeline(self.group),
            image_uri=IMAGE,
            model_uri=f"{run}model/model.tar.gz",
            report_uri=naming.report_uri(run),
            approval_status="PendingManualApproval",
            description="a model",
            metadata={versions.FINGERPRINT: naming.fingerprint(run), versions.SNAPSHOT: snapshot},
            git_commit=None,
            client_token=naming.client_token(run),
        )
        if not says_default:
            (container,) = request["InferenceSpecification"]["Containers"]
            del container["Environment"][requests.DEFAULT_ACCEPT]
        version = versions.register_once(self.client, request, since=SINCE)
        if is_approved:
            versions.approve(self.client, version.arn, reason="by a test")
        return versions.describe(self.client, version.arn)

    def made_elsewhere(
        self,
        *,
        image: str | None = IMAGE,
        data: str | None = "s3://deployments/theirs.tar.gz",
        report: str | None = "",
    ) -> str:
        """Register and approve a version of the newest data as another tool might."""
        self.s3.put_object(Bucket=BUCKET, Key="theirs.tar.gz", Body=archive(program(9)))
        container = {"Image": image, **({"ModelDataUrl": data} if data else {})}
        statistics = {"ContentType": "application/json", "S3Uri": report}
        inference = {"Containers": [container], **_TYPES}
        arn: str = self.client.create_model_package(
            ModelPackageGroupName=self.group,
            ModelApprovalStatus=versions.APPROVED,
            CustomerMetadataProperties={versions.SNAPSHOT: "2026-12-01"},
            **({"InferenceSpecification": inference} if image else {"SourceUri": "s3://x/y"}),
            **({"ModelMetrics": {"ModelQuality": {"Statistics": statistics}}} if report else {}),
        )["ModelPackageArn"]
        return arn

    def plan(
        self,
        wanted: int | str | None = None,
        *,
        client: Any = None,
        size: Size = SMALL,
        **more: Any,
    ) -> Plan | None:
        found, _ = make_plan(
            client or self.client,
            self.group,
            endpoint_name=self.group,
            wanted=wanted,
            size=size,
            role_arn=self.role_arn,
            objection=lambda version: records.objection(self.s3, version.run_uri),
            why_not=self.why_not,
            no_data=self.no_data,
            **{"is_resizing": False, **more},
        )
        return found

    def why_not(self, version: Version) -> str | None:
        return candidates.why_not(self.s3, version, rows=3)

    def no_data(self, version: Version) -> str | None:
        return candidates.no_data(self.s3, version)

    def bring(self, plan: Plan, config: str | None, *, client: Any = None) -> None:
        """Do what the operators do, without an Airflow."""
        is_asked, deadline = False, time.monotonic() + 60
        while True:
            step = endpoints.bring_to(
                client or self.client,
                plan.endpoint_name,
                config,
                verified=plan.previous_config,
                is_asked=is_asked,
            )
            if step is Step.DONE:
                return
            is_asked = is_asked or step is Step.ASKED
            while (found := endpoints.find(self.client, plan.endpoint_name)) and found.is_changing:
                assert time.monotonic() < deadline, found
                time.sleep(0.05)

    def fault(self, plan: Plan) -> str | None:
        test = smoke.read(self.s3, plan.report_uri, rows=3)
        return faults.find_fault(self.client, self.runtime, plan, test=test, tolerance=1e-6)

    def run(
        self, wanted: int | str | None = None, *, client: Any = None, keep: int = 5, **more: Any
    ) -> str | None:
        """Deploy, verify, and keep or flip back; return what was wrong."""
        mine = client or self.client
        plan = self.plan(wanted, client=mine, **more)
        if plan is None:
            return None
        size = more.get("size", SMALL)
        if plan.is_flipping:
            self.flip_back(plan, client=mine, size=size)
            return "was left"
        deploy.check_current(mine, plan)
        deploy.prepare(mine, plan, size=size, role_arn=self.role_arn)
        deploy.make_serving_config(mine, plan, size=size, role_arn=self.role_arn)
        self.bring(plan, plan.config_name, client=mine)
        wrong = deploy.withdrawn(mine, plan) or self.fault(plan)
        if wrong:
            versions.reject(mine, plan.version_arn, reason=wrong)
            self.flip_back(plan, client=mine, size=size)
        else:
            endpoints.mark_verified(
                mine, plan.endpoint_name, plan.config_name, passed_over=plan.passed_over
            )
            deploy.clean_up(mine, plan, keep=keep)
        return wrong

    def flip_back(self, plan: Plan, *, client: Any = None, size: Size = SMALL) -> None:
        mine = client or self.client
        deploy.make_serving_config(mine, plan, size=size, role_arn=self.role_arn)
        self.bring(plan, self.way_back(plan, client=mine, size=size), client=mine)

    def way_back(self, plan: Plan, *, client: Any = None, size: Size = SMALL) -> str | None:
        return deploy.way_back(
            client or self.client,
            plan,
            size=size,
            role_arn=self.role_arn,
            why_not=self.why_not,
            no_data=self.no_data,
        )

    def answer(self) -> float:
        body = self.runtime.invoke_endpoint(
            EndpointName=self.group, ContentType="text/csv", Body=b"1,2"
        )["Body"].read()
        return float(body)

    def configs(self) -> list[str]:
        return [
            item["EndpointConfigName"]
            for item in self.client.list_endpoint_configs(NameContains=self.group, MaxResults=100)[
                "EndpointConfigs"
            ]
        ]

    def models(self) -> list[str]:
        found = self.client.list_models(NameContains=self.group, MaxResults=100)["Models"]
        return [item["ModelName"] for item in found]

    @contextmanager
    def hammered(self) -> Iterator[list[float | Exception]]:
        """Call the endpoint all the time, from two threads, and note what comes."""
        answers: list[float | Exception] = []
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(0.01):
                try:
                    answers.append(self.answer())
                except Exception as error:
                    answers.append(error)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield answers
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def dying(self, after: int) -> tuple[Any, list[str]]:
        """Return a client whose process dies right after its n-th change, and what it changed."""
        client, changes = self.server.client("sagemaker"), []

        def count(model: Any, **_: Any) -> None:
            if not model.name.startswith(("Describe", "List")):
                changes.append(model.name)
                if len(changes) == after:
                    raise DeathError(model.name)

        client.meta.events.register("after-call.sagemaker", count)
        return client, changes
