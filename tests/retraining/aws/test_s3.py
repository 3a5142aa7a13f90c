from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from retraining.aws import s3 as objects
from retraining.aws.errors import code_of, is_changed, is_missing

BUCKET = "objects"


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def test_what_was_written_is_read(s3: Any) -> None:
    uri = f"s3://{BUCKET}/a folder/ä.json"
    objects.put_json(s3, uri, {"a": [1, "ä"]})
    assert objects.get_json(s3, uri) == {"a": [1, "ä"]}
    found = objects.find(s3, uri)
    assert found == objects.get(s3, uri)
    assert found is not None
    assert found.content.decode().endswith("}\n")
    assert '"' not in found.etag
    head = s3.head_object(Bucket=BUCKET, Key="a folder/ä.json")
    assert head["ContentType"] == "application/json"
    assert head["ETag"].strip('"') == found.etag


def test_half_a_letter_is_written_and_read(s3: Any) -> None:
    uri = f"s3://{BUCKET}/half"
    objects.put_json(s3, uri, {"\ud800": "a\udfff\\b"})
    assert objects.get_json(s3, uri) == {"\ud800": "a\udfff\\b"}
    objects.get(s3, uri).content.decode()


def test_nothing_is_found_where_nothing_is(s3: Any) -> None:
    uri = f"s3://{BUCKET}/nothing"
    assert objects.find(s3, uri) is None
    with pytest.raises(ClientError, match=f"^{uri}: .*NoSuchKey") as raised:
        objects.get(s3, uri)
    assert is_missing(raised.value)
    with pytest.raises(ClientError) as raised:
        s3.head_object(Bucket=BUCKET, Key="nothing")
    assert is_missing(raised.value)


def test_a_bucket_that_is_missing_is_a_wrong_setting(s3: Any) -> None:
    with pytest.raises(ClientError, match=r"^s3://no-such-bucket/x: ") as raised:
        objects.find(s3, "s3://no-such-bucket/x")
    assert not is_missing(raised.value)
    assert code_of(raised.value) == "NoSuchBucket"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5_000])
def test_what_is_not_json_is_told_with_its_place(s3: Any, body: bytes) -> None:
    uri = f"s3://{BUCKET}/broken"
    objects.put(s3, uri, body)
    with pytest.raises(objects.BrokenObjectError, match=f"^{uri} is not JSON: "):
        objects.get_json(s3, uri)


def test_nothing_is_written_over_what_must_be_written_once(s3: Any) -> None:
    uri = f"s3://{BUCKET}/once"
    assert objects.put_once(s3, uri, b"first")
    assert not objects.put_once(s3, uri, b"second")
    assert objects.get(s3, uri).content == b"first"


def test_what_was_put_beside_an_object_is_found(s3: Any) -> None:
    uri = f"s3://{BUCKET}/marked"
    assert objects.find_metadata(s3, uri) == {}
    objects.put(s3, uri, b"x", kind="text/plain", metadata={"made-of": "abc"})
    assert objects.find_metadata(s3, uri) == {"made-of": "abc"}
    objects.put(s3, uri, b"y")
    assert objects.find_metadata(s3, uri) == {}


def test_no_number_that_json_lacks_is_written(s3: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        objects.put_json(s3, f"s3://{BUCKET}/nan", float("nan"))


def test_a_name_that_sagemaker_does_not_know_is_missing(embedded_sagemaker: Any) -> None:
    client = embedded_sagemaker.client("sagemaker")
    with pytest.raises(ClientError) as raised:
        client.describe_endpoint(EndpointName="nowhere")
    assert is_missing(raised.value)
    assert not is_changed(raised.value)
