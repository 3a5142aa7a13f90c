from __future__ import annotations

import re
import time
import tracemalloc

from moto.logs.models import logs_backends

from local_sagemaker import ACCOUNT
from local_sagemaker.jobs.logs import JobLogs
from local_sagemaker.store import Store


def test_all_lines_of_both_streams_arrive_in_order(bench):
    request = bench.processing_request(
        """
        import os
        for number in range(30_000):
            os.write(1 + number % 2, f"line {number}\\n".encode())
        """
    )
    job = bench.run(request)
    lines = bench.lines(job["ProcessingJobName"])
    assert lines == [f"line {number}" for number in range(30_000)]


def test_events_carry_times_between_start_and_end_that_never_go_back(bench):
    began = time.time()
    job = bench.run(
        bench.processing_request("import time\nfor n in range(5): print(n); time.sleep(0.05)")
    )
    stamps = [event["timestamp"] for event in bench.events(job["ProcessingJobName"])]
    assert stamps == sorted(stamps)
    assert stamps[-1] - stamps[0] >= 150
    assert began * 1000 - 1 <= stamps[0] <= stamps[-1] <= time.time() * 1000


def test_lines_are_shipped_while_the_job_runs(bench, poll):
    name = bench.start(bench.processing_request("import time; print('early'); time.sleep(300)"))
    poll(lambda: bench.lines(name) == ["early"], what="a line of a running job", seconds=5)
    assert bench.status(name) == "InProgress"
    bench.stop(name)
    bench.finish(name)


def test_the_streams_have_the_services_names(bench):
    for request, kind in (
        (bench.processing_request("print(1)"), "Processing"),
        (bench.training_request("print(1)"), "Training"),
    ):
        bench.run(request)
        name = request[f"{kind}JobName"]
        streams = bench.logs.describe_log_streams(
            logGroupName=f"/aws/sagemaker/{kind}Jobs", logStreamNamePrefix=f"{name}/"
        )["logStreams"]
        assert [
            bool(re.fullmatch(rf"{name}/algo-1-\d{{10}}", s["logStreamName"])) for s in streams
        ] == [True]


def test_a_line_beyond_the_services_limit_becomes_several_events(bench):
    job = bench.run(bench.processing_request("print('é' * 300_000); print('next')"))
    lines = bench.lines(job["ProcessingJobName"])
    assert lines[-1] == "next"
    assert "".join(lines[:-1]) == "é" * 300_000
    assert all(len(line.encode()) <= 256 * 1024 - 26 for line in lines)
    assert len(lines) == 4


def test_bytes_that_are_no_text_and_a_last_line_without_an_end_are_kept(bench):
    job = bench.run(
        bench.processing_request("import os; os.write(1, b'caf\\xe9\\r\\n\\nwindows\\r\\nlast')")
    )
    assert bench.lines(job["ProcessingJobName"]) == ["caf\ufffd", "windows", "last"]


def test_a_process_that_closes_its_output_runs_on(bench):
    job = bench.run(
        bench.processing_request(
            """
            import os, time
            os.close(1), os.close(2)
            time.sleep(0.3)
            open("/opt/ml/output/message", "w").write("still here")
            """
        )
    )
    assert job["ExitMessage"] == "still here"


def test_lines_of_more_than_two_weeks_ago_are_forgotten_at_the_start(tmp_path):
    store = Store(tmp_path / "state.sqlite")
    now = time.time_ns() // 1_000_000
    stream = ("/aws/sagemaker/TrainingJobs", "old/algo-1-1")
    rows = [
        ("eu-north-1", *stream, now - age * 86_400_000, f"{age} days old") for age in (15, 13, 1)
    ]
    store.execute_many(
        "INSERT INTO log_lines (region, log_group, stream, timestamp, message)"
        " VALUES (?, ?, ?, ?, ?)",
        rows,
    )
    JobLogs(store).load()
    group, name = stream
    events = logs_backends[ACCOUNT]["eu-north-1"].groups[group].streams[name].events
    assert [event.message for event in events] == ["13 days old", "1 days old"]
    assert len(store.execute("SELECT id FROM log_lines")) == 2
    store.close()


def test_old_logs_are_read_when_somebody_looks_and_not_before(tmp_path):
    store = Store(tmp_path / "state.sqlite")
    now = time.time_ns() // 1_000_000
    stream = ("/aws/sagemaker/TrainingJobs", "long/algo-1-1")
    logs = JobLogs(store)
    logs.write("eu-west-2", stream, lines=[(now + n, "x" * 1000) for n in range(5000)])
    backend = logs_backends[ACCOUNT]["eu-west-2"]
    backend.groups.clear()
    tracemalloc.start()
    logs.load()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000  # of five megabytes
    group, name = stream
    described = backend.groups[group].streams[name].to_describe_dict()
    assert described["firstEventTimestamp"] == now
    assert described["lastEventTimestamp"] == now + 4999
    assert len(list(backend.groups[group].streams[name].events)) == 5000
    store.close()


def test_a_client_may_add_to_a_jobs_stream(bench):
    job = bench.run(bench.processing_request("print('said')"))
    group, prefix = "/aws/sagemaker/ProcessingJobs", f"{job['ProcessingJobName']}/"
    (stream,) = bench.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)[
        "logStreams"
    ]
    assert stream["lastEventTimestamp"] <= stream["lastIngestionTime"] + 1
    bench.logs.put_log_events(
        logGroupName=group,
        logStreamName=stream["logStreamName"],
        logEvents=[{"timestamp": int(time.time() * 1000) + 1000, "message": "added"}],
    )
    assert bench.lines(job["ProcessingJobName"]) == ["said", "added"]
    found = bench.logs.filter_log_events(
        logGroupName=group, logStreamNames=[stream["logStreamName"]], filterPattern="said"
    )["events"]
    assert [event["message"] for event in found] == ["said"]
