"""The page "Model quality" of Airflow's UI: an app of its own inside the API server.

It reads Airflow's database, records, versions and endpoints; it must not know the report on past
runs, and nothing below may import it.
"""
