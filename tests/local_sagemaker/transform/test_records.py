"""Objects become requests, and answers become objects, record by record."""

from __future__ import annotations

import pytest

from local_sagemaker.transform.json_path import parse_path
from local_sagemaker.transform.records import RecordError, Records


def records(form="text/csv", *, by_line=True, given="$", kept="$", join=False, lines=True):
    return Records(
        by_line=by_line,
        assemble_lines=lines,
        source=form,
        target=form,
        input_filter=parse_path(given),
        output_filter=parse_path(kept),
        join=join,
    )


def bodies(how, content, *, largest=None, single=False):
    return [p.body for p in how.payloads(content, largest=largest, single=single)]


def result(how, content, *answers, single=False):
    payloads = how.payloads(content, largest=None, single=single)
    pairs = zip(payloads, answers, strict=True)
    return b"".join(how.assemble(payload, answer) for payload, answer in pairs)


def test_an_object_that_is_not_split_is_sent_as_it_is():
    for content in (b"", b"\n\n", b"a\r\nb"):
        assert bodies(records(by_line=False), content) == [content]


def test_lines_keep_their_ends_and_empty_ones_are_no_records():
    assert bodies(records(), b"a\r\n\n \t\nb\x0cc\nd", single=True) == [b"a\r\n", b"b\x0cc\n", b"d"]
    assert bodies(records(), b"\n") == []


def test_as_many_records_as_fit_are_sent_at_once():
    assert bodies(records(), b"1\n22\n3\n4", largest=5) == [b"1\n22\n", b"3\n4"]
    assert bodies(records(), b"1\n22\n3\n4") == [b"1\n22\n3\n4"]


def test_a_record_that_is_too_large_is_told():
    with pytest.raises(RecordError, match=r"max payload size: record 2 has 4 bytes, .* allows 3"):
        bodies(records(), b"1\n222\n", largest=3)


def test_answers_are_put_together_as_they_are_or_each_with_one_newline():
    answers = b"1", b"2\n"
    assert result(records(lines=False), b"a\nb", *answers, single=True) == b"12\n"
    assert result(records(), b"a\nb", *answers, single=True) == b"1\n2\n"


def test_columns_are_left_out_and_the_rest_joined():
    how = records(given="$[1:]", kept="$[0,-1]", join=True)
    content = b'"a,1",2,3\r\nb,"4\xc3\xa9",5\n'
    assert bodies(how, content) == [b"2,3\n4\xc3\xa9,5\n"]
    assert result(how, content, b"x,0.5\ny,0.25\n") == b'"a,1",0.5\nb,0.25\n'


def test_one_column_of_csv_is_still_a_row():
    how = records(given="$[0]", kept="$[1]")
    assert bodies(how, b"a,b\n,d\n") == [b'a\n""\n']
    assert result(how, b"a,b\n", b"1,2\n") == b"2\n"


def test_an_answer_is_a_member_of_the_record_it_is_for():
    how = records(
        "application/jsonlines",
        given="$.features",
        kept="$['id','SageMakerOutput']",
        join=True,
    )
    content = b'{"id": 1, "features": [1.5, "\xc3\xa9"]}\n{"id": 2, "features": []}\n'
    assert bodies(how, content) == [b'[1.5,"\xc3\xa9"]\n[]\n']
    assert result(how, content, b'{"p":1}\n{"p":2}') == (
        b'{"id":1,"SageMakerOutput":{"p":1}}\n{"id":2,"SageMakerOutput":{"p":2}}\n'
    )


def test_what_a_record_holds_comes_out_as_it_was():
    lines = "application/jsonlines"
    content = b'{"half":"\\ud800","long":12345678901234567890}\n'
    for how in (records(lines, given="$.*"), records(lines, given="$['half','long']")):
        (body,) = bodies(how, content)
        assert b'"\\ud800"' in body
        assert b"12345678901234567890" in body
    cell = b"x" * 200_000
    assert bodies(records(given="$[1]"), b"1," + cell) == [cell + b"\n"]


def test_a_record_that_is_no_object_becomes_a_member_itself():
    how = records("application/json", by_line=False, join=True, lines=False)
    assert result(how, b"[1,\n2]", b'["x"]') == b'{"SageMakerInput":[1,2],"SageMakerOutput":["x"]}'


def test_an_output_filter_alone_takes_its_part_of_each_answer():
    how = records("application/json", by_line=False, kept="$.predictions[*].score")
    assert result(how, b"", b'{"predictions": [{"score": 1}, {"score": 2}]}') == b"[1,2]\n"


@pytest.mark.parametrize(
    ("form", "content", "words"),
    [
        ("text/csv", b"1\n2,", "2 finds nothing: there is no element 2"),
        ("text/csv", b'1,2,"3', "Failed to parse record 1 as text/csv: unexpected end of data"),
        ("text/csv", b"1,2,3\n\xff", "Failed to parse record 2 as text/csv: 'utf-8' codec"),
        ("application/jsonlines", b"[1,2,3]\n{", "Failed to parse record 2 as application/json"),
        ("application/jsonlines", b"[NaN]", "NaN is no number that JSON can hold"),
        ("application/jsonlines", b"[1e400]", "1e400 is no number that JSON can hold"),
        ("application/jsonlines", b"[" * 100_000, "maximum recursion depth"),
        ("application/jsonlines", b"1", "what is not an array"),
    ],
)
def test_a_record_that_cannot_be_filtered_is_told(form, content, words):
    with pytest.raises(RecordError) as error:
        bodies(records(form, given="$[2]"), content)
    assert words in str(error.value).replace("$[2]", "2")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"1\n", "The answer has 1 results for 2 records"),
        (b"1\n2\n3\n", "The answer has 3 results for 2 records"),
        (b"1\n\xff\n", "Failed to parse the answer as text/csv"),
    ],
)
def test_an_answer_that_cannot_be_joined_is_told(answer, words):
    with pytest.raises(RecordError, match=words):
        result(records(join=True), b"a\nb\n", answer)
