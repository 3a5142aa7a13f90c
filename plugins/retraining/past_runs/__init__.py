"""The decisions of past runs, read from their records: table, plots, what-if, report.

It reads records, versions and endpoints; it must not know Airflow's database or the page.
"""
