"""The table of distributions: numpy's side, PyMC's side and scipy agree row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cohorts import PopulationError
from cohorts.specification.quantities import FAMILIES, Quantity, check, quantiles

SPREAD = np.sqrt(np.log1p(0.4**2))
TRUTH = {
    "normal": ((2.0, 3.0), stats.norm(2, 3)),
    "lognormal": ((5.0, 0.4), stats.lognorm(SPREAD, scale=5)),
    "halfnormal": ((0.7,), stats.halfnorm(scale=0.7)),
    "gamma": ((3.0, 0.5), stats.gamma(3, scale=2)),
    "beta": ((2.0, 5.0), stats.beta(2, 5)),
    "uniform": ((-1.0, 4.0), stats.uniform(-1, 5)),
    "correlation": ((2.5,), stats.beta(2.5, 2.5, loc=-1, scale=2)),
}
U = np.array([1e-6, 0.01, 0.3, 0.5, 0.77, 0.999, 1 - 1e-6])


def test_every_row_but_the_fixed_one_is_compared_with_scipy():
    assert {*TRUTH, "fixed"} == set(FAMILIES)


@pytest.mark.parametrize("family", TRUTH)
def test_quantiles_are_those_of_scipy(family):
    values, truth = TRUTH[family]
    np.testing.assert_allclose(Quantity(family, values, "").quantile(U), truth.ppf(U), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", TRUTH)
def test_truncation_keeps_the_shape_inside_the_limits(family):
    values, truth = TRUTH[family]
    low, high = truth.ppf([0.2, 0.7])
    got = Quantity(family, values, "", lower=float(low), upper=float(high)).quantile(U)
    np.testing.assert_allclose(got, truth.ppf(0.2 + 0.5 * U), rtol=1e-9)


@pytest.mark.parametrize("family", TRUTH)
def test_lognormal_median_and_other_centres(family):
    values, truth = TRUTH[family]
    assert Quantity(family, values, "").centre == pytest.approx(truth.median(), abs=1e-12)


@pytest.mark.parametrize("family", TRUTH)
def test_pymc_has_the_same_density(family):
    import pymc as pm

    values, truth = TRUTH[family]
    row = FAMILIES[family]
    native = {k: np.asarray(v) for k, v in row.native(Quantity(family, values, "").named).items()}
    shift, factor = row.affine
    x = truth.ppf(np.array([0.05, 0.5, 0.9]))
    got = pm.logp(getattr(pm, row.pymc).dist(**native), (x - shift) / factor).eval(mode="FAST_COMPILE")
    np.testing.assert_allclose(got - np.log(factor), truth.logpdf(x), rtol=1e-8)


@given(st.floats(0.05, 0.95), st.floats(-50, 50), st.floats(0.1, 20))
def test_quantile_inverts_the_distribution_function(u, mean, sd):
    row = FAMILIES["normal"]
    native = row.native({"mean": mean, "sd": sd})
    assert float(row.cdf(row.ppf(u, native), native)) == pytest.approx(u, abs=1e-9)


def test_each_element_follows_its_own_row():
    rows = [Quantity("normal", (0.0, 1.0), ""), Quantity("normal", (10.0, 1.0), "", upper=10.0)]
    got = quantiles(rows, np.array([0.5, 0.5]), np.array([0, 1]))
    np.testing.assert_allclose(got, [0.0, stats.norm.ppf(0.25, 10)])


@pytest.mark.parametrize(
    ("quantity", "support", "words"),
    [
        (Quantity("normal", (0.0, -0.5), ""), (-np.inf, np.inf), "x.normal.sd: got -0.5, wanted a number > 0"),
        (Quantity("lognormal", (0.0, 0.5), ""), (0.0, np.inf), "x.lognormal.median: got 0.0, wanted a number > 0"),
        (Quantity("normal", (0.1, 0.5), ""), (0.0, np.inf), "x: got values from -inf to inf, wanted >= 0; truncate"),
        (Quantity("uniform", (2.0, 1.0), ""), (-np.inf, np.inf), "x: got a range from 2.0 to 1.0"),
        (Quantity("fixed", (-0.1,), ""), (0.0, np.inf), "x: got -0.1, wanted >= 0"),
        (Quantity("fixed", (1.5,), ""), (0.0, 1.0), "x: got 1.5, wanted >= 0 and <= 1"),
    ],
)
def test_numbers_that_make_no_distribution_are_refused(quantity, support, words):
    with pytest.raises(PopulationError) as error:
        check(quantity, "x", support)
    assert str(error.value).startswith(words)


def test_a_normal_prior_of_an_sd_may_be_truncated():
    quantity = Quantity("normal", (0.1, 0.5), "", lower=0.0)
    assert check(quantity, "x", (0.0, np.inf)) is quantity
    assert quantity.at_centre().values == (quantity.centre,)
