"""What the parameters of a prediction are given as: numbers, tensors over subjects and occasions, columns of data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomType

from engine.dosing.covariates import Covariates, column
from engine.dosing.schedule import Integers
from engine.errors import DataError, ModelError
from engine.gradients.records import Observed
from engine.models.specification import Model


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Parameters of a prediction.

    Attributes
    ----------
    tensors
        Those that are given, by name: numbers, or tensors of dims (subject) or (subject, occasion).
    stretches
        Stretches of the courses in which nothing changes, with the values of those that are columns of the data.
    occasion
        Occasion of each stretch, (course, stretch); 0 where no parameter differs between occasions.
    """

    tensors: Mapping[str, Any]
    stretches: Covariates
    occasion: Integers

    @property
    def changing(self) -> bool:
        """Whether a parameter changes between one reset and the next."""
        return bool(self.stretches.until.shape[1] > 1)

    @property
    def numbers(self) -> dict[str, float]:
        """Those that are one number for all."""
        return {name: float(value.data) for name, value in self.tensors.items() if is_number(value)}


def read_parameters(model: Model, observed: Observed, parameters: Mapping[str, Any], subjects: int) -> Given:
    """Check the parameters of a prediction; those that are not given are columns of the data."""
    tensors = {name: pt.as_tensor(parameters[name]) for name in model.parameter_names if name in parameters}
    columns = [name for name in model.parameter_names if name not in tensors]
    if missing := [name for name in columns if column(observed.table, name) is None]:
        raise ModelError(f"model {model.name} needs a value for {', '.join(missing)}")
    occasions = int(observed.occasion.max(initial=0)) + 1
    for name, value in tensors.items():
        _check(name, value, subjects, occasions)
    stretches, occasion = observed.stretches(columns, occasions=any(value.ndim == 2 for value in tensors.values()))
    return Given(tensors, stretches, occasion)


def _check(name: str, value: Any, subjects: int, occasions: int) -> None:
    shape, wanted = value.type.shape, f"wanted one value for {subjects} subjects"
    if len(shape) > 2 or (len(shape) > 0 and shape[0] not in (None, subjects)):
        raise DataError(f"{name} has the shape {shape}, {wanted}")
    if len(shape) == 2 and shape[1] is not None and shape[1] < occasions:
        raise DataError(f"{name} has the shape {shape}, {wanted} in {occasions} occasions")


def is_number(value: Any) -> bool:
    """Whether a tensor is one number, known beforehand."""
    number: bool = value.ndim == 0 and isinstance(value, Constant)
    return number


def is_free(value: Any) -> bool:
    """Whether a tensor depends on a random generator or on an unknown input, not on constants and data alone."""
    roots = [one for one in ancestors([value]) if one.owner is None]
    return any(isinstance(one.type, RandomType) or not isinstance(one, Constant | SharedVariable) for one in roots)
