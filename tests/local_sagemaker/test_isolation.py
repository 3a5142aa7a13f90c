"""Every kind of isolation ends every process; all but one show the job's folder at /opt/ml."""

from __future__ import annotations

from pathlib import Path

import pytest

ALL = ["processes", "mounts", "user+processes", "user+mounts", "none"]
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/bin/sleep", ["sleep", "{seconds}"], {{}})
    os._exit(0)
time.sleep(0.2)
print("up", flush=True)
time.sleep({wait})
"""


@pytest.fixture(scope="module", params=ALL)
def isolated(request, run_embedded_sagemaker, make_workbench, tmp_path_factory):
    state = tmp_path_factory.mktemp("isolation") / "state"
    options = ("--isolation", request.param, "--stop-grace", "1")
    with run_embedded_sagemaker(state, *options) as server:
        bench = make_workbench(server)
        probe = bench.run(bench.processing_request("print('works')"))
        if probe["ProcessingJobStatus"] == "Failed" and request.param != "none":
            lines = bench.lines(probe["ProcessingJobName"])
            pytest.skip(f"the kernel does not grant it: {lines[-1:]}")
        yield request.param, bench


def sleepers(seconds: int) -> list[str]:
    wanted = f"sleep\0{seconds}\0".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cmdline").read_bytes() == wanted:
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_arguments_are_rewritten_to_the_jobs_folder(isolated):
    _, bench = isolated
    job = bench.run(
        bench.processing_request(
            "import sys; open(sys.argv[1] + '/x', 'w').write('written')",
            arguments=("/opt/ml/processing/output/result",),
            outputs=("result",),
        )
    )
    assert job["ProcessingJobStatus"] == "Completed"
    assert bench.get(f"{job['ProcessingJobName']}/result/x") == b"written"


def test_a_path_that_a_script_spells_out_is_the_jobs_folder(isolated):
    kind, bench = isolated
    request = bench.processing_request(
        "print(open('/opt/ml/processing/input/data/x').read())",
        inputs={"data": bench.put("hard-coded/x", "found")},
    )
    job = bench.run(request)
    if kind == "none":
        assert job["ProcessingJobStatus"] == "Failed"
    else:
        assert bench.lines(job["ProcessingJobName"]) == ["found"]


def test_a_path_in_a_hyperparameter_is_the_jobs_folder(isolated):
    _, bench = isolated
    job = bench.run(
        bench.training_request(
            """
            import json, os
            config = os.environ["SAGEMAKER_BASE_DIR"] + "/input/config/hyperparameters.json"
            path = json.loads(json.load(open(config))["path"])
            print(os.path.exists(path + "/script.py"))
            """,
            algorithm={
                "ContainerEntrypoint": ["python3", "-S", "/opt/ml/input/data/code/script.py"]
            },
            HyperParameters={"path": '"/opt/ml/input/data/code"'},
        )
    )
    assert bench.lines(job["TrainingJobName"]) == ["True"]
    assert job["HyperParameters"] == {"path": '"/opt/ml/input/data/code"'}


def test_what_else_lies_in_opt_is_still_there(isolated):
    _, bench = isolated
    job = bench.run(bench.processing_request("import os; print(*sorted(os.listdir('/opt')))"))
    before = {entry.name for entry in Path("/opt").iterdir()} if Path("/opt").exists() else set()
    assert before <= set(bench.lines(job["ProcessingJobName"])[0].split())


def test_the_host_gets_no_opt_ml(isolated):
    _, bench = isolated
    existed = Path("/opt/ml").exists()
    bench.run(bench.processing_request("print('done')"))
    assert Path("/opt/ml").exists() == existed


def test_a_process_knows_its_own_number(isolated):
    _, bench = isolated
    job = bench.run(
        bench.processing_request(
            "import os; print(open(f'/proc/{os.getpid()}/cmdline').read().split('\\0')[0])"
        )
    )
    assert bench.lines(job["ProcessingJobName"]) == ["python3"]


@pytest.mark.parametrize("wait", [0, 300], ids=["completed", "stopped"])
def test_a_daemon_without_the_jobs_variables_ends_with_the_job(isolated, poll, wait):
    kind, bench = isolated
    seconds = 3200 + 10 * ALL.index(kind) + bool(wait)
    name = bench.start(bench.processing_request(DAEMON.format(seconds=seconds, wait=wait)))
    if wait:
        poll(lambda: "up" in bench.lines(name), what="the daemon's start")
        assert sleepers(seconds)
        bench.stop(name)
    bench.finish(name)
    assert sleepers(seconds) == []


def test_the_hosts_of_a_job_have_names_that_resolve(isolated):
    _, bench = isolated
    request = bench.training_request(
        """
        import json, os, socket
        config = os.environ["SAGEMAKER_BASE_DIR"] + "/input/config/resourceconfig.json"
        hosts = json.load(open(config))["hosts"]
        addresses = {socket.gethostbyname(host) for host in hosts}
        print(len(addresses), {address.partition(".")[0] for address in addresses})
        """
    )
    request["ResourceConfig"]["InstanceCount"] = 2
    name = bench.run(request)["TrainingJobName"]
    assert bench.lines_by_host(name) == {host: ["2 {'127'}"] for host in ("algo-1", "algo-2")}
