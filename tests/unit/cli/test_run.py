"""What `haagent run` makes and refuses before it becomes the daemon. The daemon itself: tests/netns/test_daemon.py."""

import contextlib
import os
from pathlib import Path

import pytest
from msgspec import structs

from haagent.cli.run import make_directories, take_lock
from haagent.config.model import Config, Director


@pytest.fixture
def config(tmp_path):
    return Config(
        director=Director(
            name="d1",
            names=("d1",),
            control_group="no-such-group",
            runtime_directory=str(tmp_path / "run"),
            state_directory=str(tmp_path / "state"),
        )
    )


def with_director(config, **changes):
    return structs.replace(config, director=structs.replace(config.director, **changes))


def test_the_directories_are_for_owner_and_group(config, tmp_path):
    assert make_directories(config) is None
    assert [(tmp_path / each / "d1").stat().st_mode & 0o777 for each in ("run", "state")] == [0o750, 0o750]


def test_a_path_too_long_for_a_socket_is_a_sentence(config, tmp_path):
    said = make_directories(with_director(config, runtime_directory=f"{tmp_path}/{'r' * 100}"))
    assert said is not None
    assert said.endswith("a socket's path has at most 107 octets; shorten runtime_directory")


def test_a_directory_that_cannot_be_made_is_a_sentence(config, tmp_path):
    (tmp_path / "file").write_text("")
    said = make_directories(with_director(config, state_directory=str(tmp_path / "file")))
    assert said is not None
    assert "cannot be made" in said


def test_the_lock_is_taken_once_and_survives_the_change_into_the_supervisor(config, tmp_path):
    make_directories(config)
    assert take_lock(config) is None
    (descriptor,) = descriptors_of(tmp_path / "run/d1/lock")
    assert os.get_inheritable(descriptor)
    said = take_lock(config)
    assert said is not None
    assert "director d1 runs already" in said
    for each in descriptors_of(tmp_path / "run/d1/lock"):
        os.close(each)
    assert take_lock(config) is None  # whoever held it is gone
    for each in descriptors_of(tmp_path / "run/d1/lock"):
        os.close(each)


def descriptors_of(path: Path) -> list[int]:
    found = []
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{descriptor}") == str(path):
                found.append(descriptor)
    return found
