"""Colours for `haagent status`: red is wrong, yellow is unusual, green is well. Without a terminal there are none."""

import os
import re
from collections.abc import Mapping
from typing import TextIO

GREEN, RED, YELLOW, CYAN, BOLD = "32", "31;1", "33", "36", "1"
_STATES = {
    **dict.fromkeys(("ACTIVE", "SERVING", "up", "healthy"), GREEN),
    **dict.fromkeys(("BACKUP", "STANDBY"), CYAN),
    **dict.fromkeys(("SORRY", "FROZEN", "unknown", "sorry"), YELLOW),
    **dict.fromkeys(("INITIALIZE", "EMPTY", "down", "NOT RUNNING"), RED),
}
_PLACES = (  # where a state stands; a sentence may contain the same word
    re.compile(r"^(?:router|service)  +\S+ +([A-Z]+) for "),
    re.compile(r"^ {9}\S+ +(?:tier \d+ +)?\S+ +(up|down|unknown|sorry) "),
    re.compile(r"^state +(healthy)$"),
    re.compile(r"^process +\S+ +(NOT RUNNING) "),
)
_UNUSUAL = re.compile(r"\b(?:DRAINED|DISABLED|WEIGHT \d+|SUPPRESSED|HELD|LOST|PATH BROKEN)\b")


def wanted(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """https://no-color.org: NO_COLOR with any content means no."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"


def painted(line: str) -> str:
    """One line of the view."""
    if line.startswith(("         ! ", "state    DEGRADED")):
        return _in(RED, line)
    if line.startswith("director "):
        return _in(BOLD, line)
    for place in _PLACES:
        if found := place.match(line):
            start, end = found.span(1)
            return line[:start] + _in(_STATES.get(found[1], YELLOW), found[1]) + _unusual(line[end:])
    return _unusual(line)


def _unusual(text: str) -> str:
    return _UNUSUAL.sub(lambda found: _in(YELLOW, found[0]), text)


def _in(colour: str, text: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"
