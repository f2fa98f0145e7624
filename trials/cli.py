"""The command line, ``trialtwin COMMAND``: one module of `trials.commands` a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from trials.errors import TOLD, Interrupted
from trials.stopping import Stop, stoppable

COMMANDS = {
    "run": "run a virtual clinical trial: run trial=NAME [key=value ...] [-m]",
    "whatif": "show a typical patient under a regimen: whatif model=NAME 'regimen=100 mg into depot'",
    "twin": "a patient's digital twin from a FHIR bundle: twin bundle=FILE model=NAME population=NAME fhir=NAME",
    "list": "list what there is: list models | populations | trials",
    "import": "read a NONMEM control stream or SBML into our text: import FILE --out MODEL.yaml",
    "export": "write a model for another program: export MODEL --to mrgsolve | rxode2 | sbml | latex",
    "compare": "designs side by side, with their differences: compare RUN RUN ...",
    "score": "score decision rules on the trials of a run: score RUN RULES.yaml",
    "tell": "tell the story of a virtual patient of a run: tell RUN --subject NUMBER [--scenario NAME]",
    "package": "package a run as evidence: package RUN --out DIR",
    "verify": "verify such a package: verify DIR [--rerun N]",
    "sign": "sign such a package, or make a key: sign DIR --key FILE --name NAME --role ROLE --meaning MEANING",
    "check": "check that a run folder is what its run left: check RUN",
}

MODULES = {"import": "importing"}
"""Modules of commands whose name is a word of Python."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    Exit code: 0 done, 1 or 2 refused (with one message on stderr), 130 stopped by Ctrl-C, 143 by SIGTERM.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0 if words else 2
    if words[0] == "--version":
        from importlib.metadata import version

        print(version("trialtwin"))
        return 0
    if words[0] not in COMMANDS:
        print(f"trialtwin: there is no command {words[0]!r}\n{usage()}", file=sys.stderr)
        return 2
    return told(words[0], words[1:])


def told(command: str, arguments: list[str]) -> int:
    """Run a command and turn what a user can mend into one message."""
    with stoppable() as stop:
        try:
            code: int = import_module(f"trials.commands.{MODULES.get(command, command)}").main(arguments)
        except (Interrupted, KeyboardInterrupt) as stopped:
            return _stopped(command, str(stopped) or "stopped", stop)
        except BrokenPipeError:  # whoever read the output, `head` say, has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except TOLD as error:
            print(f"trialtwin {command}: {error}", file=sys.stderr)
            return 2
        except Exception:
            if not stop.asked:
                raise
            return _stopped(command, "stopped", stop)  # amid an import, which failed of it
    return code


def _stopped(command: str, what: str, stop: Stop) -> int:
    print(f"\ntrialtwin {command}: {what}", file=sys.stderr)
    return stop.code


def usage() -> str:
    """Write what the commands are."""
    rows = "\n".join(f"  {name:<8} {what}" for name, what in COMMANDS.items())
    return f"usage: trialtwin COMMAND [arguments]\n\n{rows}\n\n`trialtwin COMMAND --help` says more."


if __name__ == "__main__":
    sys.exit(main())
