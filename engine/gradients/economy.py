"""What keeps equations with many derivatives compilable: a solver that suits their number, and parts of them."""

from collections.abc import Iterator, Sequence

from engine.models.specification import Model
from engine.models.structure import linear
from engine.solvers.base import Solver

CLOSED, MOST = 48, 100
"""States, derivatives among them, up to which a closed form is compiled in seconds; and any equations are."""
_IMPLICIT = "rosenbrock"


def suited(model: Model, solver: str | Solver, count: int) -> tuple[str | Solver, str]:
    """Solver for the derivatives by this many parameters where ``"auto"`` is asked for, and why it is another one."""
    states = len(model.states) * (1 + count)
    if solver != "auto" or linear(model) is None or states <= CLOSED:
        return solver, ""
    return _IMPLICIT, f"; with {count} derivatives of each its states are too many for matrix exponentials"


def parts(model: Model, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Parameters in groups whose derivatives are solved together."""
    size = max(MOST // len(model.states) - 1, 1)
    yield from (tuple(names[n : n + size]) for n in range(0, max(len(names), 1), size))
