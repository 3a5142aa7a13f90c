"""The JSONPath operators that the documentation of batch transform has, and no others."""

from __future__ import annotations

import pytest

from local_sagemaker.transform.json_path import PathError, parse_path

VALUE = {"id": 7, "features": [1, 2, 3], "a": {"b": 1, "c": [{"d": 2}, {"d": 3}]}, "x,y": 5}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", VALUE),
        ("$.id", 7),
        ("$['id']", 7),
        ('$["x,y"]', 5),
        ("$.features", [1, 2, 3]),
        ("$['id','features']", {"id": 7, "features": [1, 2, 3]}),
        ("$.a.['b','c']", VALUE["a"]),
        ("$.features[1]", 2),
        ("$.features[-1]", 3),
        ("$.features[0,-1]", [1, 3]),
        ("$.features[2,0]", [3, 1]),
        ("$.features[1:]", [2, 3]),
        ("$.features[:2]", [1, 2]),
        ("$.features[0,1:]", [1, 2, 3]),
        ("$.features[5:]", []),
        ("$.features.*", [1, 2, 3]),
        ("$.features[*]", [1, 2, 3]),
        ("$.a.c[*].d", [2, 3]),
        ("$.a.c[0].d", 2),
    ],
)
def test_what_is_documented_is_found(path, found):
    assert parse_path(path).find(VALUE) == found


@pytest.mark.parametrize(
    "path",
    ["", "id", "$id", "$..id", "$.", "$[]", "$[::2]", "$[?(@.id)]", "$['id", "$[0,'id']", "$.a()"],
)
def test_anything_else_is_refused_by_name(path):
    with pytest.raises(PathError) as error:
        parse_path(path)
    assert repr(path) in str(error.value)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("$.none", "there is no 'none'"),
        ("$['id','none']", "there is no 'none'"),
        ("$.id.b", "'b' is asked of what is not an object"),
        ("$.features[3]", "there is no element 3 of 3"),
        ("$.features[-4]", "there is no element -4 of 3"),
        ("$.id[0]", "elements are asked of what is not an array"),
        ("$.a[1:]", "elements are asked of what is not an array"),
    ],
)
def test_what_is_not_there_is_told(path, why):
    with pytest.raises(PathError) as error:
        parse_path(path).find(VALUE)
    assert str(error.value) == f"{path} finds nothing: {why}"
