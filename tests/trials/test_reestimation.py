"""Sample-size re-estimation: the rules by hand, the type I error by simulation, and what every field changes."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from trials.analyses.two_sample import TwoSample
from trials.boundaries.alpha_spending import AlphaSpending
from trials.boundaries.futility import FutilityBounds
from trials.boundaries.haybittle_peto import HaybittlePeto
from trials.boundaries.wang_tsiatis import OBrienFleming, Pocock
from trials.designs.blinded_reestimation import BlindedReestimation
from trials.designs.parallel import Parallel
from trials.designs.unblinded_reestimation import UnblindedReestimation
from trials.errors import TrialError
from trials.monitoring.conclusion import concluded
from trials.monitoring.plan import check_looks
from trials.monitoring.reestimation import Blinded, Unblinded
from trials.protocol import Protocol

ARMS = ("test", "control")
DIMS = ("replicate", "subject")
TEST = TwoSample("primary", "value", *ARMS, alternative="greater", alpha=0.025, equal_variance=True)
BLIND = BlindedReestimation(ARMS, 300, "primary", planned=120, interim=60, sd=1.0)
OPEN = UnblindedReestimation(ARMS, 300, "primary", HaybittlePeto(interim=None), planned=120, interim=60)


class Value:
    name = "value"


def protocol(design, *analyses):
    return Protocol(
        model=None, population=None, arms=(), design=design, measurements=(), endpoints=(Value(),),
        analyses=analyses or (TEST,), solver=None,
    )  # fmt: skip


def data(design, effect=0.0, sd=1.0, replicates=400, seed=1):
    drawn = np.random.default_rng(seed)
    arms = design.assign(lambda r: np.random.default_rng((seed, r)), range(replicates))[..., 0]
    values = sd * drawn.standard_normal(arms.shape) + effect * (arms == 0)
    enrolled = np.cumsum(drawn.exponential(1.0, arms.shape), axis=1)
    return xr.Dataset({
        "arm": (DIMS, arms, {"names": list(ARMS)}), "value": (DIMS, values, {"at": 5.0}), "enrolled": (DIMS, enrolled),
    }, coords={"replicate": np.arange(replicates)})  # fmt: skip


def outcomes(design, **given):
    made, _ = concluded(protocol(design), data(design, **given), 5.0)
    return {name.removeprefix("outcome."): values[:, 0] for name, values in made.items()}


def test_the_blinded_rule_scales_the_planned_size_by_the_variance():
    rule = Blinded(100, 100, 250, 2.0)
    values = np.array([[1.0, 5, np.nan, 9], [1, 1.5, 2, 1.2], [0, 90, 1, 2]])
    found = rule.resized(values)
    np.testing.assert_allclose(found.measure, [4.0, np.std(values[1], ddof=1), np.std(values[2], ddof=1)])
    np.testing.assert_array_equal(found.n, [250, 100, 250])
    sd = np.std(values[1], ddof=1)
    assert replace(rule, least=2).resized(values).n[1] == int(np.ceil(100 * sd**2 / 4))
    assert replace(rule, most=900).resized(values[:1]).n[0] == 400


def test_the_blinded_size_is_what_the_true_variance_asks_for():
    found = outcomes(replace(BLIND, n=600), sd=1.5)
    assert found["interim_sd"].mean() == pytest.approx(1.5, abs=0.02)
    assert found["n"].mean() == pytest.approx(120 * 1.5**2, rel=0.03)
    np.testing.assert_array_equal(found["n"], np.maximum(np.ceil(120 * found["interim_sd"] ** 2), 120))
    large = outcomes(replace(BLIND, n=600), sd=0.5)
    assert (large["n"] == 120).all()


def test_subjects_beyond_the_size_are_as_if_they_had_never_been():
    design = replace(BLIND, n=200)
    made, ended = concluded(protocol(design), data(design, sd=1.1), 5.0)
    whole, rows = data(design, sd=1.1), range(20)
    for row in rows:
        n = made["outcome.n"][row, 0]
        alone = whole.isel(replicate=[row], subject=slice(n))
        found = TEST(alone)
        for name in ("estimate", "se", "p", "decision"):
            assert made[f"outcome.{name}"][row, 0] == pytest.approx(found[name].item(), rel=1e-12)
        assert made["outcome.duration"][row, 0] == pytest.approx(alone["enrolled"].values[0, -1] + 5)
        assert (ended["arm"].values[row] >= 0).sum() == n


def test_those_enrolled_by_the_decision_stay():
    found = outcomes(replace(BLIND, least=61, lag=40.0), sd=0.3)
    whole = data(BLIND, sd=0.3)["enrolled"].values
    np.testing.assert_array_equal(found["n"], (whole <= whole[:, 59:60] + 45).sum(axis=1))


RULE = Unblinded(60, 120, 120, 300, 0.9, 0.3, None, (np.inf, 1.959964), -np.inf)


def test_conditional_power_is_that_of_the_combination_under_the_effect_seen():
    one, second = np.array([0.5, 1.2, 2.0]), 80
    two = np.random.default_rng(3).standard_normal((200_000, 1)) + one / np.sqrt(60) * np.sqrt(second)
    share = (np.sqrt(0.5) * one + np.sqrt(0.5) * two >= 1.959964).mean(axis=0)
    np.testing.assert_allclose(RULE.conditional_power(one, second), share, atol=0.004)


def test_the_size_gives_the_conditional_power_or_is_the_planned_or_the_largest():
    one = np.array([-1.0, 0.3, 1.2, 1.5, 1.7, 3.0])
    found = RULE.resized(one)
    power = RULE.conditional_power(one, 60)
    promising = (power >= 0.3) & (power < 0.9)
    np.testing.assert_array_equal(promising, [0, 0, 1, 1, 1, 0])
    np.testing.assert_array_equal(found.n[~promising], 120)
    reached = RULE.conditional_power(one[promising], found.n[promising] - 60)
    assert ((reached >= 0.9) | (found.n[promising] == 300)).all()
    inside = found.n[promising] < 300
    before = RULE.conditional_power(one[promising][inside], found.n[promising][inside] - 61)
    assert (before < 0.9).all()


def test_the_rule_gives_the_characteristics_that_rpact_simulated():
    """rpact 3.3.4, getSimulationMeans, 100,000 iterations: stages of 80, O'Brien-Fleming spending, futility at 0."""
    boundary = AlphaSpending(futility=FutilityBounds((0.0,)))
    design = UnblindedReestimation(
        ARMS, 320, "primary", boundary, planned=160, interim=80, power=0.8, promising=0.0, least=120,
        drift=0.3 / 2 * np.sqrt(160),
    )  # fmt: skip
    rule, count = design.reestimation.rule, 400_000
    reject, early = [0.02479, 0.3568, 0.66183, 0.87432], [0.50019, 0.20509, 0.14101, 0.15521]
    size = [192.5236, 239.4280, 235.8538, 214.2703]
    rng = np.random.default_rng(7)
    for effect, power, stop, subjects in zip((0, 0.2, 0.3, 0.4), reject, early, size, strict=True):
        one = rng.standard_normal(count) + effect / 2 * np.sqrt(80)
        found = rule.resized(one)
        n = np.where(found.stop != 0, 80, found.n)
        two = rng.standard_normal(count) + effect / 2 * np.sqrt(found.n - 80)
        wins = np.where(found.stop != 0, found.stop > 0, rule.combined(one, two) >= rule.efficacy[1])
        for mine, theirs in ((wins, power), (found.stop != 0, stop)):
            mcse = np.sqrt(theirs * (1 - theirs) * (1 / count + 1 / 100_000))
            assert mine.mean() == pytest.approx(theirs, abs=3 * mcse)
        # rpact lets a stage have parts of subjects; whole ones are half a subject more where no limit is reached
        assert n.mean() == pytest.approx(subjects, abs=0.5 + 3 * n.std() * np.sqrt(1 / count + 1 / 100_000))


TYPE_1 = [
    pytest.param(OPEN, 1.0, id="unblinded"),
    pytest.param(replace(OPEN, boundary=OBrienFleming()), 1.0, id="unblinded, may stop", marks=pytest.mark.slow),
    pytest.param(replace(OPEN, promising=0.0, power=0.95), 1.0, id="always resized", marks=pytest.mark.slow),
    pytest.param(replace(BLIND, n=400), 1.3, id="blinded", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("design", "sd"), TYPE_1)
def test_the_type_1_error_is_kept(design, sd):
    found = outcomes(design, sd=sd, replicates=20_000, seed=5)
    assert found["decision"].mean() == pytest.approx(0.025, abs=3 * np.sqrt(0.025 * 0.975 / 20_000))


def test_raising_the_size_raises_power_and_its_share_of_subjects_is_reported():
    effect = 0.45
    fixed, raised = outcomes(replace(OPEN, n=120), effect=effect), outcomes(OPEN, effect=effect)
    assert raised["decision"].mean() > fixed["decision"].mean() + 0.05
    assert raised["n"].mean() > fixed["n"].mean() == 120
    exact = stats.norm.sf(stats.norm.isf(0.025) - effect * np.sqrt(120) / 2)
    assert fixed["decision"].mean() == pytest.approx(exact, abs=0.07)


def test_a_trial_whose_size_never_changes_is_the_fixed_one():
    kept = outcomes(replace(BLIND, n=120), sd=3.0)
    plain = data(Parallel(ARMS, 120), sd=3.0)
    made, _ = concluded(protocol(Parallel(ARMS, 120)), plain, 5.0)
    for name in made:
        np.testing.assert_array_equal(kept[name.removeprefix("outcome.")], made[name][:, 0], err_msg=name)


def test_a_stop_at_the_interim_look_is_reported_as_one():
    design = replace(OPEN, boundary=Pocock(futility=FutilityBounds((0.3,))), lag=2.0)
    found = outcomes(design, effect=0.4)
    wins, gives_up = found["stop_1"] * found["decision"] > 0, found["futility"] > 0
    assert wins.any()
    assert gives_up.any()
    assert not (wins & gives_up).any()
    np.testing.assert_array_equal(found["stop_1"], (wins | gives_up) * 1.0)
    enrolled = data(design, effect=0.4)["enrolled"].values
    day = enrolled[:, 59] + 5 + 2
    stops = found["stop_1"] > 0
    np.testing.assert_allclose(found["duration"][stops], day[stops])
    np.testing.assert_array_equal(found["n"][stops], (enrolled <= day[:, None]).sum(axis=1)[stops])
    assert (found["analysed"][stops] == 60).all()


CHANGES = {
    BLIND: {"n": 130, "monitored": "other", "planned": 150, "interim": 40, "sd": 0.9, "least": 70, "lag": 150.0,
            "allocation": (3, 1), "block": 12},
    OPEN: {"n": 150, "monitored": "other", "boundary": Pocock(), "planned": 150, "interim": 40, "power": 0.95,
           "promising": 0.1, "drift": 4.0, "least": 70, "lag": 150.0, "allocation": (3, 1), "block": 12},
}  # fmt: skip


@pytest.mark.parametrize(("design", "name"), [(d, n) for d in CHANGES for n in CHANGES[d]], ids=str)
def test_every_field_changes_an_output(design, name):
    # the other analysis is of logarithms, so its variance and its test differ
    other = replace(TEST, name="other", log=True)

    def made(which):
        given = data(which, effect=0.35, sd=0.95, replicates=60)
        given["value"] = given["value"] + 6
        return concluded(protocol(which, TEST, other), given, 5.0)[0]

    one, changed = made(design), made(replace(design, **{name: CHANGES[design][name]}))
    assert set(CHANGES[design]) == set(type(design).__dataclass_fields__) - {"arms"}
    assert any(not np.array_equal(one[key], changed[key], equal_nan=True) for key in one)


@pytest.mark.parametrize(
    ("design", "given", "words"),
    [
        (BLIND, {"interim": 120}, "design.interim: got 120, wanted fewer than the planned 120"),
        (BLIND, {"planned": 400}, "design.planned: got 400, wanted at most design.n, 300"),
        (BLIND, {"sd": 0}, "design.sd"),
        (BLIND, {"least": 60}, "design.least: got 60, wanted more than design.interim, 60"),
        (OPEN, {"promising": 0.95}, "design.promising: got 0.95, wanted less than design.power, 0.9"),
        (OPEN, {"boundary": 3}, "design.boundary"),
    ],
)
def test_what_is_wrong_is_named(design, given, words):
    with pytest.raises(TrialError, match=words):
        replace(design, **given)


def test_a_two_sided_test_is_not_combined():
    with pytest.raises(TrialError, match="sided: got 1, but analysis primary is two-sided"):
        check_looks(protocol(OPEN, replace(TEST, alternative="two-sided")))
    check_looks(protocol(BLIND, replace(TEST, alternative="two-sided")))
