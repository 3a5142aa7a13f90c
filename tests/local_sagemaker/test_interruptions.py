from __future__ import annotations

import pytest

from local_sagemaker.__main__ import main
from local_sagemaker.jobs.interruptions import Interruption, interruption_of, parse_interruption


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("*:5", Interruption("*", 5)),
        ("nightly-*:2.5:60", Interruption("nightly-*", 2.5, 60)),
        ("job-?:0:0.5", Interruption("job-?", 0, 0.5)),
    ],
)
def test_a_rule_has_names_a_time_and_a_pause(text, rule):
    assert parse_interruption(text) == rule


@pytest.mark.parametrize("text", ["", "*", "*:", ":5", "*:-1", "*:5s", "*:1:2:3", "a b:1", "*:1:"])
def test_a_rule_of_another_form_is_refused_at_the_start(text, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--state", str(tmp_path), f"--interrupt-spot={text}"])
    assert "is not NAMES:AFTER[:WAIT]" in capsys.readouterr().err


def test_the_first_rule_that_fits_counts():
    rules = (Interruption("nightly-*", 1), Interruption("*-train", 2), Interruption("n*", 3))
    found = [interruption_of(rules, name) for name in ("nightly-train", "a-train", "new", "other")]
    assert found == [*rules, None]
