"""Hyperparameter tuning over HTTP: the training jobs of a tuner, what it tells, and how it ends."""

from __future__ import annotations

import itertools
import re

import pytest
from botocore.exceptions import ClientError

from local_sagemaker.tuning.ranges import read_ranges
from local_sagemaker.tuning.search import Search

X = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}
VALUE = "FinalHyperParameterTuningJobObjectiveMetric"


def counted(job, **expected):
    counters = {**job["TrainingJobStatusCounters"], **job["ObjectiveStatusCounters"]}
    return {name: count for name, count in counters.items() if count} == expected


def test_a_tuner_runs_ordinary_training_jobs_and_tells_the_best(tuners):
    bench = tuners.bench
    tags = [{"Key": "owner", "Value": "somebody"}]
    request = tuners.request(
        strategy="Bayesian",
        jobs=5,
        config={"RandomSeed": 1},
        definition={
            "DefinitionName": "only",
            "CheckpointConfig": {"S3Uri": f"s3://{bench.bucket}/tuned"},
        },
        Tags=tags,
    )
    job = tuners.run(request)
    name = job["HyperParameterTuningJobName"]
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["HyperParameterTuningJobArn"].endswith(f":hyper-parameter-tuning-job/{name}")
    assert job["TrainingJobDefinition"] == request["TrainingJobDefinition"]
    assert job["CreationTime"] <= job["HyperParameterTuningEndTime"]
    assert counted(job, Completed=5, Succeeded=5)
    children = tuners.children(name)
    names = [child["TrainingJobName"] for child in children]
    for number, child in enumerate(names, start=1):
        assert re.fullmatch(rf"{name}-{number:03}-[0-9a-f]{{8}}", child)
    for child in children:
        assert child["ObjectiveStatus"] == "Succeeded"
        assert child["TrainingJobDefinitionName"] == "only"
        x = float(child["TunedHyperParameters"]["x"])
        assert child[VALUE]["Value"] == pytest.approx((x - 0.3) ** 2, abs=1e-6)
        training = bench.sagemaker.describe_training_job(TrainingJobName=child["TrainingJobName"])
        assert training["TuningJobArn"] == job["HyperParameterTuningJobArn"]
        assert training["HyperParameters"] == {
            **request["TrainingJobDefinition"]["StaticHyperParameters"],
            **child["TunedHyperParameters"],
            "_tuning_objective_metric": "loss",
        }
        folder = f"s3://{bench.bucket}/tuned/{child['TrainingJobName']}"
        assert training["CheckpointConfig"]["S3Uri"] == folder
        held = bench.sagemaker.list_tags(ResourceArn=training["TrainingJobArn"])["Tags"]
        assert held == tags
    best = min(children, key=lambda child: child[VALUE]["Value"])
    assert job["BestTrainingJob"] == best
    by_value = tuners.children(
        name,
        SortBy="FinalObjectiveMetricValue",
        SortOrder="Descending",
        PaginationConfig={"PageSize": 2},
    )
    assert by_value == sorted(children, key=lambda child: -child[VALUE]["Value"])
    assert tuners.children(name, StatusEquals="Failed") == []
    (summary,) = bench.sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)[
        "HyperParameterTuningJobSummaries"
    ]
    assert (summary["Strategy"], summary["ResourceLimits"]["MaxNumberOfTrainingJobs"]) == (
        "Bayesian",
        5,
    )
    with pytest.raises(bench.sagemaker.exceptions.ResourceInUse):
        tuners.start(request)


def test_a_grid_tries_every_combination_with_few_at_a_time(tuners):
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["0.1", "0.2", "0.5"]}]}
    # Where SDK 2 puts them.
    elsewhere = {"ResourceConfig": None, "HyperParameterTuningResourceConfig": RESOURCES}
    job = tuners.run(
        tuners.request(ranges, strategy="Grid", jobs=None, parallel=2, definition=elsewhere)
    )
    name = job["HyperParameterTuningJobName"]
    limits = job["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert limits == {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2}
    children = tuners.children(name)
    assert [child["TunedHyperParameters"]["x"] for child in children] == ["0.1", "0.2", "0.5"]
    for child in children:
        training = tuners.bench.sagemaker.describe_training_job(
            TrainingJobName=child["TrainingJobName"]
        )
        assert training["ResourceConfig"] == RESOURCES
    third = children[2]["CreationTime"]
    assert any(child["TrainingEndTime"] <= third for child in children[:2])
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"x": "0.2"}


def test_a_good_enough_objective_ends_the_tuner_and_what_still_runs(tuners, tmp_path):
    """The first one waits at a gate that never opens."""
    gate, none = tmp_path / "open", tmp_path / "never"
    gate.touch()
    ranges = {
        "CategoricalParameterRanges": [
            {"Name": "gate", "Values": [str(none), str(gate)]},
            {"Name": "x", "Values": ["0.3"]},
        ]
    }
    job = tuners.run(
        tuners.request(
            ranges,
            strategy="Grid",
            jobs=None,
            config={"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.01}},
        )
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert counted(job, Completed=1, Stopped=1, Succeeded=1, Failed=1)
    assert job["BestTrainingJob"]["TunedHyperParameters"]["gate"] == str(gate)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("fail", "No training job succeeded after 2 attempts. Please take a look at the"),
        ("mute", "No objective metrics found after running 2 training jobs. Please ensure"),
    ],
)
def test_a_tuner_fails_if_all_of_its_training_jobs_are_in_vain(tuners, mode, words):
    job = tuners.run(tuners.request(static={"mode": mode}))
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(words)
    assert "BestTrainingJob" not in job
    if mode == "fail":
        assert counted(job, NonRetryableError=2, Failed=2)
    else:
        assert counted(job, Completed=2, Failed=2)


def test_stopping_a_tuner_stops_its_training_jobs(tuners, tmp_path):
    gate = str(tmp_path / "never")
    name = tuners.start(tuners.request(jobs=9, parallel=2, static={"gate": gate}))
    tuners.up(name, 2)
    assert counted(tuners.describe(name), InProgress=2, Pending=2)
    tuners.bench.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    job = tuners.finish(name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert counted(job, Stopped=2, Failed=2)
    assert {child["TrainingJobStatus"] for child in tuners.children(name)} == {"Stopped"}
    with pytest.raises(ClientError, match="hyper-parameter-tuning job is in status Stopped"):
        tuners.bench.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def test_tuners_go_on_and_stop_whatever_ends_the_server_and_wait_for_room(
    run_embedded_sagemaker, make_workbench, make_tuners, tmp_path
):
    options = ("--isolation", "none", "--stop-grace", "30", "--start-jobs", "cold")
    gate = tmp_path / "gate"
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        bench = make_workbench(server)
        tuners = make_tuners(bench)
        deaf = {"mode": "deaf", "gate": str(gate)}
        stopped = tuners.start(tuners.request(jobs=9, static=deaf))
        request = tuners.request(jobs=6, config={"RandomSeed": 5}, static={"gate": str(gate)})
        name = tuners.start(request)
        tuners.up(stopped, 2)
        tuners.up(name, 2)
        bench.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=stopped)
        assert tuners.describe(stopped)["HyperParameterTuningJobStatus"] == "Stopping"
        server.process.kill()
        server.process.wait(timeout=30)
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        bench.connect(server)
        assert tuners.finish(stopped)["HyperParameterTuningJobStatus"] == "Stopped"
        assert len(tuners.children(stopped)) == 2
        tuners.up(name, 4)
        server.process.terminate()
        server.process.wait(timeout=30)
    with run_embedded_sagemaker(tmp_path / "state", *options, "--max-jobs", "1") as server:
        bench.connect(server)
        tuners.up(name, 5)
        assert len(tuners.children(name)) == 5
        gate.touch()
        job = tuners.finish(name)
        children = tuners.children(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert counted(job, Completed=2, RetryableError=4, Succeeded=2, Failed=4)
    undisturbed = Search("Random", read_ranges(X), maximize=False, seed="5")
    for number, child in enumerate(children, start=1):
        assert child["TrainingJobName"].startswith(f"{name}-00{number}-")
        assert child["TunedHyperParameters"] == undisturbed.next_values(number, [])


def test_the_built_in_algorithms_own_metric_is_an_objective(tuners):
    bench = tuners.bench
    rows = [f"{2 * a + b},{a},{b}\n" for a, b in itertools.product((0.1, 0.4, 0.7, 0.9), repeat=2)]
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
    channels = [
        {
            "ChannelName": channel,
            "ContentType": "text/csv",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": bench.put(f"tuned-rows/{channel}", "".join(rows * 5)),
                }
            },
        }
        for channel in ("train", "validation")
    ]
    request = tuners.request(
        {"IntegerParameterRanges": [{"Name": "num_round", "MinValue": "1", "MaxValue": "30"}]},
        config={
            "HyperParameterTuningJobObjective": {
                "Type": "Minimize",
                "MetricName": "validation:rmse",
            }
        },
        definition={
            "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
            "StaticHyperParameters": {"objective": "reg:squarederror"},
            "InputDataConfig": channels,
        },
    )
    job = tuners.run(request)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    children = tuners.children(job["HyperParameterTuningJobName"])
    most = max(children, key=lambda child: int(child["TunedHyperParameters"]["num_round"]))
    assert job["BestTrainingJob"] == most
    assert most[VALUE]["MetricName"] == "validation:rmse"
    request["HyperParameterTuningJobName"] += "-2"
    for metric in ("validation:none", "loss", "rmse"):
        config = request["HyperParameterTuningJobConfig"]
        config["HyperParameterTuningJobObjective"]["MetricName"] = metric
        with pytest.raises(ClientError, match="A metric is required for this hyperparameter"):
            tuners.start(request)


RESOURCES = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 7}
GRID = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["1", "2"]}]}


@pytest.mark.parametrize(
    ("code", "words", "members"),
    [
        ("Validation", "TrainingJobDefinition is missing", {"TrainingJobDefinition": None}),
        ("Validation", "Objective is missing", {"config": {
            "HyperParameterTuningJobObjective": None}}),
        ("Validation", "nothing to tune", {"ranges": {}}),
        ("Validation", "MaxNumberOfTrainingJobs is missing", {"jobs": None}),
        ("Validation", r"both tuned and static: \['x'\]", {"static": {"x": "1"}}),
        ("Validation", "Grid takes categorical ranges only", {"strategy": "Grid"}),
        ("Validation", "there are 2 combinations", {"strategy": "Grid", "ranges": GRID, "jobs": 3}),
        ("Validation", "Image none is unknown here", {"definition": {
            "AlgorithmSpecification": {"TrainingImage": "none", "TrainingInputMode": "File"}}}),
        ("Validation", "ResourceConfig needs", {"definition": {"ResourceConfig": None}}),
        ("Validation", "either ResourceConfig or HyperParameterTuningResourceConfig", {
            "definition": {"HyperParameterTuningResourceConfig": RESOURCES}}),
        ("Unsupported", "AllocationStrategy", {"definition": {
            "HyperParameterTuningResourceConfig": {"AllocationStrategy": "Prioritized"}}}),
        ("Unsupported", "Strategy = 'Hyperband'", {"strategy": "Hyperband"}),
        ("Unsupported", "EarlyStoppingType = 'Auto'", {"config": {
            "TrainingJobEarlyStoppingType": "Auto"}}),
        ("Unsupported", "AutoParameters", {"ranges": {
            "AutoParameters": [{"Name": "x", "ValueHint": "1"}]}}),
        ("Unsupported", "WarmStartConfig", {"WarmStartConfig": {
            "WarmStartType": "TransferLearning",
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "p"}]}}),
    ],
)  # fmt: skip
def test_what_cannot_be_tuned_is_refused_and_nothing_is_made(tuners, code, words, members):
    request = {k: v for k, v in tuners.request(**members).items() if v is not None}
    with pytest.raises(ClientError, match=words) as error:
        tuners.start(request)
    assert error.value.response["Error"]["Code"].startswith(code)
    for call in (
        tuners.bench.sagemaker.describe_hyper_parameter_tuning_job,
        tuners.bench.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job,
    ):
        with pytest.raises(ClientError, match="Requested resource not found"):
            call(HyperParameterTuningJobName=request["HyperParameterTuningJobName"])
