"""What Airflow calls by itself: buttons on tasks, listeners, priority, imports ahead.

It knows Airflow's hooks; it must not know what they answer: that it asks of the other rooms, late.
"""
