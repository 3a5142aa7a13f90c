"""Images that people bring: a file of theirs, and what runs by it."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import venv
from pathlib import Path
from typing import Any

import pytest

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.images import Images, find_environment
from local_sagemaker.images_file import _MEMBERS, ImagesFileError, read_images

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / ".local" / "images"
OWN = "1.dkr.ecr.eu-west-1.amazonaws.com/team/churn:2"
OLD = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:0.23-1-cpu-py3"
OLD_XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.0-1-cpu-py3"

# A container of one's own, as its documentation wants it: one program, "train" and "serve".
PROGRAM = """
    import json, os, sys
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from pathlib import Path

    MODEL = Path("/opt/ml/model/factor.json")

    def train():
        chosen = json.loads(Path("/opt/ml/input/config/hyperparameters.json").read_text())
        print("training by", sys.executable)
        MODEL.write_text(json.dumps(float(chosen["factor"])))

    class Calls(BaseHTTPRequestHandler):
        pings = 0

        def do_GET(self):
            Calls.pings += 1
            self.send_response(200 if Calls.pings > 2 else 503)
            self.end_headers()

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if body == b"die":
                os._exit(3)
            status = 200 if body != b"bad" else 418
            told = {
                "type": self.headers.get_all("Content-Type"),
                "own": self.headers["X-Amzn-SageMaker-Custom-Attributes"],
            }
            number = float(body) * json.loads(MODEL.read_text()) if status == 200 else None
            answer = json.dumps({**told, "number": number}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(answer)

    def serve():
        HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Calls).serve_forever()

    if sys.argv[1:] == ["train"]:
        train()
    elif sys.argv[1:] == ["serve"]:
        serve()
    else:
        print("processing", sys.argv[1:], "by", sys.executable)
"""
FILE = f"""
    [[image]]
    uri = "{OWN}"
    environment = "churn/environment"
    entrypoint = ["python3", "./churn/main.py"]

    [[image]]
    repository = "old-ones-own"
    tags = ["1"]
    environment = "{OURS}/sklearn-1.4-2"
    program = "sklearn"

    [[image]]
    repository = "sagemaker-scikit-learn"
    tags = ["0.23-1-cpu-py3", "1.0-1-cpu-py3"]
    stand_in = "sagemaker-scikit-learn:1.4-2-cpu-py3"

    [[image]]
    repository = "sagemaker-xgboost"
    tags = ["1.0-1-cpu-py3"]
    stand_in = "sagemaker-xgboost:3.0-5"
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's file, with an environment and a program beside it."""
    folder = tmp_path_factory.mktemp("user")
    venv.create(folder / "churn" / "environment", symlinks=True)
    (folder / "churn" / "main.py").write_text(textwrap.dedent(PROGRAM))
    (folder / "images.toml").write_text(textwrap.dedent(FILE))
    return folder / "images.toml"


@pytest.fixture(scope="module")
def bench(
    run_embedded_sagemaker: Any, make_workbench: Any, file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:  # fmt: skip
    """A server that has read the file."""
    state = tmp_path_factory.mktemp("server") / "state"
    options = ("--images-file", str(file), "--start-jobs", "cold")
    with run_embedded_sagemaker(state, *options) as server:
        yield make_workbench(server)


def of_image(request: dict[str, Any], uri: str) -> dict[str, Any]:
    """A training request for an image's own command."""
    request["AlgorithmSpecification"] = {"TrainingImage": uri, "TrainingInputMode": "File"}
    return request


def deploy(bench: Any, poll: Any, name: str, *, image: str, data: str) -> str:
    """Create an endpoint; return its status when that has ended."""
    sagemaker = bench.sagemaker
    sagemaker.create_model(
        ModelName=name, PrimaryContainer={"Image": image, "ModelDataUrl": data}
    )  # fmt: skip
    variant = {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def status() -> str:
        return sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]

    poll(lambda: status() != "Creating", what="the endpoint")
    return status()


def test_a_container_of_ones_own_trains_and_serves(bench, poll):
    request = of_image(bench.training_request(""), OWN)
    request["HyperParameters"] = {"factor": "2.5"}
    job = bench.run(request)
    assert job["TrainingJobStatus"] == "Completed", job
    (line,) = bench.lines(job["TrainingJobName"])
    assert line.startswith("training by ")
    assert line.endswith("/churn/environment/bin/python3")

    name, sagemaker = bench.name("churn"), bench.sagemaker
    deploy(bench, poll, name, image=OWN, data=job["ModelArtifacts"]["S3ModelArtifacts"])
    runtime = bench.server.client("sagemaker-runtime")

    def ask(body: bytes) -> Any:
        return runtime.invoke_endpoint(
            EndpointName=name, ContentType="text/plain", CustomAttributes="mine", Body=body
        )

    answer = ask(b"4")
    assert answer["ContentType"] == "application/json"
    assert answer["Body"].read() == b'{"type": ["text/plain"], "own": "mine", "number": 10.0}'
    with pytest.raises(runtime.exceptions.ModelError, match="418"):
        ask(b"bad")
    with pytest.raises(runtime.exceptions.ModelError, match="model process exited"):
        ask(b"die")

    def answers() -> bool:
        try:
            return b"10.0" in ask(b"4")["Body"].read()
        except runtime.exceptions.ModelError:  # it has not quite gone
            return False

    poll(answers, what="a container that was started again")
    sagemaker.delete_endpoint(EndpointName=name)


def test_without_an_entry_point_in_the_request_a_processing_job_runs_the_images(bench):
    request = bench.processing_request("", arguments=("--a", "1"))
    request["AppSpecification"]["ImageUri"] = OWN
    del request["AppSpecification"]["ContainerEntrypoint"]
    job = bench.run(request)
    assert job["ProcessingJobStatus"] == "Completed", job
    (line,) = bench.lines(job["ProcessingJobName"])
    assert line.startswith("processing ['--a', '1'] by ")


def test_the_log_of_whatever_runs_on_other_libraries_begins_with_a_warning(bench):
    request = bench.processing_request("import numpy; print(numpy.__version__)")
    request["AppSpecification"] |= {"ImageUri": OLD}
    request["AppSpecification"]["ContainerEntrypoint"].remove("-S")
    name = bench.run(request)["ProcessingJobName"]
    warning, told = bench.lines(name)
    assert warning.startswith(
        f"WARNING: image {OLD} was asked for. sagemaker-scikit-learn:1.4-2-cpu-py3 runs instead of"
        " it, as the images file says, with other libraries: scikit-learn 1.4.2, numpy 2.1.0,"
        " pandas 2.3.2, Python 3."
    )
    assert told == "2.1.0"
    # What it was asked for is what it is described as.
    assert bench.describe(name)["AppSpecification"]["ImageUri"] == OLD


def test_a_built_in_algorithm_stands_in_for_its_older_self(bench, poll):
    rows = "".join(f"{2 * n},{n}\n" for n in range(20))
    train = bench.put("old-xgboost/train/rows.csv", rows)
    request = of_image(bench.training_request(""), OLD_XGBOOST)
    request["HyperParameters"] = {"num_round": "2"}
    request["InputDataConfig"] = [
        {
            "ChannelName": "train",
            "ContentType": "text/csv",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": train}},
        }
    ]
    job = bench.run(request)
    assert job["TrainingJobStatus"] == "Completed", job
    first, *others = bench.lines(job["TrainingJobName"])
    assert "sagemaker-xgboost:3.0-5 runs instead of it" in first
    assert "xgboost-cpu 3.0.5" in first
    assert any("train-rmse" in line for line in others)
    name = bench.name("old")
    data = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert deploy(bench, poll, name, image=OLD_XGBOOST, data=data) == "InService"
    group = f"/aws/sagemaker/Endpoints/{name}"
    (stream,) = bench.logs.describe_log_streams(logGroupName=group)["logStreams"]
    (event, *_) = bench.logs.get_log_events(
        logGroupName=group, logStreamName=stream["logStreamName"]
    )["events"]
    assert event["message"] == first
    answer = bench.server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, ContentType="text/csv", Body=b"3"
    )
    assert float(answer["Body"].read()) > 0
    bench.sagemaker.delete_endpoint(EndpointName=name)


def test_an_images_first_name_counts_and_ours_are_still_there(file):
    images = Images(OURS, read_images(file))
    own = find_environment(OWN, images)
    assert own.folder == file.parent / "churn" / "environment"
    assert not own.notice
    for uri in ("team/churn:2", "2.dkr.ecr.eu-west-1.amazonaws.com/team/churn:2", OWN[:-1] + "3"):
        with pytest.raises(RequestInvalidError, match=r"unknown here; known are 1\.dkr.*-xgboost"):
            find_environment(uri, images)
    ours = find_environment("sagemaker-scikit-learn:1.4-2-cpu-py3", images)
    assert ours.folder == OURS / "sklearn-1.4-2"
    assert not ours.notice
    # A user's program in our environment leaves ours as warm as it was, and its own cold.
    assert "pandas" in images.preimported(OURS / "sklearn-1.4-2")
    assert images.preimported(own.folder) == ()


GOOD = 'repository = "a"\ntags = ["1"]\n'
HERE = 'environment = "environment"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image = 1", "it has no [[image]]"),
        ("", "it has no [[image]]"),
        ("[[images]]", "images: unknown; [[image]] is all it may have"),
        ("[[image]", "(at line 1, column 8)"),
        (f"[[image]]\n{GOOD}{HERE}made_by = 'x'", "image 1: made_by: unknown; there are uri, rep"),
        (f"[[image]]\n{GOOD}environment = 1", "image 1: environment: 1 is not a text"),
        (f"[[image]]\n{GOOD}environment = ''", "image 1: environment: '' is not a text"),
        (f"[[image]]\n{HERE}repository = 'a'", "image 1: tags: they are needed beside repository"),
        (f"[[image]]\n{HERE}repository = 'a'\ntags = 'x'", "tags: 'x' is not a list of texts"),
        (f"[[image]]\n{HERE}repository = 'a'\ntags = [1]", "tags: [1] is not a list of texts"),
        (f"[[image]]\n{HERE}repository = 'a'\ntags = ['a b']", "tags: 'a b' is not a tag"),
        (f"[[image]]\n{HERE}repository = 'a:1'\ntags = ['2']", "'a:1' is not the name of a repo"),
        (f"[[image]]\n{HERE}uri = 'A B:1'", "image 1: uri: 'A B' is not the name of a repository"),
        (f"[[image]]\n{HERE}uri = 'a:1'\ntags = ['1']", "image 1: tags: the uri has the tag"),
        (f"[[image]]\n{HERE}{GOOD}uri = 'a:1'", "uri: either uri or repository is needed"),
        (f"[[image]]\n{HERE}", "image 1: uri: either uri or repository is needed"),
        (f"[[image]]\n{GOOD}", "environment: either environment or stand_in is needed"),
        (f"[[image]]\n{GOOD}environment = 'none'", "none has no bin/python3"),
        (
            f"[[image]]\n{GOOD}environment = '~nobody-such/x'",
            "image 1: environment: ~nobody-such/x",
        ),
        (f"[[image]]\n{GOOD}{HERE}program = 'r'", "program: 'r' is none of sklearn, xgboost, pyt"),
        (f"[[image]]\n{GOOD}{HERE}port = 0", "image 1: port: 0 is not from 1 to 65535"),
        (f"[[image]]\n{GOOD}{HERE}port = true", "image 1: port: True is not a number"),
        (f"[[image]]\n{GOOD}{HERE}program = 'sklearn'\nport = 1", "port: not beside program"),
        (f"[[image]]\n{GOOD}stand_in = 'a:1'", "stand_in: 'a:1' is none of sagemaker-scikit"),
        (f"[[image]]\n{GOOD}stand_in = 'x'\nport = 8080", "port: the image that stands in has its"),
        (
            f"[[image]]\n{GOOD}{HERE}[[image]]\nuri = 'a:1'\n{HERE}",
            "image 2: tags: a:1 stands in images.toml, image 1, too",
        ),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_entry_and_member(tmp_path, monkeypatch, text, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "environment" / "bin").mkdir(parents=True)
    (tmp_path / "environment" / "bin" / "python3").touch()
    Path("images.toml").write_text(text)
    with pytest.raises(ImagesFileError) as caught:
        read_images(Path("images.toml"))
    message = str(caught.value)
    assert message.startswith("images.toml")
    assert told in message


def test_digests_registries_and_missing_tags_are_as_docker_reads_them(tmp_path):
    (tmp_path / "e" / "bin").mkdir(parents=True)
    (tmp_path / "e" / "bin" / "python3").touch()
    digest = f"sha256:{'a' * 64}"
    (tmp_path / "images.toml").write_text(
        f'[[image]]\nuri = "localhost:5000/a@{digest}"\nenvironment = "e"\n'
        '[[image]]\nuri = "localhost:5000/a"\nenvironment = "e"\n'
        '[[image]]\nrepository = "team/b"\ntags = ["1"]\nenvironment = "e"\n'
    )
    images = Images(tmp_path, read_images(tmp_path / "images.toml"))
    by_digest, latest, b = images.users
    for uri, image in {
        f"localhost:5000/a@{digest}": by_digest,
        f"localhost:5000/a:9@{digest}": by_digest,
        "localhost:5000/a": latest,
        "localhost:5000/a:latest": latest,
        "any.example/team/b:1": b,
        "team/b:1": b,
    }.items():
        assert find_environment(uri, images).image == image, uri
    for uri in ("localhost:5000/a:9", "xteam/b:1", "b:1", "team/b"):
        with pytest.raises(RequestInvalidError, match="unknown"):
            find_environment(uri, images)


def test_the_readmes_example_is_read(tmp_path, monkeypatch):
    readme = (ROOT / "local_sagemaker" / "README.md").read_text(encoding="utf-8")
    section = readme.partition("### Your own images\n")[2]
    example = section.split("```")[1]
    for place in ("churn", "forecast"):
        venv.create(tmp_path / place / ".venv", symlinks=True)
    (tmp_path / "images.toml").write_text(example)
    monkeypatch.setenv("HOME", str(tmp_path))
    churn, forecast, sklearn, xgboost = read_images(tmp_path / "images.toml")
    assert churn.program == "sklearn"
    assert forecast.entrypoint == ("python3", str(tmp_path / "main.py"))
    assert sklearn.environment == "sklearn-1.2-1"
    assert xgboost.environment == "xgboost-1.7-1"
    # Each member that there is has a word here.
    assert [name for name in _MEMBERS if not re.search(rf"\b{name}\b", section)] == []


def test_the_server_does_not_start_with_a_file_that_is_wrong(tmp_path):
    command = [sys.executable, "-m", "local_sagemaker", "--state", str(tmp_path / "state")]
    ended = subprocess.run(
        [*command, "--images-file", str(tmp_path / "none.toml")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "none.toml" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "state").exists()
