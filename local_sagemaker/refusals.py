"""Members that the API takes and this emulator does not act on: refused by name, never dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local_sagemaker.errors import unsupported


@dataclass(frozen=True, slots=True)
class Refusal:
    """A member, or some of its values, that is refused.

    Attributes:
        path: Members from the request down, with ``[]`` after a list's name.
        allowed: The values that are not refused; none if the member itself is refused.
    """

    path: str
    allowed: tuple[object, ...] = ()


def _only(path: str, *allowed: object) -> Refusal:
    return Refusal(path, allowed)


def _container(path: str) -> tuple[Refusal, ...]:
    source = f"{path}.ModelDataSource.S3DataSource"
    return (
        _only(f"{path}.ImageConfig.RepositoryAccessMode", "Platform"),
        _only(f"{path}.Mode", "SingleModel"),
        _only(f"{source}.ModelAccessConfig"),
        _only(f"{source}.HubAccessConfig"),
        _only(f"{source}.ManifestS3Uri"),
        _only(f"{path}.AdditionalModelDataSources"),
        _only(f"{path}.InferenceSpecificationName"),
        _only(f"{path}.MultiModelConfig"),
        _only(f"{path}.ContainerMetricsConfig"),
    )


# Of a training job, whether a caller defines it or a tuner.
_TRAINING = (
    _only("AlgorithmSpecification.AlgorithmName"),
    _only("AlgorithmSpecification.TrainingInputMode", "File", "FastFile"),
    _only("InputDataConfig[].InputMode", "File", "FastFile"),
    _only("InputDataConfig[].CompressionType", "None"),
    _only("InputDataConfig[].RecordWrapperType", "None"),
    _only("InputDataConfig[].ShuffleConfig"),
    _only("InputDataConfig[].DataSource.FileSystemDataSource"),
    _only("InputDataConfig[].DataSource.DatasetSource"),
    _only("InputDataConfig[].DataSource.S3DataSource.S3DataType", "S3Prefix", "ManifestFile"),
    _only("InputDataConfig[].DataSource.S3DataSource.AttributeNames"),
    _only("InputDataConfig[].DataSource.S3DataSource.InstanceGroupNames"),
    _only("InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig"),
    _only("InputDataConfig[].DataSource.S3DataSource.HubAccessConfig"),
    _only("ResourceConfig.InstanceGroups"),
    _only("ResourceConfig.InstancePlacementConfig"),
    _only("ResourceConfig.InstancePreferences"),
    _only("ResourceConfig.TrainingPlanArn"),
)

REFUSALS: Mapping[str, tuple[Refusal, ...]] = {
    "CreateProcessingJob": (
        _only("ProcessingInputs[].AppManaged", False),
        _only("ProcessingInputs[].DatasetDefinition"),
        _only("ProcessingInputs[].S3Input.S3InputMode", "File"),
        _only("ProcessingInputs[].S3Input.S3CompressionType", "None"),
        _only("ProcessingOutputConfig.Outputs[].AppManaged", False),
        _only("ProcessingOutputConfig.Outputs[].FeatureStoreOutput"),
        _only("ProcessingOutputConfig.Outputs[].S3Output.S3UploadMode", "EndOfJob"),
        _only("ProcessingResources.ClusterConfig.InstancePreferences"),
    ),
    "CreateTrainingJob": (
        *_TRAINING,
        _only("AlgorithmSpecification.TrainingImageConfig.TrainingRepositoryAuthConfig"),
        _only("DebugRuleConfigurations"),
        _only("ProfilerRuleConfigurations"),
        _only("TensorBoardOutputConfig"),
        _only("RemoteDebugConfig.EnableRemoteDebug", False),
        _only("SessionChainingConfig.EnableSessionTagChaining", False),
        _only("ServerlessJobConfig"),
        _only("MlflowConfig"),
        _only("ModelPackageConfig"),
    ),
    "CreateHyperParameterTuningJob": (
        _only("HyperParameterTuningJobConfig.Strategy", "Bayesian", "Random", "Grid"),
        _only("HyperParameterTuningJobConfig.StrategyConfig"),
        _only("HyperParameterTuningJobConfig.ResourceLimits.MaxRuntimeInSeconds"),
        _only("HyperParameterTuningJobConfig.ParameterRanges.AutoParameters"),
        _only("HyperParameterTuningJobConfig.TrainingJobEarlyStoppingType", "Off"),
        *(
            _only(f"HyperParameterTuningJobConfig.TuningJobCompletionCriteria.{criterion}")
            for criterion in ("BestObjectiveNotImproving", "ConvergenceDetected")
        ),
        _only("TrainingJobDefinition.TuningObjective"),
        _only("TrainingJobDefinition.HyperParameterRanges"),
        *(Refusal(f"TrainingJobDefinition.{one.path}", one.allowed) for one in _TRAINING),
        *(
            _only(f"TrainingJobDefinition.HyperParameterTuningResourceConfig.{member}")
            for member in ("AllocationStrategy", "InstanceConfigs")
        ),
        _only("TrainingJobDefinitions"),
        _only("WarmStartConfig"),
        _only("Autotune"),
    ),
    "CreateTransformJob": (
        _only("TransformInput.DataSource.S3DataSource.S3DataType", "ManifestFile", "S3Prefix"),
        _only("TransformInput.SplitType", "None", "Line"),
        _only("DataCaptureConfig"),
        _only("TransformResources.TransformAmiVersion"),
    ),
    "CreateModelPackage": (
        _only("ValidationSpecification"),
        _only("SourceAlgorithmSpecification"),
        _only("CertifyForMarketplace", False),
        _only("ManagedStorageType"),
    ),
    "CreateModelPackageGroup": (_only("ManagedConfiguration"),),
    "CreateModel": (
        *_container("PrimaryContainer"),
        *_container("Containers[]"),
        _only("InferenceExecutionConfig"),
    ),
    "CreateEndpointConfig": (
        _only("ProductionVariants[].InstancePools"),
        _only("ProductionVariants[].AcceleratorType"),
        _only("ProductionVariants[].CoreDumpConfig"),
        _only("ProductionVariants[].EnableSSMAccess", False),
        _only("ProductionVariants[].ManagedInstanceScaling"),
        _only("ProductionVariants[].InferenceAmiVersion"),
        _only("ProductionVariants[].CapacityReservationConfig"),
        _only("DataCaptureConfig.EnableCapture", False),
        _only("AsyncInferenceConfig"),
        _only("ExplainerConfig"),
        _only("ShadowProductionVariants"),
        _only("ExecutionRoleArn"),
        _only("MetricsConfig"),
    ),
    "CreateEndpoint": (_only("DeploymentConfig"),),
    "UpdateEndpoint": (
        _only("RetainAllVariantProperties", False),
        _only("ExcludeRetainedVariantProperties"),
        _only("DeploymentConfig"),
        _only("RetainDeploymentConfig", False),
    ),
    "ListTrainingJobs": (_only("WarmPoolStatusEquals"), _only("TrainingPlanArnEquals")),
    "ListModelPackageGroups": (_only("CrossAccountFilterOption", "SameAccount"),),
    "Search": (
        _only("CrossAccountFilterOption", "SameAccount"),
        _only("VisibilityConditions"),
    ),
}


def refuse_unsupported(operation: str, request: Mapping[str, object]) -> None:
    """Stop a request that asks for something that would silently not happen.

    Raises:
        ServiceError: ``UnsupportedOperation``, naming the verb, the member and its value. An empty
            list asks for nothing and is let through.
    """
    for refusal in REFUSALS.get(operation, ()):
        for value in values_at(request, refusal.path):
            if value in refusal.allowed or value in ([], {}, None):
                continue
            instead = " or ".join(map(str, refusal.allowed))
            only = f"; only {instead} is" if instead else ""
            raise unsupported(
                f"{operation}: {refusal.path} = {value!r} is not emulated here{only}."
            )


def values_at(request: object, path: str) -> Iterator[object]:
    """Yield what a request has at a path, see `Refusal`; a list's name may also end it."""
    name, _, rest = path.partition(".")
    held = request.get(name.removesuffix("[]")) if isinstance(request, Mapping) else None
    if held is None:
        return
    for member in held if name.endswith("[]") else [held]:
        if rest:
            yield from values_at(member, rest)
        else:
            yield member
