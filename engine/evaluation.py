"""What a model says of many subjects before anything is solved: where they begin, how doses enter."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dosing.arrivals import Administration
from engine.models import equations
from engine.models.algebras.arrays import ARRAYS
from engine.models.specification import Model

type Floats = NDArray[np.float64]


def initial_states(model: Model, parameters: Mapping[str, Floats], subjects: int) -> Floats:
    """Value of each state before any dose, (subject, state)."""
    found = equations.initial(model, ARRAYS, parameters)
    initial = np.zeros((subjects, len(model.states)))
    for n, name in enumerate(model.state_names):
        initial[:, n] = found[name]
    return initial


def administration(model: Model, parameters: Mapping[str, Floats], subjects: int) -> Administration:
    """How doses enter each state, (subject, state)."""
    found = equations.administration(model, ARRAYS, parameters)

    def each(field: str) -> Floats:
        values: list[Any] = [getattr(found[name], field) for name in model.state_names]
        columns = [np.broadcast_to(np.nan if value is None else value, (subjects,)) for value in values]
        return np.stack(columns, axis=1).astype(np.float64)

    return Administration(*(each(field) for field in Administration._fields))
