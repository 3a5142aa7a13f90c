"""The task of a Cleanup step: it deletes what steps of the same run have written on S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from retraining import naming
from retraining.aws import clients
from retraining.sagemaker_pipelines.execution import JOB_TYPES
from retraining.sagemaker_pipelines.step_task import StepTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow.sdk import Context

    from retraining.sagemaker_pipelines.execution import Execution

# So many objects one request deletes.
_MOST = 1_000


class CleanupStepOperator(StepTask):
    """Executes a Cleanup step: deletes outputs of jobs that this run has started, and of no other.

    Of a Training step these are all objects of its job's output; of a Processing or Transform step
    those that the step names, which lie below its outputs. What does not exist is deleted already.
    A job of an earlier run that stands for a step keeps its outputs: that run's model may be among
    them.

    Returns:
        ``deleted``: how many objects.
    """

    def run(self, execution: Execution, context: Context) -> dict[str, int]:
        """Delete them, after all have been looked at.

        Raises:
            AirflowFailException: The step names an object that its source has not written.
        """
        del context
        uris: list[str] = []
        for source in self.step_arguments["Resources"]["S3"]:
            uris += self._outputs(source["StepName"], source.get("S3Uris"), execution)
        s3 = clients.client("s3")
        by_bucket: dict[str, list[str]] = {}
        for bucket, key in map(naming.split_s3_uri, dict.fromkeys(uris)):
            by_bucket.setdefault(bucket, []).append(key)
        for bucket, keys in by_bucket.items():
            for start in range(0, len(keys), _MOST):
                _delete(s3, bucket, keys[start : start + _MOST])
        self.log.info("deleted %d objects: %s", len(uris), ", ".join(uris[:20]) or "none")
        return {"deleted": len({*uris})}

    def _outputs(self, name: str, named: list[str] | None, execution: Execution) -> list[str]:
        kind = self.compiled.nodes[name].step.kind
        job = execution.own_job(name)
        if job is None:
            self.log.info("%s has started no job in this run: nothing of it is deleted", name)
            return []
        described = JOB_TYPES[kind].describe(clients.client("sagemaker"), job)
        if described is None:
            raise AirflowFailException(f"step {self.step}: job {job} does not exist any more")
        if named is None:
            return [*_model_objects(described)]
        folders = [uri.rstrip("/") + "/" for uri in _output_uris(described)]
        for uri in named:
            if not any(str(uri).startswith(folder) for folder in folders):
                raise AirflowFailException(
                    f"step {self.step}: {uri} is no output of step {name}, whose outputs lie in"
                    f" {', '.join(folders) or 'no place on S3'}. Nothing was deleted"
                )
        return [str(uri) for uri in named]


def _model_objects(described: Mapping[str, Any]) -> Iterator[str]:
    uri = described.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
    folder = uri.rpartition("/")[0] + "/"
    # A failed job has left none; and what does not bear the job's name may be shared.
    if f"/{described['TrainingJobName']}/" not in folder:
        return
    bucket, prefix = naming.split_s3_uri(folder)
    pages = clients.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            yield f"s3://{bucket}/{item['Key']}"


def _output_uris(described: Mapping[str, Any]) -> Iterator[str]:
    for output in described.get("ProcessingOutputConfig", {}).get("Outputs", []):
        if "S3Output" in output:
            yield output["S3Output"]["S3Uri"]
    if "TransformOutput" in described:
        yield described["TransformOutput"]["S3OutputPath"]


def _delete(s3: Any, bucket: str, keys: Iterable[str]) -> None:
    answer = s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
    )
    if errors := answer.get("Errors"):
        told = "; ".join(f"{item.get('Key')}: {item.get('Code')}" for item in errors[:5])
        raise AirflowFailException(f"{len(errors)} objects of {bucket} were not deleted: {told}")
