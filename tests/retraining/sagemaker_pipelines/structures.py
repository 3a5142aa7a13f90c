"""Small pipelines of the SageMaker SDK, one for each thing that a graph can do.

Run as a program it writes their definitions into ``definitions/``. Their work is done by Model
steps, whose container has what is to be known of a run in an environment variable.
"""

# ruff: noqa: E402 - the SDK asks for its environment when it is imported
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

# What the SDK asks for when it is imported; a test sets it for itself.
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "unused",
    "AWS_SECRET_ACCESS_KEY": "unused",
    "SAGEMAKER_VALIDATE_ROLE": "false",
}
if __name__ == "__main__":
    os.environ |= ENVIRONMENT

from sagemaker.core.workflow.conditions import (
    ConditionEquals,
    ConditionGreaterThan,
    ConditionIn,
    ConditionNot,
    ConditionOr,
)
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import (
    ParameterBoolean,
    ParameterFloat,
    ParameterInteger,
    ParameterString,
)
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.serve import ModelBuilder

FOLDER = Path(__file__).with_name("definitions")
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
ROLE = "arn:aws:iam::123456789012:role/gated-retraining-local"
MODEL = "s3://gated-retraining-local/structures/model.tar.gz"
NUMBER = ParameterInteger("Number", default_value=1)


def session() -> PipelineSession:
    made = PipelineSession(default_bucket="gated-retraining-local")
    made._default_bucket = "gated-retraining-local"
    return made


SESSION = session()


def work(name: str, *, value: Any = "x", depends_on: Any = None) -> ModelStep:
    builder = ModelBuilder(
        image_uri=IMAGE,
        s3_model_data_url=MODEL,
        env_vars={"VALUE": value},
        role_arn=ROLE,
        sagemaker_session=SESSION,
    )
    return ModelStep(name=name, step_args=builder.build(), depends_on=depends_on)


def check(name: str, then: Any = (), otherwise: Any = (), *, if_: Any = None, **more: Any) -> Any:
    """A condition that holds for the Number 1, unless others are given."""
    return ConditionStep(
        name=name,
        conditions=if_ or [ConditionEquals(NUMBER, 1)],
        if_steps=list(then),
        else_steps=list(otherwise),
        **more,
    )


def pipelines() -> dict[str, Pipeline]:
    """Return all of them by the name of their file."""
    found: dict[str, list[Any]] = {}
    found["if_only"] = [check("Check", [work("Yes")]), work("Apart")]
    found["if_else"] = [check("Check", [work("Yes")], [work("No")])]
    found["else_only"] = [check("Check", [], [work("No")])]
    found["empty_arms"] = [check("Check"), work("Apart")]

    deepest = check(
        "C3",
        [work("Deep")],
        [FailStep("Stop", error_message=Join(" ", ["stopped at", NUMBER]))],
        if_=[ConditionGreaterThan(NUMBER, 5)],
    )
    middle = check("C2", [work("Middle")], [deepest], if_=[ConditionIn(NUMBER, [2, 3])])
    found["three_deep"] = [
        check("C1", [work("Shallow")], [middle, work("Beside")], if_=[ConditionEquals(NUMBER, 1)])
    ]

    yes, no = work("Yes"), work("No")
    found["join_of_both_arms"] = [
        check("Check", [yes], [no]),
        work("Joined", depends_on=[yes, no]),
    ]
    found["join_after_the_condition"] = [
        (chosen := check("Check", [work("Yes")], [work("No")])),
        work("After", depends_on=[chosen]),
        work("Later", depends_on=["After"]),
    ]
    found["join_of_one_arm"] = [
        check("Check", [work("Yes")], [work("No")]),
        work("After", depends_on=["Yes"]),
    ]
    found["chain_in_an_arm"] = [
        check("Check", [work("A"), work("B", depends_on=["A"])], [work("D")]),
        work("E", depends_on=["B"]),
        work("F", depends_on=["E"]),
    ]
    found["arm_that_waits_for_the_other"] = [
        check("Check", [work("A")], [work("B", depends_on=["A"])]),
    ]
    found["arm_that_waits_for_one_outside"] = [
        check("Check", [work("A", depends_on=["Outside"])], [work("B", depends_on=["Outside"])]),
        work("Outside"),
    ]
    first = check("First", [work("A")])
    found["outcome_of_a_condition"] = [
        first,
        check("Second", [work("B")], [work("C")], if_=[
            ConditionEquals(first.properties.Outcome, True)
        ]),
    ]  # fmt: skip
    found["fail_alone"] = [FailStep("Stop", error_message=Join("=", ["Number", NUMBER]))]
    found["fail_in_an_arm"] = [
        check("Check", [work("Yes")], [FailStep("Stop", error_message="the number is not 1")])
    ]
    found["incomparable"] = [
        check("Check", [work("Yes")], [work("No")], if_=[
            ConditionOr([ConditionNot(ConditionGreaterThan(NUMBER, "one"))])
        ]),
    ]  # fmt: skip
    rate = ParameterFloat("Rate", default_value=0.5)
    name = ParameterString("Text", default_value="good", enum_values=["good", "{{ ds }}"])
    flag = ParameterBoolean("Flag", default_value=False)
    told = work("Told", value=Join("|", [NUMBER, rate, name, ExecutionVariables.PIPELINE_NAME]))
    found["values"] = [
        told,
        work("Asked", value=Join("/", [
            told.properties.PrimaryContainer.Image,
            told.properties.PrimaryContainer.Environment["VALUE"],
        ])),
        check("Check", [work("Yes", value=name)], [work("No", value=name)], if_=[
            ConditionEquals(flag, True),
            ConditionGreaterThan(rate, 0.25),
        ]),
    ]  # fmt: skip
    parameters = {"values": [NUMBER, rate, name, flag]}
    return {
        file: Pipeline(
            name=file.replace("_", "-"),
            parameters=parameters.get(file, [NUMBER]),
            steps=steps,
            sagemaker_session=SESSION,
        )
        for file, steps in found.items()
    }


def definition(pipeline: Pipeline) -> str:
    return json.dumps(json.loads(pipeline.definition()), indent=2) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, pipeline in pipelines().items():
        (FOLDER / f"{file}.json").write_text(definition(pipeline), encoding="utf-8")
