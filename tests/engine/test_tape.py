"""Expressions as one list of operations: the same numbers as one by one, each operation once; hashes in processes."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import engine
from engine.models import equations
from engine.models.algebras.arrays import ARRAYS
from engine.models.expression import evaluate, parse
from engine.models.structure import jacobian, rates
from engine.models.tape import tape


@pytest.mark.parametrize("name", ["michaelis_menten_oral", "warfarin_inr", "tmdd_full", "myelosuppression"])
def test_many_at_once_are_the_same_bits_as_one_by_one(name):
    model, rng = engine.load_model(name), np.random.default_rng(1)
    names = {n: rng.uniform(0.5, 2.0, 7) for n in (*model.parameter_names, *model.state_names, "t")}
    wanted = tuple(entry for row in jacobian(model) for entry in row) + rates(model)
    for one, found in zip(wanted, tape(wanted).play(names, ARRAYS), strict=True):
        np.testing.assert_array_equal(found, evaluate(one, names, ARRAYS))


def test_what_is_used_twice_is_done_once():
    found = tape((parse("a * b + 1"), parse("(a * b) ** 2")))
    assert [step.operation for step in found.steps].count("mul") == 1
    assert found.play({"a": 2.0, "b": 3.0}, ARRAYS) == [7.0, 36.0]


def test_let_entries_are_known_by_their_names():
    model = engine.load_model("michaelis_menten_oral")
    names = {**model.typical, "depot": 10.0, "central": 100.0}
    found = equations.derivatives(model, ARRAYS, 0.0, {"depot": 10.0, "central": 100.0}, model.typical)
    for (name, _), rate in zip(model.derivatives, rates(model), strict=True):
        assert found[name] == evaluate(rate, names, ARRAYS)


def test_a_model_of_another_process_is_the_same_model():
    """Hashes of text differ between processes, and are remembered: they must not travel."""
    code = (
        "import engine, pickle, sys; sys.stdout.buffer.write(pickle.dumps(engine.load_model('michaelis_menten_oral')))"
    )
    sent = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"}
    )
    model = engine.load_model("michaelis_menten_oral")
    came = pickle.loads(sent.stdout)
    assert came == model
    assert hash(came) == hash(model)
    assert rates(came) is rates(model)
