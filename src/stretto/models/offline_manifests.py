"""Reads what a repository depends on out of its manifests, each by its own format."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from posixpath import basename
from typing import Any

from stretto.models.offline_json import fields_of, items_of

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?)\s*(.*?)\s*(?:;.*)?$")
_GEM = re.compile(r"^\s*gem\s+['\"]([^'\"]+)['\"](?:\s*,\s*['\"]([^'\"]+)['\"])?", re.MULTILINE)
_GO = re.compile(r"^\s*(?:require\s+)?([\w.-]+\.[\w./-]+)\s+(v[\w.+-]+)(\s*//\s*indirect)?\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Dependency:
    """What a manifest names: ``group`` is empty for what the program itself needs, else ``dev`` or a name."""

    name: str
    version: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says: ``name`` and ``version`` of the project, its commands, what it depends on."""

    name: str = ""
    version: str = ""
    dependencies: tuple[Dependency, ...] = ()
    commands: tuple[str, ...] = ()


def read_manifest(path: str, text: str) -> Manifest | None:
    """Returns what a manifest says, or None when it is of no known format or not well-formed."""
    reader = _BY_NAME.get(basename(path))
    if reader is None:
        return None
    try:
        return reader(text)
    except (ValueError, KeyError, TypeError, AttributeError, configparser.Error):
        return None


def _requirement(line: object, group: str = "") -> Dependency | None:
    text = str(line).split(" #")[0].strip()
    found = _REQUIREMENT.match(text)
    if found is None or text.startswith(("#", "-")):
        return None
    return Dependency(found[1], found[2].strip(), group)


def _requirements(lines: object, group: str = "") -> tuple[Dependency, ...]:
    return tuple(
        found for line in items_of(lines) if isinstance(line, str) and (found := _requirement(line, group)) is not None
    )


def _table(value: object, group: str = "") -> tuple[Dependency, ...]:
    return tuple(Dependency(name, _version(given), group) for name, given in fields_of(value).items())


def _version(given: Any) -> str:
    return str(fields_of(given).get("version", "") if isinstance(given, dict) else given)


def _pyproject(text: str) -> Manifest:
    read = tomllib.loads(text)
    project, poetry = fields_of(read.get("project")), fields_of(fields_of(read.get("tool")).get("poetry"))
    found = _requirements(project.get("dependencies"))
    for groups in (fields_of(project.get("optional-dependencies")), fields_of(read.get("dependency-groups"))):
        for group, lines in groups.items():
            found += _requirements(lines, group)
    found += tuple(needed for needed in _table(poetry.get("dependencies")) if needed.name != "python")
    found += _table(poetry.get("dev-dependencies"), "dev")
    for group, table in fields_of(poetry.get("group")).items():
        found += _table(fields_of(table).get("dependencies"), group)
    named = project or poetry
    return Manifest(
        str(named.get("name", "")), str(named.get("version", "")), found, tuple(fields_of(project.get("scripts")))
    )


def _requirements_file(text: str) -> Manifest:
    return Manifest(dependencies=_requirements(text.splitlines()))


def _setup_cfg(text: str) -> Manifest:
    read = configparser.ConfigParser(interpolation=None)
    read.read_string(text)
    needed = read.get("options", "install_requires", fallback="").splitlines()
    name, version = (read.get("metadata", key, fallback="") for key in ("name", "version"))
    return Manifest(name, version, _requirements([line for line in needed if line.strip()]))


def _package_json(text: str) -> Manifest:
    read = fields_of(json.loads(text))
    found = _table(read.get("dependencies"))
    for key, group in (("devDependencies", "dev"), ("peerDependencies", "peer"), ("optionalDependencies", "optional")):
        found += _table(read.get(key), group)
    commands = read.get("bin")
    names = tuple(fields_of(commands)) or ((str(read.get("name", "")),) if isinstance(commands, str) else ())
    return Manifest(str(read.get("name", "")), str(read.get("version", "")), found, names)


def _cargo(text: str) -> Manifest:
    read = tomllib.loads(text)
    package = fields_of(read.get("package"))
    found = _table(read.get("dependencies")) + _table(read.get("dev-dependencies"), "dev")
    found += _table(read.get("build-dependencies"), "build")
    return Manifest(str(package.get("name", "")), _version(package.get("version", "")), found)


def _go_mod(text: str) -> Manifest:
    module = re.search(r"^module\s+(\S+)", text, re.MULTILINE)
    found = tuple(Dependency(name, version, "indirect" if more else "") for name, version, more in _GO.findall(text))
    return Manifest(module[1] if module is not None else "", dependencies=found)


def _gemfile(text: str) -> Manifest:
    return Manifest(dependencies=tuple(Dependency(name, version) for name, version in _GEM.findall(text)))


def _pipfile(text: str) -> Manifest:
    read = tomllib.loads(text)
    return Manifest(dependencies=_table(read.get("packages")) + _table(read.get("dev-packages"), "dev"))


def _composer(text: str) -> Manifest:
    read = fields_of(json.loads(text))
    found = _table(read.get("require")) + _table(read.get("require-dev"), "dev")
    return Manifest(str(read.get("name", "")), str(read.get("version", "")), found)


_BY_NAME: dict[str, Callable[[str], Manifest]] = {
    "pyproject.toml": _pyproject, "requirements.txt": _requirements_file, "requirements-dev.txt": _requirements_file,
    "setup.cfg": _setup_cfg, "Pipfile": _pipfile, "package.json": _package_json, "Cargo.toml": _cargo,
    "go.mod": _go_mod, "Gemfile": _gemfile, "composer.json": _composer,
}  # fmt: skip
