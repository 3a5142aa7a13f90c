from __future__ import annotations

import http.client
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def restart(run_embedded_sagemaker, tmp_path):
    """Runs one step after another, each on a new server with the same state."""

    def run(*steps):
        for step in steps:
            with run_embedded_sagemaker(tmp_path / "state", "--isolation", "none") as server:
                step(server.client("s3"))

    return run


ODD = ["plain", "a/b/c.csv", "../../escape", "/leading", "ümlaut ✓ %2F?&=+.txt", "dots/../x", "e/"]


def listed(s3, bucket: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_objects_come_back_as_they_were(restart, tmp_path):
    before = {}

    def write(s3):
        s3.create_bucket(Bucket="first")
        s3.put_bucket_tagging(Bucket="first", Tagging={"TagSet": [{"Key": "owner", "Value": "me"}]})
        for key in ODD:
            s3.put_object(
                Bucket="first",
                Key=key,
                Body=f"content of {key}".encode(),
                ContentType="text/csv",
                CacheControl="no-cache",
                Metadata={"rows": "12", "under_score": "x"},
                Tagging="kind=data&year=2026",
                StorageClass="STANDARD_IA",
                ChecksumAlgorithm="SHA256",
            )
            before[key] = s3.head_object(Bucket="first", Key=key, ChecksumMode="ENABLED")

    def read(s3):
        assert sorted(listed(s3, "first")) == sorted(ODD)
        for key in ODD:
            found = s3.get_object(Bucket="first", Key=key)
            assert found["Body"].read() == f"content of {key}".encode()
            head = s3.head_object(Bucket="first", Key=key, ChecksumMode="ENABLED")
            for member in (
                "ETag",
                "LastModified",
                "ContentLength",
                "ContentType",
                "CacheControl",
                "Metadata",
                "StorageClass",
                "ChecksumSHA256",
            ):
                assert head[member] == before[key][member], (key, member)
            tags = s3.get_object_tagging(Bucket="first", Key=key)["TagSet"]
            assert {tag["Key"]: tag["Value"] for tag in tags} == {"kind": "data", "year": "2026"}
        assert s3.get_bucket_tagging(Bucket="first")["TagSet"][0]["Value"] == "me"

    restart(write, read, read)
    names = [path.name for path in (tmp_path / "state" / "objects").iterdir()]
    assert len(names) == len(ODD)
    assert all(len(name) == 32 and name.isalnum() for name in names)


def test_what_was_overwritten_copied_or_deleted_stays_so(restart, tmp_path):
    def write(s3):
        s3.create_bucket(Bucket="bucket")
        s3.create_bucket(Bucket="gone")
        for key in ("a", "b", "c", "d"):
            s3.put_object(Bucket="bucket", Key=key, Body=b"old")
        s3.put_object(Bucket="bucket", Key="a", Body=b"new", Metadata={"x": "y"})
        s3.copy_object(Bucket="bucket", Key="copy", CopySource={"Bucket": "bucket", "Key": "a"})
        s3.delete_object(Bucket="bucket", Key="b")
        s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "c"}, {"Key": "d"}]})
        s3.put_object_tagging(
            Bucket="bucket", Key="a", Tagging={"TagSet": [{"Key": "late", "Value": "tag"}]}
        )
        s3.delete_bucket(Bucket="gone")

    def read(s3):
        assert listed(s3, "bucket") == ["a", "copy"]
        assert s3.get_object(Bucket="bucket", Key="a")["Body"].read() == b"new"
        copied = s3.get_object(Bucket="bucket", Key="copy")
        assert (copied["Body"].read(), copied["Metadata"]) == (b"new", {"x": "y"})
        assert s3.get_object_tagging(Bucket="bucket", Key="a")["TagSet"][0]["Value"] == "tag"
        with pytest.raises(ClientError):
            s3.head_bucket(Bucket="gone")

    restart(write, read)
    assert len(list((tmp_path / "state" / "objects").iterdir())) == 2


def test_a_multipart_upload_comes_back_with_its_etag(restart):
    part = b"x" * (5 * 1024 * 1024)
    etag = ""

    def write(s3):
        nonlocal etag
        s3.create_bucket(Bucket="bucket")
        upload = s3.create_multipart_upload(Bucket="bucket", Key="big", Metadata={"m": "1"})[
            "UploadId"
        ]
        parts = [
            {
                "PartNumber": number,
                "ETag": s3.upload_part(
                    Bucket="bucket", Key="big", UploadId=upload, PartNumber=number, Body=body
                )["ETag"],
            }
            for number, body in ((1, part), (2, b"end"))
        ]
        s3.complete_multipart_upload(
            Bucket="bucket", Key="big", UploadId=upload, MultipartUpload={"Parts": parts}
        )
        copy = {"Bucket": "bucket", "Key": "big"}
        s3.copy_object(Bucket="bucket", Key="copy", CopySource=copy)
        assert s3.get_object(Bucket="bucket", Key="copy")["Body"].read() == part + b"end"
        etag = s3.head_object(Bucket="bucket", Key="big")["ETag"]
        assert etag.endswith('-2"')

    def read(s3):
        found = s3.get_object(Bucket="bucket", Key="big")
        assert found["Body"].read() == part + b"end"
        assert (found["ETag"], found["Metadata"]) == (etag, {"m": "1"})

    restart(write, read)


def test_a_versioned_bucket_keeps_its_newest_versions(restart):
    def write(s3):
        s3.create_bucket(Bucket="bucket")
        s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        for body in (b"1", b"2"):
            s3.put_object(Bucket="bucket", Key="kept", Body=body)
            s3.put_object(Bucket="bucket", Key="deleted", Body=body)
        s3.delete_object(Bucket="bucket", Key="deleted")

    def read(s3):
        assert s3.get_bucket_versioning(Bucket="bucket")["Status"] == "Enabled"
        assert listed(s3, "bucket") == ["kept"]
        assert s3.get_object(Bucket="bucket", Key="kept")["Body"].read() == b"2"

    restart(write, read)


def test_a_file_that_no_object_needs_is_removed_at_the_start(restart, tmp_path):
    objects = tmp_path / "state" / "objects"

    def leave(s3):
        s3.create_bucket(Bucket="bucket")
        (objects / ("f" * 32)).write_bytes(b"left by a crash")

    restart(leave, lambda s3: s3.put_object(Bucket="bucket", Key="a", Body=b"a"))
    names = [path.name for path in (tmp_path / "state" / "objects").iterdir()]
    assert len(names) == 1
    assert names != ["f" * 32]


def test_a_file_that_is_gone_costs_its_object_and_a_word_in_the_log(restart, tmp_path):
    objects = tmp_path / "state" / "objects"

    def write(s3):
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="lost", Body=b"lost")
        (lost,) = objects.iterdir()
        s3.put_object(Bucket="bucket", Key="kept", Body=b"kept")
        lost.unlink()

    def look(s3):
        assert listed(s3, "bucket") == ["kept"]
        assert "s3://bucket/lost is lost: [Errno 2]" in (tmp_path / "state.log").read_text()
        s3.put_object(Bucket="bucket", Key="lost", Body=b"found")

    def look_again(s3):
        assert s3.get_object(Bucket="bucket", Key="lost")["Body"].read() == b"found"

    restart(write, look, look_again)


@pytest.mark.parametrize(
    ("host", "path"),
    [("bucket.localhost", ""), ("bucket.my-server", ""), ("my-server", "/bucket")],
)
def test_an_object_is_kept_whatever_the_server_is_called(
    run_embedded_sagemaker, tmp_path, host, path
):
    options = ("--isolation", "none", "--host-name", "my-server")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        server.client("s3").create_bucket(Bucket="bucket")
        address = urllib.parse.urlsplit(server.url)
        connection = http.client.HTTPConnection(address.netloc)
        headers = {"Host": f"{host}:{address.port}"}
        connection.request("PUT", f"{path}/folder/key", b"content", headers)
        assert connection.getresponse().status == 200
        connection.close()
    with run_embedded_sagemaker(tmp_path / "state", "--isolation", "none") as server:
        found = server.client("s3").get_object(Bucket="bucket", Key="folder/key")
        assert found["Body"].read() == b"content"


def test_concurrent_writers_lose_nothing(restart, tmp_path):
    def write(s3):
        s3.create_bucket(Bucket="bucket")
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda n: s3.put_object(Bucket="bucket", Key=f"k{n % 20}", Body=b"%d" % n),
                    range(100),
                )
            )

    def read(s3):
        bodies = {
            key: s3.get_object(Bucket="bucket", Key=key)["Body"].read()
            for key in listed(s3, "bucket")
        }
        assert len(bodies) == 20
        assert all(int(body) % 20 == int(key[1:]) for key, body in bodies.items())

    restart(write, read)
    assert len(list((tmp_path / "state" / "objects").iterdir())) == 20
