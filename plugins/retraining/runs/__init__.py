"""What one run of a retraining DAG works on and writes down: snapshot, code, image, records.

It knows where a run reads and writes; it must not know jobs, versions or endpoints.
"""
