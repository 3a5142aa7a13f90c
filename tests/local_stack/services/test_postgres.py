from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from local_stack.programs.processes import Children, ProgramEndedError
from local_stack.services import environment, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


def start(children: Children, folder: Path) -> postgres.Server:
    server = postgres.server(folder)
    postgres.start(
        children,
        server,
        environment=environment.inherited(os.environ),
        logs=folder / "logs",
        stage=0,
    )
    return server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    with Children() as children:
        yield start(children, tmp_path_factory.mktemp("postgres"))


def test_airflows_synchronous_driver_reaches_it(server: postgres.Server) -> None:
    with sa.create_engine(server.url()).connect() as connection:
        rows = connection.execute(sa.text("SELECT current_user, current_database()")).all()
    assert rows == [("airflow", "airflow")]


def test_airflows_asynchronous_driver_reaches_it(server: postgres.Server) -> None:
    async def ask() -> object:
        engine = create_async_engine(server.url("asyncpg"))
        async with engine.connect() as connection:
            answer = (await connection.execute(sa.text("SELECT 41 + 1"))).scalar()
        await engine.dispose()
        return answer

    assert asyncio.run(ask()) == 42
    assert asyncpg.__version__


def test_airflows_role_is_no_superuser(server: postgres.Server) -> None:
    with sa.create_engine(server.url()).connect() as connection:
        query = sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert connection.execute(query).scalar() is False


def test_it_listens_on_no_network(server: postgres.Server) -> None:
    with sa.create_engine(server.url()).connect() as connection:
        assert connection.execute(sa.text("SHOW listen_addresses")).scalar() == ""


def test_only_the_owner_may_enter_its_folders(server: postgres.Server) -> None:
    for folder in (server.socket, server.data):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_it_knows_no_other_role(server: postgres.Server) -> None:
    with pytest.raises(psycopg2.OperationalError, match=r"Peer authentication failed"):
        psycopg2.connect(host=str(server.socket), user="somebody", dbname="airflow")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")
def test_it_does_not_run_as_root(server: postgres.Server) -> None:
    pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    assert Path(f"/proc/{pid}").stat().st_uid != 0


def test_the_data_outlive_a_restart(tmp_path: Path) -> None:
    for attempt in range(2):
        with Children() as children:
            engine = sa.create_engine(start(children, tmp_path).url())
            with engine.begin() as connection:
                if attempt == 0:
                    connection.execute(sa.text("CREATE TABLE kept AS SELECT 7 AS number"))
                assert connection.execute(sa.text("SELECT number FROM kept")).scalar() == 7
            engine.dispose()


def test_a_lock_that_names_another_programs_id_is_no_hindrance(tmp_path: Path) -> None:
    with Children() as children:
        server = start(children, tmp_path)
        lines = (server.data / "postmaster.pid").read_text().splitlines()
    # As after a reboot: the id is in use, by this very process.
    lines[0] = str(os.getpid())
    (server.data / "postmaster.pid").write_text("\n".join(lines) + "\n")
    with Children() as children:
        start(children, tmp_path)


def test_a_second_server_of_the_same_data_is_refused(server: postgres.Server) -> None:
    with Children() as children, pytest.raises(postgres.PostgresError, match=r"already serves"):
        start(children, server.data.parent)


def test_data_of_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("9\n")
    with (
        Children() as children,
        pytest.raises(postgres.PostgresError, match=r"made by PostgreSQL 9.*remove"),
    ):
        start(children, tmp_path)


def test_a_failed_start_tells_the_servers_last_words(tmp_path: Path) -> None:
    with Children() as children:
        server = start(children, tmp_path)
    with (server.data / "postgresql.conf").open("a") as file:
        file.write("\nno_such_setting = 1\n")
    with (
        Children() as children,
        pytest.raises(ProgramEndedError, match=r"(?s)postgres exited with 1.*no_such_setting"),
    ):
        start(children, tmp_path)


def test_a_path_too_long_for_a_socket_gets_a_private_folder_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    socket = postgres.server(deep).socket
    assert tmp_path not in socket.parents
    try:
        with Children() as children:
            server = start(children, deep)
            with sa.create_engine(server.url()).connect() as connection:
                assert connection.execute(sa.text("SELECT 1")).scalar() == 1
            assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    finally:
        with contextlib.suppress(FileNotFoundError):
            socket.rmdir()


def test_a_socket_folder_that_somebody_else_put_there_is_refused(tmp_path: Path) -> None:
    server = postgres.server(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    server.socket.symlink_to(elsewhere)
    with Children() as children, pytest.raises(postgres.PostgresError, match=r"somebody else"):
        start(children, tmp_path)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755
