"""One SageMaker job of any kind: its request, its name, the wait for its end, its log.

It knows jobs; it must not know pipelines, metrics or versions.
"""
