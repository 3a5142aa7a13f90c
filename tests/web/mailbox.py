"""A mail server of this machine that keeps what it is sent."""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that has come.

    Attributes:
        to: The addresses that it was delivered to.
        subject: Its subject.
        text: All of its parts, decoded.
    """

    to: tuple[str, ...]
    subject: str
    text: str


@dataclass(slots=True)
class Mailbox:
    """What has come so far.

    Attributes:
        port: Where the server listens on 127.0.0.1.
        mails: The messages.
    """

    port: int
    mails: list[Mail] = field(default_factory=list)


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Run a mail server, as far as a client that only delivers needs it (RFC 5321)."""

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            to: list[str] = []
            self._say("220 here")
            while line := self.rfile.readline():
                verb = line.split(None, 1)[0].upper() if line.strip() else b""
                if verb == b"RCPT":
                    to.append(line.partition(b"<")[2].partition(b">")[0].decode())
                if verb == b"DATA":
                    self._say("354 go on")
                    found.mails.append(_mail(to, b"".join(iter(self.rfile.readline, b".\r\n"))))
                    to = []
                self._say("221 bye" if verb == b"QUIT" else "250 fine")
                if verb == b"QUIT":
                    return

        def _say(self, answer: str) -> None:
            self.wfile.write(f"{answer}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        found = Mailbox(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def _mail(to: list[str], content: bytes) -> Mail:
    message = message_from_bytes(content, policy=policy.default)
    parts = [part.get_content() for part in message.walk() if not part.is_multipart()]
    return Mail(tuple(to), str(message["Subject"]), "\n".join(map(str, parts)))
