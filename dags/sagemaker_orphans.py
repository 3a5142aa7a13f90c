"""Stop the SageMaker jobs that nobody waits for any more.

A job goes on, and costs money, when its task was ended by a person while no triggerer was there
to stop it. Every hour `stop_orphans` looks at the running jobs that carry this deployment's tags,
and stops those whose task has ended, or has been cleared and waits for a newer job. Jobs without
the tags are never touched, and neither are jobs of runs that this Airflow does not know.

Until `RETRAINING_STOP_ORPHANS` is `true`, it only writes into its log what it would stop.

### When it fails
SageMaker refused or did not answer, as the message says: mend the permissions
(`sagemaker:ListProcessingJobs`, `ListTrainingJobs`, `ListTags`, `StopProcessingJob`,
`StopTrainingJob`) if they are missing. The next hour's run does what this one did not.
"""

from __future__ import annotations

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from retraining import dag_defaults
from retraining.jobs import tasks

with DAG(
    dag_id="sagemaker_orphans",
    dag_display_name="SageMaker: orphaned jobs",
    doc_md=__doc__,
    schedule="@hourly",
    **dag_defaults.maintenance(),
) as dag:
    PythonOperator(task_id="stop_orphans", python_callable=tasks.stop_orphans)
