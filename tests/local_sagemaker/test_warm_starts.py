"""A job that was forked from a warm parent is what it would have been cold, only sooner."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import tarfile
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6.0-cpu-py312"
# A warm job cannot see that it is one, but for time and this: its memory holds the libraries.
IS_WARM = "import sys; warm = any('numpy' in line for line in open('/proc/self/maps'))\n"
PROBE = """
import sys
warm = any("numpy" in line for line in open("/proc/self/maps"))
modules = sorted(name for name in sys.modules if name.partition(".")[0] in {
    "boto3", "joblib", "numpy", "pandas", "scipy", "sklearn"})
import json, os, resource, signal, site, sysconfig, tempfile, threading
from pathlib import Path
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print("seen", json.dumps({
    "warm": warm,
    "variables": dict(os.environ),
    "shown variables": Path("/proc/self/environ").read_text().split("\\0"),
    "command": [sys.argv, sys.orig_argv, Path("/proc/self/cmdline").read_text().split("\\0")],
    "name": Path("/proc/self/comm").read_text(),
    "interpreter": [sys.executable, sys._base_executable, sys.prefix, str(sys.flags)],
    "path": sys.path,
    "main": [[name, str(globals()[name]).partition(" at ")[0]] for name in (
        "__name__", "__file__", "__doc__", "__package__", "__spec__", "__loader__",
        "__builtins__", "__cached__", "__annotations__")],
    "place": [os.getcwd(), os.umask(0), os.path.expanduser("~"), tempfile.gettempdir()],
    "user": [site.USER_BASE, site.USER_SITE, sysconfig.get_config_var("userbase")],
    "open files": sorted(os.listdir("/proc/self/fd")),
    "streams": [[str(s), s.seekable(), s.line_buffering, s.write_through, s.errors]
                for s in (sys.stdin, sys.stdout, sys.stderr)],
    "handlers": [str(signal.getsignal(n)) for n in sorted(signal.valid_signals())],
    "blocked": str(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "ignored": status["SigIgn"],
    "limits": [resource.getrlimit(n) for n in range(10)],
    "threads": [[thread.name for thread in threading.enumerate()], status["Threads"]],
    "parent": [os.getsid(0) == os.getpgrp(), os.getpid() == int(status["Pid"])],
    "hooks": [str(sys.excepthook).partition(" at ")[0], sys.getrecursionlimit()],
    "libraries": modules,
    "ours": [name for name in sys.modules if name.startswith("local_sagemaker")],
}))
"""


@pytest.fixture(scope="module")
def benches(run_embedded_sagemaker, make_workbench, tmp_path_factory):
    folder = tmp_path_factory.mktemp("starts")
    options = ("--stop-grace", "1", "--start-jobs")
    with (
        run_embedded_sagemaker(folder / "cold", *options, "cold") as cold,
        run_embedded_sagemaker(folder / "warm", *options, "warm") as warm,
    ):
        yield {"cold": make_workbench(cold), "warm": make_workbench(warm)}


@pytest.fixture
def warm(benches):
    return benches["warm"]


def with_libraries(request):
    """Start the script as the pipeline does: with `-S`, as these tests' scripts are, it is cold."""
    name = "AppSpecification" if "AppSpecification" in request else "AlgorithmSpecification"
    if "ContainerEntrypoint" in request[name]:
        request[name]["ContainerEntrypoint"].remove("-S")
    return request


def processing(bench, script, **more):
    return with_libraries(bench.processing_request(script, **more))


def training(bench, script, **more):
    return with_libraries(bench.training_request(script, **more))


def run(bench, request):
    """Run a job; return its description and its log."""
    job = bench.run(request)
    return job, bench.lines(job.get("ProcessingJobName") or job["TrainingJobName"])


def neutral(text: str, bench, job) -> str:
    """Replace what differs from job to job."""
    name = job.get("ProcessingJobName") or job["TrainingJobName"]
    text = text.replace(name, "NAME").replace(bench.server.url, "URL")
    text = re.sub(re.escape(str(bench.server.state)) + "/jobs/NAME-[0-9a-f]{8}", "FOLDER", text)
    text = re.sub(r"[0-9a-f-]{36}/arn:", "STATE/arn:", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", "TIME", text)


def marked(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def parent_of(bench) -> int:
    """Return the server's warm parent."""
    (found,) = [
        pid
        for pid in marked("/warm parent of sklearn-1.4-2;")
        if f"\nPPid:\t{bench.server.process.pid}\n" in Path(f"/proc/{pid}/status").read_text()
    ]
    return found


@pytest.mark.parametrize("kind", ["processing", "training", "toolkit"])
def test_a_warm_job_sees_what_a_cold_one_sees(benches, kind):
    seen = {}
    for mode, bench in benches.items():
        if kind == "processing":
            request = processing(bench, PROBE, arguments=("a", "/opt/ml/b"), Environment={"X": "ü"})
        else:
            request = training(
                bench, PROBE, toolkit=kind == "toolkit", HyperParameters={"c": '"d"'}
            )
        job, lines = run(bench, request)
        assert "FailureReason" not in job, lines
        lines = [neutral(line, bench, job) for line in lines]
        (told,) = [line for line in lines if line.startswith("seen ")]
        seen[mode] = json.loads(told.removeprefix("seen ")), [x for x in lines if x != told]
    assert seen["warm"][0].pop("warm")
    assert not seen["cold"][0].pop("warm")
    for what, value in seen["cold"][0].items():
        assert seen["warm"][0][what] == value, what
    assert seen["warm"][1] == seen["cold"][1]


ENDS = {
    "completed": "print('fine', end='')",
    "code": "import sys; print('half a line', end=''); sys.exit(7)",
    "message": "import sys; sys.exit('told')",
    "none": "raise SystemExit",
    "hard": "import os; os._exit(3)",
    "error": "def f():\n    raise ValueError('no such column')\nf()",
    "cause": "try:\n    1 / 0\nexcept ArithmeticError as e:\n    raise KeyError('x') from e",
    "syntax": "print('never'\n",
    "encoding": "# coding: latin-1\nprint(ascii('ä'))",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "aborted": "import os; os.abort()",
    "interrupted": "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "pipe": "import os; r, w = os.pipe(); os.close(r); os.write(w, b'x')",
    "hook": "import sys\nsys.excepthook = lambda *e: print('hook', e[0])\nraise ValueError",
    "atexit": "import atexit; atexit.register(print, 'last'); print('first')",
    "thread": (
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()"
    ),
    "daemon": (
        "import threading\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "print('up')"
    ),
    "workers": (
        "import multiprocessing as m\n"
        "if __name__ == '__main__':\n"
        "    for kind in ('fork', 'spawn'):\n"
        "        with m.get_context(kind).Pool(2) as pool:\n"
        "            print(pool.map(abs, [-1, -2]))"
    ),
    "dataclass": (
        "import dataclasses, pickle, sys\n@dataclasses.dataclass\nclass A:\n    x: int = 1\n"
        "print(pickle.loads(pickle.dumps(A())), sys.modules['__main__'].A is A)"
    ),
}


@pytest.mark.parametrize("script", ENDS.values(), ids=ENDS)
def test_a_warm_job_ends_as_a_cold_one_does(benches, script):
    ends = {}
    for mode, bench in benches.items():
        job, lines = run(bench, training(bench, script))
        reason = job.get("FailureReason")
        ends[mode] = reason, [neutral(line, bench, job) for line in lines]
    assert ends["warm"] == ends["cold"]


def test_a_script_that_fails_under_the_toolkit_fails_alike(benches):
    ends = {}
    for mode, bench in benches.items():
        job, lines = run(bench, training(bench, "raise ValueError('no x')", toolkit=True))
        ends[mode] = [neutral(line, bench, job) for line in [job["FailureReason"], *lines]]
    assert ends["warm"] == ends["cold"]
    assert "ValueError: no x" in ends["warm"]


def test_random_numbers_are_new_in_every_job(warm):
    script = "import random, numpy; print(random.random(), *numpy.random.rand(2))"
    numbers = [run(warm, processing(warm, script))[1][0] for _ in range(2)]
    assert len(set(" ".join(numbers).split())) == 6


def test_what_a_job_does_to_a_library_stays_with_it(warm):
    script = """
    import json, os, pandas, sys
    print(pandas.read_csv.__name__, json.dumps({}), os.environ.get("LEFT"), "left" in sys.modules)
    pandas.read_csv = lambda: None
    json.dumps = lambda _: "patched"
    os.environ["LEFT"] = "behind"
    sys.modules["left"] = sys
    """
    lines = [run(warm, processing(warm, script))[1] for _ in range(2)]
    assert lines == [["read_csv {} None False"]] * 2


@pytest.mark.parametrize(
    ("variables", "expression", "expected"),
    [
        ({"PYTHONHASHSEED": "0"}, "sys.flags.hash_randomization", "0"),
        ({"PYTHONOPTIMIZE": "1"}, "sys.flags.optimize", "1"),
        ({"PYTHONPATH": "/somewhere"}, "'/somewhere' in sys.path", "True"),
        ({"OMP_NUM_THREADS": "1"}, "__import__('os').environ['OMP_NUM_THREADS']", "1"),
        (
            {"SKLEARN_ASSUME_FINITE": "1"},
            "__import__('sklearn').get_config()['assume_finite']",
            "True",
        ),
        ({"LC_ALL": "C"}, "__import__('os').environ['LC_ALL']", "C"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_variable_that_is_read_at_the_start_has_its_effect(
    benches, variables, expression, expected
):
    for bench in benches.values():
        request = processing(bench, f"{IS_WARM}print(warm, {expression})", Environment=variables)
        assert run(bench, request)[1] == [f"False {expected}"]


@pytest.mark.skipif(
    not (ROOT / ".local" / "images" / "pytorch-2.6.0").exists(),
    reason="there is no PyTorch image here: make setup PIPELINE=product_reviews",
)
@pytest.mark.parametrize(("variables", "expected"), [({}, "True"), ({"TQDM_X": "1"}, "False")])
def test_a_library_that_looks_through_all_variables_keeps_no_job_cold(warm, variables, expected):
    script = "print(any('libtorch' in line for line in open('/proc/self/maps')))"
    request = processing(warm, script, Environment=variables)
    request["AppSpecification"]["ImageUri"] = TORCH
    assert run(warm, request)[1] == [expected]


THREADS = """
import os
import boto3
os.environ.update({before})
import numpy
os.environ.update({after})
import sklearn.linear_model
from threadpoolctl import threadpool_info
print(*sorted((i["user_api"], i["num_threads"]) for i in threadpool_info()))
print(numpy.__spec__.name, type(numpy.__spec__.loader).__name__, sklearn.get_config())
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({"OPENBLAS_NUM_THREADS": "1"}, {}),
        ({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}, {}),
        ({"OMP_NUM_THREADS": "1"}, {}),
        ({"OMP_NUM_THREADS": "1"}, {"OMP_NUM_THREADS": "2"}),
        ({"SKLEARN_ASSUME_FINITE": "1"}, {}),
    ],
)
def test_variables_that_a_script_sets_before_an_import_have_their_effect(benches, before, after):
    told = [
        run(bench, processing(bench, THREADS.format(before=before, after=after)))[1]
        for bench in benches.values()
    ]
    assert told[0] == told[1]
    assert "numpy SourceFileLoader" in told[0][1]


def test_a_module_beside_the_script_comes_before_a_library(benches):
    for bench in benches.values():
        request = processing(bench, f"{IS_WARM}import joblib; print(warm, joblib.mine)")
        folder = f"{request['ProcessingJobName']}/code"
        bench.put(f"{folder}/joblib.py", "mine = 'mine'")
        request["ProcessingInputs"][0]["S3Input"]["S3Uri"] = f"s3://{bench.bucket}/{folder}/"
        assert run(bench, request)[1] == ["False mine"]


@pytest.mark.parametrize(
    "command",
    [
        ["python3", "-c", "print('numpy' in open('/proc/self/maps').read())"],
        ["python3", "-u", "/opt/ml/processing/input/code/script.py"],
        ["sh", "-c", "python3 /opt/ml/processing/input/code/script.py"],
        ["/usr/bin/env", "python3", "/opt/ml/processing/input/code/script.py"],
    ],
    ids=["code", "option", "shell", "env"],
)
def test_any_other_command_starts_cold(warm, command):
    request = warm.processing_request(f"{IS_WARM}print(warm)")
    request["AppSpecification"]["ContainerEntrypoint"] = command
    assert run(warm, request)[1] == ["False"]


@pytest.mark.parametrize("command", ["python3 /nowhere.py", "python3 /opt/ml/processing"])
def test_a_script_that_is_none_fails_alike(benches, command):
    ends = {}
    for mode, bench in benches.items():
        request = bench.processing_request("")
        request["AppSpecification"]["ContainerEntrypoint"] = command.split()
        job, lines = run(bench, request)
        assert job["ProcessingJobStatus"] == "Failed"
        ends[mode] = [neutral(line, bench, job) for line in lines]
    assert ends["warm"] == ends["cold"]


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {entry.name: opened.extractfile(entry).read() for entry in opened if entry.isfile()}


def test_the_pipelines_results_are_the_same_to_the_bit(benches):
    rows = (ROOT / ".local/sample-data/california_housing.csv").read_bytes().splitlines(True)
    folder = ROOT / "include/scripts"
    scripts = {file.name: file for file in sorted((folder / "california_housing").glob("*.py"))}
    scripts |= {f"kit/{file.name}": file for file in sorted((folder / "kit").glob("*.py"))}
    results = {}
    for mode, bench in benches.items():
        bench.put("pipeline/data/small.csv", b"".join(rows[:1501]))
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, script in scripts.items():
                bench.put(f"pipeline/code/{name}", script.read_bytes())
                archive.add(script, name)
        source = bench.put("pipeline/sourcedir.tar.gz", packed.getvalue())

        def step(script, arguments, outputs, _bench=bench, **inputs):
            request = _bench.processing_request(
                "", arguments=tuple(arguments.split()), inputs=inputs, outputs=outputs
            )
            entry = ["python3", f"/opt/ml/processing/input/code/{script}"]
            request["AppSpecification"]["ContainerEntrypoint"] = entry
            job, lines = run(_bench, request)
            assert job["ProcessingJobStatus"] == "Completed", lines
            return job["ProcessingJobName"]

        code = f"s3://{bench.bucket}/pipeline/code/"
        data = f"s3://{bench.bucket}/pipeline/data/"
        splits = step(
            "preprocess.py",
            "--snapshot /opt/ml/processing/input/data --output /opt/ml/processing/output",
            ("train", "test", "preprocessor"),
            code=code,
            data=data,
        )
        channels = {n: f"s3://{bench.bucket}/{splits}/{n}" for n in ("train", "preprocessor")}
        request = bench.training_request("", toolkit=True, channels=channels)
        request["HyperParameters"]["sagemaker_submit_directory"] = f'"{source}"'
        job, lines = run(bench, request)
        assert job["TrainingJobStatus"] == "Completed", lines
        model = job["ModelArtifacts"]["S3ModelArtifacts"]
        evaluation = step(
            "evaluate.py",
            "--output /opt/ml/processing/output/evaluation --bootstrap-samples 50",
            ("evaluation",),
            code=code,
            model=model,
            test=f"s3://{bench.bucket}/{splits}/test",
        )
        results[mode] = {
            key.partition("/")[2]: bench.get(key)
            for name in (splits, evaluation)
            for key in bench.keys(name)
            if "/code/" not in key
        } | members(bench.get(model.removeprefix(f"s3://{bench.bucket}/")))
    assert len(results["cold"]) >= 8
    assert list(results["warm"]) == list(results["cold"])
    # The report also says how long answers took, and how large an archive with its times is.
    serving = re.compile(rb'"serving_metrics": \{[^}]+\}')
    for name, content in results["cold"].items():
        assert serving.sub(b"", results["warm"][name]) == serving.sub(b"", content), name


def test_many_jobs_do_not_make_the_parent_grow(warm):
    def private() -> int:
        text = Path(f"/proc/{parent_of(warm)}/smaps_rollup").read_text()
        return sum(int(size) for size in re.findall(r"^Private_\w+:\s+(\d+) kB$", text, re.M))

    def anonymous() -> int:
        text = Path(f"/proc/{parent_of(warm)}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", text)[1])

    script = "import numpy; numpy.ones(5_000_000).sum(); print(numpy.ones((9, 9)) @ [1] * 9)"
    run(warm, processing(warm, script))
    before, files = anonymous(), len(list(Path(f"/proc/{parent_of(warm)}/fd").iterdir()))
    for _ in range(8):
        run(warm, processing(warm, script))
    assert anonymous() - before < 1024, private()
    assert len(list(Path(f"/proc/{parent_of(warm)}/fd").iterdir())) == files
    threads = Path(f"/proc/{parent_of(warm)}/task").glob("*/comm")
    names = [file.read_text().strip() for file in threads]
    # Arrow's allocator's own survives forks; see warm_parent.py.
    assert len([name for name in names if name != "jemalloc_bg_thd"]) == 1


WAIT = f"{IS_WARM}import time\nprint('up' if warm else 'cold', flush=True)\ntime.sleep(300)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT
DAEMON = """
import os, time
warm = any("numpy" in line for line in open("/proc/self/maps"))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/bin/sleep", ["sleep", "{seconds}"], {{}})
    os._exit(0)
time.sleep(0.2)
print("up" if warm else "cold", flush=True)
time.sleep(300)
"""
KINDS = ["processes", "user+processes", "mounts", "user+mounts", "none"]


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


@pytest.fixture(scope="module", params=KINDS)
def isolated(request, run_embedded_sagemaker, make_workbench, tmp_path_factory):
    state = tmp_path_factory.mktemp("warm") / "state"
    options = ("--isolation", request.param, "--stop-grace", "1")
    with run_embedded_sagemaker(state, *options) as server:
        bench = make_workbench(server)
        if bench.run(bench.processing_request(""))["ProcessingJobStatus"] == "Failed":
            pytest.skip(f"the kernel does not grant {request.param}")
        yield KINDS.index(request.param), bench


def started(bench, poll, request) -> tuple[str, str]:
    name = bench.start(request)
    poll(lambda: "up" in bench.lines(name), what=f"the first line of {name}")
    job = bench.describe(name)
    return name, job.get("ProcessingJobArn") or job["TrainingJobArn"]


@pytest.mark.parametrize("toolkit", [False, True], ids=["script", "toolkit"])
@pytest.mark.parametrize("script", [WAIT, STUBBORN], ids=["obedient", "stubborn"])
def test_a_stopped_job_leaves_nothing(isolated, poll, script, toolkit):
    _, bench = isolated
    name, arn = started(bench, poll, training(bench, script, toolkit=toolkit))
    assert marked(arn)
    bench.stop(name)
    assert bench.finish(name)["TrainingJobStatus"] == "Stopped"
    assert marked(arn) == []


def test_a_job_out_of_time_leaves_nothing(isolated):
    _, bench = isolated
    job, lines = run(bench, processing(bench, WAIT, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert job["ProcessingJobStatus"] == "Stopped"
    assert lines == ["up"]
    assert marked(job["ProcessingJobArn"]) == []


def test_a_daemon_without_the_jobs_variables_ends_with_the_job(isolated, poll):
    number, bench = isolated
    seconds = 3400 + number
    name, _ = started(bench, poll, processing(bench, DAEMON.format(seconds=seconds)))
    assert sleepers(seconds)
    bench.stop(name)
    bench.finish(name)
    assert sleepers(seconds) == []


def test_a_job_whose_supervisor_is_killed_fails_and_leaves_nothing(isolated, poll):
    _, bench = isolated
    name, arn = started(bench, poll, processing(bench, WAIT))
    (supervisor,) = {os.getsid(pid) for pid in marked(arn)}
    os.kill(supervisor, signal.SIGKILL)
    assert bench.finish(name)["ProcessingJobStatus"] == "Failed"
    assert marked(arn) == []


def test_a_killed_parent_takes_no_job_along_and_is_replaced(isolated, poll):
    _, bench = isolated
    name, arn = started(bench, poll, processing(bench, WAIT))
    parent = parent_of(bench)
    os.kill(parent, signal.SIGKILL)
    assert run(bench, processing(bench, f"{IS_WARM}print(warm)"))[1] == ["True"]
    assert parent_of(bench) != parent
    assert bench.status(name) == "InProgress"
    bench.stop(name)
    assert bench.finish(name)["ProcessingJobStatus"] == "Stopped"
    assert marked(arn) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("kind", ["processes", "none"])
def test_nothing_outlives_the_server(
    run_embedded_sagemaker, make_workbench, poll, tmp_path, number, kind
):
    options = ("--isolation", kind, "--stop-grace", "1")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        bench = make_workbench(server)
        _, arn = started(bench, poll, processing(bench, STUBBORN))
        (mark,) = {
            variable.partition(b"/")[0]
            for pid in marked(arn)
            for variable in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if variable.startswith(b"LOCAL_SAGEMAKER_JOB=") and arn.encode() in variable
        }
        assert parent_of(bench) in marked(mark.decode())
        server.process.send_signal(number)
        server.process.wait(timeout=30)
        poll(lambda: not marked(mark.decode()), what="the end of all processes")


def test_an_image_whose_libraries_cannot_be_imported_has_cold_jobs(
    run_embedded_sagemaker, make_workbench, tmp_path
):
    images = tmp_path / "images"
    venv.create(images / "sklearn-1.4-2", symlinks=True)
    with run_embedded_sagemaker(tmp_path / "state", "--images", str(images)) as server:
        bench = make_workbench(server)
        for _ in range(2):
            job, lines = run(bench, processing(bench, "print('works')"))
            assert job["ProcessingJobStatus"] == "Completed"
            assert lines == ["works"]
    log = (tmp_path / "state.log").read_text()
    assert log.count("it has no warm parent: ModuleNotFoundError: No module named 'boto3'") == 1


def test_a_package_that_was_installed_meanwhile_is_seen(
    run_embedded_sagemaker, make_workbench, tmp_path
):
    images = tmp_path / "images"
    image = images / "sklearn-1.4-2"
    venv.create(image, symlinks=True)
    (packages,) = image.glob("lib/python*/site-packages")
    (libraries,) = (ROOT / ".local/images/sklearn-1.4-2").glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(str(libraries))
    script = f"{IS_WARM}import joblib; print(warm, joblib.__file__.startswith({str(image)!r}))"
    with run_embedded_sagemaker(tmp_path / "state", "--images", str(images)) as server:
        bench = make_workbench(server)
        assert run(bench, processing(bench, script))[1] == ["True False"]
        (packages / "joblib.py").write_text("")
        assert run(bench, processing(bench, script))[1] == ["False True"]
