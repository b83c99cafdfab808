"""Key path -> place in the file. tomllib keeps no positions, so this scans the text again, only to show an error.

Wants text that tomllib accepted; on any other text it stops where it no longer understands, and never raises.
Iterative, because the nesting of a document is its writer's choice.
"""

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass

from haagent.config.error import Path

_MOST_PARTS = 8  # nothing deeper is ever reported, and longer dotted keys would cost their square

_TRIVIA = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'  # up to two quotes may stand before the closing three
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_OTHER = re.compile(r"[^,\]}\n#]*")  # number, boolean, date and time


@dataclass(frozen=True, slots=True)
class Positions:
    """Where each key and each array element of a document starts, as offsets into the text."""

    offsets: dict[Path, int]
    line_starts: list[int]

    def place(self, path: Path) -> tuple[int, int]:
        """Line and column, from 1, of the path or of the longest part of it that the text has."""
        while path and path not in self.offsets:
            path = path[:-1]
        offset = self.offsets.get(path, 0)
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1


def index(text: str) -> Positions:
    """The places of everything in a TOML document."""
    text = text.replace("\r\n", "\n")  # as tomllib does
    scan = _Scan(text)
    scan.document()
    starts = [0] + [match.end() for match in re.finditer("\n", text)]
    return Positions(scan.offsets, starts)


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.offsets: dict[Path, int] = {}
        self.last_of: dict[Path, int] = {}  # array of tables -> index of its newest element

    def document(self) -> None:
        table: Path = ()
        while True:
            self._skip(_TRIVIA)
            start = self.at
            if self._take("[["):
                table = self._header(is_element=True)
                self._take("]]")
            elif self._take("["):
                table = self._header(is_element=False)
                self._take("]")
            else:
                path = self._key(table)
                self._skip(_BLANK)
                if self._take("="):
                    self._value(path)
            if self.at == start:  # the end, or nothing that we understand
                return

    def _header(self, *, is_element: bool) -> Path:
        parts = self._key_parts()
        path: Path = ()
        for number, (part, offset) in enumerate(parts, 1):
            path = self._record(path, part, offset)
            if is_element and number == len(parts):
                self.last_of[path] = self.last_of.get(path, -1) + 1
            if path in self.last_of:
                path = self._record(path, self.last_of[path], offset)
        return path

    def _key(self, table: Path) -> Path:
        for part, offset in self._key_parts():
            table = self._record(table, part, offset)
        return table

    def _record(self, table: Path, part: str | int, offset: int) -> Path:
        if len(table) >= _MOST_PARTS:
            return table
        path = (*table, part)
        self.offsets.setdefault(path, offset)  # the first mention is where a reader looks
        return path

    def _key_parts(self) -> list[tuple[str, int]]:
        """A dotted key from here: its parts with their offsets."""
        parts: list[tuple[str, int]] = []
        while True:
            self._skip(_BLANK)
            match = _BARE_KEY.match(self.text, self.at) or _STRING.match(self.text, self.at)
            if match is None:
                return parts
            parts.append((_unquoted(match.group()), self.at))
            self.at = match.end()
            self._skip(_BLANK)
            if not self._take("."):
                return parts

    def _value(self, path: Path) -> None:
        """The value from here, whatever is nested in it."""
        arrays_and_tables: list[
            tuple[Path, int]
        ] = []  # open ones: path, and the newest index or -1 for an inline table
        while True:
            self._skip(_TRIVIA)
            if self._take("["):
                arrays_and_tables.append((path, -1 if self._peek("]") else 0))
                if not self._peek("]"):
                    path = self._record(path, 0, self.at)
                    continue
            elif self._take("{"):
                arrays_and_tables.append((path, -1))
                if not self._peek("}"):
                    path = self._key(path)
                    if not self._take("="):
                        return
                    continue
            else:
                self._skip(_STRING if self.text[self.at : self.at + 1] in ('"', "'") else _OTHER)
            following = self._after_value(arrays_and_tables)
            if following is None:
                return
            path = following

    def _after_value(self, arrays_and_tables: list[tuple[Path, int]]) -> Path | None:
        """Closes what ends here; the path of the next value, or None where the outermost one is over."""
        while arrays_and_tables:
            path, number = arrays_and_tables.pop()
            if self._peek("]") or self._peek("}"):
                self.at += 1
                continue
            if not self._take(","):
                return None
            if self._peek("]") or self._peek("}"):  # a trailing comma
                self.at += 1
                continue
            if number >= 0:
                arrays_and_tables.append((path, number + 1))
                return self._record(path, number + 1, self.at)
            arrays_and_tables.append((path, -1))
            path = self._key(path)
            return path if self._take("=") else None
        return None

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def _peek(self, token: str) -> bool:
        self._skip(_TRIVIA)
        return self.text.startswith(token, self.at)

    def _take(self, token: str) -> bool:
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True


def _unquoted(key: str) -> str:
    if key[0] not in "\"'":
        return key
    if "\\" not in key or key[0] == "'":
        return key[1:-1]
    try:
        return str(tomllib.loads(f"key = {key}")["key"])
    except tomllib.TOMLDecodeError:
        return key[1:-1]  # not TOML; then nobody asks for its place
