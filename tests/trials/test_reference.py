"""Reference fits in the description of a data set: read, or refused naming the field."""

import pytest

from trials.errors import TrialError
from trials.reference import Reference, read_references

FIT = {"fit": "THEIRS", "source": "Nobody", "values": {"cl_pop": {"estimate": 3, "se": 0.2}}}


def test_numbers_are_read():
    assert read_references([FIT], ["cl_pop"]) == (Reference("cl_pop", 3.0, 0.2, "THEIRS", "Nobody"),)
    assert read_references([], ["cl_pop"]) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"values": {"cl_popp": {"estimate": 1, "se": 1}}},
            r"reference_fits\[0\]\.values\.cl_popp: .*did you mean 'cl_pop'",
        ),
        ({"values": {"cl_pop": {"estimate": 1, "se": 0}}}, r"values\.cl_pop: wants an estimate and a standard error"),
        ({"values": {"cl_pop": {"estimate": True, "se": 1}}}, r"values\.cl_pop: wants an estimate"),
        ({"values": {"cl_pop": {"estimate": float("nan"), "se": 1}}}, r"values\.cl_pop: wants an estimate"),
        ({"values": {"cl_pop": 3}}, r"values\.cl_pop: wants an estimate"),
        ({"values": 3}, r"reference_fits\[0\]: wants the fields fit, source and values"),
        ({"colour": "red"}, r"reference_fits\[0\]: wants the fields"),
    ],
)
def test_refused(change, message):
    with pytest.raises(TrialError, match=message):
        read_references([{**FIT, **change}], ["cl_pop"])
