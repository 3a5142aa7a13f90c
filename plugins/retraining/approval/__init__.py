"""Asks a person in Airflow whether a version may be deployed.

It reads reports, versions and endpoints; it must not know how past runs or the page show them.
"""
