"""Processing and training jobs: real processes in the environment of the image they name."""
