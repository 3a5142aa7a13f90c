from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from retraining.runs.code_archive import ScriptsNotFoundError, read_scripts, scripts_folder, upload

if TYPE_CHECKING:
    from pathlib import Path


def scripts(folder: Path, **contents: str) -> Path:
    folder.mkdir()
    for name, content in contents.items():
        (folder / f"{name}.py").write_text(content)
    return folder


def test_the_same_code_is_the_same_archive_to_the_byte(tmp_path: Path) -> None:
    one = scripts(tmp_path / "one", a="print(1)", b="print(2)")
    other = scripts(tmp_path / "other", b="print(2)", a="print(1)")
    (other / "notes.txt").write_text("not code")
    (other / "__pycache__").mkdir()
    os.utime(other / "a.py", (0, 0))
    (other / "a.py").chmod(0o700)
    assert read_scripts(one).sha256 == read_scripts(other).sha256
    assert read_scripts(one).tar_gz() == read_scripts(other).tar_gz()


def test_a_change_of_content_or_name_is_another_hash(tmp_path: Path) -> None:
    folders = [
        scripts(tmp_path / "one", a="1", b="2"),
        scripts(tmp_path / "two", a="12", b=""),
        scripts(tmp_path / "three", a="1", c="2"),
    ]
    assert len({read_scripts(folder).sha256 for folder in folders}) == 3


def test_what_the_kit_says_is_part_of_the_code(tmp_path: Path) -> None:
    alone = read_scripts(scripts(tmp_path / "one", a="import kit.b"))
    assert list(alone.files) == ["a.py"]
    kit = scripts(tmp_path / "kit", b="print(2)")
    (kit / "notes.txt").write_text("not code")
    together = read_scripts(tmp_path / "one")
    assert list(together.files) == ["a.py", "kit/b.py"]
    assert together.sha256 != alone.sha256


def test_scripts_are_found_above_the_dags_file(tmp_path: Path) -> None:
    nearest = tmp_path / "team" / "include" / "scripts"
    for folder in (nearest, tmp_path / "include" / "scripts", tmp_path / "team" / "dags" / "deep"):
        folder.mkdir(parents=True)
    assert scripts_folder(str(tmp_path / "team" / "dags" / "deep" / "a.py")) == nearest
    with pytest.raises(ScriptsNotFoundError, match="RETRAINING_SCRIPTS_FOLDER"):
        scripts_folder("/nowhere/dags/a.py")


def test_a_folder_without_scripts_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ScriptsNotFoundError, match="nowhere"):
        read_scripts(tmp_path / "nowhere")


def test_code_is_uploaded_once(tmp_path: Path, embedded_sagemaker: Any) -> None:
    s3 = embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket="code-archive")
    scripts(tmp_path / "kit", b="print(2)")
    archive = read_scripts(scripts(tmp_path / "one", a="print(1)"))
    uri = upload(s3, archive, bucket="code-archive", pipeline="p")
    assert uri == f"s3://code-archive/p/code/{archive.sha256}/"
    before = s3.list_objects_v2(Bucket="code-archive")["Contents"]
    assert upload(s3, archive, bucket="code-archive", pipeline="p") == uri
    assert s3.list_objects_v2(Bucket="code-archive")["Contents"] == before
    names = [item["Key"].removeprefix(f"p/code/{archive.sha256}/") for item in before]
    assert sorted(names) == ["scripts/a.py", "scripts/kit/b.py", "sourcedir.tar.gz"]
    packed = s3.get_object(Bucket="code-archive", Key=f"p/code/{archive.sha256}/sourcedir.tar.gz")[
        "Body"
    ].read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as unpacked:
        assert unpacked.getnames() == ["a.py", "kit/b.py"]
