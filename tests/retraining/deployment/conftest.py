from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from retraining.deployment import endpoints

from tests.retraining.deployment.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def shop(embedded_sagemaker: Any) -> Iterator[Shop]:
    made = Shop(embedded_sagemaker)
    yield made
    if endpoints.find(made.client, made.group):
        made.client.delete_endpoint(EndpointName=made.group)
