"""The XGBoost image serves what it has trained, with and without a user's module."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

CODE = {
    "SAGEMAKER_PROGRAM": "entry_point.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
}


@pytest.fixture(scope="module")
def trained(xgboost, table, as_csv):
    """A job whose model predicts the label well."""
    return xgboost.train(as_csv(table), num_round="60", gamma="0", subsample="1")


@pytest.fixture(scope="module")
def endpoint(xgboost, trained):
    name = xgboost.serve(trained["ModelArtifacts"]["S3ModelArtifacts"])
    assert xgboost.status(name) == "InService"
    return name


def packed(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_csv_rows_are_answered_a_line_each(xgboost, endpoint, others, as_csv):
    body = as_csv([features for _, *features in others])
    answer = xgboost.call(endpoint, body)
    assert answer.endswith("\n")
    predictions = [float(line) for line in answer.splitlines()]
    assert predictions == pytest.approx([label for label, *_ in others], abs=1.5)
    # A row's answer does not depend on those beside it.
    assert xgboost.call(endpoint, body.splitlines()[3]) == f"{answer.splitlines()[3]}\n"


def test_libsvm_rows_get_the_answers_of_csv_rows(xgboost, endpoint, others, as_csv, as_libsvm):
    from_csv = xgboost.call(endpoint, as_csv([features for _, *features in others]))
    text = as_libsvm(others)
    assert xgboost.call(endpoint, text, ContentType="text/libsvm") == from_csv
    without_label = "\n".join(line.partition(" ")[2] for line in text.splitlines())
    assert xgboost.call(endpoint, without_label, ContentType="text/x-libsvm") == from_csv


def test_json_is_an_answer_and_no_question(xgboost, endpoint):
    number = float(xgboost.call(endpoint, "0.1,0.2,0.3"))
    response = xgboost.runtime.invoke_endpoint(
        EndpointName=endpoint,
        Body="0.1,0.2,0.3",
        ContentType="text/csv",
        Accept="application/json;verbose=True",
    )
    assert json.loads(response["Body"].read()) == {"predictions": [{"score": number}]}
    assert response["ContentType"] == "application/json"
    status, told = xgboost.refusal(endpoint, "[[1,2,3]]", ContentType="application/json")
    assert status == 415
    assert told.startswith("application/json is not an accepted ContentType: csv, libsvm, parquet")


def test_the_answer_is_csv_unless_something_else_is_accepted(xgboost, endpoint):
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "text/csv"}):
        response = xgboost.runtime.invoke_endpoint(
            EndpointName=endpoint, Body="1,2,3", ContentType="text/csv", **accept
        )
        assert response["ContentType"] == "text/csv"
    status, told = xgboost.refusal(endpoint, "1,2,3", Accept="image/png")
    assert status == 406
    assert told.startswith("Accept type image/png is not supported.")


@pytest.mark.parametrize("blank", ["0.1,,0.3", "0.1, ,0.3", "0.1,nan,0.3", "0.1,NaN,0.3\r\n"])
def test_an_empty_cell_is_a_missing_value(xgboost, endpoint, blank):
    assert xgboost.call(endpoint, blank) == xgboost.call(endpoint, "0.1,nan,0.3")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("M,0.2,0.3", "could not convert string to float"),
        ("0.1,0.2,0.3\n0.1,0.2", "inhomogeneous"),
        ("1e400,0.2,0.3", "inf"),
        (b"\xff\xfe\x00", "utf-8"),
    ],
)
def test_a_bad_row_is_the_callers_fault(xgboost, endpoint, body, told):
    status, message = xgboost.refusal(endpoint, body)
    assert status == 415
    assert message.startswith(
        "Loading csv data failed with Exception, please ensure data is in csv format:\n <class "
    )
    assert told in message


@pytest.mark.parametrize("body", ["1 0:x", "1 -1:2", "1 0:1e400", f"1 {'9' * 30}:1"])
def test_a_bad_libsvm_row_is_the_callers_fault(xgboost, endpoint, body):
    status, message = xgboost.refusal(endpoint, body, ContentType="text/libsvm")
    assert status == 415
    assert message.startswith("Loading libsvm data failed with Exception")


def test_too_many_columns_are_the_callers_fault(xgboost, endpoint):
    status, told = xgboost.refusal(endpoint, "1,2,3,4")
    assert status == 400
    assert told == (
        "Unable to evaluate payload provided: Feature size of csv inference data 4 is not"
        " consistent with feature size of trained model 3."
    )
    status, told = xgboost.refusal(endpoint, "0 9:1", ContentType="text/libsvm")
    assert status == 400
    assert told == (
        "Unable to evaluate payload provided: Feature size of libsvm inference data 10 is larger"
        " than feature size of trained model 3."
    )
    assert xgboost.refusal(endpoint, "0 3:1", ContentType="text/libsvm")[0] == 400


def test_an_empty_body_is_answered_with_nothing(xgboost, endpoint):
    assert xgboost.call(endpoint, b"") == ""


def test_what_a_model_of_1_7_says(xgboost, table, others, as_csv):
    job = xgboost.train(as_csv(table), version="1.7-1")
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    endpoint = xgboost.serve(uri, version="1.7-1")
    answer = xgboost.call(endpoint, as_csv([features for _, *features in others]))
    assert len(answer.splitlines()) == len(others)


def test_probabilities_of_classes_are_columns(xgboost, table, as_csv):
    labelled = [[int(row[0]) % 3, *row[1:]] for row in table]
    job = xgboost.train(as_csv(labelled), objective="multi:softprob", num_class="3")
    endpoint = xgboost.serve(job["ModelArtifacts"]["S3ModelArtifacts"])
    lines = xgboost.call(endpoint, "0.1,0.2,0.3\n0.3,0.2,0.1").splitlines()
    assert [sum(map(float, line.split(","))) for line in lines] == pytest.approx([1, 1], abs=1e-5)


def test_a_users_module_is_asked_first_and_the_image_fills_in(xgboost, trained, others, as_csv):
    script = b"""
import os, xgboost

def model_fn(model_dir):
    booster = xgboost.Booster()
    booster.load_model(os.path.join(model_dir, "xgboost-model"))
    return booster

def predict_fn(data, model):
    if data.num_row() == 7:
        os.abort()
    return model.predict(data) + 100
"""
    model = xgboost.artefact(trained)["xgboost-model"]
    archive = packed({"xgboost-model": model, "code/entry_point.py": script})
    uri = xgboost.bench.put(f"{xgboost.bench.name('model')}/model.tar.gz", archive)
    endpoint = xgboost.serve(uri, environment=CODE)
    plain = xgboost.serve(trained["ModelArtifacts"]["S3ModelArtifacts"])
    body = as_csv([features for _, *features in others[:3]])
    expected = [float(line) + 100 for line in xgboost.call(plain, body).splitlines()]
    told = xgboost.call(endpoint, body, Accept="text/csv")
    assert [float(line) for line in told.splitlines()] == pytest.approx(expected)
    # Without Accept the toolkit answers in JSON.
    assert json.loads(xgboost.call(endpoint, body)) == pytest.approx(expected)
    assert xgboost.refusal(endpoint, "1,2\n3", Accept="text/csv")[0] == 415
    assert xgboost.refusal(endpoint, "{}", ContentType="application/json")[0] == 415
    status, died = xgboost.refusal(endpoint, "1,2,3\n" * 7)
    assert (status, json.loads(died)["message"]) == (500, "Worker died.")


def test_a_users_module_must_load_the_model(xgboost, trained):
    archive = packed({**xgboost.artefact(trained), "code/entry_point.py": b""})
    uri = xgboost.bench.put(f"{xgboost.bench.name('model')}/model.tar.gz", archive)
    assert xgboost.status(xgboost.serve(uri, environment=CODE)) == "Failed"


@pytest.mark.parametrize("files", [{}, {"xgboost-model": b"not a model"}])
def test_what_is_no_model_does_not_come_up(xgboost, files):
    uri = xgboost.bench.put(f"{xgboost.bench.name('model')}/model.tar.gz", packed(files))
    name = xgboost.serve(uri)
    assert xgboost.status(name) == "Failed"
    reason = xgboost.bench.sagemaker.describe_endpoint(EndpointName=name)["FailureReason"]
    assert "did not pass the ping health check" in reason


def test_a_served_model_is_back_after_a_restart(
    run_embedded_sagemaker, make_xgboost, poll, tmp_path, table, as_csv
):
    with run_embedded_sagemaker(tmp_path / "state") as server:
        xgboost = make_xgboost(server)
        job = xgboost.train(as_csv(table))
        endpoint = xgboost.serve(job["ModelArtifacts"]["S3ModelArtifacts"])
        before = xgboost.call(endpoint, "0.1,0.2,0.3")
    with run_embedded_sagemaker(tmp_path / "state") as server:
        again = make_xgboost(server)
        poll(lambda: again.status(endpoint) == "InService", what="the endpoint")
        assert again.call(endpoint, "0.1,0.2,0.3") == before
