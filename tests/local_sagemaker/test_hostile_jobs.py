"""Whatever a job does, it ends, with a reason, and harms nobody else."""

from __future__ import annotations

import signal

import pytest
from botocore.exceptions import ClientError


def reason(job) -> str:
    return str(job.get("FailureReason"))


@pytest.fixture(params=["processing", "training", "checkpoints"])
def uploads(request, bench):
    """Makes a request whose script is followed by an upload, file by file, of this folder."""
    if request.param == "processing":
        return lambda script: bench.processing_request(
            f"FOLDER = '/opt/ml/processing/output/o'\n{script}", outputs=("o",)
        )

    def training(script):
        folder = "checkpoints" if request.param == "checkpoints" else "model"
        made = bench.training_request(f"FOLDER = '/opt/ml/{folder}'\n{script}")
        made["OutputDataConfig"]["CompressionType"] = "NONE"
        if folder == "checkpoints":
            made["CheckpointConfig"] = {"S3Uri": f"{made['OutputDataConfig']['S3OutputPath']}/kept"}
        return made

    return training


def test_a_name_that_is_no_text_fails_the_job_and_leaves_the_bucket_alone(bench, uploads):
    job = bench.run(uploads("open(FOLDER.encode() + b'/bad\\xff', 'w').write('x')"))
    assert reason(job).startswith("ClientError: Failed to upload to s3://")
    assert "bad\\udcff" in reason(job) or "bad\udcff" in reason(job)
    bench.put("fine", "fine")
    bench.s3.put_bucket_tagging(Bucket=bench.bucket, Tagging={"TagSet": []})
    bench.s3.delete_objects(Bucket=bench.bucket, Delete={"Objects": [{"Key": "fine"}]})
    assert "fine" not in bench.keys("f")


DEEP = """
import os
os.chdir(FOLDER)
for _ in range(1200):
    os.mkdir("d"), os.chdir("d")
open("f", "w").write("deep")
"""


def test_a_tree_deeper_than_python_can_call_itself_is_uploaded_and_removed(bench, uploads):
    request = uploads(DEEP)
    job = bench.run(request)
    assert reason(job) == "None"
    name = job.get("ProcessingJobName") or job["TrainingJobName"]
    (key,) = bench.keys(f"{name}/{'o' if 'ProcessingJobName' in job else 'models'}")
    assert key.count("/d") == 1200
    assert list((bench.server.state / "jobs").glob(f"{name}-*")) == []


def test_a_deep_model_of_two_hosts_is_packed(bench):
    request = bench.training_request(f"FOLDER = '/opt/ml/model'\n{DEEP}")
    request["ResourceConfig"]["InstanceCount"] = 2
    assert reason(bench.run(request)) == "None"


def test_a_tree_beyond_the_longest_path_fails_the_job(bench):
    script = f"FOLDER = '/opt/ml/model'\n{DEEP}".replace('"d"', f'"{"d" * 99}"')
    job = bench.run(bench.training_request(script))
    assert "File name too long" in reason(job)
    assert list((bench.server.state / "jobs").glob(f"{job['TrainingJobName']}-*")) == []


LINKED = """
import os, shutil
shutil.rmtree("/opt/ml/" + {place!r}, ignore_errors=True)
os.symlink("/etc", "/opt/ml/" + {place!r})
"""


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("processing", "processing/output/o"),
        ("processing", "processing/output"),
        ("processing", "output/message"),
        ("training", "model"),
        ("training", "output/data"),
        ("training", "output"),
    ],
)
def test_a_link_in_the_place_of_an_output_is_refused(bench, kind, place):
    script = LINKED.format(place=place)
    if kind == "processing":
        job = bench.run(bench.processing_request(script, outputs=("o",)))
    else:
        job = bench.run(bench.training_request(script))
    assert "the job has put a link in its place" in reason(job)
    name = job.get("ProcessingJobName") or job["TrainingJobName"]
    assert [key for key in bench.keys(name) if "/code/" not in key] == []


@pytest.mark.parametrize("place", ["model", "output/data", "output"])
@pytest.mark.parametrize("host", ["algo-1", "algo-2"])
def test_nothing_is_collected_from_or_into_a_link(bench, host, place):
    script = f"""
        import json, os
        here = json.load(open("/opt/ml/input/config/resourceconfig.json"))["current_host"]
        open("/opt/ml/model/" + here, "w"), open("/opt/ml/output/data/" + here, "w")
        os.mkdir("/opt/ml/elsewhere")
        if here == {host!r}:
            os.rename("/opt/ml/{place}", "/opt/ml/elsewhere/it")
            os.symlink("/opt/ml/elsewhere/it", "/opt/ml/{place}")
    """
    request = bench.training_request(script)
    request["ResourceConfig"]["InstanceCount"] = 2
    job = bench.run(request)
    assert "the job has put a link in its place" in reason(job)
    assert bench.keys(f"{job['TrainingJobName']}/models") == []


def test_a_failure_file_that_is_a_link_is_not_read(bench):
    script = "import os\nos.symlink('/etc/passwd', '/opt/ml/output/failure')\nraise SystemExit(1)"
    job = bench.run(bench.training_request(script))
    assert "root:" not in reason(job)
    assert "a link" in reason(job)


def test_a_local_path_below_a_file_is_the_clients_error(bench):
    request = bench.processing_request("")
    source = request["ProcessingInputs"][0]["S3Input"]
    request["ProcessingInputs"] = [
        {"InputName": name, "S3Input": {**source, "LocalPath": f"/opt/ml/processing/input/{path}"}}
        for name, path in (("first", "below"), ("second", "below/script.py/further"))
    ]
    job = bench.run(request)
    assert reason(job).startswith(f"ClientError: {source['S3Uri']} cannot be copied to")


def test_a_local_path_with_a_null_is_refused(bench):
    request = bench.processing_request("")
    request["ProcessingInputs"][0]["S3Input"]["LocalPath"] += "/\0"
    with pytest.raises(ClientError, match="LocalPath must be a path below"):
        bench.start(request)


def test_a_pattern_that_takes_for_ever_is_tried_once_a_host(bench):
    definitions = [{"Name": "evil", "Regex": "(a|aa)+$"}, {"Name": "good", "Regex": "g=(.*)"}]
    script = "for _ in range(40): print('a' * 60 + 'b')\nprint('g=0.5')"
    request = bench.training_request(script, algorithm={"MetricDefinitions": definitions})
    request["ResourceConfig"]["InstanceCount"] = 2
    job = bench.run(request)  # a second a line would be 40
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("good", 0.5)]
    logs = bench.lines_by_host(job["TrainingJobName"])
    assert logs.keys() == {"algo-1", "algo-2"}
    for lines in logs.values():
        assert len([line for line in lines if "metric evil took more than 1 s" in line]) == 1
        assert lines.count("a" * 60 + "b") == 40


def test_a_job_that_is_looked_at_slowly_is_stopped_in_time(bench):
    many = {"MetricDefinitions": [{"Name": f"evil{n}", "Regex": f"(a|aa)+{n}$"} for n in range(40)]}
    script = "print('up', flush=True)\nwhile True: print('a' * 60 + 'b', flush=True)"
    request = bench.training_request(
        script, algorithm=many, StoppingCondition={"MaxRuntimeInSeconds": 2}
    )
    job = bench.run(request)
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert job["BillableTimeInSeconds"] < 15  # 40, were they all tried


KILLER = """
import os, signal, time
supervisor = os.getppid()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/bin/sleep", ["sleep", "40"], {})
    os._exit(0)
time.sleep(0.3)
print("up", flush=True)
os.kill(supervisor, signal.SIGKILL)
time.sleep(300)
"""


def test_a_job_that_kills_its_supervisor_and_leaves_a_daemon_ends(
    run_embedded_sagemaker, make_workbench, tmp_path
):
    options = ("--isolation", "none", "--start-jobs", "cold", "--stop-grace", "1")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        bench = make_workbench(server)
        job = bench.run(bench.processing_request(KILLER))
        assert job["ProcessingJobStatus"] == "Failed"
        assert bench.lines(job["ProcessingJobName"]) == ["up"]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0


def test_nothing_that_a_job_writes_is_readable_by_others(bench):
    assert bench.server.state.stat().st_mode & 0o777 == 0o700
