"""Runs of the project's DAG in Airflow's database, as if they had been: a program of its own.

    python seed.py < runs.json

`runs.json` is a list of objects with `dag_id`, `run_id`, `run_type`, `state`, `run_after` and
`xcoms`, which has a list of task, key and value. It needs the environment of the Airflow.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta

from airflow.models.dagbag import DBDagBag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

TOOK = timedelta(seconds=95)


def main() -> None:
    dags = DBDagBag()
    with create_session() as session:
        for told in json.load(sys.stdin):
            dag = dags.get_latest_version_of_dag(told["dag_id"], session=session)
            if dag is None:
                sys.exit(f"Airflow does not know {told['dag_id']}")
            due = datetime.fromisoformat(told["run_after"])
            has_ended = told["state"] in {"success", "failed"}
            run = dag.create_dagrun(
                run_id=told["run_id"],
                logical_date=due,
                data_interval=(due, due),
                run_after=due,
                run_type=DagRunType(told["run_type"]),
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState(told["state"]),
                start_date=due,
                session=session,
            )
            run.end_date = due + TOOK if has_ended else None
            for ti in run.task_instances:
                ti.state = TaskInstanceState.SUCCESS if has_ended else None
                ti.start_date, ti.end_date = (due, due + TOOK) if has_ended else (None, None)
            session.flush()
            for task_id, key, value in told["xcoms"]:
                session.add(
                    XComModel(
                        dag_run_id=run.id,
                        dag_id=run.dag_id,
                        run_id=run.run_id,
                        task_id=task_id,
                        key=key,
                        value=value,
                    )
                )
            session.flush()
            # As the scheduler does; the plugin listens.
            run.notify_dagrun_state_changed(msg="seeded")


if __name__ == "__main__":
    main()
