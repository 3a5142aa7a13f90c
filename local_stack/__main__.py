"""``python -m local_stack``: what the Makefile calls."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from local_stack.commands import up
from local_stack.errors import LocalStackError
from local_stack.programs.keys import ADMIN, keys
from local_stack.programs.places import PROJECT, local_place, sample_csv
from local_stack.services import environment

if TYPE_CHECKING:
    from local_stack.programs.places import Place

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = _parser().parse_args(arguments)
    # The library lies where Airflow finds it, not beside this package.
    sys.path.insert(0, str(PROJECT / "plugins"))
    if not getattr(options, "deployment", False):
        # From here on no credential or setting of the caller's shell can be seen.
        kept = environment.inherited(os.environ)
        os.environ.clear()
        os.environ.update(kept)
    place = local_place(options.project.resolve(), options.state)
    try:
        code: int = options.run(place, options)
    except KeyboardInterrupt:
        left = (
            "not all may have stopped" if options.command == "down" else "nothing is left running"
        )
        _say(options.command, f"interrupted; {left}")
        return _INTERRUPTED
    except LocalStackError as error:
        return _failed(options.command, error)
    return code


def _down(place: Place, options: argparse.Namespace) -> int:
    up.down(place, partial(_say, options.command))
    return 0


def _up(place: Place, options: argparse.Namespace) -> int:
    wanted = up.Wanted(options.port, options.sagemaker_port, options.sample)
    record = up.up(place, wanted, partial(_say, "up"))
    password = keys(place.secrets).password
    dags = (f"{dag} (paused)" if dag in record.paused else dag for dag in record.dags)
    print()
    for name, value in (
        ("Airflow", record.url),
        ("login", f"{ADMIN} / {password}"),
        ("SageMaker", f"{record.sagemaker_url} (embedded, with its S3 and logs)"),
        ("snapshot", record.snapshot),
        ("DAGs", ", ".join(dags) or "none"),
        ("logs", place.logs),
        ("airflow CLI", f"source {place.control / 'environment.sh'}"),
        ("stop it", "make down"),
    ):
        print(f"  {name:<12} {value}")
    return 0


def _demo(place: Place, options: argparse.Namespace) -> int:
    # Heavy, and only "demo" needs it.
    from local_stack.commands.demo import demo  # noqa: PLC0415

    demo(place, options.sample, partial(_say, "demo"))
    return 0


def _supervise(place: Place, options: argparse.Namespace) -> int:
    from local_stack.commands.supervisor import Choice, supervise  # noqa: PLC0415 - heavy

    def ready() -> None:
        # Whoever started this process reads standard output no further than this line.
        from local_stack.programs import kernel  # noqa: PLC0415

        kernel.set_death_signal(0)
        _say_plainly(up.READY)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    choice = Choice(options.port, options.sagemaker_port, options.sample)
    try:
        supervise(place, choice, say=_say_plainly, ready=ready)
    except KeyboardInterrupt as signal_name:
        _say_plainly(f"stopped by {signal_name}")
    except LocalStackError as error:
        _say_plainly(f"stopped everything: {error}")
        return 1
    return 0


def _land_snapshot(place: Place, options: argparse.Namespace) -> int:
    # Heavy, and only "land-snapshot" needs them.
    import boto3  # noqa: PLC0415
    from retraining import naming  # noqa: PLC0415

    from local_stack.samples import landing  # noqa: PLC0415
    from local_stack.services import embedded_sagemaker  # noqa: PLC0415

    if options.deployment:
        s3, bucket = boto3.client("s3"), os.environ.get("RETRAINING_BUCKET", "")
    else:
        url = up.sagemaker_url(place)
        s3 = embedded_sagemaker.s3(environment.embedded_aws_environment(url))
        bucket = environment.BUCKET
    day = options.date or datetime.now(UTC).date().isoformat()
    try:
        uri = naming.snapshot_uri(bucket, environment.PIPELINE, day)
    except naming.InvalidNameError as error:
        return _failed(options.command, error)
    files = {options.sample.name: options.sample}
    landed = landing.land(s3, uri, files, make_bucket=options.make_bucket)
    _say(options.command, f"{uri} {'landed' if landed.is_new else 'lies there already'}")
    return 0


def _snapshots(place: Place, options: argparse.Namespace) -> int:
    # Heavy, and only "snapshots" needs them.
    from local_stack.samples import nights_landing  # noqa: PLC0415
    from local_stack.samples.nights import make_history, real_table  # noqa: PLC0415
    from local_stack.services import embedded_sagemaker  # noqa: PLC0415

    say = partial(_say, options.command)
    pipeline = environment.PIPELINE
    table = real_table(options.sample)
    if options.folder:
        manifest = nights_landing.manifest_in_folder(options.folder, pipeline=pipeline)
        land = partial(nights_landing.write_history, options.folder)
        where = str(options.folder)
    else:
        url = up.sagemaker_url(place)
        s3 = embedded_sagemaker.s3(environment.embedded_aws_environment(url))
        bucket = environment.BUCKET
        manifest = nights_landing.manifest_in_bucket(s3, bucket, pipeline=pipeline)
        land = partial(nights_landing.land_history, s3, bucket)
        where = f"s3://{bucket}/"
    # What was begun on another day is completed as it was begun. Today's snapshot comes by "up".
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    last = options.end or (nights_landing.last_night(manifest) if manifest else yesterday)
    history = make_history(table, options.days, last=last)
    new = land(pipeline=pipeline, history=history, say=say)
    bad = sum(night.fault is not None for night in history.nights)
    manifest_key = nights_landing.manifest_uri("", pipeline).removeprefix("s3:///")
    say(f"{options.days} nights, {bad} of them bad, {new} new, in {where}; see {manifest_key}")
    return 0


def _report(place: Place, options: argparse.Namespace) -> int:
    # Matplotlib would keep its list of fonts in the home folder.
    os.environ["MPLCONFIGDIR"] = str(place.state / "matplotlib")
    from local_stack.commands import report  # noqa: PLC0415 - heavy

    source = report.deployment() if options.deployment else report.running(place)
    wanted = report.Wanted(options.at_least, options.at_most, options.metric, options.newest)
    folder = options.folder or place.state / "report"
    sentences, page, table = report.write(source, environment.PIPELINE, wanted, folder=folder)
    for line in (*sentences, page, table):
        _say(options.command, line)
    return 0


def _serve_sagemaker(place: Place, options: argparse.Namespace) -> int:
    from local_stack.services.gateway import serve  # noqa: PLC0415 - heavy

    # Being asked to stop is how it ends.
    with contextlib.suppress(KeyboardInterrupt):
        serve(
            options.host,
            options.port,
            folder=options.folder.resolve(),
            images=place.images,
            say=_say_plainly,
        )
    return 0


def _say(command: str, message: object) -> None:
    print(f"{command}: {message}", flush=True)


def _say_plainly(message: object) -> None:
    print(message, flush=True)


def _failed(command: str, error: Exception) -> int:
    print(f"{command}: {error}", file=sys.stderr)
    return 1


def _absolute(text: str) -> Path:
    return Path(text).resolve()


def _date(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date of the form YYYY-MM-DD") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of runs, 1 or more")
    return int(text)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_stack", description=__doc__)
    parser.add_argument("--project", type=Path, default=PROJECT, help="another checkout")
    parser.add_argument("--state", type=Path, help="another folder than .local for what it makes")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="retrain twice and show what came of it")
    demo.set_defaults(run=_demo)
    start = commands.add_parser("up", help="start the whole place and leave it running")
    start.set_defaults(run=_up)
    commands.add_parser("down", help="stop it").set_defaults(run=_down)
    supervise = commands.add_parser("supervise", help="run it (what up does in the background)")
    supervise.set_defaults(run=_supervise)
    landing = commands.add_parser("land-snapshot", help="put a day's raw data into S3")
    landing.set_defaults(run=_land_snapshot)
    history = commands.add_parser(
        "snapshots", help="put many nights of raw data, some bad, into S3"
    )
    history.set_defaults(run=_snapshots)
    reporting = commands.add_parser("report", help="show the past runs on one page")
    reporting.set_defaults(run=_report)
    serving = commands.add_parser("serve-sagemaker", help="the embedded SageMaker in a container")
    serving.set_defaults(run=_serve_sagemaker)
    serving.add_argument("--host", required=True, help="the address to listen on")
    serving.add_argument("--port", type=int, required=True, help="the port; 0 takes a free one")
    serving.add_argument("--folder", type=Path, required=True, help="for its state and its log")
    for command in (start, supervise):
        command.add_argument("--port", type=_port, help="of Airflow's UI")
        command.add_argument("--sagemaker-port", type=_port, help="of the embedded SageMaker")
    for command in (demo, start, supervise, landing, history):
        command.add_argument(
            "--sample", type=_absolute, default=sample_csv(), help="the CSV file of the data"
        )
    landing.add_argument("--date", help="YYYY-MM-DD; today if left out")
    landing.add_argument(
        "--deployment",
        action="store_true",
        help="into the bucket RETRAINING_BUCKET, with the AWS settings of the environment, "
        "instead of the place that runs here",
    )
    history.add_argument("--days", type=int, default=30, help="how many nights; 30 if left out")
    history.add_argument(
        "--end", type=_date, help="the last night, YYYY-MM-DD; yesterday (UTC) if left out"
    )
    history.add_argument(
        "--folder",
        type=_absolute,
        help="write them there, under the bucket's keys, instead of into the place that runs here",
    )
    what_if = reporting.add_mutually_exclusive_group()
    what_if.add_argument(
        "--at-least", type=_number, help="judge the same runs by this least value of the metric"
    )
    what_if.add_argument("--at-most", type=_number, help="or by this greatest one")
    reporting.add_argument(
        "--metric", help="r2 if left out; rmse, mae, or a path in the evaluation report"
    )
    reporting.add_argument("--newest", type=_count, help="so many runs; all if left out")
    reporting.add_argument(
        "--folder", type=_absolute, help="for the page and the table; .local/report if left out"
    )
    reporting.add_argument(
        "--deployment",
        action="store_true",
        help="of the bucket RETRAINING_BUCKET, with the AWS settings of the environment, "
        "instead of the place that runs here",
    )
    landing.add_argument("--make-bucket", action="store_true", help="if there is none")
    return parser


if __name__ == "__main__":
    sys.exit(main())
