"""The solution of a model's equations as a PyTensor operation, with the gradient that a fit needs.

One solution gives the predictions and their derivatives by the parameters. A graph that has no use for the derivatives
is given an operation that solves without them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numba
import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.link.numba.dispatch import basic as dispatch
from pytensor.tensor.rewriting.basic import register_specialize

from engine import block as blocks
from engine.block import Block
from engine.dosing.covariates import Covariates
from engine.dosing.nodes import Samples
from engine.dosing.schedule import Flags, Floats, Integers, Schedule
from engine.gradients import forward
from engine.gradients.continuity import check
from engine.gradients.elsewhere import Elsewhere
from engine.gradients.forward import Task
from engine.gradients.moves import Course, fixed
from engine.gradients.parameters import Given, is_free, read_parameters
from engine.gradients.places import Entries, Results
from engine.gradients.records import Observed
from engine.models.specification import Model
from engine.remembering import remembered
from engine.solvers.base import Solver


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """Courses to solve; a course of several occasions stands once for each that its derivatives are asked for.

    Attributes
    ----------
    course
        Course of each copy.
    occasion
        Occasion of each of its stretches, (copy, stretch).
    own
        Occasion whose parameters the copy is differentiated by; ``first``: and by those that are the same in all.
    schedule, samples, stretches
        Doses, samples and data of the copies.
    """

    course: Integers
    occasion: Integers
    own: Integers
    first: Flags
    schedule: Schedule
    samples: Samples
    stretches: Covariates

    @classmethod
    def of(cls, observed: Observed, given: Given, *, derive: bool) -> "Copies":
        """One of each course, or as many as its derivatives need."""
        pairs = [np.unique(one[:count]) for one, count in zip(given.occasion, given.stretches.count, strict=True)]
        pairs = pairs if derive else [one[:1] for one in pairs]
        course = np.repeat(np.arange(len(pairs)), [len(one) for one in pairs])
        samples = Samples._make(values[course] for values in observed.samples)
        return cls(
            course, given.occasion[course], np.concatenate(pairs), np.diff(course, prepend=-1) != 0,
            observed.schedule.take(course), samples, given.stretches.take(course),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Work:
    """What is solved each time.

    Attributes
    ----------
    model, solver
        The equations and who solves them.
    observed
        Doses and requests.
    names
        Parameters that come in, as columns: one each, or as many as ``occasions`` says for those that differ between
        occasions. ``wrt`` are those to differentiate by, ``fixed`` the values of those that are numbers.
    plain, copies
        Courses to solve without derivatives, and with them.
    course
        Nodes, when none of ``names`` changes when or how doses enter.
    """

    model: Model
    solver: Solver
    observed: Observed
    names: tuple[str, ...]
    occasions: Mapping[str, int]
    wrt: tuple[str, ...]
    fixed: Mapping[str, float]
    plain: Copies
    copies: Copies
    course: Course | None = None

    def settled(self) -> "Work":
        """The same, with its course where that does not change."""
        if not fixed(self.model, self.names):
            return self
        people = int(self.observed.people.max(initial=0)) + 1
        block = self._block(np.ones((people, sum(self._widths))), derive=True)
        return replace(self, course=forward.fixed_course(block, self.wrt, self.observed.outputs))

    @property
    def _widths(self) -> list[int]:
        return [self.occasions.get(name, 1) for name in self.names]

    @property
    def columns(self) -> list[int]:
        """Columns that are differentiated by."""
        each = zip(self.starts.items(), self._widths, strict=True)
        found = {name: range(start, start + width) for (name, start), width in each}
        return [column for name in self.wrt for column in found[name]]

    @property
    def starts(self) -> dict[str, int]:
        """First column of each of ``names``."""
        return dict(zip(self.names, np.cumsum([0, *self._widths]).tolist(), strict=False))

    def found(self, theta: Floats, *, derive: bool) -> tuple[Floats, ...]:
        """Predictions, and with `derive` their derivatives."""
        return self.slopes(theta) if derive else (self.values(theta),)

    def values(self, theta: Floats) -> Floats:
        """Predictions, (row), of parameters (subject, column)."""
        found = blocks.simulate(self._block(theta, derive=False)).values
        return _values(self).pick([found[name] for name in self.observed.outputs])

    def slopes(self, theta: Floats) -> tuple[Floats, Floats]:
        """Predictions, (row), and their derivatives, (row, column differentiated by)."""
        block, outputs = self._block(theta, derive=True), self.observed.outputs
        found = forward.differentiate(Task(block, self.wrt, outputs, self.course, _moving(self)))
        values, where, copies = (found.values[name] for name in outputs), _copied(self), self.copies
        slopes = where.slopes.pick([found.slopes[name] for name in outputs])
        if not self.occasions:
            return where.values.pick([*values]), slopes
        result, column = np.zeros((len(self.observed.row), len(self.columns))), 0
        for n, name in enumerate(self.wrt):
            if width := self.occasions.get(name):
                result[where.row, column + copies.own[where.copy]] = slopes[:, n]
            else:
                result[:, column] = slopes[copies.first[where.copy], n]
            column += width or 1
        return where.values.pick([*values]), result

    def _block(self, theta: Floats, *, derive: bool) -> Block:
        copies = self.copies if derive else self.plain
        steady, changing = _entries(self, derive).read(theta)
        covariates = None if copies.stretches.until.shape[1] == 1 else replace(copies.stretches, values=changing)
        return Block(self.model, self.solver, steady, copies.schedule, copies.samples, covariates)


@remembered
def _elsewhere(work: Work) -> Elsewhere:  # noqa: ARG001  (each has its own)
    """Who solves it."""
    return Elsewhere()


@remembered
def _entries(work: Work, derive: bool) -> Entries:
    """Where the parameters of each course come from."""
    copies = work.copies if derive else work.plain
    columns = {name: (start, name in work.occasions) for name, start in work.starts.items()}
    subject = work.observed.people[copies.course]
    return Entries.of(subject, copies.occasion, columns, work.fixed, copies.stretches.values)


@remembered
def _moving(work: Work) -> dict[str, Floats] | None:
    """Whether each copy is differentiated by a parameter in each of its stretches, (copy, stretch)."""
    copies = work.copies
    if copies.stretches.until.shape[1] == 1:
        return None
    here = (copies.occasion == copies.own[:, None]).astype(np.float64)
    shared = np.where(copies.first[:, None], np.ones_like(here), 0.0)
    return {name: here if name in work.occasions else shared for name in work.wrt}


@remembered
def _values(work: Work) -> Results:
    """Where predictions without derivatives are."""
    seen = work.observed
    return Results.of(seen.row, seen.slot, seen.kind, len(seen.outputs))


class _Copied(NamedTuple):
    """Where predictions and derivatives of copies are, and the row and the copy of each derivative."""

    values: Results
    slopes: Results
    row: Integers
    copy: Integers


@remembered
def _copied(work: Work) -> _Copied:
    """Each row has its derivatives from all copies of its course, its prediction from the first."""
    seen, course = work.observed, work.copies.course
    first = np.searchsorted(course, np.arange(len(seen.people)))
    every = np.searchsorted(course, seen.row, side="right") - first[seen.row]
    row = np.repeat(np.arange(len(seen.row)), every)
    copy = first[seen.row][row] + np.arange(len(row)) - np.repeat(np.cumsum(every) - every, every)
    values = Results.of(first[seen.row], seen.slot, seen.kind, len(seen.outputs))
    return _Copied(values, Results.of(copy, seen.slot[row], seen.kind[row], len(seen.outputs)), row, copy)


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
        return _elsewhere(self.work).solve(self.work, theta, derive=self.derive)

    def infer_shape(self, node: Any, shapes: Any) -> list[Any]:  # noqa: ARG002
        """As many as there are rows."""
        count = len(self.work.observed.row)
        return [(count,), (count, len(self.work.columns))][: 1 + self.derive]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], gradients: Sequence[Any]) -> list[Any]:
        """Each observation's derivatives, weighted and summed over the observations of a subject."""
        if not self.derive or not isinstance(gradients[-1].type, DisconnectedType):
            raise NotImplementedError("the derivatives of a prediction cannot be differentiated again")
        work = self.work
        subject = work.observed.people[work.observed.row]
        weighted = gradients[0][:, None] * outputs[1]
        nothing: Any = pt.zeros(inputs[0].shape)
        own: Any = pt.zeros((inputs[0].shape[0], len(work.columns)))
        return [nothing[:, work.columns].set(own[subject].inc(weighted))]


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
    """Outputs at every row of a table of requests, as a function of the subjects' parameters, by solving equations.

    Attributes
    ----------
    model, solver
        Any model, and who solves it.
    subjects
        Number of subjects the parameters are of.
    subject
        For each row the position of its subject among the parameters.
    time
        Time of each row.
    observed
        Doses and requests.
    """

    model: Model
    solver: Solver
    subjects: int
    subject: Integers
    time: Floats
    observed: Observed

    @property
    def units(self) -> dict[str, str]:
        """Units of the outputs, and of ``time``."""
        return self.model.units

    def __call__(self, parameters: Mapping[str, Any]) -> Any:
        """Output at every row, dims (row).

        Parameters
        ----------
        parameters
            For each of the model's parameters a tensor over subjects, (subject, occasion) where it differs between
            occasions, or one number for all. Those left out are columns of the data. Derivatives are computed for
            those that depend on something random or unknown.
        """
        given = read_parameters(self.model, self.observed, parameters, self.subjects)
        fixed = given.numbers
        tensors = {name: value.astype("float64") for name, value in given.tensors.items() if name not in fixed}
        wrt = tuple(name for name, value in tensors.items() if is_free(value))
        check(self.model, wrt)
        several = int(self.observed.occasion.max(initial=0)) + 1
        occasions = {name: several for name, value in tensors.items() if value.ndim == 2}
        plain, copies = (Copies.of(self.observed, given, derive=derive) for derive in (False, True))
        names = tuple(tensors)
        work = Work(self.model, self.solver, self.observed, names, occasions, wrt, fixed, plain, copies).settled()
        columns = [self._columns(value, several) for value in tensors.values()]
        operation: Any = Solve(work, derive=True)
        join: Any = pt.concatenate
        theta = join(columns, axis=1) if columns else pt.zeros((self.subjects, 0))
        return operation(theta)[0]

    def _columns(self, value: Any, occasions: int) -> Any:
        """Columns (subject, 1), or (subject, occasion)."""
        if value.ndim == 2:
            return value[:, :occasions]
        return pt.broadcast_to(value, (self.subjects,))[:, None]
