"""The faults: what is injected, at which point of which step, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults import actions
from tests.faults.proxy import Rule
from tests.faults.runs import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.actions import Action
    from tests.faults.proxy import Answer, Exchange
    from tests.faults.runs import Run

    Inject = Callable[[Run, str], None]

BEFORE_CREATE = "before create"
BETWEEN = "between create and answer"
WAITING = "while waiting"
AT_END = "at the end"
UPLOAD = "between upload and answer"
JOB = "the job itself"
REPORT = "reading evaluation.json"

JUDGE = "check_quality"
REGISTER = "register_model"

# botocore tries four or five times itself; a burst is longer.
_BURST = 7
_CREATE_JOB = "Create(Processing|Training)Job"
_CREATE = f"{_CREATE_JOB}|CreateModelPackage"
_DESCRIBE = "Describe(Processing|Training)Job"
_THROTTLED = actions.error("ThrottlingException", 400, "Rate exceeded")
_INTERNAL = actions.error("InternalFailure", 500)
_UNAVAILABLE = actions.error("ServiceUnavailable", 503)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at a point.

    Attributes:
        what: In a few words.
        point: When.
        steps: Where: each step is a case of its own.
        inject: Prepares a run for it, before the run starts.
        state: How the run must end.
        jobs: How many jobs the step must have had, and how each ended.
        says: A regular expression that the task's log must match.
    """

    what: str
    point: str
    steps: tuple[str, ...]
    inject: Inject = lambda *_: None
    state: str = "success"
    jobs: tuple[str, ...] = ("Completed",)
    says: str = ""

    @property
    def is_fatal(self) -> bool:
        """Whether the run ends at the step."""
        return self.state == "failed"


@dataclass(frozen=True, slots=True)
class Case:
    """A fault at a step."""

    fault: Fault
    step: str

    def __str__(self) -> str:
        """Its name among the tests."""
        return f"{self.fault.what}, {self.fault.point}, {self.step}".replace(" ", "-")

    @property
    def jobs(self) -> tuple[str, ...]:
        """What jobs the step must have had; some steps have none."""
        return self.fault.jobs if self.step in STEPS else ()


def _on(operation: str, action: Action, *, by: str = "", times: int | None = 1) -> Inject:
    def inject(run: Run, step: str) -> None:
        # Calls to S3 name no step; the key tells it.
        named = "" if step == JUDGE else step
        run.add(step, Rule(operation, action, run=run.snapshot, step=named, by=by, times=times))

    return inject


def _create(action: Action, times: int = 1) -> Inject:
    return _on(_CREATE, action, times=times)


def _poll_rule(run: Run, step: str, action: Action, times: int = 1) -> Rule:
    kind = "Training" if step == "train" else "Processing"
    return Rule(
        f"Describe{kind}Job|List{kind}Jobs",
        action,
        run=run.snapshot,
        step=step,
        by="triggerer",
        times=times,
        # A List is of all runs: the rule must not be used up before this one waits.
        when=lambda: bool(run.job_names(step)),
    )


def _poll(action: Action, times: int = _BURST) -> Inject:
    return lambda run, step: run.add(step, _poll_rule(run, step, action, times))


def end_rule(
    run: Run, step: str, action: Action, *, operation: str = _DESCRIBE, times: int = 1
) -> Rule:
    """Return the rule for a worker's calls about a job that has ended."""
    return Rule(
        operation,
        action,
        run=run.snapshot,
        step=step,
        by="worker",
        times=times,
        when=lambda: run.has_ended(step),
    )


def _end(action: Action, times: int = _BURST, operation: str = _DESCRIBE) -> Inject:
    return lambda run, step: run.add(
        step, end_rule(run, step, action, operation=operation, times=times)
    )


def _upload(key: str, action: Action) -> Inject:
    return _on(f"PUT .*/{key}(\\?.*)?", action)


def _upload_of_registration(action: Action) -> Inject:
    """The second upload of the decision, with what was registered."""

    def inject(run: Run, step: str) -> None:
        run.add(
            step,
            Rule(
                r"PUT .*/decision\.json(\?.*)?",
                action,
                run=run.snapshot,
                when=lambda: bool(run.stack.proxy.seen("CreateModelPackage", run=run.snapshot)),
            ),
        )

    return inject


def _report(action: Action, times: int | None = _BURST) -> Inject:
    return _on(r"GET .*/evaluation\.json(\?.*)?", action, times=times)


def _fails(reason: str) -> Inject:
    """Let the step's first job fail, and Describe give the reason."""

    def inject(run: Run, step: str) -> None:
        words = run.fail_once(step)
        _on(_DESCRIBE, actions.change_failure(words, reason), times=None)(run, step)

    return inject


def _runs_too_long(run: Run, step: str) -> None:
    run.hold(step)
    limit = {"MaxRuntimeInSeconds": 2}
    _on(_CREATE_JOB, actions.change_request(StoppingCondition=limit))(run, step)


def _stopped_from_outside(run: Run, step: str) -> None:
    run.hold(step)

    def stop(exchange: Exchange) -> Answer:
        run.stop_jobs(step)
        return exchange.forward()

    run.add(step, _poll_rule(run, step, stop))


_CREATORS = (*STEPS, REGISTER)
_ADOPTS = "an earlier attempt"
_NOTICES = f"another attempt|{_ADOPTS}"
_REGISTERED = "already registered as"

SERVICE_FAULTS = (
    Fault("ThrottlingException × 7", BEFORE_CREATE, _CREATORS, _create(_THROTTLED, _BURST)),
    Fault("HTTP 500 × 7", BEFORE_CREATE, _CREATORS, _create(_INTERNAL, _BURST)),
    Fault("HTTP 503 × 7", BEFORE_CREATE, _CREATORS, _create(_UNAVAILABLE, _BURST)),
    Fault("connection reset × 7", BEFORE_CREATE, _CREATORS, _create(actions.reset, _BURST)),
    Fault(
        "ResourceLimitExceeded",
        BEFORE_CREATE,
        STEPS,
        _create(actions.error("ResourceLimitExceeded", 400, "The account-level limit is 0")),
    ),
    Fault("answer lost", BETWEEN, STEPS, _create(actions.lose_answer), says=_NOTICES),
    Fault("answer lost", BETWEEN, (REGISTER,), _create(actions.lose_answer)),
    Fault("slow answer (3 s)", BETWEEN, _CREATORS, _create(actions.slow(3))),
    Fault("two attempts at once", BETWEEN, STEPS, _create(actions.twice), says=_NOTICES),
    Fault("two attempts at once", BETWEEN, (REGISTER,), _create(actions.twice)),
    Fault("ThrottlingException × 7", WAITING, STEPS, _poll(_THROTTLED)),
    Fault("HTTP 500 × 7", WAITING, STEPS, _poll(_INTERNAL)),
    Fault("HTTP 503 × 7", WAITING, STEPS, _poll(_UNAVAILABLE)),
    Fault("connection reset × 7", WAITING, STEPS, _poll(actions.reset)),
    Fault("slow answer (3 s)", WAITING, STEPS, _poll(actions.slow(3), 2)),
    Fault("ThrottlingException × 7", AT_END, STEPS, _end(_THROTTLED)),
    Fault("HTTP 500 × 7", AT_END, STEPS, _end(_INTERNAL)),
    Fault("connection reset × 7", AT_END, STEPS, _end(actions.reset)),
    Fault(
        "ThrottlingException × 7 on the job's log",
        AT_END,
        STEPS,
        _end(_THROTTLED, operation="DescribeLogStreams|GetLogEvents"),
    ),
    Fault("SlowDown × 7", REPORT, (JUDGE,), _report(actions.error("SlowDown", 503))),
    Fault("HTTP 500 × 7", REPORT, (JUDGE,), _report(actions.error("InternalError", 500))),
    Fault("connection reset × 7", REPORT, (JUDGE,), _report(actions.reset)),
    Fault("answer lost", UPLOAD, (JUDGE,), _upload("decision.json", actions.lose_answer)),
)

_KILL_BEFORE = actions.kill_client(after=False)
_KILL_AFTER = actions.kill_client(after=True)
_EVICT = actions.kill_client(after=True, warned=True)

DEATHS_OF_WORKERS = (
    Fault("worker SIGKILL", BEFORE_CREATE, _CREATORS, _create(_KILL_BEFORE)),
    Fault("worker SIGKILL", BETWEEN, STEPS, _create(_KILL_AFTER), says=_ADOPTS),
    Fault("worker SIGKILL", BETWEEN, (REGISTER,), _create(_KILL_AFTER), says=_REGISTERED),
    Fault("worker SIGKILL", AT_END, STEPS, _end(_KILL_BEFORE, 1), says=_ADOPTS),
    Fault("worker SIGKILL", UPLOAD, (JUDGE,), _upload("decision.json", _KILL_AFTER)),
    Fault(
        "worker SIGKILL",
        UPLOAD,
        (REGISTER,),
        _upload_of_registration(_KILL_AFTER),
        says=_REGISTERED,
    ),
    Fault("worker SIGTERM, then SIGKILL", BETWEEN, STEPS, _create(_EVICT), says=_ADOPTS),
    Fault("worker SIGTERM, then SIGKILL", BETWEEN, (REGISTER,), _create(_EVICT), says=_REGISTERED),
    Fault(
        "worker SIGTERM",
        BEFORE_CREATE,
        _CREATORS,
        _create(actions.terminate_client(after=False)),
    ),
    Fault("worker SIGTERM", BETWEEN, _CREATORS, _create(actions.terminate_client(after=True))),
    Fault("worker SIGTERM", AT_END, STEPS, _end(actions.terminate_client(after=False), 1)),
)

FAILING_JOBS = (
    Fault(
        "CapacityError",
        JOB,
        STEPS,
        _fails("CapacityError: Unable to provision requested ML compute capacity"),
        jobs=("Failed", "Completed"),
        says="CapacityError",
    ),
    Fault(
        "InternalServerError",
        JOB,
        STEPS,
        _fails("InternalServerError: We encountered an internal error. Please try again."),
        jobs=("Failed", "Completed"),
        says="InternalServerError",
    ),
    Fault(
        "AlgorithmError",
        JOB,
        STEPS,
        lambda run, step: run.fail(step, "houses.csv: line 7 has no price"),
        state="failed",
        jobs=("Failed",),
        says="ended as Failed: .*houses.csv: line 7 has no price",
    ),
    Fault(
        "runs beyond its time limit",
        JOB,
        STEPS,
        _runs_too_long,
        state="failed",
        jobs=("Stopped",),
        says="limit of 2 s",
    ),
    Fault(
        "stopped from outside",
        JOB,
        STEPS,
        _stopped_from_outside,
        state="failed",
        jobs=("Stopped",),
        says="ended as Stopped",
    ),
    Fault(
        "AccessDenied",
        REPORT,
        (JUDGE,),
        _report(actions.error("AccessDenied", 403, "Access Denied"), None),
        state="failed",
        says="AccessDenied",
    ),
    Fault(
        "no report",
        REPORT,
        (JUDGE,),
        lambda run, _: run.report(""),
        state="failed",
        says="there is no evaluation report at s3://",
    ),
    Fault(
        "not JSON",
        REPORT,
        (JUDGE,),
        lambda run, _: run.report("{r2"),
        state="failed",
        says="not JSON.*Nothing was registered",
    ),
)
