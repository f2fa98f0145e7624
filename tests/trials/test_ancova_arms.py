"""Analysis of covariance of several arms, at a visit, and over dose, against least squares written out."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from trials.analyses.ancova import Ancova
from trials.analyses.ancova_at_visit import AncovaAtVisit, carried
from trials.analyses.ancova_trend import AncovaTrend
from trials.errors import TrialError

DIMS = ("replicate", "subject")
VISITS = [4.0, 8.0, 12.0]
DOSES = (0.0, 10.0, 30.0)
ARMS = ("placebo", "low", "high")


def trial(seed=0, replicates=4, n=60):
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 3, (replicates, n))
    base = 20 + 4 * rng.standard_normal(arm.shape)
    site = rng.integers(0, 3, arm.shape).astype(float)
    y = (
        base[..., None]
        - 0.1 * np.array(DOSES)[arm][..., None]
        + np.cumsum(rng.standard_normal((*arm.shape, 3)), axis=2)
    )
    y[rng.random(y.shape) < 0.15] = np.nan
    made = {
        "y": ((*DIMS, "visit_y"), y),
        "last": (DIMS, y[..., 2]),
        "arm": (DIMS, arm, {"names": list(ARMS)}),
        "base": (DIMS, base),
        "site": (DIMS, site, {"levels": ["a", "b", "c"]}),
    }
    return xr.Dataset(made, coords={"visit_y": VISITS})


def least_squares(data, row, value, column, *, arms):
    base, site, arm = (data[name].values[row] for name in ("base", "site", "arm"))
    others = [arm == index for index in arms]
    design = np.stack([np.ones_like(base), base, site == 1, site == 2, *others, column], axis=1).astype(float)
    used = np.isfinite(value)
    beta, rest, *_ = np.linalg.lstsq(design[used], value[used], rcond=None)
    df = used.sum() - design.shape[1]
    return beta[-1], np.sqrt(rest[0] / df * np.linalg.inv(design[used].T @ design[used])[-1, -1]), df, used.sum()


def check(found, row, want):
    for name, value in zip(("estimate", "se", "df", "n"), want, strict=True):
        assert found[name].values[row] == pytest.approx(value, rel=1e-8), name


def test_all_arms_share_slopes_and_variance():
    data = trial()
    found = Ancova("it", "last", "high", "placebo", covariates=("base", "site"), all_arms=True)(data)
    for row in range(4):
        arm = data["arm"].values[row]
        check(found, row, least_squares(data, row, data["last"].values[row], arm == 2, arms=[1]))


@pytest.mark.parametrize(("missing", "visit"), [("observed", None), ("carried_forward", None), ("carried_forward", 8)])
def test_at_a_visit(missing, visit):
    data = trial()
    model = AncovaAtVisit("it", "y", "high", "placebo", baseline="base", covariates=("site",), all_arms=True)
    found = dataclasses.replace(model, missing=missing, visit=visit)(data)
    last = 2 if visit is None else 1
    for row in range(4):
        y = data["y"].values[row]
        value = y[:, last].copy()
        if missing == "carried_forward":
            for i, seen in enumerate(np.isfinite(y[:, : last + 1])):
                value[i] = y[i, np.flatnonzero(seen)[-1]] if seen.any() else np.nan
        check(found, row, least_squares(data, row, value, data["arm"].values[row] == 2, arms=[1]))


def test_trend():
    data = trial()
    found = AncovaTrend("it", "last", ARMS, DOSES, covariates=("base", "site"))(data)
    for row in range(4):
        dose = np.array(DOSES)[data["arm"].values[row]]
        check(found, row, least_squares(data, row, data["last"].values[row], dose, arms=[]))
    values = {arm: np.array([2.0, 5.0]) + 0.7 * dose for arm, dose in zip(ARMS, DOSES, strict=True)}
    np.testing.assert_allclose(AncovaTrend("it", "last", ARMS, DOSES).contribution(values), 0.7)


def test_what_is_carried_is_the_last_there():
    nan = np.nan
    found = carried(np.array([[1.0, nan, nan], [nan, 2.0, nan], [1.0, 2.0, 3.0], [nan, nan, nan]]))
    np.testing.assert_array_equal(found, [1.0, 2.0, 3.0, nan])


OTHERS = {
    AncovaAtVisit: {
        "endpoint": "z", "test": "low", "control": "low", "baseline": None, "covariates": (), "visit": 8.0,
        "missing": "carried_forward", "all_arms": True, "alternative": "less", "margin": 1.0, "alpha": 0.2,
    },
    AncovaTrend: {
        "endpoint": "base", "arms": ("low", "placebo", "high"), "doses": (0.0, 1.0, 2.0), "covariates": (),
        "alternative": "less", "margin": 1.0, "alpha": 0.2,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
def test_every_field_changes_an_output(kind):
    data = trial()
    data = data.assign(z=(("replicate", "subject", "visit_z"), 2 * data["y"].values)).assign_coords(visit_z=VISITS)
    arms = {"test": "high", "control": "placebo", "endpoint": "y", "baseline": "base"}
    given = {"arms": ARMS, "doses": DOSES, "endpoint": "last"} if kind is AncovaTrend else arms
    base = kind(name="it", covariates=("site",), **given)
    assert {field.name for field in dataclasses.fields(kind)} == {*OTHERS[kind], "name"}
    want = base(data)
    for name, value in OTHERS[kind].items():
        found = dataclasses.replace(base, **{name: value})(data)
        assert any((found[output] != want[output]).any() for output in ("estimate", "se", "df", "p", "lower")), name


def test_wrong_fields_are_named():
    with pytest.raises(TrialError, match=r"analysis\.doses: got \(1, 2\), wanted 3 numbers, one an arm"):
        AncovaTrend("it", "last", ARMS, (1, 2))
    with pytest.raises(TrialError, match=r"analysis\.missing: got 'locf', wanted one of observed, carried_forward"):
        AncovaAtVisit("it", "y", "high", "placebo", missing="locf")
    with pytest.raises(TrialError, match=r"analysis\.covariates: got \('base',\), wanted variables other than"):
        AncovaAtVisit("it", "y", "high", "placebo", baseline="base", covariates=("base",))
