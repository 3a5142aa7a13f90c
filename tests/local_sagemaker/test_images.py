"""What stands for the images: environments, and programs for what they do by themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.images import find_environment, image_table

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "local_sagemaker" / "images"
ENVIRONMENTS = ROOT / ".local" / "images"
IMAGES = pytest.mark.parametrize("image", image_table(), ids=lambda image: image.environment)


@IMAGES
def test_an_image_is_found_whatever_its_registry(image):
    for tag in image.tags:
        for registry in ("", "683313688378.dkr.ecr.us-east-1.amazonaws.com/", "localhost:5000/"):
            found = find_environment(f"{registry}{image.repository}:{tag}", ENVIRONMENTS)
            assert found.image == image
            assert found.folder == ENVIRONMENTS / image.environment


@IMAGES
def test_a_missing_environment_is_refused_with_the_command_that_makes_it(image, tmp_path):
    uri = f"{image.repository}:{image.tags[0]}"
    with pytest.raises(RequestInvalidError, match=f"{uri} is not installed.*{image.made_by}"):
        find_environment(uri, tmp_path)


@IMAGES
def test_an_images_libraries_are_locked(image):
    folder = FOLDER / image.environment
    wanted = [
        line.partition("#")[0].strip()
        for line in (folder / "requirements.in").read_text(encoding="utf-8").splitlines()
    ]
    locked = (folder / "requirements.txt").read_text(encoding="utf-8")
    for requirement in filter(None, wanted):
        separator = "" if "==" in requirement else "=="
        assert f"\n{requirement.lower()}{separator}" in locked, requirement


@IMAGES
def test_an_images_programs_pass_the_type_checker_in_its_environment(image, tmp_path):
    folder = FOLDER / image.program
    command = [
        sys.executable, "-m", "mypy", "--config-file=", "--strict", "--explicit-package-bases",
        "--ignore-missing-imports", "--cache-dir", str(tmp_path), "--python-executable",
        str(ENVIRONMENTS / image.environment / "bin" / "python3"),
        *sorted(file.name for file in folder.glob("*.py")),
    ]  # fmt: skip
    environment = {**os.environ, "MYPYPATH": "."}
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
