"""Judges an evaluation report, or past runs anew, by a policy. It needs neither Airflow nor AWS.

"judge" exits with 0 where the model passes, 1 where it is rejected, 3 where nothing can be decided;
either command with 2 where it cannot be carried out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from retraining.gate import replay, terminal
from retraining.gate.conditions import PolicyError, shown
from retraining.gate.decision import Verdict, decide, undecidable
from retraining.gate.judging import check_parameters
from retraining.gate.policy import chosen, parameters_of
from retraining.gate.policy_reader import policy_in, policy_of_python
from retraining.gate.report import UndecidableError
from retraining.gate.words import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retraining.gate.conditions import Condition
    from retraining.gate.decision import Decision

_CODES = {Verdict.PASS: 0, Verdict.REJECT: 1, Verdict.UNDECIDABLE: 3}
_UNUSABLE = 2
_STDIN = "-"


class _UsageError(Exception):
    """The command cannot be carried out; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command.

    Args:
        arguments: The command line; None for the process's own.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except _UsageError as error:
        print(f"gate: {one_line(str(error))}", file=sys.stderr)
        return _UNUSABLE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m retraining.gate", description=__doc__)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--policy",
        required=True,
        help="a JSON file in SageMaker's wire form, a decision.json, - for standard input, or"
        " module:NAME or file.py:NAME of a policy or a pipeline in Python",
    )
    shared.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the policy's"
    )
    shared.add_argument("--json", action="store_true", help="print JSON")
    commands = parser.add_subparsers(dest="command", required=True)
    judge = commands.add_parser("judge", parents=[shared], help="judge an evaluation.json")
    judge.add_argument("report", metavar="REPORT", help="evaluation.json, or - for standard input")
    judge.set_defaults(run=_judge)
    again = commands.add_parser(
        "replay", parents=[shared], help="judge past runs by another policy, and say what changes"
    )
    again.add_argument("folder", metavar="FOLDER", help="a local copy of a pipeline's prefix")
    again.set_defaults(run=_replay)
    return parser


def _judge(options: argparse.Namespace) -> int:
    if options.report == options.policy == _STDIN:
        raise _UsageError("only one of report and policy can come from standard input")
    policy = _policy(options.policy)
    parameters = _parameters(options.parameter, policy)
    _check(policy, parameters)
    decision, conditions = _judged(options.report, policy, parameters)
    if options.json:
        print(terminal.judgement_json(decision, conditions, report=options.report))
    else:
        print(terminal.judgement_text(decision, conditions))
    return _CODES[decision.verdict]


def _judged(
    report: str, policy: tuple[Condition, ...], parameters: dict[str, object]
) -> tuple[Decision, list[terminal.Told]]:
    try:
        content = _content(report)
    except OSError as error:
        # As in a run: a report that is missing is neither a pass nor a rejection.
        reason = f"there is no evaluation report to be read at {report}: {error.strerror}"
        return undecidable(reason, policy, parameters), []
    return (
        decide(content, policy, parameters=parameters),
        terminal.conditions_of(content, policy, parameters),
    )


def _replay(options: argparse.Namespace) -> int:
    _refuse_s3(options.folder, "sync")
    policy = _policy(options.policy)
    given = _parameters(options.parameter, policy)
    # What it is not told, each night had of its own.
    _check([item for item in policy if {*parameters_of([item])} <= {*given}], given)
    folder = Path(options.folder)
    if not folder.is_dir():
        raise _UsageError(f"{folder} is no folder")
    replayed, faults = replay.replayed_below(folder, policy, parameters=given)
    if not replayed and not faults:
        raise _UsageError(
            f"no run lies below {folder}: there is no <snapshot>/<run>/evaluation/evaluation.json"
        )
    show = terminal.replay_json if options.json else terminal.replay_text
    print(show(replayed, faults))
    return 0


def _policy(spelled: str) -> tuple[Condition, ...]:
    try:
        if (found := policy_of_python(spelled)) is not None:
            return found
        return policy_in(_content(spelled))
    except PolicyError as error:
        raise _UsageError(f"policy {shown(spelled)}: {error}") from error
    except OSError as error:
        raise _UsageError(f"policy {shown(spelled)}: {error.strerror}") from error


def _parameters(given: Sequence[str], policy: tuple[Condition, ...]) -> dict[str, object]:
    known = {*parameters_of(policy)}
    found: dict[str, object] = {}
    for item in given:
        name, equals, text = item.partition("=")
        if not equals:
            raise _UsageError(f"--parameter {item}: NAME=VALUE is wanted")
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise _UsageError(f"--parameter {item}: the policy has no {name}; it has {there}")
        try:
            found[name] = json.loads(text)
        except (ValueError, RecursionError):
            found[name] = text
    return found


def _check(policy: Sequence[Condition], parameters: dict[str, object]) -> None:
    try:
        for condition in chosen(policy, parameters):
            check_parameters(condition, parameters)
    except UndecidableError as error:
        raise _UsageError(f"{error}: see --parameter") from error


def _content(path: str) -> bytes:
    _refuse_s3(path, "cp")
    return sys.stdin.buffer.read() if path == _STDIN else Path(path).read_bytes()


def _refuse_s3(path: str, command: str) -> None:
    if path.startswith("s3://"):
        how = f"aws s3 cp {path} - | … -" if command == "cp" else f"aws s3 sync {path} FOLDER"
        raise _UsageError(f"{path}: S3 is not read from here; try {how}")


if __name__ == "__main__":
    # A terminal of another encoding, and a name that is no text.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough; Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _UNUSABLE
    except Exception:
        # Python's own code, 1, would say that the model was rejected.
        traceback.print_exc()
        code = _UNUSABLE
    sys.exit(code)
