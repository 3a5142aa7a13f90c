"""The embedded SageMaker in a container: on loopback as everywhere, with a door to its network.

The embedded SageMaker runs what it is sent, so it listens on the loopback address only. Other
containers cannot reach that one. Here it runs as it always does, and connections to the
container's own address are passed on to it. Another container passes on from Airflow's network to
this one's, so that jobs' scripts share no network with Airflow. Which networks there are, and that
no port is published beyond this machine, is the business of ``docker-compose.yaml``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from local_stack.programs.places import PROJECT
from local_stack.programs.processes import Children, interruptible, no_survivors
from local_stack.services import embedded_sagemaker, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Address = tuple[str, int]

_PIECE = 2**16
_WATCH_S = 0.5


def serve(
    host: str,
    port: int,
    *,
    folder: Path,
    images: Path,
    host_names: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Run the embedded SageMaker and pass connections on to it, until a signal.

    Args:
        host: The address to listen on.
        port: The port to listen on.
        folder: Where its state and its log go.
        images: The environments that stand in for SageMaker's images.
        host_names: By which other containers call it.
        say: Is told when it is ready.

    Raises:
        KeyboardInterrupt: A signal asked for the end; all is stopped.
        ProgramEndedError: The embedded SageMaker ended.
        OSError: The address is in use.
    """
    with interruptible(), no_survivors(), Children() as children:
        _, url = embedded_sagemaker.start(
            children,
            project=PROJECT,
            state=folder / "state",
            images=images,
            port=0,
            environment=environment.inherited(os.environ),
            log=folder / "local-sagemaker.log",
            stage=0,
            host_names=host_names,
        )
        target = urlsplit(url)
        address = str(target.hostname), target.port or 0
        asyncio.run(_pass_on(host, port, target=address, watch=children.check, say=say))


def pass_on(host: str, port: int, *, target: Address, say: Callable[[str], None]) -> None:
    """Pass connections on to another container, until a signal.

    Args:
        host: The address to listen on.
        port: The port to listen on.
        target: Where each connection leads.
        say: Is told when it listens.

    Raises:
        KeyboardInterrupt: A signal asked for the end.
        OSError: The address is in use.
    """
    with interruptible():
        asyncio.run(_pass_on(host, port, target=target, watch=lambda: None, say=say))


async def _pass_on(
    host: str, port: int, *, target: Address, watch: Callable[[], None], say: Callable[[str], None]
) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            behind = await asyncio.open_connection(*target)
            await asyncio.gather(_copy(reader, behind[1]), _copy(behind[0], writer))
        writer.close()

    async with await asyncio.start_server(connected, host, port) as server:
        bound = server.sockets[0].getsockname()
        say(f"the embedded SageMaker is reachable on http://{bound[0]}:{bound[1]}")
        while True:
            watch()
            await asyncio.sleep(_WATCH_S)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    finally:
        # The other side may still be answering: only this direction ends.
        with contextlib.suppress(OSError):
            writer.write_eof()
