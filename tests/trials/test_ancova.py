"""Analysis of covariance against least squares written out for each replicate."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from trials.analyses.ancova import Ancova
from trials.analyses.two_sample import TwoSample
from trials.errors import TrialError

DIMS = ("replicate", "subject")
WHAT = ("ttr", "ttr", "guided", "fixed")


def trial(seed=0, replicates=6, n=50, missing=0.1):
    rng = np.random.default_rng(seed)
    arm, weight = rng.integers(0, 3, (replicates, n)), 80 + 15 * rng.standard_normal((replicates, n))
    genotype = rng.integers(0, 3, arm.shape).astype(float)
    values = 20 + 5 * (arm == 0) + 0.4 * weight + np.array([0.0, 4.0, 9.0])[genotype.astype(int)]
    values = values + 8 * rng.standard_normal(arm.shape)
    for array in (values, weight, genotype):
        array[rng.random(arm.shape) < missing] = np.nan
    return xr.Dataset(
        {
            "ttr": (DIMS, values),
            "arm": (DIMS, arm, {"names": ["guided", "fixed", "other"]}),
            "weight": (DIMS, weight),
            "genotype": (DIMS, genotype, {"levels": ["GG", "GA", "AA"]}),
            "constant": (DIMS, np.full(arm.shape, 3.0)),
        }
    )


def least_squares(made, row, categorical):
    part = {name: made[name].values[row] for name in ("ttr", "arm", "weight", "genotype")}
    columns = [np.ones_like(part["ttr"]), part["weight"]]
    columns += [part["genotype"] == level for level in (1, 2)] if categorical else []
    used = np.isfinite(part["ttr"]) & np.isfinite(part["weight"]) & (part["arm"] < 2)
    used &= np.isfinite(part["genotype"]) if categorical else True
    design = np.stack([*columns, part["arm"] == 0], axis=1)[used].astype(float)
    beta, rest, *_ = np.linalg.lstsq(design, part["ttr"][used], rcond=None)
    df = used.sum() - design.shape[1]
    return beta[-1], np.sqrt(rest[0] / df * np.linalg.inv(design.T @ design)[-1, -1]), df, used.sum()


@pytest.mark.parametrize("categorical", [False, True])
def test_it_is_least_squares(categorical):
    made = trial()
    covariates = ("weight", "genotype") if categorical else ("weight",)
    found = Ancova(*WHAT, covariates=covariates, alternative="greater", margin=1.0, alpha=0.025)(made)
    for row in range(6):
        estimate, se, df, n = least_squares(made, row, categorical)
        half = stats.t.ppf(0.975, df) * se
        want = {"estimate": estimate, "se": se, "df": df, "n": n, "lower": estimate - half, "upper": estimate + half,
                "statistic": (estimate - 1) / se, "p": stats.t.sf((estimate - 1) / se, df)}  # fmt: skip
        for name, value in want.items():
            assert found[name].values[row] == pytest.approx(value, rel=1e-8), name
        assert found["decision"].values[row] == (want["p"] < 0.025)


def test_adjustment_sharpens_the_estimate():
    made = trial(replicates=40, n=200, missing=0.0)
    adjusted, plain = Ancova(*WHAT, covariates=("weight", "genotype"))(made), TwoSample(*WHAT)(made)
    assert (adjusted["se"] < plain["se"]).all()


def test_a_constant_covariate_is_the_pooled_t_test():
    made = trial()
    plain = TwoSample(*WHAT, equal_variance=True)(made)
    found = Ancova(*WHAT, covariates=("constant",))(made)
    for name in ("estimate", "se", "df", "p", "lower", "upper", "n"):
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-9)


def test_collinear_covariates_cost_one_degree_of_freedom():
    made = trial(missing=0.0)
    made["heavy"] = made["weight"] * 2.2 + 1
    one, two = (Ancova(*WHAT, covariates=names)(made) for names in (("weight",), ("weight", "heavy")))
    for name in ("estimate", "se", "df"):
        np.testing.assert_allclose(one[name], two[name], rtol=1e-8)


def test_an_arm_that_a_covariate_gives_away_is_a_failure():
    made = trial(missing=0.0)
    made["weight"].values[0] = made["arm"].values[0]
    made["ttr"].values[1, made["arm"].values[1] == 1] = np.nan
    found = Ancova(*WHAT, covariates=("weight",))(made)
    assert found["failed"].values.tolist() == [True, True, False, False, False, False]
    assert np.isnan(found["estimate"].values[:2]).all()


def test_logarithms():
    made = trial()
    made["ttr"] = made["ttr"].clip(min=1)
    logs = made.assign(ttr=np.log(made["ttr"]))
    one, other = Ancova(*WHAT, covariates=("weight",), log=True)(made), Ancova(*WHAT, covariates=("weight",))(logs)
    np.testing.assert_allclose(one["estimate"], other["estimate"], rtol=1e-12)
    assert one.attrs["scale"] == "log-ratio"


def test_a_missing_covariate_is_named():
    with pytest.raises(TrialError, match=r"analysis\.covariates: got 'age', wanted covariates .*; the data have ttr"):
        Ancova(*WHAT, covariates=("age",))(trial())
    with pytest.raises(TrialError, match=r"analysis\.covariates: got \(\), wanted 1 or more distinct names"):
        Ancova(*WHAT, covariates=())
