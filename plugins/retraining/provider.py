"""What Airflow lists of the library when it is installed as a package."""

from __future__ import annotations

from importlib.metadata import version

PACKAGE = "gated-retraining"


def get_provider_info() -> dict[str, object]:
    """Return the entry of ``airflow providers list``, in the form of its provider_info schema.

    The plugin has an entry point of its own: named here as well, it would be loaded twice. There is
    no section ``config``, as all settings are environment variables.

    Raises:
        importlib.metadata.PackageNotFoundError: The library is not installed but lies in a folder.
    """
    return {
        "package-name": PACKAGE,
        "name": "Gated retraining",
        "description": "Retraining on SageMaker behind a quality gate; an endpoint kept verified.",
        "versions": [version(PACKAGE)],
    }
