"""A subject whose equations blow up is reported by its name with a sentence; all others finish."""

import numpy as np
import pytest
import xarray as xr

import engine
from engine import Dose, Regimen
from engine.outcomes import Largest

N, BAD, NAME = 10_000, 6_283, "P6283"
TIMES = np.array([0.0, 1.0, 4.0, 9.0])
REGIMEN = Regimen(Dose(1, into="tumour", at=2))


@pytest.fixture(scope="module")
def explosive(make_model) -> engine.Model:
    """Growth by the square: the size is 1 / (1 / size - rate * t), until it is infinite."""
    return make_model(
        {"rate": "1/h/mg", "size": "mg"},
        {"tumour": {"unit": "mg", "initial": "size"}},
        {"tumour": "rate * tumour * tumour"},
        {"tumour": ("tumour", "mg")},
        name="explosive",
    )


@pytest.fixture(scope="module")
def cohort() -> xr.Dataset:
    rate = np.linspace(0.001, 0.01, N)
    rate[BAD] = 1.0  # infinite at 1 h
    return xr.Dataset(
        {"rate": ("subject", rate), "size": ("subject", np.ones(N))},
        coords={"subject": [f"P{number:04d}" for number in range(N)]},
    )


def exact(rate: np.ndarray) -> np.ndarray:
    """Size at the times; 1 mg is added at 2 h."""
    before = 1 / (1 - rate[:, None] * np.minimum(TIMES, 2.0))
    at = 1 / (1 - rate[:, None] * 2.0) + 1
    after = 1 / (1 / at - rate[:, None] * np.maximum(TIMES - 2.0, 0.0))
    return np.where(TIMES < 2, before, after)


def check(found: xr.Dataset) -> None:
    (row,) = engine.failures(found).itertuples()
    assert row.Index == NAME
    assert row.status in ("diverged", "too_many_steps")
    assert row.message == engine.Status[row.status].message
    assert np.count_nonzero(found["status"]) == 1


def test_the_others_finish(explosive, cohort):
    found = engine.simulate(explosive, cohort, REGIMEN, TIMES)
    check(found)
    values = found["tumour"].to_numpy()
    assert np.all(np.isnan(values[BAD]))
    good = np.arange(N) != BAD
    np.testing.assert_allclose(values[good], exact(cohort["rate"].to_numpy()[good]), rtol=1e-7)


def test_so_they_do_in_a_stream(explosive, cohort, tmp_path):
    stored = engine.stream(
        explosive, cohort, REGIMEN, TIMES, to=tmp_path / "s.zarr", metrics={"largest": Largest()}, chunk=3000
    )
    check(stored)
    reduced = engine.stream(explosive, cohort, REGIMEN, TIMES, metrics={"largest": Largest()}, chunk=1111)
    check(reduced)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(stored["largest"])), [BAD])
    np.testing.assert_array_equal(stored["largest"], reduced["largest"])


def test_nobody_failed(explosive):
    found = engine.simulate(explosive, {"rate": 0.001, "size": 1.0}, REGIMEN, TIMES)
    assert engine.failures(found).empty
