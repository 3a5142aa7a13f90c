"""What the scripts of every pipeline share; it travels as ``kit/`` in each code archive.

It knows SageMaker's places in a container, CSV tables, splits, metrics, reports and model archives.
It must not know a pipeline: no column, feature, label or model of one. It imports numpy, pandas,
scikit-learn and joblib, of the versions that the job's image happens to have, on Python 3.10 and
newer.
"""
