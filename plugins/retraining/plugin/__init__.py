"""What Airflow calls by itself: buttons on tasks, listeners, priority, imports ahead.

It knows Airflow's hooks; what they need beyond that it asks of the other rooms, late.
"""
