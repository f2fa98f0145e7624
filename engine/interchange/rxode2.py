"""A model as the text of an rxode2 function (Wang, Hallow & James 2016, doi:10.1002/psp4.12052)."""

import json
from collections.abc import Mapping

from engine.interchange.notation import Notation, rename, write
from engine.interchange.typical import typical
from engine.models.operations import OPERATIONS
from engine.models.specification import Model

_FUNCTIONS = {name: f"{name}({{0}})" for name, row in OPERATIONS.items() if row.symbol is None}


def _literal(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


RXODE = Notation(
    forms={
        **_FUNCTIONS, "min": "min({0}, {1})", "max": "max({0}, {1})", "pow": "(({0})^({1}))",
        "where": "ifelse({0}, {1}, {2})", "not": "!({0})",
    },
    symbols={
        "add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==",
        "ne": "!=", "and": "&&", "or": "||",
    },
    number=_literal,
)  # fmt: skip
_RESERVED = frozenset(
    ["id", "amt", "cmt", "ii", "ss", "evid", "addl", "rate", "dur", "time", "t", "tlast", "tad", "dvid", "mtime", "f",
     "alag", "lag", "lead", "first", "last", "diff", "podo", "linCmt", "newind", "pi", "ini", "model", "param",
     "depends", "cov", "if", "else", "while", "for", "break", "function", "next", "repeat", "in", "true", "false",
     "null", "na", "nan", "inf", "ifelse", "exp", "log", "sqrt", "abs", "gamma", "lgamma", "beta", "lbeta", "digamma",
     "dose", "e", "m_e", "logit", "expit", "probit", "transit", "matexp", "locf", "nocb", "dt", "df", "dy", "d",
     "add", "prop", "lnorm", "var", "sd", "label", "fix"]
)  # fmt: skip
_STARTS = {"bioavailability": "f({})", "lag": "alag({})", "duration": "dur({})", "rate": "rate({})",
           "initial": "{}(0)"}  # fmt: skip


def write_rxode2(model: Model, values: Mapping[str, float] | None = None) -> str:
    """Write a model as an R function for ``rxode2()`` and ``nlmixr2()``.

    Names that rxode2 has a use for get an underscore behind them. Doses stay in the event table; a dose the model
    itself times keeps RATE -1 or -2 there.

    Parameters
    ----------
    model
        The equations.
    values
        Value of parameters that have none in the model, or another one.

    Raises
    ------
    ModelError
        Naming parameters without a value.
    """
    names = _names(model)
    found = typical(model, values or {})
    width = max(len(names[name]) for name in model.parameter_names)
    fixed = [
        f"    {names[p.name]:<{width}} <- {_literal(found[p.name])}; label({_quoted(f'{p.meaning} ({p.unit})')})"
        for p in model.parameters
    ]
    lines = [
        f"# {model.name}: {model.reference}",
        f"# time: {model.time}; " + "; ".join(f"{names[state.name]}: {state.unit}" for state in model.states),
        f"{model.name} <- function() {{", "  ini({", *fixed, "  })", "  model({", *_equations(model, names), "  })",
        "}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _names(model: Model) -> dict[str, str]:
    """Every name of the model in rxode2; ``>`` marks outputs that are not themselves a let or a state."""
    names = rename([*model.parameter_names, *model.state_names, *(name for name, _ in model.let)], _RESERVED)
    own = [output.name for output in model.outputs if str(output.value) != output.name]
    outputs = rename(own, {*_RESERVED, *names.values()})
    return names | {f">{name}": outputs[name] for name in own}


def _equations(model: Model, names: Mapping[str, str]) -> list[str]:
    rows = [(names[name], expression, "") for name, expression in model.let]
    for state in model.states:
        starts = ((template, getattr(state, field)) for field, template in _STARTS.items())
        rows += [(template.format(names[state.name]), found, "") for template, found in starts if found is not None]
    rows += [(f"d/dt({names[name]})", expression, "") for name, expression in model.derivatives]
    rows += [
        (names[f">{output.name}"], output.value, f"  # {output.meaning} ({output.unit})".replace("  #  ", "  # "))
        for output in model.outputs
        if f">{output.name}" in names
    ]
    return [f"    {left} <- {write(expression, RXODE, names)}{comment}" for left, expression, comment in rows]
