"""Jobs of several instances: who they are, what each gets, and how they end together."""

from __future__ import annotations

import io
import tarfile

import pytest


def on_hosts(request, count):
    resources = request.get("ResourceConfig") or request["ProcessingResources"]["ClusterConfig"]
    resources["InstanceCount"] = count
    return request


@pytest.fixture(params=["processing", "training"])
def make_request(request, bench):
    return getattr(bench, f"{request.param}_request")


CONFIG = {
    "processing": "/opt/ml/config/resourceconfig.json",
    "training": "/opt/ml/input/config/resourceconfig.json",
}


def test_each_host_knows_itself_and_the_others_and_has_a_log_of_its_own(bench, make_request):
    request = on_hosts(make_request(""), 3)
    name = request.get("ProcessingJobName") or request["TrainingJobName"]
    config = CONFIG[name.partition("-")[0]]
    bench.put(
        f"{name}/code/script.py",
        f"""
import json
config = json.load(open({config!r}))
print(config["current_host"], config["hosts"])
""",
    )
    job = bench.run(request)
    assert bench.status(name) == "Completed", job
    every = ["algo-1", "algo-2", "algo-3"]
    assert bench.lines_by_host(name) == {host: [f"{host} {every}"] for host in every}


def test_hosts_reach_one_another_by_name_and_port(bench):
    """As `torch.distributed` and AWS's own launchers do it: the first one listens."""
    request = on_hosts(
        bench.training_request(
            """
            import json, socket, time
            config = json.load(open("/opt/ml/input/config/resourceconfig.json"))
            first, here = config["hosts"][0], config["current_host"]
            if here == first:
                server = socket.create_server((first, 7777))
                print("heard", server.accept()[0].makefile().readline().strip())
            else:
                for _ in range(500):
                    try:
                        with socket.create_connection((first, 7777)) as other:
                            other.sendall(f"from {here}\\n".encode())
                        break
                    except ConnectionRefusedError:
                        time.sleep(0.01)
            """
        ),
        2,
    )
    job = bench.run(request)
    assert job["TrainingJobStatus"] == "Completed", job
    assert bench.lines_by_host(job["TrainingJobName"])["algo-1"] == ["heard from algo-2"]


def test_awss_toolkit_tells_the_script_its_hosts(bench):
    request = on_hosts(
        bench.training_request(
            """
            import os
            print("told", os.environ["SM_CURRENT_HOST"], os.environ["SM_HOSTS"])
            """,
            toolkit=True,
        ),
        2,
    )
    name = bench.run(request)["TrainingJobName"]
    for host, lines in bench.lines_by_host(name).items():
        assert f'told {host} ["algo-1","algo-2"]' in lines


def test_a_host_that_fails_ends_the_job_with_its_reason_and_stops_the_others(bench):
    request = on_hosts(
        bench.training_request(
            """
            import json, os, sys, time
            here = json.load(open("/opt/ml/input/config/resourceconfig.json"))["current_host"]
            if here != "algo-2":
                os.rmdir("/opt/ml/model")
                os.symlink("/", "/opt/ml/model")  # a mistake that nobody gets to know
                print("waiting", flush=True)
                time.sleep(300)
            open("/opt/ml/output/failure", "w").write("the second host has no data")
            sys.exit(7)
            """
        ),
        3,
    )
    job = bench.run(request)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: the second host has no data, exit code: 7"
    assert "ModelArtifacts" not in job


def test_stopping_a_job_stops_all_its_hosts(bench, make_request, poll):
    script = "import time; print('up', flush=True); time.sleep(300)"
    request = on_hosts(make_request(script), 2)
    name = bench.start(request)
    poll(lambda: len(bench.lines_by_host(name)) == 2, what="both hosts")
    bench.stop(name)
    bench.finish(name)
    assert bench.status(name) == "Stopped"


def test_what_all_hosts_leave_becomes_one_model_and_one_output(bench):
    """The first host's file is kept where two have the same name."""
    request = on_hosts(
        bench.training_request(
            """
            import json, os
            here = json.load(open("/opt/ml/input/config/resourceconfig.json"))["current_host"]
            os.mkdir("/opt/ml/model/code")
            for place in ("/opt/ml/model", "/opt/ml/model/code", "/opt/ml/output/data"):
                open(f"{place}/{here}", "w").write(here)
                open(f"{place}/same", "w").write(here)
            """
        ),
        2,
    )
    job = bench.run(request)
    name = job["TrainingJobName"]
    for archive, folders in (("model", ("", "code/")), ("output", ("",))):
        content = bench.get(f"{name}/models/{name}/output/{archive}.tar.gz")
        with tarfile.open(fileobj=io.BytesIO(content)) as opened:
            held = {
                entry.name: opened.extractfile(entry).read().decode()
                for entry in opened.getmembers()
                if entry.isfile()
            }
            assert len(opened.getnames()) == len(set(opened.getnames()))
        expected = {"algo-1": "algo-1", "algo-2": "algo-2", "same": "algo-1"}
        assert held == {f"{f}{name}": text for f in folders for name, text in expected.items()}


def test_the_outputs_of_all_hosts_are_uploaded(bench):
    request = on_hosts(
        bench.processing_request(
            """
            import json
            here = json.load(open("/opt/ml/config/resourceconfig.json"))["current_host"]
            open(f"/opt/ml/processing/output/result/{here}.csv", "w").write(here)
            """,
            outputs=("result",),
        ),
        2,
    )
    prefix = f"{bench.run(request)['ProcessingJobName']}/result"
    assert bench.keys(prefix) == [f"{prefix}/algo-1.csv", f"{prefix}/algo-2.csv"]
