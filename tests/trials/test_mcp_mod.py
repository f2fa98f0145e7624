"""MCP-Mod: the joint distribution against scipy and simulation, fits against scipy, directions, and what it refuses."""

import numpy as np
import pytest
import xarray as xr
from scipy import optimize, stats

from trials.analyses.dose_response.contrasts import largest, optimal
from trials.analyses.dose_response.fitting import Means, fit
from trials.analyses.dose_response.shapes import SHAPES, standard
from trials.analyses.mcp_mod import MCPMod
from trials.errors import TrialError

DOSES = (0.0, 1.0, 2.0, 4.0)
ARMS = ("placebo", "low", "medium", "high")
DIMS = ("replicate", "subject")
MODELS = (("linear",), ("emax", 0.8), ("exponential", 2.0))


def analysis(**change):
    given = {"name": "it", "endpoint": "y", "arms": ARMS, "doses": DOSES, "models": MODELS, "delta": 0.5}
    return MCPMod(**given | change)


def trial(slope=0.3, replicates=5, n=60, seed=0):
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 4, (replicates, n))
    values = 1 + slope * np.array(DOSES)[arm] + rng.standard_normal(arm.shape)
    values[rng.random(arm.shape) < 0.1] = np.nan
    return xr.Dataset({"y": (DIMS, values), "arm": (DIMS, arm, {"names": list(ARMS)})})


def test_one_contrast_is_a_t_test():
    size = np.array([[7, 5, 9, 4]])
    contrast = optimal(np.array(DOSES), size)[:, None, :]
    at = np.array([[-1.0, 0.0, 0.7, 2.5, 5.0]])
    np.testing.assert_allclose(largest(at, contrast, size, np.array([21])), stats.t.sf(at, 21), atol=1e-4)


def test_contrasts_of_many_arms_with_a_control_are_dunnetts():
    """Dunnett (1955), table 1a: one-sided 5 % point with three doses and 20 degrees of freedom is 2.19."""
    contrast = np.concatenate([-np.ones((3, 1)), np.eye(3)], axis=1)[None]
    found = largest(np.array([[2.19, 2.97]]), contrast, np.full((1, 4), 6), np.array([20]))
    assert found[0] == pytest.approx([0.05, 0.01], abs=3e-4)


def test_it_is_scipys_multivariate_t():
    size = np.array([[12, 9, 15, 6]])
    contrast = np.stack([optimal(standard(name, guess, np.array(DOSES)), size) for name, *guess in MODELS], axis=1)
    covariance = (contrast[0] / size) @ contrast[0].T
    root = np.sqrt(np.diagonal(covariance))
    joint = stats.multivariate_t(np.zeros(3), covariance / np.outer(root, root), df=38, allow_singular=True, seed=1)
    for at in (0.5, 2.0, 3.0):
        want = 1 - joint.cdf(np.full(3, at), maxpts=400_000)
        assert largest(np.array([[at]]), contrast, size, np.array([38])).item() == pytest.approx(want, abs=2e-4)


@pytest.mark.parametrize("name", SHAPES)
def test_a_fit_has_the_least_squares(name):
    rng = np.random.default_rng(4)
    dose, size = np.array(DOSES), rng.integers(8, 20, (3, 4))
    mean = 2 + 1.5 * dose**2 / (3 + dose**2) + 0.1 * rng.standard_normal((3, 4))
    found = fit(name, Means(dose, mean, size, np.full(3, 40.0)))
    shape = SHAPES[name]
    limits = [
        (low * (4.0 if of else 1), high * (4.0 if of else 1))
        for (low, high), of in zip(shape.bounds, shape.of_dose, strict=True)
    ]
    for row in range(3):

        def squares(at, row=row):
            columns = shape.columns(dose[None], np.reshape(at, (1, 1, -1)), 4.0)[0]
            design = np.column_stack([np.ones(4), columns]) * np.sqrt(size[row])[:, None]
            value = mean[row] * np.sqrt(size[row])
            return ((value - design @ np.linalg.lstsq(design, value, rcond=None)[0]) ** 2).sum()

        least = squares([]) if not limits else optimize.differential_evolution(squares, limits, tol=1e-12, rng=1).fun
        assert found.squares[row] - 40 == pytest.approx(least, rel=1e-6, abs=1e-9)


def test_a_fall_is_a_rise_of_the_negative():
    made = trial(slope=-0.3)
    fall, rise = analysis(alternative="less")(made), analysis()(made.assign(y=-made["y"]))
    for name in ("statistic", "p", "decision", "target_dose", "effective_dose", "t_emax_0.8", "selected", "se"):
        np.testing.assert_array_equal(fall[name], rise[name])
    for name, other in (("estimate", "estimate"), ("lower", "upper"), ("upper", "lower")):
        np.testing.assert_allclose(fall[name], -rise[other], rtol=1e-12)


def test_no_signal_has_no_dose():
    made = trial(slope=0.0, replicates=60)
    found = analysis()(made)
    assert np.isnan(found["target_dose"].values[~found["decision"].values]).all()
    assert (found["p"] < 0.025).values.tolist() == found["decision"].values.tolist()
    assert found["decision"].mean() < 0.2


def test_the_share_of_the_greatest_effect():
    found = analysis(models=(("linear",),), share=0.6)(trial(slope=0.8))
    np.testing.assert_allclose(found["effective_dose"], 0.6 * 4.0, rtol=1e-9)
    np.testing.assert_allclose(found["target_dose"], 0.5 * 4.0 / found["estimate"], rtol=1e-9)


def test_an_empty_arm_is_a_failure():
    made = trial()
    made["y"].values[1, made["arm"].values[1] == 2] = np.nan
    found = analysis()(made)
    assert found["failed"].values.tolist() == [False, True, False, False, False]
    assert np.isnan(found["p"].values[1])
    assert found["n"].values[1] > 0


def test_the_truth_is_the_effect_of_the_highest_dose():
    values = {arm: np.full(10, index) + np.arange(10) for index, arm in enumerate(ARMS)}
    truth = analysis().truth(values)
    assert (truth.value, truth.mcse) == (3.0, 0.0)
    assert analysis().null(0.0)
    assert analysis(alternative="less").null(1.0)
    assert not analysis().null(1.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"doses": (0, 1, 2)}, r"analysis\.doses: got \(0\.0, 1\.0, 2\.0\), wanted one for each arm"),
        ({"doses": (0, 2, 1, 4)}, r"analysis\.doses: got .*, wanted two or more doses, 0 first and ascending"),
        ({"doses": (1, 2, 3, 4)}, r"analysis\.doses: got .*, wanted two or more doses, 0 first and ascending"),
        ({"models": (("emax",),)}, r"analysis\.models: got \['emax'\], wanted emax with 1 number"),
        ({"models": (("emax", -1),)}, r"analysis\.models: got \['emax', -1\], wanted emax with 1 number"),
        ({"models": (("linear",), ("linear",))}, r"analysis\.models: got .*, wanted distinct shapes"),
        ({"models": (("logit", 1),)}, r"analysis\.models: got 'logit', wanted one of linear"),
        ({"models": ("linear",)}, r"analysis\.models: got 'linear', wanted a list of a shape and its guesses"),
        ({"alternative": "two-sided"}, r"analysis\.alternative: got 'two-sided'"),
        ({"delta": 0}, r"analysis\.delta: got 0"),
        ({"selection": "bic"}, r"analysis\.selection: got 'bic'"),
        ({"share": 1}, r"analysis\.share: got 1"),
    ],
)
def test_an_impossible_analysis_names_its_field(change, words):
    with pytest.raises(TrialError, match=words):
        analysis(**change)
