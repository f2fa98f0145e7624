"""From YAML to a trial: Hydra composes the configuration here, `trials.build` makes the objects.

No other module than this and the command line knows Hydra; nothing below it sees anything but plain mappings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trials.errors import TrialError

if TYPE_CHECKING:
    from trials.protocol import Trial


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
            return plain(hydra_compose(root, overrides=[*search, *map(quoted, overrides)]))
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


def quoted(override: str) -> str:
    """Put quotes around a regimen, whose commas and semicolons mean something else to Hydra."""
    key, sign, value = override.partition("=")
    if not sign or key.split(".")[-1] != "regimen" or value[:1] in ("'", '"', "$"):
        return override
    return f"{key}='{value}'" if "'" not in value else f'{key}="{value}"'


def _told(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(line for line in lines if not line.startswith(("full_key", "object_type", "reference_type")))
