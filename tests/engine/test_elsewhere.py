"""Solutions in other processes where several threads want them at once."""

import gc
import threading
import time

import numpy as np
import pytest

import engine
from engine.gradients.elsewhere import PATIENCE, Elsewhere
from engine.gradients.graph import prediction
from tests.engine.doubling import Doubling
from tests.engine.test_graph import table

THETA = np.arange(6.0).reshape(3, 2)


def together(ask, until, threads=2):
    """What threads get that go on asking at once until something holds, or for two minutes."""
    found, patience = [], time.monotonic() + 120

    def go():
        while not until() and time.monotonic() < patience:
            found.append(ask())

    several = [threading.Thread(target=go) for _ in range(threads)]
    for one in several:
        one.start()
    for one in several:
        one.join()
    assert until()
    return found


@pytest.fixture
def busy():
    """Who has met threads often enough to have processes that answer."""
    who = Elsewhere(most=2)
    together(lambda: who.solve(Doubling(), THETA, derive=True), lambda: who.answers > 0)
    return who


def test_threads_that_meet_are_answered_by_others(busy):
    before = busy.answers
    for derive in (True, False):
        found = busy.solve(Doubling(), THETA, derive=derive)
        assert len(found) == 1 + derive
        for one, wanted in zip(found, (2.0 * THETA, THETA), strict=False):
            np.testing.assert_array_equal(one, wanted)
    assert busy.answers == before + 2


def test_one_thread_starts_nothing():
    who = Elsewhere()
    for _ in range(2 * PATIENCE):
        who.solve(Doubling(), THETA, derive=False)
    assert (who.answers, who._started) == (0, [])


def test_no_more_start_than_may():
    who = Elsewhere(most=0)
    count = iter(range(4 * PATIENCE))
    together(lambda: who.solve(Doubling(), THETA, derive=False), lambda: next(count, None) is None, threads=4)
    assert who._started == []


def test_work_that_cannot_be_told_to_others_is_done_here():
    class Here(Doubling):
        pass

    who = Elsewhere(most=2)
    who._start(Here())
    assert (who.most, who._started) == (0, [])
    np.testing.assert_array_equal(who.solve(Here(), THETA, derive=False)[0], 2.0 * THETA)


def test_who_died_is_not_missed(busy):
    for one in busy._started:
        one.kill()
        one.wait()
    before = busy.answers
    np.testing.assert_array_equal(busy.solve(Doubling(), THETA, derive=False)[0], 2.0 * THETA)
    assert busy.answers == before


def test_an_error_is_that_of_the_work(busy):
    with pytest.raises(ValueError, match="below 0"):
        busy.solve(Doubling(), THETA - 1.0, derive=False)


def test_processes_end_with_who_started_them():
    owner = [Elsewhere(most=1)]
    together(lambda: owner[0].solve(Doubling(), THETA, derive=True), lambda: owner[0].answers > 0)
    started = list(owner[0]._started)
    assert [one.poll() for one in started] == [None]
    owner.clear()
    gc.collect()
    assert all(one.poll() is not None for one in started)


def test_a_model_has_the_same_bits_here_and_elsewhere():
    import pytensor
    import pytensor.tensor as pt

    from engine.gradients.operation import _elsewhere

    people = np.arange(3)
    doses = table("dose", subject=people, time=np.zeros(3), amt=np.full(3, 100.0), cmt=np.array(["depot"] * 3))
    seen = table("observation", subject=np.repeat(people, 4), time=np.tile([0.5, 2.0, 8.0, 24.0], 3))
    equations = prediction(engine.load_model("michaelis_menten_oral"), doses, seen, "concentration")
    names = ("ka", "vmax", "km", "v")
    inputs = {name: pt.dvector(name) for name in names}
    predicted = equations({**inputs, "f": 1.0})
    ready = pytensor.function([*inputs.values()], pytensor.grad(predicted.sum(), [*inputs.values()]), mode="FAST_RUN")
    [work] = {node.op.work for node in ready.maker.fgraph.apply_nodes if hasattr(node.op, "work")}
    theta = np.array([[1.0, 20.0, 4.0, 60.0], [0.7, 15.0, 3.0, 50.0], [1.4, 25.0, 5.0, 70.0]])
    who, wanted = _elsewhere(work), work.found(theta, derive=True)
    together(lambda: who.solve(work, theta, derive=True), lambda: who.answers > 0)
    before = who.answers
    for one, other in zip(who.solve(work, theta, derive=True), wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    assert who.answers == before + 1
