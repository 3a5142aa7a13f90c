"""What is looked at before any service sees a request: whom it asks for, who asks, its body."""

from __future__ import annotations

import io
import ipaddress
import re
from typing import TYPE_CHECKING

from local_sagemaker.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Collection

    from _typeshed.wsgi import WSGIEnvironment

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::[0-9]*)?", re.IGNORECASE)
# What S3 takes in one request. No other service takes more than a fraction of the second.
_LARGEST_OBJECT, _LARGEST_REQUEST = 5 * 1024**3, 16 * 1024**2
_PIECE = 1024 * 1024


def check_caller(environ: WSGIEnvironment, names: Collection[str]) -> None:
    """Refuse what a web page may have sent.

    A page's requests to another origin carry `Origin`. A page whose host name was made to lead
    here (DNS rebinding) is of this origin for its browser, but cannot hide its host name.

    Args:
        environ: The request.
        names: The names of this server besides `localhost`, without a dot.

    Raises:
        ServiceError: AccessDenied.
    """
    if "HTTP_ORIGIN" in environ:
        raise ServiceError("AccessDenied", "Requests of web pages are not answered.")
    host = environ.get("HTTP_HOST", "")
    if not _is_own(host, names):
        raise ServiceError(
            "AccessDenied",
            f"{host[:256]!r} is no name of this server's. It answers to loopback addresses,"
            " localhost, and names that it was started with (--host-name).",
        )


def _is_own(host: str, names: Collection[str]) -> bool:
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].lower()
    # Clients of S3 may write the bucket before the name.
    if name.rpartition(".")[2] in {"localhost", *names}:
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def read_body(environ: WSGIEnvironment, service: str) -> bytes:
    """Read a request's body to its end, before any lock: a slow client must hold up nobody.

    Args:
        environ: The request; its input is in memory afterwards.
        service: The service that is asked.

    Returns:
        The body.

    Raises:
        ServiceError: The body is longer or shorter than was said, too long, or it stalled. The code
            is S3's; other services have SerializationException for whatever cannot be read.
    """

    def refused(code: str, message: str) -> ServiceError:
        return ServiceError(code if service == "s3" else "SerializationException", message)

    stated = environ.get("CONTENT_LENGTH") or "0"
    if not (stated.isascii() and stated.isdigit()):
        raise refused("InvalidRequest", f"Content-Length {stated[:64]!r} is no number of bytes.")
    largest = _LARGEST_OBJECT if service == "s3" else _LARGEST_REQUEST
    chunked = bool(environ.get("wsgi.input_terminated"))
    # So many digits are too many, whatever they are.
    length = largest + 1 if chunked or len(stated) > 20 else int(stated)
    body = io.BytesIO()
    if chunked or length <= largest:
        try:
            while piece := environ["wsgi.input"].read(min(_PIECE, length - body.tell())):
                body.write(piece)
        except TimeoutError as error:
            raise refused("RequestTimeout", "The body did not come in time.") from error
        except OSError as error:
            raise refused("IncompleteBody", f"The body cannot be read: {error}.") from error
        if body.tell() < length and not chunked:
            raise refused("IncompleteBody", f"{length} bytes were said, {body.tell()} came.")
        length = body.tell()
    if length > largest:
        raise refused("EntityTooLarge", f"A body has at most {largest} bytes.")
    # From here on nobody waits for the client: it may read the answer as slowly as it likes.
    environ["werkzeug.socket"].settimeout(None)
    environ["wsgi.input"] = io.BytesIO(body.getvalue())
    environ["CONTENT_LENGTH"] = str(length)
    return body.getvalue()
