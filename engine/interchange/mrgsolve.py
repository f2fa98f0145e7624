"""A model as the text of an mrgsolve model specification (Elmokadem, Riggs & Baron 2019, doi:10.1002/psp4.12467)."""

from collections.abc import Iterable, Mapping

from engine.interchange.notation import Notation, rename, write
from engine.interchange.typical import typical
from engine.models.equations import let_used
from engine.models.expression import Expression
from engine.models.operations import OPERATIONS
from engine.models.specification import Model

_FUNCTIONS = {name: f"{name}({{0}})" for name, row in OPERATIONS.items() if row.symbol is None}
CPP = Notation(
    forms={
        **_FUNCTIONS, "abs": "fabs({0})", "min": "fmin({0}, {1})", "max": "fmax({0}, {1})", "pow": "pow({0}, {1})",
        "where": "({0} ? {1} : {2})", "not": "!({0})",
    },
    symbols={
        "add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==",
        "ne": "!=", "and": "&&", "or": "||",
    },
    number=repr,  # always with a point or an exponent: 1/2 of whole numbers is 0 in C++
)  # fmt: skip

_RESERVED = frozenset(
    # mrgsolve's own words, data columns among them
    ["id", "amt", "cmt", "ii", "ss", "evid", "addl", "rate", "time", "solvertime", "table", "eta", "eps", "theta",
     "newind", "self", "main", "ode", "event", "pred", "capture", "param", "init", "simeta", "simeps", "done",
     "cfonstop", "dxdtzero", "setinit", "report", "mt", "mtime", "bio", "dose", "f", "t", "dadt", "y", "n", "na",
     # words of C++, and functions of its mathematical library that a variable would hide
     "and", "auto", "bool", "break", "case", "catch", "char", "class", "const", "continue", "default", "delete", "do",
     "double", "else", "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if",
     "inline", "int", "long", "mutable", "namespace", "new", "not", "operator", "or", "private", "protected", "public",
     "register", "return", "short", "signed", "sizeof", "static", "struct", "switch", "template", "this", "throw",
     "true", "try", "typedef", "typename", "union", "unsigned", "using", "virtual", "void", "volatile", "while", "xor",
     "localdouble", "gamma", "lgamma", "tgamma", "erf", "y0", "y1", "yn", "j0", "j1", "jn", "div", "abs", "index",
     "signal", "exp", "log", "pow", "sqrt", "sin", "cos", "tan", "round", "floor", "ceil", "mod", "beta", "hypot",
     "signgam", "remainder", "trunc", "scalb", "gammasign", "infinity", "nan", "std", "databox", "resim",
     # functions of the C library, in scope in every model
     "abort", "accept", "access", "acct", "alarm", "atexit", "atof", "atoi", "bind", "brk", "calloc", "chroot", "clock",
     "close", "connect", "ctime", "difftime", "drem", "dup", "exit", "fork", "free", "gamma_r", "gets", "getenv",
     "kill", "labs", "link", "listen", "logb", "malloc", "memcpy", "mktime", "modf", "nice", "open", "optarg", "optind",
     "pause", "pipe", "printf", "putenv", "puts", "qsort", "raise", "rand", "random", "read", "realloc", "remove",
     "rename", "rint", "scanf", "select", "send", "shutdown", "signbit", "significand", "sleep", "socket", "srand",
     "stderr", "stdin", "stdout", "swab", "sync", "system", "timezone", "daylight", "truncate", "unlink", "utime",
     "vfork", "wait", "write", "bcmp", "bcopy", "bzero", "ffs", "rindex", "strlen", "ldexp", "frexp", "exp2", "log2",
     "cbrt", "fabs", "fmod", "fmin", "fmax", "fdim", "fma", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh",
     "atanh", "erfc", "exp10", "pow10", "environ", "lround", "nearbyint", "scalbn", "ilogb", "basename", "initstate",
     "setstate", "getopt", "sbrk", "crypt", "encrypt", "step", "advance"]
)  # fmt: skip
_STARTS = {"bioavailability": "F_{}", "lag": "ALAG_{}", "duration": "D_{}", "rate": "R_{}", "initial": "{}_0"}


def write_mrgsolve(model: Model, values: Mapping[str, float] | None = None) -> str:
    """Write a model as text for mrgsolve's ``mread``.

    Names that mrgsolve or C++ has a use for get an underscore behind them. Doses stay in the event table; a dose the
    model itself times keeps RATE -1 or -2 there.

    Parameters
    ----------
    model
        The equations.
    values
        Value of parameters that have none in the model, or another one.

    Raises
    ------
    ModelError
        Naming parameters without a value: mrgsolve needs one of each.
    """
    names = _names(model)
    start = _start(model, names)
    known = {name for name, _ in let_used(model, [expression for _, expression in _starts(model)])}
    ode = [f"double {names[name]} = {write(expression, CPP, {**names, 't': 'SOLVERTIME'})};"
           for name, expression in let_used(model, dict(model.derivatives).values()) if name not in known]  # fmt: skip
    ode += [
        f"dxdt_{names[name]} = {write(expression, CPP, {**names, 't': 'SOLVERTIME'})};"
        for name, expression in model.derivatives
    ]
    table, capture = _table(model, names, known)
    blocks = (
        ("$PROB", [f"{model.name}: {model.reference}", f"time: {model.time}"]),
        ("$PARAM @annotated", _parameters(model, names, values or {})),
        ("$CMT @annotated", [f"{names[s.name]} : {_about(s.meaning or s.name, s.unit)}" for s in model.states]),
        ("$MAIN", start), ("$ODE", ode), ("$TABLE", table), ("$CAPTURE @annotated", capture),
    )  # fmt: skip
    return "\n\n".join("\n".join([title, *lines]) for title, lines in blocks if lines) + "\n"


def _names(model: Model) -> dict[str, str]:
    """Every name of the model in mrgsolve; ``>`` marks outputs and lets of the table, which live beside the others."""
    reported = {output.name for output in model.outputs if str(output.value) != output.name}
    lets = [name for name, _ in model.let]
    names = rename(model.state_names, _RESERVED)
    made = {template.format(name) for name in names.values() for template in (*_STARTS.values(), "dxdt_{}")}
    names |= rename(model.parameter_names, {*_RESERVED, *made, *names.values()})
    used = {*_RESERVED, *made, *names.values()}
    outputs = rename(sorted(reported), used)
    names |= rename(lets, {*used, *outputs.values()})
    used |= {*outputs.values(), *names.values()}
    tabled = rename([f"{name}_out" for name in lets], used)
    names |= {f">{name}": outputs[name] for name in outputs}
    return names | {f">>{name}": tabled[f"{name}_out"] for name in lets}


def _parameters(model: Model, names: Mapping[str, str], values: Mapping[str, float]) -> list[str]:
    found = typical(model, values)
    return [f"{names[p.name]} : {found[p.name]!r} : {_about(p.meaning, p.unit)}" for p in model.parameters]


def _starts(model: Model) -> Iterable[tuple[str, Expression]]:
    """What $MAIN sets, as templates of mrgsolve's names."""
    for state in model.states:
        for field, template in _STARTS.items():
            if (expression := getattr(state, field)) is not None:
                yield f"{template}|{state.name}", expression


def _start(model: Model, names: Mapping[str, str]) -> list[str]:
    rows = list(_starts(model))
    lets = let_used(model, [expression for _, expression in rows])
    lines = [f"double {names[name]} = {write(expression, CPP, names)};" for name, expression in lets]
    for key, expression in rows:
        template, state = key.split("|")
        lines.append(f"{template.format(names[state])} = {write(expression, CPP, names)};")
    return lines


def _table(model: Model, names: Mapping[str, str], known: set[str]) -> tuple[list[str], list[str]]:
    """Lines of $TABLE and of $CAPTURE; lets are computed again, at the time of the record, under other names."""
    own = {name: names[f">>{name}"] for name, _ in model.let if name not in known}
    here = {**names, **own, "t": "TIME"}
    lets = let_used(model, [output.value for output in model.outputs])
    lines = [f"double {own[name]} = {write(value, CPP, here)};" for name, value in lets if name in own]
    capture = []
    for output in model.outputs:
        called = names.get(f">{output.name}", names.get(output.name, output.name))
        if str(output.value) != output.name:
            lines.append(f"double {called} = {write(output.value, CPP, here)};")
        elif output.name in own:  # a let of the same name is what is reported
            called = own[output.name]
        if output.name not in model.state_names or str(output.value) != output.name:
            capture.append(f"{called} : {_about(output.meaning or output.name, output.unit)}")
    return lines, capture


def _about(meaning: str, unit: str) -> str:
    """Annotation; a colon would end it."""
    return f"{meaning.replace(':', ' -')} ({unit})"
