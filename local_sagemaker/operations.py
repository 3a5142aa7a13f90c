"""Which operations there are, and what answers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from local_sagemaker import absent, model_package_groups, model_packages, tag_operations
from local_sagemaker.endpoints import configs, models
from local_sagemaker.endpoints import operations as endpoints
from local_sagemaker.errors import ServiceError, unsupported
from local_sagemaker.jobs import operations as jobs
from local_sagemaker.jobs.processing import PROCESSING
from local_sagemaker.jobs.training import TRAINING
from local_sagemaker.refusals import refuse_unsupported
from local_sagemaker.requests import Request
from local_sagemaker.search import search
from local_sagemaker.transform.transform_job import TRANSFORM
from local_sagemaker.tuning.tuning_job import TUNING, list_tuned_jobs
from local_sagemaker.validation import service_model, validate_request

if TYPE_CHECKING:
    from local_sagemaker.access.grants import Permit
    from local_sagemaker.emulator import Emulator

Handler = Callable[["Emulator", Request], dict[str, object]]

OPERATIONS: Mapping[str, Handler] = {
    "CreateProcessingJob": partial(jobs.create_job, kind=PROCESSING),
    "DescribeProcessingJob": partial(jobs.describe_job, kind=PROCESSING),
    "ListProcessingJobs": partial(jobs.list_jobs, kind=PROCESSING),
    "StopProcessingJob": partial(jobs.stop_job, kind=PROCESSING),
    "DeleteProcessingJob": partial(jobs.delete_job, kind=PROCESSING),
    "CreateTrainingJob": partial(jobs.create_job, kind=TRAINING),
    "DescribeTrainingJob": partial(jobs.describe_job, kind=TRAINING),
    "ListTrainingJobs": partial(jobs.list_jobs, kind=TRAINING),
    "StopTrainingJob": partial(jobs.stop_job, kind=TRAINING),
    "DeleteTrainingJob": partial(jobs.delete_job, kind=TRAINING),
    "CreateTransformJob": partial(jobs.create_job, kind=TRANSFORM),
    "DescribeTransformJob": partial(jobs.describe_job, kind=TRANSFORM),
    "ListTransformJobs": partial(jobs.list_jobs, kind=TRANSFORM),
    "StopTransformJob": partial(jobs.stop_job, kind=TRANSFORM),
    "CreateHyperParameterTuningJob": partial(jobs.create_job, kind=TUNING),
    "DescribeHyperParameterTuningJob": partial(jobs.describe_job, kind=TUNING),
    "ListHyperParameterTuningJobs": partial(jobs.list_jobs, kind=TUNING),
    "ListTrainingJobsForHyperParameterTuningJob": list_tuned_jobs,
    "StopHyperParameterTuningJob": partial(jobs.stop_job, kind=TUNING),
    "CreateModelPackageGroup": model_package_groups.create_group,
    "DescribeModelPackageGroup": model_package_groups.describe_group,
    "ListModelPackageGroups": model_package_groups.list_groups,
    "DeleteModelPackageGroup": model_package_groups.delete_group,
    "CreateModelPackage": model_packages.create_package,
    "DescribeModelPackage": model_packages.describe_package,
    "BatchDescribeModelPackage": model_packages.describe_packages,
    "ListModelPackages": model_packages.list_packages,
    "UpdateModelPackage": model_packages.update_package,
    "DeleteModelPackage": model_packages.delete_package,
    "CreateModel": models.create_model,
    "DescribeModel": models.describe_model,
    "ListModels": models.list_models,
    "DeleteModel": models.delete_model,
    "CreateEndpointConfig": configs.create_config,
    "DescribeEndpointConfig": configs.describe_config,
    "ListEndpointConfigs": configs.list_configs,
    "DeleteEndpointConfig": configs.delete_config,
    "CreateEndpoint": endpoints.create_endpoint,
    "DescribeEndpoint": endpoints.describe_endpoint,
    "ListEndpoints": endpoints.list_endpoints,
    "UpdateEndpoint": endpoints.update_endpoint,
    "DeleteEndpoint": endpoints.delete_endpoint,
    "AddTags": tag_operations.add_tags,
    "ListTags": tag_operations.list_tags,
    "DeleteTags": tag_operations.delete_tags,
    "Search": search,
    "DescribePipeline": absent.describe_pipeline,
    "ListPipelines": partial(absent.list_none, answer="PipelineSummaries"),
    "ListExperiments": partial(absent.list_none, answer="ExperimentSummaries"),
    "ListTrials": absent.list_trials,
    "ListArtifacts": partial(absent.list_none, answer="ArtifactSummaries"),
    "ListActions": partial(absent.list_none, answer="ActionSummaries"),
    "ListContexts": partial(absent.list_none, answer="ContextSummaries"),
    "ListAssociations": partial(absent.list_none, answer="AssociationSummaries"),
}


def answer(
    emulator: Emulator,
    operation: str,
    *,
    region: str,
    members: Mapping[str, object],
    permit: Permit,
) -> dict[str, object]:
    """Validate a request and answer it.

    Args:
        emulator: What it works on.
        operation: Such as ``CreateTrainingJob``.
        region: The region that the request was signed for.
        members: What the caller sent.
        permit: The caller's.

    Raises:
        ServiceError: Whatever the service would say, or UnsupportedOperation.
    """
    handler = OPERATIONS.get(operation)
    if handler is None:
        if operation in service_model().operation_names:
            raise unsupported(f"{operation} is not emulated here.")
        raise ServiceError("UnknownOperationException", f"SageMaker has no operation {operation}.")
    validate_request(operation, members)
    given: Any = _without_nulls(members)
    request = Request(operation, region, given)
    permit.check(request)
    refuse_unsupported(operation, given)
    return handler(emulator, request)


def _without_nulls(value: object) -> object:
    # The protocol allows null for a member that is absent.
    if isinstance(value, Mapping):
        return {k: _without_nulls(held) for k, held in value.items() if held is not None}
    if isinstance(value, list):
        return [_without_nulls(held) for held in value]
    return value
