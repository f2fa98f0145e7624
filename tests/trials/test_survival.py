"""Analyses of times to event: against loops over event times, closed forms, and what must not matter."""

import math
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from tests.trials.survival_data import DIMS, ONE, TWO, cox, drawn, flat, kaplan_meier, made, rank_score, weibull
from trials import TrialError
from trials.analyses.cox import Cox
from trials.analyses.fleming_harrington import FlemingHarrington
from trials.analyses.kaplan_meier import KaplanMeier
from trials.analyses.log_rank import LogRank
from trials.analyses.log_rank_arms import LogRankArms
from trials.analyses.maxcombo import MaxCombo
from trials.analyses.milestone import Milestone
from trials.analyses.modestly_weighted import ModestlyWeighted
from trials.analyses.rmst import RestrictedMean
from trials.analyses.survival.data import events
from trials.analyses.survival.orthant import within
from trials.analyses.survival_quantile import SurvivalQuantile
from trials.analyses.tarone_ware import TaroneWare
from trials.analyses.weibull import Weibull

ARMS = {"name": "it", "endpoint": "os", "arms": ("old", "new", "other")}
RANKS = {
    "log-rank": (LogRank(**TWO), lambda _: 1.0),
    "early": (FlemingHarrington(**TWO, rho=1, gamma=0), lambda at: at.s),
    "late": (FlemingHarrington(**TWO, rho=0, gamma=1), lambda at: 1 - at.s),
    "middle": (FlemingHarrington(**TWO, rho=0.5, gamma=2), lambda at: at.s**0.5 * (1 - at.s) ** 2),
    "gehan": (TaroneWare(**TWO, power=1), lambda at: at.n),
    "tarone-ware": (TaroneWare(**TWO, power=0.5), lambda at: math.sqrt(at.n)),
}
EVERY = [analysis for analysis, _ in RANKS.values()]
EVERY += [ModestlyWeighted(**TWO, delay=4), MaxCombo(**TWO), Cox(**TWO), Cox(**TWO, method="score")]
EVERY += [
    Cox(**TWO, method="likelihood-ratio", ties="breslow", covariates=("x",), strata=("s",)),
    LogRank(**TWO, strata=("s",)),
]
EVERY += [
    RestrictedMean(**TWO, tau=8),
    RestrictedMean(**TWO, tau=8, contrast="ratio"),
    Weibull(**TWO, covariates=("y",)),
]
EVERY += [Milestone(**TWO, time=5), Milestone(**TWO, time=5, transform="plain")]
every = pytest.mark.parametrize("analysis", EVERY, ids=lambda it: f"{type(it).__name__}{EVERY.index(it)}")


# ---- second implementations
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("name", RANKS)
def test_rank_tests(name, tied):
    analysis, weight = RANKS[name]
    data = drawn(tied=tied)
    found = analysis(data)
    for replicate in range(3):
        time, event, test = flat(data, replicate)
        score, variance = rank_score(time, event, test, weight)
        one = found.isel(replicate=replicate)
        assert one["statistic"] == pytest.approx(score / math.sqrt(variance), rel=1e-12)
        assert one["score_variance"] == pytest.approx(variance, rel=1e-12)
        assert one["p"] == pytest.approx(2 * stats.norm.sf(abs(score) / math.sqrt(variance)), rel=1e-10)
        assert rank_score(time, event, test, weight, math.exp(one["estimate"]))[0] == pytest.approx(0, abs=1e-8)
        assert (one["n"], one["events"]) == (time.size, event.sum())


def test_modest_weights():
    data, delay = drawn(), 4.0
    time, event, test = flat(data)
    level = kaplan_meier(time, event)(delay)
    score, variance = rank_score(time, event, test, lambda at: 1 / max(at.s, level))
    found = ModestlyWeighted(**TWO, delay=delay)(data).isel(replicate=0)
    assert found["statistic"] == pytest.approx(score / math.sqrt(variance), rel=1e-12)


@pytest.mark.parametrize(
    "weights", [((0, 0), (0, 1)), ((0, 0), (0, 1), (1, 0), (1, 1)), ((0, 0), (0, 0.5), (0.5, 0.5))]
)
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_maxcombo(weights, alternative):
    data = drawn(n=80)
    found = MaxCombo(**TWO, weights=weights, alternative=alternative)(data)
    time, event, test = flat(data)
    pairs = [lambda at, r=r, g=g: at.s**r * (1 - at.s) ** g for r, g in weights]
    single = [rank_score(time, event, test, w) for w in pairs]
    z = [score / math.sqrt(variance) for score, variance in single]

    def product_of(v, w):
        return rank_score(time, event, test, lambda at: math.sqrt(v(at) * w(at)))[1]

    product = [[product_of(v, w) for v in pairs] for w in pairs]
    sd = np.sqrt(np.diag(product))
    sign = -1 if alternative == "less" else 1
    limit = np.max(np.abs(z)) if alternative == "two-sided" else np.max(sign * np.array(z))
    normal = stats.multivariate_normal(np.zeros(len(z)), product / sd / sd[:, None], allow_singular=True)
    low = np.full(len(z), -limit if alternative == "two-sided" else -np.inf)
    wanted = 1 - normal.cdf(np.full(len(z), limit), lower_limit=low, rng=np.random.default_rng(1))
    one = found.isel(replicate=0)
    assert abs(one["largest"]) == pytest.approx(abs(limit), rel=1e-12)
    assert one["p"] == pytest.approx(wanted, abs=1e-4)
    assert one["weight"] == np.argmax(np.abs(z) if alternative == "two-sided" else sign * np.array(z))
    sides = 2 if alternative == "two-sided" else 1
    assert abs(one["statistic"]) == pytest.approx(abs(stats.norm.isf(one["p"] / sides)), rel=1e-9)


def test_joint_probability_of_equally_correlated_deviates():
    """Z = sqrt(rho) A + sqrt(1 - rho) B gives an integral over A; rho 1 is one deviate."""
    limit = 1.7
    for rho, size, error in [(0.6, 2, 1e-4), (0.6, 3, 1e-4), (0.8, 5, 1e-4), (0.8, 9, 1e-3), (1.0, 4, 1e-12)]:
        matrix = np.full((1, size, size), rho) + (1 - rho) * np.eye(size)

        def inner(a, rho=rho, size=size):
            return stats.norm.pdf(a) * special.ndtr((limit - math.sqrt(rho) * a) / math.sqrt(1 - rho)) ** size

        wanted = special.ndtr(limit) if rho == 1 else integrate.quad(inner, -9, 9)[0]
        found = within(np.full((1, size), -np.inf), np.full((1, size), limit), matrix)
        assert found[0] == pytest.approx(wanted, abs=error), (rho, size)
    with pytest.raises(ValueError, match="at most 9"):
        within(np.zeros((1, 10)), np.ones((1, 10)), np.ones((1, 10, 10)))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_cox(ties):
    data = drawn(tied=True, arms=3)
    columns = np.stack([data["arm"] == 1, data["arm"] == 2, data["x"], data["y"]], axis=-1).astype(float)
    analysis = Cox(**TWO, others=("other",), covariates=("x", "y"), strata=("s",), ties=ties)
    found = analysis(data)
    for replicate in range(2):
        one = data.isel(replicate=replicate)
        beta, value = cox(one["os"].values, one["os_event"].values, columns[replicate], one["s"].values, ties)
        assert found["estimate"][replicate] == pytest.approx(beta[0], abs=1e-5)
        assert found["log_likelihood"][replicate] == pytest.approx(value, abs=1e-8)


def test_three_tests_of_cox():
    data, more = drawn(), {"covariates": ("x",), "margin": 0.2}
    wald, score, ratio = (Cox(**TWO, method=method, **more)(data) for method in ("wald", "score", "likelihood-ratio"))
    np.testing.assert_allclose(wald["statistic"], (wald["estimate"] - 0.2) / wald["se"], rtol=1e-12)
    gained = 2 * (ratio["log_likelihood"] - ratio["log_likelihood_null"])
    np.testing.assert_allclose(ratio["statistic"] ** 2, gained, rtol=1e-9)
    assert np.ptp([each["statistic"].values for each in (wald, score, ratio)], axis=0).max() < 0.3
    plain = Cox(**TWO, method="score", ties="breslow")(data)
    np.testing.assert_allclose(plain["statistic"], LogRank(**TWO)(data)["statistic"], rtol=1e-10)
    np.testing.assert_allclose(plain["estimate"], LogRank(**TWO)(data)["estimate"], rtol=1e-9)
    np.testing.assert_allclose(plain["se"], LogRank(**TWO)(data)["se"], rtol=1e-9)


def test_weibull():
    data = drawn()
    found = Weibull(**TWO, covariates=("x",))(data)
    for replicate in range(2):
        one = data.isel(replicate=replicate)
        columns = np.stack([np.ones(one.sizes["subject"]), one["arm"] == 1, one["x"]], axis=-1)
        beta, shape, value, se = weibull(one["os"].values, one["os_event"].values, columns)
        row = found.isel(replicate=replicate)
        assert row["estimate"] == pytest.approx(beta[1], abs=1e-5)
        assert row["se"] == pytest.approx(se[1], rel=1e-4)
        assert row["shape"] == pytest.approx(shape, rel=1e-5)
        assert row["log_likelihood"] == pytest.approx(value, abs=1e-8)
    again = [Weibull(**TWO)(data.assign(os=data["os"] * np.exp(0.001 * h * (data["arm"] == 1)))) for h in (-1, 1)]
    np.testing.assert_allclose(again[1]["estimate"] - again[0]["estimate"], 0.002, rtol=1e-6)


@pytest.mark.parametrize("tied", [False, True])
def test_curves(tied):
    data = drawn(tied=tied, n=120)
    mean = RestrictedMean(**TWO, tau=8)(data).isel(replicate=0)
    share = Milestone(**TWO, time=5, transform="plain")(data).isel(replicate=0)
    median = SurvivalQuantile(**ONE)(data).isel(replicate=0)
    km = KaplanMeier(**ONE, time=5)(data).isel(replicate=0)
    time, event, test = flat(data)
    curves = [kaplan_meier(time[arm], event[arm]) for arm in (test, ~test)]
    breaks = np.unique(np.append(time[time < 8], [0.0, 8.0]))
    areas = [sum(s(a) * (b - a) for a, b in pairwise(breaks)) for s in curves]
    assert [mean["mean_test"], mean["mean_control"]] == pytest.approx(areas, rel=1e-12)
    assert share["estimate"] == pytest.approx(curves[0](5) - curves[1](5), rel=1e-12)
    assert km["estimate"] == pytest.approx(curves[0](5), rel=1e-12)
    first = min(t for t in time[test] if curves[0](t) <= 0.5)
    assert median["estimate"] == pytest.approx(first, abs=0.5 if tied else 1e-12)


def test_without_censoring_everything_is_a_proportion_or_a_mean():
    data = drawn(n=40)
    data["os_event"][:] = True
    time, _, test = flat(data)
    share = (time[test] > 5).mean()
    km = KaplanMeier(**ONE, time=5, transform="plain")(data).isel(replicate=0)
    half = stats.norm.ppf(0.975) * math.sqrt(share * (1 - share) / test.sum())
    assert [km[each].item() for each in ("estimate", "lower", "upper")] == pytest.approx(
        [share, share - half, share + half]
    )
    assert km["se"] == pytest.approx(math.sqrt(share * (1 - share) / test.sum()))
    capped = np.minimum(time, 8)
    mean = RestrictedMean(**TWO, tau=8)(data).isel(replicate=0)
    assert mean["estimate"] == pytest.approx(capped[test].mean() - capped[~test].mean())
    assert mean["se"] == pytest.approx(math.sqrt(sum(capped[arm].var() / arm.sum() for arm in (test, ~test))))
    odd = data.isel(subject=np.flatnonzero(test)[:11], replicate=[0])
    assert SurvivalQuantile(**ONE)(odd)["estimate"].item() == np.median(odd["os"])
    even = data.isel(subject=np.flatnonzero(test)[:12], replicate=[0])
    assert SurvivalQuantile(**ONE)(even)["estimate"].item() == pytest.approx(np.median(even["os"]))


# ---- what must not matter
@every
@given(seed=st.integers(0, 2**20), factor=st.sampled_from([0.25, 1 / 7, 365.25]), tied=st.booleans())
@settings(max_examples=8, deadline=None)
def test_unit_of_time_does_not_matter(analysis, seed, factor, tied):
    data = drawn(seed, replicates=2, tied=tied)
    place = next((name for name in ("tau", "delay", "time") if name in type(analysis).__dataclass_fields__), None)
    moved = {} if place is None else {place: getattr(analysis, place) * factor}
    other = type(analysis)(**{name: getattr(analysis, name) for name in type(analysis).__dataclass_fields__} | moved)
    one, two = analysis(data), other(data.assign(os=data["os"] * factor))
    scaled = factor if isinstance(analysis, RestrictedMean) and analysis.contrast == "difference" else 1.0
    for name, scale in (("statistic", 1.0), ("p", 1.0), ("estimate", scaled), ("se", scaled)):
        np.testing.assert_allclose(two[name], one[name] * scale, rtol=1e-6, atol=1e-7, err_msg=name)


@every
@given(seed=st.integers(0, 2**20), tied=st.booleans())
@settings(max_examples=8, deadline=None)
def test_arms_swapped_change_the_sign(analysis, seed, tied):
    data = drawn(seed, replicates=2, tied=tied)
    one, two = analysis(data), analysis(data.assign(arm=(DIMS, 1 - data["arm"].values, data["arm"].attrs)))
    for name, sign in (("statistic", -1), ("estimate", -1), ("se", 1), ("p", 1)):
        np.testing.assert_allclose(two[name], sign * one[name], rtol=1e-6, atol=1e-7, err_msg=name)


@every
@given(seed=st.integers(0, 2**20), tied=st.booleans())
@settings(max_examples=8, deadline=None)
def test_order_of_subjects_does_not_matter(analysis, seed, tied):
    data = drawn(seed, replicates=2, tied=tied)
    order = np.random.default_rng(seed).permutation(data.sizes["subject"])
    one, two = analysis(data), analysis(data.isel(subject=order))
    for name in ("statistic", "estimate", "se", "p"):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-9, atol=1e-10, err_msg=name)


@every
def test_block_of_replicates_does_not_matter(analysis):
    """Bit for bit: tied and untied replicates beside each other, with strata that only some have."""
    data = xr.concat([drawn(1), drawn(2, tied=True), drawn(3)], dim="replicate")
    data["s"][:3] = 0
    whole = analysis(data)
    for replicate in range(9):
        alone = analysis(data.isel(replicate=[replicate]))
        for name in whole.data_vars:
            np.testing.assert_array_equal(alone[name], whole[name].isel(replicate=[replicate]), err_msg=str(name))


@every
def test_who_is_not_there_does_not_matter(analysis):
    """Not enrolled: no arm and NaN everywhere, as at an interim look; another arm."""
    data = drawn()
    gone = data.isel(subject=slice(0, 9)).copy(deep=True)
    gone["os"][:], gone["os_event"][:], gone["arm"][:] = np.nan, False, -1
    other = drawn(4).isel(subject=slice(0, 5)).copy(deep=True)
    other["arm"][:] = 2
    more = xr.concat([gone, data, other], dim="subject", combine_attrs="override")
    xr.testing.assert_allclose(analysis(more), analysis(data), rtol=1e-9)


# ---- decisions, directions, strata, failures
@pytest.mark.parametrize("kind", [LogRank, Cox, RestrictedMean, Weibull, MaxCombo, Milestone])
def test_one_sided_tests_reject_for_large_statistics(kind):
    more = {RestrictedMean: {"tau": 8}, Milestone: {"time": 5}}.get(kind, {})
    data = drawn(n=1000, ratio=0.5)
    less, greater, both = (kind(**TWO, alternative=each, **more)(data) for each in ("less", "greater", "two-sided"))
    better = less if kind in (LogRank, Cox, MaxCombo) else greater
    worse = greater if better is less else less
    assert (better["statistic"] > 2).all()
    assert better["decision"].all()
    assert not worse["decision"].any()
    if kind is not MaxCombo:
        np.testing.assert_allclose(worse["statistic"], -better["statistic"])
        np.testing.assert_allclose(both["p"], 2 * better["p"])
    assert (np.sign(both["statistic"]) == np.sign(both["estimate"])).all()


def test_margin_of_non_inferiority():
    data = drawn(n=400, ratio=1.0)
    margin = math.log(1.6)
    time, event, test = flat(data)
    score, variance = rank_score(time, event, test, lambda *_: 1.0, 1.6)
    found = LogRank(**TWO, alternative="less", margin=margin, alpha=0.025)(data)
    assert found["statistic"][0] == pytest.approx(-score / math.sqrt(variance), rel=1e-12)
    assert found["decision"].all()
    assert LogRank(**TWO, alternative="less", margin=margin).null(margin)
    assert not LogRank(**TWO, alternative="less", margin=margin).null(0.0)


def test_strata_are_compared_within():
    data = drawn(n=90)
    parts = [LogRank(**TWO)(data.isel(replicate=[0], subject=np.flatnonzero(data["s"][0] == s))) for s in range(3)]
    score = sum(part["statistic"].item() * math.sqrt(part["score_variance"].item()) for part in parts)
    variance = sum(part["score_variance"].item() for part in parts)
    found = LogRank(**TWO, strata=("s",))(data)
    assert found["statistic"][0] == pytest.approx(score / math.sqrt(variance), rel=1e-12)
    two = LogRank(**TWO, strata=("s", "half"))(data.assign(half=(DIMS, (data["x"].values > 0).astype(float))))
    assert (two["statistic"] != found["statistic"]).all()
    missing = data.assign(s=data["s"].astype(float).where(data["s"] != 2))
    assert LogRank(**TWO, strata=("s",))(missing)["n"][0] == (data["s"][0] != 2).sum()


def test_several_arms():
    """Two arms are the log-rank test; three have a trend, here against a loop over event times."""
    data = drawn(tied=True, arms=3, n=90)
    two, pair = LogRankArms(**ARMS | {"arms": ("old", "new")})(data), LogRank(**TWO)(data)
    for name in ("statistic", "p", "estimate", "se", "lower", "upper", "n", "events"):
        np.testing.assert_allclose(two[name], pair[name], rtol=1e-8, err_msg=name)
    np.testing.assert_allclose(two["chi_square"], pair["statistic"] ** 2, rtol=1e-10)
    found = LogRankArms(**ARMS, scores=(0, 1, 5), strata=("s",))(data).isel(replicate=0)
    one, score, variance = data.isel(replicate=0), 0.0, 0.0
    dose = np.array([0.0, 1.0, 5.0])[one["arm"].values]
    for s in range(3):
        here = (one["s"] == s).values
        time, event = one["os"].values[here], one["os_event"].values[here]
        for t in np.unique(time[event]):
            risk, dead = dose[here][time >= t], dose[here][event & (time == t)]
            n, d = risk.size, dead.size
            score += dead.sum() - d * risk.mean()
            variance += d * risk.var() * ((n - d) / (n - 1) if n > 1 else 0.0)
    assert found["statistic"] == pytest.approx(score / math.sqrt(variance), rel=1e-10)
    assert LogRankArms(**ARMS)(data.isel(subject=data["arm"][0].values != 2, replicate=[0]))["failed"].item()
    doubled = LogRankArms(**ARMS, scores=(0, 2, 10), strata=("s",))(data).isel(replicate=0)
    assert doubled["estimate"] == pytest.approx(found["estimate"].item() / 2, rel=1e-9)
    swapped = LogRankArms(**ARMS, scores=(5, 4, 0), strata=("s",), alternative="less")(data).isel(replicate=0)
    assert swapped["statistic"] == pytest.approx(found["statistic"].item(), rel=1e-9)


def one_replicate(time, event, arm):
    return made(np.array([time], float), np.array([event]), np.array([arm]))


def test_replicates_without_an_answer_fail():
    silent = one_replicate([1, 2, 3, 4], [False] * 4, [0, 1, 0, 1])
    one_sided = one_replicate([1, 2, 3, 4, 5, 6], [True, False, True, False, True, False], [0, 1, 0, 1, 0, 1])
    lonely = one_replicate([1, 2, 3], [True, True, False], [1, 1, 1])
    empty = one_replicate([np.nan, np.nan], [False, False], [0, 1])
    for analysis in EVERY:
        if "strata" in type(analysis).__dataclass_fields__ and analysis.strata:
            continue
        if getattr(analysis, "covariates", ()):
            continue
        for data in (silent, lonely, empty):
            found = analysis(data)
            assert found["failed"].item(), analysis
            assert not found["decision"].item()
            assert np.isnan(found["estimate"].item())
    assert not LogRank(**TWO)(one_sided)["failed"].item()
    assert np.isnan(LogRank(**TWO)(one_sided)["estimate"].item())
    assert Cox(**TWO)(one_sided)["failed"].item()
    assert Weibull(**TWO)(one_sided)["failed"].item()
    assert SurvivalQuantile(**ONE)(silent)["failed"].item()
    assert KaplanMeier(**ONE, time=3)(silent)["estimate"].item() == 1.0
    assert KaplanMeier(**ONE, time=5)(silent)["failed"].item()


def test_interval_of_a_median_may_be_open():
    data = one_replicate([1, 2, 3, 4, 5, 6], [True, True, True, False, False, False], [1] * 6)
    found = SurvivalQuantile(**ONE)(data).isel(replicate=0)
    assert found["estimate"] == 3.0
    assert found["upper"] == np.inf
    assert 0 <= found["lower"] <= 3
    assert np.isnan(found["se"])


WRONG = [
    (lambda: LogRank(**TWO | {"control": "new"}), "analysis.control"),
    (lambda: LogRank(**TWO, alpha=0.7), "analysis.alpha"),
    (lambda: FlemingHarrington(**TWO, rho=-1, gamma=0), "analysis.rho"),
    (lambda: MaxCombo(**TWO, weights=((0, 0),)), "analysis.weights"),
    (lambda: MaxCombo(**TWO, weights=((0, 0), (0, 0))), "analysis.weights"),
    (lambda: MaxCombo(**TWO, weights=((0, 0), (0, 1, 2))), "analysis.weights"),
    (lambda: MaxCombo(**TWO, weights="many"), "analysis.weights"),
    (lambda: Cox(**TWO, others=("old",)), "analysis.others"),
    (lambda: Cox(**TWO, ties="exact"), "analysis.ties"),
    (lambda: RestrictedMean(**TWO, tau=0), "analysis.tau"),
    (lambda: LogRankArms(**ARMS, scores=(0, 1)), "analysis.scores"),
    (lambda: LogRankArms(**ARMS, scores="dose"), "analysis.scores"),
    (lambda: LogRankArms(**ARMS, question="any", alternative="less"), "analysis.alternative"),
    (lambda: Milestone(**TWO, time=3, margin=0.1), "analysis.margin"),
    (lambda: LogRank(**TWO)(drawn().drop_vars("os_event")), "os_event"),
    (lambda: LogRank(**TWO)(drawn().assign(os=drawn()["os"] - 100)), "at least 0"),
    (lambda: LogRank(**TWO)(drawn().expand_dims("period", -1)), "parallel"),
    (lambda: LogRank(**TWO, strata=("x",))(drawn(n=400)), "few levels"),
    (lambda: LogRank(**TWO, strata=("z",))(drawn()), "analysis.strata"),
    (lambda: Cox(**TWO, others=("third",))(drawn()), "analysis.others"),
    (lambda: LogRank(**TWO | {"test": "newest"})(drawn()), "analysis.test"),
    (lambda: Weibull(**TWO)(one_replicate([0, 1], [True, True], [0, 1])), "after time 0"),
    (lambda: LogRank(**TWO).contribution({}), "no mean"),
]


@pytest.mark.parametrize(("do", "words"), WRONG, ids=[words for _, words in WRONG])
def test_mistakes_are_named(do, words):
    with pytest.raises(TrialError, match=words):
        do()


# ---- the true effect
def virtual(ratio=0.7, shape=(40, 500), seed=5):
    """Exponential times of the same patients under both arms, followed up for 12."""
    uniform = np.random.default_rng(seed).exponential(size=shape)
    times = {"old": 10 * uniform, "new": 10 * uniform / ratio}
    return {arm: events(np.minimum(time, 12.0), time <= 12) for arm, time in times.items()}


TRUTHS = [
    (LogRank(**TWO), math.log(0.7)),
    (Cox(**TWO, covariates=("x",)), math.log(0.7)),
    (MaxCombo(**TWO), math.log(0.7)),
    (FlemingHarrington(**TWO, rho=0, gamma=1), math.log(0.7)),
    (LogRankArms(**ARMS | {"arms": ("old", "new")}, scores=(0, 2)), math.log(0.7) / 2),
    (Weibull(**TWO), -math.log(0.7)),
    (RestrictedMean(**TWO, tau=12), 10 / 0.7 * (1 - math.exp(-1.2 * 0.7)) - 10 * (1 - math.exp(-1.2))),
    (Milestone(**TWO, time=6), math.exp(-0.42) - math.exp(-0.6)),
    (KaplanMeier(**ONE, time=6), math.exp(-0.42)),
    (SurvivalQuantile(**ONE), 10 / 0.7 * math.log(2)),
]


@pytest.mark.parametrize("shape", [(40, 500), (20_000,), (4, 700)])
@pytest.mark.parametrize(("analysis", "wanted"), TRUTHS, ids=[type(it).__name__ for it, _ in TRUTHS])
def test_true_effects(analysis, wanted, shape):
    truth = analysis.truth(virtual(shape=shape))
    assert truth.replicates == shape[0]
    assert truth.value == pytest.approx(wanted, abs=(6 if len(shape) == 2 and shape[0] == 4 else 3.5) * truth.mcse)
    assert 0 < truth.mcse < 0.2


@pytest.mark.parametrize(("analysis", "patients"), [(LogRank(**TWO), 60), (KaplanMeier(**ONE, time=6), 1000)])
def test_error_of_a_true_effect_is_how_it_varies(analysis, patients):
    """Small groups are left out one at a time, large ones have an effect each."""
    found = [analysis.truth(virtual(shape=(32, patients), seed=seed)) for seed in range(100)]
    spread = np.std([truth.value for truth in found], ddof=1)
    assert np.mean([truth.mcse for truth in found]) == pytest.approx(spread, rel=0.2)


# ---- every field
BASE = {
    LogRank: {"strata": ()}, FlemingHarrington: {"rho": 0.0, "gamma": 1.0}, ModestlyWeighted: {"delay": 3.0},
    TaroneWare: {"power": 1.0}, MaxCombo: {}, Cox: {"others": ()}, RestrictedMean: {"tau": 8.0}, Weibull: {},
    Milestone: {"time": 5.0, "transform": "plain"}, KaplanMeier: {"time": 5.0}, SurvivalQuantile: {},
    LogRankArms: {},
}  # fmt: skip
OTHER = {
    "name": "that", "endpoint": "pfs", "test": "other", "control": "other", "arm": "old", "alternative": "less",
    "margin": 0.1, "alpha": 0.2, "strata": ("s",), "covariates": ("x",), "others": ("other",), "ties": "breslow",
    "method": "score", "rho": 1.0, "gamma": 2.0, "delay": 6.0, "power": 0.5, "weights": ((0, 0), (1, 1)), "tau": 6.0,
    "contrast": "ratio", "time": 4.0, "transform": "log", "level": 0.8, "share": 0.4,
    "arms": ("old", "other"), "scores": (0, 1, 5), "question": "any",
}  # fmt: skip
FIELD_NAMES = {kind: tuple(kind.__dataclass_fields__) for kind in BASE}
FIELDS = [(kind, name) for kind in BASE for name in kind.__dataclass_fields__]


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=[f"{kind.__name__}.{name}" for kind, name in FIELDS])
def test_every_field_changes_an_output(kind, name):
    data = drawn(n=90, arms=3, tied=True)
    data = data.assign(pfs=data["os"] * 0.9, pfs_event=data["os_event"])
    roles = next(each for role, each in (("arm", ONE), ("arms", ARMS), ("test", TWO)) if role in FIELD_NAMES[kind])
    base, changed = ({**roles, **BASE[kind], **more} for more in ({}, {name: OTHER[name]}))
    one, two = kind(**base)(data), kind(**changed)(data)
    assert not one.identical(two)
