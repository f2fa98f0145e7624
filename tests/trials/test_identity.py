"""The same numbers, bit for bit, wherever and in whatever portions they are made."""

import os
import signal

import numpy as np
import pytest

import trials
from engine.execute import Dask, Threads
from tests.trials.small import crossover
from trials import outcomes
from trials.protocol import Result


@pytest.fixture(scope="module")
def serial() -> Result:
    """The small trial, one piece after another."""
    return trials.run(crossover())


def same(first, second):
    assert outcomes.digest(first.outcomes) == outcomes.digest(second.outcomes)
    for name in first.outcomes.data_vars:
        np.testing.assert_array_equal(first.outcomes[name].values, second.outcomes[name].values, err_msg=name)
    for name in ("effect", "mcse"):
        np.testing.assert_array_equal(first.truth[name].values, second.truth[name].values)


@pytest.mark.parametrize("block", [1, 4, 100])
def test_any_block_size(serial, block):
    same(serial, trials.run(crossover(f"block={block}")))


def test_threads(serial):
    same(serial, trials.run(crossover("block=2"), executor=Threads(2)))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_local_workers(serial, workers):
    same(serial, trials.run(crossover("block=2"), executor=Dask(workers=workers)))


def test_the_first_replicates_of_more_are_the_same(serial):
    few = trials.run(crossover(), replicates=3)
    for name in few.outcomes.data_vars:
        np.testing.assert_array_equal(few.outcomes[name].values, serial.outcomes[name].values[:, :3], err_msg=name)


def test_another_seed_gives_other_numbers(serial):
    other = trials.run(crossover(), seed=99)
    assert not np.isclose(other.outcomes["estimate"].values, serial.outcomes["estimate"].values).any()


def test_a_killed_worker(serial):
    from distributed import Client, LocalCluster

    killed = []

    def kill(what, done, _):
        if what == "simulating trials" and done and not killed:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        found = trials.run(crossover("block=1"), executor=Dask(client), progress=kill)
    assert killed
    same(serial, found)
