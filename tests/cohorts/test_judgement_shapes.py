"""Judging fits of two outputs, an event, occasions and classes: every check, on each output, and numbers by hand."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from scipy import integrate, stats

import cohorts
from cohorts import IndividualData, PopulationError
from cohorts.calibration.diagnosis import ADVICE

DOSE, PEOPLE = 100.0, 16
TIMES = np.array([1.0, 4.0, 12.0])
SOURCE = {"source": "made up"}


def parameter(unit, median, omega=0.3, **more):
    between = {"between_subject": {"lognormal": {"median": omega, "cv": 0.3}}} if omega else {}
    return {"unit": unit, "meaning": "m", "typical": {"lognormal": {"median": median, "cv": 0.3}}, **between, **SOURCE,
            **more}  # fmt: skip


BOTH = cohorts.load_population({
    "name": "both", "reference": "nobody, for the tests",
    "parameters": {
        "cl": parameter("L/h", 3.0, between_occasion={"lognormal": {"median": 0.2, "cv": 0.3}}),
        "v": parameter("L", 30.0, omega=0.0), "slope": parameter("1", 4.0), "risk": parameter("1/h", 0.03, omega=0.0),
    },
    "residual": {
        "conc": {"kind": "proportional", "proportional": {"lognormal": {"median": 0.1, "cv": 0.3}}, **SOURCE},
        "pain": {"kind": "additive", "additive": {"lognormal": {"median": 1.0, "cv": 0.3}}, **SOURCE},
    },
    "outcomes": {"relapse": {"kind": "event", "hazard": "hazard", "cumulative_hazard": "cumulative"}},
})  # fmt: skip
CLASSES = cohorts.load_population({
    "name": "classes", "reference": "nobody, for the tests",
    "mixture": {"pheno": {"meaning": "phenotype", "levels": {"poor": 0.3, "normal": 0.7}, **SOURCE}},
    "parameters": {
        "cl": parameter("L/h", 3.0, effects={"pheno": {"kind": "factor", "levels": {"poor": 0.25, "normal": 1}}}),
        "v": parameter("L", 30.0, omega=0.0),
    },
    "residual": {"conc": {"kind": "lognormal", "lognormal": {"lognormal": {"median": 0.15, "cv": 0.3}}, **SOURCE}},
})  # fmt: skip


def seen_by(name, parameters, time, xp):
    """Outputs of the models above, elementwise."""
    conc = DOSE / parameters["v"] * xp.exp(-parameters["cl"] / parameters["v"] * time)
    return {
        "conc": lambda: conc, "pain": lambda: 10.0 - parameters["slope"] * conc,
        "hazard": lambda: parameters["risk"] + 0.0 * time, "cumulative": lambda: parameters["risk"] * time,
    }[name]()  # fmt: skip


def equations(population, data):
    rows = cohorts.requests(population, data)
    place = {s: i for i, s in enumerate(data.subjects.tolist())}
    position = np.array([place[s] for s in rows["subject"].values.tolist()])
    occasion, time, names = (rows[n].values for n in ("occasion", "time", "output"))

    def predict(parameters):
        import pytensor.tensor as pt

        own = {n: v[position, occasion] if v.ndim == 2 else v[position] for n, v in parameters.items()}
        total = 0.0
        for name in sorted(set(names.tolist())):
            mine = {n: pt.as_tensor(v) for n, v in own.items()}
            total = pt.where(names == name, seen_by(name, mine, time, pt), total)
        return total

    return predict


def two_outputs(seed=3):
    """Two occasions of each person: concentrations, pain, and a relapse or the end at 24 h of the second."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(PEOPLE):
        own = 3.0 * np.exp(0.3 * rng.standard_normal())
        slope = 4.0 * np.exp(0.3 * rng.standard_normal())
        for occasion in (0, 1):
            values = {"cl": own * np.exp(0.2 * rng.standard_normal()), "v": 30.0, "slope": slope}
            conc = seen_by("conc", values, TIMES, np)
            noisy = conc * (1.0 + 0.1 * rng.standard_normal(3))
            rows += [(person, t, y, "conc", occasion) for t, y in zip(TIMES, noisy, strict=True)]
            pain = 10.0 - slope * conc[1:] + rng.standard_normal(2)
            rows += [(person, t, y, "pain", occasion) for t, y in zip(TIMES[1:], pain, strict=True)]
        event = rng.exponential(1.0 / 0.03)
        rows.append((person, min(event, 24.0), float(event < 24.0), "relapse", 1))
    columns = dict(
        zip(("subject", "time", "dv", "output", "occasion"), map(np.array, zip(*rows, strict=True)), strict=True)
    )
    table = xr.Dataset({k: ("observation", v) for k, v in columns.items()})
    return IndividualData(table, xr.Dataset({}, {"subject": np.arange(PEOPLE)}))


def classes(seed=4):
    rng = np.random.default_rng(seed)
    poor = np.arange(PEOPLE) < 5
    cl = 3.0 * np.where(poor, 0.25, 1.0) * np.exp(0.2 * rng.standard_normal(PEOPLE))
    conc = DOSE / 30.0 * np.exp(-(cl / 30.0)[:, None] * TIMES) * np.exp(0.15 * rng.standard_normal((PEOPLE, 3)))
    columns = {"subject": np.repeat(np.arange(PEOPLE), 3), "time": np.tile(TIMES, PEOPLE), "dv": conc.ravel()}
    table = xr.Dataset({k: ("observation", v) for k, v in columns.items()})
    table["time"].attrs["units"], table["dv"].attrs["units"] = "h", "mg/L"
    return IndividualData(table, xr.Dataset({}, {"subject": np.arange(PEOPLE)}))


def fitted(population, data):
    predict = equations(population, data)
    tree = cohorts.calibrate(
        population, data, predict, seed=1, tune=400, draws=300, chains=3, target_accept=0.9, allow=tuple(ADVICE)
    )
    return cohorts.integrate_subjects(tree, population, data, predict)


@pytest.fixture(scope="module")
def both():
    return fitted(BOTH, two_outputs())


@pytest.fixture(scope="module")
def of_classes():
    return fitted(CLASSES, classes())


CHECKS = ("vpc", "npde", "gof", "shrinkage", "ppc", "loo", "waic")
PLOTS = ("vpc", "npde", "gof", "etas", "shrinkage", "ppc", "loo")


@pytest.mark.parametrize("output", ["conc", "pain"])
def test_every_check_and_picture_of_each_of_two_outputs(both, output):
    size = 2 * PEOPLE * (3 if output == "conc" else 2)
    for name in CHECKS:
        made = getattr(cohorts, name)(both, output=output)
        assert made.sizes.get("observation", size) == size, name
    for name in PLOTS:
        assert isinstance(getattr(cohorts, f"plot_{name}")(both, output=output), Figure), name
    assert cohorts.vpc(both, output=output).attrs["inside"] > 0.7
    corrected = cohorts.vpc(both, output=output, corrected=True, bound=-100.0)
    assert corrected.attrs["inside"] > 0.7
    assert cohorts.npde(both, output=output).attrs["p_global"] > 0.01
    with pytest.raises(PopulationError, match=r"say which one"):
        cohorts.vpc(both)


def test_residuals_of_two_outputs_and_occasions_by_hand(both):
    """Each measurement has the occasion's own clearance; the other output's rows do not come between."""
    group, data = both["posterior"].to_dataset().mean(("chain", "draw")), two_outputs()
    names, person, occasion, time, dv = (
        data.observations[n].values for n in ("output", "subject", "occasion", "time", "dv")
    )
    eta = group["omega_cl"].item() * group["z_cl"].values[person]
    eta = eta + group["gamma_cl"].item() * group["k_cl"].values[person, occasion]
    slope = group["slope_pop"].item() * np.exp(group["omega_slope"].item() * group["z_slope"].values[person])
    values = {"cl": group["cl_pop"].item() * np.exp(eta), "v": group["v_pop"].item(), "slope": slope}
    spread = {"conc": lambda f: group["sigma_proportional_conc"].item() * f,
              "pain": lambda f: group["sigma_additive_pain"].item() + 0.0 * f}  # fmt: skip
    for output in ("conc", "pain"):
        mine, table = names == output, cohorts.gof(both, output=output)
        wanted = seen_by(output, values, time, np)[mine]
        np.testing.assert_allclose(table["ipred"], wanted, rtol=1e-10)
        np.testing.assert_allclose(table["iwres"], (dv[mine] - wanted) / spread[output](wanted), rtol=1e-8)
        assert table["subject_position"].values.tolist() == person[mine].tolist()
        assert table["effect"].values.tolist() == ["cl", "slope", "cl[0]", "cl[1]"]
    found = cohorts.shrinkage(both, output="pain")
    means = (group["omega_slope"] * group["z_slope"]).values  # of products' means, nearly
    assert float(found["eta_sd"].sel(effect="slope")) == pytest.approx(
        1.0 - means.std(ddof=1) / group["omega_slope"].item(), abs=0.05
    )


def test_replicates_of_new_people_share_what_a_person_shares(both):
    """A person's two outputs go together in the replicates as they do in the model; two people's do not."""
    drawn = both["predictive_check"].to_dataset()
    conc, pain = (drawn[n].values.reshape(-1, drawn.sizes[drawn[n].dims[-1]]) for n in ("conc", "pain"))
    own = np.corrcoef(conc[:, 1], pain[:, 0])[0, 1]  # of one person, both at 4 h of the first occasion
    other = np.corrcoef(conc[:, 1], pain[:, 4])[0, 1]
    again = np.corrcoef(conc[:, 2], conc[:, 5])[0, 1]  # 12 h of either occasion
    assert own < -0.1
    assert abs(other) < 0.15
    assert 0.3 < again < 0.95


def test_leaving_out_observations_counts_all_outputs(both):
    each = [cohorts.loo(both, output=name).attrs["elpd"] for name in ("conc", "pain", "relapse")]
    assert cohorts.loo(both).attrs["elpd"] == pytest.approx(sum(each), abs=0.1)  # tails are smoothed as one
    by_person = cohorts.loo(both, by="subject")
    assert by_person.attrs["unreliable"] <= 1
    assert by_person.sizes == {"subject": PEOPLE}
    table = cohorts.prior_sensitivity(both)
    assert {"cl_pop", "gamma_cl", "slope_pop", "sigma_additive_pain"} <= set(table["parameter"].values.tolist())


def test_the_likelihood_of_a_person_of_unknown_class_is_integrated(of_classes):
    """Against quadrature over the one random effect, summed over both classes, at one draw."""
    first = of_classes["posterior"].to_dataset().isel(chain=1).sel(draw=of_classes["log_likelihood_subject"]["draw"][5])
    data, sigma = classes(), first["sigma_lognormal_conc"].item()
    for person in (0, 9):
        y = data.observations["dv"].values[data.position == person]

        def density(z, factor, y=y):
            cl = first["cl_pop"].item() * factor * np.exp(first["omega_cl"].item() * z)
            mean = np.log(DOSE / first["v_pop"].item()) - cl / first["v_pop"].item() * TIMES
            return np.exp(stats.norm(mean, sigma).logpdf(np.log(y)).sum() - np.log(y).sum()) * stats.norm.pdf(z)

        parts = [w * integrate.quad(density, -8, 8, args=(f,))[0] for w, f in ((0.3, 0.25), (0.7, 1.0))]
        found = of_classes["log_likelihood_subject"]["likelihood"].isel(chain=1, draw=5, subject=person).item()
        assert found == pytest.approx(np.log(sum(parts)), abs=0.15)
    by_person = cohorts.loo(of_classes, by="subject")
    assert by_person.attrs["unreliable"] <= 1


def test_every_check_and_picture_of_a_mixture(of_classes):
    for name in CHECKS:
        getattr(cohorts, name)(of_classes)
    for name in PLOTS:
        assert isinstance(getattr(cohorts, f"plot_{name}")(of_classes), Figure), name
    assert cohorts.vpc(of_classes).attrs["inside"] > 0.7
    assert cohorts.npde(of_classes).attrs["p_global"] > 0.01
    table = cohorts.gof(of_classes)
    poor = np.repeat(of_classes["posterior"]["pheno"].mean(("chain", "draw")).values < 0.5, len(TIMES))
    assert 3 <= poor.sum() / len(TIMES) <= 7
    late = table["time"].values == 12.0
    assert table["pred"].values[late & poor].min() > 1.3 * table["pred"].values[late & ~poor].max()


def test_pictures_take_units_from_the_data(of_classes, both):
    table = cohorts.gof(of_classes)
    assert (table.attrs["axis"], table.attrs["time_axis"]) == ("conc (mg/L)", "time (h)")
    figure = cohorts.plot_vpc(of_classes)
    assert [figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()] == ["time (h)", "conc (mg/L)"]
    assert cohorts.plot_npde(of_classes).axes[2].get_xlabel() == "time (h)"
    assert cohorts.plot_gof(of_classes).axes[3].get_xlabel() == "time (h)"
    assert cohorts.plot_vpc(both, output="pain").axes[0].get_xlabel() == "time"
    assert cohorts.plot_vpc(of_classes, xlabel="hours").axes[0].get_xlabel() == "hours"


# ------------------------------------------------------------------------------------------------------------- events
@pytest.fixture(scope="module")
def events(both):
    data = two_outputs()
    rows = cohorts.event_requests(BOTH, data, points=25)

    def predict(parameters):
        place = np.repeat(np.arange(PEOPLE), 25)
        return parameters["risk"][place] * rows["time"].values

    return cohorts.event_check(both, BOTH, data, predict, requests=rows, replicates=2000, seed=2)


def test_times_of_events_follow_the_hazard(events, both):
    """A constant hazard: times are exponential, and nobody is followed longer than the data or the study tell."""
    found, data = events["event_check"].to_dataset(), two_outputs()
    record = data.observations["output"].values == "relapse"
    censored = data.observations["dv"].values[record] == 0.0
    end = np.where(censored, data.observations["time"].values[record], 24.0)
    assert (found["time"].values <= end).all()
    assert (
        found["time"].values[~found["event"].values]
        == np.broadcast_to(end, found["time"].shape)[~found["event"].values]
    ).all()
    risk = both["posterior"]["risk_pop"].values.ravel()
    share = 1.0 - np.mean(np.exp(-risk[:, None] * end), axis=0)
    np.testing.assert_allclose(found["event"].mean("replicate"), share, atol=0.05)
    early = float((found["time"] < 6.0).mean())
    assert early == pytest.approx(1.0 - np.mean(np.exp(-6.0 * risk)), abs=0.03)


def test_kaplan_meier_by_hand_and_over_the_data(events):
    from cohorts.judgement.events import survival

    time, event = np.array([[5.0, 2.0, 2.0, 8.0, 2.0]]), np.array([[True, True, False, False, True]])
    np.testing.assert_allclose(survival(time, event, np.array([0.0, 1.9, 2.0, 4.0, 5.0, 9.0]))[0],
                               [1.0, 1.0, 0.6, 0.6, 0.3, 0.3])  # fmt: skip
    check = cohorts.kaplan_meier_check(events)
    assert check.attrs["inside"] > 0.8
    assert int(check["at_risk"][0, 0]) == PEOPLE
    assert isinstance(cohorts.plot_kaplan_meier(events), Figure)


def test_what_an_event_has_not_is_said(both):
    with pytest.raises(PopulationError, match="simulated by event_check"):
        cohorts.vpc(both, output="relapse")
    with pytest.raises(PopulationError, match="has no residuals"):
        cohorts.plot_gof(both, output="relapse")
    assert np.isnan(cohorts.gof(both, output="relapse")["iwres"]).all()
    assert isinstance(cohorts.plot_etas(both, output="relapse"), Figure)
    assert isinstance(cohorts.plot_shrinkage(both, output="relapse"), Figure)
    with pytest.raises(PopulationError, match="has no group event_check; add it by event_check"):
        cohorts.kaplan_meier_check(both)
    with pytest.raises(PopulationError, match=r"wanted an event, one of \['relapse'\]"):
        cohorts.event_requests(BOTH, two_outputs(), output="conc")
    with pytest.raises(PopulationError, match="leave it out of simulation studies"):
        cohorts.simulation_based_calibration(BOTH, two_outputs(), equations(BOTH, two_outputs()), n=1, seed=1)


# -------------------------------------------------------------------------------------------------- simulation studies
@pytest.mark.parametrize("which", ["two outputs and occasions", "classes"])
def test_studies_of_such_fits_run(which):
    """Two made-up data sets each: every value has a rank, and the truth is what made the data."""
    from dataclasses import replace

    from cohorts.judgement.refits import Sampler

    short = Sampler(draws=49, chains=1, tune=200, sampled=150, longest=150)
    if which == "classes":
        population, data = CLASSES, classes()
    else:
        whole = two_outputs()
        population = replace(BOTH, outcomes=())
        data = IndividualData(
            whole.observations.isel(observation=whole.observations["output"].values != "relapse"), whole.covariates
        )
    predict = equations(population, data)
    ranks = cohorts.simulation_based_calibration(population, data, predict, n=2, seed=1, sampler=short)
    named = set(ranks["parameter"].values.tolist())
    assert {"cl_pop", "v_pop", "omega_cl"} <= named
    assert ("gamma_cl" in named) == (which != "classes")
    assert np.isfinite(ranks["truth"]).all()
    assert ((ranks["rank"] >= 0) & (ranks["rank"] <= 49)).all()
    assert isinstance(cohorts.plot_sbc(ranks), Figure)
