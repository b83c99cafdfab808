"""Values in a JSON text by keys with dots, compared with what a check wants."""

import json
from collections.abc import Sequence

import msgspec

from haagent.probes.words import plain, shown


def wrong_in(body: bytes, wanted: Sequence[tuple[str, str]]) -> str:
    """What is wrong with the first wanted value that is not as it should be, or nothing. Values are JSON texts."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return f"the body {shown(body)} is no JSON"
    for key, text in wanted:
        found = value_at(document, key)
        if found is MISSING:
            return f"the JSON has no {plain(key)}"
        if not equal(found, json.loads(text)):
            return f"{plain(key)} is {described(found)}, wanted {plain(text)}"
    return ""


MISSING = object()


def value_at(document: object, key: str) -> object:
    """A part of the key is a member's name or an index of an array; a name that has dots itself is found too."""
    if isinstance(document, dict) and key in document:
        return document[key]
    found = document
    for part in key.split("."):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif (
            isinstance(found, list) and part.isascii() and part.isdigit() and len(part) < 10 and int(part) < len(found)
        ):
            found = found[int(part)]
        else:
            return MISSING
    return found


def equal(found: object, wanted: object) -> bool:
    """1 is 1.0, but no true."""
    return found == wanted and isinstance(found, bool) is isinstance(wanted, bool)


def described(found: object) -> str:
    match found:
        case dict():
            return "an object"
        case list():
            return "an array"
        case _:
            return plain(json.dumps(found))
