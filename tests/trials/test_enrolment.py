"""Enrolment: against the processes' own theory, and what every field changes."""

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

import cohorts
import trials
from tests.trials.small import SMALL, crossover
from trials.block import Work, simulate, simulate_block, trial_data
from trials.enrolment.accrual import Accrual
from trials.enrolment.base import Enrolment, crossing
from trials.enrolment.poisson_gamma import PoissonGamma
from trials.entry import enrolled
from trials.errors import TrialError
from trials.making import make
from trials.streams import Stream, generator

CONF = Path(__file__).resolve().parents[2] / "conf" / "enrolment"
ONE = {"name": "one", "sites": 5, "rate": 2.0, "shape": 1.2, "opens": [0, 4]}


def rng(replicate):
    return generator(5, Stream.ENROLMENT, replicate)


def ones(replicates, n):
    return np.ones((replicates, n), dtype=int)


def calendar(enrolment, replicates=400, n=60, screened=None):
    return enrolment(rng, range(replicates), ones(replicates, n) if screened is None else screened)


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_enrolment_is_a_value_and_gives_sorted_times_by_address(path):
    made = make("enrolment", yaml.safe_load(path.read_text(encoding="utf-8")))
    assert isinstance(made, Enrolment)
    assert pickle.loads(pickle.dumps(made)) == made
    again = type(made)(**json.loads(json.dumps(dataclasses.asdict(made))))
    assert again == made
    assert hash(again) == hash(made)
    found = calendar(made, 6)
    assert (np.diff(found.enrolled, axis=1) >= 0).all()
    assert (found.enrolled > 0).all()
    assert len(made.region_of_site) == len(made.site_names)
    assert found.site.max() < max(len(made.site_names), 1)
    part = made(rng, range(2, 5), ones(3, 40))
    np.testing.assert_array_equal(part.enrolled, found.enrolled[2:5, :40])
    np.testing.assert_array_equal(part.site, found.site[2:5, :40])


def test_regular_accrual_inverts_the_expected_number():
    made = Accrual(rates=(2, 0, 10), starts=(0, 3, 5), process="regular")
    found = calendar(made, 1, 9).enrolled[0]
    np.testing.assert_allclose(found, [0.5, 1, 1.5, 2, 2.5, 3, 5.1, 5.2, 5.3])


def test_poisson_accrual_has_exponential_gaps_and_poisson_counts():
    times = calendar(Accrual((3.0,), (2.0,)), 2000, 40).enrolled
    gaps = np.diff(times, axis=1, prepend=2.0)
    assert stats.kstest(gaps.ravel(), "expon", args=(0, 1 / 3)).pvalue > 1e-3
    counts = (times <= 7.0).sum(axis=1)  # 15 expected, 40 drawn
    assert counts.mean() == pytest.approx(15, abs=4 * np.sqrt(15 / 2000))
    assert counts.var() == pytest.approx(15, rel=0.15)


def test_sites_share_and_number_of_a_region_are_those_of_the_poisson_gamma_model():
    regions = [{"name": "a", "sites": 6, "rate": 1.0, "shape": 1.2}, {"name": "b", "sites": 2, "rate": 9.0, "shape": 2}]
    made = PoissonGamma(regions)
    found = calendar(made, 3000, 120)
    region = np.asarray(made.region_of_site)[found.site]
    window = 3.0
    for index, one in enumerate(made.regions):
        # Anisimov & Fedorov 2007, section 2: negative binomial, mean N m t, variance N m t (1 + m t / alpha)
        counts = ((found.enrolled <= window) & (region == index)).sum(axis=1)
        mean = one.sites * one.rate * window
        variance = mean * (1 + one.rate * window / one.shape)
        whole = found.enrolled[:, -1] > window
        assert whole.mean() > 0.9 or index == 1
        if index == 0:
            assert counts.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / 3000))
            assert counts.var() == pytest.approx(variance, rel=0.15)


def test_equal_sites_are_one_poisson_process_and_each_has_its_share():
    made = PoissonGamma([{"name": "a", "sites": 4, "rate": 0.5}])
    found = calendar(made, 1000, 50)
    gaps = np.diff(found.enrolled, axis=1, prepend=0.0)
    assert stats.kstest(gaps.ravel(), "expon", args=(0, 0.5)).pvalue > 1e-3
    assert np.bincount(found.site.ravel()) / found.site.size == pytest.approx([0.25] * 4, abs=0.01)


def test_nobody_is_enrolled_at_a_site_that_is_not_open_and_the_ramp_up_is_seen():
    made = PoissonGamma([{"name": "a", "sites": 30, "rate": 1.0, "opens": [2, 12]}])
    found = calendar(made, 2000, 200)
    assert found.enrolled.min() > 2
    # expected by time t: 30 * integral of the share open, (s - 2) / 10
    counts = (found.enrolled <= 7.0).sum(axis=1)
    assert counts.mean() == pytest.approx(30 * 25 / 20, abs=5 * np.sqrt(30 * 25 / 20 * 1.2 / 2000) + 0.2)


def test_screening_failures_lengthen_enrolment_in_proportion():
    one, three = (calendar(made, 500, 80, np.full((500, 80), k)).enrolled[:, -1]
                  for made, k in ((Accrual((4.0,)), 1), (Accrual((4.0,)), 3)))  # fmt: skip
    assert one.mean() == pytest.approx(20, abs=0.4)
    assert three.mean() == pytest.approx(60, abs=0.7)
    assert three.var() == pytest.approx(240 / 16, rel=0.25)
    regular = calendar(Accrual((4.0,), process="regular"), 1, 3, np.array([[2, 1, 5]])).enrolled
    np.testing.assert_allclose(regular, [[0.5, 0.75, 2.0]])


def test_crossing_skips_times_without_candidates():
    times, rates = np.array([1.0, 2, 4]), np.array([1.0, 0, 2])
    np.testing.assert_allclose(crossing(times, rates, np.array([0.5, 1.0, 3.0])), [1.5, 2.0, 5.0])


FIELDS = {
    Accrual(rates=(2, 4), starts=(0, 3)): {"rates": (2, 5), "starts": (0, 4), "process": "regular"},
    PoissonGamma([ONE]): {
        "regions": [[ONE | change] for change in ({"sites": 6}, {"rate": 3}, {"shape": None}, {"opens": [0, 5]})]
        + [[ONE | {"name": "two"}]]
    },
}


@pytest.mark.parametrize("made", FIELDS, ids=lambda made: type(made).__name__)
def test_every_field_changes_something(made):
    before = calendar(made, 3)
    assert set(FIELDS[made]) == {field.name for field in dataclasses.fields(made)}
    for name, values in FIELDS[made].items():
        for value in values if name == "regions" else [values]:
            other = dataclasses.replace(made, **{name: value})
            same = np.array_equal(calendar(other, 3).enrolled, before.enrolled) and other.site_names == made.site_names
            assert not same, (name, value)


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        (Accrual, {"rates": (1, 0), "starts": (0, 1)}, "enrolment.rates: .* never be full"),
        (Accrual, {"rates": (1,), "starts": (0, 1)}, "enrolment.rates: .* each of the 2 starts"),
        (Accrual, {"rates": (1, 1), "starts": (1, 1)}, "enrolment.starts: .* increasing"),
        (Accrual, {"rates": 3}, "enrolment.rates: got 3, wanted a list"),
        (Accrual, {"rates": (1,), "process": "poison"}, "did you mean 'poisson'"),
        (PoissonGamma, {"regions": []}, "enrolment.regions: .* one or more regions"),
        (PoissonGamma, {"regions": [ONE, ONE]}, "distinct names"),
        (PoissonGamma, {"regions": [ONE | {"site": 3}]}, r"regions\[0\].site: unknown field"),
        (PoissonGamma, {"regions": [{"name": "x", "sites": 2}]}, r"regions\[0\].rate: missing"),
        (PoissonGamma, {"regions": [ONE | {"opens": [3, 1]}]}, "enrolment.regions.opens"),
    ],
)
def test_what_is_wrong_is_named(kind, given, words):
    with pytest.raises(TrialError, match=words):
        kind(**given)


def test_a_trial_has_its_calendar_and_without_one_its_numbers_stay():
    bare = crossover().protocol
    dated = dataclasses.replace(bare, enrolment=PoissonGamma([ONE]))
    plain, later = (simulate_block(Work("x", protocol, range(3), 1, None)) for protocol in (bare, dated))
    for name in plain:
        if name != "outcome.duration":
            np.testing.assert_array_equal(plain[name], later[name], err_msg=name)
    work = Work("x", dated, range(3), 1, None)
    data = trial_data(work, simulate(work))
    assert data["enrolled"].dims == data["site"].dims == data["region"].dims == ("replicate", "subject")
    assert data["site"].attrs["names"][0] == "one 1"
    follow = plain["outcome.duration"][:, 0]
    np.testing.assert_allclose(later["outcome.duration"][:, 0], data["enrolled"].values[:, -1] + follow)
    assert (trial_data(w := Work("x", bare, range(3), 1, None), simulate(w))["enrolled"] == 0).all()


def test_those_who_fail_screening_are_waited_for():
    covariates = {"age": {"unit": "year", "meaning": "age", "distribution": {"normal": {"mean": 50, "sd": 10}},
                          "source": "made up"}}  # fmt: skip
    parameters = {"hazard": {"unit": "1/month", "meaning": "hazard", "typical": 0.05, "source": "made up"}}
    plain = {"name": "made_up", "reference": "nobody", "covariates": covariates, "parameters": parameters}
    strict = plain | {"eligibility": [{"name": "old", "covariate": "age", "min": 50}]}
    patients = cohorts.draw(cohorts.load_population(strict), 300, 20, 1)
    each = patients["candidates"].values
    assert (each >= 1).all()
    # the last block's screening stops with its last patient
    np.testing.assert_array_equal(each.sum(axis=1), patients["screened"].values)
    assert stats.chisquare(np.bincount(each.ravel())[1:5], 6000 / 2.0 ** np.arange(1, 5), sum_check=False).pvalue > 1e-3
    few = cohorts.draw(cohorts.load_population(strict), 100, 20, 1)
    np.testing.assert_array_equal(few["candidates"].values, each[:, :100])
    base = trials.load("exponential_survival", SMALL, config_dir=Path(__file__).parent / "conf").protocol
    whole = [enrolled(dataclasses.replace(base, population=p), cohorts.draw(p, 300, 20, 1), range(20), 1)
             for p in map(cohorts.load_population, (plain, strict))]  # fmt: skip
    last = [one["enrolled"].values[:, -1] for one in whole]
    np.testing.assert_allclose(last[0], 12.0)
    np.testing.assert_allclose(last[1], patients["screened"].values / 25)
