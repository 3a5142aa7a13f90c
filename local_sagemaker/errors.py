"""The errors of the SageMaker API, with the codes and words of the service."""

from __future__ import annotations

# A message may quote what was sent; nobody reads more of it than that.
_LONGEST_MESSAGE = 8192


class ServiceError(Exception):
    """An answer of the service other than success.

    Attributes:
        code: The service's name for the error, such as ``ValidationException``.
        message: What was wrong, for the caller; the end of a very long one is cut off.
        status: Of the HTTP answer.
    """

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:_LONGEST_MESSAGE]}… ({len(message)} characters in all)"
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class RequestInvalidError(ServiceError):
    """A request that the service's model, or a rule beyond the model, does not allow."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


def unsupported(message: str) -> ServiceError:
    """What SageMaker has and this emulator does not.

    Args:
        message: Names the verb or the member, and why it cannot be had.

    Returns:
        The error, pointing to the coverage table.
    """
    hint = "See the coverage table in local_sagemaker/README.md."
    return ServiceError("UnsupportedOperation", f"{message} {hint}")
