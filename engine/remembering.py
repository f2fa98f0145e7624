"""Remembering what follows from an object that does not change, for as long as the object lives."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary


def remembered[One, *More, Found](function: Callable[[One, *More], Found]) -> Callable[[One, *More], Found]:
    """Compute each result of a function once for each object it is given first, by identity, and its other arguments.

    The object must not change, equal nothing but itself, and allow weak references; what is found from it must not hold
    it. The other arguments are hashable. Threads that ask at once may both compute.
    """
    kept: WeakKeyDictionary[Any, dict[Any, Found]] = WeakKeyDictionary()

    @wraps(function)
    def remember(one: One, *more: *More) -> Found:
        own = kept.get(one)
        if own is None:
            own = kept.setdefault(one, {})
        if more not in own:
            own[more] = function(one, *more)
        return own[more]

    return remember
