"""Deploys the newest approved version with the `sagemaker` SDK, as its documentation shows it.

The settings come on stdin, results go to a file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sagemaker.core.resources import Endpoint, EndpointConfig, Model, ModelPackage
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant


def deploy(settings: dict[str, Any]) -> dict[str, Any]:
    approved = ModelPackage.get_all(
        model_package_group_name=settings["group"],
        model_approval_status="Approved",
        sort_by="CreationTime",
        sort_order="Descending",
    )
    newest = next(iter(approved))
    name = settings["name"]
    model = Model.create(
        model_name=name,
        primary_container=ContainerDefinition(model_package_name=newest.model_package_arn),
        execution_role_arn=settings["role"],
    )
    EndpointConfig.create(
        endpoint_config_name=name,
        production_variants=[
            ProductionVariant(
                variant_name="AllTraffic",
                model_name=model.model_name,
                # Not serverless: this SDK spells MemorySizeInMB so that botocore refuses it.
                instance_type="ml.m5.large",
                initial_instance_count=1,
            )
        ],
    )
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService", poll=1, timeout=60)
    answer = endpoint.invoke(body=b"1,2\n3,4\n", content_type="text/csv", accept="text/csv")
    results = {
        "version": newest.model_package_version,
        "status": endpoint.endpoint_status,
        "answer": answer.body.read().decode(),
        "variant": answer.invoked_production_variant,
        "listed": [listed.endpoint_name for listed in Endpoint.get_all(name_contains=name)],
    }
    endpoint.delete()
    endpoint.wait_for_delete(poll=1, timeout=60)
    return results


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(deploy(json.load(sys.stdin))))
