"""The library of gated retraining: requests, gate, registry, and the operators that use them.

It knows no particular pipeline: a pipeline is one DAG file and one folder of scripts.
"""
