"""All endpoints at work: deploys, switches, rolls back, and brings them back after a restart."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local_sagemaker.endpoints.deployment import (
    ENDPOINT,
    Deployment,
    StartFailedError,
    read_deployment,
)
from local_sagemaker.endpoints.serving import Patience, RetiredError, Serving
from local_sagemaker.jobs.container import remove_folder
from local_sagemaker.store import until_written
from local_sagemaker.tags import drop_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_sagemaker.endpoints.container import Answer, Workshop
    from local_sagemaker.store import Document, Store

_LONGEST_REASON = 1024
_LOOK_SECONDS = 0.25
_UNSETTLED = ("Creating", "Updating", "RollingBack", "Deleting")
_INTERRUPTED = (
    "We encountered an internal error. Please try again. (The embedded SageMaker was stopped while"
    " the endpoint was in status {}.)"
)
_BROKEN = (
    "We encountered an internal error. Please try again. (The embedded SageMaker's own log has the"
    " traceback.)"
)

Key = tuple[str, str]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hosting:
    """Runs endpoints.

    Attributes:
        store: Where descriptions are kept.
        workshop: What containers are made with.
        patience: How long things may take.
    """

    store: Store
    workshop: Workshop
    patience: Patience
    _serving: dict[Key, Serving] = field(default_factory=dict)
    # Those that are starting or draining, which only the end of the server needs to find.
    _others: set[Serving] = field(default_factory=set)
    _threads: set[threading.Thread] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _closing: threading.Event = field(default_factory=threading.Event)

    def deploy(self, region: str, name: str) -> None:
        """Bring up an endpoint's ``Pending`` deployment; return at once.

        What serves now goes on until the new container is healthy. If that does not come up, an
        endpoint that serves rolls back, and a new one is Failed.
        """
        self._in_thread(self._deploy, region, name)

    def delete(self, region: str, name: str) -> None:
        """End and forget an endpoint in status Deleting; return at once."""
        self._in_thread(self._delete, region, name)

    def invoke(
        self, region: str, name: str, *, body: bytes, headers: Mapping[str, str]
    ) -> tuple[Deployment, Answer, str]:
        """Put a request to what serves an endpoint now.

        Returns:
            What served it, the response, and the container's log stream.

        Raises:
            KeyError: The endpoint does not exist, or serves nothing.
            BusyError: See `Serving.invoke`, also for StartFailedError and ContainerGoneError.
        """
        while True:
            serving = self._serving[region, name.lower()]
            try:
                answer, stream = serving.invoke(body, headers)
            except RetiredError:
                if self._closing.is_set():
                    raise StartFailedError("The embedded SageMaker is being stopped.") from None
                continue  # with what took its place
            return serving.deployment, answer, stream

    def serving(self, region: str, name: str) -> Serving | None:
        """Return what serves an endpoint now."""
        return self._serving.get((region, name.lower()))

    def recover(self) -> None:
        """Clean up after the last server, and bring back every endpoint that served."""
        remove_folder(self.workshop.folder)
        self.workshop.folder.mkdir(parents=True, exist_ok=True)
        for region, name in self.store.in_status(ENDPOINT, *_UNSETTLED, "InService"):
            self._recover(region, self._describe(region, name))
        threading.Thread(target=self._let_rest, name="idle endpoints", daemon=True).start()

    def shutdown(self) -> None:
        """End all containers; return when no process of theirs is left. Statuses stay."""
        with self._lock:
            self._closing.set()
            ending = [*self._serving.values(), *self._others]
            threads = list(self._threads)
        stopping = [threading.Thread(target=serving.stop) for serving in ending]
        for thread in stopping:
            thread.start()
        for thread in [*stopping, *threads]:
            thread.join()

    def _in_thread(self, work: Callable[[str, str], None], region: str, name: str) -> None:
        def run() -> None:
            try:
                work(region, name)
            except Exception:
                log.exception("%s: endpoint %s", region, name)
                serves = (region, name.lower()) in self._serving
                self._give_up(region, name, status="InService" if serves else "Failed")
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=f"{region} {name}")
        with self._lock:
            if self._closing.is_set():  # the next start takes it up
                return
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the machine has no more threads
            log.exception("%s: endpoint %s", region, name)
            with self._lock:
                self._threads.discard(thread)
            self._conclude(region, name, status="Failed", reason=_BROKEN)

    def _give_up(self, region: str, name: str, *, status: str, reason: str = _BROKEN) -> None:
        until_written(
            lambda: self._conclude(region, name, status=status, reason=reason),
            closing=self._closing,
            what=f"{region}: endpoint {name}",
        )

    def _deploy(self, region: str, name: str) -> None:
        pending = read_deployment(self._describe(region, name)["Pending"])
        new = Serving(pending, self.workshop, self.patience)
        try:
            if not self._start(new):
                return
            with self._lock:
                if self._closing.is_set():
                    return
                old = self._serving.get((region, name.lower()))
                self._serve(region, name, new)
                try:
                    self._conclude(region, name, status="InService", serving=pending)
                except BaseException:  # what cannot be written does not serve
                    self._serve(region, name, old)
                    raise
                self._others.discard(new)
                if old:
                    self._others.add(old)
        except BaseException:
            new.stop()
            with self._lock:
                self._others.discard(new)
            raise
        log.info("%s: %s serves", pending.arn, pending.config)
        if old:
            old.retire()
            with self._lock:
                self._others.discard(old)

    def _serve(self, region: str, name: str, serving: Serving | None) -> None:
        if serving is None:
            self._serving.pop((region, name.lower()), None)
        else:
            self._serving[region, name.lower()] = serving

    def _start(self, new: Serving) -> bool:
        deployment = new.deployment
        with self._lock:
            if self._closing.is_set():
                return False
            self._others.add(new)
        try:
            new.start()
        except RetiredError:
            return False  # the server ends
        except StartFailedError as error:
            if self._closing.is_set():
                return False
            log.info("%s: %s: %s", deployment.arn, deployment.config, error)
            self._roll_back(new, reason=str(error))
            with self._lock:
                self._others.discard(new)
            return False
        return True

    def _roll_back(self, failed: Serving, *, reason: str) -> None:
        region, name = failed.deployment.region, failed.deployment.endpoint
        serves = (region, name.lower()) in self._serving
        if serves:
            self._change(region, name, lambda held: {**held, "EndpointStatus": "RollingBack"})
        failed.stop()
        if not self._closing.is_set():
            self._give_up(region, name, status="InService" if serves else "Failed", reason=reason)

    def _delete(self, region: str, name: str) -> None:
        with self._lock:
            serving = self._serving.pop((region, name.lower()), None)
            if serving:
                self._others.add(serving)
        if serving:
            serving.retire()
            with self._lock:
                self._others.discard(serving)
        until_written(
            lambda: self._forget(region, name),
            closing=self._closing,
            what=f"{region}: endpoint {name}",
        )

    def _forget(self, region: str, name: str) -> None:
        with self.store.transaction():
            drop_tags(self.store, str(self._describe(region, name)["EndpointArn"]))
            self.store.delete(region, ENDPOINT, name=name.lower())

    def _recover(self, region: str, endpoint: Document) -> None:
        name, status = str(endpoint["EndpointName"]), str(endpoint["EndpointStatus"])
        if status == "Deleting":
            self.delete(region, name)
        elif "Serving" in endpoint:
            serving = Serving(read_deployment(endpoint["Serving"]), self.workshop, self.patience)
            self._serving[region, name.lower()] = serving
            reason = _INTERRUPTED.format(status) if "Pending" in endpoint else None

            def coming_back(held: Document) -> Document:
                kept = {key: value for key, value in held.items() if key != "Pending"}
                told = {"FailureReason": reason} if reason else {}
                return {**kept, **told, "EndpointStatus": "Updating"}

            self._change(region, name, coming_back)
            self._in_thread(self._come_back, region, name)
        else:
            self._conclude(region, name, status="Failed", reason=_INTERRUPTED.format(status))

    def _come_back(self, region: str, name: str) -> None:
        serving = self._serving[region, name.lower()]
        try:
            serving.start()
        except RetiredError:
            return
        except StartFailedError as error:
            if not self._closing.is_set():
                with self._lock:
                    self._serving.pop((region, name.lower()), None)
                serving.stop()
                self._conclude(region, name, status="Failed", reason=str(error))
            return
        reason = self._describe(region, name).get("FailureReason")
        self._conclude(region, name, status="InService", reason=str(reason) if reason else None)

    def _conclude(
        self,
        region: str,
        name: str,
        *,
        status: str,
        reason: str | None = None,
        serving: Deployment | None = None,
    ) -> None:
        def conclude(held: Document) -> Document:
            dropped = {"Pending", "FailureReason", *(["Serving"] if status == "Failed" else [])}
            kept = {key: value for key, value in held.items() if key not in dropped}
            kept["EndpointStatus"] = status
            if serving:
                kept |= {"Serving": serving.document(), "EndpointConfigName": serving.config}
            return {**kept, "FailureReason": reason[:_LONGEST_REASON]} if reason else kept

        self._change(region, name, conclude)

    def _change(self, region: str, name: str, change: Callable[[Document], Document]) -> None:
        self.store.update(
            region,
            ENDPOINT,
            name=name.lower(),
            change=lambda held: {**change(held), "LastModifiedTime": time.time()},
        )

    def _describe(self, region: str, name: str) -> Mapping[str, Any]:
        found = self.store.get(region, ENDPOINT, name=name.lower())
        assert found is not None  # noqa: S101 -- deleted by its own thread alone
        return found

    def _let_rest(self) -> None:
        while not self._closing.wait(_LOOK_SECONDS):
            for serving in list(self._serving.values()):
                serving.rest()
