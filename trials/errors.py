"""What can be wrong with a trial, told in one sentence."""


class TrialError(ValueError):
    """A trial that cannot be run as written: names the field, what it got and what it wanted."""


class Interrupted(Exception):  # noqa: N818 - it is no error: the person stopped the run and can continue it
    """A run the user stopped; the message says how to continue it."""
