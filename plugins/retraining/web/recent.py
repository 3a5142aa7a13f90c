"""What was read lately: values for some seconds, for all people who look."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


Value = TypeVar("Value")


@dataclass(slots=True)
class Recent(Generic[Value]):
    """Keeps values for a time, and no more of them than there is room for.

    Two people who ask at once for what is not there both cause a read: a lock would let the second
    wait for a slow service without a bound.

    Attributes:
        seconds: So long a value is good.
        room: So many are kept; the one that was not asked for the longest goes first.
    """

    seconds: float
    room: int
    _kept: OrderedDict[Any, tuple[float, Value]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def kept(self, key: Hashable) -> Value | None:
        """Return the value of a key if there is one that is good still."""
        with self._lock:
            made, value = self._kept.get(key, (None, None))
            if made is None or time.monotonic() - made > self.seconds:
                return None
            self._kept.move_to_end(key)
            return value

    def keep(self, key: Hashable, value: Value) -> None:
        """Keep a value from now on."""
        with self._lock:
            self._kept[key] = (time.monotonic(), value)
            self._kept.move_to_end(key)
            while len(self._kept) > self.room:
                self._kept.popitem(last=False)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made now unless it was made lately. An error is not kept."""
        value = self.kept(key)
        if value is None:
            value = make()
            self.keep(key, value)
        return value

    def forget(self, key: Hashable) -> None:
        """Drop the value of a key."""
        with self._lock:
            self._kept.pop(key, None)

    def clear(self) -> None:
        """Drop all values."""
        with self._lock:
            self._kept.clear()
