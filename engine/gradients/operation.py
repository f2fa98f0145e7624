"""The solution of a model's equations as a PyTensor operation, with the gradient that a fit needs.

One solution gives the predictions and their derivatives by the parameters. A graph that has no use for the derivatives
is given an operation that solves without them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply, Constant
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.graph.traversal import ancestors
from pytensor.link.numba.dispatch import basic as dispatch
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.rewriting.basic import register_specialize

from engine import block as blocks
from engine.block import Block
from engine.errors import DataError, ModelError
from engine.gradients import forward
from engine.gradients.continuity import check
from engine.gradients.forward import Task
from engine.gradients.moves import Course, moving
from engine.gradients.records import Observed
from engine.models.specification import Model
from engine.solvers.base import Solver

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What is solved each time.

    Attributes
    ----------
    model, solver
        The equations and who solves them.
    output
        Name of the output that is observed.
    observed
        Doses and samples.
    names
        Parameters that come in, as columns; ``wrt`` are those to differentiate by, ``fixed`` the others' values.
    course
        Nodes, when none of ``names`` changes when or how doses enter.
    """

    model: Model
    solver: Solver
    output: str
    observed: Observed
    names: tuple[str, ...]
    wrt: tuple[str, ...]
    fixed: Mapping[str, float]
    course: Course | None = None

    def settled(self) -> "Work":
        """The same, with its course where that does not change."""
        if moving(self.model, self.names):
            return self
        block = self._block(np.ones((int(self.observed.people.max(initial=0)) + 1, len(self.names))))
        return replace(self, course=forward.fixed_course(block, self.wrt, (self.output,)))

    def values(self, theta: Floats) -> Floats:
        """Predictions, (observation), of parameters (subject, name)."""
        return self._pick(blocks.simulate(self._block(theta)).values[self.output])

    def slopes(self, theta: Floats) -> tuple[Floats, Floats]:
        """Predictions, (observation), and their derivatives, (observation, wrt)."""
        found = forward.differentiate(Task(self._block(theta), self.wrt, (self.output,), self.course))
        return self._pick(found.values[self.output]), self._pick(found.slopes[self.output])

    def _block(self, theta: Floats) -> Block:
        own = theta[self.observed.people]
        count = len(own)
        known = {name: np.full(count, value) for name, value in self.fixed.items()}
        known |= {name: np.ascontiguousarray(own[:, n]) for n, name in enumerate(self.names)}
        parameters = {name: known[name] for name in self.model.parameter_names}
        return Block(self.model, self.solver, parameters, self.observed.schedule, self.observed.samples)

    def _pick(self, values: Floats) -> Floats:
        return np.ascontiguousarray(values[self.observed.row, self.observed.slot])


class Solve(Op):
    """Predictions at the observations, and with ``derive`` their derivatives, of parameters (subject, name).

    A subject that cannot be solved predicts NaN, so that a sampler turns back from there.
    """

    __props__ = ("work", "derive")

    def __init__(self, work: Work, *, derive: bool) -> None:
        self.work = work
        self.derive = derive

    def make_node(self, *inputs: Any) -> Any:
        """One matrix in; a vector, and with derivatives a matrix, out."""
        kinds = [pt.vector(dtype="float64"), *([pt.matrix(dtype="float64")] if self.derive else [])]
        return Apply(self, [pt.as_tensor(inputs[0], dtype="float64")], kinds)

    def perform(self, node: Any, inputs: Sequence[Any], output_storage: Any) -> None:  # noqa: ARG002
        """Solve."""
        found = self.solve(inputs[0])
        for storage, values in zip(output_storage, found, strict=True):
            storage[0] = values

    def solve(self, theta: Floats) -> tuple[Floats, ...]:
        """Arrays of the outputs."""
        return self.work.slopes(theta) if self.derive else (self.work.values(theta),)

    def infer_shape(self, node: Any, shapes: Any) -> list[Any]:  # noqa: ARG002
        """As many as there are observations."""
        count = len(self.work.observed.row)
        return [(count,), (count, len(self.work.wrt))][: 1 + self.derive]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], gradients: Sequence[Any]) -> list[Any]:
        """Each observation's derivatives, weighted and summed over the observations of a subject."""
        if not self.derive or not isinstance(gradients[-1].type, DisconnectedType):
            raise NotImplementedError("the derivatives of a prediction cannot be differentiated again")
        work = self.work
        subject = work.observed.people[work.observed.row]
        weighted = gradients[0][:, None] * outputs[1]
        columns = [work.names.index(q) for q in work.wrt]
        nothing: Any = pt.zeros(inputs[0].shape)
        own: Any = pt.zeros((inputs[0].shape[0], len(work.wrt)))
        return [nothing[:, columns].set(own[subject].inc(weighted))]


def _compile(op: Solve, node: Any, **_: Any) -> tuple[Callable[..., Any], None]:
    """Compile for PyTensor's numba linker: back to Python, which lets other threads go on while it computes."""
    kinds = [dispatch.get_numba_type(output.type) for output in node.outputs]
    several: Any = numba.types.Tuple
    kind = several(kinds) if len(kinds) > 1 else kinds[0]

    def run(theta: Any) -> Any:
        found = op.solve(np.asarray(theta))
        return found if len(kinds) > 1 else found[0]

    @dispatch.numba_njit
    def solve(theta: Any) -> Any:
        with numba.objmode(found=kind):
            found = run(theta)
        return found  # noqa: RET504  (numba wants the block to end first)

    return solve, None


_register: Any = dispatch.register_funcify_and_cache_key
_register(Solve)(_compile)


def _leave_out_derivatives(fgraph: Any, node: Any) -> Any:
    """Solve without derivatives where nothing uses them."""
    if not node.op.derive or fgraph.clients[node.outputs[1]]:
        return None
    return {node.outputs[0]: Solve(node.op.work, derive=False)(*node.inputs)}


_rewriter: Any = node_rewriter
_specialize: Any = register_specialize
_specialize(_rewriter([Solve])(_leave_out_derivatives), "fast_compile", name="leave_out_derivatives")


@dataclass(frozen=True, slots=True, eq=False)
class Integration:
    """An output at every observation of a data set, as a function of the subjects' parameters, by solving equations.

    Attributes
    ----------
    model, solver
        Any model, and who solves it.
    output
        Name of one of its outputs.
    subjects
        Number of subjects the parameters are of.
    subject
        For each observation the position of its subject among the parameters.
    time
        Time of each observation.
    observed
        Doses and samples.
    """

    model: Model
    solver: Solver
    output: str
    subjects: int
    subject: NDArray[np.int64]
    time: Floats
    observed: Observed

    def __call__(self, parameters: Mapping[str, Any]) -> Any:
        """Output at every observation, dims (observation).

        Parameters
        ----------
        parameters
            For each of the model's parameters a tensor over subjects, or one number for all of them. Derivatives are
            computed for those that depend on something random or unknown.
        """
        if missing := [name for name in self.model.parameter_names if name not in parameters]:
            raise ModelError(f"model {self.model.name} needs a value for {', '.join(missing)}")
        given: dict[str, Any] = {name: pt.as_tensor(parameters[name]) for name in self.model.parameter_names}
        names = tuple(name for name, value in given.items() if not _is_number(value))
        fixed = {name: float(given[name].data) for name in given if name not in names}
        wrt = tuple(name for name in names if _is_free(given[name]))
        check(self.model, wrt)
        work = Work(self.model, self.solver, self.output, self.observed, names, wrt, fixed).settled()
        columns = [self._column(name, given[name]) for name in names]
        theta = pt.stack(columns, axis=1) if columns else pt.zeros((self.subjects, 0))
        operation: Any = Solve(work, derive=True)
        return operation(theta)[0]

    def _column(self, name: str, value: Any) -> Any:
        if value.ndim > 1 or (value.ndim == 1 and value.type.shape[0] not in (None, self.subjects)):
            raise DataError(f"{name} has the shape {value.type.shape}, wanted one value for {self.subjects} subjects")
        return pt.broadcast_to(value.astype("float64"), (self.subjects,))


def _is_number(value: Any) -> bool:
    return value.ndim == 0 and isinstance(value, Constant)


def _is_free(value: Any) -> bool:
    """Whether a tensor depends on a random generator or on an unknown input, not on constants and data alone."""
    roots = [one for one in ancestors([value]) if one.owner is None]
    return any(isinstance(one.type, RandomType) or not isinstance(one, Constant | SharedVariable) for one in roots)
