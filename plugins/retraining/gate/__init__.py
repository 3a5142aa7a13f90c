"""Judges an evaluation report by conditions, and is the one reader of such reports.

It knows reports, conditions and verdicts; it must not know AWS, Airflow or a pipeline.
"""
