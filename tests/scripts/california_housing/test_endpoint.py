"""The trained model on an endpoint of the embedded SageMaker, as a client meets it."""

from __future__ import annotations

import io
import tarfile
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.scripts.jobs import IMAGE as PROGRAMS

if TYPE_CHECKING:
    from tests.scripts.jobs import Run

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
ROW = "8.3252,41.0,6.98,1.02,322.0,2.55,37.88,-122.23"
NOWHERE = ROW.replace("37.88", "-137.88")
ENVIRONMENT = {
    "SAGEMAKER_PROGRAM": "entry_point.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
}


# Without it another toolkit serves, the newer of AWS's, which adds a traceback to what is refused.
HAS_OWN_SERVER = any(PROGRAMS.parent.glob("lib/python*/site-packages/sagemaker_containers"))


class Endpoint:
    """An endpoint that serves a run's archive, its entry point changed or not."""

    def __init__(self, server: Any, name: str, archive: bytes) -> None:
        self.name, self.server = name, server
        self.runtime = server.client("sagemaker-runtime")
        s3, sagemaker = server.client("s3"), server.client("sagemaker")
        s3.create_bucket(Bucket="scripts")
        s3.put_object(Bucket="scripts", Key=f"{name}/model.tar.gz", Body=archive)
        container = {
            "Image": IMAGE,
            "ModelDataUrl": f"s3://scripts/{name}/model.tar.gz",
            "Environment": ENVIRONMENT,
        }
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 5},
        }
        sagemaker.create_model(ModelName=name, PrimaryContainer=container)
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        deadline = time.monotonic() + 120
        while (status := self.status()) == "Creating":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert status == "InService", self.log()

    def status(self) -> str:
        client = self.server.client("sagemaker")
        return client.describe_endpoint(EndpointName=self.name)["EndpointStatus"]

    def ask(self, body: str | bytes, **headers: str) -> tuple[str, str]:
        answer = self.runtime.invoke_endpoint(
            EndpointName=self.name, Body=body, **{"ContentType": "text/csv", **headers}
        )
        return answer["Body"].read().decode(), answer["ContentType"].partition(";")[0]

    def refusal(self, body: str | bytes, **headers: str) -> tuple[int, str]:
        with pytest.raises(ClientError) as error:
            self.ask(body, **headers)
        return error.value.response["OriginalStatusCode"], error.value.response["OriginalMessage"]

    def await_log(self, text: str) -> None:
        deadline = time.monotonic() + 30
        while text not in self.log():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def log(self) -> str:
        logs, group = self.server.client("logs"), f"/aws/sagemaker/Endpoints/{self.name}"
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        return "\n".join(
            event["message"]
            for stream in streams
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        )


def changed(run: Run, old: str = "", new: str = "") -> bytes:
    """The run's archive, with another text in its entry point."""
    result = io.BytesIO()
    with (
        tarfile.open(run.archive / "model.tar.gz") as source,
        tarfile.open(fileobj=result, mode="w:gz") as target,
    ):
        for member in source:
            file = source.extractfile(member)
            content = file.read() if file else b""
            if member.name.endswith("entry_point.py"):
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode())
                member.size = len(content)
            target.addfile(member, io.BytesIO(content) if file else None)
    return result.getvalue()


@pytest.fixture(scope="module")
def endpoint(embedded_sagemaker: Any, engineered_run: Run) -> Endpoint:
    return Endpoint(embedded_sagemaker, "california-scripts", changed(engineered_run))


def test_it_answers_in_what_the_registry_says(endpoint: Endpoint) -> None:
    told, content_type = endpoint.ask(ROW)
    assert content_type == "text/csv"
    assert float(told) == pytest.approx(4.14, abs=0.01)
    assert endpoint.ask("\ufeff" + ROW.replace(",", ", "))[0] == told
    assert endpoint.ask(",".join(f'"{cell}"' for cell in ROW.split(",")))[0] == told
    json, content_type = endpoint.ask(ROW, Accept="application/json")
    assert (json, content_type) == (f"[{told.strip()}]", "application/json")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "reason"),
    [
        (f"MedInc,HouseAge,a,b,c,d,e,f\n{ROW}", "text/csv", 400, "line 1 is a header"),
        ("1,2,3,4,5,6,7", "text/csv", 400, "line 1 has 7 fields, a row has 8: MedInc,HouseAge,"),
        (ROW.replace("41.0", "inf"), "text/csv", 400, "line 1, column HouseAge: inf is not finite"),
        ("", "text/csv", 400, "the request is empty"),
        ("\n", "text/csv", 400, "the request is empty"),
        (f"[[{ROW}]]", "text/csv", 400, "line 1, column MedInc: '[[8.3252' is not a number"),
        (f"[[{ROW}]]", "application/json", 415, "the content type is 'application/json'"),
        (NOWHERE, "text/csv", 400, "line 1, column Latitude: -137.88 is impossible"),
        (b"\xff\xfe1,2", "text/csv; charset=utf-16", 400, "line 1 is not UTF-8"),
    ],
)
def test_clients_fault_is_told_in_one_line(
    body: str | bytes, content_type: str, status: int, reason: str, endpoint: Endpoint
) -> None:
    found, told = endpoint.refusal(body, ContentType=content_type)
    line, _, rest = told.partition("\n")
    assert (found, line[: len(reason)]) == (status, reason)
    assert "send text/csv: a line a row, without a header" in line
    assert not rest or not HAS_OWN_SERVER, rest
    endpoint.await_log(f"refused with {status}: {reason}")


def test_models_own_failure_is_a_500(embedded_sagemaker: Any, engineered_run: Run) -> None:
    """Even where it is of the kind that a bad request is told by."""
    failing = "    return model.predict(rows) if np.isnan(rows).all() else int('no number')"
    archive = changed(engineered_run, "    return model.predict(rows)", failing)
    endpoint = Endpoint(embedded_sagemaker, "california-failing", archive)
    status, told = endpoint.refusal(ROW)
    assert status == 500
    assert "send text/csv" not in told


def test_a_pipeline_may_serve_what_is_outside_with_a_warning(
    embedded_sagemaker: Any, engineered_run: Run
) -> None:
    warning = changed(engineered_run, 'outside="refuse"', 'outside="warn"')
    endpoint = Endpoint(embedded_sagemaker, "california-warned", warning)
    float(endpoint.ask(NOWHERE)[0])
    two, _ = endpoint.ask(f"{NOWHERE}\n{ROW}\n{NOWHERE}")
    assert len(two.split()) == 3
    assert endpoint.refusal(ROW.replace("41.0", "inf"))[0] == 400
    told = "warning: line 1, column Latitude: -137.88 is impossible; 32 to 42.5 is legal"
    endpoint.await_log(f"{told}; 1 such cells so far")
    endpoint.await_log(f"{told} (the first of 2 such cells); 3 such cells so far")
