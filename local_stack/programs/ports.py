"""TCP ports of this machine's loopback address."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from local_stack.errors import LocalStackError

LOOPBACK = "127.0.0.1"


class PortTakenError(LocalStackError):
    """A port that was asked for by number is in use by another program."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port right now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(url: str) -> bool:
    """Tell whether something listens where a URL of this machine leads."""
    try:
        with socket.create_connection((LOOPBACK, urlsplit(url).port or 80), timeout=1):
            return True
    except OSError:
        return False


def any_free() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def choose(asked: int | None, usual: int, *, purpose: str, option: str) -> int:
    """Choose the port of a server.

    Args:
        asked: The port that a person asked for, if they did.
        usual: The port to take otherwise, if it is free; else any free one.
        purpose: What the port is for, in the error message.
        option: How the person asked, in the error message.

    Raises:
        PortTakenError: ``asked`` is in use.
    """
    if asked is None:
        return usual if is_free(usual) else any_free()
    if not is_free(asked):
        raise PortTakenError(
            f"port {asked} for {purpose} is in use on {LOOPBACK}. "
            f"Stop what listens there, choose another with {option}=…, or leave {option} out"
        )
    return asked
