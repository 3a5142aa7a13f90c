"""The champion, which serves, on the same test rows as the candidate, which was just trained.

The report's members ``champion``, ``difference`` and ``against_champion``. Whatever the champion
does, it is an outcome in the report and never the job's failure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kit.archives import ArchiveError, unpack
from kit.champion_process import ARCHIVE, CANNOT_BE_LOADED, FAILED
from kit.failure import BadInputError
from kit.isolated import UnscoredError, ask, one_line
from kit.record import NAME
from kit.slices import slices

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from kit.job import ArgumentParser

SCORED, NONE, GONE = "scored", "none", "gone"
NO_CHAMPION = "no champion"
UNDECIDABLE, PASS = "undecidable", "pass"
MODEL = "model.tar.gz"
LARGEST_RECORD = 1024**2


def champion_arguments(parser: ArgumentParser) -> None:
    """Add what the job is told of the champion."""
    place = Path("/opt/ml/processing/input/champion")
    parser.add_argument(
        "--champion", type=Path, default=place, metavar="DIR", help="may have its archive"
    )
    parser.add_argument("--champion-version", default="", metavar="ARN", help="what it is")
    parser.add_argument(
        "--unscored-champion",
        choices=(UNDECIDABLE, PASS),
        default=UNDECIDABLE,
        help="what the gate is to make of one that cannot be scored",
    )
    parser.add_number("--champion-seconds", 600.0, low=1, about="after which it is given up")
    parser.add_argument("--slices", default="", metavar="COLUMN,COLUMN", help="of the test rows")


@dataclass(frozen=True, slots=True)
class Contest:
    """What both models are asked, and how their answers are compared.

    Attributes:
        rows: What the champion is asked, JSON for ``ask`` of ``module``.
        columns: Of the test rows, to cut them by.
        actual: Of each test row what is true.
        predicted: Of each what the candidate gives.
        measure: Gives the report's sections of metrics for actual and predicted values.
        compare: Gives, for actual values, the candidate's and the champion's, the sections of
            differences and ``win_rate``; takes ``samples``, the number of draws.
        check: Makes of the champion's answer as many predictions as there are rows.
        module: The name of the module that loads and asks a model: see ``kit.isolated.ask``.
    """

    rows: Mapping[str, Any]
    columns: Mapping[str, Sequence[Any]]
    actual: Any
    predicted: Any
    measure: Callable[[Any, Any], Mapping[str, Any]]
    compare: Callable[..., Mapping[str, Any]]
    check: Callable[[list[Any]], Any]
    module: str = "kit.model_archive"


def against_champion(
    options: argparse.Namespace, contest: Contest, *, record: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the report's members about the champion, whatever comes of it.

    Args:
        options: Of the command line.
        contest: Between the two.
        record: Of tonight's preprocessing.

    Returns:
        ``champion``, with its outcome and its metrics; ``difference``, None unless it was scored;
        and ``against_champion``: of each metric by how much the candidate is worse (less than 0
        where it is better) and in which share of draws it is better. Where nobody was scored these
        are what the candidate is against itself: 0 and a half.

    Raises:
        BadInputError: The rows cannot be cut as the command line says.
    """
    wanted = [name for name in options.slices.split(",") if name]
    parts = slices(contest.columns, wanted)
    version = options.champion_version
    unseen: dict[str, Any] = {
        "rows_unseen_by_champion": "unknown",
        "rows_unseen_reason": "no champion was scored",
    }
    found: Mapping[str, Any] = {}
    difference = None
    outcome, reason = SCORED, ""
    try:
        answer, unseen = _answer(options, contest, record)
        found, difference = _scored(contest, answer, parts)
    except UnscoredError as error:
        outcome, reason = error.outcome, error.reason
    operands = difference
    if operands is None:
        # Of equal models all draws are alike.
        itself = contest.predicted
        operands = contest.compare(contest.actual, itself, itself, samples=2)
    print(f"champion {version or '(not named)'}: {outcome}{reason and ': '}{reason}", flush=True)
    return {
        "champion": {
            "outcome": outcome,
            "reason": reason,
            "version": version,
            "compared_with": _compared_with(outcome, version, options.unscored_champion),
            "rows": len(contest.actual),
            **unseen,
            **found,
        },
        "difference": difference,
        "against_champion": _gains(operands),
    }


def _compared_with(outcome: str, version: str, unscored: str) -> str | None:
    if outcome == SCORED:
        return version or "a version without a name"
    # Null cannot be judged: a policy that asks for it is undecidable where nobody could compare.
    return NO_CHAMPION if outcome == NONE or unscored == PASS else None


def _answer(
    options: argparse.Namespace, contest: Contest, record: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    # Somebody may have registered an archive of another name.
    archives = sorted(
        options.champion.glob("*.tar.gz"), key=lambda path: (path.name != MODEL, path.name)
    )
    if not archives:
        if options.champion_version:
            raise UnscoredError(GONE, "its archive is not where the registry says")
        raise UnscoredError(NONE, NO_CHAMPION)
    with TemporaryDirectory(prefix="champion-", ignore_cleanup_errors=True) as scratch:
        # What is the champion's own lies below what it cannot rename.
        Path(scratch).chmod(0o711)
        folder = Path(scratch) / "own"
        (folder / ARCHIVE).mkdir(parents=True)
        try:
            with archives[0].open("rb") as file:
                unpack(file, folder / ARCHIVE)
        except (ArchiveError, OSError) as error:
            reason = f"{archives[0].name} cannot be unpacked: {error}"
            raise UnscoredError(CANNOT_BE_LOADED, one_line(reason, folder)) from error
        # Before its code has run.
        unseen = _unseen(record, _record(folder / ARCHIVE / NAME))
        return ask(folder, contest.module, contest.rows, seconds=options.champion_seconds), unseen


def _scored(
    contest: Contest, answer: list[Any], parts: Sequence[tuple[str, str, Any]]
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Give the champion's metrics and the difference; an answer may be anything."""
    try:
        predicted = contest.check(answer)
        found = contest.measure(contest.actual, predicted)
        return found, _compared(contest, predicted, parts)
    except BadInputError as error:
        raise UnscoredError(FAILED, one_line(str(error))) from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = f"its predictions cannot be used: {type(error).__name__}: {error}"
        raise UnscoredError(FAILED, one_line(reason)) from error


def _compared(
    contest: Contest, predicted: Any, parts: Sequence[tuple[str, str, Any]]
) -> dict[str, Any]:
    told = []
    for column, part, chosen in parts:
        numbers = [number for number, is_in in enumerate(chosen.tolist()) if is_in]
        rows = [_chosen(each, numbers) for each in (contest.actual, contest.predicted, predicted)]
        told.append(
            {"column": column, "slice": part, "rows": len(numbers), **contest.compare(*rows)}
        )
    whole = contest.compare(contest.actual, contest.predicted, predicted)
    return {"rows": len(contest.actual), **whole, **({"slices": told} if told else {})}


def _chosen(values: Any, numbers: list[int]) -> Any:
    return [values[n] for n in numbers] if isinstance(values, list) else values[numbers]


def _gains(difference: Mapping[str, Any]) -> dict[str, Any]:
    return {
        section: {
            name: {"worse_by": told["worse_by"], "better_share": told["better_share"]}
            for name, told in metrics.items()
        }
        for section, metrics in difference.items()
        if section.endswith("_metrics")
    }


def _record(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > LARGEST_RECORD:
            return {}
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _unseen(tonight: Mapping[str, Any], champion: Mapping[str, Any]) -> dict[str, Any]:
    """Say whether no test row of tonight was trained on by the champion, and why."""
    ours, theirs = tonight.get("split"), champion.get("split")
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        whose = "its own" if isinstance(ours, dict) else "tonight's"
        is_unseen: bool | str = "unknown"
        reason = f"{whose} record of preprocessing does not say how the rows were split"
    else:
        other = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
        is_unseen = not other
        reason = (
            f"other rows were held out: another {', '.join(other)}"
            if other
            else "both were split by the same rule, which goes by a row's content alone"
        )
    return {
        "rows_unseen_by_champion": is_unseen,
        "rows_unseen_reason": one_line(reason),
    }
