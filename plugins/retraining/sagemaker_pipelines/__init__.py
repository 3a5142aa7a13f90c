"""Runs a SageMaker Pipelines definition as an Airflow DAG, with the same meaning.

It knows the definition's JSON and turns it into the operators of the rooms below; it must not know
boto3, a pipeline, or the SageMaker SDK. ``compiler.pipeline_dag`` is the door.
"""
