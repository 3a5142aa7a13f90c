"""``local-sagemaker``: starts the server, says where it is, and ends it cleanly."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import re
import signal
import socket
import sqlite3
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from local_sagemaker import __version__, environments, server
from local_sagemaker.access.enforced import EnforcedAccess
from local_sagemaker.access.grants import OpenAccess
from local_sagemaker.access.iam_state import IamState
from local_sagemaker.access.identities import Identities
from local_sagemaker.emulator import Emulator
from local_sagemaker.endpoints.container import Workshop
from local_sagemaker.endpoints.hosting import Hosting
from local_sagemaker.endpoints.serving import Patience
from local_sagemaker.images import Images
from local_sagemaker.images_file import ImagesFileError, read_images
from local_sagemaker.jobs.execution import Execution
from local_sagemaker.jobs.interruptions import parse_interruption
from local_sagemaker.jobs.isolation import probe_isolation
from local_sagemaker.jobs.logs import JobLogs
from local_sagemaker.jobs.operations import resume_jobs
from local_sagemaker.jobs.runner import Runner
from local_sagemaker.jobs.warm_start import WarmStarts
from local_sagemaker.kinds import KINDS
from local_sagemaker.s3_state import S3State
from local_sagemaker.store import Store

if TYPE_CHECKING:
    from typing import IO

    from werkzeug.serving import BaseWSGIServer

    from local_sagemaker.access.grants import Access

_EXAMPLES = """
Make the environment of an image, once, and start the server:

  local-sagemaker images
  local-sagemaker images sklearn-1.4-2
  local-sagemaker --port 8090

Then, in the shell of any AWS client (boto3, the AWS CLI, the SageMaker SDK, Airflow):

{exports}
  aws sagemaker list-processing-jobs

Whoever may reach the port may run code as the server's user: a job is any script. Everything is
kept in --state; remove the folder to forget it.
"""
_EXPORTS = """\
  export AWS_ENDPOINT_URL={endpoint}
  export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret} AWS_DEFAULT_REGION=us-east-1
"""
# How often the listening thread looks whether it is to end.
_POLL_SECONDS = 0.1

log = logging.getLogger("local_sagemaker")


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, or make images' environments; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["images"]:
        return environments.main(arguments[1:])
    return _start(_parse(arguments))


def _start(options: argparse.Namespace) -> int:
    logging.basicConfig(
        level=options.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        users = read_images(options.images_file) if options.images_file else ()
    except ImagesFileError as error:
        print(f"local_sagemaker: {error}", file=sys.stderr)
        return 1
    images = Images(options.images.resolve(), users)
    if not users and not any(images.folder.glob("*/bin/python3")):
        log.warning("no image has an environment in %s: local-sagemaker images", images.folder)
    state: Path = options.state.resolve()
    try:
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o700)  # whatever lies below, nobody else gets through
        lock = _lock(state)
    except OSError as error:
        print(f"local_sagemaker: --state: {error}", file=sys.stderr)
        return 1
    if lock is None:
        print(f"local_sagemaker: {state} is in use by another server", file=sys.stderr)
        return 1
    try:
        listener = socket.create_server((server.HOST, options.port))
    except OSError as error:
        print(
            f"local_sagemaker: port {options.port} of {server.HOST}: {error.strerror};"
            " choose another with --port, or 0 for a free one",
            file=sys.stderr,
        )
        return 1
    endpoint = f"http://{server.HOST}:{listener.getsockname()[1]}"
    try:
        emulator = _make_emulator(options, images, Store(state / "state.sqlite"), endpoint=endpoint)
    except (OSError, sqlite3.Error) as error:
        log.exception("%s", state)
        print(f"local_sagemaker: {state} cannot be read or written: {error}", file=sys.stderr)
        return 1
    listening = server.make_server(listener, emulator, host_names=options.host_names)
    return _serve(listening, emulator, endpoint=endpoint)


def _make_emulator(
    options: argparse.Namespace, images: Images, store: Store, *, endpoint: str
) -> Emulator:
    state: Path = options.state.resolve()
    s3 = S3State(store, state / "objects")
    s3.load()
    logs = JobLogs(store)
    logs.load()
    iam = IamState(store)
    iam.load()
    access: Access = OpenAccess(s3, logs)
    if options.enforce_iam:
        access = EnforcedAccess(store, s3, logs, iam, Identities(store, iam))
    isolation = options.isolation or probe_isolation()
    log.info("jobs are isolated by: %s", isolation)
    warm_starts = WarmStarts(store.identity, images) if options.start_jobs == "warm" else None
    execution = Execution(isolation, options.stop_grace, warm_starts)
    runner = Runner(
        store=store,
        s3=s3,
        logs=logs,
        access=access,
        execution=execution,
        folder=state / "jobs",
        endpoint=endpoint,
        keep_folders=options.keep_job_folders,
        interruptions=tuple(options.interrupt_spot),
    )
    hosting = Hosting(
        store=store,
        workshop=Workshop(
            access=access,
            execution=execution,
            folder=state / "endpoints",
            images=images,
            endpoint=endpoint,
            identity=store.identity,
        ),
        patience=Patience(
            startup=options.startup_timeout,
            invocation=options.invocation_timeout,
            idle=options.serverless_idle,
        ),
    )
    # First of all this kills the processes of the last server's jobs and endpoints.
    runner.recover(KINDS)
    hosting.recover()
    emulator = Emulator(
        store=store,
        runner=runner,
        hosting=hosting,
        images=images,
        kinds=KINDS,
        access=access,
        iam=iam,
        max_jobs=options.max_jobs,
    )
    resume_jobs(emulator)
    return emulator


def _serve(listening: BaseWSGIServer, emulator: Emulator, *, endpoint: str) -> int:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    thread = threading.Thread(
        target=listening.serve_forever, args=(_POLL_SECONDS,), name="server", daemon=True
    )
    thread.start()
    key, secret = emulator.access.root_keys
    exports = _EXPORTS.format(endpoint=endpoint, key=key, secret=secret)
    print(
        f"local_sagemaker is ready on {endpoint}\nIts clients need\n{exports}", end="", flush=True
    )
    ended.wait()
    listening.shutdown()
    listening.server_close()
    emulator.hosting.shutdown()
    emulator.runner.shutdown()
    if warm_starts := emulator.runner.execution.warm_starts:
        warm_starts.close()
    emulator.store.close()
    return 0


def _lock(state: Path) -> IO[bytes] | None:
    file = (state / "lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    file.write(str(os.getpid()).encode())
    file.flush()
    return file


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="local-sagemaker",
        usage="%(prog)s [options]\n       %(prog)s images [NAME ...]",
        description="An embedded SageMaker on the loopback interface, with S3, STS, IAM and\n"
        "CloudWatch Logs on the same port. Jobs and endpoints are real processes of this machine.",
        epilog=_EXAMPLES.format(
            exports=_EXPORTS.format(endpoint="http://127.0.0.1:8090", key="local", secret="local")  # noqa: S106 -- words
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument(
        "--host-name",
        type=_host_name,
        action="append",
        default=[],
        dest="host_names",
        metavar="NAME",
        help="answer to clients that call it by this name, too; may be repeated (default: loopback"
        " addresses and localhost alone)",
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=environments.default_folder("state"),
        help="the folder that keeps everything (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        type=Path,
        default=environments.default_folder("images"),
        help="the folder of image environments (default: %(default)s)",
    )
    parser.add_argument(
        "--images-file",
        type=Path,
        metavar="FILE",
        help="a TOML file with images of your own, which is read now (see README.md)",
    )
    parser.add_argument(
        "--max-jobs",
        type=int,
        default=100,
        metavar="N",
        help="refuse jobs beyond that many instances in use with ResourceLimitExceeded"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--stop-grace",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="from SIGTERM to the end of a job that is stopped or out of time; the service gives"
        " 120 (default: %(default)s)",
    )
    parser.add_argument(
        "--startup-timeout",
        type=float,
        default=180.0,
        metavar="SECONDS",
        help="from a container's start to its first good ping, where the endpoint config says"
        " nothing (default: %(default)s)",
    )
    parser.add_argument(
        "--invocation-timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="for a container's answer to an invocation (default: %(default)s)",
    )
    parser.add_argument(
        "--serverless-idle",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="after that long without an invocation the process of a serverless endpoint is ended;"
        " the next one starts it again (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-job-folders", action="store_true", help="leave jobs' folders in STATE/jobs"
    )
    parser.add_argument(
        "--interrupt-spot",
        type=parse_interruption,
        action="append",
        default=[],
        metavar="NAMES:AFTER[:WAIT]",
        help="interrupt jobs of managed spot training with such names (* and ? stand for anything)"
        " once, AFTER seconds from the start of their script, and start them again after WAIT"
        " seconds (default: 0); may be given several times",
    )
    parser.add_argument(
        "--isolation",
        choices=("processes", "mounts", "user+processes", "user+mounts", "none"),
        help="do not try what the kernel grants, take this (see README.md)",
    )
    parser.add_argument(
        "--start-jobs",
        choices=("warm", "cold"),
        default="warm",
        help="warm: fork Python scripts from a process that has imported the image's libraries;"
        " cold: start an interpreter each (default: %(default)s)",
    )
    parser.add_argument(
        "--enforce-iam",
        action="store_true",
        help="check each call against the policies of its caller, and each job against its role's;"
        " only the key that is printed at the start may do everything (see README.md)",
    )
    parser.add_argument("--log-level", default="INFO", help="of stderr (default: %(default)s)")
    return parser.parse_args(arguments)


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", text):
        # With a dot S3 would take its first word for a bucket, and a stranger could own it.
        raise argparse.ArgumentTypeError(
            f"{text!r} is not one word of lower-case letters, digits and hyphens"
        )
    return text


if __name__ == "__main__":
    sys.exit(main())
