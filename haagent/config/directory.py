"""haagent.conf.d/*.toml as one document: in byte order of the names, tables merged by key, nothing set twice."""

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from haagent.config.error import ConfigError, Found, Path, show
from haagent.config.positions import Positions, index

_DEEPEST_MERGE = 6  # kind, name, key, director, and what a sorry server has: deeper tables are not ours
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")  # tomllib's words for the place


@dataclass(frozen=True, slots=True)
class Source:
    """One file that is valid TOML."""

    file: str
    text: str
    document: dict[str, Any]


def read(directory: FilePath) -> tuple[list[Source], list[ConfigError]]:
    """Every file of the directory, and what could not be read. Hidden files (an editor's locks) are not ours."""
    try:
        names = sorted((name for name in os.listdir(directory) if _is_ours(name)), key=os.fsencode)
    except OSError as error:
        return [], [ConfigError("", 0, 0, "", f"{directory}: cannot be read as a directory: {error.strerror}")]
    if not names:
        return [], [ConfigError("", 0, 0, "", f"{directory}: no *.toml file in it")]
    sources: list[Source] = []
    errors: list[ConfigError] = []
    for name in names:
        match _read_file(directory / name):
            case Source() as source:
                sources.append(source)
            case ConfigError() as wrong:
                errors.append(wrong)
    return sources, errors


def _is_ours(name: str) -> bool:
    return name.endswith(".toml") and not name.startswith(".")


def _read_file(path: FilePath) -> Source | ConfigError:
    file = os.fsencode(path.name).decode(errors="backslashreplace")
    try:
        if not path.is_file() and path.exists():  # a pipe would make us wait for a writer
            return ConfigError(file, 1, 1, "", "not a regular file")
        octets = path.read_bytes()
    except OSError as error:
        return ConfigError(file, 1, 1, "", f"cannot be read: {error.strerror}")
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        line, column = _end(octets[: error.start].decode())
        return ConfigError(file, line, column, "", "not UTF-8; save the file in that encoding")
    try:
        return Source(file, text, tomllib.loads(text))
    except RecursionError:
        return ConfigError(file, 1, 1, "", "not valid TOML: nested too deeply")
    except ValueError as error:  # TOMLDecodeError, and int() of thousands of digits, which has no place
        return _syntax_error(file, text, str(error))


def _syntax_error(file: str, text: str, message: str) -> ConfigError:
    where = _WHERE.search(message)
    if where is None:
        return ConfigError(file, 1, 1, "", f"not valid TOML: {message}")
    line, column = (int(where[1]), int(where[2])) if where[1] else _end(text)
    return ConfigError(file, line, column, "", f"not valid TOML: {message[: where.start()]}")


def _end(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def merge(sources: list[Source]) -> tuple[dict[str, Any], list[Found]]:
    """One document of all files. What an earlier file set stands; the later setting is an error."""
    document: dict[str, Any] = {}
    found: list[Found] = []
    for source in sources:
        _merge_table(document, source.document, (), source.file, found)
    return document, found


def _merge_table(into: dict[str, Any], table: dict[str, Any], path: Path, file: str, found: list[Found]) -> None:
    for key, value in table.items():
        held = into.get(key)
        if key not in into:
            # A table is copied, so that a later file is not merged into the source that positions are read from.
            into[key] = _copied(value, len(path) + 1) if isinstance(value, dict) else value
        elif isinstance(held, dict) and isinstance(value, dict) and len(path) < _DEEPEST_MERGE:
            _merge_table(held, value, (*path, key), file, found)
        else:
            found.append(Found((*path, key), "set twice", file))


def _copied(table: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > _DEEPEST_MERGE:
        return table
    return {key: _copied(value, depth + 1) if isinstance(value, dict) else value for key, value in table.items()}


class Places:
    """Finds where the errors are. A file's text is scanned once, at its first error."""

    def __init__(self, sources: list[Source]) -> None:
        self._sources = sources
        self._positions: dict[str, Positions] = {}

    def error(self, found: Found) -> ConfigError:
        source = self._source(found)
        line, column = self._place(source, found.path)
        message = found.message
        if found.file:  # set twice: the other place is in the first file that has it
            first = next(each for each in self._sources if _depth(each.document, found.path) == len(found.path))
            message += "; first at {}:{}:{}".format(first.file, *self._place(first, found.path))
        return ConfigError(source.file, line, column, show(found.path), message)

    def _source(self, found: Found) -> Source:
        if found.file:
            return next(source for source in self._sources if source.file == found.file)
        return max(self._sources, key=lambda source: _depth(source.document, found.path))  # the first of equals

    def _place(self, source: Source, path: Path) -> tuple[int, int]:
        if source.file not in self._positions:
            self._positions[source.file] = index(source.text)
        return self._positions[source.file].place(path)


def _depth(value: object, path: Path) -> int:
    """How many parts of the path the document has."""
    for depth, part in enumerate(path):
        match value, part:
            case dict(), str() if part in value:
                value = value[part]
            case list(), int() if part < len(value):
                value = value[part]
            case _:
                return depth
    return len(path)
