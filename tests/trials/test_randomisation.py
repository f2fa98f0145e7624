"""Stratified blocks and minimisation: what they balance, against theory and against simple allocation."""

import dataclasses
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

import trials
from tests.trials.small import SMALL
from trials.block import draw
from trials.entry import enrolled, randomised
from trials.errors import TrialError
from trials.making import make
from trials.randomisation.base import Randomisation
from trials.randomisation.factors import Factor
from trials.randomisation.minimisation import Minimisation, coin
from trials.randomisation.stratified import StratifiedBlocks
from trials.streams import Stream, generator

CONF = Path(__file__).resolve().parents[2] / "conf" / "randomisation"
FACTORS = ("sex", {"variable": "age", "cuts": [50, 65]}, "site")


def rng(replicate):
    return generator(6, Stream.RANDOMISATION, replicate)


def subjects(replicates=20, n=90):
    drawn, dims = np.random.default_rng(1), ("replicate", "subject")
    shape = (replicates, n)
    return xr.Dataset({
        "sex": (dims, drawn.integers(0, 2, shape), {"levels": ["female", "male"]}),
        "age": (dims, drawn.normal(60, 10, shape)),
        "site": (dims, drawn.integers(0, 3, shape), {"names": ["a", "b", "c"]}),
    })  # fmt: skip


def groups(method, data=None, ratio=(1, 1), block=4):
    data = subjects() if data is None else data
    return method(rng, range(data.sizes["replicate"]), data, ratio=ratio, block=block)


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_randomisation_is_a_value_and_depends_on_the_past_alone(path):
    made = make("randomisation", yaml.safe_load(path.read_text(encoding="utf-8")))
    assert isinstance(made, Randomisation)
    assert pickle.loads(pickle.dumps(made)) == made
    again = type(made)(**json.loads(json.dumps(dataclasses.asdict(made))))
    assert again == made
    assert hash(again) == hash(made)
    whole = groups(made)
    np.testing.assert_array_equal(groups(made, subjects().isel(subject=slice(50))), whole[:, :50])
    part = made(rng, range(4, 7), subjects().isel(replicate=slice(4, 7)), ratio=(1, 1), block=4)
    np.testing.assert_array_equal(part, whole[4:7])
    assert set(np.unique(groups(made, ratio=(1, 2, 1), block=4))) == {0, 1, 2}


def test_the_strata_are_the_combinations_of_levels():
    code, names = StratifiedBlocks(FACTORS).strata(subjects())
    assert len(names) == 2 * 3 * 3
    assert names[0] == "female / <50 / a"
    assert names[-1] == "male / >=65 / c"
    data = subjects()
    age = np.digitize(data["age"].values, [50, 65])
    np.testing.assert_array_equal(code, data["sex"].values * 9 + age * 3 + data["site"].values)


@pytest.mark.parametrize(("ratio", "block"), [((1, 1), 4), ((2, 1), 6), ((1, 1, 1), 3)])
def test_every_whole_block_of_a_stratum_holds_the_allocation(ratio, block):
    method, data = StratifiedBlocks(("sex", "site")), subjects()
    found, (code, names) = groups(method, data, ratio, block), method.strata(data)
    for row in range(len(found)):
        for stratum in range(len(names)):
            own = found[row, code[row] == stratum]
            for start in range(0, len(own) - block + 1, block):
                counts = np.bincount(own[start : start + block], minlength=len(ratio))
                np.testing.assert_array_equal(counts, np.asarray(ratio) * (block // sum(ratio)))


def test_all_orders_of_a_block_are_equally_likely():
    data = xr.Dataset({"site": (("replicate", "subject"), np.zeros((6000, 4), int), {"names": ["a"]})})
    found = groups(StratifiedBlocks(("site",)), data)
    counts = np.unique(found @ [8, 4, 2, 1], return_counts=True)[1]
    assert len(counts) == 6
    np.testing.assert_allclose(counts, 1000, atol=5 * np.sqrt(1000))


def margins(found, data, names):
    """Largest difference of the two groups' counts at any level, averaged over replicates."""
    each = []
    for name in names:
        values = data[name].values
        for level in np.unique(values):
            at = values == level
            each.append(np.abs((at & (found == 0)).sum(axis=1) - (at & (found == 1)).sum(axis=1)))
    return np.max(each, axis=0).mean()


def test_minimisation_balances_margins_that_simple_allocation_does_not():
    data = subjects(200, 90)
    simple = np.random.default_rng(2).integers(0, 2, (200, 90))
    names = ("sex", "site")
    found = {p: groups(Minimisation(names, probability=p), data) for p in (0.5, 0.8, 1.0)}
    loose = margins(simple, data, names)
    assert margins(found[0.5], data, names) == pytest.approx(loose, rel=0.1)
    assert margins(found[0.8], data, names) < 0.45 * loose
    assert margins(found[1.0], data, names) < 2.5


def test_minimisation_follows_pocock_and_simon_by_hand():
    """A subject at a time, straight from the paper's definition, with the same random numbers."""
    data, method = subjects(3, 40), Minimisation(("sex", "site"), probability=0.7, imbalance="range", weights=(1, 2))
    found = groups(method, data, (1, 1, 1))
    for row in range(3):
        u, sofar = rng(row).random((40, 2)), []
        for i in range(40):
            totals = []
            for choice in range(3):
                total = 0.0
                for weight, name in ((1, "sex"), (2, "site")):
                    level = data[name].values[row]
                    counts = [sum(g == k and level[j] == level[i] for j, g in enumerate(sofar)) for k in range(3)]
                    counts[choice] += 1
                    total += weight * (max(counts) - min(counts))
                totals.append(total)
            best = [k for k in range(3) if totals[k] == min(totals)]
            preferred = best[int(u[i, 0] * len(best))]
            chances = [0.7 if k == preferred else 0.15 for k in range(3)]
            sofar.append(int(np.searchsorted(np.cumsum(chances), u[i, 1], side="right")))
        np.testing.assert_array_equal(found[row], sofar)


def test_the_coin_of_unequal_allocation_gives_an_unpreferred_group_one_probability():
    made = coin(np.array([1.0, 2.0, 3.0]), 0.8)
    np.testing.assert_allclose(made.sum(axis=1), 1)
    assert made[0, 0] == pytest.approx(0.8)
    np.testing.assert_allclose(made[[1, 2], 0], 0.2 / 5)
    np.testing.assert_allclose(made[[0, 2], 1], 0.4 / 5)
    np.testing.assert_allclose(made[[0, 1], 2], 0.6 / 5)


def test_unequal_allocation_is_kept_by_minimisation():
    found = groups(Minimisation(("sex", "site")), subjects(300, 90), ratio=(2, 1))
    assert (found == 0).mean() == pytest.approx(2 / 3, abs=0.005)


CHANGES = {
    StratifiedBlocks(("sex",)): {"factors": ("site",)},
    Minimisation(FACTORS): {
        "factors": ("site",), "probability": 0.6, "imbalance": "variance", "weights": (1, 5, 1),
    },
}  # fmt: skip


@pytest.mark.parametrize("made", CHANGES, ids=lambda made: type(made).__name__)
def test_every_field_changes_something(made):
    assert set(CHANGES[made]) == {field.name for field in dataclasses.fields(made)}
    for name, value in CHANGES[made].items():
        assert not np.array_equal(groups(dataclasses.replace(made, **{name: value})), groups(made)), name
    other = Minimisation(("sex", {"variable": "age", "cuts": [40]}, "site"))
    assert not np.array_equal(groups(other), groups(Minimisation(FACTORS)))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"factors": ()}, "randomisation.factors: .* one or more distinct"),
        ({"factors": ("sex", "sex")}, "distinct variables"),
        ({"factors": ({"variable": "age", "cut": [1]},)}, r"factors\[0\].cut: unknown field"),
        ({"factors": (3,)}, "name of a variable"),
        ({"factors": ("sex",), "probability": 0.4}, "randomisation.probability"),
        ({"factors": ("sex",), "weights": (1, 2)}, "randomisation.weights: .* each of 1 factors"),
        ({"factors": ("sex",), "imbalance": "sd"}, "randomisation.imbalance"),
    ],
)
def test_what_is_wrong_is_named(given, words):
    with pytest.raises(TrialError, match=words):
        Minimisation(**given)


@pytest.mark.parametrize(
    ("factor", "words"),
    [(Factor("weight"), "one of sex, age, site"), (Factor("age"), "cuts, for it is a number"),
     (Factor("sex", (1,)), "no cuts, for it has levels")],
)  # fmt: skip
def test_a_factor_that_does_not_fit_the_subjects_is_refused(factor, words):
    with pytest.raises(TrialError, match=words):
        factor.levels(subjects())


SITES = [
    "+enrolment={_target_: trials.enrolment.poisson_gamma.PoissonGamma, regions: [{name: eu, sites: 3, rate: 1.0}]}",
    "+randomisation={_target_: trials.randomisation.stratified.StratifiedBlocks, factors: [site, sex]}",
]


def test_a_trial_is_randomised_within_strata_of_sites_and_covariates():
    made = trials.load("warfarin_titration", [*SMALL, *SITES[:1], SITES[1].replace("site, sex", "site, vkorc1")])
    patients = draw(made.protocol, 60, range(3), seed=1, posterior=None, occasions=1)
    patients = enrolled(made.protocol, patients, range(3), 1)
    patients, arms = randomised(
        replace(made.protocol, design=replace(made.protocol.design, n=60)), patients, range(3), 1
    )
    names = patients["stratum"].attrs["names"]
    assert len(names) == 3 * 3
    assert names[0] == "eu 1 / GG"
    for row in range(3):
        for stratum in range(len(names)):
            own = arms[row, patients["stratum"].values[row] == stratum, 0]
            whole = own[: len(own) // 4 * 4]
            assert (whole == 0).sum() * 2 == whole.size
    with pytest.raises(TrialError, match=r"randomisation.factors: got 'sex', wanted one of age, .*site, region"):
        trials.load("warfarin_titration", [*SMALL, *SITES])
    with pytest.raises(TrialError, match=r"randomisation.factors: got 'site', wanted one of age"):
        trials.load("warfarin_titration", [*SMALL, SITES[1]])
