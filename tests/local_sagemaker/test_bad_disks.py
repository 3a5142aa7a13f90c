"""First the disk, then the answer: what a disk refuses was never there, whatever the verb."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import subprocess
import urllib.parse
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_sagemaker.operations import OPERATIONS
from local_sagemaker.store import Store
from local_sagemaker.validation import _problems, service_model

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = str(Path(__file__).parent / "programs" / "server_on_a_bad_disk.py")
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
ROLE = "arn:aws:iam::123456789012:role/jobs"
ARN = "arn:aws:sagemaker:us-east-1:123456789012"
NOWHERE = {"S3DataType": "S3Prefix", "S3Uri": "s3://nowhere/at-all"}
SPECIFICATION = {"Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://nowhere/model"}]}
TAGS = [{"Key": "owner", "Value": "somebody"}]
READING = ("Describe", "List", "BatchDescribe", "Search")
# As members' names have the kind of a job, and as ARNs have it.
JOBS = {
    "Processing": "processing",
    "Training": "training",
    "Transform": "transform",
    "HyperParameterTuning": "hyper-parameter-tuning",
}
DELETED = ("Processing", "Training")
STATUSES = (*(f"{noun}Job" for noun in JOBS), "Endpoint")
# Lists of what one resource has.
OF_ONE = ("ListTags", "ListTrainingJobsForHyperParameterTuningJob")
Members = dict[str, Any]

# One request of every verb that changes something, in an order in which each finds what it needs.
CHANGES: dict[str, Members] = {
    "CreateProcessingJob": {
        "ProcessingJobName": "processing",
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": IMAGE},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            }
        },
        "ProcessingInputs": [
            {
                "InputName": "none",
                "S3Input": {
                    **NOWHERE,
                    "S3InputMode": "File",
                    "LocalPath": "/opt/ml/processing/in/none",
                },
            }
        ],
        "Tags": TAGS,
    },
    "CreateTrainingJob": {
        "TrainingJobName": "training",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "InputDataConfig": [{"ChannelName": "none", "DataSource": {"S3DataSource": NOWHERE}}],
        "OutputDataConfig": {"S3OutputPath": "s3://nowhere/models"},
        "ResourceConfig": {
            "InstanceCount": 1,
            "InstanceType": "ml.m5.large",
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "Tags": TAGS,
    },
    "CreateHyperParameterTuningJob": {
        "HyperParameterTuningJobName": "tuning",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "m"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "a", "Values": ["b"]}]},
        },
        "TrainingJobDefinition": {
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "m", "Regex": "m=(.*)"}],
            },
            "InputDataConfig": [{"ChannelName": "none", "DataSource": {"S3DataSource": NOWHERE}}],
            "OutputDataConfig": {"S3OutputPath": "s3://nowhere/models"},
            "ResourceConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
        "Tags": TAGS,
    },
    **{f"Stop{noun}Job": {f"{noun}JobName": "seeded"} for noun in JOBS},
    **{f"Delete{noun}Job": {f"{noun}JobName": "ended"} for noun in DELETED},
    "CreateModelPackageGroup": {"ModelPackageGroupName": "group", "Tags": TAGS},
    "CreateModelPackage": {
        "ModelPackageGroupName": "group",
        "InferenceSpecification": SPECIFICATION,
        "ClientToken": "once",
    },
    "UpdateModelPackage": {
        "ModelPackageArn": f"{ARN}:model-package/group/1",
        "ModelApprovalStatus": "Approved",
        "ClientToken": "twice",
    },
    "CreateModel": {
        "ModelName": "model",
        # The data of a package is not looked for before a container starts; there is none.
        "PrimaryContainer": {"ModelPackageName": f"{ARN}:model-package/group/1"},
        "ExecutionRoleArn": ROLE,
        "Tags": TAGS,
    },
    "CreateTransformJob": {
        "TransformJobName": "transform",
        "ModelName": "model",
        "TransformInput": {"DataSource": {"S3DataSource": NOWHERE}},
        "TransformOutput": {"S3OutputPath": "s3://nowhere/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        "Tags": TAGS,
    },
    "CreateEndpointConfig": {
        "EndpointConfigName": "config",
        "ProductionVariants": [
            {
                "VariantName": "all",
                "ModelName": "model",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
        "Tags": TAGS,
    },
    "UpdateEndpoint": {"EndpointName": "seeded", "EndpointConfigName": "config"},
    "CreateEndpoint": {"EndpointName": "endpoint", "EndpointConfigName": "config", "Tags": TAGS},
    "DeleteEndpoint": {"EndpointName": "failed"},
    "AddTags": {"ResourceArn": f"{ARN}:model/model", "Tags": [{"Key": "a", "Value": "b"}]},
    "DeleteTags": {"ResourceArn": f"{ARN}:model/model", "TagKeys": ["owner", "a"]},
    "DeleteModelPackage": {"ModelPackageName": f"{ARN}:model-package/group/1"},
    "DeleteModelPackageGroup": {"ModelPackageGroupName": "group"},
    "DeleteEndpointConfig": {"EndpointConfigName": "config"},
    "DeleteModel": {"ModelName": "model"},
}


class Client:
    """SageMaker without retries, in a few milliseconds a call."""

    def __init__(self, url: str) -> None:
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)

    def call(self, operation: str, members: Members | None = None) -> tuple[int, Any]:
        headers = {"X-Amz-Target": f"SageMaker.{operation}"}
        self.connection.request("POST", "/", json.dumps(members or {}), headers)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def get(self, path: str) -> tuple[Members, str]:
        """Return headers and body of an answer of S3."""
        scope = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"
        self.connection.request("GET", path, headers={"Authorization": scope})
        response = self.connection.getresponse()
        body = response.read().decode()
        headers = {name.lower(): value for name, value in response.getheaders()}
        changing = ("date", "x-amz-id-2", "x-amz-request-id", "x-amzn-requestid")
        return {name: v for name, v in headers.items() if name not in changing}, re.sub(
            "<(RequestId|RequestID|HostId)>.*?</", "", body
        )

    def served(self) -> dict[str, Any]:
        """Return all that this account has: lists, descriptions, tags."""
        found: dict[str, Any] = {}
        for operation in OPERATIONS:
            noun = operation.removeprefix("List").removesuffix("s")
            if not operation.startswith("List") or operation in OF_ONE:
                continue
            both = {"ModelPackageType": "Both"} if noun == "ModelPackage" else {}
            page = self.read(operation, {"MaxResults": 100, **both})
            (summaries,) = [value for value in page.values() if isinstance(value, list)]
            for summary in summaries:
                arn = summary[f"{noun}Arn"]
                name = arn if noun == "ModelPackage" else summary[f"{noun}Name"]
                described = self.read(f"Describe{noun}", {f"{noun}Name": name})
                tags = self.read("ListTags", {"ResourceArn": arn})
                found[arn] = (described, tags)
                if noun == "HyperParameterTuningJob":
                    self.read(OF_ONE[1], {f"{noun}Name": name})
        return found

    def read(self, operation: str, members: Members) -> Any:
        """Return an answer that fits the service's model, as every one must."""
        _, answer = self.call(operation, members)
        shape = service_model().operation_model(operation).output_shape
        problems = _problems(shape, answer, path="")
        # What was put there by `seed`, and what failed early, has not all of it.
        odd = [problem for problem in problems if "must not be null" not in problem]
        assert not odd, (operation, answer)
        return answer


def tell(control: Path, fault: str) -> None:
    """Change what the disk refuses; whoever reads it meanwhile finds all of it."""
    new = control.with_suffix(".new")
    new.write_text(fault)
    new.replace(control)


@contextmanager
def refusing(control: Path, number: int | str, *, whose: str = "request"):
    fault = os.urandom(4).hex()
    tell(control, f"{fault} {whose} {number}")
    yield fault
    tell(control, "none request 0")


@pytest.fixture
def bad_disk(run_embedded_sagemaker, tmp_path):
    """Starts servers on one state folder: ``with bad_disk() as (server, control)``."""
    control = tmp_path / "control"

    @contextmanager
    def run():
        tell(control, "none request 0")
        options = ("--isolation", "none", "--stop-grace", "1", "--start-jobs", "cold")
        with run_embedded_sagemaker(
            tmp_path / "state", *options, program=(PROGRAM, str(control))
        ) as server:
            yield server, control

    return run


def seed(state: Path, client: Client) -> None:
    """Put into the state what would take long to come by: it is where the server looks."""
    now = 1_800_000_000.0
    times = {"CreationTime": now, "LastModifiedTime": now}
    store = Store(state / "state.sqlite")
    ended = [(noun, "ended", "Completed") for noun in DELETED]
    for noun, name, status in [*((noun, "seeded", "InProgress") for noun in JOBS), *ended]:
        job = {
            **CHANGES[f"Create{noun}Job"],
            f"{noun}JobName": name,
            f"{noun}JobArn": f"{ARN}:{JOBS[noun]}-job/{name}",
            f"{noun}JobStatus": status,
            **times,
        }
        store.put("us-east-1", f"{JOBS[noun]}-job", name=name, document=job)
    for name, status in (("seeded", "InService"), ("failed", "Failed")):
        endpoint = {
            "EndpointName": name,
            "EndpointArn": f"{ARN}:endpoint/{name}",
            "EndpointConfigName": "config",
            "EndpointStatus": status,
            **times,
        }
        store.put("us-east-1", "endpoint", name=name, document=endpoint)
    store.close()
    assert len(client.served()) == len(JOBS) + len(DELETED) + 2


def quiet(client: Client) -> dict[str, Any] | None:
    """Return what is served, as soon as nothing changes by itself."""
    served = client.served()
    moving = {"InProgress", "Creating", "Updating", "RollingBack", "Deleting"}
    for arn, (described, _) in served.items():
        statuses = {described.get(f"{noun}Status") for noun in STATUSES}
        if moving & statuses and not arn.endswith("-job/seeded"):
            return None
    return served


def test_every_verb_that_changes_something_is_tried():
    assert set(CHANGES) == {name for name in OPERATIONS if not name.startswith(READING)}


def test_a_refused_request_changes_nothing_and_a_restart_nothing_more(bad_disk, tmp_path, poll):
    with bad_disk() as (server, control):
        client = Client(server.url)
        seed(tmp_path / "state", client)
        for operation, members in CHANGES.items():
            before = poll(lambda: quiet(client), what="the ends of jobs", seconds=90)
            for number in itertools.count(1):
                with refusing(control, number):
                    status, answer = client.call(operation, members)
                if status == 200:
                    break
                assert status == 500, (operation, number, answer)
                assert client.served() == before, (operation, number)
            assert number > 1, f"{operation} writes nothing"
        before = poll(lambda: quiet(client), what="the ends of jobs", seconds=90)
    with bad_disk() as (server, _):
        after = Client(server.url).served()
    for kind in JOBS.values():  # they have no process, and so were concluded
        del before[f"{ARN}:{kind}-job/seeded"], after[f"{ARN}:{kind}-job/seeded"]
    assert after == before


def test_a_job_ends_whichever_of_its_writes_is_refused(bad_disk, make_workbench):
    with bad_disk() as (server, control):
        bench = make_workbench(server)
        reasons = []
        for number in itertools.count(1):
            request = bench.training_request(
                "import os; print('said'); ml = os.environ['SAGEMAKER_BASE_DIR']\n"
                "open(ml + '/model/m', 'w'); os.remove(ml + '/checkpoints/old')",
                CheckpointConfig={"S3Uri": f"s3://{bench.bucket}/kept"},
            )
            bench.put("kept/old", "old")
            with refusing(control, number, whose="job") as fault:
                job = bench.run(request)
            failed = job["TrainingJobStatus"] == "Failed"
            assert ("FailureReason" in job) == failed, (number, job)
            if control.with_suffix(".refused").read_text() != fault:
                break
            reasons.append(job.get("FailureReason"))
        assert not failed
    assert len(reasons) > 5
    assert all(reason is None or "Error: " in reason for reason in reasons)
    assert {None} < set(reasons)
    assert [reason for reason in reasons if reason and "Failed to keep checkpoints" in reason]


def test_a_job_whose_end_cannot_be_written_ends_when_it_can_and_holds_up_no_shutdown(
    bad_disk, poll
):
    with bad_disk() as (server, control):
        client = Client(server.url)
        members = CHANGES["CreateTrainingJob"]
        asked = {"TrainingJobName": "training"}
        with refusing(control, "all", whose="job"):
            client.call("CreateTrainingJob", members)
            log = server.state.with_suffix(".log")
            poll(
                lambda: log.read_text().count("its end could not be written") > 1,
                what="retries",
                seconds=90,
            )
            assert client.call("DescribeTrainingJob", asked)[1]["TrainingJobStatus"] == "InProgress"
        poll(lambda: quiet(client), what="the job's end", seconds=90)
        tell(control, "again job all")
        client.call("CreateTrainingJob", {**members, "TrainingJobName": "second"})
        server.process.terminate()
        assert server.process.wait(timeout=60) == 0
    with bad_disk() as (server, _):
        _, job = Client(server.url).call("DescribeTrainingJob", {"TrainingJobName": "second"})
        assert job["TrainingJobStatus"] == "Failed"
        assert "stopped while the job was running" in job["FailureReason"]


def test_an_endpoint_settles_whichever_of_its_writes_is_refused(bad_disk, tmp_path, poll):
    with bad_disk() as (server, control):
        client = Client(server.url)
        seed(tmp_path / "state", client)
        for operation in ("CreateModelPackageGroup", "CreateModelPackage", "UpdateModelPackage"):
            assert client.call(operation, CHANGES[operation])[0] == 200
        for operation in ("CreateModel", "CreateEndpointConfig"):
            assert client.call(operation, CHANGES[operation])[0] == 200
        for operation, asked in (
            ("CreateEndpoint", CHANGES["CreateEndpoint"]),
            ("UpdateEndpoint", CHANGES["UpdateEndpoint"]),
            ("DeleteEndpoint", CHANGES["DeleteEndpoint"]),
        ):
            name = {"EndpointName": asked["EndpointName"]}
            with refusing(control, 1, whose="job") as fault:
                assert client.call(operation, asked)[0] == 200
                poll(lambda: quiet(client), what=f"the end of {operation}", seconds=90)
            assert control.with_suffix(".refused").read_text() == fault
            status, endpoint = client.call("DescribeEndpoint", name)
            if operation == "DeleteEndpoint":
                assert status == 400
            else:
                assert endpoint["EndpointStatus"] == "Failed"
                assert endpoint["FailureReason"]


# What changes buckets and objects; each finds what those before it have left.
S3_CHANGES: dict[str, Callable[[Any], Any]] = {
    "create a bucket": lambda s3: s3.create_bucket(Bucket="bucket"),
    "put": lambda s3: s3.put_object(Bucket="bucket", Key="a", Body=b"old", Tagging="k=v"),
    "overwrite": lambda s3: s3.put_object(
        Bucket="bucket", Key="a", Body=b"new", Metadata={"is": "new"}
    ),
    "copy": lambda s3: s3.copy_object(
        Bucket="bucket", Key="b", CopySource={"Bucket": "bucket", "Key": "a"}
    ),
    "tag": lambda s3: s3.put_object_tagging(
        Bucket="bucket", Key="b", Tagging={"TagSet": [{"Key": "x", "Value": "y"}]}
    ),
    "delete tags": lambda s3: s3.delete_object_tagging(Bucket="bucket", Key="b"),
    "complete an upload": lambda s3: s3.complete_multipart_upload(
        Bucket="bucket", Key="parts", UploadId=upload(s3), MultipartUpload=parts(s3)
    ),
    "delete": lambda s3: s3.delete_object(Bucket="bucket", Key="b"),
    "delete many": lambda s3: s3.delete_objects(
        Bucket="bucket", Delete={"Objects": [{"Key": "parts"}, {"Key": "a"}]}
    ),
    "tag a bucket": lambda s3: s3.put_bucket_tagging(
        Bucket="bucket", Tagging={"TagSet": [{"Key": "x", "Value": "y"}]}
    ),
    "version a bucket": lambda s3: s3.put_bucket_versioning(
        Bucket="bucket", VersioningConfiguration={"Status": "Enabled"}
    ),
    "put a first version": lambda s3: s3.put_object(Bucket="bucket", Key="v", Body=b"1"),
    "put another version": lambda s3: s3.put_object(Bucket="bucket", Key="v", Body=b"2"),
    "hide it": lambda s3: s3.delete_object(Bucket="bucket", Key="v"),
    "delete all versions": lambda s3: s3.delete_objects(
        Bucket="bucket",
        Delete={
            "Objects": [
                {"Key": "v", "VersionId": entry["VersionId"]} for entry in versions(s3, "bucket")
            ]
        },
    ),
    "create another bucket": lambda s3: s3.create_bucket(Bucket="stays"),
    "put into it": lambda s3: s3.put_object(Bucket="stays", Key="kept", Body=b"kept"),
    "delete a bucket": lambda s3: s3.delete_bucket(Bucket="bucket"),
}


def upload(s3: Any) -> str:
    return str(s3.list_multipart_uploads(Bucket="bucket")["Uploads"][0]["UploadId"])


def parts(s3: Any) -> Members:
    listed = s3.list_parts(Bucket="bucket", Key="parts", UploadId=upload(s3))["Parts"]
    return {"Parts": [{"PartNumber": p["PartNumber"], "ETag": p["ETag"]} for p in listed]}


def versions(s3: Any, bucket: str) -> list[Members]:
    page = s3.list_object_versions(Bucket=bucket)
    return [*page.get("Versions", []), *page.get("DeleteMarkers", [])]


def client_of(server: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )


def objects(client: Client) -> dict[str, Any]:
    """Return all that S3 serves: buckets, objects with bytes and tags, versions, uploads."""
    found: dict[str, Any] = {"": client.get("/")}
    for bucket in re.findall("<Name>(.*?)</Name>", found[""][1]):
        for what in ("list-type=2", "versions", "uploads", "versioning", "tagging"):
            found[f"{bucket}?{what}"] = client.get(f"/{bucket}?{what}")
        for key in re.findall("<Key>(.*?)</Key>", found[f"{bucket}?list-type=2"][1]):
            for what in ("", "?tagging"):
                found[f"{bucket}/{key}{what}"] = client.get(f"/{bucket}/{key}{what}")
    return found


def blobs(state: Path) -> int:
    return len(list((state / "objects").iterdir()))


def test_a_refused_change_of_an_object_is_not_served(bad_disk, tmp_path):
    with bad_disk() as (server, control):
        s3, client = client_of(server), Client(server.url)
        for what, change in S3_CHANGES.items():
            if what == "complete an upload":
                begun = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
                s3.upload_part(
                    Bucket="bucket", Key="parts", UploadId=begun, PartNumber=1, Body=b"part"
                )
            before, files = objects(client), blobs(tmp_path / "state")
            for number in itertools.count(1):
                refused = None
                with refusing(control, number):
                    try:
                        change(s3)
                    except ClientError as error:
                        refused = error.response["Error"]["Code"]
                if refused is None:
                    break
                assert refused == "InternalError", (what, number)
                assert objects(client) == before, (what, number)
                assert blobs(tmp_path / "state") == files, (what, number)
            assert number > 1, f"to {what} writes nothing"
        before = objects(client)
        assert "stays/kept" in before
    with bad_disk() as (server, _):
        assert objects(Client(server.url)) == before
    assert blobs(tmp_path / "state") == 1


@pytest.fixture
def small_disk(tmp_path):
    """A disk of six megabytes, which a test fills; its folder."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode:
        pytest.skip("only who may mount has a disk to fill")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return ballast


def test_a_full_disk_refuses_and_keeps_what_it_has(
    run_embedded_sagemaker, make_workbench, small_disk, poll
):
    options = ("--isolation", "none", "--start-jobs", "cold")
    with run_embedded_sagemaker(small_disk / "state", *options) as server:
        bench, s3, client = make_workbench(server), client_of(server), Client(server.url)
        request = bench.processing_request(
            "import os, time\n"
            "print('up', flush=True)\n"
            "while not os.path.exists(os.environ['HOME'] + '/go'): time.sleep(0.02)\n"
            "print('x' * 200_000)\n"
            "open('/opt/ml/processing/output/o/big', 'wb').write(bytes(10))",
            outputs=("o",),
        )
        s3.put_object(Bucket=bench.bucket, Key="kept", Body=b"old")
        name = bench.start(request)
        poll(lambda: "up" in bench.lines(name), what="the job's start")
        (home,) = (small_disk / "state" / "jobs").glob("*/algo-1/home")
        (home / "go").touch()
        ballast = fill(small_disk)
        before = objects(client)
        for number in range(3):
            with pytest.raises(ClientError, match="InternalError"):
                s3.put_object(Bucket=bench.bucket, Key="kept", Body=bytes([number]) * 100_000)
            assert objects(client) == before
        names = [f"group-{number}-{'n' * 40}" for number in range(30)]
        made = [n for n in names if client.call("CreateModelPackageGroup", group(n))[0] == 200]
        assert len(made) < len(names)
        assert listed(client) == made
        ballast.unlink()
        assert bench.finish(name)["ProcessingJobStatus"] in {"Completed", "Failed"}
        before = objects(client)
    with run_embedded_sagemaker(small_disk / "state", *options) as server:
        assert objects(Client(server.url)) == before
        assert listed(Client(server.url)) == made


def group(name: str) -> Members:
    return {"ModelPackageGroupName": name, "ModelPackageGroupDescription": "d" * 1000}


def listed(client: Client) -> list[str]:
    found: list[str] = []
    token: Members = {}
    while True:
        _, page = client.call("ListModelPackageGroups", {"MaxResults": 100, **token})
        found += [g["ModelPackageGroupName"] for g in page["ModelPackageGroupSummaryList"]]
        if "NextToken" not in page:
            return found
        token = {"NextToken": page["NextToken"]}
