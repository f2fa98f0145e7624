"""Endpoints made of hand-made courses: what each of them finds, and under which names analyses find it."""

import numpy as np
import pytest

from trials.conduct.reading import read_endpoints
from trials.endpoints.base import Seen, Watch
from trials.endpoints.composite import First
from trials.endpoints.count import Count
from trials.endpoints.criterion import Criterion
from trials.endpoints.crossing import Crossing
from trials.endpoints.event import TimeToEvent
from trials.endpoints.ordinal import Drawn, Ordinal
from trials.endpoints.repeated import Repeated
from trials.endpoints.responder import Responder
from trials.endpoints.visit import AtVisit
from trials.errors import TrialError

TIMES = np.array([0.0, 10.0, 20.0])
VALUES = np.array([[8.0, 6.0, 4.0], [10.0, np.nan, 11.0], [np.nan, 1.0, 2.0], [0.0, 1.0, 2.0]])[None, :, None]


def seen(values=VALUES, *, left=np.inf, uniforms=None, courses=None, below=None, times=TIMES):
    count = values.shape[1]
    uniforms = np.full((1, count, 1, 1), 0.5) if uniforms is None else np.reshape(uniforms, (1, count, 1, -1))
    return Seen(
        values={"x": values},
        times={"x": times},
        planned={"x": TIMES},
        left=np.broadcast_to(np.asarray(left, float), (count,)).reshape(1, count, 1),
        uniform=lambda _, each: uniforms[..., :each],
        courses=courses or {},
        below={} if below is None else {"x": below},
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("value", [4, 11, 2, 2]),
        ("change", [-4, 1, np.nan, 2]),
        ("percent", [-50, 10, np.nan, np.nan]),
    ],
)
def test_a_visit(kind, expected):
    found = AtVisit("e", "1", "x", visit=20, kind=kind).find(seen())
    np.testing.assert_array_equal(found.values[0, :, 0], expected)
    assert found.at == 20


def test_a_visit_that_is_not_planned_is_refused():
    with pytest.raises(TrialError, match=r"endpoint.visit: got 15.0, wanted a time at which x is measured: 0, 10, 20"):
        AtVisit("e", "1", "x", visit=15).find(seen())


def test_all_visits():
    found = Repeated("e", "1", "x", kind="change").find(seen())
    np.testing.assert_array_equal(found.visits, [10, 20])
    np.testing.assert_array_equal(found.values[0, :2, 0], [[-2, -4], [np.nan, 1]])
    np.testing.assert_array_equal(Repeated("e", "1", "x").find(seen()).visits, TIMES)
    some = Repeated("e", "1", "x", kind="value", visits=(20,)).find(seen())
    np.testing.assert_array_equal(some.values[0, :, 0], [[4], [11], [2], [2]])


def test_flags_go_with_the_values():
    flags = VALUES < 5
    np.testing.assert_array_equal(
        AtVisit("e", "1", "x", visit=20).find(seen(below=flags)).below[0, :, 0], [True, False, True, True]
    )
    assert Repeated("e", "1", "x").find(seen(below=flags)).below.shape == (1, 4, 1, 3)


def test_time_to_an_event_is_where_the_hazard_reaches_the_exponential_number():
    endpoint = TimeToEvent("os", "d", "cumulative_hazard_death", until=20.0, every=7.0)
    (watch,) = endpoint.watches
    assert watch == Watch("cumulative_hazard_death", 7.0, 20.0)
    np.testing.assert_array_equal(watch.clock, [0, 7, 14, 20])
    hazard = np.array([0.1, 0.1, 0.01, np.nan])[:, None] * watch.clock
    uniforms = 1 - np.exp(-np.array([1.0, 1.0, 1.0, 1.0]))
    about = seen(uniforms=uniforms, courses={watch: hazard[None, :, None]}, left=[np.inf, 5.0, np.inf, np.inf])
    found = endpoint.find(about)
    np.testing.assert_allclose(found.values[0, :, 0], [10, 5, 20, np.nan], rtol=1e-12)
    assert found.event[0, :, 0].tolist() == [True, False, False, False]
    assert found.truth.dtype.names == ("time", "event")


def test_the_end_of_follow_up_is_a_point_once():
    assert Watch("x", 5.0, 20.0).clock.tolist() == [0, 5, 10, 15, 20]
    assert Watch("x", 0.1, 0.3).clock.tolist() == pytest.approx([0, 0.1, 0.2, 0.3])


# ---- responders, categories, counts, crossings, composites
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"least": 4}, [1, 1, 0, 0]),
        ({"most": 2}, [0, 0, 1, 1]),
        ({"kind": "change", "most": 0}, [1, 0, np.nan, 0]),
        ({"kind": "percent", "least": 10, "missing": "nonresponder"}, [0, 1, 0, 0]),
    ],
)
def test_responders(fields, expected):
    found = Responder("e", "1", "x", visit=20, **fields).find(seen())
    np.testing.assert_array_equal(found.values[0, :, 0], expected)


def test_a_responder_has_one_limit():
    with pytest.raises(TrialError, match="either `least` or `most`"):
        Responder("e", "1", "x", visit=20)


def test_categories_of_a_measurement():
    found = Ordinal("e", "1", "x", visit=20, cuts=(2, 4, 10)).find(seen())
    np.testing.assert_array_equal(found.values[0, :, 0], [2, 3, 1, 1])
    change = Ordinal("e", "1", "x", visit=20, cuts=(0,), kind="change").find(seen())
    np.testing.assert_array_equal(change.values[0, :, 0], [0, 1, np.nan, 1])


def test_categories_drawn_with_the_probabilities_of_the_model():
    endpoint = Drawn("e", "1", ("p1", "p2"), time=20.0)
    rng = np.random.default_rng(2)
    count = 40_000
    courses = {
        w: np.broadcast_to([0.0, p], (1, count, 1, 2)) for w, p in zip(endpoint.watches, (0.3, 0.1), strict=True)
    }
    values = np.zeros((1, count, 1, 3))
    found = endpoint.find(seen(values, uniforms=rng.random(count), courses=courses)).values.ravel()
    shares = [np.mean(found == k) for k in range(3)]
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=4 * 0.5 / np.sqrt(count))
    left = endpoint.find(seen(values, uniforms=rng.random(count), courses=courses, left=[19.0] * count))
    assert np.isnan(left.values).all()


@pytest.mark.parametrize("dispersion", [None, 0.5])
def test_counts_have_the_mean_and_variance_of_their_distribution(dispersion):
    endpoint = Count("e", "1", "cumulative_mean", until=20.0, every=5.0, dispersion=dispersion)
    (watch,) = endpoint.watches
    count, rng = 40_000, np.random.default_rng(3)
    courses = {watch: np.broadcast_to(7.0 + 0.3 * watch.clock, (1, count, 1, 5))}
    left = np.where(np.arange(count) % 2, 7.0, np.inf)
    found = endpoint.find(seen(np.zeros((1, count, 1, 3)), uniforms=rng.random(2 * count), courses=courses, left=left))
    for rows, mean, exposure in ((slice(0, None, 2), 6.0, 20.0), (slice(1, None, 2), 2.1, 7.0)):
        some = found.values.ravel()[rows]
        variance = mean + (dispersion or 0.0) * mean**2
        assert some.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / some.size))
        assert some.var() == pytest.approx(variance, rel=0.08)
        assert (found.exposure.ravel()[rows] == exposure).all()
    rate = found.values.sum() / found.exposure.sum()
    assert found.truth.mean() == pytest.approx(20 * rate, rel=1e-12)


TUMOUR = np.array([[50.0, 40, 30, 36], [50, 30, 34, 37], [50, 61, 30, 30], [10, 9, 9, 12]])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"of": "nadir", "above": 19.9}, [3, 3, 1, 3]),
        ({"of": "nadir", "above": 19.9, "least": 5}, [3, 3, 1, np.inf]),
        ({"of": "percent", "below": -29.9}, [2, 1, 2, np.inf]),
        ({"of": "change", "above": 5}, [np.inf, np.inf, 1, np.inf]),
        ({"above": 36}, [0, 0, 0, np.inf]),
        ({"of": "peak", "below": -39.9}, [2, 1, 2, np.inf]),
        ({"below": 38, "consecutive": 2}, [3, 2, 3, 1]),
    ],
)
def test_criteria(fields, expected):
    np.testing.assert_array_equal(Criterion(**fields).first(TUMOUR, np.arange(4.0)), expected)


def test_a_missing_visit_is_no_progression_and_no_nadir():
    values = np.array([[50.0, np.nan, 30, 36], [50, 40, np.nan, 49]])
    np.testing.assert_array_equal(Criterion(of="nadir", above=19.9).first(values, np.arange(4.0)), [3, 3])
    confirmed = Criterion(below=45, consecutive=2).first(np.array([[50.0, 40, np.nan, 41]]), np.arange(4.0))
    assert confirmed.tolist() == [3]


def test_criteria_that_make_no_sense():
    for fields, message in (({}, "either `above` or `below`"), ({"above": 1, "least": 2}, "0 where the value itself")):
        with pytest.raises(TrialError, match=message):
            Criterion(**fields)


PROGRESSION = Crossing("pfs", "d", "x", Criterion(of="nadir", above=19.9))


def test_progression_is_censored_at_the_last_visit_that_took_place():
    values = np.array([[50.0, 40, 49], [50, 40, 30], [50, 40, 49], [50, np.nan, np.nan]])[None, :, None]
    found = PROGRESSION.find(seen(values, left=[np.inf, np.inf, 15.0, np.inf]))
    np.testing.assert_array_equal(found.values[0, :, 0], [20, 20, 10, 0])
    assert found.event[0, :, 0].tolist() == [True, False, False, False]


@pytest.mark.parametrize(("through", "times"), [(True, [12, 20, 18, 20]), (False, [12, 20, 10, 20])])
def test_the_first_of_several_events(through, times):
    values = np.array([[50.0, 40, 30], [50, 40, 49], [50, 40, np.nan], [50, 40, 30]])[None, :, None]
    death = TimeToEvent("os", "d", "cumulative_hazard_death", until=20.0, every=20.0)
    (watch,) = death.watches
    rate = np.array([1 / 12, 1e-9, 1 / 18, 1e-9])
    courses = {watch: (rate[:, None] * watch.clock)[None, :, None]}
    found = First("e", "d", (death, PROGRESSION), through=through).find(
        seen(values, uniforms=np.full(4, 1 - np.exp(-1)), courses=courses)
    )
    np.testing.assert_allclose(found.values[0, :, 0], times, rtol=1e-12)
    assert found.event[0, :, 0].tolist() == [True, True, through, False]


def test_names_of_events_in_a_composite_are_spelt_out():
    os = {"_target_": "trials.endpoints.event.TimeToEvent", "unit": "d", "output": "cumulative_hazard_death"}
    os |= {"until": 9, "every": 1}
    both = {"_target_": "trials.endpoints.composite.First", "unit": "d", "of": ["os", "relapse"]}
    specs = {"os": os, "relapse": {**os, "output": "cumulative_hazard_relapse"}, "efs": both}
    made = read_endpoints({"endpoints": specs})
    assert made[2].of == made[:2]
    with pytest.raises(TrialError, match=r"endpoints.efs.of: got 'oss', wants other endpoints; there are os, relapse"):
        read_endpoints({"endpoints": {**specs, "efs": {**both, "of": ["oss"]}}})
