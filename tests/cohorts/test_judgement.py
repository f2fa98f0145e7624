"""Judging a fit, on trees made by hand whose answers are known without it."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import cohorts
from cohorts import PopulationError
from cohorts.judgement.known_truth import performance
from cohorts.judgement.montecarlo import quantile_error
from cohorts.judgement.self_consistency import uniform_ranks
from cohorts.judgement.uniformity import chi_square, envelope
from cohorts.judgement.visual import bins_of


def tree(dv, simulated, *, time=None, position=None, below=None, lloq=None, pred=None, sex=None):
    """Data of one output with replicates, as a calibration has them."""
    n = len(dv)
    position = np.arange(n) if position is None else np.asarray(position)
    constant = {"time": ("observation", np.arange(n, dtype=float) if time is None else np.asarray(time, dtype=float)),
                "position": ("observation", position)}  # fmt: skip
    if below is not None:
        constant |= {"below": ("observation", np.asarray(below)), "lloq": ("observation", np.full(n, float(lloq)))}
    people = np.arange(position.max() + 1)
    table = xr.Dataset(constant, {"subject": people})
    if sex is not None:
        table["sex"] = xr.DataArray(np.asarray(sex), dims="subject", attrs={"levels": ["female", "male"]})
    groups = {
        "observed_data": xr.Dataset({"y": ("observation", np.asarray(dv, dtype=float))}),
        "predictive_check": xr.Dataset({"y": (("replicate", "observation"), np.asarray(simulated, dtype=float))}),
        "constant_data": table,
    }
    if pred is not None:
        groups["individual_fit"] = xr.Dataset({"pred": ("observation", np.asarray(pred, dtype=float))})
    return xr.DataTree.from_dict(groups)


# ------------------------------------------------------------------------------------------------ predictive checks


def test_the_prediction_corrected_check_by_hand():
    """Two bins of two values; each becomes y (median of the bin's predictions) / (its own prediction)."""
    replicates = np.array([[1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 5.0, 8.0], [3.0, 6.0, 1.0, 4.0]])
    made = tree([2.0, 6.0, 10.0, 20.0], replicates, time=[1, 1, 2, 2], pred=[1.0, 3.0, 4.0, 8.0])
    check = cohorts.vpc(made, corrected=True, bins=2, quantiles=(0.5,), level=0.5)
    np.testing.assert_allclose(check["point"], [2 * 2 / 1, 6 * 2 / 3, 10 * 6 / 4, 20 * 6 / 8])
    np.testing.assert_allclose(check["observed"].squeeze(), [4.0, 15.0])
    medians = np.array([[(2 + 4 / 3) / 2, (4 + 4 / 3) / 2, (6 + 4) / 2], [(4.5 + 3) / 2, (7.5 + 6) / 2, (1.5 + 3) / 2]])
    np.testing.assert_allclose(check["median"].squeeze(), np.median(medians, axis=1))
    np.testing.assert_allclose(check["lower"].squeeze(), np.quantile(medians, 0.25, axis=1))
    lifted = cohorts.vpc(made, corrected=True, bins=2, bound=-1.0)
    np.testing.assert_allclose(lifted["point"][0], -1 + (2 + 1) * (2 + 1) / (1 + 1))
    skewed = tree([2.0, 6.0, 9.0], replicates[:, :3], time=[1, 1, 1], pred=[1.0, 3.0, 11.0])
    np.testing.assert_allclose(cohorts.vpc(skewed, corrected=True, bins=1)["point"], [6.0, 6.0, 27.0 / 11.0])
    flat = tree([2.0, 6.0], replicates[:, :2], time=[1, 1], pred=[0.0, 3.0])
    assert cohorts.vpc(flat, corrected=True, bins=1).attrs["uncorrected"] == 1


def test_a_percentile_is_known_where_no_censored_value_stands_for_it():
    """The median of five is the third: with two below the limit it is known, with three it is not; nor is that of four
    whose second is below."""
    for below, known in (
        ([1, 1, 0, 0, 0], 3.0),
        ([1, 1, 1, 0, 0], np.nan),
        ([1, 0, 0, 0], 2.5),
        ([1, 1, 0, 0], np.nan),
    ):
        hidden, n = np.array(below, dtype=bool), len(below)
        values = np.where(hidden, np.nan, np.arange(1.0, n + 1.0))
        made = tree(values, np.arange(1.0, n + 1.0) * np.ones((20, 1)), time=np.zeros(n), below=hidden, lloq=0.5)
        found = cohorts.vpc(made, bins=1, quantiles=(0.5,))["observed"].squeeze()
        np.testing.assert_equal(float(found), known)


def test_correction_for_the_prediction_removes_the_spread_that_doses_make():
    rng = np.random.default_rng(1)
    dose = np.repeat([1.0, 10.0], 100)
    noise = np.exp(0.1 * rng.standard_normal((301, 200)))
    made = tree(dose * noise[0], dose * noise[1:], time=np.zeros(200), pred=dose)
    plain, corrected = (cohorts.vpc(made, bins=1, corrected=c) for c in (False, True))
    width = [float(np.log(v["observed"][0, 0, 2] / v["observed"][0, 0, 0])) for v in (plain, corrected)]
    assert width[0] == pytest.approx(np.log(10) + 0.33, abs=0.15)
    assert width[1] == pytest.approx(2 * 1.645 * 0.1, abs=0.05)


def test_a_vpc_contains_what_its_model_makes_and_not_what_another_makes():
    rng = np.random.default_rng(2)
    drawn = rng.standard_normal((501, 400)) + np.tile(np.arange(4.0), 100)
    time = np.tile(np.arange(4.0), 100)
    right = cohorts.vpc(tree(drawn[0], drawn[1:], time=time), bins=4)
    wrong = cohorts.vpc(tree(1.6 * drawn[0], drawn[1:], time=time), bins=4)
    assert right.attrs["inside"] > 0.8 > 0.5 > wrong.attrs["inside"]
    np.testing.assert_allclose(right["time"].squeeze(), np.arange(4.0))
    by_hand = np.quantile(drawn[1:][:, time == 2.0], 0.95, axis=1)
    np.testing.assert_allclose(right["upper"][0, 2, 2], np.quantile(by_hand, 0.95))
    np.testing.assert_allclose(right["upper_mcse"][0, 2, 2], quantile_error(by_hand, 0.95))


def test_strata_are_compared_on_their_own():
    rng = np.random.default_rng(3)
    sex = np.arange(100) % 2
    shift = 5.0 * np.repeat(sex, 2)
    drawn = rng.standard_normal((301, 200)) + shift
    made = tree(drawn[0], drawn[1:], position=np.repeat(np.arange(100), 2), time=np.zeros(200), sex=sex)
    check = cohorts.vpc(made, stratify="sex", bins=1)
    assert check["stratum"].values.tolist() == ["sex: female", "sex: male"]
    np.testing.assert_allclose(check["observed"].sel(quantile=0.5).squeeze(), [0.0, 5.0], atol=0.3)
    assert check["count"].values.ravel().tolist() == [100, 100]
    with pytest.raises(PopulationError, match=r"stratify: got 'race', wanted one of \["):
        cohorts.vpc(made, stratify="race")


def test_percentiles_below_the_limit_are_not_known_and_shares_are_compared():
    rng = np.random.default_rng(4)
    drawn = rng.standard_normal((401, 500))
    below = drawn[0] < -1.0
    check = cohorts.vpc(tree(np.where(below, np.nan, drawn[0]), drawn[1:], below=below, lloq=-1.0), bins=1)
    whole = cohorts.vpc(tree(drawn[0], drawn[1:]), bins=1)
    assert np.isnan(check["observed"].sel(quantile=0.05)).all()
    np.testing.assert_allclose(check["observed"].sel(quantile=0.5), whole["observed"].sel(quantile=0.5))
    assert check["blq_observed"].item() == pytest.approx(stats.norm.cdf(-1.0), abs=0.05)
    assert check["blq_lower"].item() < stats.norm.cdf(-1.0) < check["blq_upper"].item()
    assert np.isnan(check["point"].values[below]).all()
    xr.testing.assert_allclose(cohorts.vpc(tree(drawn[0], drawn[1:]), bins=1, lloq=-1.0), check)


def test_bins():
    label, edges = bins_of(np.array([0.0, 0.0, 1.0, 2.0]), [0, 1, 3], 1)
    assert (label.tolist(), edges.tolist()) == ([0, 0, 1, 1], [0, 1, 3])
    for edges, words in (([0, 1], "edges end at 0 and 1; times go from 0 to 2"), ([2, 0], "at least two, increasing")):
        with pytest.raises(PopulationError, match=words):
            bins_of(np.array([0.0, 2.0]), edges, 1)


def test_the_error_of_a_quantile_is_that_of_repeated_simulation():
    rng = np.random.default_rng(5)
    many = rng.standard_normal((2000, 400))
    found = quantile_error(many[:200].T, 0.95).mean()
    assert found == pytest.approx(np.quantile(many, 0.95, axis=1).std(), rel=0.1)


def test_a_statistic_of_the_data_lies_among_those_of_its_replicates():
    rng = np.random.default_rng(6)
    drawn = rng.standard_normal((401, 50))
    check = cohorts.ppc(tree(drawn[0], drawn[1:]), statistics={"mean": lambda y: y.mean(axis=-1)})
    assert check["p"].item() == pytest.approx(stats.norm.sf(drawn[0].mean() * np.sqrt(50)), abs=0.08)
    assert check["p_mcse"].item() == pytest.approx(np.sqrt(check["p"].item() * (1 - check["p"].item()) / 400))
    assert float(cohorts.ppc(tree(drawn[0] + 2, drawn[1:])).sel(statistic="mean")["p"]) == 0.0
    with pytest.raises(PopulationError, match=r"statistics.all: got shape \(400, 50\), wanted \(400,\)"):
        cohorts.ppc(tree(drawn[0], drawn[1:]), statistics={"all": lambda y: y})


# ------------------------------------------------------------------------------------------- prediction distribution


def people(rng, count, people=60, samples=5):
    """Correlated values of several people: a common effect and noise."""
    effect = np.repeat(rng.standard_normal((count, people)), samples, axis=1)
    return 10.0 + 2.0 * effect + rng.standard_normal((count, people * samples))


POSITION = np.repeat(np.arange(60), 5)


def test_npde_are_standard_normal_when_the_model_is_right():
    rng = np.random.default_rng(7)
    drawn = people(rng, 1000)
    found = [cohorts.npde(tree(people(rng, 1)[0], drawn, position=POSITION)) for _ in range(40)]
    pooled = np.concatenate([f["npde"].values for f in found])
    assert abs(pooled.mean()) < 0.05
    assert pooled.var() == pytest.approx(1.0, abs=0.03)
    inside = np.reshape([f["npde"].values for f in found], (-1, 5))
    assert np.abs(np.corrcoef(inside.T) - np.eye(5)).max() < 0.06
    for name in ("p_mean", "p_variance", "p_normal"):
        assert stats.kstest([f.attrs[name] for f in found], "uniform").pvalue > 0.001
    plain = np.reshape([f["npd"].values for f in found], (-1, 5))
    assert np.corrcoef(plain.T)[0, 1] == pytest.approx(0.8, abs=0.05)


def test_npde_reject_each_way_a_model_can_be_wrong():
    rng = np.random.default_rng(8)
    drawn, seen = people(rng, 1000), people(rng, 1)[0]
    shifted = cohorts.npde(tree(seen + 2.0, drawn, position=POSITION)).attrs
    assert shifted["p_mean"] < 1e-3
    wide = cohorts.npde(tree(10 + 1.5 * (seen - 10), drawn, position=POSITION)).attrs
    assert wide["variance"] == pytest.approx(2.25, abs=0.6)
    assert wide["p_variance"] < 1e-6
    skewed = cohorts.npde(tree(9.0 + rng.exponential(2.3, 300), drawn, position=POSITION)).attrs
    assert skewed["p_normal"] < 1e-4
    assert skewed["p_global"] < 1e-3


def test_npde_of_censored_values_stay_standard_normal():
    """With a fifth below the limit, imputed among the replicates given a person's earlier values."""
    rng = np.random.default_rng(9)
    drawn = people(rng, 1000)
    values = []
    for seed in range(20):
        seen = people(rng, 1)[0]
        below = seen < 8.0
        made = tree(np.where(below, np.nan, seen), drawn, position=POSITION, below=below, lloq=8.0)
        values.append(cohorts.npde(made, seed=seed)["npde"].values)
        again = cohorts.npde(made, seed=seed)["npde"].values
        np.testing.assert_array_equal(values[-1], again)
    pooled = np.concatenate(values)
    assert below.mean() > 0.1
    assert abs(pooled.mean()) < 0.05
    assert pooled.var() == pytest.approx(1.0, abs=0.08)


def test_npde_say_what_they_cannot_do():
    rng = np.random.default_rng(10)
    drawn = people(rng, 1000)
    with pytest.raises(PopulationError, match="wanted fewer than the 5 replicates"):
        cohorts.npde(tree(drawn[0], drawn[1:6], position=POSITION))
    drawn[:, 0] = 1.0
    with pytest.raises(PopulationError, match="person 0 do not vary"):
        cohorts.npde(tree(drawn[0], drawn[1:], position=POSITION))


# --------------------------------------------------------------------------------------------------- goodness of fit


def linear(rng, people=4000, samples=4, omega=0.7, sigma=0.5):
    """A mixed model that is linear, so that its conditional expectation and residuals are exact."""
    eta = omega * rng.standard_normal(people)
    dv = 3.0 + np.repeat(eta, samples) + sigma * rng.standard_normal(people * samples)
    means = dv.reshape(people, samples).mean(axis=1) - 3.0
    weight = omega**2 / (omega**2 + sigma**2 / samples)
    conditional, position = weight * means, np.repeat(np.arange(people), samples)
    sd = np.sqrt(omega**2 * (1 - weight))
    fit = xr.Dataset(
        {
            "pred": ("observation", np.full(len(dv), 3.0)),
            "ipred": ("observation", 3.0 + conditional[position]),
            "sd": ("observation", np.full(len(dv), sigma)),
            "log": ("observation", np.zeros(len(dv))),
            "jacobian": (("observation", "effect"), np.full((len(dv), 1), omega)),
            "z": (("subject", "effect"), conditional[:, None] / omega),
            "eta": (("subject", "effect"), conditional[:, None]),
            "eta_sd": (("subject", "effect"), np.full((people, 1), sd)),
            "omega": ("effect", [omega]),
        },
        {"effect": ["cl"], "subject": np.arange(people)},
    )
    made = tree(dv, np.zeros((1, len(dv))), position=position)
    made["individual_fit"] = xr.DataTree(fit)
    return made, weight


def test_conditional_residuals_are_standard_normal_and_exact_for_a_linear_model():
    made, _ = linear(np.random.default_rng(11))
    table = cohorts.gof(made)
    assert float(table["cwres"].std()) == pytest.approx(1.0, abs=0.02)
    assert stats.kstest(table["cwres"].values, "norm").pvalue > 0.01
    own = table["dv"].values[:4] - 3.0
    values, vectors = np.linalg.eigh(0.49 * np.ones((4, 4)) + 0.25 * np.eye(4))
    np.testing.assert_allclose(table["cwres"][:4], vectors @ np.diag(values**-0.5) @ vectors.T @ own)
    np.testing.assert_allclose(table["iwres"], (table["dv"] - table["ipred"]) / 0.5)


def test_shrinkage_is_what_the_formula_says():
    """Of a linear model: Var(conditional mean) = weight omega^2."""
    made, weight = linear(np.random.default_rng(12))
    found = cohorts.shrinkage(made).sel(effect="cl")
    assert float(found["eta_variance"]) == pytest.approx(1 - weight, abs=0.02)
    assert float(found["eta_sd"]) == pytest.approx(1 - np.sqrt(weight), abs=0.01)
    assert float(found["pooling"]) == pytest.approx(1 - weight, abs=0.02)
    table = cohorts.gof(made)
    eta = table["eta"].sel(effect="cl").values
    assert float(found["eta_sd"]) == pytest.approx(1 - eta.std(ddof=1) / float(table["omega"].sel(effect="cl")))
    assert float(found["epsilon_sd"]) == pytest.approx(1 - table["iwres"].values.std(ddof=1))
    assert float(found["epsilon_variance"]) == pytest.approx(1 - table["iwres"].values.var(ddof=1))


def test_a_tree_without_what_is_needed_says_so():
    with pytest.raises(PopulationError, match="wanted one named individual_fit"):
        cohorts.gof(tree([1.0], [[1.0]]))
    with pytest.raises(PopulationError, match="add it by integrate_subjects"):
        cohorts.loo(tree([1.0], [[1.0]]), by="subject")
    with pytest.raises(PopulationError, match=r"output: got 'z', wanted one of \['y'\]"):
        cohorts.vpc(tree([1.0], [[1.0]]), output="z")


# ------------------------------------------------------------------------------------------ information and sensitivity


def conjugate(rng, *, n=40, prior=(0.0, 2.0), centre=1.0, draws=4000):
    """Normal data of known SD 1 with a normal prior of the mean: posterior and leave-one-out densities are known."""
    y = centre + rng.standard_normal(n)
    precision = 1 / prior[1] ** 2 + n
    mean, sd = (prior[0] / prior[1] ** 2 + y.sum()) / precision, precision**-0.5
    mu = (mean + sd * rng.standard_normal(draws)).reshape(4, -1)
    coords = {"chain": np.arange(4), "draw": np.arange(draws // 4)}
    groups = {
        "posterior": xr.Dataset({"mu": (("chain", "draw"), mu)}, coords),
        "log_prior": xr.Dataset({"mu": (("chain", "draw"), stats.norm(*prior).logpdf(mu))}, coords),
        "log_likelihood": xr.Dataset(
            {"y": (("chain", "draw", "observation"), stats.norm(mu[..., None], 1).logpdf(y))}, coords
        ),
        "constant_data": xr.Dataset({"position": ("observation", np.arange(n)), "time": ("observation", np.zeros(n))},
                                    {"subject": np.arange(n)}),
    }  # fmt: skip
    exact = np.empty(n)
    for i in range(n):
        rest = precision - 1
        m = (prior[0] / prior[1] ** 2 + y.sum() - y[i]) / rest
        exact[i] = stats.norm(m, np.sqrt(1 + 1 / rest)).logpdf(y[i])
    return xr.DataTree.from_dict(groups), exact


def test_leave_one_out_is_the_refit_without_the_observation():
    made, exact = conjugate(np.random.default_rng(13))
    found = cohorts.loo(made)
    np.testing.assert_allclose(found["elpd"], exact, atol=0.03)
    assert found.attrs["elpd"] == pytest.approx(exact.sum(), abs=0.05)
    assert found.attrs["se"] == pytest.approx(np.sqrt(40) * exact.std(), rel=0.02)
    assert found.attrs["p"] == pytest.approx(1.0, abs=0.3)
    assert found.attrs["unreliable"] == 0
    other = cohorts.waic(made)
    assert other.attrs["elpd"] == pytest.approx(exact.sum(), abs=0.1)
    with pytest.raises(PopulationError, match="by: got 'visit'"):
        cohorts.loo(made, by="visit")


def test_models_are_ranked_by_what_they_predict():
    rng = np.random.default_rng(14)
    good, _ = conjugate(rng)
    bad = good.copy(deep=True)
    bad["log_likelihood"]["y"] -= 0.1 + 0.05 * rng.random(40)
    table = cohorts.compare({"bad": bad, "good": good}, by="observation")
    assert table["model"].values.tolist() == ["good", "bad"]
    assert float(table["difference"][1]) == pytest.approx(-40 * 0.125, abs=0.5)
    assert float(table["weight"][0]) > 0.95
    bad.attrs["data_digest"] = "other"
    with pytest.raises(PopulationError, match="fits of different data"):
        cohorts.compare({"bad": bad, "good": good}, by="observation")
    with pytest.raises(PopulationError, match="wanted two models or more"):
        cohorts.compare({"good": good})


def test_the_error_of_a_sensitivity_is_a_jackknife_over_chains(monkeypatch):
    """Of a mean over chains of equal length the jackknife is the standard error of the chains' means."""
    from cohorts.judgement import power_scaling

    means = np.array([1.0, 2.0, 4.0, 7.0])
    values = means[:, None] + np.array([-0.5, 0.0, 0.5])
    made = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": (("chain", "draw"), values)}, {"chain": range(4)})})
    monkeypatch.setattr(power_scaling, "_sensitivity", lambda t, *_: np.array([t["posterior"]["x"].values.mean()]))
    found, error = power_scaling._with_error(made, "prior", ["x"])
    assert found == pytest.approx(3.5)
    assert error == pytest.approx(means.std(ddof=1) / 2.0)


def test_prior_sensitivity_finds_conflict_and_leaves_weak_priors_alone():
    rng = np.random.default_rng(15)
    weak = cohorts.prior_sensitivity(conjugate(rng, prior=(0.0, 50.0))[0])
    assert weak["prior"].item() < 0.02
    assert weak["diagnosis"].values.tolist() == [""]
    conflict = cohorts.prior_sensitivity(conjugate(rng, n=20, prior=(-3.0, 0.3), centre=3.0)[0])
    assert conflict["prior"].item() > 0.3
    assert conflict["diagnosis"].values.tolist() == ["prior and data conflict"]
    assert conflict["prior_mcse"].item() < 0.2 * conflict["prior"].item()
    assert conflict["prior_by"].sel(component="mu").item() == pytest.approx(conflict["prior"].item())
    lone = cohorts.prior_sensitivity(conjugate(rng, n=1, prior=(0.0, 0.02), centre=0.0)[0])
    assert lone["diagnosis"].values.tolist() == ["prior informs more than the data"]
    with pytest.raises(PopulationError, match=r"names: got \['nu'\], wanted some of \['mu'\]"):
        cohorts.prior_sensitivity(conjugate(rng)[0], names=["nu"])


# ------------------------------------------------------------------------------------------------ ranks and recovery


def ranked(rng, n, *, bias=0.0, narrow=1.0, draws=99):
    """Ranks of an ideal sampler of a conjugate normal model, or of one that is off or too sure of itself."""
    truth = rng.standard_normal((n, 1))
    seen = truth + rng.standard_normal((n, 1))
    found = 0.5 * seen + bias + narrow * np.sqrt(0.5) * rng.standard_normal((n, draws))
    return xr.Dataset({"rank": (("simulation", "parameter"), (found < truth).sum(axis=1, keepdims=True))},
                      {"parameter": ["mu"]})  # fmt: skip


def test_ranks_of_a_right_sampler_are_uniform_and_those_of_a_wrong_one_are_not():
    rng = np.random.default_rng(16)
    right = uniform_ranks(ranked(rng, 1000), 100)
    assert right.attrs["p_least"] > 0.05
    assert ((right["ecdf"] >= right["ecdf_lower"]) & (right["ecdf"] <= right["ecdf_upper"])).all()
    for fault in ({"bias": 0.15}, {"narrow": 0.8}, {"narrow": 1.25}):
        wrong = uniform_ranks(ranked(rng, 1000, **fault), 100)
        assert wrong.attrs["p_least"] < 0.01, fault
        assert not ((wrong["ecdf"] >= wrong["ecdf_lower"]) & (wrong["ecdf"] <= wrong["ecdf_upper"])).all(), fault


def test_envelopes_hold_everywhere_as_often_as_they_say():
    limits = envelope(200, 100)
    rng = np.random.default_rng(17)
    sets = rng.integers(0, 100, (800, 200))
    curves = np.stack([limits.ecdf(row) for row in sets])
    share = ((curves >= limits.lower) & (curves <= limits.upper)).all(axis=1).mean()
    assert share == pytest.approx(0.95, abs=0.025)
    assert np.mean([limits.p_value(row) < 0.05 for row in sets]) == pytest.approx(0.05, abs=0.025)
    from arviz_stats.ecdf_utils import ecdf_pit

    _, _, lower, upper = ecdf_pit(rng.random(100), 0.95, 1000)
    own = envelope(100, 100)
    assert max(np.abs(lower[1:-1] - own.lower).max(), np.abs(upper[1:-1] - own.upper).max()) <= 0.0201


def test_chi_square_bins_divide_the_ranks():
    statistic, p, bins = chi_square(np.repeat(np.arange(100), 10), 100)
    assert (statistic, p, bins) == (0.0, 1.0, 20)
    assert chi_square(np.zeros(30, dtype=int), 100)[2] == 2
    assert chi_square(np.zeros(30, dtype=int), 101)[2] == 1


def test_performance_by_hand():
    made = xr.Dataset({name: (("simulation", "parameter"), np.array(v, dtype=float)[:, None]) for name, v in {
        "truth": [2, 2, 2, 2], "mean": [1, 2, 3, 4], "sd": [1, 1, 1, 3], "lower": [0, 1, 2.5, 3], "upper": [2, 3, 4, 5],
    }.items()}, {"parameter": ["cl"]})  # fmt: skip
    found = {k: float(v.item()) for k, v in performance(made).data_vars.items() if v.size == 1}
    assert found["bias"] == 0.5
    assert found["relative_bias"] == 0.25
    assert found["bias_mcse"] == pytest.approx(np.std([1, 2, 3, 4], ddof=1) / 2)
    assert found["rmse"] == pytest.approx(np.sqrt(6 / 4))
    assert found["coverage"] == 0.5
    assert found["coverage_mcse"] == 0.25
    assert found["model_sd"] == 1.5
