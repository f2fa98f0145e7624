"""Doses and regimens: what is read, what is refused, what round-trips."""

import json
import pickle

import pytest

from engine.dosing.regimen import Dose, Regimen, in_units
from engine.errors import DosingError

TEXTS = [
    "100 mg into depot every 24 h, 28 times; 300 mg into central over 1 h",
    "100 into depot",
    "5 mg into depot every 1 day, 84 times, at steady state",
    "300 mg into central at 90 min rate 20 mg/h",
    "1000 into central over model at 3",
    "50 mg to depot and every 12 h and 3 times adding steady state",
    "0 into central rate 4 at steady state",
    "0.25 mg into depot; 1e2 mg into depot at 2 h",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_round_trips(text: str) -> None:
    regimen = Regimen.parse(text)
    assert Regimen.parse(str(regimen)) == regimen
    assert Regimen.from_dict(json.loads(json.dumps(regimen.to_dict()))) == regimen
    assert pickle.loads(pickle.dumps(regimen)) == regimen


def test_text_is_read_as_written() -> None:
    first, second = Regimen.parse("100 mg into depot every 24 h, 28 times; 300 mg into central over 1 h at 2 h").doses
    assert first == Dose(100, "depot", every=24, times=28, unit="mg", time_unit="h")
    assert second == Dose(300, "central", at=2, duration=1, unit="mg", time_unit="h")
    assert Regimen.parse("nothing") == Regimen()


@pytest.mark.parametrize(
    ("words", "hours"),
    [("every 12 h", 12), ("every day", 24), ("daily", 24), ("weekly", 168), ("every week", 168), ("every 90 min", 1.5)],
)
def test_intervals_in_words(words: str, hours: float) -> None:
    for text in (f"5 mg into depot {words}, 3 times", f"5 mg {words} into depot 3 times"):
        (dose,) = Regimen.parse(text).doses
        assert in_units(dose, "mg", "h").every == pytest.approx(hours)
        assert dose.times == 3


def test_equal_doses_are_one_value() -> None:
    assert Dose(100, "depot", every=24, times=2) == Dose(100.0, "depot", every=24.0, times=2.0)
    assert hash(Dose(30, "depot")) == hash(Dose(30.0, "depot"))
    assert Regimen(Dose(30, "depot")).digest == Regimen(Dose(30.0, "depot")).digest
    assert Regimen(Dose(30, "depot")).digest != Regimen(Dose(31, "depot")).digest


def test_units_of_one_dose_become_one() -> None:
    dose = Dose("0.1 g", "depot", at="2 h", every="1 day", times=2, rate="10 mg/min")
    assert (dose.unit, dose.time_unit) == ("g", "h")
    assert dose.every == pytest.approx(24)
    assert dose.rate == pytest.approx(0.6)
    there = in_units(dose, "mg", "min")
    assert (there.amount, there.at, there.rate) == pytest.approx((100, 120, 10))
    assert (there.unit, there.time_unit) == ("", "")


def test_declared_units_are_those_of_bare_numbers() -> None:
    dose = Dose(100, "depot", every="1 day", at=2, times=2, unit="mg", time_unit="h")
    assert in_units(dose, "g", "h") == Dose(0.1, "depot", at=2, every=24, times=2)


def test_scaling_and_joining() -> None:
    half = Regimen(Dose(10, "depot", rate=2), Dose(4, "depot")).scaled(0.5)
    assert half == Regimen(Dose(5, "depot", rate=1), Dose(2, "depot"))
    assert Regimen(Dose(1, "depot")) + Regimen(Dose(2, "depot")) == Regimen(Dose(1, "depot"), Dose(2, "depot"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"amount": -1}, "amount is -1; a finite number, 0 or more"),
        ({"amount": float("nan")}, "amount is nan"),
        ({"amount": True}, "amount is True; a number"),
        ({"amount": "much"}, "amount: 'much' is not a number with a unit"),
        ({"amount": None}, "amount is None"),
        ({"into": ""}, "into is ''; the name of a state"),
        ({"at": float("inf")}, "at is inf"),
        ({"times": 2}, "times is 2 without every"),
        ({"times": 0, "every": 1}, "times is 0; how many doses"),
        ({"times": 1.5, "every": 1}, "times is 1.5"),
        ({"times": "three", "every": 1}, "times is 'three'"),
        ({"every": 0}, "every is 0; a finite number above 0"),
        ({"rate": 0}, "rate is 0"),
        ({"duration": -2}, "duration is -2"),
        ({"rate": 1, "duration": 1}, "give one of them"),
        ({"steady_state": 3, "every": 1}, "steady_state is 3"),
        ({"steady_state": True}, "steady_state without every"),
        ({"amount": 0, "rate": 1}, "wanted with steady_state=1"),
        ({"amount": 0, "rate": 1, "steady_state": 1, "every": 2}, "takes neither every nor times"),
        ({"every": 24, "duration": "1 h", "times": 2}, "every is 24 without a unit, but duration has one"),
        ({"amount": 5, "rate": "2 mg/h"}, "amount is 5 without a unit, but rate has one"),
        ({"amount": "5 mg", "rate": 2}, "rate is 2 without a unit, but amount has one"),
        ({"amount": "5 mg", "rate": "2 h"}, "rate is in h|rate: '?2 h"),
        ({"every": "3 mg"}, "time is in mg, which does not convert to h"),
    ],
)
def test_what_is_no_dose_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(DosingError, match=message):
        in_units(Dose(**{"amount": 1, "into": "depot", **fields}), "mg", "h")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depot", "does not begin with an amount"),
        ("100 mg", "does not say into which state"),
        ("100 mg depot", "'depot' in '100 mg depot' is not understood"),
        ("100 mg into depot sometimes", "'sometimes'"),
        ("100 mg into depot into depot", "says into twice"),
        ("-5 mg into depot", "amount is -5"),
        ("5 mg into depot, 3 times", "times is 3 without every"),
    ],
)
def test_text_that_is_no_regimen_is_refused(text: str, message: str) -> None:
    with pytest.raises(DosingError, match=message):
        Regimen.parse(text)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(DosingError, match="unknown field 'dosis'; wanted: doses"):
        Regimen.from_dict({"dosis": []})
    with pytest.raises(DosingError, match="dose 1: unknown field 'amnt'"):
        Regimen.from_dict({"doses": [{"amnt": 1, "into": "depot"}]})
    with pytest.raises(DosingError, match="dose 1: into is missing"):
        Regimen.from_dict({"doses": [{"amount": 1}]})
    with pytest.raises(DosingError, match="dose 2 is 5; a Dose is wanted"):
        Regimen(Dose(1, "depot"), 5)  # type: ignore[arg-type]
