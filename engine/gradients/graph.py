"""A model's predictions for a data set as a PyTensor graph: what a population is fitted with.

In a linear model an observation is the sum of the responses to all that went in before it (superposition). The graph
holds one response formula for each kind of input, whatever the number of doses and subjects, so it compiles in seconds.
Any other model is solved (:mod:`engine.gradients.operation`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
import xarray as xr

from engine.dosing.covariates import Carry
from engine.dosing.events import EventTable
from engine.dosing.schedule import Floats, Integers
from engine.errors import DataError
from engine.gradients.economy import suited
from engine.gradients.inputs import Inputs, read_inputs
from engine.gradients.operation import Integration
from engine.gradients.parameters import is_number, read_parameters
from engine.gradients.propagator import Propagator, has_closed_form
from engine.gradients.records import Observed, observed
from engine.models import equations
from engine.models.algebras.tensors import TENSORS
from engine.models.expression import evaluate
from engine.models.specification import Model
from engine.models.structure import Linear, linear
from engine.simulation import choose
from engine.solvers.base import Solver


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Outputs at every row of a table of requests, as a function of the subjects' parameters, in closed form.

    Attributes
    ----------
    model, linear
        A linear model and its matrix.
    observed
        Doses and requests.
    inputs
        What precedes each sample, (sample of all courses).
    solved
        The same by solving equations: where a parameter changes between one reset and the next.
    """

    model: Model
    linear: Linear
    observed: Observed
    inputs: tuple[Inputs, ...]
    solved: Integration

    @property
    def units(self) -> dict[str, str]:
        """Units of the outputs, and of ``time``."""
        return self.model.units

    @property
    def subjects(self) -> int:
        """Number of subjects the parameters are of."""
        return self.solved.subjects

    @property
    def subject(self) -> Integers:
        """For each row the position of its subject among the parameters."""
        return self.solved.subject

    @property
    def time(self) -> Floats:
        """Time of each row."""
        return self.solved.time

    def __call__(self, parameters: Mapping[str, Any]) -> Any:
        """Output at every row, dims (row).

        Parameters
        ----------
        parameters
            For each of the model's parameters a tensor over subjects, (subject, occasion) where it differs between
            occasions, or one number for all. Those left out are columns of the data.
        """
        given = read_parameters(self.model, self.observed, parameters, self.subjects)
        if given.changing:
            return self.solved(parameters)
        seen = self.observed.table.evid == 0
        course = self.observed.table.subject[seen]
        who, occasion = self.observed.people[course], self.observed.occasion[seen]
        known = {name: _of_sample(value, who, occasion) for name, value in given.tensors.items()}
        known |= {name: column[course] for name, column in given.stretches.values.items()}
        values = {name: known[name] for name in self.model.parameter_names}
        responses = _Responses(self.model, Propagator(self.linear, values), values)
        states = {name: self._state(responses, name, len(course)) for name in self._needed()}
        return self._outputs(states, values)

    def _needed(self) -> list[str]:
        expressions = [output.value for output in self.model.outputs if output.name in self.observed.outputs]
        used = [*expressions, *(entry for _, entry in equations.let_used(self.model, expressions))]
        names = set().union(*(one.names for one in used))
        return [name for name in self.model.state_names if name in names]

    def _state(self, responses: "_Responses", name: str, count: int) -> Any:
        target = self.model.state_names.index(name)
        parts = [
            responses(inputs, target) for inputs in self.inputs if responses.propagator.feeds(inputs.state, target)
        ]
        return sum(parts[1:], start=parts[0]) if parts else pt.zeros((count, 1))

    def _outputs(self, states: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        """Each output at its own rows, put together in the order of the rows."""
        observed = self.observed
        seen = observed.table.evid == 0
        time, course = observed.table.time[seen], observed.table.subject[seen]
        sample = np.searchsorted(course, observed.row) + observed.slot
        parts, rows = [], []
        for number, name in enumerate(observed.outputs):
            own = np.flatnonzero(observed.kind == number)
            rows.append(own[np.argsort(sample[own], kind="stable")])
            at = sample[rows[-1]]
            known = [states, values]
            if not np.array_equal(at, np.arange(len(course))):
                known = [{key: _at(value, at) for key, value in each.items()} for each in known]
            found = equations.outputs(self.model, TENSORS, time[at][:, None], *known, only=[name])
            parts.append(pt.broadcast_to(pt.as_tensor(found[name]), (len(at), 1))[:, 0])
        join: Any = pt.concatenate
        whole = join(parts) if len(parts) > 1 else parts[0]
        order = np.argsort(np.concatenate(rows))
        return whole if np.array_equal(order, np.arange(len(order))) else whole[order]


def _of_sample(value: Any, who: Integers, occasion: Integers) -> Any:
    """Parameter at each sample, (sample, 1); a number stays one."""
    if value.ndim == 0:
        return float(value.data) if is_number(value) else value
    return (value[who] if value.ndim == 1 else value[who, occasion])[:, None]


def _at(value: Any, places: Integers) -> Any:
    """Values at some samples; a number stays one."""
    if getattr(value, "ndim", 0) == 0:
        return value
    return value[places]


@dataclass(frozen=True, slots=True, eq=False)
class _Responses:
    """What inputs leave in a state at the observations, (observation, 1)."""

    model: Model
    propagator: Propagator
    values: Mapping[str, Any]

    def __call__(self, inputs: Inputs, target: int) -> Any:
        if inputs.kind in ("initial", "forcing"):
            return self._constant(inputs, target)
        name = self.model.state_names[inputs.state]
        how = equations.administration(self.model, TENSORS, self.values)[name]
        elapsed = inputs.elapsed - how.lag
        begun = pt.ge(elapsed, 0)
        since = pt.switch(begun, elapsed, 0.0)
        if inputs.kind == "bolus":
            response = inputs.amount * self.propagator.phi(target, inputs.state, since)
            return how.bioavailability * _total(pt.switch(begun, response, 0.0))
        duration, rate = _infusion(inputs, how, name)
        return _total(rate * self._infused(target, inputs.state, since, duration))

    def _infused(self, target: int, source: int, since: Any, duration: Any) -> Any:
        """Amount after a unit rate into ``source`` that began ``since`` ago and lasts for ``duration``.

        What had gone in when it stopped is followed from there on, state by state: the difference of two infusions
        without end would lose the digits of what is left long afterwards.
        """
        during, after = pt.minimum(since, duration), pt.maximum(since - duration, 0.0)
        ways = [k for k in range(len(self.model.states)) if self._on_way(source, k, target)]
        parts = [self.propagator.phi(target, k, after) * self.propagator.gamma(k, source, during) for k in ways]
        return sum(parts[1:], start=parts[0])

    def _on_way(self, source: int, state: int, target: int) -> bool:
        return self.propagator.feeds(source, state) and self.propagator.feeds(state, target)

    def _constant(self, inputs: Inputs, target: int) -> Any:
        if inputs.kind == "initial":
            amount = equations.initial(self.model, TENSORS, self.values)[self.model.state_names[inputs.state]]
            response = self.propagator.phi(target, inputs.state, inputs.elapsed)
        else:
            amount = evaluate(self.propagator.linear.forcing[inputs.state], self.values, TENSORS)
            response = self.propagator.gamma(target, inputs.state, inputs.elapsed)
        return amount * _total(inputs.amount * response)


def prediction(
    model: Model, doses: "xr.Dataset | EventTable", observations: xr.Dataset | None = None,
    output: str | None = None, *, subjects: Sequence[Any] | None = None, solver: str | Solver = "auto",
    carry: Carry = "backward",
) -> Prediction | Integration:  # fmt: skip
    """Prediction of outputs of a model at every row of a table of requests.

    A linear model whose response has a closed form is an explicit graph. Any other model, any steady-state dose (SS),
    and parameters that change between one reset and the next, are an operation that solves the equations together with
    their derivatives.

    Parameters
    ----------
    model
        The equations.
    doses
        Dataset(dose) with ``subject``, ``time``, ``amt`` and, where they are needed, ``cmt`` (number from 1, 0 is
        the first; or the state's name), ``rate``, ``ii``, ``addl``, ``ss``, ``evid``, ``occasion``, ``record`` and
        columns that are parameters; or an event table, whose other records say what such columns hold between doses.
    observations
        The table of requests, Dataset(row) with ``subject`` and ``time``; an event table's own observations when
        None. ``output`` names what is asked for. ``occasion``, a whole number from 0, chooses among the values of a
        parameter that differs between occasions: a record's occasion governs the interval that ends at it, its dose
        and its sample, as NONMEM's rules for covariates have it. ``record`` orders what happens at one time; without
        it doses come first. A record without an occasion or a column (a dose, say) has that of its subject's next
        record that has one, or else of the last.
    output
        What is asked for where rows do not say; may be left out where the model has one output.
    subjects
        Ids in the order of the parameters, also of those without rows; by default the subjects of ``observations`` in
        order of first appearance.
    solver
        What solves the equations where there is no closed form: name of a file in ``conf/solver``, or a solver.
    carry
        How long occasions and columns hold; see :func:`engine.simulate`.

    Returns
    -------
    Prediction or Integration
        A function of the parameters: a mapping from the model's names to tensors over subjects, (subject), or
        (subject, occasion) for those that differ between occasions, or numbers. A parameter left out is a column of
        the data. It gives the outputs, (row).

    Raises
    ------
    ModelError
        The model has no such output, or its rates jump at times that depend on its parameters.
    DataError
        The table has something that cannot be fitted, or a subject unknown.
    """
    rows = doses.observations if observations is None and isinstance(doses, EventTable) else observations
    if rows is None:
        raise DataError("observations: None; a table of requests is wanted (only an event table has its own)")
    seen = rows["subject"].values.tolist()
    ids = list(dict.fromkeys(seen)) if subjects is None else list(subjects)
    if strange := set(seen) - set(ids):
        raise DataError(f"observations of subjects without parameters: {sorted(strange)}")
    known = observed(model, doses, rows, ids, output=output, carry=carry)
    time, found = rows["time"].values.astype(float), linear(model)
    chosen = choose(model, suited(model, solver, len(model.parameters))[0])[0]
    solved = Integration(model, chosen, len(ids), known.people[known.row], time, known)
    if found is None or not has_closed_form(found) or np.any(known.table.ss):
        return solved
    return Prediction(model, found, known, read_inputs(model, found, known.table), solved)


def _infusion(inputs: Inputs, how: equations.Administration, name: str) -> tuple[Any, Any]:
    """Duration and rate; the data's rate holds and bioavailability shortens it, as in NONMEM."""
    given = {"infusion": inputs.rate, "rate": how.rate, "duration": how.duration}[inputs.kind]
    if given is None:
        raise DataError(
            f"doses into {name} leave their {inputs.kind} to the model, which gives none; add it to the state"
        )
    dose = how.bioavailability * inputs.amount
    return (given, dose / given) if inputs.kind == "duration" else (dose / given, given * (inputs.amount > 0))


def _total(responses: Any) -> Any:
    return responses.sum(axis=1, keepdims=True)
