"""Hyperparameter tuning: training jobs whose hyperparameters are searched."""
