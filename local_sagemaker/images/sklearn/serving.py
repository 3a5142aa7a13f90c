"""What the scikit-learn image answers an endpoint's calls, by the server code that it brings.

The image serves the WSGI application of AWS's `sagemaker-containers`, which is installed here, too.
Between it and a user's module is `sagemaker_sklearn_container.serving`, which is in no package
registry: this is written from what it does in aws/sagemaker-scikit-learn-container at 8782528.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
from sagemaker_containers.beta.framework import (
    content_types,
    encoders,
    env,
    files,
    transformer,
    worker,
)


def application() -> Any:
    """Load the model of `SAGEMAKER_PROGRAM`; return the application that answers its calls.

    Raises:
        SystemExit: There is no such module, or its requirements cannot be installed.
    """
    logging.basicConfig(
        format="%(asctime)s %(levelname)s - %(name)s - %(message)s", level=logging.INFO
    )
    serving = env.ServingEnv()
    name = serving.module_name
    if name is None:
        sys.exit("SAGEMAKER_PROGRAM is not set: the image serves no model without a module")
    code = Path(env.code_dir)
    try:
        files.download_and_extract(serving.module_dir, str(code))
    except OSError as error:
        sys.exit(f"SAGEMAKER_SUBMIT_DIRECTORY: {serving.module_dir} cannot be had: {error}")
    _install(code / "requirements.txt")
    sys.path.insert(0, str(code))
    if importlib.util.find_spec(name) is None:
        sys.exit(f"SAGEMAKER_PROGRAM: there is no module {name} in {serving.module_dir}")
    module = importlib.import_module(name)
    model = _transformer(module)
    model.initialize()
    return worker.Worker(
        transform_fn=model.transform,
        module_name=name,
        execution_parameters_fn=getattr(module, "execution_parameters_fn", None),
    )


def _transformer(module: Any) -> Any:
    functions = {
        name: getattr(module, name)
        for name in ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")
        if getattr(module, name, None) is not None
    }
    defaults = {"input_fn": _input, "predict_fn": _predict, "output_fn": _output}
    if "transform_fn" in functions:
        defaults = {}  # it does it all; the toolkit refuses the others beside it
    return transformer.Transformer(**{**defaults, **functions})


def _input(body: Any, content_type: str) -> Any:
    rows = encoders.decode(body, content_type)
    return rows.astype(np.float32) if content_type in content_types.UTF8_TYPES else rows


def _predict(rows: Any, model: Any) -> Any:
    return model.predict(rows)


def _output(prediction: Any, accept: str) -> Any:
    return worker.Response(encoders.encode(prediction, accept), mimetype=accept)


def _install(requirements: Path) -> None:
    # The image changes its own libraries. These here are everybody's: the model gets an environment
    # of its own, which begins as they are, and whose pip can change nothing outside of it.
    own = Path(tempfile.gettempdir(), "own-environment")
    if not requirements.is_file() or Path(sys.prefix) == own:
        return
    venv.create(own, symlinks=True)
    paths = {"base": str(own), "platbase": str(own)}
    libraries = Path(sysconfig.get_path("purelib", "venv", vars=paths))
    image = sysconfig.get_path("purelib")
    (libraries / "image.pth").write_text(f"import site; site.addsitedir({image!r})\n")
    python = str(own / "bin" / "python3")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "-r", str(requirements)]
    installed = subprocess.run(pip, cwd=requirements.parent, check=False)  # noqa: S603 -- no shell
    if installed.returncode:
        sys.exit(f"requirements.txt: pip has ended with code {installed.returncode}")
    os.execv(python, [python, *sys.orig_argv[1:]])  # noqa: S606 -- no shell
