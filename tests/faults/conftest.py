"""One stack for all of the fault suite, and the table of what came of each fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults import table
from tests.faults.campaign import Outcome
from tests.faults.catalog import Case
from tests.faults.runs import OURS
from tests.faults.stack import Stack

Record = Callable[[Case, Outcome, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-table",
        action="store_true",
        help="write what came of each fault into tests/faults/README.md",
    )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A real Airflow behind the fault proxy."""
    with Stack(tmp_path_factory.mktemp("faults")) as running:
        yield running


@pytest.fixture(scope="session")
def writes_table(pytestconfig: pytest.Config) -> bool:
    """Whether this run makes the README's table, rather than being held to it."""
    return bool(pytestconfig.getoption("write_table", default=False))


@pytest.fixture(scope="session")
def record(writes_table: bool) -> Iterator[Record]:
    """Takes the outcome of a case; ours must be the README's."""
    seen = table.Table()
    told = table.read()

    def take(case: Case, outcome: Outcome, words: str) -> None:
        key = (case.fault.what, case.fault.point, case.step)
        if outcome.run.dag_id != OURS:
            seen.theirs[key] = words
            return
        seen.ours[key] = words
        if not writes_table:
            assert words == told.ours.get(key), "README.md says otherwise; see --write-table there"

    yield take
    if writes_table:
        table.write(seen)
