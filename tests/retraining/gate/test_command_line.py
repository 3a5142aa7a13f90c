"""``python -m retraining.gate``: verdicts as exit codes, and past runs judged anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from retraining.gate.__main__ import main
from retraining.gate.conditions import GreaterThanOrEqualTo, LessThan, Metric
from retraining.gate.decision import decide

ROOT = Path(__file__).resolve().parents[3]
SCORE = {"Std:JsonGet": {"Path": "m.score"}}
LEAST = {"Type": "GreaterThanOrEqualTo", "LeftValue": SCORE, "RightValue": 0.6}
CHOSEN = {**LEAST, "RightValue": {"Get": "Parameters.least"}}


def report(score: object, **more: object) -> dict[str, Any]:
    return {"m": {"score": score}, "rows": {"test": 900}, **more}


pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to be in, with a report and two policies."""
    monkeypatch.chdir(tmp_path)
    write("evaluation.json", report(0.7))
    write("policy.json", [LEAST])
    write("chosen.json", [CHOSEN])


def write(path: str, content: Any) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    is_bytes = isinstance(content, bytes)
    Path(path).write_bytes(content if is_bytes else json.dumps(content).encode())


def program(*arguments: str, stdin: bytes = b"", **variables: str) -> Any:
    """Run it as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "retraining.gate", *arguments],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins"), **variables},
    )


@pytest.mark.parametrize(
    ("score", "code", "verdict", "words"),
    [
        (0.6, 0, "pass", "  holds: m.score = 0.6 is ≥ 0.6"),
        (0.5, 1, "reject", "  does not hold: m.score = 0.5 is not ≥ 0.6"),
        (None, 3, "undecidable", "  undecidable: m.score of the report is null, not a number"),
    ],
)
def test_the_verdict_is_the_exit_code(
    capsys: Any, score: object, code: int, verdict: str, words: str
) -> None:
    write("evaluation.json", report(score))
    assert main(["judge", "evaluation.json", "--policy", "policy.json"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == verdict
    assert any(line.startswith(words) for line in lines)


@pytest.mark.parametrize("content", [b"", b"{", b'{"m": 1, "m": 2}', b"[" * 100_000, b"null"])
def test_a_report_that_is_none_is_undecidable(capsys: Any, content: bytes) -> None:
    write("evaluation.json", content)
    assert main(["judge", "evaluation.json", "--policy", "policy.json"]) == 3
    assert main(["judge", "nowhere.json", "--policy", "policy.json"]) == 3
    said = capsys.readouterr().out
    assert "no evaluation report to be read at nowhere.json: No such file" in said


def test_each_condition_is_told_with_its_operands(capsys: Any) -> None:
    floors = [{"metric": "m.score", "rows": "rows.test", "minimum": 500}]
    missing = {**LEAST, "LeftValue": {"Std:JsonGet": {"Path": "m.f1"}}}
    write("policy.json", [{"condition": CHOSEN, "minimum_rows": floors}, missing])
    arguments = ["judge", "evaluation.json", "--policy", "policy.json", "--parameter", "least=0.65"]
    assert main(arguments) == 3
    assert capsys.readouterr().out == (
        "undecidable\n\n"
        "  holds: m.score = 0.7 is ≥ 0.65\n"
        "      m.score = 0.7\n"
        "      rows.test = 900, at least 500 wanted\n"
        "      parameter least = 0.65\n\n"
        "  undecidable: m has no 'f1'; it has score\n"
    )
    assert main([*arguments, "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "undecidable"
    assert [item["holds"] for item in told["conditions"]] == [True, None]
    assert told["conditions"][0]["minimum_rows"] == floors
    assert told["conditions"][0]["operands"]["parameter least"] == 0.65


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--policy", "nowhere.json"], "policy 'nowhere.json': No such file or directory"),
        (["--policy", "evaluation.json"], "policy 'evaluation.json': it has no conditions"),
        (["--policy", "."], "Is a directory"),
        (["--policy", "nowhere.py:POLICY"], "it cannot be imported: FileNotFoundError"),
        (["--policy", "no.such.module:POLICY"], "it cannot be imported: ModuleNotFoundError"),
        (
            ["--policy", "s3://b/p.json"],
            "not read from here; try aws s3 cp s3://b/p.json - |",
        ),
        (["--policy", "-"], "it is not JSON"),
        (["--policy", "chosen.json"], "the run has no parameter least: see --parameter"),
        (["--policy", "chosen.json", "--parameter", "least"], "NAME=VALUE is wanted"),
        (["--policy", "chosen.json", "--parameter", "last=1"], "has no last; it has least"),
        (["--policy", "policy.json", "--parameter", "least=1"], "has no least; it has none"),
        (["--policy", "chosen.json", "--parameter", "least=NaN"], "least is nan, not a finite"),
        (["--policy", "chosen.json", "--parameter", "least=high"], '"high" is a text; ≥ compares'),
        (["--policy", "chosen.json", "--parameter", "least=true"], "true is a truth value"),
    ],
)
def test_what_cannot_be_carried_out_ends_with_two(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    with open(os.devnull) as nothing:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", nothing)
        assert main(["judge", "evaluation.json", *arguments]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert words in found.err
    assert found.err.count("\n") == 1


def test_standard_input_is_read_once(capsys: Any) -> None:
    done = program("judge", "-", "--policy", "policy.json", stdin=json.dumps(report(0.7)).encode())
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, b"pass")
    done = program("judge", "evaluation.json", "--policy", "-", stdin=json.dumps([LEAST]).encode())
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, b"pass")
    assert main(["judge", "-", "--policy", "-"]) == 2
    assert main(["judge", "s3://b/e.json", "--policy", "policy.json"]) == 2
    assert "aws s3 cp s3://b/e.json - |" in capsys.readouterr().err


def test_neither_aws_nor_airflow_is_imported() -> None:
    write("runs/2026-11-20/a/evaluation/evaluation.json", report(0.7))
    source = (
        "import runpy, sys\n"
        "try:\n"
        "    runpy.run_module('retraining.gate', run_name='__main__')\n"
        "except SystemExit as ended:\n"
        "    assert not ended.code, ended\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    for arguments in (["judge", "evaluation.json"], ["replay", "runs"]):
        done = subprocess.run(
            [sys.executable, "-c", source, *arguments, "--policy", "policy.json"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")},
        )
        assert done.returncode == 0, done.stderr
        imported = set(done.stdout.splitlines()[-1].split())
        assert "retraining" in imported
        assert not imported & {
            "airflow", "boto3", "botocore", "aiobotocore", "sagemaker", "numpy", "pandas"
        }  # fmt: skip


HOSTILE = "\x1b[2J\n\r\t\0\u202e\ud800" + "n" * 100_000


def test_hostile_texts_stay_lines_of_a_terminal() -> None:
    text = {**LEAST, "Type": "Equals", "RightValue": "\x1b[31m\ud800\u202e"}
    path = {**LEAST, "LeftValue": {"Std:JsonGet": {"Path": f"m['{HOSTILE}']"}}}
    write("policy.json", [text, path, {**LEAST, "LeftValue": {"Std:JsonGet": {"Path": "absent"}}}])
    write("evaluation.json", report("\x1b[31m\ud800\u202e", **{HOSTILE: 1}) | {"m": {HOSTILE: 0.7}})
    for encoding in ("utf-8", "ascii"):
        done = program(
            "judge", "evaluation.json", "--policy", "policy.json", PYTHONIOENCODING=encoding
        )
        assert done.returncode == 3, done.stderr
        assert_well(done.stdout, encoding)
    done = program("judge", "evaluation.json", "--policy", "policy.json", "--json")
    assert json.loads(done.stdout)["verdict"] == "undecidable"
    done = program("judge", "\x1b[2J\udcff\u202e" + "n" * 200, "--policy", "policy.json")
    assert_well(done.stdout, "utf-8")


def assert_well(output: bytes, encoding: str) -> None:
    lines = output.decode(encoding).removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    # In another encoding a letter may take several.
    assert encoding == "ascii" or max(map(len, lines)) <= 100


def past(
    snapshot: str, run: str, score: float | None, *, verdict: str | None = None, **more: Any
) -> None:
    """A run, as a copy of its prefix has it; judged by a score of at least 0.6."""
    folder = f"copy/runs/{snapshot}/{run}/evaluation"
    content = json.dumps(report(score)).encode()
    policy = [GreaterThanOrEqualTo(Metric("m.score"), 0.6)]
    decided = verdict or decide(content, policy, parameters={}).verdict
    write(f"{folder}/decision.json", {"verdict": decided, "conditions": [], **more})
    if score is not None:
        write(f"{folder}/evaluation.json", content)


def test_past_runs_are_judged_anew_in_the_order_of_their_snapshots(capsys: Any) -> None:
    past("2026-11-22", "scheduled__a", 0.62)
    past("2026-11-20", "scheduled__b", 0.7)
    past("2026-11-21", "scheduled__c", 0.5)
    past("2026-11-21", "manual__d", None, verdict="undecidable")
    write("copy/runs/2026-11-23/e/evaluation/evaluation.json", report(0.8))
    write("copy/runs/2026-11-23/e/model/evaluation.json", report(0.8))
    write("strict.json", [{**LEAST, "RightValue": 0.65}])
    assert main(["replay", "copy", "--policy", "strict.json"]) == 0
    assert capsys.readouterr().out == (
        "2026-11-22  pass → reject  scheduled__a\n"
        "    m.score = 0.62 is not ≥ 0.65\n"
        "2026-11-23  no verdict → pass  e\n"
        "    m.score = 0.8 is ≥ 0.65\n"
        "\n"
        "runs: 5, snapshots: 4\n"
        "then: 2 passed, 1 rejected, 1 could not be judged, 1 without a verdict\n"
        "now:  2 passed, 2 rejected, 1 could not be judged\n"
        "differing: 2\n"
    )
    assert main(["replay", "copy/runs/2026-11-22", "--policy", "strict.json", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (run,) = told["runs"]
    assert (run["snapshot"], run["then"], run["now"]) == ("2026-11-22", "pass", "reject")
    assert told["now"] == {"pass": 0, "reject": 1, "undecidable": 0, "none": 0}
    assert told["differing"] == 1


def test_a_parameter_is_each_nights_own_unless_it_is_given(capsys: Any) -> None:
    past("2026-11-20", "a", 0.7, parameters={"least": 0.8})
    past("2026-11-21", "b", 0.7, parameters={"least": 0.6})
    past("2026-11-22", "c", 0.7)

    def now(*arguments: str) -> list[str]:
        assert main(["replay", "copy", "--policy", "chosen.json", "--json", *arguments]) == 0
        return [run["now"] for run in json.loads(capsys.readouterr().out)["runs"]]

    assert now() == ["reject", "pass", "undecidable"]
    assert now("--parameter", "least=0.75") == ["reject", "reject", "reject"]
    assert main(["replay", "copy", "--policy", "chosen.json", "--parameter", "least=NaN"]) == 2
    assert "parameter least is nan" in capsys.readouterr().err


def test_broken_files_are_told_and_end_nothing(capsys: Any) -> None:
    past("2026-11-20", "good", 0.5)
    folder = "copy/runs/2026-11-21"
    for run, content in {
        "text": b"{", "deep": b"[" * 100_000, "list": b"[]", "verdict": b'{"verdict": ["pass"]}',
        "bytes": b"\xff\xfe",
    }.items():  # fmt: skip
        write(f"{folder}/{run}/evaluation/decision.json", content)
        write(f"{folder}/{run}/evaluation/evaluation.json", report(0.7))
    write(f"{folder}/report/evaluation/evaluation.json", b"{")
    write("copy/runs/no-day/r/evaluation/evaluation.json", report(0.7))
    Path(f"{folder}/folder/evaluation/decision.json").mkdir(parents=True)
    write(f"{folder}/folder/evaluation/evaluation.json", report(0.7))
    Path(f"{folder}/loop").symlink_to(Path("copy").absolute())
    assert main(["replay", "copy", "--policy", "policy.json", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {run["run"]: run["now"] for run in told["runs"]} == {
        "good": "reject", "text": "pass", "deep": "pass", "list": "pass", "verdict": "pass",
        "bytes": "pass", "report": "undecidable", "folder": "pass",
    }  # fmt: skip
    faults = {Path(fault["path"]).parts[-3]: fault["reason"] for fault in told["faults"]}
    assert set(faults) == {"text", "deep", "list", "verdict", "bytes", "no-day", "folder"}
    assert faults["list"] == "it is no decision record: it is not a JSON object"


def test_hostile_runs_stay_lines_of_a_terminal() -> None:
    name = "\x1b[2J\u202e" + "n" * 150
    past("2026-11-20", name, 0.7, parameters={"least": "\ud800\x1b" * 5_000})
    os.makedirs(b"copy/runs/2026-11-20/\xff\n/evaluation")  # noqa: PTH103
    with open(b"copy/runs/2026-11-20/\xff\n/evaluation/decision.json", "wb") as file:  # noqa: PTH123
        file.write(b'{"verdict": "\x1b[2J"}')
    for encoding in ("utf-8", "ascii"):
        done = program("replay", "copy", "--policy", "chosen.json", PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert_well(done.stdout, encoding)
    done = program("replay", "copy", "--policy", "chosen.json", "--json")
    assert len(json.loads(done.stdout)["runs"]) == 2


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("nowhere", "nowhere is no folder"),
        ("policy.json", "policy.json is no folder"),
        (".", "no run lies below ."),
        ("s3://b/p/", "try aws s3 sync s3://b/p/ FOLDER"),
    ],
)
def test_where_nothing_lies_there_is_nothing_to_judge(capsys: Any, folder: str, words: str) -> None:
    Path("evaluation.json").unlink()
    assert main(["replay", folder, "--policy", "policy.json"]) == 2
    assert words in capsys.readouterr().err


def test_whoever_has_seen_enough_may_stop_reading() -> None:
    for day in range(10, 30):
        for number in range(40):
            past(f"2026-11-{day}", f"run-{number}", 0.61)
    write("strict.json", [{**LEAST, "RightValue": 0.65}])
    command = f"{sys.executable} -m retraining.gate replay copy --policy strict.json | head -1"
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")},
    )
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_what_goes_wrong_is_no_rejection() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "retraining.gate", "judge", "evaluation.json",
             "--policy", "policy.json"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")},
        )  # fmt: skip
    assert b"No space left on device" in done.stderr
    assert done.returncode not in {0, 1, 3}


def test_a_decision_is_a_policy(capsys: Any) -> None:
    policy = [LessThan(Metric("m.score", minimum_rows=1_000), 1)]
    (judged,) = decide(
        json.dumps({"m": {"score": 0.7}, "rows": {"test": 1_000}}).encode(), policy, parameters={}
    ).judgements
    item = {"condition": judged.condition, "minimum_rows": judged.minimum_rows}
    write("decision.json", {"verdict": "pass", "conditions": [item]})
    assert main(["judge", "evaluation.json", "--policy", "decision.json"]) == 3
    assert "rests on 900 test rows, fewer than the 1000" in capsys.readouterr().out
