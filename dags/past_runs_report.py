"""Keep a page and a table about the past runs of every pipeline up to date.

Every hour `report_past_runs` finds the pipelines whose runs lie in the deployment's bucket. Where a
model was judged, approved or deployed since the report was made, it is made anew, of the newest 90
runs: `s3://<bucket>/<pipeline>/reports/history.html` and `history.csv`. The page shows each run's
verdict and metrics, the pipeline's headline metric first, and which version serves on the endpoint
that is named as the pipeline. Nothing else is written, and no job is started. To have a report at
once, trigger this DAG.

A record that cannot be read is told at the end of its page and in a line of the table, and of one
that can be read in part the rest is shown; no other run misses anything. What S3 did not give is
asked for again in the next hour. A run that waits for its data or hangs has no decision yet, and no
report waits for it.

### When it fails
The message names each pipeline whose report was not written, and why; the reports of all others
are. S3 refused or did not answer: mend the permissions (`s3:ListBucket`, `s3:GetObject`,
`s3:PutObject`) if they are missing. After 15 minutes the task is ended. No run waits for a report,
and the next hour's run does what this one did not.
"""

from __future__ import annotations

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from retraining import dag_defaults
from retraining.past_runs import tasks

with DAG(
    dag_id="past_runs_report",
    dag_display_name="Reports on past runs",
    doc_md=__doc__,
    schedule="@hourly",
    **dag_defaults.maintenance(),
) as dag:
    PythonOperator(task_id="report_past_runs", python_callable=tasks.report_past_runs)
