"""The README's coverage tables say what the code does, all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local_sagemaker.__main__ import _parse
from local_sagemaker.images import image_table
from local_sagemaker.operations import OPERATIONS
from local_sagemaker.refusals import REFUSALS
from local_sagemaker.validation import service_model

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "local_sagemaker" / "README.md").read_text(encoding="utf-8")
WITH_MEMBERS = [
    name for name in OPERATIONS if name.startswith("Create") or name == "UpdateEndpoint"
]


def table(heading: str) -> dict[str, str]:
    section = README.partition(f"### {heading}\n")[2].partition("\n#")[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, flags=re.MULTILINE))
    assert rows, heading
    return rows


def test_the_table_of_operations_is_the_servers():
    assert list(table("Operations")) == list(OPERATIONS)


@pytest.mark.parametrize("operation", WITH_MEMBERS)
def test_every_member_of_a_request_is_in_its_table(operation):
    members = service_model().operation_model(operation).input_shape.members
    listed = {path.partition(".")[0].removesuffix("[]") for path in table(operation)}
    assert listed == set(members)


@pytest.mark.parametrize("operation", WITH_MEMBERS)
def test_what_the_table_calls_refused_is_what_is_refused(operation):
    told = {path for path, what in table(operation).items() if what.startswith("refused")}
    assert told == {refusal.path for refusal in REFUSALS.get(operation, ())}


@pytest.mark.parametrize("operation", WITH_MEMBERS)
def test_the_table_names_the_value_that_is_not_refused(operation):
    for refusal in REFUSALS.get(operation, ()):
        what = table(operation)[refusal.path]
        expected = r"refused(:.*)?"
        if refusal.allowed:
            values = " or ".join(map(str, refusal.allowed))
            false = refusal.allowed == (False,)
            expected = "refused if true" if false else rf"refused unless {values}(:.*)?"
        assert re.fullmatch(expected, what), refusal.path


@pytest.mark.parametrize(
    "operation", [name for name in OPERATIONS if name.startswith(("List", "Search"))]
)
def test_refused_filters_are_told(operation):
    for refusal in REFUSALS.get(operation, ()):
        assert f"`{refusal.path}`" in table("Operations")[operation]


def test_the_table_of_images_is_the_servers():
    for image in image_table():
        names = ", ".join(f"`{image.repository}:{tag}`" for tag in image.tags)
        assert f"| {names} | `{image.environment}` |" in README


def test_every_option_is_described(capsys):
    with pytest.raises(SystemExit):
        _parse(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options == set(re.findall(r"^\| `(--[a-z-]+)", README, flags=re.MULTILINE)) - {""}
