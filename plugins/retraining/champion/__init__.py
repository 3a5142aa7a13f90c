"""The versions that a run is measured by: what serves, and whose data tonight's are compared with.

It knows versions and endpoints; it must not know a report's metrics, nor who asks.
"""
