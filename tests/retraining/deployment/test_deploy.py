"""Deployments against the embedded SageMaker, with a death after each call that changes it."""

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

import pytest
from retraining import naming
from retraining.aws import s3 as objects
from retraining.deployment import deploy, endpoints, smoke
from retraining.deployment.endpoints import Step
from retraining.deployment.plan import DeploymentRefusedError, Plan, make_plan
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
            role_arn=ROLE,
            objection=lambda version: records.objection(self.s3, version.report_uri),
            **{"is_resizing": False, **more},
        )
        return found

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
        return deploy.fault(self.client, self.runtime, plan, test=test, tolerance=1e-6)

    def run(
        self, wanted: int | str | None = None, *, client: Any = None, keep: int = 5, **more: Any
    ) -> str | None:
        """Deploy, verify, and keep or flip back; return what was wrong."""
        mine = client or self.client
        plan = self.plan(wanted, client=mine, **more)
        if plan is None:
            return None
        size = more.get("size", SMALL)
        deploy.check_current(mine, plan)
        deploy.prepare(mine, plan, size=size, role_arn=ROLE)
        self.bring(plan, plan.config_name, client=mine)
        wrong = self.fault(plan)
        if wrong:
            self.bring(plan, plan.previous_config, client=mine)
            versions.reject(mine, plan.version_arn, reason=wrong)
        else:
            endpoints.mark_verified(
                mine, plan.endpoint_name, plan.config_name, passed_over=plan.passed_over
            )
            deploy.clean_up(mine, plan, keep=keep)
        return wrong

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


@pytest.fixture
def shop(embedded_sagemaker: Any) -> Iterator[Shop]:
    made = Shop(embedded_sagemaker)
    yield made
    if endpoints.find(made.client, made.group):
        made.client.delete_endpoint(EndpointName=made.group)


def floats(answers: list[float | Exception]) -> set[float]:
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    assert errors == []
    assert answers
    return {answer for answer in answers if isinstance(answer, float)}


def test_the_newest_version_is_deployed_once(shop: Shop) -> None:
    assert shop.run() is None
    assert endpoints.find(shop.client, shop.group) is None
    version = shop.register(2)
    assert shop.run() is None
    assert shop.answer() == 6
    found = endpoints.find(shop.client, shop.group)
    assert found is not None
    assert found.is_sound
    serving = endpoints.version_of_config(shop.client, found.config)
    assert serving == version
    assert shop.plan() is None
    assert shop.plan(version.arn) is None
    resized = shop.plan(size=LARGE, is_resizing=True)
    assert resized is not None
    assert resized.config_name != found.config
    assert resized.model_name == shop.models()[0]


def test_it_is_asked_as_by_a_client_who_has_read_the_registry(shop: Shop) -> None:
    """Without an Accept where the version says what is answered then; older versions do not."""
    sent: list[dict[str, str]] = []
    shop.runtime.meta.events.register(
        "before-call.sagemaker-runtime.InvokeEndpoint",
        lambda params, **_: sent.append(params["headers"]),
    )
    shop.register(2)
    assert shop.run() is None
    assert [headers.get("Accept") for headers in sent] == [None] * 3
    sent.clear()
    old = shop.register(3, says_default=False)
    assert old.containers[0]["Environment"] == {
        "SAGEMAKER_PROGRAM": "entry_point.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    }
    assert shop.run() is None
    assert [headers.get("Accept") for headers in sent] == ["text/csv"] * 3


def test_a_newer_version_takes_over_without_an_error(shop: Shop) -> None:
    shop.register(2)
    shop.run()
    shop.register(3)
    with shop.hammered() as answers:
        assert shop.run() is None
        time.sleep(0.2)
    assert floats(answers) == {6.0, 9.0}
    assert shop.answer() == 9


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"script": program(3, "raise OSError('no such matrix')")}, "took the update back"),
        ({"script": program(3).replace("slope * sum(row)", "{}[slope]")}, "own test rows"),
        ({"evaluated": 3.1}, "row 1 of the test split is predicted as 9"),
        ({"script": program(3).replace("map(str, numbers)", "['many'] * 3")}, "'many"),
    ],
)
def test_a_broken_version_is_flipped_back_and_rejected(
    shop: Shop, broken: dict[str, Any], words: str
) -> None:
    shop.register(2)
    shop.run()
    bad = shop.register(3, **broken)
    with shop.hammered() as answers:
        assert words in str(shop.run())
    assert not [error for error in answers if isinstance(error, ConnectionError)]
    if "took" in words:
        assert floats(answers) == {6.0}
    assert shop.answer() == 6
    bad = versions.describe(shop.client, bad.arn)
    assert bad.approval == versions.REJECTED
    assert words in bad.approval_reason
    found = endpoints.find(shop.client, shop.group)
    assert found is not None
    assert found.is_sound
    assert shop.plan() is None


def test_a_version_whose_model_is_missing_never_serves(shop: Shop) -> None:
    shop.register(2)
    shop.run()
    bad = shop.register(3)
    bucket, key = naming.split_s3_uri(bad.containers[0]["ModelDataUrl"])
    shop.s3.delete_object(Bucket=bucket, Key=key)
    with shop.hammered() as answers:
        assert "took the update back" in str(shop.run())
    assert floats(answers) == {6.0}


def test_a_broken_first_deployment_leaves_no_endpoint(shop: Shop) -> None:
    shop.register(2, script=program(2, "raise OSError('x')"))
    assert "Failed" in str(shop.run())
    assert endpoints.find(shop.client, shop.group) is None
    shop.register(3)
    assert shop.run() is None
    assert shop.answer() == 9


def test_a_person_rolls_back_and_stays_there(shop: Shop) -> None:
    one, two = shop.register(2), shop.register(3)
    shop.run()
    assert shop.answer() == 9
    shop.run(one.number)
    assert shop.answer() == 6
    assert shop.plan() is None
    back = shop.plan(str(two.number))
    assert back is not None
    assert back.version_arn == two.arn
    three = shop.register(4)
    planned = shop.plan()
    assert planned is not None
    assert planned.version_arn == three.arn


def test_what_a_killed_run_left_is_put_back_if_it_was_passed_over(shop: Shop) -> None:
    one, two = shop.register(2), shop.register(3)
    shop.run()
    shop.run(one.number)
    plan = shop.plan(two.number)
    assert plan is not None
    deploy.prepare(shop.client, plan, size=SMALL, role_arn=ROLE)
    shop.bring(plan, plan.config_name)
    assert shop.answer() == 9
    restoring = shop.plan()
    assert restoring is not None
    assert restoring.is_restoring
    assert shop.run() is None
    assert shop.answer() == 6
    assert shop.plan() is None


def test_an_older_snapshot_that_is_approved_later_does_not_overtake(shop: Shop) -> None:
    shop.register(2)
    shop.run()
    late = shop.register(3, snapshot="2026-10-01")
    assert shop.plan() is None
    assert shop.plan(late.number) is not None


def test_nothing_is_deployed_that_is_not_approved(shop: Shop) -> None:
    pending = shop.register(2, is_approved=False)
    assert shop.plan() is None
    with pytest.raises(DeploymentRefusedError, match="PendingManualApproval"):
        shop.plan(pending.number)
    versions.approve(shop.client, pending.arn, reason="x")
    plan = shop.plan()
    assert plan is not None
    versions.reject(shop.client, pending.arn, reason="changed my mind")
    with pytest.raises(DeploymentRefusedError, match="changed my mind"):
        deploy.prepare(shop.client, plan, size=SMALL, role_arn=ROLE)
    assert shop.models() == []


@pytest.mark.parametrize("wanted", [7, "7", "x", "arn:aws:sagemaker:us-east-1:1:model-package/x/1"])
def test_a_version_that_does_not_exist_is_told(shop: Shop, wanted: Any) -> None:
    with pytest.raises(versions.NoSuchVersionError):
        shop.plan(wanted)


def test_old_models_and_configs_go_but_never_what_may_be_needed(shop: Shop) -> None:
    shop.client.create_model(
        ModelName=f"{shop.group}-of-a-person",
        PrimaryContainer={"ModelPackageName": shop.register(1).arn},
        ExecutionRoleArn=ROLE,
    )
    for slope in (2, 3, 4):
        shop.register(slope)
        shop.run(keep=1)
    assert [name.rsplit("-", 1)[0] for name in shop.configs()] == [
        f"{shop.group}-v4", f"{shop.group}-v3",
    ]  # fmt: skip
    assert len(shop.models()) == 3
    assert f"{shop.group}-of-a-person" in shop.models()


def test_a_plan_that_was_overtaken_changes_nothing(shop: Shop) -> None:
    shop.register(2)
    shop.run()
    shop.register(3)
    stale = shop.plan()
    assert stale is not None
    shop.register(4)
    shop.run()
    with pytest.raises(DeploymentRefusedError, match="deployed to since"):
        deploy.check_current(shop.client, stale)


def test_an_endpoint_that_a_person_made_is_taken_over_and_flipped_back_to(shop: Shop) -> None:
    mine = shop.register(2)
    shop.client.create_model(
        ModelName=f"{shop.group}-mine",
        PrimaryContainer={"ModelPackageName": mine.arn},
        ExecutionRoleArn=ROLE,
    )
    shop.client.create_endpoint_config(
        EndpointConfigName=f"{shop.group}-mine",
        ProductionVariants=[
            {
                "VariantName": "x",
                "ModelName": f"{shop.group}-mine",
                "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
            }
        ],
    )
    plan = Plan(shop.group, "", 0, "", "", "", f"{shop.group}-mine", None, None, False)
    shop.client.create_endpoint(EndpointName=shop.group, EndpointConfigName=f"{shop.group}-mine")
    shop.bring(plan, plan.config_name)
    shop.register(3, evaluated=4)
    assert shop.run() is not None
    found = endpoints.find(shop.client, shop.group)
    assert found is not None
    assert found.is_sound
    assert found.config == f"{shop.group}-mine"


@pytest.mark.parametrize(
    ("is_new", "is_good"),
    [
        pytest.param(True, False, id="a broken first version"),
        pytest.param(False, False, id="a broken version"),
        pytest.param(False, True, id="a good version"),
    ],
)
def test_a_death_after_any_change_ends_like_no_death(
    shop: Shop, is_new: bool, is_good: bool
) -> None:
    """Another run, from the beginning, follows each death."""
    if not is_new:
        shop.register(1)
        shop.run()
    for deadly in itertools.count(1):
        slope = 1.0 + deadly
        version = shop.register(slope, evaluated=slope if is_good else slope + 1)
        client, changes = shop.dying(deadly)
        try:
            shop.run(client=client)
        except DeathError:
            shop.run()
        found = endpoints.find(shop.client, shop.group)
        assert (found is None) == is_new
        if found is not None:
            assert found.is_sound
            assert shop.answer() == 3 * (slope if is_good else 1)
        version = versions.describe(shop.client, version.arn)
        assert version.approval == (versions.APPROVED if is_good else versions.REJECTED)
        assert shop.plan() is None
        if len(changes) < deadly:
            break
    assert deadly > 5, changes


def test_a_version_whose_decision_does_not_let_it_pass_any_more_waits_for_a_person(
    shop: Shop,
) -> None:
    older, newer = shop.register(1, snapshot="2026-11-20"), shop.register(2, snapshot="2026-11-21")
    uri = naming.decision_uri(naming.run_of_report(newer.report_uri))
    objects.put_json(shop.s3, uri, {"verdict": "reject", "registered": {"version": newer.number}})
    unasked, asked = shop.plan(), shop.plan(newer.number)
    assert unasked is not None
    assert asked is not None
    assert (unasked.version_arn, asked.version_arn) == (older.arn, newer.arn)
