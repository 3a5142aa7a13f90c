"""``python -m local_stack``: what the Makefile calls."""

from __future__ import annotations

import contextlib
import os
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from local_stack.commands import up
from local_stack.commands.command_line import parser
from local_stack.errors import LocalStackError
from local_stack.programs.keys import ADMIN, keys
from local_stack.programs.places import PROJECT, local_place
from local_stack.samples.pipelines import CALIFORNIA_HOUSING, chosen_pipelines, full_name
from local_stack.services import environment

if TYPE_CHECKING:
    import argparse

    from local_stack.programs.places import Place

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = parser().parse_args(arguments)
    # The library lies where Airflow finds it, not beside this package.
    sys.path.insert(0, str(PROJECT / "plugins"))
    if not getattr(options, "deployment", False):
        # From here on no credential or setting of the caller's shell can be seen.
        kept = environment.inherited(os.environ)
        os.environ.clear()
        os.environ.update(kept)
    place = local_place(options.project.resolve(), options.state)
    try:
        code: int = _COMMANDS[options.command](place, options)
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
    dags = [f"{dag} (paused)" if dag in record.paused else dag for dag in record.dags]
    print()
    for name, value in (
        ("Airflow", record.url),
        ("login", f"{ADMIN} / {password}"),
        ("SageMaker", f"{record.sagemaker_url} (embedded, with its S3 and logs)"),
        ("snapshots", f"\n{'':<15}".join(record.snapshots)),
        ("DAGs", f"\n{'':<15}".join(dags) or "none"),
        ("logs", place.logs),
        ("airflow CLI", f"source {place.control / 'environment.sh'}"),
        ("stop it", "make down"),
    ):
        print(f"  {name:<12} {value}")
    return 0


def _demo(place: Place, options: argparse.Namespace) -> int:
    # Heavy, and only "demo" needs it.
    from local_stack.commands.demo import demo  # noqa: PLC0415

    demo(place, chosen_pipelines(options.pipeline), partial(_say, "demo"))
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

    from local_stack.samples import pipeline_data  # noqa: PLC0415
    from local_stack.services import embedded_sagemaker  # noqa: PLC0415

    if options.deployment:
        s3, bucket = boto3.client("s3"), os.environ.get("RETRAINING_BUCKET", "")
    else:
        url = up.sagemaker_url(place)
        s3 = embedded_sagemaker.s3(environment.embedded_aws_environment(url))
        bucket = environment.BUCKET
    day = options.date or datetime.now(UTC).date().isoformat()
    for pipeline in chosen_pipelines(options.pipeline):
        try:
            landed = pipeline_data.land(
                s3, bucket, pipeline,
                day=day, table=options.sample, make_bucket=options.make_bucket,
            )  # fmt: skip
        except naming.InvalidNameError as error:
            return _failed(options.command, error)
        _say(options.command, f"{landed.uri} {'landed' if landed.is_new else 'lies there already'}")
    return 0


def _snapshots(place: Place, options: argparse.Namespace) -> int:
    # Heavy, and only "snapshots" needs them.
    from local_stack.samples import nights_landing  # noqa: PLC0415
    from local_stack.samples.nights import make_history, real_table  # noqa: PLC0415
    from local_stack.services import embedded_sagemaker  # noqa: PLC0415

    say = partial(_say, options.command)
    pipeline = CALIFORNIA_HOUSING.name
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
    wanted = report.Wanted(
        options.at_least, options.at_most, options.metric, options.newest, options.limit
    )
    pipeline = full_name(options.pipeline or CALIFORNIA_HOUSING.name)
    folder = options.folder or place.state / "report"
    sentences, page, table = report.write(source, pipeline, wanted, folder=folder)
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
            host_names=options.host_names,
            say=_say_plainly,
        )
    return 0


def _pass_on(_place: Place, options: argparse.Namespace) -> int:
    from local_stack.services.gateway import pass_on  # noqa: PLC0415 - heavy

    with contextlib.suppress(KeyboardInterrupt):
        pass_on(options.host, options.port, target=options.to, say=_say_plainly)
    return 0


def _say(command: str, message: object) -> None:
    print(f"{command}: {message}", flush=True)


def _say_plainly(message: object) -> None:
    print(message, flush=True)


def _failed(command: str, error: Exception) -> int:
    print(f"{command}: {error}", file=sys.stderr)
    return 1


# By the name of the command.
_COMMANDS = {
    "demo": _demo,
    "up": _up,
    "down": _down,
    "supervise": _supervise,
    "land-snapshot": _land_snapshot,
    "snapshots": _snapshots,
    "report": _report,
    "serve-sagemaker": _serve_sagemaker,
    "pass-on": _pass_on,
}

if __name__ == "__main__":
    sys.exit(main())
