"""Making the environments that stand for images: which installer is asked for what."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from local_sagemaker import environments
from local_sagemaker.environments import main
from local_sagemaker.images import Image

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "local_sagemaker" / "images"
VERSION = f"cp3{sys.version_info.minor}"
PIN = next(
    line.split()[0]
    for line in (RECIPES / "pytorch-2.6.0" / "torch.txt").read_text().splitlines()
    if line.startswith("torch==")
)
# It notes what it is asked, and makes an environment without libraries.
UV = f"""#!/bin/sh
echo "$@" >> "$0.asked"
case "$1 $2" in
    "python find") echo {sys.executable};;
    "venv "*) for folder; do :; done; {sys.executable} -m venv --without-pip "$folder";;
    "pip install") case "$*" in *"$UV_FAILS"*) exit 7;; esac;;
esac
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "uv"
    program.write_text(UV)
    program.chmod(0o755)
    (tmp_path / "uv.asked").touch()
    monkeypatch.setenv("UV", str(program))
    monkeypatch.setenv("UV_FAILS", "nothing")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    return program


def asked(uv: Path, verb: str) -> list[str]:
    """What uv was asked, of one kind."""
    lines = Path(f"{uv}.asked").read_text().splitlines()
    return [line for line in lines if line.startswith(verb)]


def test_what_is_up_to_date_is_left_alone_until_its_recipe_changes(
    uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipes = tmp_path / "recipes"
    shutil.copytree(RECIPES / "xgboost-3.0-5", recipes / "xgboost-3.0-5")
    monkeypatch.setattr(environments, "RECIPES", recipes)
    images = tmp_path / "images"
    make = ["xgboost-3.0-5", "--images", str(images)]
    for changed, installs in ((None, 1), (None, 1), ("site/gethostname.py", 2), ("patch.py", 3)):
        if changed:
            (recipes / "xgboost-3.0-5" / changed).write_text("# another\n")
        assert main(make) == 0
        assert len(asked(uv, "pip install")) == installs, changed
    (installed,) = images.glob("xgboost-3.0-5/lib/python3*/site-packages/gethostname.py")
    assert installed.read_text() == "# another\n"
    assert [path.name for path in images.iterdir()] == ["xgboost-3.0-5"]
    capsys.readouterr()
    main(["--images", str(images)])
    listed = capsys.readouterr().out
    assert "xgboost-3.0-5    made         sagemaker-xgboost:3.0-5\n" in listed
    assert "xgboost-1.7-1    not made " in listed


@pytest.mark.usefixtures("uv")
def test_one_whose_making_fails_is_told_and_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = ["xgboost-3.0-5", "--images", str(tmp_path / "images")]
    unfinished = tmp_path / "images" / ".xgboost-3.0-5.unfinished"
    monkeypatch.setenv("UV_FAILS", "--require-hashes")
    assert main(make) == 1
    assert "images: xgboost-3.0-5: uv has ended with code 7" in capsys.readouterr().err
    assert unfinished.exists()
    assert not (tmp_path / "images" / "xgboost-3.0-5" / ".installed").exists()
    monkeypatch.setenv("UV_FAILS", "nothing")
    assert main(make) == 0
    assert not unfinished.exists()


def test_libraries_come_with_their_hashes_and_the_toolkits_without_a_compiler(
    uv: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    assert main(["sklearn-1.2-1", "--images", str(images)]) == 1  # nothing is there to be patched
    assert asked(uv, "python find") == ["python find --no-python-downloads 3.11"]
    (install,) = asked(uv, "pip install")
    python = images / "sklearn-1.2-1" / "bin" / "python"
    assert f"--python {python} --compile-bytecode --quiet --no-deps" in install
    assert "--config-settings-package sagemaker-training:extension=none" in install
    requirements = RECIPES / "sklearn-1.2-1" / "requirements.txt"
    assert install.endswith(f"--require-hashes -r {requirements}")


@pytest.mark.parametrize(
    ("named", "found", "installed"),
    [
        ("", "", f"--require-hashes -r {RECIPES}/pytorch-2.6.0/torch.txt"),
        ("/a b/torch.whl", "", "--no-deps /a b/torch.whl"),
        ("/a", "", f"--no-deps --no-index --find-links /a {PIN}"),
        ("https://a/b", "", f"--no-deps --index-url https://a/b {PIN}"),
        ("", "/none {here}", f"--no-deps --no-index --find-links {{here}} {PIN}"),
        ("/a", "{here}", f"--no-deps --no-index --find-links /a {PIN}"),
    ],
)
def test_torch_comes_with_its_hashes_or_from_where_a_person_says(
    uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    named: str, found: str, installed: str,
) -> None:  # fmt: skip
    here = tmp_path / "wheels"
    here.mkdir()
    (here / f"{PIN.replace('==', '-')}+cpu-{VERSION}-{VERSION}-any.whl").touch()
    if found:
        monkeypatch.setenv("PIP_FIND_LINKS", found.format(here=here))
    arguments = ["pytorch-2.6.0", "--images", str(tmp_path / "images"), "--torch", named]
    assert main(arguments) == 0
    _, install = asked(uv, "pip install")
    assert install.endswith(installed.format(here=here))
    if not (named or found) and sys.platform == "linux":
        assert "about 3 GB to fetch" in capsys.readouterr().out


def test_without_uv_it_is_made_by_pip_if_there_is_a_python_of_the_right_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipes" / "mine"
    recipe.mkdir(parents=True)
    (recipe / "requirements.txt").touch()  # nothing is fetched here
    monkeypatch.setattr(environments, "RECIPES", recipe.parent)
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    own = "{}.{}".format(*sys.version_info)
    make = ["mine", "--images", str(tmp_path / "images")]
    for version, code in ((own, 0), ("3.99", 1)):
        (recipe / "patch.py").write_text(f"print({version!r})")  # so that it is made again
        image = Image("mine", ("1",), "mine", "sklearn", python=(version,))
        monkeypatch.setattr(environments, "image_table", lambda image=image: [image])
        assert main(make) == code
    told = capfd.readouterr()
    assert f"\n{own}\n" in told.out
    assert (tmp_path / "images" / "mine" / "bin" / "pip").exists()
    assert "images: mine: neither uv nor python3.99 is on the PATH" in told.err
