"""Files with secrets: read, or a sentence that names the file. What a secret must be: test_peers, test_key_files."""

import os
from pathlib import Path

import pytest

from haagent.processes.private_file import read_private


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(b"not told\n")
    path.chmod(0o600)
    return path


def test_a_private_file_is_read_as_it_is(file: Path) -> None:
    assert read_private(str(file), "the key") == b"not told\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_others_may_neither_read_nor_write_it(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert read_private(str(file), "the key") == f"the key {file} may be read by others: chmod 600 {file}"


def test_a_fifo_in_its_place_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    os.mkfifo(path, 0o600)
    assert read_private(str(path), "the key") == f"the key {path} is no regular file"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert read_private(str(path), "the key") == f"the key {path} cannot be read: No such file or directory"
