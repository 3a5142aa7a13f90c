"""The XGBoost image trains as a built-in algorithm, by the contract of SageMaker's container."""

from __future__ import annotations

import gzip
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

UBJSON, BINARY = b"{L", b"binf"


@pytest.mark.parametrize(("version", "begins"), [("3.0-5", UBJSON), ("1.7-1", BINARY)])
def test_it_trains_on_csv_and_validates(xgboost, table, others, as_csv, version, begins):
    channels = [
        xgboost.channel("train", as_csv(table), "text/csv"),
        xgboost.channel("validation", as_csv(others), "text/csv"),
    ]
    job = xgboost.bench.run(xgboost.request(channels, version=version))
    lines = xgboost.bench.lines(job["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed", lines
    artefact = xgboost.artefact(job)
    assert list(artefact) == ["xgboost-model"]
    assert artefact["xgboost-model"].startswith(begins)
    rounds = [line for line in lines if re.match(r"\[\d+\]#011", line)]
    assert len(rounds) == 8
    last = re.fullmatch(
        r"\[7\]#011train-rmse:(\d+\.\d{5})#011validation-rmse:(\d+\.\d{5})", rounds[-1]
    )
    assert xgboost.metrics(job) == {
        "train:rmse": float(last[1]),
        "validation:rmse": float(last[2]),
    }
    first = re.search(r"validation-rmse:(\d+\.\d+)", rounds[0])
    assert float(last[2]) < float(first[1])
    for told in (
        "Running XGBoost Sagemaker in algorithm mode",
        "Determined delimiter of CSV input is ','",
        "Single node training.",
        "Train matrix has 400 rows and 3 columns",
        "Validation matrix has 100 rows",
    ):
        assert any(told in line for line in lines), told


def test_libsvm_is_what_a_channel_without_content_type_holds(xgboost, table, as_csv, as_libsvm):
    by_default = xgboost.train(as_libsvm(table), None)
    assert by_default["TrainingJobStatus"] == "Completed"
    by_name = xgboost.train(as_libsvm(table), "text/x-libsvm")
    from_csv = xgboost.train(as_csv(table))
    assert xgboost.metrics(by_default) == xgboost.metrics(by_name) == xgboost.metrics(from_csv)


@pytest.mark.parametrize("content_type", ["csv", "text/csv; label_size=1", "Text/CSV;label_size=1"])
def test_csv_has_other_names(xgboost, table, as_csv, content_type):
    assert xgboost.train(as_csv(table), content_type)["TrainingJobStatus"] == "Completed"


def test_the_delimiter_is_found(xgboost, table, as_csv):
    with_semicolons = xgboost.train(as_csv(table).replace(",", ";"))
    assert xgboost.metrics(with_semicolons) == xgboost.metrics(xgboost.train(as_csv(table)))


def test_the_second_column_may_be_a_weight(xgboost, table, as_csv):
    doubled = [row for row in table for _ in range(1 + (row[1] > 0))]
    weighted = [[row[0], 1 + (row[1] > 0), *row[1:]] for row in table]
    sure = {"subsample": "1", "min_child_weight": "0", "gamma": "0", "tree_method": "exact"}
    told = xgboost.train(as_csv(weighted), csv_weights="1", **sure)
    # A row that weighs twice as much is a row that is there twice.
    assert xgboost.metrics(told)["train:rmse"] == pytest.approx(
        xgboost.metrics(xgboost.train(as_csv(doubled), **sure))["train:rmse"], rel=1e-3
    )


def test_a_folder_of_files_is_one_table(xgboost, table, as_csv):
    name = xgboost.bench.name("folder")
    for key, part in (("a.csv", table[:150]), ("sub/b.csv", table[150:]), ("c.csv", [])):
        xgboost.bench.put(f"{name}/{key}", as_csv(part))
    xgboost.bench.put(f"{name}/_SUCCESS", "not a row")
    channel = xgboost.channel("train", "", "text/csv")
    channel["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{xgboost.bench.bucket}/{name}/"
    job = xgboost.bench.run(xgboost.request([channel]))
    lines = xgboost.bench.lines(job["TrainingJobName"])
    assert any("Train matrix has 400 rows and 3 columns" in line for line in lines), lines


def test_metrics_are_those_that_are_asked_for(xgboost, table, as_csv):
    labelled = [[int(row[0] > 10), *row[1:]] for row in table]
    job = xgboost.train(
        as_csv(labelled), objective="binary:logistic", eval_metric="auc,error@0.7,f1,accuracy"
    )
    metrics = xgboost.metrics(job)
    # As in the container's expressions, a metric with a threshold is in the log alone.
    assert set(metrics) == {"train:auc", "train:f1", "train:accuracy"}
    assert 0.8 < metrics["train:accuracy"] <= 1
    lines = xgboost.bench.lines(job["TrainingJobName"])
    assert any("#011train-error@0.7:" in line for line in lines)


def test_a_request_may_define_metrics_of_its_own(xgboost, table, as_csv):
    request = xgboost.request([xgboost.channel("train", as_csv(table), "text/csv")])
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "rows", "Regex": r"Train matrix has (\d+) rows"}
    ]
    metrics = xgboost.metrics(xgboost.bench.run(request))
    assert metrics["rows"] == 400
    assert "train:rmse" in metrics


def test_it_stops_early_when_validation_gets_no_better(xgboost, table, others, as_csv):
    noise = [[float(n % 7), *row[1:]] for n, row in enumerate(others)]
    channels = [
        xgboost.channel("train", as_csv(table), "text/csv"),
        xgboost.channel("validation", as_csv(noise), "text/csv"),
    ]
    hyperparameters = {"num_round": "200", "early_stopping_rounds": "3", "eval_metric": "rmse"}
    job = xgboost.bench.run(xgboost.request(channels, **hyperparameters))
    lines = xgboost.bench.lines(job["TrainingJobName"])
    assert len([line for line in lines if "#011validation-rmse" in line]) < 200


def test_a_stopped_job_keeps_its_model_if_it_was_told_to(xgboost, table, as_csv):
    channels = [xgboost.channel("train", as_csv(table), "text/csv")]
    hyperparameters = {"num_round": "1000000", "save_model_on_termination": "true"}
    name = xgboost.bench.start(xgboost.request(channels, **hyperparameters))
    xgboost.poll(
        lambda: any(line.startswith("[3]#011") for line in xgboost.bench.lines(name)), what="rounds"
    )
    xgboost.bench.stop(name)
    job = xgboost.bench.finish(name)
    assert job["TrainingJobStatus"] == "Stopped"
    artefact = xgboost.artefact(job)
    assert list(artefact) == ["xgboost-model"]
    assert artefact["xgboost-model"].startswith(UBJSON)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"num_round": None}, "Missing required hyperparameter: num_round"),
        ({"silent": "0"}, "Extraneous hyperparameter found: silent"),
        ({"learning_rate": "0.1"}, "Extraneous hyperparameter found: learning_rate"),
        ({"num_round": "0"}, "Hyperparameter num_round: 0 is not in [1, +inf)"),
        ({"num_round": "5.5"}, "Hyperparameter num_round: could not parse value"),
        ({"num_round": '"5"'}, "Hyperparameter num_round: could not parse value"),
        ({"max_depth": ""}, "Hyperparameter max_depth: could not parse value"),
        ({"eta": "1.5"}, "Hyperparameter eta: 1.5 is not in [0, 1]"),
        ({"eta": "NaN"}, "Hyperparameter eta: nan is not in [0, 1]"),
        ({"gamma": "1e400"}, "Hyperparameter gamma: inf is not in [0, +inf)"),
        ({"subsample": "0"}, "Hyperparameter subsample: 0.0 is not in (0, 1]"),
        ({"seed": "9" * 2000}, "Hyperparameter seed: 999"),
        ({"objective": "reg:cubed"}, "Hyperparameter objective: reg:cubed is not in ['aft_loss"),
        ({"objective": "multi:softmax"}, "Require input for parameter 'num_class'"),
        ({"eval_metric": "rmse,wmape"}, "Hyperparameter eval_metric: value ['rmse', 'wmape'] not"),
        ({"eval_metric": "rmse@1"}, "Metric 'rmse@1' is not supported."),
        ({"eval_metric": "error@x"}, "Threshold value 't' in 'error@t' expects float input."),
        ({"eval_metric": "auc"}, "Metric 'auc' can only be applied for classification and ranking"),
        ({"monotone_constraints": "(1,0,0)"}, "monotone_constraints can be used only when the"),
        ({"monotone_constraints": "__import__('os')"}, "monotone_constraints: could not parse"),
        ({"interaction_constraints": "[1,2]"}, "interaction_constraints: could not parse value"),
        ({"booster": "gblinear", "updater": "prune"}, "Linear updater should be one of these"),
        ({"_kfold": "5"}, "_kfold is not emulated by the embedded SageMaker"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, dict) else "",
)
def test_a_wrong_hyperparameter_fails_the_job_in_the_containers_words(xgboost, wrong, reason):
    told = xgboost.failure("1,2,3\n", **wrong)
    assert told.startswith("AlgorithmError: framework error: \n")
    assert reason in told
    assert told.endswith(", exit code: 1")


def test_what_xgboost_itself_refuses_fails_the_job(xgboost, table, as_csv):
    told = xgboost.failure(as_csv(table), objective="multi:softmax", num_class="3")
    assert "XGB train call failed with exception" in told
    assert "label must be in [0, num_class)" in told
    assert "Stack trace" not in told


def test_the_train_channel_is_required(xgboost, table, as_csv):
    job = xgboost.bench.run(
        xgboost.request([xgboost.channel("validation", as_csv(table), "text/csv")])
    )
    assert "Missing required channel: train" in job["FailureReason"]
    assert "ModelArtifacts" not in job


def test_an_unknown_channel_is_refused(xgboost, table, as_csv):
    channels = [xgboost.channel(name, as_csv(table), "text/csv") for name in ("train", "test")]
    job = xgboost.bench.run(xgboost.request(channels))
    assert "Extraneous channel found: test" in job["FailureReason"]


@pytest.mark.parametrize(("name", "told"), [("train", "training"), ("validation", "validation")])
def test_a_channel_must_not_be_empty(xgboost, table, as_csv, name, told):
    content = {"train": as_csv(table), "validation": as_csv(table), name: ""}
    channels = [xgboost.channel(key, value, "text/csv") for key, value in content.items()]
    job = xgboost.bench.run(xgboost.request(channels))
    assert f"No data in {told} channel path /opt/ml/input/data/{name}," in job["FailureReason"]


def test_a_header_fails_the_job(xgboost, table, as_csv):
    told = xgboost.failure("rings,length,diameter,height\n" + as_csv(table))
    assert "First line 'rings,length,diameter,height...' of file 'rows' is not 'CSV' format" in told


def test_csv_without_its_content_type_is_no_libsvm(xgboost, table, as_csv):
    told = xgboost.failure(as_csv(table), None)
    assert "Please ensure the file is in 'LIBSVM' format." in told


@pytest.mark.parametrize("line", ["7 0:x", "7 -1:2", "7 1", f"7 {'9' * 20}:1", "7\x00 0:1"])
def test_a_bad_libsvm_line_is_named(xgboost, table, as_libsvm, line):
    told = xgboost.failure(f"{as_libsvm(table)}{line}\n", "text/libsvm")
    assert f"Line 401, '{line}...' of file 'rows' is not 'LIBSVM' format" in told


@pytest.mark.parametrize(
    "content", [gzip.compress(b"1,2,3\n", mtime=0), "15\n", "\n\n", "\x00" * 50]
)
def test_what_is_no_table_fails_the_job(xgboost, content):
    told = xgboost.failure(content)
    assert "is not 'CSV' format" in told or "Could not determine delimiter" in told


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        (
            "application/x-parquet",
            "application/x-parquet is not emulated by the embedded SageMaker",
        ),
        ("application/x-recordio-protobuf", "is not emulated by the embedded SageMaker"),
        ("application/json", "application/json is not an accepted ContentType: csv, libsvm, parq"),
        ("text/csv; label_size=2", "Optional parameter label_size must be equal to 1"),
    ],
)
def test_another_content_type_is_refused(xgboost, content_type, reason):
    assert reason in xgboost.failure("1,2\n", content_type)


def test_two_jobs_at_once_do_not_meet(xgboost, table, others, as_csv):
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda rows: xgboost.train(as_csv(rows)), (table, others))
    assert xgboost.metrics(one) == xgboost.metrics(xgboost.train(as_csv(table)))
    assert xgboost.metrics(one) != xgboost.metrics(two)


def test_script_mode_runs_the_script_with_aws_own_toolkit(xgboost, table, as_csv):
    request = xgboost.bench.training_request(
        """
        import json, os, xgboost
        channel = os.environ["SM_CHANNEL_TRAIN"]
        data = xgboost.DMatrix(f"{channel}?format=csv&label_column=0")
        depth = int(os.environ["SM_HP_MAX_DEPTH"])
        booster = xgboost.train({"max_depth": depth}, data, num_boost_round=2)
        booster.save_model(os.path.join(os.environ["SM_MODEL_DIR"], "mine.json"))
        print(xgboost.__version__, "#011train-mae:0.25")
        """,
        toolkit=True,
        channels={"train": xgboost.bench.put(f"{xgboost.bench.name('rows')}/a.csv", as_csv(table))},
        algorithm={
            "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
        },
        HyperParameters={"max_depth": "3"},
    )
    job = xgboost.bench.run(request)
    lines = xgboost.bench.lines(job["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed", lines
    assert list(xgboost.artefact(job)) == ["mine.json"]
    assert "3.0.5 #011train-mae:0.25" in lines
    assert any("Reporting training SUCCESS" in line for line in lines)


def test_a_processing_job_has_the_image_s_libraries(xgboost):
    request = xgboost.bench.processing_request(
        """
        import joblib, numpy, pandas, sklearn, xgboost
        print(numpy.__version__, pandas.__version__, sklearn.__version__, xgboost.__version__)
        """
    )
    request["AppSpecification"] = {
        "ImageUri": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/script.py"],
    }
    name = xgboost.bench.run(request)["ProcessingJobName"]
    assert xgboost.bench.lines(name) == ["2.1.0 2.2.3 1.5.2 3.0.5"]


def test_a_job_goes_on_from_the_checkpoints_of_the_one_before(xgboost, table, as_csv):
    bench, folder = xgboost.bench, xgboost.bench.name("checkpoints")
    broken = bench.put(f"{folder}/xgboost-checkpoint.9", "no model").rpartition("/")[0]
    rounds = {}
    for count in ("5", "8"):
        channels = [xgboost.channel("train", as_csv(table), "text/csv")]
        request = xgboost.request(channels, num_round=count)
        job = bench.run({**request, "CheckpointConfig": {"S3Uri": broken}})
        assert job["TrainingJobStatus"] == "Completed", job
        lines = bench.lines(job["TrainingJobName"])
        rounds[count] = [line.partition("]")[0] for line in lines if "#011train-rmse" in line]
        bench.s3.delete_object(Bucket=bench.bucket, Key=f"{folder}/xgboost-checkpoint.9")
    assert rounds == {"5": ["[0", "[1", "[2", "[3", "[4"], "8": ["[5", "[6", "[7"]}
    kept = [key.rpartition(".")[2] for key in bench.keys(f"{folder}/")]
    assert kept == ["3", "4", "5", "6", "7"]


def test_several_instances_are_refused_by_the_algorithm(xgboost, table, as_csv):
    request = xgboost.request([xgboost.channel("train", as_csv(table), "text/csv")])
    request["ResourceConfig"]["InstanceCount"] = 2
    job = xgboost.bench.run(request)
    assert job["TrainingJobStatus"] == "Failed"
    assert "Several instances are not emulated by the embedded SageMaker" in job["FailureReason"]
