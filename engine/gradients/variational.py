r"""A model together with the derivatives of its states: its variational equations, themselves a model.

With :math:`S_{iq} = c_q\, \partial x_i / \partial q` the states grow by

.. math:: \dot S_{iq} = \sum_j \frac{\partial f_i}{\partial x_j} S_{jq} + c_q \frac{\partial f_i}{\partial q}

(Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, 1993, section I.14, doi:10.1007/978-3-540-78862-1).
A scale :math:`c_q` of the size of the parameter counts a derivative in the unit of its state, so that a tolerance means
the same for both. While the scale is 0 a parameter does not count: with scales that change with time, the derivatives
are those by the value that a parameter has during some of the time. The derivatives of a linear model are linear.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from engine.models.calculus import ZERO, add, differentiate, multiply, simplify
from engine.models.expression import Expression, Name, Number
from engine.models.specification import Model, Output, Parameter, State


@dataclass(frozen=True, slots=True, eq=False)
class Variational:
    """A model with the derivatives of its states.

    Attributes
    ----------
    base
        The model itself.
    model
        States of ``base``, then :math:`S`; parameters of ``base``, then a scale for each of ``wrt``; outputs asked
        for, then their derivatives.
    wrt
        Parameters the derivatives are with respect to.
    seeds
        States whose initial values they are with respect to as well.
    pairs
        For each added state, in order, the position of its state and the name it is differentiated by. Derivatives that
        are always 0 are left out.
    scales
        Name of the scale of each of ``wrt``.
    slopes
        Name of the derivative of each output by each of ``wrt``, times the scale.
    """

    base: Model
    model: Model
    wrt: tuple[str, ...]
    seeds: tuple[str, ...]
    pairs: tuple[tuple[int, str], ...]
    scales: Mapping[str, str]
    slopes: Mapping[tuple[str, str], str]

    @property
    def places(self) -> dict[tuple[int, str], int]:
        """Position among the model's states of each derivative."""
        return {pair: number for number, pair in enumerate(self.pairs, start=len(self.base.states))}


@lru_cache(maxsize=64)
def variational(
    base: Model, wrt: tuple[str, ...], *, outputs: tuple[str, ...] | None = None, seeds: bool = False
) -> Variational:
    """Variational equations of a model.

    Parameters
    ----------
    base
        The model.
    wrt
        Names of its parameters to differentiate by.
    outputs
        Names of the outputs to keep; all when None.
    seeds
        Whether to differentiate by the initial values of the states too.
    """
    return _Builder(base, wrt, base.state_names if seeds else (), outputs).build()


class _Builder:
    """Writes the equations; what several of them use becomes a let entry."""

    def __init__(
        self, base: Model, wrt: tuple[str, ...], seeds: tuple[str, ...], outputs: tuple[str, ...] | None
    ) -> None:
        self.base, self.wrt, self.seeds = base, wrt, seeds
        self.outputs = [one for one in base.outputs if outputs is None or one.name in outputs]
        known = (base.parameter_names, base.state_names, base.output_names, [name for name, _ in base.let])
        self.taken = {name for names in known for name in names} | {"t"}
        self.scales = {name: self._name(f"scale_{name}") for name in wrt}
        self.let = list(base.let)
        self.pairs = tuple((n, q) for q in (*wrt, *seeds) for n in sorted(_moved(base, q)))
        self.state = {pair: self._name(f"d_{base.state_names[pair[0]]}_d_{pair[1]}") for pair in self.pairs}
        self.dots: dict[tuple[str, str], Expression] = {}
        for (n, q), name in self.state.items():
            self.dots[base.state_names[n], q] = Name(name)
        for name in wrt:
            self.dots[name, name] = Name(self.scales[name])
        for name, expression in base.let:
            self._differentiate_let(name, expression)

    def build(self) -> Variational:
        """Put the model together."""
        base = self.base
        rates = {n: self._partials(name, rate) for n, (name, rate) in enumerate(base.derivatives)}
        derivatives = [(name, self._total(rates[n], q)) for (n, q), name in self.state.items()]
        slopes = {(one.name, q): self._name(f"d_{one.name}_d_{q}") for one in self.outputs for q in self.wrt}
        outputs = [Output(slopes[one.name, q], value, one.unit) for one, q, value in self._outputs()]
        scales = [Parameter(name, _unit(base, q), f"scale of {q}") for q, name in self.scales.items()]
        model = replace(
            base, parameters=(*base.parameters, *scales), states=(*base.states, *self._states()), let=tuple(self.let),
            derivatives=(*base.derivatives, *derivatives), outputs=(*self.outputs, *outputs),
        )  # fmt: skip
        return Variational(base, model, self.wrt, self.seeds, self.pairs, self.scales, slopes)

    def _states(self) -> list[State]:
        found = []
        starts = [self._partials(f"initial_{one.name}", one.initial or ZERO) for one in self.base.states]
        for (n, q), name in self.state.items():
            start = self._total(starts[n], q) if q in self.wrt else ZERO
            found.append(State(name, self.base.states[n].unit, initial=None if start == ZERO else start))
        return found

    def _outputs(self) -> Iterable[tuple[Output, str, Expression]]:
        for one in self.outputs:
            partials = self._partials(one.name, one.value)
            for q in self.wrt:
                yield one, q, self._total(partials, q)

    def _name(self, wish: str) -> str:
        while wish in self.taken:
            wish += "_"
        self.taken.add(wish)
        return wish

    def _partials(self, label: str, expression: Expression) -> dict[str, Expression]:
        """Derivatives by each name the expression has that changes; those of some length get a name of their own."""
        moving = {name for name, _ in self.dots}
        found = {name: simplify(differentiate(expression, name)) for name in sorted(expression.names & moving)}
        return {
            name: slope if isinstance(slope, Number | Name) else self._add(f"{label}_by_{name}", slope)
            for name, slope in found.items()
            if slope != ZERO
        }

    def _add(self, wish: str, expression: Expression) -> Name:
        name = self._name(wish)
        self.let.append((name, expression))
        return Name(name)

    def _differentiate_let(self, name: str, expression: Expression) -> None:
        partials = self._partials(name, expression)
        for q in (*self.wrt, *self.seeds):
            total = self._total(partials, q)
            if total != ZERO:
                self.dots[name, q] = self._add(f"d_{name}_d_{q}", total)

    def _total(self, partials: Mapping[str, Expression], q: str) -> Expression:
        """Derivative in direction ``q``, times its scale."""
        total: Expression = ZERO
        for name, slope in partials.items():
            total = add(total, multiply(slope, self.dots.get((name, q), ZERO)))
        return total


def _unit(model: Model, name: str) -> str:
    return next(one.unit for one in model.parameters if one.name == name)


def _moved(model: Model, q: str) -> set[int]:
    """States whose derivative by ``q``, a parameter or a state's initial value, can differ from 0."""
    uses = [deep_names(model, rate) for _, rate in model.derivatives]
    moved = {n for n, names in enumerate(uses) if q in names and q not in model.state_names}
    for n, one in enumerate(model.states):
        given = (one.initial, one.lag, one.bioavailability, one.duration, one.rate)
        if one.name == q or any(q in deep_names(model, expression) for expression in given if expression is not None):
            moved.add(n)
    while True:
        reached = {n for n, names in enumerate(uses) if any(model.state_names[m] in names for m in moved)} - moved
        if not reached:
            return moved
        moved |= reached


def deep_names(model: Model, expression: Expression) -> frozenset[str]:
    """Names an expression depends on, directly or through let entries."""
    names = set(expression.names)
    for name, entry in reversed(model.let):
        if name in names:
            names |= entry.names
    return frozenset(names)
