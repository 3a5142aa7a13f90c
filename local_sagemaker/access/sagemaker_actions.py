"""Which permissions SageMaker's operations need, on which resources, and what conditions may ask.

Source: the Service Authorization Reference, "Actions, resources, and condition keys for Amazon
SageMaker". Where it names two resources for one action, both must be allowed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_sagemaker.access.conditions import Context
from local_sagemaker.access.policies import Ask
from local_sagemaker.refusals import values_at
from local_sagemaker.requests import Request, arn
from local_sagemaker.tags import get_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_sagemaker.store import Store

SERVICE = "sagemaker.amazonaws.com"
_PACKAGE, _GROUP = "model-package", "model-package-group"


@dataclass(frozen=True, slots=True)
class Needed:
    """What an operation needs.

    Attributes:
        resources: Request to the ARNs that its action is asked about.
        creates: The first of them is made by the request, and may get tags.
        role: The path of the member with the role that is passed; empty if none is.
    """

    resources: Callable[[Request], tuple[str, ...]]
    creates: bool = False
    role: str = ""


def _any(_request: Request) -> tuple[str, ...]:
    return ("*",)


def _named(kind: str, member: str) -> Callable[[Request], tuple[str, ...]]:
    return lambda request: (_arn(request, kind, request.text(member)),)


def _arn(request: Request, kind: str, name: str) -> str:
    return name.lower() if name.startswith("arn:") else arn(request.region, kind, name=name)


def _both(kinds: Mapping[str, str]) -> Callable[[Request], tuple[str, ...]]:
    return lambda request: tuple(
        _arn(request, kind, request.text(member)) for kind, member in kinds.items()
    )


def _new_package(request: Request) -> tuple[str, ...]:
    group = request.members.get("ModelPackageGroupName")
    if group is None:
        return (_arn(request, _PACKAGE, str(request.members.get("ModelPackageName", ""))),)
    return (_versions(request, str(group)), _arn(request, _GROUP, str(group)))


def _listed_packages(request: Request) -> tuple[str, ...]:
    group = request.members.get("ModelPackageGroupName")
    return ("*",) if group is None else (_versions(request, str(group)),)


def _versions(request: Request, group: str) -> str:
    # No version has its number yet.
    return arn(request.region, _PACKAGE, name=f"{group.rpartition('/')[2]}/*")


def _described_packages(request: Request) -> tuple[str, ...]:
    names: Any = request.members["ModelPackageArnList"]
    return tuple(_arn(request, _PACKAGE, name) for name in names)


def _tagged(request: Request) -> tuple[str, ...]:
    return (request.text("ResourceArn").lower(),)


_LIST = Needed(_any)
_TUNER = _named("hyper-parameter-tuning-job", "HyperParameterTuningJobName")
_CONFIG = {"endpoint": "EndpointName", "endpoint-config": "EndpointConfigName"}

NEEDED: Mapping[str, Needed] = {
    "CreateProcessingJob": Needed(
        _named("processing-job", "ProcessingJobName"), creates=True, role="RoleArn"
    ),
    "DescribeProcessingJob": Needed(_named("processing-job", "ProcessingJobName")),
    "ListProcessingJobs": _LIST,
    "StopProcessingJob": Needed(_named("processing-job", "ProcessingJobName")),
    "DeleteProcessingJob": Needed(_named("processing-job", "ProcessingJobName")),
    "CreateTrainingJob": Needed(
        _named("training-job", "TrainingJobName"), creates=True, role="RoleArn"
    ),
    "DescribeTrainingJob": Needed(_named("training-job", "TrainingJobName")),
    "ListTrainingJobs": _LIST,
    "StopTrainingJob": Needed(_named("training-job", "TrainingJobName")),
    "DeleteTrainingJob": Needed(_named("training-job", "TrainingJobName")),
    # It runs as the model's role, which was passed when the model was made.
    "CreateTransformJob": Needed(_named("transform-job", "TransformJobName"), creates=True),
    "DescribeTransformJob": Needed(_named("transform-job", "TransformJobName")),
    "ListTransformJobs": _LIST,
    "StopTransformJob": Needed(_named("transform-job", "TransformJobName")),
    "CreateHyperParameterTuningJob": Needed(
        _TUNER, creates=True, role="TrainingJobDefinition.RoleArn"
    ),
    "DescribeHyperParameterTuningJob": Needed(_TUNER),
    "ListHyperParameterTuningJobs": _LIST,
    "ListTrainingJobsForHyperParameterTuningJob": Needed(_TUNER),
    "StopHyperParameterTuningJob": Needed(_TUNER),
    "CreateModelPackageGroup": Needed(_named(_GROUP, "ModelPackageGroupName"), creates=True),
    "DescribeModelPackageGroup": Needed(_named(_GROUP, "ModelPackageGroupName")),
    "ListModelPackageGroups": _LIST,
    "DeleteModelPackageGroup": Needed(_named(_GROUP, "ModelPackageGroupName")),
    "CreateModelPackage": Needed(_new_package, creates=True),
    "DescribeModelPackage": Needed(_named(_PACKAGE, "ModelPackageName")),
    "BatchDescribeModelPackage": Needed(_described_packages),
    "ListModelPackages": Needed(_listed_packages),
    "UpdateModelPackage": Needed(_named(_PACKAGE, "ModelPackageArn")),
    "DeleteModelPackage": Needed(_named(_PACKAGE, "ModelPackageName")),
    "CreateModel": Needed(_named("model", "ModelName"), creates=True, role="ExecutionRoleArn"),
    "DescribeModel": Needed(_named("model", "ModelName")),
    "ListModels": _LIST,
    "DeleteModel": Needed(_named("model", "ModelName")),
    "CreateEndpointConfig": Needed(
        _named("endpoint-config", "EndpointConfigName"), creates=True, role="ExecutionRoleArn"
    ),
    "DescribeEndpointConfig": Needed(_named("endpoint-config", "EndpointConfigName")),
    "ListEndpointConfigs": _LIST,
    "DeleteEndpointConfig": Needed(_named("endpoint-config", "EndpointConfigName")),
    "CreateEndpoint": Needed(_both(_CONFIG), creates=True),
    "DescribeEndpoint": Needed(_named("endpoint", "EndpointName")),
    "ListEndpoints": _LIST,
    "UpdateEndpoint": Needed(_both(_CONFIG)),
    "DeleteEndpoint": Needed(_named("endpoint", "EndpointName")),
    "InvokeEndpoint": Needed(_named("endpoint", "EndpointName")),
    "AddTags": Needed(_tagged),
    "ListTags": Needed(_tagged),
    "DeleteTags": Needed(_tagged),
    "Search": _LIST,
    "DescribePipeline": Needed(_named("pipeline", "PipelineName")),
    "ListPipelines": _LIST,
    "ListExperiments": _LIST,
    "ListTrials": _LIST,
    "ListArtifacts": _LIST,
    "ListActions": _LIST,
    "ListContexts": _LIST,
    "ListAssociations": _LIST,
}

# Where a request has the values of condition keys.
_TRAINING, _CLUSTER = "TrainingJobDefinition", "ProcessingResources.ClusterConfig"
_RESOURCES = ("ResourceConfig", _CLUSTER, "TransformResources", f"{_TRAINING}.ResourceConfig")
_NETWORKS = ("VpcConfig", "NetworkConfig.VpcConfig", f"{_TRAINING}.VpcConfig")
_OUTPUTS = (
    "OutputDataConfig",
    "ProcessingOutputConfig",
    "TransformOutput",
    f"{_TRAINING}.OutputDataConfig",
)
_SWITCHED = ("", "NetworkConfig.", f"{_TRAINING}.")
_PATHS: Mapping[str, tuple[str, ...]] = {
    "InstanceTypes": (
        *(f"{one}.InstanceType" for one in _RESOURCES),
        "ProductionVariants[].InstanceType",
    ),
    "MaxRuntimeInSeconds": (
        "StoppingCondition.MaxRuntimeInSeconds",
        f"{_TRAINING}.StoppingCondition.MaxRuntimeInSeconds",
    ),
    "KeepAlivePeriod": ("ResourceConfig.KeepAlivePeriodInSeconds",),
    "NetworkIsolation": tuple(f"{one}EnableNetworkIsolation" for one in _SWITCHED),
    "InterContainerTrafficEncryption": tuple(
        f"{one}EnableInterContainerTrafficEncryption" for one in _SWITCHED
    ),
    "OutputKmsKey": tuple(f"{one}.KmsKeyId" for one in _OUTPUTS),
    "VolumeKmsKey": ("KmsKeyId", *(f"{one}.VolumeKmsKeyId" for one in _RESOURCES)),
    "VpcSubnets": tuple(f"{one}.Subnets[]" for one in _NETWORKS),
    "VpcSecurityGroupIds": tuple(f"{one}.SecurityGroupIds[]" for one in _NETWORKS),
    "ModelApprovalStatus": ("ModelApprovalStatus",),
    "ServerlessMaxConcurrency": ("ProductionVariants[].ServerlessConfig.MaxConcurrency",),
    "ServerlessMemorySize": ("ProductionVariants[].ServerlessConfig.MemorySizeInMB",),
}
_MODELS = ("ModelName", "ProductionVariants[].ModelName")


def asks(request: Request, *, store: Store, context: Context) -> list[Ask]:
    """Return what a caller must be allowed for a request.

    Args:
        request: Validated.
        store: Where the tags of resources are.
        context: What is known of the caller.
    """
    needed = NEEDED[request.operation]
    members: Any = request.members
    told = context.having(_values(request))
    resources = needed.resources(request)
    found = [
        Ask(f"sagemaker:{request.operation}", one, told.having(_tags_of(store, one)))
        for one in resources
    ]
    if needed.creates and members.get("Tags"):
        tagging = told.having({"sagemaker:TaggingAction": (request.operation,)})
        found.append(Ask("sagemaker:AddTags", resources[0], tagging))
    for role in passed_roles(request):
        passing = {
            "iam:PassedToService": (SERVICE,),
            "iam:AssociatedResourceArn": (resources[0],),
        }
        untold = Context(context.values, ("aws:resourcetag/",))
        found.append(Ask("iam:PassRole", role, untold.having(passing)))
    return found


def passed_roles(request: Request) -> list[str]:
    """Return the roles that a request passes to SageMaker."""
    path = NEEDED[request.operation].role
    return [str(role) for role in values_at(request.members, path)] if path else []


def _values(request: Request) -> dict[str, tuple[str, ...]]:
    members: Any = request.members
    found: dict[str, tuple[str, ...]] = {}
    for key, paths in _PATHS.items():
        values = [_text(value) for path in paths for value in values_at(members, path)]
        if values:
            found[f"sagemaker:{key}"] = tuple(values)
    models = [str(name) for path in _MODELS for name in values_at(members, path)]
    if models and request.operation in ("CreateTransformJob", "CreateEndpointConfig"):
        found["sagemaker:ModelArn"] = tuple(_arn(request, "model", name) for name in models)
    tags = members.get("Tags", [])
    keys = [*(tag["Key"] for tag in tags), *members.get("TagKeys", [])]
    if keys:
        found["aws:TagKeys"] = tuple(keys)
    found |= {f"aws:RequestTag/{tag['Key']}": (tag["Value"],) for tag in tags}
    for name, value in members.get("CustomerMetadataProperties", {}).items():
        found[f"sagemaker:CustomerMetadataProperties/{name}"] = (value,)
    return found


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tags_of(store: Store, resource: str) -> dict[str, tuple[str, ...]]:
    tags: Any = get_tags(store, resource)
    return {
        f"{prefix}:ResourceTag/{tag['Key']}": (tag["Value"],)
        for prefix in ("aws", "sagemaker")
        for tag in tags
    }
