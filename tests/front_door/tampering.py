"""Versions whose model is not the one that evaluation saw."""

from __future__ import annotations

import io
import tarfile
from typing import Any

from retraining import naming
from retraining.registry import versions


def registered_like(
    sagemaker: Any, arn: str, *, snapshot: str, entry_point: str
) -> versions.Version:
    """Register and approve a version like another one, with lines added to its entry point.

    Args:
        sagemaker: The embedded SageMaker.
        arn: The other version.
        snapshot: The date of its data.
        entry_point: The lines.
    """
    s3, client = sagemaker.client("s3"), sagemaker.client("sagemaker")
    described = client.describe_model_package(ModelPackageName=arn)
    specification = described["InferenceSpecification"]
    (container,) = specification["Containers"]
    bucket, key = naming.split_s3_uri(container["ModelDataUrl"])
    archive = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    key = f"tampered/{snapshot}/model.tar.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=_with_code(archive, entry_point))
    container["ModelDataUrl"] = f"s3://{bucket}/{key}"
    kept = {name: container[name] for name in ("Image", "Environment", "ModelDataUrl")}
    made = client.create_model_package(
        ModelPackageGroupName=described["ModelPackageGroupName"],
        InferenceSpecification=specification | {"Containers": [kept]},
        ModelMetrics=described["ModelMetrics"],
        CustomerMetadataProperties={versions.SNAPSHOT: snapshot},
    )["ModelPackageArn"]
    versions.approve(client, made, reason="by a test")
    return versions.describe(client, made)


def _with_code(archive: bytes, more: str) -> bytes:
    result = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        tarfile.open(fileobj=result, mode="w:gz") as new,
    ):
        for member in old.getmembers():
            file = old.extractfile(member)
            data = file.read() if file else b""
            if member.name.removeprefix("./") == "code/entry_point.py":
                data += more.encode()
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return result.getvalue()
