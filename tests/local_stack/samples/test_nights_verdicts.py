"""The container scripts, run on each kind of night, come to the verdict that the manifest tells."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from retraining.gate.data import DEFAULT_DATA_POLICY, Other, decide_data
from retraining.gate.decision import Verdict

from local_stack.samples.faults import FAULTS
from local_stack.samples.nights import SEED, make_history, real_table
from local_stack.samples.nights_landing import write_history
from tests.scripts.jobs import (
    IMAGE,
    LIBRARIES,
    PROGRAM_ENVIRONMENT,
    ROOT,
    SAMPLE_DATA,
    SCRIPTS,
    Run,
    pack,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    Script = Callable[..., int]
    Told = Mapping[str, object]

WARM = ROOT / "tests" / "scripts" / "warm_interpreter.py"


@pytest.fixture(scope="module")
def script() -> Iterator[Script]:
    """Runs a script and gives its exit code; a fork of one process that knows the libraries."""
    process = subprocess.Popen(
        [IMAGE / "python", WARM, *LIBRARIES],
        env=PROGRAM_ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(name: str, *arguments: object, **environment: object) -> int:
        job = {
            "argv": [str(SCRIPTS / name), *map(str, arguments)],
            "env": {variable: str(value) for variable, value in environment.items()},
        }
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())["code"]

    with process:
        yield run
        process.stdin.close()


@dataclass(frozen=True)
class Nights:
    """Thirty nights, laid out as in a bucket, and the data report of the first, a good one."""

    folder: Path
    told: list[Told]
    baseline: bytes

    def with_fault(self, fault: str | None) -> list[Told]:
        return [night for night in self.told if night["fault"] == fault]

    def snapshot(self, night: Told) -> Path:
        return self.folder / "snapshots" / str(night["date"])


def data_report(script: Script, snapshot: Path, output: Path) -> bytes:
    assert script("preprocess.py", *("--snapshot", snapshot, "--output", output)) == 0
    return (output / "data" / "data_report.json").read_bytes()


@pytest.fixture(scope="module", params=[SEED, 1, 2])
def nights(
    request: pytest.FixtureRequest, script: Script, tmp_path_factory: pytest.TempPathFactory
) -> Nights:
    made = tmp_path_factory.mktemp("history")
    table = real_table(SAMPLE_DATA)
    history = make_history(table, 30, last=date(2026, 11, 20), seed=request.param)
    write_history(made, pipeline="california-housing", history=history, say=lambda _: None)
    folder = made / "california-housing"
    told = json.loads((folder / "history" / "manifest.json").read_text())["nights"]
    first = folder / "snapshots" / told[0]["date"]
    return Nights(folder, told, data_report(script, first, made / "baseline"))


def judged(report: bytes, baseline: bytes, policy: tuple[Any, ...] = DEFAULT_DATA_POLICY) -> Any:
    nobody = Other(None, "nobody asks")
    return decide_data(
        report, policy, baseline=Other(baseline), reference=nobody, parameters={}
    ).decision


def verdict(script: Script, run: Run, snapshot: Path, baseline: bytes) -> str:
    message = run.folder / "message"
    code = script(
        "preprocess.py",
        *("--snapshot", snapshot, "--output", run.preprocessed, "--features", "engineered"),
        *("--message", message),
    )
    if code:
        return f"failed: {message.read_text()}"
    report = (run.preprocessed / "data" / "data_report.json").read_bytes()
    decided = judged(report, baseline)
    print(decided.explanation)
    if decided.verdict is not Verdict.PASS:
        return "stopped" if decided.verdict is Verdict.REJECT else decided.verdict
    channels = {
        "SM_CHANNEL_TRAIN": run.preprocessed / "train",
        "SM_CHANNEL_PREPROCESSOR": run.preprocessed / "preprocessor",
    }
    outputs = {"SM_MODEL_DIR": run.model, "SM_OUTPUT_DIR": run.folder / "training"}
    assert script("train.py", **channels, **outputs) == 0
    pack(run.model, run.archive)
    code = script(
        "evaluate.py",
        *("--model", run.archive, "--test", run.preprocessed / "test"),
        *("--output", run.evaluation, "--message", message, "--bootstrap-samples", 2),
    )
    assert code == 0, message.read_text()
    r2 = run.report()["regression_metrics"]["r2_score"]["value"]
    print(f"r2 {r2:.4f}")
    return "pass" if r2 >= 0.6 else "reject"


@pytest.mark.parametrize("fault", [fault.name for fault in FAULTS])
def test_a_bad_night_comes_out_as_its_fault_says(
    fault: str, script: Script, nights: Nights, tmp_path: Path
) -> None:
    (night,) = nights.with_fault(fault)
    check(night, script, nights, tmp_path)


@pytest.mark.parametrize("position", [0, -1])
def test_a_good_night_passes(position: int, script: Script, nights: Nights, tmp_path: Path) -> None:
    assert nights.told[position]["expected"] == "pass"
    check(nights.told[position], script, nights, tmp_path)


def test_the_data_of_no_good_night_stop_it(script: Script, nights: Nights, tmp_path: Path) -> None:
    """One in six here, each beside the one before it and the first; the benchmark has all."""
    before = nights.baseline
    good = nights.with_fault(None)[::6]
    assert len(good) == 3
    for night in good:
        report = data_report(script, nights.snapshot(night), tmp_path / str(night["date"]))
        for other in (before, nights.baseline):
            decided = judged(report, other)
            assert decided.verdict is Verdict.PASS, (night["date"], decided.explanation)
        before = report


def test_another_region_is_stopped_or_passes_as_the_policy_says(
    script: Script, nights: Nights, tmp_path: Path
) -> None:
    header, *rows = real_table(SAMPLE_DATA).decode().splitlines()
    latitude = header.split(",").index("Latitude")
    south = [row for row in rows if float(row.split(",")[latitude]) < 35]
    assert len(south) > 10_000
    (tmp_path / "south").mkdir()
    (tmp_path / "south" / "south.csv").write_text("\n".join([header, *south, ""]))
    report = data_report(script, tmp_path / "south", tmp_path / "output")
    stopped = judged(report, nights.baseline)
    assert stopped.verdict is Verdict.REJECT
    assert re.fullmatch(
        r"distance\.greatest_stability_index\.value = \d+\.\d+ is not ≤ 0\.25"
        r" \(column (Latitude|Longitude)\)",
        stopped.explanation,
    )
    # Who trains on what comes asks for the rows and the unit alone.
    wanted = tuple(item for item in DEFAULT_DATA_POLICY if "stability_index" not in str(item))
    assert len(wanted) == len(DEFAULT_DATA_POLICY) - 1
    assert judged(report, nights.baseline, wanted).verdict is Verdict.PASS


def check(night: Told, script: Script, nights: Nights, scratch: Path) -> None:
    snapshot = nights.snapshot(night)
    expected = str(night["expected"])
    if expected == "no snapshot":
        assert not (snapshot / "_SUCCESS").exists()
        assert snapshot.exists() == (night["rows"] != 0)
        return
    assert (snapshot / "_SUCCESS").exists()
    found = verdict(script, Run(scratch), snapshot, nights.baseline)
    if expected.startswith("failed: "):
        assert found.startswith(expected)
    else:
        assert found == expected
