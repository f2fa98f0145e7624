"""A population model split into what people share and what is each person's own, as compiled functions.

Given what is shared, people are independent: the log density of all of them is a sum over people, and its derivatives
with respect to their own unknowns fall apart into one small block a person.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.compile.maker import function
from pytensor.gradient import grad
from pytensor.graph.replace import clone_replace

from cohorts.calibration.data import IndividualData
from cohorts.specification.quantities import Array


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """One variable that people share, as a piece of the vector of all of them.

    Attributes
    ----------
    name
        Of the value variable.
    start, stop
        Its place in the vector.
    shape
        Of the variable.
    """

    name: str
    start: int
    stop: int
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """Log density of data and unknowns.

    Attributes
    ----------
    people, size
        Number of people and of unknowns of each.
    own
        Names of a person's unknowns, (dimension): standard normal beforehand.
    shared
        Variables that people share, on the scale without limits.
    density
        Shared (shared), own (person, dimension) to the log density of each person's data and unknowns, (person).
    slope
        The same to that and its derivative with respect to `own`, (person, dimension).
    prior
        Shared to its log density beforehand, with the Jacobian of the scale.
    """

    people: int
    own: tuple[str, ...]
    shared: tuple[Shared, ...]
    density: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array], tuple[Array, Array]]
    prior: Callable[[Array], float]

    @property
    def size(self) -> int:
        """Unknowns of each person."""
        return len(self.own)

    @property
    def shared_size(self) -> int:
        """Length of the vector of shared unknowns."""
        return self.shared[-1].stop if self.shared else 0


def joint(model: pm.Model, data: IndividualData) -> Joint:
    """The model of a population and its data (`Population.build` with `predict`), split and compiled.

    Patients' deviations must be non-centred there, and the only random variables with dim subject.
    """
    dims = {rv: model.named_vars_to_dims.get(rv.name) or () for rv in model.free_RVs}
    own = [rv for rv in model.free_RVs if dims[rv][:1] == ("subject",)]
    top = [rv for rv in model.free_RVs if rv not in own]
    people = len(data.subjects)
    x, theta = pt.matrix("own"), pt.vector("shared")
    names, pieces = _own_pieces(model, own, dims, x)
    shared, more = _shared_pieces(model, top, theta)
    terms: list[Any] = [_by_person(v, people) for v in _logp(model, own)]
    terms += [
        _of_potential(model, data, p, v) for p, v in zip(model.potentials, _logp(model, model.potentials), strict=True)
    ]
    total = sum(terms[1:], start=terms[0]) if terms else pt.zeros(people)
    prior = sum((v.sum() for v in _logp(model, top)), start=pt.as_tensor(np.float64(0.0)))
    graphs: list[Any] = list(clone_replace([total, prior], replace={**pieces, **more}))
    total, prior = graphs
    given: dict[str, Any] = {"on_unused_input": "ignore"}
    density = function([theta, x], total, **given)
    gradient: Any = grad(total.sum(), wrt=x, disconnected_inputs="ignore", return_disconnected="zero")
    slope = function([theta, x], [total, gradient], **given)
    return Joint(people, tuple(names), tuple(shared), density, slope, function([theta], prior, **given))


def _logp(model: pm.Model, variables: list[Any]) -> list[Any]:
    return list(model.logp(vars=variables, sum=False)) if variables else []


def _own_pieces(model: pm.Model, own: list[Any], dims: Any, x: Any) -> tuple[list[str], dict[Any, Any]]:
    names: list[str] = []
    pieces: dict[Any, Any] = {}
    for rv in own:
        start = len(names)
        if len(dims[rv]) == 1:
            names.append(str(rv.name))
            piece = x[:, start]
        else:
            count = len(model.coords[dims[rv][1]])
            names += [f"{rv.name}[{o}]" for o in range(count)]
            piece = x[:, start : start + count]
        value = model.rvs_to_values[rv]
        pieces[value] = value.type.filter_variable(piece, allow_convert=True)
    return names, pieces


def _shared_pieces(model: pm.Model, top: list[Any], theta: Any) -> tuple[list[Shared], dict[Any, Any]]:
    point = model.initial_point()
    made: list[Shared] = []
    pieces: dict[Any, Any] = {}
    start = 0
    for rv in top:
        value = model.rvs_to_values[rv]
        shape = tuple(np.shape(point[value.name]))
        stop = start + int(np.prod(shape, dtype=int))
        made.append(Shared(str(value.name), start, stop, shape))
        piece = theta[start] if shape == () else theta[start:stop].reshape(shape)
        pieces[value] = value.type.filter_variable(piece, allow_convert=True)
        start = stop
    return made, pieces


def _by_person(value: Any, people: int) -> Any:
    value = pt.as_tensor(value)
    return value if value.ndim == 1 else value.reshape((people, -1)).sum(axis=1)


def _of_potential(model: pm.Model, data: IndividualData, potential: Any, value: Any) -> Any:
    dim = model.named_vars_to_dims[potential.name][0]
    if dim == "subject":
        return value
    index = np.asarray(model.coords[dim])
    start: Any = pt.zeros(len(data.subjects))
    return start[data.position[index]].inc(value)
