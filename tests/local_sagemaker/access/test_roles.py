"""Jobs and endpoints may do what their roles may, and say what is missing."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.local_sagemaker.access.conftest import ACCOUNT, Account, allow, refused
from tests.local_sagemaker.conftest import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
BUCKET = "workbench"
LOGS = f"arn:aws:logs:*:{ACCOUNT}:log-group:/aws/sagemaker/*"
NEEDED = {
    "s3:ListBucket": f"arn:aws:s3:::{BUCKET}",
    "s3:GetObject": f"arn:aws:s3:::{BUCKET}/*",
    "s3:PutObject": f"arn:aws:s3:::{BUCKET}/*",
    "logs:CreateLogGroup": LOGS,
    "logs:CreateLogStream": LOGS,
    "logs:PutLogEvents": LOGS,
}
SCRIPT = """
import os, shutil
ml = os.environ["SAGEMAKER_BASE_DIR"]
print("ran")
shutil.copy(f"{ml}/processing/input/data/x", f"{ml}/processing/output/out/y")
"""


def statements(*without: str) -> list[dict[str, Any]]:
    return [allow(action, on) for action, on in NEEDED.items() if action not in without]


@pytest.fixture(scope="module")
def bench(account: Account, make_workbench: Callable[[Any], Any]) -> Any:
    return make_workbench(account.server)


def request_for(bench: Any, role: str) -> dict[str, Any]:
    data = bench.put("data/x", "1")
    made: dict[str, Any] = bench.processing_request(SCRIPT, inputs={"data": data}, outputs=("out",))
    return {**made, "RoleArn": role}


def test_a_job_needs_just_these(account: Account, bench: Any) -> None:
    job = bench.run(request_for(bench, account.role(*statements())))
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert bench.get(f"{job['ProcessingJobName']}/out/y") == b"1"
    assert bench.lines(job["ProcessingJobName"]) == ["ran"]


@pytest.mark.parametrize("missing", [action for action in NEEDED if action.startswith("s3:")])
def test_a_job_names_what_its_role_lacks(account: Account, bench: Any, missing: str) -> None:
    role = account.role(*statements(missing))
    job = bench.run(request_for(bench, role))
    assert job["ProcessingJobStatus"] == "Failed"
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/SageMaker"
    reason = job["FailureReason"]
    assert reason.startswith("ClientError: ")
    assert f"AccessDenied: User: {session} is not authorized to perform: {missing}" in reason
    assert f"because no identity-based policy allows the {missing} action" in reason


@pytest.mark.parametrize("missing", ["logs:CreateLogStream", "logs:PutLogEvents"])
def test_a_job_without_a_log_runs_on(account: Account, bench: Any, missing: str) -> None:
    job = bench.run(request_for(bench, account.role(*statements(missing))))
    assert job["ProcessingJobStatus"] == "Completed"
    assert bench.lines(job["ProcessingJobName"]) == []
    told = account.server.state.with_suffix(".log").read_text()
    assert f"{job['ProcessingJobArn']} has no log: User:" in told
    assert f"is not authorized to perform: {missing}" in told


def test_a_log_group_needs_a_permission_only_to_be_made(
    run_embedded_sagemaker: Any, make_workbench: Any, tmp_path: Any
) -> None:
    with run_embedded_sagemaker(tmp_path / "state", "--enforce-iam") as server:
        account, bench = Account(server), make_workbench(server)
        role = account.role(*statements("logs:CreateLogGroup"))
        first = bench.run(request_for(bench, role))["ProcessingJobName"]
        assert bench.lines(first) == []
        server.client("logs").create_log_group(logGroupName="/aws/sagemaker/ProcessingJobs")
        second = bench.run(request_for(bench, role))["ProcessingJobName"]
        assert bench.lines(second) == ["ran"]


CALLS = """
import json, os, sys
import boto3
print(boto3.client("sts").get_caller_identity()["Arn"])
for key in ("data/x", "secret/x"):
    try:
        boto3.client("s3").get_object(Bucket="workbench", Key=key)
        print(key, "was read")
    except Exception as error:
        print(error)
"""


def test_what_a_jobs_script_calls_it_calls_as_the_role(account: Account, bench: Any) -> None:
    bench.put("secret/x", "2")
    banned = {
        "Effect": "Deny",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/secret/*",
    }
    role = account.role(*statements(), banned)
    request = request_for(bench, role)
    bench.put(f"{request['ProcessingJobName']}/code/script.py", CALLS)
    request["AppSpecification"]["ContainerEntrypoint"].remove("-S")
    job = bench.run(request)
    who, read, denied = bench.lines(job["ProcessingJobName"])[:3]
    name = role.rpartition("/")[2]
    assert who == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/SageMaker"
    assert read == "data/x was read"
    assert "with an explicit deny in an identity-based policy" in denied


def test_a_role_must_be_passed(account: Account, bench: Any) -> None:
    role, other = account.role(*statements()), account.role(*statements())
    request = request_for(bench, role)
    create = allow("sagemaker:CreateProcessingJob", f"{ARN}:processing-job/*")
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    elsewhere = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    for passing in (
        [],
        [allow("iam:PassRole", other)],
        [allow("iam:PassRole", role, Condition=elsewhere)],
    ):
        user = account.user(create, *passing).client("sagemaker")
        told = refused(user.create_processing_job, **request)[2]
        assert f"iam:PassRole on resource: {role} because" in told
    of_these = {
        "ArnLike": {"iam:AssociatedResourceArn": f"{ARN}:processing-job/*"},
        **to_sagemaker,
    }
    user = account.user(create, allow("iam:PassRole", role, Condition=of_these))
    assert user.client("sagemaker").create_processing_job(**request)
    assert bench.finish(request["ProcessingJobName"])["ProcessingJobStatus"] == "Completed"


def test_a_role_must_exist_and_trust_sagemaker(account: Account, bench: Any) -> None:
    for role in (
        account.role(*statements(), trusts={"Service": "ec2.amazonaws.com"}),
        f"arn:aws:iam::{ACCOUNT}:role/none",
    ):
        code, _, told = refused(bench.sagemaker.create_processing_job, **request_for(bench, role))
        assert code == "ValidationException"
        assert told == (
            f"Could not assume role {role}. Please ensure that the role exists and allows principal"
            " 'sagemaker.amazonaws.com' to assume the role."
        )


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        (
            {"ForAllValues:StringEquals": {"sagemaker:InstanceTypes": ["ml.m5.large"]}},
            "InstanceType",
        ),
        ({"NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": "60"}}, "Runtime"),
        ({"Bool": {"sagemaker:NetworkIsolation": "true"}}, "Isolation"),
    ],
)
def test_a_requests_values_may_be_limited(
    account: Account, bench: Any, condition: dict[str, Any], values: str
) -> None:
    role = account.role(*statements())
    user = account.user(
        allow("sagemaker:CreateTrainingJob", Condition=condition), allow("iam:PassRole", role)
    )
    good = bench.training_request("print(1)", RoleArn=role, EnableNetworkIsolation=True)
    bad = {**good, "TrainingJobName": bench.name("training")}
    if values == "InstanceType":
        bad["ResourceConfig"] = {**good["ResourceConfig"], "InstanceType": "ml.p4d.24xlarge"}
    elif values == "Runtime":
        bad["StoppingCondition"] = {"MaxRuntimeInSeconds": 61}
    elif values == "Isolation":
        del bad["EnableNetworkIsolation"]
    client = user.client("sagemaker")
    assert "sagemaker:CreateTrainingJob" in refused(client.create_training_job, **bad)[2]
    client.create_training_job(**good)
    assert bench.finish(good["TrainingJobName"])["TrainingJobStatus"] == "Completed"


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("model")
        packed.addfile(entry, io.BytesIO(b""))
    return buffer.getvalue()


def test_a_models_role_must_be_able_to_read_its_data(account: Account, bench: Any) -> None:
    uri = bench.put("models/model.tar.gz", archive())
    container = {
        "Image": bench.processing_request("")["AppSpecification"]["ImageUri"],
        "ModelDataUrl": uri,
    }
    blind = account.role(*statements("s3:GetObject"))
    model = {"PrimaryContainer": container}
    code, _, told = refused(
        bench.sagemaker.create_model, ModelName="blind", ExecutionRoleArn=blind, **model
    )
    assert code == "ValidationException"
    assert told.startswith(f"Could not access model data at {uri}. Please ensure that the role")
    assert "is not authorized to perform: s3:GetObject" in told
    # It loses the permission later: the endpoint finds out.
    sighted = account.role(allow("s3:GetObject", NEEDED["s3:GetObject"]))
    bench.sagemaker.create_model(ModelName="sighted", ExecutionRoleArn=sighted, **model)
    account.grant(sighted, allow("s3:GetObject", "arn:aws:s3:::other/*"))
    bench.sagemaker.create_endpoint_config(
        EndpointConfigName="sighted",
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": "sighted",
                "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
            }
        ],
    )
    bench.sagemaker.create_endpoint(EndpointName="sighted", EndpointConfigName="sighted")
    described = settled(bench)
    assert described["EndpointStatus"] == "Failed"
    assert "role passed to CreateModel has permissions" in described["FailureReason"]


def settled(bench: Any) -> dict[str, Any]:
    wait_until(
        lambda: (
            bench.sagemaker.describe_endpoint(EndpointName="sighted")["EndpointStatus"]
            != "Creating"
        ),
        what="the endpoint",
    )
    found: dict[str, Any] = bench.sagemaker.describe_endpoint(EndpointName="sighted")
    return found


def test_a_checkpoint_that_may_not_be_written_fails_its_job(account: Account, bench: Any) -> None:
    role = account.role(
        *statements("s3:PutObject"), allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/*/models/*")
    )
    request = bench.training_request(
        "import os; open(os.environ['SAGEMAKER_BASE_DIR'] + '/checkpoints/1', 'w').write('1')",
        RoleArn=role,
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/kept"},
    )
    job = bench.run(request)
    assert job["TrainingJobStatus"] == "Failed"
    assert 's3:PutObject on resource: "arn:aws:s3:::workbench/kept/1"' in job["FailureReason"]
