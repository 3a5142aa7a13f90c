"""The page "Model quality" of Airflow's UI: an app of its own inside the API server."""
