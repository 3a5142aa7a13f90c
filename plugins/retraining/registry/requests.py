"""Pure builder of the request that registers a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retraining import naming

# What AWS's serving toolkits answer in where a client asks for nothing; else it is JSON.
DEFAULT_ACCEPT = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retraining.jobs.requests import Request
    from retraining.pipeline import Pipeline


def model_package(
    *,
    pipeline: Pipeline,
    image_uri: str,
    model_uri: str,
    report_uri: str,
    data_report_uri: str | None = None,
    data_decision_uri: str | None = None,
    approval_status: str,
    description: str,
    metadata: Mapping[str, object],
    git_commit: str | None,
    client_token: str,
) -> Request:
    """Build a CreateModelPackage request for a new version in a group.

    Args:
        pipeline: What is registered, and as what.
        image_uri: The image that serves the model.
        model_uri: Its ``model.tar.gz``.
        report_uri: The evaluation report.
        data_report_uri: The report on the data; what a later night's are compared with.
        data_decision_uri: What was decided about the data, and by which conditions.
        approval_status: PendingManualApproval, Approved or Rejected.
        description: One line for the registry's list.
        metadata: At most 50 properties; values are shortened to what the service accepts.
        git_commit: The commit that was deployed, where that is known.
        client_token: The idempotency token: the same request twice makes one version.
    """
    serving: dict[str, str] = {}
    if pipeline.entry_point:
        serving["SAGEMAKER_PROGRAM"] = pipeline.entry_point
        serving["SAGEMAKER_SUBMIT_DIRECTORY"] = "/opt/ml/model/code"
    if pipeline.response_types:
        serving[DEFAULT_ACCEPT] = pipeline.response_types[0]
    metrics = {"ModelQuality": {"Statistics": _source(report_uri)}}
    drift: dict[str, object] = {}
    if data_report_uri:
        statistics = {"Statistics": _source(data_report_uri)}
        constraints = {"Constraints": _source(data_decision_uri)} if data_decision_uri else {}
        metrics["ModelDataQuality"] = statistics | constraints
        drift["DriftCheckBaselines"] = {"ModelDataQuality": statistics}
    request: Request = {
        "ModelPackageGroupName": pipeline.name,
        "ModelPackageDescription": description,
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": image_uri,
                    "ModelDataUrl": model_uri,
                    **({"Environment": serving} if serving else {}),
                }
            ],
            "SupportedContentTypes": list(pipeline.content_types),
            "SupportedResponseMIMETypes": list(pipeline.response_types),
            "SupportedRealtimeInferenceInstanceTypes": list(pipeline.realtime_instance_types),
            "SupportedTransformInstanceTypes": list(pipeline.transform_instance_types),
        },
        "ModelMetrics": metrics,
        **drift,
        "ModelApprovalStatus": approval_status,
        "CustomerMetadataProperties": {
            name: naming.metadata_value(value) for name, value in metadata.items()
        },
        "ClientToken": client_token,
    }
    if git_commit:
        request["MetadataProperties"] = {"CommitId": git_commit}
    return request


def _source(uri: str) -> dict[str, str]:
    return {"ContentType": "application/json", "S3Uri": uri}
