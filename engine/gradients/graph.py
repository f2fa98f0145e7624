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

from engine.errors import DataError, ModelError
from engine.gradients.inputs import Inputs, read_inputs
from engine.gradients.operation import Integration
from engine.gradients.propagator import Propagator, has_closed_form
from engine.gradients.records import observed
from engine.models import equations
from engine.models.algebras.tensors import TENSORS
from engine.models.expression import evaluate
from engine.models.specification import Model
from engine.models.structure import Linear, linear
from engine.simulation import choose
from engine.solvers.base import Solver


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """An output at every observation of a data set, as a function of the subjects' parameters.

    Attributes
    ----------
    model, linear
        A linear model and its matrix.
    output
        Name of one of its outputs.
    subjects
        Number of subjects the parameters are of.
    subject
        For each observation the position of its subject among the parameters.
    time
        Time of each observation.
    inputs
        What precedes each observation.
    """

    model: Model
    linear: Linear
    output: str
    subjects: int
    subject: np.ndarray
    time: np.ndarray
    inputs: tuple[Inputs, ...]

    def __call__(self, parameters: Mapping[str, Any]) -> Any:
        """Output at every observation, dims (observation).

        Parameters
        ----------
        parameters
            For each of the model's parameters a tensor over subjects, or one number for all of them.
        """
        if missing := [name for name in self.model.parameter_names if name not in parameters]:
            raise ModelError(f"model {self.model.name} needs a value for {', '.join(missing)}")
        values = {name: self._of_observation(name, parameters[name]) for name in self.model.parameter_names}
        responses = _Responses(self.model, Propagator(self.linear, values), values)
        states = {name: self._state(responses, name) for name in self._needed()}
        found = equations.outputs(self.model, TENSORS, self.time[:, None], states, values, only=[self.output])
        return pt.broadcast_to(pt.as_tensor(found[self.output]), (len(self.time), 1))[:, 0]

    def _of_observation(self, name: str, value: Any) -> Any:
        """Parameter of each observation's subject, (observation, 1); a number stays one."""
        tensor: Any = pt.as_tensor(value)
        if tensor.ndim == 0:
            return value
        if tensor.ndim > 1 or tensor.type.shape[0] not in (None, self.subjects):
            raise DataError(f"{name} has the shape {tensor.type.shape}, wanted one value for {self.subjects} subjects")
        return tensor[self.subject][:, None]

    def _needed(self) -> list[str]:
        expression = next(output.value for output in self.model.outputs if output.name == self.output)
        names = set(expression.names).union(*(e.names for _, e in equations.let_used(self.model, [expression])))
        return [name for name in self.model.state_names if name in names]

    def _state(self, responses: "_Responses", name: str) -> Any:
        target = self.model.state_names.index(name)
        parts = [
            responses(inputs, target) for inputs in self.inputs if responses.propagator.feeds(inputs.state, target)
        ]
        return sum(parts[1:], start=parts[0]) if parts else pt.zeros((len(self.time), 1))


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
    model: Model, doses: xr.Dataset, observations: xr.Dataset, output: str, *, subjects: Sequence[Any] | None = None,
    solver: str | Solver = "auto",
) -> Prediction | Integration:  # fmt: skip
    """Prediction of ``output`` at every observation.

    A linear model whose response has a closed form is an explicit graph. Any other model, and any steady-state dose
    (SS), is an operation that solves the equations together with their derivatives.

    Parameters
    ----------
    model
        The equations.
    doses, observations
        As :func:`engine.gradients.inputs.read_inputs` takes them, and as an event table has them.
    output
        Name of an output of the model; it may be any function of the states.
    subjects
        Ids in the order of the parameters, also of those without observations; by default the subjects of
        ``observations`` in order of first appearance.
    solver
        What solves the equations where there is no closed form: name of a file in ``conf/solver``, or a solver.

    Raises
    ------
    ModelError
        The model has no such output, or its rates jump at times that depend on its parameters.
    DataError
        The table has something that cannot be fitted, or a subject unknown.
    """
    if output not in model.output_names:
        raise ModelError(f"model {model.name} has no output {output!r}; there are {', '.join(model.output_names)}")
    ids = list(dict.fromkeys(observations["subject"].values.tolist())) if subjects is None else list(subjects)
    position = {subject: i for i, subject in enumerate(ids)}
    if strange := set(observations["subject"].values.tolist()) - set(ids):
        raise DataError(f"observations of subjects without parameters: {sorted(strange)}")
    index = np.array([position[subject] for subject in observations["subject"].values.tolist()], dtype=np.int64)
    time, found = observations["time"].values.astype(float), linear(model)
    if found is not None and has_closed_form(found) and not ("ss" in doses and np.any(doses["ss"].values)):
        inputs = read_inputs(model, found, doses, observations)
        return Prediction(model, found, output, len(ids), index, time, inputs)
    chosen, _ = choose(model, solver)
    records = observed(model, doses, observations, ids)
    return Integration(model, chosen, output, len(ids), index, time, records)


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
