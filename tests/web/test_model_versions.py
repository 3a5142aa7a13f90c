"""What the page is told of versions, also of those that a list does not reach."""

from __future__ import annotations

from typing import Any

import pytest
from retraining.registry import versions as registry
from retraining.web import aws_reads, model_versions
from retraining.web.model_versions import Serving

GROUP = "many-versions"


@pytest.fixture(scope="module")
def client(embedded_sagemaker: Any) -> Any:
    """A registry with five versions of one group."""
    s3, client = embedded_sagemaker.client("s3"), embedded_sagemaker.client("sagemaker")
    s3.create_bucket(Bucket=GROUP)
    s3.put_object(Bucket=GROUP, Key="model.tar.gz", Body=b"x")
    registry.ensure_group(client, GROUP, description="x")
    for _ in range(5):
        client.create_model_package(
            ModelPackageGroupName=GROUP,
            ModelApprovalStatus="PendingManualApproval",
            InferenceSpecification={
                "Containers": [{"Image": "x", "ModelDataUrl": f"s3://{GROUP}/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )
    return client


@pytest.fixture
def asked(client: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client, asked by the page; a list reaches no more than the two newest versions."""
    monkeypatch.setattr(model_versions, "_PAGE", 2)
    monkeypatch.setattr(model_versions, "_PAGES", 1)
    monkeypatch.setattr(aws_reads.service("sagemaker"), "_client", client)
    model_versions.forget()
    return client


def page(number: int | None, *, offset: int = 0) -> tuple[list[int], int, list[str]]:
    (listed,) = aws_reads.collect([model_versions.start_listing(GROUP, down_to=0)], seconds=30)
    assert not isinstance(listed, Exception)
    found, total, said = model_versions.page(
        listed, Serving(GROUP, "InService", number), offset=offset, limit=20, seconds=30
    )
    return [version.number for version in found], total, said


@pytest.mark.parametrize(("serving", "shown"), [(1, [5, 4, 1]), (4, [5, 4]), (None, [5, 4])])
@pytest.mark.usefixtures("asked")
def test_what_serves_is_shown_however_old_it_is(serving: int | None, shown: list[int]) -> None:
    said = "only the newest 2 versions are listed, and the one that serves"
    assert page(serving) == (shown, 2, [said])


@pytest.mark.usefixtures("asked")
def test_what_serves_is_shown_with_the_newest_alone() -> None:
    assert page(1, offset=1)[0] == [4]


def test_an_old_version_is_decided_on_as_any_other(asked: Any) -> None:
    version = registry.version_asked_for(asked, GROUP, 1)
    registry.reject(asked, version.arn, reason="it serves badly")
    (found,) = [
        version
        for version in model_versions.page(
            model_versions._listed(asked, GROUP, 0),
            Serving(GROUP, "InService", 1),
            offset=0, limit=20, seconds=30,
        )[0]
        if version.number == 1
    ]  # fmt: skip
    assert (found.approval, found.approval_reason) == ("Rejected", "it serves badly")
