"""The kinds of jobs that there are."""

from __future__ import annotations

from local_sagemaker.jobs.processing import PROCESSING
from local_sagemaker.jobs.training import TRAINING
from local_sagemaker.transform.transform_job import TRANSFORM
from local_sagemaker.tuning.tuning_job import TUNING

KINDS = (PROCESSING, TRAINING, TRANSFORM, TUNING)
