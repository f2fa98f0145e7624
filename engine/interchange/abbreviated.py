"""NM-TRAN abbreviated code ($PK, $DES, $ERROR) as assignments of our expressions (NONMEM Users Guide, part IV)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import ModelError
from engine.models.algebras.arrays import ARRAYS
from engine.models.calculus import choose
from engine.models.expression import Expression, Name, Number, evaluate, parse, substitute

INDEXED = ("THETA", "ETA", "EPS", "A", "A_0", "DADT")
"""What takes a number in brackets; ``A(2)`` is the name ``A__2``."""

_OPERATORS = {"EQ": "==", "EQN": "==", "NE": "!=", "NEN": "!=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">=",
              "AND": " and ", "OR": " or ", "NOT": " not ", "/=": "!="}  # fmt: skip
_FUNCTIONS = {"EXP": "exp", "DEXP": "exp", "LOG": "log", "DLOG": "log", "LOG10": "log10", "DLOG10": "log10",
              "SQRT": "sqrt", "DSQRT": "sqrt", "ABS": "abs", "DABS": "abs", "SIN": "sin", "COS": "cos", "TAN": "tan",
              "TANH": "tanh", "MIN": "min", "MAX": "max"}  # fmt: skip
_DOTTED = "|".join(sorted((word for word in _OPERATORS if word.isalpha()), key=len, reverse=True))
_TOKEN = re.compile(
    rf"""\s*(?:
    \.(?P<dotted>{_DOTTED})\.
    |(?P<number>(?:\d+(?:\.(?!(?:{_DOTTED})\.)\d*)?|\.\d+)(?:[ED][+-]?\d+)?)
    |(?P<name>[A-Z][A-Z0-9_]*)
    |(?P<symbol>\*\*|/=|==|<=|>=|[-+*/(),<>])
    )""",
    re.VERBOSE,
)
_IF = re.compile(r"IF\s*(?=\()")
_ELSE_IF = re.compile(r"ELSE\s*IF\s*(?=\()")
_TARGET = re.compile(r"([A-Z][A-Z0-9_]*)\s*(?:\(\s*([A-Z0-9_]+)\s*\))?\s*=(?!=)\s*(.+)")
_IGNORED = re.compile(r"(?:CALLFL|COMRES)\s*=.*|EXIT\b.*|RETURN")
_REFUSED = {
    "DO": "a loop",
    "CALL": "a call",
    "WHILE": "a loop",
    "OPEN": "a file",
    "WRITE": "writing",
    "PRINT": "writing",
}


@dataclass(frozen=True, slots=True)
class Assignment:
    """``name`` gets the value of ``expression``."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Branch:
    """Arms of an IF: a condition (None for ELSE) and what it does."""

    arms: tuple[tuple[Expression | None, tuple["Assignment | Branch", ...]], ...]


type Statement = Assignment | Branch


def read_code(text: str, where: str) -> tuple[Statement, ...]:
    """Statements of one record's code.

    Raises
    ------
    ModelError
        Naming the record and the statement that cannot be read.
    """
    lines = list(_lines(text, where))
    statements, rest = _statements(lines, 0, where)
    if rest < len(lines):
        raise ModelError(f"{where}: {lines[rest]!r} has no IF")
    return statements


def settle(
    statements: Sequence[Statement], where: str, known: Mapping[str, Expression] | None = None
) -> dict[str, Expression]:  # fmt: skip
    """Last value of each name that is assigned, in the names that are assigned once and those that never are.

    Earlier values of a name that is assigned again are put where they were used; a name an IF may leave unassigned is
    0 before, as in NONMEM. ``known`` replaces names, such as flags whose value is fixed.
    """
    times: dict[str, int] = {}
    for statement in statements:
        for name in _targets(statement):
            times[name] = times.get(name, 0) + 1
    current = dict(known or {})
    settled: dict[str, Expression] = {}
    for statement in statements:
        for name, value in _effect(statement, current).items():
            if early := sorted(one for one in value.names if times.get(one) and one not in current):
                raise ModelError(f"{where}: {name} uses {early[0]} before it is assigned, its value of the last record")
            times[name] -= 1
            if times[name]:
                current[name] = value
            else:
                current[name], settled[name] = Name(name), value
    return settled


def expression(text: str, where: str) -> Expression:
    """Expression of NM-TRAN's arithmetic."""
    words = []
    place, text = 0, text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ModelError(f"{where}: {text!r}: {text[place:].strip()[:10]!r} is not understood")
        words.append(_word(match))
        place = match.end()
    return parse(_call(words, where, text), where)


def fold(condition: Expression) -> bool | None:
    """Whether a condition holds, when it is made of numbers alone."""
    return None if condition.names else bool(evaluate(condition, {}, ARRAYS))


def _lines(text: str, where: str) -> Iterator[str]:
    joined = ""
    for raw in text.splitlines():
        line = raw.split(";", 1)[0].strip().upper()
        if line.startswith('"'):
            raise ModelError(f"{where}: verbatim code ({raw.strip()[:40]!r}) cannot be read")
        if line.endswith("&"):
            joined += line[:-1] + " "
            continue
        if joined or line:
            yield (joined + line).strip()
        joined = ""
    if joined:
        yield joined.strip()


def _statements(lines: list[str], place: int, where: str) -> tuple[tuple[Statement, ...], int]:
    """Statements up to the end of the block, and the line after the last."""
    found: list[Statement] = []
    while place < len(lines):
        line = lines[place]
        if re.fullmatch(r"END\s*IF", line) or line == "ELSE" or _ELSE_IF.match(line):
            break
        if match := _IF.match(line):
            statement, place = _if(lines, place, match.end(), where)
            found += [statement] if statement is not None else []
            continue
        found += [one for one in [_simple(line, where)] if one is not None]
        place += 1
    return tuple(found), place


def _if(lines: list[str], place: int, start: int, where: str) -> tuple[Branch | None, int]:
    """IF ... THEN with all its arms, or the IF of one line."""
    condition: Expression | None
    condition, rest = _condition(lines[place], start, where)
    if rest != "THEN":
        single = _simple(rest, where)
        return (Branch(((condition, (single,)),)) if single is not None else None), place + 1
    arms: list[tuple[Expression | None, tuple[Statement, ...]]] = []
    opened = lines[place]
    while True:
        body, place = _statements(lines, place + 1, where)
        arms.append((condition, body))
        if place >= len(lines):
            raise ModelError(f"{where}: {opened!r} has no ENDIF")
        line = lines[place]
        if match := _ELSE_IF.match(line):
            condition, rest = _condition(line, match.end(), where)
            if rest != "THEN":
                raise ModelError(f"{where}: {line!r}: THEN is wanted")
        elif line == "ELSE" and condition is not None:
            condition = None
        elif re.fullmatch(r"END\s*IF", line):
            return Branch(tuple(arms)), place + 1
        else:
            raise ModelError(f"{where}: {line!r} after ELSE")


def _condition(line: str, start: int, where: str) -> tuple[Expression, str]:
    """Condition in brackets and what comes after it."""
    depth = 0
    for place in range(start, len(line)):
        depth += {"(": 1, ")": -1}.get(line[place], 0)
        if depth == 0:
            found = expression(line[start + 1 : place], where)
            if not found.is_condition:
                raise ModelError(f"{where}: {line!r}: a condition is wanted")
            return found, line[place + 1 :].strip()
    raise ModelError(f"{where}: {line!r}: a bracket is not closed")


def _simple(line: str, where: str) -> Assignment | None:
    if _IGNORED.fullmatch(line):
        return None
    match = _TARGET.fullmatch(line)
    if match is None:
        word = re.match(r"[A-Z]*", line)
        called = _REFUSED.get(word[0] if word else "", "what it says")
        raise ModelError(f"{where}: {line!r}: {called} cannot be read")
    name, index, value = match.groups()
    if "__" in name or (index and name not in INDEXED):
        raise ModelError(f"{where}: {line!r}: {name} cannot be read")
    found = expression(value, where)
    if found.is_condition:
        raise ModelError(f"{where}: {line!r}: a number is wanted")
    return Assignment(f"{name}__{index}" if index else name, found)


def _word(match: re.Match[str]) -> tuple[str, str]:
    """Kind of a token and its text in our notation."""
    kind = match.lastgroup or ""
    text = match[kind]
    if kind == "number":
        return kind, text.replace("D", "E").lower()
    return ("symbol", _OPERATORS.get(text, text)) if kind in ("dotted", "symbol") else (kind, text)


def _call(words: list[tuple[str, str]], where: str, text: str) -> str:
    """Join tokens to Python's notation; ``THETA ( 1 )`` becomes one name."""
    result, place = [], 0
    while place < len(words):
        kind, word = words[place]
        opened = place + 1 < len(words) and words[place + 1] == ("symbol", "(")
        base = {"ERR": "EPS"}.get(word, word)
        if kind == "name" and opened and base in INDEXED:
            inner = words[place + 2 : place + 4]
            if len(inner) < 2 or inner[1] != ("symbol", ")") or inner[0][0] not in ("number", "name"):
                raise ModelError(f"{where}: {text!r}: {word} wants a number in brackets")
            result.append(f"{base}__{inner[0][1].upper()}")
            place += 4
            continue
        if kind == "name" and opened:
            if word not in _FUNCTIONS:
                raise ModelError(f"{where}: {text!r}: {word}() cannot be read")
            word = _FUNCTIONS[word]
        result.append(word)
        place += 1
    return "".join(result)


def _targets(statement: Statement) -> set[str]:
    if isinstance(statement, Assignment):
        return {statement.name}
    return {name for _, body in statement.arms for one in body for name in _targets(one)}


def _effect(statement: Statement, current: Mapping[str, Expression]) -> dict[str, Expression]:
    """Value of each name after a statement, given those before it."""
    if isinstance(statement, Assignment):
        return {statement.name: substitute(statement.expression, current)}
    return _choice(statement.arms, current)


def _choice(
    arms: Sequence[tuple[Expression | None, tuple[Statement, ...]]], current: Mapping[str, Expression]
) -> dict[str, Expression]:  # fmt: skip
    """Value of each name the arms assign: the first arm's whose condition holds, else what it was."""
    if not arms:
        return {}
    condition, body = arms[0]
    taken = _run(body, current)
    if condition is None:
        return taken
    holds = substitute(condition, current)
    decided = fold(holds)
    if decided is True:
        return taken
    others = _choice(arms[1:], current)
    if decided is False:
        return others
    names = dict.fromkeys([*taken, *others])
    before = {name: current.get(name, Number(0.0)) for name in names}
    return {name: choose(holds, taken.get(name, before[name]), others.get(name, before[name])) for name in names}


def _run(body: Sequence[Statement], current: Mapping[str, Expression]) -> dict[str, Expression]:
    """Values a block leaves behind."""
    here, changed = dict(current), dict[str, Expression]()
    for statement in body:
        changed |= _effect(statement, here)
        here |= changed
    return changed
