"""House rules that a machine can hold: what is committed, locked, shipped, documented and configured agrees."""

import ast
import hashlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

HOME = Path(__file__).resolve().parents[1]
PACKAGES = ("engine", "cohorts", "trials")
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements-build.lock", "requirements.lock", "requirements-dev.lock")
TEXT = {".py", ".yaml", ".yml", ".md", ".toml", ".cff", ".csv", ".json", ".ipynb", ".lock", ".j2", ".svg", ""}
SKIPPED = {".git", ".venv", "runs", "multirun", "dist", "build", "mlruns", "__pycache__", ".hypothesis"}


@cache
def committed() -> tuple[Path, ...]:
    """Files under version control or about to be; without git, every file that is not a tool's."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return tuple(path for name in listed.stdout.splitlines() if (path := HOME / name).is_file())
    return tuple(
        path for path in HOME.rglob("*") if path.is_file() and not SKIPPED.intersection(path.relative_to(HOME).parts)
    )


def name(path: Path) -> str:
    return path.relative_to(HOME).as_posix()


def texts() -> Iterator[tuple[str, str]]:
    for path in committed():
        if path.suffix in TEXT:
            yield name(path), path.read_text(encoding="utf-8")


def sources() -> list[Path]:
    return [path for path in committed() if path.suffix == ".py" and name(path).split("/")[0] in PACKAGES]


# ---- what is not committed
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.$~{}-])/(?:work|root|farm|home|Users)/",
    "a package index's host": r"(?:py" + r"pi\.org|python" + r"hosted|npm" + r"js|(?<!code\.)deb" + r"ian\.org)",
    "an unfinished thought": r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_committed_file_holds(what):
    found = [
        f"{where}:{number}: {line.strip()[:100]}"
        for where, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(FORBIDDEN[what], line)
    ]
    assert not found, f"{what} in\n" + "\n".join(found)


def test_no_large_file():
    heavy = {name(path): path.stat().st_size for path in committed() if path.stat().st_size > 2_000_000}
    assert not heavy


# ---- lock and ship
def locked(lock: str) -> dict[str, Version]:
    text = (HOME / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    rows = [row for row in text.splitlines() if row.strip() and not row.startswith("#")]
    assert all(re.fullmatch(r"\S+==\S+( ; [^-]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", row.strip()) for row in rows), lock
    pinned = [Requirement(row.split("--hash")[0]) for row in rows]
    return {canonicalize_name(one.name): Version(str(one.specifier).removeprefix("==")) for one in pinned}


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements-build.lock", PROJECT["dependency-groups"]["build"] + PROJECT["build-system"]["requires"]),
        ("requirements.lock", PROJECT["project"]["dependencies"]),
        ("requirements-dev.lock", PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]),
    ],
)
def test_lock_serves_what_the_project_asks_for(lock, wanted):
    pinned = locked(lock)
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in {lock}: make lock"
        assert requirement.specifier.contains(version), f"{requirement} but {lock} has {version}: make lock"


def test_locks_agree():
    build, run, dev = map(locked, LOCKS)
    assert run.items() <= dev.items()
    assert all(dev.get(package, version) == version for package, version in build.items())


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def test_every_import_is_declared():
    distributions = {
        "cyclonedx": "cyclonedx-python-lib",
        "yaml": "pyyaml",
        "hydra": "hydra-core",
        "sklearn": "scikit-learn",
        "docx": "python-docx",
    }
    declared = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["dependencies"]}
    known = declared | set(sys.stdlib_module_names) | set(PACKAGES)
    missing = {
        f"{name(path)}: {module}"
        for path in sources()
        for module in imported(path)
        if distributions.get(module, module) not in known
    }
    assert not missing


def test_one_version_everywhere():
    version = PROJECT["project"]["version"]
    citation = yaml.safe_load((HOME / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version
    assert citation["license"] == PROJECT["project"]["license"]
    newest = re.search(r"^## (\S+)", (HOME / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert newest is not None
    assert newest[1] == version


def test_packages_are_typed_and_whole():
    folders = {path.parent for path in sources()}
    assert [name(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
    assert all((HOME / package / "py.typed").is_file() for package in PACKAGES)


# ---- size
def test_files_and_functions_stay_small():
    large = []
    for path in sources():
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 400:
            large.append(f"{name(path)}: {text.count(chr(10))} lines, at most 400")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
                positional = [a.arg for a in node.args.posonlyargs + node.args.args if a.arg not in ("self", "cls")]
                if lines > 50 or len(positional) > 6:
                    large.append(f"{name(path)}:{node.lineno} {node.name}: {lines} lines, {len(positional)} parameters")
    assert not large


# ---- configuration
class OneKey(yaml.SafeLoader):
    """Safe loader that refuses a key written twice, which YAML lets pass."""


def _mapping(loader: OneKey, node: yaml.MappingNode) -> dict:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    assert len(keys) == len(set(keys)), f"{node.start_mark}: a key stands twice"
    return loader.construct_mapping(node, deep=True)


OneKey.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


@pytest.mark.parametrize("path", sorted((HOME / "conf").rglob("*.yaml")), ids=name)
def test_configuration_file_parses(path):
    loaded = yaml.load(path.read_text(encoding="utf-8"), OneKey)
    assert loaded is None or isinstance(loaded, dict)
    assert loaded, f"{name(path)} says nothing"


@pytest.mark.parametrize("path", sorted((HOME / "conf").rglob("*.csv")), ids=name)
def test_data_file_has_its_provenance(path):
    note = yaml.safe_load(path.with_suffix(".yaml").read_text(encoding="utf-8"))
    assert note["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert note["provenance"]["source"]
    assert note["provenance"]["licence"]


# ---- the way to start
def test_start_refuses_a_foreign_environment(tmp_path):
    (tmp_path / "start.py").write_bytes((HOME / "start.py").read_bytes())
    for lock in LOCKS:
        (tmp_path / lock).write_bytes((HOME / lock).read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((HOME / "pyproject.toml").read_bytes())
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "mine.txt").write_text("keep")
    done = subprocess.run([sys.executable, tmp_path / "start.py", "setup"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "was not made by start.py" in done.stderr
    assert (tmp_path / ".venv" / "mine.txt").read_text() == "keep"


def test_scripts_can_be_executed():
    assert os.access(HOME / ".ci" / "run", os.X_OK)
