"""``make up`` and ``make down`` for real; the failures with stand-ins for the slow programs."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from local_stack.programs import control, kernel
from local_stack.programs.places import PROJECT, Place, local_place
from local_stack.samples.pipelines import PIPELINES
from local_stack.services import airflow_api, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SAMPLE = "column\n1\n"
DYING_SAGEMAKER = "import sys; sys.exit('no such image')"
SILENT_SAGEMAKER = "import time; time.sleep(600)"


def command(place: Place, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "local_stack"),
        *("--project", str(place.project), "--state", str(place.state)),
        *arguments,
    ]


def run(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(place, *arguments),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def until(condition: Callable[[], bool], deadline_s: float = 60.0) -> None:
    give_up = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.05)


def running(place: Place) -> list[psutil.Process]:
    """All processes of a place: each names its state folder, or descends from one that does."""
    named = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(place.state) in " ".join(process.info["cmdline"] or [])
    ]
    record = control.read_record(place)
    pids = {process.pid for process in named} | {
        pid
        for program in (record.programs.values() if record else [])
        for pid in kernel.session(*program)
    }
    found = []
    for pid in sorted(pids):
        # Tasks come and go.
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.csv"
    path.write_text(SAMPLE)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = local_place(state=tmp_path / "state")
    yield made
    run(made, "down")
    assert running(made) == []


def with_sagemaker(place: Place, tmp_path: Path, code: str) -> Place:
    """The place of a project whose embedded SageMaker is another program."""
    project = tmp_path / "project"
    (project / "local_sagemaker").mkdir(parents=True)
    (project / "dags").mkdir()
    (project / "local_sagemaker" / "__main__.py").write_text(code)
    return Place(project, place.state, place.images)


def test_down_where_nothing_runs_is_fine(place: Place) -> None:
    answer = run(place, "down")
    assert (answer.returncode, answer.stdout) == (0, "down: nothing runs\n")


def test_a_port_that_was_asked_for_and_is_taken_starts_nothing(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for option in ("--port", "--sagemaker-port"):
            answer = run(place, "up", option, port)
            assert answer.returncode == 1
            assert f"up: port {port} for" in answer.stderr
            assert "is in use on 127.0.0.1" in answer.stderr
    assert not place.state.exists()


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "8080.5"])
def test_what_is_no_port_is_refused(place: Place, port: str) -> None:
    answer = run(place, "up", f"--port={port}")
    assert answer.returncode == 2
    assert f"'{port}' is not a port (1 to 65535)" in answer.stderr


def test_a_program_that_does_not_start_is_told_and_the_others_stop(
    place: Place, tmp_path: Path, sample: Path
) -> None:
    broken = with_sagemaker(place, tmp_path, DYING_SAGEMAKER)
    answer = run(broken, "up", "--sample", str(sample))

    assert answer.returncode == 1
    assert "local-sagemaker exited with 1" in answer.stdout
    assert "no such image" in answer.stdout
    assert f"it did not start. More in {place.logs}" in answer.stderr
    assert running(place) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_starting_is_cut_short(
    place: Place, tmp_path: Path, sample: Path, number: signal.Signals
) -> None:
    slow = with_sagemaker(place, tmp_path, SILENT_SAGEMAKER)
    starting = subprocess.Popen(
        command(slow, "up", "--sample", str(sample)),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(
        lambda: (
            "local-sagemaker" in (getattr(control.read_record(place), "programs", {}) or {})
            or any("local_sagemaker" in process.cmdline() for process in running(place))
        )
    )
    # As Ctrl-C in a terminal does: to the whole foreground group.
    os.killpg(starting.pid, number)
    output, _ = starting.communicate(timeout=60)

    if number != signal.SIGKILL:
        assert starting.returncode == 130
        assert output.endswith("up: interrupted; nothing is left running\n")
    until(lambda: running(place) == [])
    assert control.holder(place) is None


def assert_shown(output: str, dags: list[airflow_api.ListedDag]) -> None:
    """Each pipeline's snapshot has landed; the summary has a line for it, and for each DAG."""
    for pipeline in PIPELINES:
        landed = rf"s3://{environment.BUCKET}/{pipeline.name}/snapshots/\d{{4}}-\d{{2}}-\d{{2}}/"
        assert re.search(rf"^up: snapshot {landed} landed$", output, re.MULTILINE)
        assert re.search(rf"^  (snapshots)? {{4,}}{landed}$", output, re.MULTILINE)
    for dag in dags:
        paused = r" \(paused\)" if dag.is_paused else ""
        assert re.search(rf"^  (DAGs)? {{4,}}{dag.dag_id}{paused}$", output, re.MULTILINE)


def assert_a_dead_sagemaker_is_started_again(
    place: Place, sample: Path, record: control.Record
) -> None:
    """All else goes on; it is there again where it was, with what it had, and ``up`` waits."""
    os.kill(record.programs["local-sagemaker"][0], signal.SIGKILL)
    again = run(place, "up", "--sample", str(sample))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "waiting for what has ended and is started again: local-sagemaker" in again.stdout
    assert record.sagemaker_url in again.stdout
    now = control.read_record(place)
    assert now is not None
    assert now.programs.pop("local-sagemaker") != record.programs.pop("local-sagemaker")
    assert now.programs == record.programs
    assert "lies there already" in run(place, "land-snapshot", "--date", "2026-11-01",
                                       "--sample", str(sample)).stdout  # fmt: skip


@pytest.mark.e2e
def test_the_whole_place_goes_up_and_down(place: Place, sample: Path) -> None:
    answer = run(place, "up", "--sample", str(sample))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    shown = dict(re.findall(r"^  (\S+) {2,}(.+)$", answer.stdout, re.MULTILINE))

    # Healthy, and the login that was printed works.
    url = shown["Airflow"]
    assert airflow_api.unhealthy(url) == []
    user, _, password = shown["login"].partition(" / ")
    bearer = airflow_api.token(url, user, password)
    with pytest.raises(airflow_api.AirflowApiError, match="401"):
        airflow_api.token(url, user, "guessed")

    # The DAGs are listed and not paused.
    dags = airflow_api.dags(url, bearer)
    assert {dag.dag_id for dag in dags} == {path.stem for path in place.dags.glob("*.py")}
    # What it needs is large, and made only for who asks for it.
    assert {dag.dag_id for dag in dags if dag.is_paused} == {"product_reviews_retraining"}
    assert airflow_api.import_errors(url, bearer) == {}

    # The snapshot has landed.
    assert re.search(r"snapshots/\d{4}-\d{2}-\d{2}/ landed", answer.stdout)
    assert_shown(answer.stdout, dags)

    # Nothing can be reached from outside of this machine.
    ports, commands = set(), []
    for process in running(place):
        with contextlib.suppress(psutil.NoSuchProcess):
            commands.append(" ".join(process.cmdline()))
            ports |= {
                (connection.laddr.ip, connection.laddr.port)
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
    assert {ip for ip, _ in ports} == {"127.0.0.1"}
    assert len(ports) == 2

    # No secret is in an argument or in a file that others can read.
    secrets = (place.control / "secrets.json").read_text()
    for secret in re.findall(r'"([^"]{12,})"', secrets):
        assert not any(secret in command for command in commands)
    for name in ("secrets.json", "passwords.json", "environment.sh", "place.json"):
        assert stat.S_IMODE((place.control / name).stat().st_mode) == 0o600

    # A second start says so and changes nothing.
    again = run(place, "up", "--sample", str(sample))
    assert again.returncode == 0
    assert "up: already running" in again.stdout
    assert url in again.stdout
    assert control.holder(place) is not None

    landing = run(place, "land-snapshot", "--date", "2026-11-01", "--sample", str(sample))
    assert f"s3://{environment.BUCKET}/california-housing/snapshots/2026-11-01/ landed" in (
        landing.stdout
    )
    one = ("land-snapshot", "--pipeline", "abalone", "--date", "2026-11-02")
    assert run(place, *one).stdout == (
        f"land-snapshot: s3://{environment.BUCKET}/abalone/snapshots/2026-11-02/ landed\n"
    )
    unknown = run(place, "land-snapshot", "--pipeline", "abalones")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "there is no data for a pipeline 'abalones'" in unknown.stderr

    stopped = run(place, "down")
    assert (stopped.returncode, stopped.stdout.splitlines()[-1]) == (0, "down: stopped")
    assert running(place) == []
    assert airflow_api.unhealthy(url) is None

    # The next start finds all as it was.
    assert "lies there already" in run(place, "up", "--sample", str(sample)).stdout
    record = control.read_record(place)
    assert record is not None
    assert airflow_api.token(record.url, user, password)

    assert_a_dead_sagemaker_is_started_again(place, sample, record)

    # When the database dies, all stop and the reason is told.
    os.kill(record.programs["postgres"][0], signal.SIGKILL)
    until(lambda: control.holder(place) is None)
    until(lambda: running(place) == [])
    told = run(place, "down").stdout
    assert re.search(r"it had stopped by itself: .*postgres was ended by SIGKILL", told)
