"""``trialtwin run trial=NAME``: run a virtual clinical trial."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.compose import command_line, overridden, reread

if TYPE_CHECKING:
    from trials.protocol import Result
    from trials.running import Progress


def main(arguments: list[str]) -> int:
    """Run what the command line, or a resolved configuration such as ``runs/.../config.yaml``, describes."""
    if arguments and Path(arguments[0]).suffix in (".yaml", ".yml"):
        path = Path(arguments[0])
        return job(reread(path, arguments[1:]), [path.parent], arguments[1:])
    return command_line("trialtwin run", "config", arguments, job)


def job(config: Mapping[str, Any], folders: list[Path], overrides: Sequence[str] | None = None) -> int:
    """Run one resolved configuration; its audit log names the overrides, None being those Hydra was given."""
    from rich.console import Console

    from trials.build import build
    from trials.making import make
    from trials.protocol import WHERE
    from trials.running import run
    from trials.trust.audit import Attribution

    console = Console()
    trial = build(config, folders)
    executor, tracker = make("cluster", config["cluster"]), make("tracking", config["tracking"])
    given = [
        placeless(one)
        for one in (overridden() if overrides is None else overrides)
        if not one.lstrip("+~").startswith(WHERE)
    ]
    by = Attribution(reason=os.environ.get("TRIALTWIN_REASON", ""), overrides=tuple(given))
    with shown(console) as progress:
        result = run(trial, executor=executor, tracker=tracker, progress=progress, by=by)
    show(console, result)
    return 0


def placeless(override: str) -> str:
    """Return an override with the name alone of a file that it gives by an absolute path, as a log may be handed on."""
    field, equals, value = override.partition("=")
    path = Path(value.strip("'\""))
    return f"{field}={path.name}" if equals and path.is_absolute() else override


@contextmanager
def shown(console: Any) -> Iterator[Progress]:
    """Progress bars with the time left, one for each thing being done."""
    from rich import progress as rich

    clocks = (rich.TimeElapsedColumn(), rich.TextColumn("left"), rich.TimeRemainingColumn())
    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), rich.MofNCompleteColumn(), *clocks)
    bars: dict[str, Any] = {}
    with rich.Progress(*columns, console=console) as display:

        def progress(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = display.add_task(what, total=total)
            display.update(bars[what], completed=done, total=total)

        yield progress


def show(console: Any, result: Result) -> None:
    """Print the operating characteristics and where everything is."""
    from trials import table
    from trials.operating import characteristics
    from trials.rules.scoring import score

    found = characteristics(result)
    told = ["", table.characteristics_table(result, found), *table.failures(found), ""]
    more = (
        table.stopping_table(found),
        table.families_table(result.trial.families, found),
        table.rules_table(score(result)),
        table.published_table(result),
    )
    told += [f"{each}\n" for each in more if each]
    if result.folder is not None:
        told += [f"run folder: {result.folder}", f"report:     {result.folder / 'report.html'}"]
    console.print("\n".join(told), highlight=False, markup=False, soft_wrap=True)
