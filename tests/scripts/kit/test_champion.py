"""The champion on the candidate's rows: its process, and what the report makes of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.jobs import KIT, files_below, run_cold

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripts.jobs import Outcome

# A job that compares the candidate, which predicts x, with the champion of a folder.
JOB = """
import functools, json, sys
import numpy as np
from kit.champion import Contest, against_champion, champion_arguments
from kit.job import ArgumentParser
from kit.regression import check_predictions, regression_difference, regression_metrics
parser = ArgumentParser("a job")
champion_arguments(parser)
random = np.random.default_rng(1)
actual = random.normal(size=200)
x, other = actual + random.normal(0, 0.5, 200), random.normal(size=200)
columns = {"x": [repr(v) for v in x.tolist()], "other": [repr(v) for v in other.tolist()]}
told = {"samples": 50, "seed": 3}
contest = Contest(
    rows={"columns": columns}, columns=columns, actual=actual, predicted=x,
    measure=functools.partial(regression_metrics, **told),
    compare=functools.partial(regression_difference, **told),
    check=functools.partial(check_predictions, rows=200),
)
tonight = {"split": {"method": "sha256-of-row", "seed": 1, "shares": {"test": 0.2}}}
print(json.dumps(against_champion(parser.parse_args(), contest, record=tonight)))
"""
# A model that predicts half of x.
ENTRY_POINT = """
FEATURES = ["x"]
def model_fn(folder):
    return 0.5
def input_fn(body, content_type):
    return [float(line) for line in body.splitlines()]
def predict_fn(rows, model):
    return [model * row for row in rows]
"""


class Champion:
    """The champion's archive, and the job that is given it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {"code/entry_point.py": ENTRY_POINT}
        self.marked = folder / "marked"

    def compared(self, *options: object, **environment: object) -> dict[str, Any]:
        place = self.folder / "champion"
        place.mkdir(exist_ok=True)
        for name, text in self.files.items():
            path = self.folder / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with tarfile.open(place / "model.tar.gz", "w:gz") as tar:
            tar.add(self.folder / "files", ".")
        return self.report(*options, **environment)

    def report(self, *options: object, **environment: object) -> dict[str, Any]:
        outcome = self.run(*options, **environment)
        assert outcome.code == 0, outcome.stderr
        return json.loads(outcome.stdout.splitlines()[-1])

    def run(self, *options: object, **environment: object) -> Outcome:
        arguments = ("--champion", self.folder / "champion", "--champion-version", "arn:m/7")
        return run_cold(
            "-c", JOB, *map(str, (*arguments, *options)), PYTHONPATH=KIT.parent, **environment
        )


@pytest.fixture
def champion(tmp_path: Path) -> Champion:
    return Champion(tmp_path)


def outcome_of(report: dict[str, Any]) -> tuple[str, str]:
    told = report["champion"]
    if told["outcome"] != "scored":
        assert report["difference"] is None
        assert told["compared_with"] == ("no champion" if told["outcome"] == "none" else None)
        metrics = report["against_champion"]["regression_metrics"]
        assert set(metrics) == {"mse", "rmse", "mae", "r2_score"}
        assert all(m == {"worse_by": 0.0, "better_share": 0.5} for m in metrics.values())
    return told["outcome"], told["reason"]


def test_a_champion_is_scored_on_the_same_rows(champion: Champion) -> None:
    champion.files["preprocessing.json"] = json.dumps(
        {"split": {"method": "sha256-of-row", "seed": 1, "shares": {"test": 0.2}}}
    )
    report = champion.compared("--slices", "other")
    assert outcome_of(report) == ("scored", "")
    told = report["champion"]
    assert (told["version"], told["compared_with"], told["rows"]) == ("arn:m/7", "arn:m/7", 200)
    assert told["rows_unseen_by_champion"] is True
    # Half of x has an error of half of the actual value, and half of the noise.
    mse = report["difference"]["regression_metrics"]["mse"]
    assert mse["value"] == pytest.approx(0.25 - (0.25 + 0.25 / 4), abs=0.08)
    assert mse["value"] == mse["candidate"] - mse["champion"]
    assert report["against_champion"]["regression_metrics"]["mse"]["worse_by"] == mse["value"]
    assert told["regression_metrics"]["mse"]["value"] == mse["champion"]
    assert [part["rows"] for part in report["difference"]["slices"]] == [50, 50, 50, 50]
    assert champion.compared("--slices", "other") == report


@pytest.mark.parametrize(
    ("split", "expected", "words"),
    [
        (None, "unknown", "its own record of preprocessing does not say"),
        ({"method": "permutation"}, False, "another method, seed, shares"),
        (
            {"method": "sha256-of-row", "seed": 2, "shares": {"test": 0.2}},
            False,
            "other rows were held out: another seed",
        ),
        ([1], "unknown", "its own record of preprocessing does not say"),
    ],
)
def test_it_is_said_whether_the_champion_has_seen_the_rows(
    split: Any, expected: object, words: str, champion: Champion
) -> None:
    champion.files["preprocessing.json"] = json.dumps({"split": split} if split else {})
    told = champion.compared()["champion"]
    assert told["rows_unseen_by_champion"] == expected
    assert words in told["rows_unseen_reason"]


def test_no_champion_and_one_that_is_gone(champion: Champion) -> None:
    assert outcome_of(champion.report())[0] == "gone"
    assert outcome_of(champion.report("--champion-version", "")) == ("none", "no champion")
    told = champion.report("--unscored-champion", "pass")["champion"]
    assert (told["outcome"], told["compared_with"]) == ("gone", "no champion")
    told = champion.compared("--unscored-champion", "pass")["champion"]
    assert (told["outcome"], told["compared_with"]) == ("scored", "arn:m/7")


@pytest.mark.parametrize(
    ("spoil", "outcome", "words"),
    [
        ("import os; os._exit(0)", "cannot_be_loaded", "ended with code 0, without an answer"),
        ("import sys; sys.exit(3)", "cannot_be_loaded", "SystemExit: 3"),
        ("import no_such_library", "cannot_be_loaded", "No module named 'no_such_library'"),
        ("raise ValueError('torn')", "cannot_be_loaded", "ValueError: torn"),
        ("import os; os.kill(os.getpid(), 11)", "cannot_be_loaded", "signal 11"),
        ("del model_fn", "cannot_be_loaded", "code/entry_point.py: it has no model_fn"),
        ("def predict_fn(rows, model): raise KeyError('x')", "failed", "KeyError: 'x'"),
        ("def predict_fn(rows, model): import os; os.abort()", "failed", "signal 6"),
        ("def predict_fn(rows, model): return rows[1:]", "failed", "an array of (199,)"),
        ("def predict_fn(rows, model): return {'a': 1}", "failed", "answers with no predictions"),
        ("def predict_fn(rows, model): return {1, 2}", "failed", "JSON has no word for set"),
        ("def predict_fn(rows, model): return [float('nan')] * 200", "failed", "predicts nan"),
        ("def predict_fn(rows, model): return ['high'] * 200", "failed", "not predict numbers"),
        ("def predict_fn(rows, model): return [1e200] * 200", "failed", "mse is inf"),
        ("def predict_fn(rows, model): return [10**400] * 200", "failed", "OverflowError"),
        ("def predict_fn(rows, model): return [{}] * 200", "failed", "not predict numbers"),
        (
            "def predict_fn(rows, model): import os; os.mkfifo('answer.json'); os._exit(0)",
            "failed",
            "ended with code 0, without an answer, while it predicted",
        ),
        (
            "def predict_fn(r, m): import os; os.symlink('/etc/group', 'answer.json'); os._exit(0)",
            "failed",
            "ended with code 0, without an answer, while it predicted",
        ),
        ("def input_fn(body, kind): raise ValueError('two fields')", "other_columns", "two fields"),
        ("FEATURES = ['x', 'tax']", "other_columns", "it wants the columns tax, which the test"),
        ("import time; time.sleep(60)", "cannot_be_loaded", "ended after 2 s, before"),
        ("def predict_fn(rows, model):\n    while True: pass", "failed", "ended after 15 s, while"),
        (
            "import os, time\nif os.fork(): os._exit(0)\ntime.sleep(60)",
            "cannot_be_loaded",
            "ended with code 0",
        ),
    ],
)  # fmt: skip
def test_whatever_a_champion_does_is_an_outcome(
    spoil: str, outcome: str, words: str, champion: Champion
) -> None:
    champion.files["code/entry_point.py"] += f"\n{spoil}\n"
    # Long enough to come to its model on a machine that has other things to do.
    seconds = 2 if "time.sleep" in spoil else 15 if "while True" in spoil else 60
    found, reason = outcome_of(champion.compared("--champion-seconds", seconds))
    assert found == outcome, reason
    assert words in reason
    assert str(champion.folder) not in reason
    assert "/tmp" not in reason


def test_what_it_prints_is_no_answer(champion: Champion) -> None:
    champion.files["code/entry_point.py"] += (
        "\nimport sys\nprint('garbage\\x00\\x1b[2J' * 100_000)\n"
        "sys.stderr.write('{\"predictions\": []}\\n')\n"
    )
    assert outcome_of(champion.compared()) == ("scored", "")


def test_it_finds_none_of_the_jobs_modules_nor_its_secrets(champion: Champion) -> None:
    champion.files["code/entry_point.py"] += "\nimport kit.regression\n"
    outcome, reason = outcome_of(champion.compared())
    assert outcome == "scored", "without a kit of its own it finds the loaded one"
    champion.files["code/kit/__init__.py"] = ""
    outcome, reason = outcome_of(champion.compared())
    assert (outcome, reason) == (
        "cannot_be_loaded",
        "ModuleNotFoundError: No module named 'kit.regression'",
    )
    champion.files["code/entry_point.py"] = ENTRY_POINT + (
        "\nimport os\nraise KeyError(sorted(n for n in os.environ if 'SECRET' in n or 'AWS' in n))"
    )
    told = champion.compared(AWS_SECRET_ACCESS_KEY="s", MY_SECRET="s", AWS_SESSION_TOKEN="s")
    assert outcome_of(told) == ("cannot_be_loaded", "KeyError: []")


@pytest.mark.parametrize("name", ["../../escaped", "/escaped"])
def test_its_archive_is_unpacked_safely(name: str, champion: Champion) -> None:
    place = champion.folder / "champion"
    place.mkdir()
    with tarfile.open(place / "model.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name))
    outcome, reason = outcome_of(champion.report())
    assert outcome == "cannot_be_loaded"
    assert "would be outside of its folder" in reason
    (place / "model.tar.gz").write_bytes(b"no archive")
    assert outcome_of(champion.report())[0] == "cannot_be_loaded"


def test_its_archive_may_have_another_name(champion: Champion) -> None:
    champion.compared()
    place = champion.folder / "champion"
    (place / "model.tar.gz").rename(place / "other.tar.gz")
    assert outcome_of(champion.report()) == ("scored", "")


def test_a_slice_of_no_column_is_the_jobs_own_fault(champion: Champion) -> None:
    done = champion.run("--slices", "y")
    assert done.code == 1
    assert "--slices: the test rows have no column y; they have x, other" in done.stderr


ASK = """
import json, sys
from pathlib import Path
from kit.isolated import UnscoredError, ask
folder = Path(sys.argv[1])
(folder / "archive").mkdir()
try:
    print(json.dumps(ask(folder, "stub", {"file": sys.argv[2]}, seconds=20)))
except UnscoredError as error:
    print(json.dumps([error.outcome, error.reason]))
"""
STUB = """
import os, signal
def load(folder):
    return None
def ask(model, rows):
    told = [os.geteuid()]
    for act in (
        lambda: open(rows["file"], "w").write("mine"),
        lambda: open(rows["file"] + ".new", "w").write("mine"),
        lambda: os.kill(os.getppid(), signal.SIGKILL),
    ):
        try:
            told.append(str(act()))
        except OSError as error:
            told.append(type(error).__name__)
    return told
"""


def asked_by_root(tmp_path: Path, stub: str, file: Path) -> tuple[list[Any], str]:
    """By the machine's own Python, which anybody may start; the image's lies where root put it."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if python is None or os.path.realpath(python).startswith("/root/"):
        pytest.skip("this machine has no Python that anybody may start")
    scripts = tmp_path / "scripts"
    shutil.copytree(KIT, scripts / "kit")
    (scripts / "stub.py").write_text(stub)
    # Everybody's, so that it is no folder's permission that keeps the champion out.
    for folder in tmp_path.parents:
        if folder.stat().st_uid == 0 and folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o755)
    folder = tmp_path / "scratch"
    folder.mkdir()
    done = subprocess.run(
        [python, "-c", ASK, folder, file],
        env={"PYTHONPATH": str(scripts)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a process another user's")
def test_a_champion_of_a_job_of_roots_can_write_to_nothing_of_the_job(tmp_path: Path) -> None:
    theirs = tmp_path / "report.json"
    theirs.write_text("the job's")
    tmp_path.chmod(0o755)
    told, _ = asked_by_root(tmp_path, STUB, theirs)
    assert told == [65534, "PermissionError", "PermissionError", "PermissionError"], told
    assert files_below(tmp_path)["report.json"] == b"the job's"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a process another user's")
def test_a_champion_whose_folder_others_cannot_enter_is_asked_all_the_same(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    stub = "import os\ndef load(folder): pass\ndef ask(model, rows): return [os.geteuid()]\n"
    told, said = asked_by_root(tmp_path, stub, tmp_path)
    assert told == [0]
    assert f"runs as this job's own user: {tmp_path} is closed to others" in said
