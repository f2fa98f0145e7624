"""Endpoints made of hand-made courses: what each of them finds, and under which names analyses find it."""

import numpy as np
import pytest

from trials.endpoints.base import Seen, Watch
from trials.endpoints.event import TimeToEvent
from trials.endpoints.repeated import Repeated
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
