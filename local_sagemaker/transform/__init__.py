"""Batch transform: objects of S3 through a model's container, and back to S3."""
