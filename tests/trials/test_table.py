"""The terminal's table: every number with its Monte Carlo error, ratios as ratios."""

import math

import pytest

from trials.table import effect, number


@pytest.mark.parametrize(
    ("value", "mcse", "text"),
    [
        (0.912, 0.0089, "0.9120±0.0089"),
        (1.0, 0.0, "1±0"),
        (0.5, None, "0.5"),
        (12.3, 0.51, "12.30±0.51"),
        (-3.2e-6, 4.1e-6, "-3.2e-06±4e-06"),
        (-0.001, 0.4, "0.00±0.40"),
    ],
)
def test_number_stands_to_two_digits_of_its_error(value: float, mcse: float | None, text: str) -> None:
    assert number(value, mcse, plus=True) == text


def test_effect_of_a_ratio_is_a_ratio() -> None:
    truth = {"truth": {"value": math.log(0.89), "mcse": 0.0016 / 0.89}}
    assert effect(truth, "log-ratio") == "0.8900±0.0016"
    assert effect(truth, "difference") == "-0.1165±0.0018"
    assert effect({}, "log-ratio") == ""
