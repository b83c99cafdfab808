"""How an error and a key path are written."""

import pytest

from haagent.config.error import ConfigError, Path, quote, show


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("virtual_service", "web", "real_servers", 1, "weight"), "virtual_service.web.real_servers[1].weight"),
        (("check", "a.b"), 'check."a.b"'),
        (("check", ""), 'check.""'),
        (("check", 'a"\x1b'), 'check."a\\"\\u001b"'),
        ((), ""),
    ],
)
def test_show(path: Path, text: str) -> None:
    assert show(path) == text


def test_quote_leaves_letters_and_escapes_what_moves_a_cursor() -> None:
    assert quote("né \\ \x9b\u202e\U000e0001") == '"né \\\\ \\u009b\\u202e\\U000e0001"'


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError("a.toml", 12, 5, "director.names", "missing"), "a.toml:12:5: director.names: missing"),
        (ConfigError("a.toml", 12, 5, "", "not valid TOML: x"), "a.toml:12:5: not valid TOML: x"),
        (ConfigError("", 0, 0, "", "/nowhere: no such directory"), "/nowhere: no such directory"),
    ],
)
def test_str(error: ConfigError, text: str) -> None:
    assert str(error) == text
