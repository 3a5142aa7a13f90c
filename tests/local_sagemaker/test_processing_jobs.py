from __future__ import annotations

import pytest


def test_a_completed_job_uploads_its_outputs_and_describes_all_that_was_asked(bench):
    request = bench.processing_request(
        """
        import os, pathlib, sys
        source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
        (target / "deep").mkdir()
        (target / "deep" / "copy.csv").write_text((source / "in.csv").read_text() + os.environ["X"])
        pathlib.Path(sys.argv[3]).write_text("12 rows ✓")
        """,
        arguments=(
            "/opt/ml/processing/input/data",
            "/opt/ml/processing/output/result",
            "/opt/ml/output/message",
        ),
        inputs={"data": bench.put("processing-data/in.csv", "a,b\n")},
        outputs=("result",),
        Environment={"X": "environment"},
        Tags=[{"Key": "team", "Value": "data"}],
    )
    job = bench.run(request)
    assert job["ProcessingJobStatus"] == "Completed"
    assert job["ExitMessage"] == "12 rows ✓"
    assert "FailureReason" not in job
    for member in set(request) - {"Tags"}:
        assert job[member] == request[member]
    assert job["CreationTime"] <= job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    assert job["LastModifiedTime"] >= job["ProcessingEndTime"]
    key = f"{request['ProcessingJobName']}/result/deep/copy.csv"
    assert bench.get(key) == b"a,b\nenvironment"
    assert job["ProcessingJobArn"] == (
        f"arn:aws:sagemaker:us-east-1:123456789012:processing-job/{request['ProcessingJobName']}"
    )


def test_a_failed_job_tells_why_and_uploads_nothing(bench):
    request = bench.processing_request(
        """
        import pathlib, sys
        pathlib.Path("/opt/ml/processing/output/result/half.csv").write_text("half")
        pathlib.Path("/opt/ml/output/message").write_text("column x is missing")
        sys.exit(3)
        """,
        outputs=("result",),
    )
    job = bench.run(request)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert job["ExitMessage"] == "column x is missing"
    assert bench.keys(f"{request['ProcessingJobName']}/result") == []


def test_the_exit_message_is_the_first_kilobyte(bench):
    job = bench.run(
        bench.processing_request("open('/opt/ml/output/message', 'w').write('x' * 1023 + 'éé')")
    )
    assert job["ExitMessage"] == "x" * 1023
    assert job["ProcessingJobStatus"] == "Completed"


def test_a_message_that_is_not_utf8_fails_the_job(bench):
    job = bench.run(
        bench.processing_request("open('/opt/ml/output/message', 'wb').write(b'\\xff\\xfe')")
    )
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: /opt/ml/output/message is not UTF-8")


def test_a_command_that_does_not_exist_fails_the_job_and_says_so_in_the_log(bench):
    request = bench.processing_request("")
    request["AppSpecification"]["ContainerEntrypoint"] = ["no-such-program"]
    job = bench.run(request)
    assert job["ProcessingJobStatus"] == "Failed"
    assert bench.lines(job["ProcessingJobName"]) == [
        "exec 'no-such-program': No such file or directory"
    ]


@pytest.mark.parametrize("uri", ["s3://workbench/nothing-here/", "s3://no-such-bucket/x"])
def test_an_input_that_does_not_exist_is_the_callers_error(bench, uri):
    job = bench.run(bench.processing_request("", inputs={"data": uri}))
    assert job["ProcessingJobStatus"] == "Failed"
    assert f'ClientError: No S3 objects found under S3 URL "{uri}"' in job["FailureReason"]
    assert "ProcessingStartTime" not in job


def test_an_output_to_a_bucket_that_does_not_exist_is_the_callers_error(bench):
    request = bench.processing_request(
        "open('/opt/ml/processing/output/result/a', 'w').close()", outputs=("result",)
    )
    request["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"] = "s3://no-such-bucket/x"
    job = bench.run(request)
    assert job["ProcessingJobStatus"] == "Failed"
    assert "no-such-bucket does not exist" in job["FailureReason"]


def test_the_container_configuration_lies_where_the_service_puts_it(bench):
    request = bench.processing_request(
        """
        import json
        job = json.load(open("/opt/ml/config/processingjobconfig.json"))
        hosts = json.load(open("/opt/ml/config/resourceconfig.json"))
        print(job["ProcessingJobArn"], hosts["current_host"], hosts["hosts"])
        """
    )
    job = bench.run(request)
    assert bench.lines(job["ProcessingJobName"]) == [f"{job['ProcessingJobArn']} algo-1 ['algo-1']"]


def test_a_link_out_of_the_output_folder_or_to_itself_is_not_uploaded(bench):
    request = bench.processing_request(
        """
        import os
        os.symlink("/etc/passwd", "/opt/ml/processing/output/result/passwd")
        os.symlink("itself", "/opt/ml/processing/output/result/itself")
        open("/opt/ml/processing/output/result/fine", "w").close()
        """,
        outputs=("result",),
    )
    job = bench.run(request)
    assert job["ProcessingJobStatus"] == "Completed", job
    prefix = f"{job['ProcessingJobName']}/result"
    assert bench.keys(prefix) == [f"{prefix}/fine"]


def test_a_jobs_folder_is_removed_when_it_has_ended(bench):
    bench.run(bench.processing_request(""))
    left = [path.name for path in (bench.server.state / "jobs").glob("processing-*")]
    assert left == []
