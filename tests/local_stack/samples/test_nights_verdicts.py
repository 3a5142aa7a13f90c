"""The container scripts, run on each kind of night, come to the verdict that the manifest tells."""

from __future__ import annotations

import json
import subprocess
from datetime import date
from typing import TYPE_CHECKING

import pytest
from retraining.gate.data import DEFAULT_DATA_POLICY, Other, decide_data
from retraining.gate.decision import Verdict

from local_stack.samples.faults import FAULTS
from local_stack.samples.nights import make_history, real_table
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty nights, laid out as in a bucket."""
    made = tmp_path_factory.mktemp("history")
    history = make_history(real_table(SAMPLE_DATA), 30, last=date(2026, 11, 20))
    write_history(made, pipeline="california-housing", history=history, say=lambda _: None)
    return made / "california-housing"


@pytest.fixture(scope="module")
def nights(folder: Path) -> list[Told]:
    return json.loads((folder / "history" / "manifest.json").read_text())["nights"]


@pytest.fixture(scope="module")
def baseline(
    script: Script, folder: Path, nights: list[Told], tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    """The report on the data of the first night, which is good."""
    output = tmp_path_factory.mktemp("baseline")
    snapshot = folder / "snapshots" / str(nights[0]["date"])
    assert script("preprocess.py", *("--snapshot", snapshot, "--output", output)) == 0
    return (output / "data" / "data_report.json").read_bytes()


def verdict(script: Script, run: Run, snapshot: Path, baseline: bytes) -> str:
    message = run.folder / "message"
    code = script(
        "preprocess.py",
        *("--snapshot", snapshot, "--output", run.preprocessed, "--features", "engineered"),
        *("--message", message),
    )
    if code:
        return f"failed: {message.read_text()}"
    decided = decide_data(
        (run.preprocessed / "data" / "data_report.json").read_bytes(),
        DEFAULT_DATA_POLICY,
        baseline=Other(baseline),
        reference=Other(None, "nobody asks"),
        parameters={},
    ).decision
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
    fault: str, script: Script, folder: Path, nights: list[Told], baseline: bytes, tmp_path: Path
) -> None:
    (night,) = [night for night in nights if night["fault"] == fault]
    check(night, script, folder, baseline, tmp_path)


@pytest.mark.parametrize("position", [0, -1])
def test_a_good_night_passes(
    position: int, script: Script, folder: Path, nights: list[Told], baseline: bytes, tmp_path: Path
) -> None:
    assert nights[position]["expected"] == "pass"
    check(nights[position], script, folder, baseline, tmp_path)


def check(night: Told, script: Script, folder: Path, baseline: bytes, scratch: Path) -> None:
    snapshot = folder / "snapshots" / str(night["date"])
    expected = str(night["expected"])
    if expected == "no snapshot":
        assert not (snapshot / "_SUCCESS").exists()
        assert snapshot.exists() == (night["rows"] != 0)
        return
    assert (snapshot / "_SUCCESS").exists()
    found = verdict(script, Run(scratch), snapshot, baseline)
    if expected.startswith("failed: "):
        assert found.startswith(expected)
    else:
        assert found == expected
