"""What is no number and no date is refused before a command begins."""

from __future__ import annotations

import pytest

from local_stack.commands.command_line import parser


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "--limit", "٠.٦"], "'٠.٦' is not a number"),
        (["report", "--at-least", "nan"], "'nan' is not a number"),
        (["report", "--newest", "٣"], "'٣' is not a number of runs"),
        (["up", "--port", "٨٠٨٠"], "'٨٠٨٠' is not a port"),
        (["snapshots", "--end", "٢٠٢٦-١١-٢٠"], "is not a date of the form YYYY-MM-DD"),
        (["snapshots", "--end", "2026-02-30"], "is not a date of the form YYYY-MM-DD"),
    ],
)
def test_what_is_no_number_and_no_date_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(words)
    assert said in capsys.readouterr().err
