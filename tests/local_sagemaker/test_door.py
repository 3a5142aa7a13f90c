"""Whom the server answers, and what it says to a request that cannot be read."""

from __future__ import annotations

import json
import socket
import urllib.parse
from xml.etree import ElementTree as ET

import pytest

from local_sagemaker.__main__ import main

HOST = "Host: 127.0.0.1"
JSON = "Content-Type: application/x-amz-json-1.1"


def signed(service: str) -> str:
    scope = f"x/20260101/us-east-1/{service}/aws4_request"
    return f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


S3 = signed("s3")
SAGEMAKER = f"{signed('sagemaker')}\r\nX-Amz-Target: SageMaker.ListModels"
LOGS = f"{signed('logs')}\r\nX-Amz-Target: Logs_20140328.DescribeLogGroups\r\n{JSON}"
IAM = f"{signed('iam')}\r\nContent-Type: application/x-www-form-urlencoded"
STS = f"{signed('sts')}\r\nContent-Type: application/x-www-form-urlencoded"
LIST_USERS = b"Action=ListUsers&Version=2010-05-08"
WHO = b"Action=GetCallerIdentity&Version=2011-06-15"
# A request of each service that is answered with success.
ASKED = {
    "s3": ("GET /", S3, b""),
    "sagemaker": ("POST /", SAGEMAKER, b"{}"),
    "logs": ("POST /", LOGS, b"{}"),
    "iam": ("POST /", IAM, LIST_USERS),
    "sts": ("POST /", STS, WHO),
}


def ask(
    server, line: str, *headers: str, body: bytes = b"", length: object = None, more: bool = True
) -> tuple[int, bytes]:
    """Send a request as it is given; `more` says whether the client keeps its side open."""
    address = urllib.parse.urlsplit(server.url)
    stated = len(body) if length is None else length
    head = "\r\n".join((f"{line} HTTP/1.1", *headers, f"Content-Length: {stated}", "", ""))
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head.encode("latin-1") + body)
        if not more:
            connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    status, _, content = answer.partition(b"\r\n\r\n")
    return int(status.split()[1]), content


def code(service: str, content: bytes) -> str:
    """Return an error's code, read as the service's clients do."""
    if service in {"s3", "sts", "iam"}:
        found = ET.fromstring(content).find(".//Code" if service != "s3" else "Code")
        return str(found.text)
    return json.loads(content)["__type"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:80", "127.8.9.1", "localhost", "LocalHost:8090", "[::1]", "[::1]:8090",
        "bucket.localhost:8090", "a.bucket.with.dots.localhost",
    ],
)  # fmt: skip
def test_every_name_of_this_machines_own_is_answered(embedded_sagemaker, host):
    line, *headers, body = ASKED["sagemaker"]
    assert ask(embedded_sagemaker, line, f"Host: {host}", *headers, body=body)[0] == 200


@pytest.mark.parametrize("service", ASKED)
def test_no_service_is_answered_under_a_name_that_was_made_to_lead_here(
    embedded_sagemaker, service
):
    line, *headers, body = ASKED[service]
    assert ask(embedded_sagemaker, line, HOST, *headers, body=body)[0] == 200
    status, content = ask(embedded_sagemaker, line, "Host: evil.test", *headers, body=body)
    assert (status, code(service, content)) == (400, "AccessDenied")
    assert b"'evil.test' is no name of this server's" in content
    assert b"--host-name" in content


@pytest.mark.parametrize(
    "host",
    [
        "", "localhost.evil.test", "evil.test:80", "127.0.0.1.evil.test", "127.evil.test",
        "10.0.0.1", "0.0.0.0", "[::2]", "[::1", "::1", "localhost:80:80", "localhost, evil.test",
        "evillocalhost", "evil.test/127.0.0.1", "bucket.s3.amazonaws.com", "local-sagemaker",
        "\xe9.localhost.",
    ],
)  # fmt: skip
def test_no_other_name_is_answered(embedded_sagemaker, host):
    status, content = ask(embedded_sagemaker, "GET /", f"Host: {host}", S3)
    assert (status, code("s3", content)) == (400, "AccessDenied")


def test_a_request_without_a_name_and_one_with_two_are_not_answered(embedded_sagemaker):
    for headers in ((), (HOST, "Host: evil.test"), ("Host: evil.test", HOST)):
        assert ask(embedded_sagemaker, "GET /", *headers, S3)[0] == 400
    assert ask(embedded_sagemaker, "GET http://evil.test/", HOST, S3)[0] == 400


def test_the_name_is_looked_at_before_anything_is_done(bench):
    kept = bench.put("kept-from-strangers", "kept").rpartition("/")[2]
    for line in (f"DELETE /{bench.bucket}/{kept}", f"PUT /{bench.bucket}/{kept}"):
        assert ask(bench.server, line, "Host: evil.test", S3, body=b"x")[0] == 400
    assert bench.get(kept) == b"kept"


def test_a_name_that_it_was_started_with_is_answered_and_stands_for_buckets_too(
    embedded_sagemaker, host_name
):
    for host in (host_name, f"{host_name.upper()}:8090", f"bucket.{host_name}"):
        assert ask(embedded_sagemaker, "GET /", f"Host: {host}", S3)[0] in {200, 404}, host
    for host in (f"{host_name}.evil", f"{host_name}.", f"evil-{host_name}"):
        assert ask(embedded_sagemaker, "GET /", f"Host: {host}", S3)[0] == 400, host


@pytest.mark.parametrize("name", ["example.com", "a:80", "", "UPPER"])
def test_a_name_that_strangers_could_own_is_refused(name, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--state", str(tmp_path / "state"), "--host-name", name])
    assert "is not one word of lower-case letters, digits and hyphens" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_sagemakers_verbs_are_asked_by_post_alone(embedded_sagemaker, method):
    status, content = ask(embedded_sagemaker, f"{method} /", HOST, SAGEMAKER, body=b"{}")
    assert status == 400
    assert method == "HEAD" or code("sagemaker", content) == "UnsupportedOperation"
    presigned = "X-Amz-Credential=x%2F20260101%2Fus-east-1%2Fsagemaker%2Faws4_request"
    assert ask(embedded_sagemaker, f"{method} /?{presigned}", HOST)[0] == 400


@pytest.mark.parametrize("length", ["-1", "abc", "1_0", "+1", "4, 4", "1e3", "9" * 30])
@pytest.mark.parametrize("service", ASKED)
def test_a_length_that_is_none_is_told_at_once(embedded_sagemaker, service, length):
    line, *headers, body = ASKED[service]
    status, content = ask(embedded_sagemaker, line, HOST, *headers, body=body, length=length)
    too_large = "EntityTooLarge" if length.startswith("9") else "InvalidRequest"
    expected = too_large if service == "s3" else "SerializationException"
    assert (status, code(service, content)) == (400, expected)


def test_half_a_body_is_not_stored(bench):
    kept = bench.put("kept-whole", "the whole of it").rpartition("/")[2]
    for length in (100, 10**13):
        line = f"PUT /{bench.bucket}/{kept}"
        status, content = ask(bench.server, line, HOST, S3, body=b"x", length=length, more=False)
        assert (status, code("s3", content)) in {(400, "IncompleteBody"), (400, "EntityTooLarge")}
    chunked = ("Transfer-Encoding: chunked", S3)
    for body in (b"zz\r\nabc\r\n", b"5\r\nabc", b"-5\r\nabc\r\n", b"3\r\nabc\r\n"):
        status, content = ask(bench.server, line, HOST, *chunked, body=body, more=False)
        assert (status, code("s3", content)) == (400, "IncompleteBody"), body
    assert bench.get(kept) == b"the whole of it"


@pytest.mark.parametrize("service", ["sagemaker", "logs"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"NameContains": ' * 50_000 + b"1" + b"}" * 50_000, "nested too deeply"),
        (b"[" * 50_000 + b"]" * 50_000, "nested too deeply"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[]", "not a JSON object"),
    ],
)
def test_a_body_that_is_no_document_has_the_protocols_error(
    embedded_sagemaker, service, body, words
):
    line, *headers, _ = ASKED[service]
    status, content = ask(embedded_sagemaker, line, HOST, *headers, body=body)
    assert (status, code(service, content)) == (400, "SerializationException")
    assert words in json.loads(content)["message"]


@pytest.mark.parametrize(
    "document", [b"", b"<Delete", b"<Other/>", b"\xff", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"]
)
@pytest.mark.parametrize("line", ["POST /{}?delete", "PUT /{}?tagging", "PUT /{}?versioning"])
def test_a_document_that_is_not_s3s_is_told_so(bench, line, document):
    status, content = ask(bench.server, line.format(bench.bucket), HOST, S3, body=document)
    assert (status, code("s3", content)) == (400, "MalformedXML")


def test_an_upload_that_is_not_there_is_not_a_malformed_document(bench):
    bench.put("kept-from-uploads", "x")
    with pytest.raises(bench.s3.exceptions.ClientError, match="NoSuchUpload"):
        bench.s3.complete_multipart_upload(
            Bucket=bench.bucket,
            Key="kept-from-uploads",
            UploadId="none",
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "x"}]},
        )


def test_a_stranger_to_an_object_is_told_so_in_xml(bench):
    kept = bench.put("kept-from-the-unsigned", "x").rpartition("/")[2]
    status, content = ask(bench.server, f"GET /{bench.bucket}/{kept}", HOST)
    assert (status, code("s3", content)) == (403, "AccessDenied")


@pytest.mark.parametrize("line", ["BREW /workbench/key", "GET http://[x/", f"GET /{'a' * 70_000}"])
def test_what_is_no_request_is_answered_in_xml(embedded_sagemaker, line):
    status, content = ask(embedded_sagemaker, line, HOST, S3)
    assert 400 <= status < 500
    assert code("s3", content) in {"MethodNotAllowed", "InvalidRequest"}


@pytest.mark.parametrize(
    ("service", "body", "megabytes"),
    [
        ("sagemaker", b'{"NameContains": "%s"}', 4),
        ("sagemaker", b'{"NameContains": "%s"}', 100),
        ("sagemaker", b'{"%s": 1}', 4),
        ("sagemaker", b'{"MaxResults": [["%s"]]}', 4),
        ("iam", b"Action=SimulatePrincipalPolicy&PolicySourceArn=%s", 4),
    ],
)
def test_an_error_does_not_repeat_all_that_was_sent(embedded_sagemaker, service, body, megabytes):
    line, *headers, _ = ASKED[service]
    sent = body % (b"x" * megabytes * 1_000_000)
    status, content = ask(embedded_sagemaker, line, HOST, *headers, body=sent)
    assert status == 400
    assert code(service, content)
    assert len(content) < 20_000
    assert embedded_sagemaker.state.with_suffix(".log").stat().st_size < 1_000_000
