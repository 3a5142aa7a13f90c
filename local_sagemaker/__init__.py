"""An embedded SageMaker: jobs, logs and model registry on one machine, reached only over HTTP.

Start it with ``python -m local_sagemaker``; README.md tells what it answers, what it accepts
without effect, and what it refuses.
"""

from __future__ import annotations

__version__ = "0.1.0"
ACCOUNT = "123456789012"
