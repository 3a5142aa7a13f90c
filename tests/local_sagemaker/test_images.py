"""What stands for the images: environments, and programs for what they do by themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.images import (
    OWN_PROGRAM,
    Images,
    find_environment,
    image_table,
    unfinished_mark,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_sagemaker.images import Image

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "local_sagemaker" / "images"
ENVIRONMENTS = ROOT / ".local" / "images"


def needs(environment: str) -> list[pytest.MarkDecorator]:
    """Those with PyTorch are made only for who names them."""
    is_large = (FOLDER / environment / "torch.in").exists()
    is_missing = is_large and not (ENVIRONMENTS / environment).exists()
    how = f"there is no {environment} here: make .local/images/{environment}/.installed"
    return [pytest.mark.skipif(is_missing, reason=how)]


def each(images: Iterable[Image]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "image",
        [pytest.param(image, marks=needs(image.environment)) for image in images],
        ids=lambda image: image.environment,
    )


IMAGES = each(image_table())
# One of those that share an environment is enough.
INSTALLED = each({image.environment: image for image in image_table()}.values())


def listed_in(folder: Path, ending: str) -> list[str]:
    """The lines of an image's lists; torch, of which a user may take another build, has its own."""
    files = [folder / f"{name}.{ending}" for name in ("requirements", "torch")]
    texts = [file.read_text(encoding="utf-8") for file in files if file.exists()]
    return [line for text in texts for line in text.splitlines()]


def installed_in(environment: str) -> dict[str, str]:
    """What an environment has, by the names' one spelling."""
    listed = "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"
    python = ENVIRONMENTS / environment / "bin" / "python3"
    done = subprocess.run([python, "-c", listed], capture_output=True, text=True, check=True)
    pairs = (line.split() for line in done.stdout.splitlines())
    return {canonicalize_name(name): version for name, version in pairs}


@IMAGES
def test_an_image_is_found_whatever_its_registry(image):
    for tag in image.tags:
        for registry in ("", "683313688378.dkr.ecr.us-east-1.amazonaws.com/", "localhost:5000/"):
            found = find_environment(f"{registry}{image.repository}:{tag}", Images(ENVIRONMENTS))
            assert found.image == image
            assert found.folder == ENVIRONMENTS / image.environment


@IMAGES
def test_a_missing_environment_is_refused_with_the_command_that_makes_it(image, tmp_path):
    uri = f"{image.repository}:{image.tags[0]}"
    command = f"Run `python -m local_sagemaker images {image.environment} --images {tmp_path}`."
    with pytest.raises(RequestInvalidError, match=f"{uri} is not installed.*{command}"):
        find_environment(uri, Images(tmp_path))
    # Nor does anything run in one that is half made.
    python = tmp_path / image.environment / "bin" / "python3"
    python.parent.mkdir(parents=True)
    python.touch()
    assert find_environment(uri, Images(tmp_path)).folder == tmp_path / image.environment
    unfinished_mark(tmp_path / image.environment).touch()
    with pytest.raises(
        RequestInvalidError, match=f"it is being made, or that has failed.*{command}"
    ):
        find_environment(uri, Images(tmp_path))


@INSTALLED
def test_an_images_libraries_are_locked_and_installed_as_listed(image):
    folder, installed = FOLDER / image.environment, installed_in(image.environment)
    locked = {
        canonicalize_name(pin.name): pin
        for line in listed_in(folder, "txt")
        if line[:1].isalpha() and (pin := Requirement(line.rstrip(" \\")))
    }
    wanted = [
        Requirement(text)
        for line in listed_in(folder, "in")
        if (text := line.partition("#")[0].strip())
    ]
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        assert str(locked[name].specifier).startswith("=="), requirement
        assert requirement.specifier.contains(installed[name]), requirement
    for name, version in installed.items():
        assert locked[name].specifier.contains(version), (name, version)


# requirements.txt of aws/sagemaker-scikit-learn-container, with what the Dockerfile adds: at
# 8782528 docker/1.4-2-py312/base/Dockerfile.cpu, at 44a0cdc docker/1.2-1-1/base/Dockerfile.cpu.
PINS = {
    "sklearn-1.4-2": """
        boto3==1.28.57 cryptography==46.0.7 Flask==1.1.1 gevent==23.9.1 gunicorn==23.0.0
        itsdangerous==2.0.1 jinja2<3 MarkupSafe<2 multi-model-server==1.1.1 numpy==2.1.0
        pandas==2.3.2 protobuf==3.20.2 psutil==5.7.2 pyarrow==17.0.0 python-dateutil PyYAML==6.0.1
        retrying==1.3.3 sagemaker-containers==2.8.6.post2 sagemaker-inference==1.2.0
        sagemaker-training==4.8.0 scikit-learn==1.4.2 scipy>=1.9 six==1.16.0 urllib3==1.26.17
        Werkzeug==2.0.3
    """,
    "sklearn-1.2-1": """
        boto3==1.28.57 botocore>=1.31.57,<1.32.0 cryptography Flask==1.1.1 itsdangerous==2.0.1
        gunicorn==23.0.0 model-archiver==1.0.3 multi-model-server==1.1.1 pandas==1.5.3
        protobuf==3.20.2 psutil==5.7.2 python-dateutil==2.8.1 retrying==1.3.3
        sagemaker-containers==2.8.6.post2 sagemaker-inference==1.2.0 sagemaker-training==4.8.0
        scikit-learn==1.2.1 scipy==1.9.3 urllib3==1.26.17 six==1.15.0 jinja2==3.0.3
        MarkupSafe==2.1.1 numpy==1.24.1 gevent==23.9.1 Werkzeug==2.0.3 setuptools wheel certifi
        PyYAML==6.0.1 pyarrow==14.0.1
    """,
}


@pytest.mark.parametrize("environment", PINS)
def test_the_scikit_learn_images_pins_are_its_containers(environment):
    installed = installed_in(environment)
    others = {
        pin.name: installed[canonicalize_name(pin.name)]
        for pin in map(Requirement, PINS[environment].split())
        if not pin.specifier.contains(installed[canonicalize_name(pin.name)])
    }
    # What requirements.in says cannot be installed as it is there.
    assert others == {"psutil": "6.0.0"}


def test_what_the_scikit_learn_image_has_can_be_imported(tmp_path):
    asked = """
        import flask, mms, requests, sagemaker_containers.beta.framework, sagemaker_inference, yaml
        import numpy as np, pandas as pd
        from sagemaker_containers.beta.framework import encoders, worker
        from sagemaker_inference import decoder
        from sklearn.ensemble import HistGradientBoostingRegressor
        import io, pickle
        table = pd.DataFrame({"a": [1.5, None], "b": ["x", "y"]})
        table.to_parquet("t.parquet")
        assert pd.read_parquet("t.parquet").equals(table)
        try:
            np.NaN
        except AttributeError as error:
            assert "was removed in the NumPy 2.0 release" in str(error)
        else:
            raise AssertionError("np.NaN")
        rows = np.arange(80.0).reshape(40, 2)
        model = HistGradientBoostingRegressor().fit(rows, rows.sum(axis=1))
        again = pickle.loads(pickle.dumps(model))
        assert np.array_equal(again.predict(rows), model.predict(rows))
        file = io.BytesIO()
        np.save(file, np.array([None]), allow_pickle=True)
        try:
            decoder.decode(file.getvalue(), "application/x-npy")
        except ValueError as error:
            assert "allow_pickle=False" in str(error)
        else:
            raise AssertionError("unpickled")
    """
    python = ENVIRONMENTS / "sklearn-1.4-2" / "bin" / "python3"
    ended = subprocess.run(
        [python, "-W", "ignore", "-c", textwrap.dedent(asked)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("environment", PINS)
def test_the_scikit_learn_images_train_is_the_newer_toolkits(environment):
    train = (ENVIRONMENTS / environment / "bin" / "train").read_text(encoding="utf-8")
    assert "from sagemaker_training.cli.train import main" in train


def test_an_older_image_trains_by_its_toolkit_and_serves_what_it_has_trained(bench, poll):
    uri = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
    script = """
        import os, joblib, numpy as np, sklearn
        from pathlib import Path
        from sklearn.linear_model import LinearRegression
        folder = Path(os.environ["SM_MODEL_DIR"])
        rows = np.arange(20.0).reshape(10, 2)
        joblib.dump(LinearRegression().fit(rows, rows.sum(axis=1)), folder / "model.joblib")
        (folder / "code").mkdir()
        (folder / "code" / "entry.py").write_text(
            "import joblib\\ndef model_fn(at):\\n    return joblib.load(at + '/model.joblib')"
        )
        print("trained by", sklearn.__version__)
    """
    request = bench.training_request(script, toolkit=True, algorithm={"TrainingImage": uri})
    job = bench.run(request)
    assert job["TrainingJobStatus"] == "Completed", bench.lines(job["TrainingJobName"])
    assert "trained by 1.2.1" in bench.lines(job["TrainingJobName"])
    name, sagemaker = bench.name("older"), bench.sagemaker
    code = "/opt/ml/model/code"
    container = {
        "Image": uri,
        "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        "Environment": {"SAGEMAKER_PROGRAM": "entry.py", "SAGEMAKER_SUBMIT_DIRECTORY": code},
    }
    sagemaker.create_model(ModelName=name, PrimaryContainer=container)
    variant = {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    poll(
        lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating",
        what="the endpoint",
    )
    answer = bench.server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, ContentType="text/csv", Accept="text/csv", Body=b"1,2\n3,4\n"
    )
    assert [*map(float, answer["Body"].read().split())] == pytest.approx([3, 7])
    sagemaker.delete_endpoint(EndpointName=name)


@INSTALLED
def test_an_images_programs_pass_the_type_checker_in_its_environment(image, tmp_path):
    check_types(FOLDER / image.program, ENVIRONMENTS / image.environment, tmp_path)


def test_the_program_of_peoples_own_containers_passes_the_type_checker(tmp_path):
    check_types(FOLDER / OWN_PROGRAM, Path(sys.prefix), tmp_path)


def check_types(folder: Path, environment: Path, cache: Path) -> None:
    """Let the type checker look at an image's programs."""
    command = [
        sys.executable, "-m", "mypy", "--config-file=", "--strict", "--explicit-package-bases",
        "--ignore-missing-imports", "--cache-dir", str(cache), "--python-executable",
        str(environment / "bin" / "python3"),
        *sorted(file.name for file in folder.glob("*.py")),
    ]  # fmt: skip
    variables = {**os.environ, "MYPYPATH": "."}
    ended = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
