"""The only AWS clients, what their errors say, and the console's addresses.

It knows services, regions and credentials; it must not know runs, jobs, models or endpoints.
"""
