"""Where the secrets of signed advertisements come from: modes, forms, and a slip that must not be a fault."""

from dataclasses import replace
from pathlib import Path

import pytest

from haagent.processes.key_files import read_key, read_secrets
from haagent.vrrp.auth_hmac import AuthHmac, KeyFile
from haagent.vrrp.settings import RouterSettings

KEY = bytes(range(32))
WEB = RouterSettings("web", "eth0", 51, 100, 1.0, ((bytes((192, 0, 2, 100)), 24),))


def written(path: Path, octets: bytes, mode: int = 0o600) -> str:
    path.write_bytes(octets)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("octets", "key"),
    [
        (b"hex:" + KEY.hex().encode(), KEY),
        (b"hex:" + KEY.hex().upper().encode() + b"\n", KEY),
        (b"correct horse battery staple, and more\r\n", b"correct horse battery staple, and more"),
        (b"x" * 64, b"x" * 64),
    ],
)
def test_forms(tmp_path: Path, octets: bytes, key: bytes) -> None:
    assert read_key(written(tmp_path / "key", octets)) == key


@pytest.mark.parametrize(
    ("octets", "sentence"),
    [
        (b"", "has 0 octets; expected 32 to 64"),
        (b"x" * 31, "has 31 octets"),
        (b"x" * 65, "has 65 octets"),
        (b"hex:00", "has 1 octets"),
        (b"hex:" + b"g" * 64, "no hexadecimal number"),
        (b"hex:\xff", "no hexadecimal number"),
    ],
)
def test_refused(tmp_path: Path, octets: bytes, sentence: str) -> None:
    said = read_key(written(tmp_path / "key", octets))
    assert isinstance(said, str)
    assert sentence in said


def test_who_may_read_it(tmp_path: Path) -> None:
    path = written(tmp_path / "key", b"x" * 32, 0o640)
    assert read_key(path) == f"the key {path} may be read by others: chmod 600 {path}"
    assert read_key(str(tmp_path / "none")) == f"the key {tmp_path / 'none'} cannot be read: No such file or directory"
    assert read_key(str(tmp_path)).startswith(f"the key {tmp_path} ")  # type: ignore[arg-type]


def test_a_key_that_cannot_be_read_any_more_stays_in_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "key", b"x" * 32)
    router = replace(WEB, auth_hmac=AuthHmac((KeyFile(1, path),), 1))
    first = read_secrets([WEB, router], {})
    assert first == {path: b"x" * 32}
    (tmp_path / "key").unlink()
    assert read_secrets([router], first) == first
    complaint = capsys.readouterr().err
    assert "cannot be read" in complaint
    assert "stays in force" in complaint
    assert "xxx" not in complaint
    assert isinstance(read_secrets([router], {})[path], str)
    written(tmp_path / "key", b"y" * 32)
    assert read_secrets([router], first) == {path: b"y" * 32}
    assert read_secrets([WEB], first) == {}
