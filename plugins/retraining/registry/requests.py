"""Pure builder of the request that registers a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retraining import naming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retraining.jobs.requests import Request


def model_package(
    *,
    group: str,
    image_uri: str,
    model_uri: str,
    report_uri: str,
    approval_status: str,
    description: str,
    realtime_instance_types: Sequence[str],
    transform_instance_types: Sequence[str],
    metadata: Mapping[str, object],
    git_commit: str | None,
    client_token: str,
) -> Request:
    """Build a CreateModelPackage request for a new version in a group.

    Args:
        group: The model package group.
        image_uri: The image that serves the model.
        model_uri: Its ``model.tar.gz``, with ``code/entry_point.py`` inside.
        report_uri: The evaluation report.
        approval_status: PendingManualApproval, Approved or Rejected.
        description: One line for the registry's list.
        realtime_instance_types: What may serve it.
        transform_instance_types: What may run batches of it.
        metadata: At most 50 properties; values are shortened to what the service accepts.
        git_commit: The commit that was deployed, where that is known.
        client_token: The idempotency token: the same request twice makes one version.
    """
    request: Request = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": description,
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": image_uri,
                    "ModelDataUrl": model_uri,
                    "Environment": {
                        "SAGEMAKER_PROGRAM": "entry_point.py",
                        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                    },
                }
            ],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
            "SupportedRealtimeInferenceInstanceTypes": list(realtime_instance_types),
            "SupportedTransformInstanceTypes": list(transform_instance_types),
        },
        "ModelMetrics": {
            "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": report_uri}}
        },
        "ModelApprovalStatus": approval_status,
        "CustomerMetadataProperties": {
            name: naming.metadata_value(value) for name, value in metadata.items()
        },
        "ClientToken": client_token,
    }
    if git_commit:
        request["MetadataProperties"] = {"CommitId": git_commit}
    return request
