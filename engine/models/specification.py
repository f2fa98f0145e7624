"""A model as plain frozen data: what is declared in its text and nothing computed from it."""

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import Any

from engine.errors import ModelError
from engine.models.expression import Expression, Number


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that differs between people; ``value`` is that of a typical person, from ``source``."""

    name: str
    unit: str
    meaning: str
    value: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """A quantity that changes with time; a dose goes into one.

    ``lag`` delays its doses, ``bioavailability`` is the fraction that arrives, ``duration`` (RATE -2) and ``rate``
    (RATE -1) describe infusions the model itself times, ``initial`` is its value before any dose (0 when absent).
    """

    name: str
    unit: str
    meaning: str = ""
    lag: Expression | None = None
    bioavailability: Expression | None = None
    duration: Expression | None = None
    rate: Expression | None = None
    initial: Expression | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A quantity the model reports."""

    name: str
    value: Expression
    unit: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """Equations of a drug or a disease, read and checked by :func:`engine.models.loading.load_model`.

    ``let`` is in an order in which each entry uses only earlier ones; ``derivatives`` follow ``states``. The names are
    those that a set of parameters must have, that a dose may go into, and of what a simulation returns.
    """

    name: str
    reference: str
    time: str
    parameters: tuple[Parameter, ...]
    states: tuple[State, ...]
    let: tuple[tuple[str, Expression], ...]
    derivatives: tuple[tuple[str, Expression], ...]
    outputs: tuple[Output, ...]
    parameter_names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    state_names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    output_names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Remember the hash, under which whatever is found from a model is kept, and names, asked for all the time."""
        object.__setattr__(self, "_hash", hash(self._declared))
        for kind in ("parameter", "state", "output"):
            object.__setattr__(self, f"{kind}_names", tuple(one.name for one in getattr(self, f"{kind}s")))

    def __hash__(self) -> int:
        """Equal models have equal hashes."""
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        """Make it anew where it is unpickled: hashes of text differ between processes."""
        return Model, self._declared

    @property
    def _declared(self) -> tuple[Any, ...]:
        return tuple(getattr(self, one.name) for one in fields(self) if one.init)

    @property
    def units(self) -> dict[str, str]:
        """Unit of every output by name, and of ``time``."""
        return {"time": self.time, **{output.name: output.unit for output in self.outputs}}

    @property
    def typical(self) -> dict[str, float]:
        """Parameters of a typical person; ModelError names those the model gives no value."""
        if missing := [parameter.name for parameter in self.parameters if parameter.value is None]:
            raise ModelError(f"model {self.name} has no typical value for {', '.join(missing)}; give them a value")
        return {parameter.name: parameter.value for parameter in self.parameters if parameter.value is not None}

    @property
    def digest(self) -> str:
        """SHA-256 of the model's canonical JSON."""
        text = json.dumps(self.to_dict(), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain data in the form of the YAML file; ``load_model`` reads it back to an equal model."""
        return {
            "name": self.name,
            "reference": self.reference,
            "time": self.time,
            "parameters": {parameter.name: _plain(parameter) for parameter in self.parameters},
            "states": {state.name: _plain(state) for state in self.states},
            "let": {name: str(expression) for name, expression in self.let},
            "derivatives": {name: str(expression) for name, expression in self.derivatives},
            "outputs": {output.name: _plain(output) for output in self.outputs},
        }


def _plain(declared: Parameter | State | Output) -> dict[str, Any]:
    """Fields that were given, without the name, which is the key."""
    given = {one.name: getattr(declared, one.name) for one in fields(declared) if one.name != "name"}
    return {name: _value(value) for name, value in given.items() if value is not None and value != ""}


def _value(value: str | float | Expression) -> str | float:
    if isinstance(value, Number):
        return value.value
    return str(value) if isinstance(value, Expression) else value
