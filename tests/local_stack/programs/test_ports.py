from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from local_stack.programs import ports

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def choose(asked: int | None, usual: int) -> int:
    return ports.choose(asked, usual, purpose="the UI", option="PORT")


def test_the_usual_port_is_taken_where_it_is_free() -> None:
    free = ports.any_free()
    assert choose(None, free) == free


def test_another_port_is_taken_where_the_usual_one_is_in_use(taken: int) -> None:
    port = choose(None, taken)
    assert port != taken
    assert ports.is_free(port)


def test_a_free_port_that_was_asked_for_is_taken() -> None:
    free = ports.any_free()
    assert choose(free, 8080) == free


def test_a_port_that_was_asked_for_and_is_in_use_is_an_error_that_says_what_to_do(
    taken: int,
) -> None:
    with pytest.raises(ports.PortTakenError, match=rf"port {taken} for the UI .*PORT=…"):
        choose(taken, 8080)


def test_a_port_that_is_in_use_on_all_addresses_is_not_free() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert not ports.is_free(server.getsockname()[1])
