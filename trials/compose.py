"""From YAML to a trial: Hydra composes the configuration here, `trials.build` makes the objects.

No other module than this and the command line knows Hydra; nothing below it sees anything but plain mappings.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trials.errors import TrialError

if TYPE_CHECKING:
    from trials.protocol import Trial

OPTIONS = """  field=value         any field that `--cfg job` shows, by its dotted path: design.n=36
  -m                  one run for each of several values: design.n=24,36
  --cfg job           show the configuration, run nothing
  --config-dir DIR    add models, populations, trials ... of your own"""


def load(name: str | Path, overrides: Sequence[str] = (), *, config_dir: str | Path | None = None) -> Trial:
    """Load a trial by name, with its configuration changed where `overrides` say so.

    Parameters
    ----------
    name
        Name of a trial in ``conf/trial`` (or in ``config_dir/trial``), or the path of a resolved configuration such as
        the ``config.yaml`` of a run folder.
    overrides
        Changes as on the command line: ``["design.n=24", "cluster=serial"]``.
    config_dir
        A folder with configuration groups of your own (``model/``, ``population/``, ``trial/``, ...).

    Raises
    ------
    TrialError
        When there is no such trial or field, or when the protocol does not fit together.
    """
    from trials.build import build

    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return build(reread(path, overrides), [path.parent])
    config = composed("config", [f"trial={name}", *overrides], config_dir)
    return build(config, [Path(config_dir)] if config_dir else [])


def conf_dir() -> Path:
    """Folder of the configuration: ``conf`` beside the packages, or ``trials/_conf`` in an installed wheel."""
    here = Path(__file__).resolve().parent
    return next(path for path in (here.parent / "conf", here / "_conf") if path.is_dir())


def composed(root: str, overrides: Sequence[str], config_dir: str | Path | None = None) -> dict[str, Any]:
    """Compose and resolve a root configuration (``config``, ``whatif``) outside of Hydra's own command line."""
    search = [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"] if config_dir else []
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
            return plain(hydra_compose(root, overrides=[*search, *map(understood, overrides)]))
    except (HydraException, OmegaConfBaseException) as error:
        raise TrialError(_told(error)) from None


def plain(config: DictConfig) -> dict[str, Any]:
    """Resolve a configuration to plain mappings, lists, numbers and text."""
    try:
        resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise TrialError(_told(error)) from None
    assert isinstance(resolved, dict), "the root of a configuration is a mapping"
    resolved.pop("hydra", None)
    return {str(key): value for key, value in resolved.items()}


def reread(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a resolved configuration; `overrides` change fields it has, or name a file of one of its groups."""
    try:
        config = OmegaConf.load(path)
    except OSError as error:
        raise TrialError(f"cannot read {path}: {error.strerror}") from None
    assert isinstance(config, DictConfig), "a configuration is a mapping"
    OmegaConf.set_struct(config, True)
    for text in overrides:
        key, _, value = text.partition("=")
        group = conf_dir() / key / f"{value}.yaml"
        try:
            if group.is_file():
                OmegaConf.update(config, key, OmegaConf.load(group), merge=False)
            else:
                config.merge_with_dotlist([text])
        except OmegaConfBaseException as error:
            raise TrialError(_told(error)) from None
    return plain(config)


def overridden() -> tuple[str, ...]:
    """Overrides that the command now at work was given, as Hydra understood them; none outside of a command."""
    return tuple(HydraConfig.get().overrides.task) if HydraConfig.initialized() else ()


def understood(override: str) -> str:
    """Write an override as Hydra understands it: a regimen's commas are no sweep, and ``data=null`` is ``~data``."""
    key, sign, value = override.partition("=")
    if override == "data=null":
        return "~data"
    if not sign or key.split(".")[-1] != "regimen" or value[:1] in ("'", '"', "$"):
        return override
    return f"{key}='{value}'" if "'" not in value else f'{key}="{value}"'


def command_line(
    program: str, root: str, arguments: Sequence[str], job: Callable[[Mapping[str, Any], list[Path]], int]
) -> int:
    """Give the arguments to Hydra, which calls `job` with each resolved configuration; returns the exit code.

    Parameters
    ----------
    program
        Name shown in messages.
    root
        Root configuration, ``config`` or ``whatif``.
    arguments
        Overrides and Hydra's own options: ``-m``, ``--cfg job``, ``--config-dir DIR``, ``--help``.
    job
        Takes the configuration and the folders it was put together from; an error that it raises ends everything.
    """
    if {"-h", "--help"} & set(arguments):
        print(usage(program, root))
        return 0
    raised: list[BaseException] = []
    codes: list[int] = []

    def task(config: DictConfig) -> None:
        sources = HydraConfig.get().runtime.config_sources
        folders = [Path(source.path) for source in sources if source.schema == "file"]
        try:
            codes.append(job(plain(config), folders))
        except BaseException as error:  # Hydra would print a trace of it; the command line says one sentence
            raised.append(error)
            raise SystemExit(1) from None

    task.__module__ = __name__
    overrides = [word for word in arguments if word.startswith("~") or ("=" in word and not word.startswith("-"))]
    options = [word for word in arguments if word not in overrides]  # Hydra wants all overrides in one row
    before, sys.argv = sys.argv, [program, *options, *map(understood, overrides)]
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=root)(task)()
    except SystemExit as stop:
        if raised:
            raise raised[0] from None
        return stop.code if isinstance(stop.code, int) else 0
    finally:
        sys.argv = before
    return max(codes, default=0)


def usage(program: str, root: str) -> str:
    """Write what may follow a command: the head of its configuration, its groups and the options."""
    text = (conf_dir() / f"{root}.yaml").read_text(encoding="utf-8")
    about = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    known = re.findall(r"^  - (\w+): ", text, re.M)
    groups = {group: sorted(path.stem for path in (conf_dir() / group).glob("*.yaml")) for group in known}
    rows = [f"  {group}={' | '.join(names)}" for group, names in groups.items()]
    head = f"usage: {program} [group=name ...] [field=value ...] [options]"
    return "\n".join([head, "", *about, "", *rows, "", OPTIONS])


def _told(error: Exception) -> str:
    text = str(error) or str(error.__cause__)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(line for line in lines if not line.startswith(("object_type", "reference_type")))
