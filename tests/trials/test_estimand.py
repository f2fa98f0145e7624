"""Estimands: each strategy, the population and the treatment change the data and the true effect as they should."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from tests.trials.virtual import ARMS, data, dosed, everyone, protocol
from trials.analyses.two_sample import TwoSample
from trials.conduct.causes.rule import Rule
from trials.conduct.course import Course
from trials.conduct.estimand import Estimand
from trials.conduct.event import IntercurrentEvent
from trials.endpoints.base import Watch
from trials.endpoints.count import Count
from trials.endpoints.criterion import Criterion
from trials.endpoints.event import TimeToEvent
from trials.endpoints.repeated import Repeated
from trials.endpoints.responder import Responder
from trials.endpoints.visit import AtVisit
from trials.errors import TrialError
from trials.protocol import Truth
from trials.truth import TruthWork, true_effects

TIMES = np.array([0.0, 10.0, 20.0, 30.0])
VALUES = np.array([[10.0, 9, 8, 7], [10, 11, 12, 13], [20, 18, np.nan, 14], [30, 31, 32, 33]])
WHEN = np.array([np.inf, 15.0, 20.0, 5.0])
"""An event: never, between visits, at a visit (which comes before it), before all but the first."""
HAZARD, MEAN = Watch("cumulative_hazard_x", 1.0, 30.0), Watch("mean", 1.0, 30.0)


def course(when=WHEN, left=np.inf):
    """Four patients, the last in another arm, with an event each."""
    shape = (1, 4, 1)
    patients = xr.Dataset({"age": (("replicate", "subject"), [[50.0, 60.0, 70.0, 80.0]])}, attrs={"seed": 3})
    values = VALUES.reshape(1, 4, 1, 4)
    hazards = np.broadcast_to(HAZARD.clock * 10.0, (*shape, 31))
    return Course(
        patients=patients.assign_coords(replicate=[0]),
        names=("one", "two", "three"),
        arms=np.array([0, 1, 0, 2]).reshape(shape),
        true={"x": values},
        observed={"x": values},
        status=np.zeros(shape, dtype=int),
        times={"x": TIMES},
        planned={"x": TIMES},
        below={},
        watched={HAZARD: hazards * 0.0 if left is None else hazards * 1e-9, MEAN: hazards},
        starts=(0.0,),
        left=np.broadcast_to(np.asarray(np.inf if left is None else left), (1, 4)),
        events={"e": np.asarray(when).reshape(1, 4)},
    )


def estimand(strategy, **changes):
    given = {"name": "main", "treatment": ("one", "two", "three"), "variable": "v", "summary": "difference"}
    return Estimand(**given | {"events": {"e": strategy}} | changes)


def found(strategy, endpoint, **changes):
    return estimand(strategy, **changes).find(endpoint, course())


LAST = AtVisit("v", "1", "x", visit=30)
NAN = np.nan


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("treatment_policy", [7, 13, 14, 33]),
        ("hypothetical", [7, NAN, NAN, NAN]),
        ("while_on_treatment", [7, 11, 18, 30]),
        ("composite", [7, -1, -1, -1]),
    ],
)
def test_value_at_a_visit(strategy, expected):
    changes = {"failure": -1.0} if strategy == "composite" else {}
    values = found(strategy, LAST, **changes).values
    np.testing.assert_array_equal(values.ravel(), expected)


def test_an_event_after_the_visit_is_no_failure():
    early = AtVisit("v", "1", "x", visit=10)
    np.testing.assert_array_equal(found("composite", early, failure=-1.0).values.ravel(), [9, 11, 18, -1])
    np.testing.assert_array_equal(found("hypothetical", early).values.ravel(), [9, 11, 18, NAN])


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("treatment_policy", [[-1, -2, -3], [1, 2, 3], [-2, NAN, -6], [1, 2, 3]]),
        ("hypothetical", [[-1, -2, -3], [1, NAN, NAN], [-2, NAN, NAN], [NAN] * 3]),
        ("while_on_treatment", [[-1, -2, -3], [1, 1, 1], [-2, NAN, -2], [0, 0, 0]]),
        ("composite", [[-1, -2, -3], [1, 99, 99], [-2, 99, 99], [99, 99, 99]]),
    ],
)
def test_changes_at_all_visits(strategy, expected):
    changes = {"failure": 99.0} if strategy == "composite" else {}
    values = found(strategy, Repeated("v", "1", "x", kind="change"), **changes).values
    np.testing.assert_array_equal(values[0, :, 0], expected)


def test_a_responder_with_the_event_is_none():
    responds = Responder("v", "1", "x", visit=30, least=10, missing="nonresponder")
    assert found("treatment_policy", responds).values.ravel().tolist() == [0, 1, 1, 1]
    assert found("composite", responds, failure=0.0).values.ravel().tolist() == [0, 0, 0, 0]
    assert found("hypothetical", replace(responds, missing="missing")).values.ravel().tolist()[:1] == [0]


@pytest.mark.parametrize(
    ("strategy", "times", "events"),
    [
        ("treatment_policy", [30, 30, 30, 30], [False] * 4),
        ("hypothetical", [30, 15, 20, 5], [False] * 4),
        ("while_on_treatment", [30, 15, 20, 5], [False] * 4),
        ("composite", [30, 15, 20, 5], [False, True, True, True]),
    ],
)
def test_time_to_event(strategy, times, events):
    made = found(strategy, TimeToEvent("v", "d", HAZARD.output, until=30, every=1))
    np.testing.assert_array_equal(made.values.ravel(), times)
    assert made.event.ravel().tolist() == events


def test_a_count_ends_with_treatment():
    count = Count("v", "1", "mean", until=30, every=1)
    np.testing.assert_array_equal(found("treatment_policy", count).exposure.ravel(), [30] * 4)
    made = found("while_on_treatment", count)
    np.testing.assert_array_equal(made.exposure.ravel(), [30, 15, 20, 5])
    np.testing.assert_allclose(made.values.ravel(), [300, 150, 200, 50], atol=5 * np.sqrt(300))


def test_a_failure_after_another_event_ended_it_does_not_count():
    both = estimand("composite", events={"e": "composite", "f": "hypothetical"}, failure=-1.0)
    made = course()
    made.events["f"] = np.array([[np.inf, 12.0, 25.0, np.inf]])
    np.testing.assert_array_equal(both.find(LAST, made).values.ravel(), [7, NAN, -1, -1])


def test_the_population_and_the_treatment():
    some = estimand("treatment_policy", population={"age": [55, 75]}).find(LAST, course())
    np.testing.assert_array_equal(some.values.ravel(), [NAN, 13, 14, NAN])
    pair = estimand("treatment_policy", treatment=["one", "three"]).find(LAST, course())
    np.testing.assert_array_equal(pair.values.ravel(), [7, NAN, 14, 33])
    times = estimand("composite", treatment=["one"]).find(TimeToEvent("v", "d", HAZARD.output, 30, 1), course())
    assert times.event.ravel().tolist() == [False, False, True, False]


# ---- true effects, against courses of the same patients made by hand
SIZE = Truth(8, 40)
AT48 = IntercurrentEvent("stop", Rule("x", Criterion(above=-99), start=48.0), arms=("active",), stops=True, leaves=True)


def trial(strategy, **changes):
    main = Estimand("main", ARMS, "last", "difference", events={"stop": strategy}, **changes)
    analyses = (TwoSample("main", "main", *ARMS), TwoSample("plain", "last", *ARMS))
    return protocol(intercurrent=(AT48,), estimands=(main,), analyses=analyses)


def truth(made):
    return [effect.value for effect in true_effects(TruthWork(made, SIZE, 5, None))]


def arm_means(made, arm, visit, without=frozenset()):
    """Mean true value of the patients behind the truth."""
    from trials.block import draw
    from trials.conduct import Conduct, noise
    from trials.streams import TRUTH_FIRST

    replicates = range(TRUTH_FIRST, TRUTH_FIRST + SIZE.draws)
    patients = draw(made, SIZE.patients, replicates, seed=5, posterior=None, occasions=1)
    conduct = Conduct(made, patients, noise(made, 5, replicates, SIZE.patients, 1))
    shape = (SIZE.draws, SIZE.patients, 1)
    return conduct.course(np.full(shape, ARMS.index(arm)), without=without).true["x"][..., visit].mean()


@pytest.mark.parametrize("strategy", ["treatment_policy", "hypothetical", "while_on_treatment", "composite"])
def test_true_effects(strategy):
    made = trial(strategy, **({"failure": 0.0} if strategy == "composite" else {}))
    plain = protocol()
    control, stopped = arm_means(plain, "control", 4), arm_means(made, "active", 4)
    never, before = arm_means(plain, "active", 4), arm_means(plain, "active", 2)
    assert stopped < never
    active = {"treatment_policy": stopped, "hypothetical": never, "while_on_treatment": before, "composite": 0.0}
    found, unplanned = truth(made)
    assert found == pytest.approx(active[strategy] - control, rel=1e-9)
    assert unplanned == pytest.approx(stopped - control, rel=1e-9)


@pytest.mark.parametrize("strategy", ["treatment_policy", "hypothetical", "while_on_treatment", "composite"])
def test_analysed_data(strategy):
    made = data(trial(strategy, **({"failure": 0.0} if strategy == "composite" else {})))
    active = made["arm"].values == 0
    assert np.isnan(made["last"].values[active]).all()  # who has left
    np.testing.assert_array_equal(made["main"].values[~active], made["last"].values[~active])
    main = made["main"].values[active]
    if strategy == "composite":
        assert (main == 0).all()
    elif strategy == "while_on_treatment":
        np.testing.assert_array_equal(
            main, data(protocol(endpoints=(AtVisit("last", "1", "x", 48.0),)))["last"].values[active]
        )
    else:
        assert np.isnan(main).all()
    assert (made["ice_stop"].values[active] == 48).all()
    assert (made["discontinued"].values[active] == 48).all()


def test_the_truth_is_about_the_population():
    made = trial("treatment_policy", population={"weight": [75.0, 200.0]})
    slower = dosed(made)
    assert truth(slower)[0] != truth(trial("treatment_policy"))[0]
    heavy = data(made)
    weight = heavy["weight"].values
    assert np.isnan(heavy["main"].values[weight < 75]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"events": {}}, r"estimand.main.events: wants a strategy for every intercurrent event, none for stop"),
        (
            {"events": {"stp": "composite"}},
            r"estimand.main.events: got 'stp', wants an intercurrent event, did you mean",
        ),
        ({"variable": "lst"}, r"estimand.main.variable: got 'lst', wants an endpoint, did you mean 'last'"),
        ({"treatment": ("active", "third")}, r"estimand.main.treatment: got 'third'"),
        ({"population": {"height": [0, 1]}}, r"estimand.main.population: got 'height'"),
        ({"events": {"stop": "composite"}}, r"estimand.main.failure: wants a value for those with a composite event"),
        ({"failure": 1.0}, r"estimand.main.failure: wants null"),
        (
            {"summary": "log-ratio"},
            r"estimand.main.summary: got 'log-ratio', but the scale of analysis main is 'difference'",
        ),
        ({"name": "last"}, r"estimand.last: there is an endpoint of that name"),
    ],
)
def test_what_is_refused(changes, message):
    given = {"name": "main", "treatment": ARMS, "variable": "last", "summary": "difference"}
    main = Estimand(**given | {"events": {"stop": "treatment_policy"}} | changes)
    with pytest.raises(TrialError, match=message):
        protocol(intercurrent=(AT48,), estimands=(main,), analyses=(TwoSample("main", main.name, *ARMS),))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"events": {"e": "ignored"}}, "estimand.events.e: got 'ignored', wanted one of treatment_policy"),
        ({"events": 3}, "estimand.events: got 3, wanted a mapping"),
        ({"population": {"age": [2, 1]}}, "estimand.population.age"),
        ({"population": {"age": 2}}, "estimand.population: got"),
    ],
)
def test_what_no_estimand_is(changes, message):
    with pytest.raises(TrialError, match=message):
        estimand("composite", **changes)


def test_everyone_helper_keeps_an_event_from_happening():
    made = trial("hypothetical")
    assert (everyone(made, "active").events["stop"] == 48).all()
    assert np.isinf(everyone(made, "active", without=frozenset({"stop"})).events["stop"]).all()
