"""What is wrong with a configuration, and how its keys are written: `virtual_service.web.real_servers[1].weight`."""

import re
from dataclasses import dataclass

Path = tuple[str | int, ...]  # keys and array indices, from the top of the merged document

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One error with its place.

    `file` is the name within the directory; it is empty where the directory itself is wrong.
    `line` and `column` count from 1 and count characters, as tomllib does.
    """

    file: str
    line: int
    column: int
    key: str  # as TOML would write it; empty for a syntax error
    message: str  # what is wrong, what would be right

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.file else ""
        return f"{place}{self.key}: {self.message}" if self.key else place + self.message


@dataclass(frozen=True, slots=True)
class Found:
    """An error before its place is known: finding places costs a scan of the text, which only an error pays."""

    path: Path
    message: str
    file: str = ""  # empty: the file that holds the longest part of the path


def quote(text: str) -> str:
    """The text as a TOML basic string: nothing in it can move a terminal's cursor."""
    return '"' + "".join(_escape(character) for character in text) + '"'


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def show(path: Path) -> str:
    """The path as an operator would write it; keys that are not bare are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else quote(part))
    return text
