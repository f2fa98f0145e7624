"""Looks: what is known on a day, when a look is due, where a trial stops, and that nothing else changes."""

from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import trials
from cohorts import Residual
from cohorts.specification.quantities import Quantity
from engine.outcomes import Largest
from tests.trials.small import SMALL
from trials.analyses.two_sample import TwoSample
from trials.block import Work, simulate, simulate_block, trial_data
from trials.boundaries.alpha_spending import AlphaSpending
from trials.boundaries.futility import FutilityBounds
from trials.boundaries.haybittle_peto import HaybittlePeto
from trials.boundaries.wang_tsiatis import OBrienFleming, Pocock
from trials.designs.group_sequential import GroupSequential
from trials.designs.parallel import Parallel
from trials.endpoints.course import Course
from trials.endpoints.event import TimeToEvent
from trials.errors import TrialError
from trials.monitoring.cutting import known
from trials.monitoring.looks import Looks
from trials.monitoring.schedule import days
from trials.monitoring.stopping import stopped
from trials.protocol import Measurement
from trials.report_tables import plan

HERE = Path(__file__).parent / "conf"
DIMS = ("replicate", "subject")
NEVER = HaybittlePeto(alpha=0.025, interim=None)
"""Infinite boundaries at all looks but the last."""


def by_hand():
    """Two replicates of five subjects, with a variable of every kind."""
    enrolled = np.array([[0.0, 1, 2, 3, 9], [0, 2, 4, 6, 8]])
    time = np.array([[5.0, 2, 10, 1, 1], [3, 3, 3, 3, 3]])
    event = np.array([[True, False, True, True, True], [True, True, False, True, True]])
    return xr.Dataset({
        "arm": (DIMS, np.array([[0, 1, 0, 1, 0]] * 2), {"names": ["test", "control"]}),
        "enrolled": (DIMS, enrolled),
        "site": (DIMS, np.array([[0, 1, 0, 1, 2]] * 2), {"names": ["a", "b", "c"]}),
        "age": (DIMS, np.full((2, 5), 60.0)),
        "late": (DIMS, np.arange(10.0).reshape(2, 5), {"at": 4.0}),
        "flag": (DIMS, np.arange(10.0).reshape(2, 5)),
        "death": (DIMS, time), "death_event": (DIMS, event),
        "score": ((*DIMS, "visit_score"), np.ones((2, 5, 3))),
        "attacks": (DIMS, np.ones((2, 5))), "attacks_exposure": (DIMS, np.full((2, 5), 2.0)),
        "discontinued": (DIMS, np.where(event, np.inf, time)), "ice_rescue": (DIMS, np.full((2, 5), 1.0)),
    }, coords={"replicate": [0, 1], "visit_score": [0.0, 2.0, 4.0]})  # fmt: skip


ENDPOINTS = ("late", "flag", "death", "score", "attacks")


def test_what_is_known_on_a_day():
    data = by_hand()
    before = data.copy(deep=True)
    now = known(data, ENDPOINTS, np.array([5.0, 4.0]), complete=3.0)
    xr.testing.assert_identical(data, before)
    there = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]], dtype=bool)
    np.testing.assert_array_equal(now["arm"].values, np.where(there, [[0, 1, 0, 1, 0]] * 2, -1))
    np.testing.assert_array_equal(now["site"].values == -1, ~there)
    for name in ("enrolled", "age"):
        np.testing.assert_array_equal(np.isnan(now[name].values), ~there)
    np.testing.assert_array_equal(np.isfinite(now["late"].values), [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(np.isfinite(now["flag"].values), [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(now["death"].values, [[5, 2, 3, 1, np.nan], [3, 2, 0, np.nan, np.nan]])
    np.testing.assert_array_equal(now["death_event"].values, [[1, 0, 0, 1, 0], [1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(
        np.isfinite(now["score"].values).sum(axis=-1), [[3, 3, 2, 2, 0], [3, 2, 1, 0, 0]]
    )  # fmt: skip
    np.testing.assert_array_equal(np.isfinite(now["attacks"].values), [[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]])
    np.testing.assert_array_equal(np.isfinite(now["attacks_exposure"].values), np.isfinite(now["attacks"].values))
    np.testing.assert_array_equal(now["discontinued"].values[0], [np.inf, 2, np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(now["ice_rescue"].values[1], [1, 1, np.inf, np.nan, np.nan])


def test_everything_is_known_at_the_end():
    data = by_hand()
    xr.testing.assert_equal(known(data, ENDPOINTS, np.array([99.0, 99.0]), complete=3.0), data)


def looks(**given):
    return Looks(**{"monitored": "it", "boundary": NEVER, "at": (2, 3)} | given)


@pytest.mark.parametrize(
    ("given", "endpoint", "expected"),
    [
        ({"by": "events", "at": (2, 3)}, "death", [[5, 10], [5, 9]]),
        ({"by": "events", "at": (2, 5)}, "death", [[5, 12], [5, 11]]),  # four events: at the end of follow-up
        ({"by": "events", "at": (4, 5)}, "death", [[np.inf, 12], [np.inf, 11]]),  # a look never before the last one
        ({"by": "follow_up", "at": (2, 5)}, "late", [[5, 13], [6, 12]]),
        ({"by": "follow_up", "at": (1, 3)}, "score", [[4, 6], [4, 8]]),
        ({"by": "calendar", "at": (3, 7)}, "late", [[3, 7], [3, 7]]),
        ({"by": "calendar", "at": (3, 40)}, "late", [[3, 13], [3, 12]]),
    ],
)
def test_the_day_of_each_look(given, endpoint, expected):
    found = days(looks(**given), by_hand(), endpoint, 3.0, lambda day: day)
    np.testing.assert_allclose(found, expected)


def test_looks_by_information_wait_until_there_is_enough():
    def information(day):
        return np.array([day[0], 2 * day[1]])

    plan = looks(by="information", at=(0.5, 1.0), maximum=12.0)
    # the late endpoint is known on days 4, 5, 6, 7, 13 and 4, 6, 8, 10, 12
    np.testing.assert_allclose(days(plan, by_hand(), "late", 3.0, information), [[6, 13], [4, 6]])


def test_where_trials_stop():
    z = np.array([[3.0, 0, 0], [1, 2.5, 0], [-1, 3, 3], [1, 1, 2.1], [1, 1, 1], [np.nan, 5, 0], [9, 1, 3]])
    due = np.ones(z.shape, dtype=bool)
    due[6, 0] = False
    stop = stopped(z, due, np.array([2.9, 2.4, 2.0]), np.array([0.0, 0.5, 2.0]))
    np.testing.assert_array_equal(stop.look, [0, 1, 0, 2, 2, 1, 2])
    np.testing.assert_array_equal(stop.efficacy, [1, 1, 0, 1, 0, 1, 1])
    np.testing.assert_array_equal(stop.futility, [0, 0, 1, 0, 0, 0, 0])


# ---- whole trials
@cache
def survival(*overrides):
    return trials.load("exponential_survival", [*SMALL, *overrides], config_dir=HERE)


def protocol(design=None, **changes):
    base = survival().scenario("effect").protocol
    return replace(base, **({} if design is None else {"design": design}), **changes)


def block(made, replicates=range(40)):
    return simulate_block(Work("x", made, replicates, 4, None))


def sequential(**changes):
    return replace(survival().protocol.design, **changes)


def test_infinite_interim_boundaries_give_the_design_without_them_bit_for_bit():
    looked, once = (block(protocol(sequential(at=at, boundary=NEVER))) for at in ((60, 120, 200), (200,)))
    for name in once:
        if name.startswith(("outcome.", "arm.", "status")) and name not in ("outcome.look", "outcome.stop_1"):
            np.testing.assert_array_equal(looked[name], once[name], err_msg=name)
    assert (looked["outcome.look"] == 3).all()


def continuous(design):
    """Subjects whose one measurement is their hazard with error, known at once: a t test of 40."""
    error = Residual("hazard_event", "lognormal", (Quantity("fixed", (0.5,), "made up"),))
    measurement = Measurement("hazard", "hazard_event", (0.0, 6.0), error=error)
    endpoint = Course("hazard", "1/month", "hazard", Largest())
    analysis = TwoSample("primary", "hazard", "test", "control", alternative="less", alpha=0.025)
    made = protocol(design)
    return replace(
        made, measurements=(measurement,), endpoints=(*made.endpoints, endpoint), analyses=(analysis,), design=design
    )


def test_a_fixed_design_is_the_one_with_infinite_boundaries_bit_for_bit():
    fixed = block(continuous(Parallel(("test", "control"), 40)))
    plan = {"monitored": "primary", "boundary": NEVER, "by": "follow_up"}
    looked = block(continuous(GroupSequential(("test", "control"), 40, at=(10, 25, 40), **plan)))
    assert fixed["outcome.decision"].any()
    assert not fixed["outcome.decision"].all()
    for name in fixed:
        if name.startswith("outcome.") and name != "outcome.duration":  # 240 months of survival are not waited for
            np.testing.assert_array_equal(looked[name], fixed[name], err_msg=name)
    assert (looked["outcome.duration"] < fixed["outcome.duration"]).all()


def test_a_look_is_the_analysis_of_what_was_known():
    made = protocol(sequential(at=(50, 100, 200), lag=2.0))
    arrays = block(made, range(5))
    work = Work("x", made, range(5), 4, None)
    data = trial_data(work, simulate(work))
    calendar = np.where(data["death_event"], data["enrolled"] + data["death"], np.inf)
    for row in range(5):
        day = np.sort(calendar[row])[99]
        there = data["enrolled"].values[row] <= day
        followed = day - data["enrolled"].values[row][there]
        time = np.minimum(data["death"].values[row][there], followed)
        event = data["death_event"].values[row][there] & (data["death"].values[row][there] <= followed)
        cut = xr.Dataset({
            "arm": (DIMS, data["arm"].values[row, there][None], data["arm"].attrs),
            "death": (DIMS, time[None]), "death_event": (DIMS, event[None]),
        })  # fmt: skip
        alone = made.analyses[0](cut)
        assert alone["p"].item() == pytest.approx(arrays["look.p"][row, 1, 0], rel=1e-10)
        assert event.sum() == arrays["look.information"][row, 1, 0] == 100
        assert arrays["look.decided"][row, 1, 0] == pytest.approx(day + 2)
        assert arrays["look.enrolled"][row, 1, 0] == (data["enrolled"].values[row] <= day + 2).sum()


def test_outcomes_are_those_of_the_look_that_stopped_the_trial():
    arrays = block(protocol(sequential(at=(50, 120, 200), boundary=Pocock())), range(60))
    look = arrays["outcome.look"][:, 0].astype(int) - 1
    rows = np.arange(60)
    assert set(look) == {0, 1, 2}
    for name in ("estimate", "se", "p", "information"):
        np.testing.assert_array_equal(arrays[f"outcome.{name}"][:, 0], arrays[f"look.{name}"][rows, look, 0])
    np.testing.assert_array_equal(arrays["outcome.duration"][:, 0], arrays["look.decided"][rows, look, 0])
    np.testing.assert_array_equal(arrays["outcome.n"][:, 0], arrays["look.enrolled"][rows, look, 0])
    stops = np.stack([arrays[f"outcome.stop_{k}"][:, 0] for k in (1, 2, 3)], axis=1)
    np.testing.assert_array_equal(stops.argmax(axis=1), look)
    np.testing.assert_array_equal(stops.sum(axis=1), 1)
    bounds = Pocock()((0.25, 0.6, 1.0)).efficacy
    crossed = arrays["outcome.p"][:, 0] <= 0.5 * (1 + np.vectorize(lambda z: -_erf(z))(bounds))[look]
    np.testing.assert_array_equal(arrays["outcome.decision"][:, 0], crossed)
    np.testing.assert_array_equal(arrays["outcome.efficacy"][:, 0] > 0, crossed)


def _erf(z):
    from math import erf, sqrt

    return erf(z / sqrt(2))


def test_futility_stops_and_costs_power():
    futile = OBrienFleming(futility=FutilityBounds((0.5,)))
    without, with_ = (block(protocol(sequential(at=(60, 200), boundary=b))) for b in (OBrienFleming(), futile))
    stopped_ = with_["outcome.futility"][:, 0] > 0
    assert stopped_.any()
    assert not with_["outcome.decision"][stopped_].any()
    np.testing.assert_array_equal(with_["outcome.look"][stopped_], 1)
    np.testing.assert_array_equal(with_["outcome.decision"][~stopped_], without["outcome.decision"][~stopped_])


CHANGES = {
    "n": 280, "monitored": None, "boundary": Pocock(), "at": (50, 180), "by": "follow_up", "endpoint": None,
    "lag": 3.0, "maximum": None, "observed": True, "allocation": (3, 1), "block": 12,
}  # fmt: skip


def two(design):
    """Two endpoints and two analyses, so that which is monitored and which is counted matters."""
    base = protocol(design)
    first, other = base.analyses[0], replace(base.analyses[0], name="secondary", endpoint="early")
    early = TimeToEvent("early", "month", "cumulative_hazard_event", 10.0, 10.0)
    return replace(base, endpoints=(*base.endpoints, early), analyses=(first, other))


@pytest.mark.parametrize("name", CHANGES)
def test_every_field_changes_an_output(name):
    plan = sequential(at=(30, 95), boundary=AlphaSpending(), by="calendar", maximum=200.0)
    changes = {"monitored": {"monitored": "secondary"}, "endpoint": {"endpoint": "early", "by": "events"},
               "maximum": {"maximum": 300.0, "observed": True}, "by": {"by": "follow_up", "maximum": None},
               "at": {"at": (20, 60)}}.get(name, {name: CHANGES[name]})  # fmt: skip
    base = {"maximum": {"observed": True}, "endpoint": {"by": "events", "maximum": None},
            "by": {"maximum": None}}.get(name, {})  # fmt: skip
    one, other = (block(two(replace(plan, **base | change)), range(12)) for change in ({}, changes))
    outcomes = [key for key in one if key.startswith(("outcome.", "arm."))]
    assert any(not np.array_equal(one[key], other.get(key), equal_nan=True) for key in outcomes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["design.at=[100,50]"], "design.at: .* increasing"),
        (["design.at=[0.5,1]"], "design.at: .* whole numbers"),
        (["design.by=event"], "design.by: got 'event', wanted one of calendar, events"),
        (["design.monitored=secondary"], "design.monitored: got 'secondary', wants an analysis; there are primary"),
        (["design.endpoint=deaths"], "design.endpoint: got 'deaths'"),
        (["design.boundary.sided=2"], "design.boundary.sided: got 2, but analysis primary is less"),
        (["design.by=information"], "design.maximum: got None"),
        (["design.maximum=7"], "design.maximum"),
        (["design.lag=-1"], "design.lag"),
        (["design.by=follow_up", "design.at=[100,301]"], "design.at: got 301 subjects, wants at most design.n, 300"),
        (["design.by=calendar", "design.observed=true"], "design.maximum"),
        (["boundary@design.boundary=pocock", "design.observed=true"], "design.observed: got True, wanted false"),
    ],
)
def test_what_is_wrong_is_named(changes, words):
    with pytest.raises(TrialError, match=words):
        survival(*changes)


def test_rescoring_gives_what_another_run_would_have_given(tmp_path):
    first = trials.run(survival("replicates=30"), folder=tmp_path)
    other = trials.run(survival("replicates=30", "boundary@design.boundary=pocock"))
    for source in (first, first.folder):
        again = trials.rescore(source, Pocock())
        for name in other.outcomes.data_vars:
            np.testing.assert_array_equal(again[name].values, other.outcomes[name].values, err_msg=str(name))
            assert again[name].dtype == other.outcomes[name].dtype
        assert trials.characteristics(again, other.truth) == trials.characteristics(other)
    with pytest.raises(TrialError, match=r"boundary.sided: got 2"):
        trials.rescore(first, OBrienFleming(sided=2))
    with pytest.raises(TrialError, match=r"no .*looks.parquet"):
        trials.rescore(tmp_path, Pocock())


def test_the_report_says_when_the_trial_is_looked_at_and_what_stops_it():
    made = replace(survival().protocol, design=sequential(boundary=OBrienFleming(futility=FutilityBounds((0.5,)))))
    rows = {(kind, name): text for kind, name, text in plan(made).rows}
    assert rows["enrolment", "Accrual"] == "rates = 25, starts = 0, process = regular"
    assert rows["look", "1"] == "at 100 events: efficacy at Z ≥ 2.7965 (p ≤ 0.00258), futility at Z ≤ 0.5000"
    assert rows["look", "2"] == "at 200 events: efficacy at Z ≥ 1.9774 (p ≤ 0.024)"


def test_blocks_of_any_size_give_the_same_bits():
    made = protocol(
        sequential(at=(60, 120, 200), by="calendar", boundary=AlphaSpending(), maximum=200.0, observed=True)
    )
    made = replace(made, design=replace(made.design, at=(6.0, 12.0, 40.0)))
    whole = block(made, range(9))
    for cuts in ((0, 1, 2, 9), (0, 5, 9)):
        parts = [block(made, range(a, b)) for a, b in pairwise(cuts)]
        for name, values in whole.items():
            np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values, err_msg=name)
