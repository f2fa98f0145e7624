"""Parameters of subjects as arrays, checked against those of a model."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import DataError
from engine.models.specification import Model

type Floats = NDArray[np.float64]


def parameter_arrays(
    model: Model, parameters: Mapping[str, ArrayLike], *, elsewhere: Sequence[str] = ()
) -> tuple[dict[str, Floats], int]:
    """Values as float arrays, and how many subjects they are for (0: any number); ``elsewhere`` are given otherwise."""
    if missing := [name for name in model.parameter_names if name not in parameters and name not in elsewhere]:
        raise DataError(
            f"parameters: {', '.join(missing)} missing; model {model.name} wants {', '.join(model.parameter_names)}"
        )
    if unknown := [name for name in parameters if name not in model.parameter_names]:
        raise DataError(
            f"parameters: {unknown[0]!r} is not one of model {model.name}; it has {', '.join(model.parameter_names)}"
        )
    values = {name: _floats(parameters[name], name) for name in model.parameter_names if name not in elsewhere}
    counts = {len(value): name for name, value in values.items() if value.ndim == 1}
    if len(counts) > 1:
        raise DataError(f"parameters: {' and '.join(f'{name} has {count}' for count, name in counts.items())} subjects")
    if 0 in counts:
        raise DataError(f"parameters: {counts[0]} has no subjects; one or more are wanted")
    return values, next(iter(counts), 0)


def _floats(value: ArrayLike, name: str) -> Floats:
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"parameters: {name} is {value!r}; a number, or one for each subject, is wanted") from None
    if found.ndim > 1:
        raise DataError(f"parameters: {name} has shape {found.shape}; a number, or one for each subject, is wanted")
    return found
