"""What a person may say after ``python -m local_stack``."""

from __future__ import annotations

import argparse
import math
from datetime import UTC, date, datetime
from pathlib import Path

from local_stack.programs.places import PROJECT
from local_stack.samples.nights import sample_csv

_DEPLOYMENT = (
    "the bucket RETRAINING_BUCKET, with the AWS settings of the environment, "
    "instead of the place that runs here"
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m local_stack``; the command's name is in ``command``."""
    whole = argparse.ArgumentParser(prog="python -m local_stack")
    whole.add_argument("--project", type=Path, default=PROJECT, help="another checkout")
    whole.add_argument("--state", type=Path, help="another folder than .local for what it makes")
    commands = whole.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="retrain twice and show what came of it")
    demo.add_argument("--pipeline", help="one of those with real data; all if left out")
    for name, purpose in (
        ("up", "start the whole place and leave it running"),
        ("supervise", "run it (what up does in the background)"),
    ):
        command = commands.add_parser(name, help=purpose)
        command.add_argument("--port", type=_port, help="of Airflow's UI")
        command.add_argument("--sagemaker-port", type=_port, help="of the embedded SageMaker")
        _add_sample(command)
    commands.add_parser("down", help="stop it")
    _add_land_snapshot(commands.add_parser("land-snapshot", help="put a day's raw data into S3"))
    _add_snapshots(
        commands.add_parser("snapshots", help="put many nights of raw data, some bad, into S3")
    )
    _add_report(commands.add_parser("report", help="show the past runs on one page"))
    serving = commands.add_parser("serve-sagemaker", help="the embedded SageMaker in a container")
    serving.add_argument("--host", required=True, help="the address to listen on")
    serving.add_argument("--port", type=int, required=True, help="the port; 0 takes a free one")
    serving.add_argument("--folder", type=Path, required=True, help="for its state and its log")
    serving.add_argument(
        "--host-name",
        action="append",
        default=[],
        dest="host_names",
        help="a name by which other containers call it; may be repeated",
    )
    passing = commands.add_parser("pass-on", help="a door to the container that serves it")
    passing.add_argument("--host", required=True, help="the address to listen on")
    passing.add_argument("--port", type=int, required=True, help="the port; 0 takes a free one")
    passing.add_argument("--to", type=_address, required=True, help="HOST:PORT to connect to")
    return whole


def _add_land_snapshot(command: argparse.ArgumentParser) -> None:
    command.add_argument("--pipeline", help="one of those with real data; all if left out")
    command.add_argument("--date", help="YYYY-MM-DD; today if left out")
    _add_sample(command)
    command.add_argument("--deployment", action="store_true", help=f"into {_DEPLOYMENT}")
    command.add_argument("--make-bucket", action="store_true", help="if there is none")


def _add_sample(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--sample", type=_absolute, help="a file to land instead of each pipeline's own table"
    )


def _add_snapshots(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--sample", type=_absolute, default=sample_csv(), help="the file of the real table"
    )
    command.add_argument("--days", type=int, default=30, help="how many nights; 30 if left out")
    command.add_argument(
        "--end", type=_date, help="the last night, YYYY-MM-DD; yesterday (UTC) if left out"
    )
    command.add_argument(
        "--folder",
        type=_absolute,
        help="write them there, under the bucket's keys, instead of into the place that runs here",
    )


def _add_report(command: argparse.ArgumentParser) -> None:
    command.add_argument("--pipeline", help="whose runs; california-housing if left out")
    what_if = command.add_mutually_exclusive_group()
    what_if.add_argument(
        "--at-least", type=_number, help="judge the same runs by this least value of the metric"
    )
    what_if.add_argument("--at-most", type=_number, help="or by this greatest one")
    what_if.add_argument(
        "--limit", type=_number, help="or by this one, on the side that is better for the metric"
    )
    command.add_argument(
        "--metric", help="a metric's last name or its path in the report; the headline if left out"
    )
    command.add_argument("--newest", type=_count, help="so many runs; all if left out")
    command.add_argument(
        "--folder", type=_absolute, help="for the page and the table; .local/report if left out"
    )
    command.add_argument("--deployment", action="store_true", help=f"of {_DEPLOYMENT}")


def _absolute(text: str) -> Path:
    return Path(text).resolve()


def _date(text: str) -> date:
    try:
        # Digits of other scripts are digits to Python.
        text.encode("ascii")
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date of the form YYYY-MM-DD") from None


def _number(text: str) -> float:
    try:
        number = float(text) if text.isascii() else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of runs, 1 or more")
    return int(text)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, _port(port)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)
