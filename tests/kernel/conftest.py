"""Tests on a real IPVS: natively where this kernel has it, else inside the user-mode kernel.

To add one: write `tests/kernel/inside_NAME.py` with ordinary `test_*` functions. Nothing else is needed.

- Where the running kernel has IPVS (a Debian host, or already inside the user-mode kernel) the file is collected like
  any test module.
- Elsewhere `test_in_uml.py` has one test for each such file: it boots the user-mode kernel, runs pytest on the file in
  it, and fails with the inner output.

Every inner test runs in a fresh network namespace with `lo` up: IPVS tables are per namespace, so it starts with an
empty table, and a native run never touches the host's own. Inside, the whole file system is writable and forgotten,
/run is empty, the clock is coarse and Python starts several times slower than usual: import late, measure nothing.
By hand: `python -m pytest tests/kernel -k ipvs`.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.lab.uml import kernel_has_ipvs

HAS_IPVS = kernel_has_ipvs()
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def is_inside(path: Path) -> bool:
    return path.name.startswith("inside_") and path.suffix == ".py"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    named_on_the_command_line = parent.session.isinitpath(file_path)  # pytest itself collects those
    if HAS_IPVS and is_inside(file_path) and not named_on_the_command_line:
        module: pytest.Module = pytest.Module.from_parent(parent, path=file_path)
        return module
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_inside(item.path):
            item.add_marker(pytest.mark.root)
            item.add_marker(pytest.mark.uml)


@pytest.fixture(autouse=True)
def fresh_namespace(request: pytest.FixtureRequest) -> Iterator[None]:
    """A network namespace for each inner test; this process enters it, so children and /proc/net follow."""
    if not is_inside(request.path):
        yield
        return
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(libc.unshare(CLONE_NEWNET))
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        _checked(libc.setns(before, CLONE_NEWNET))
        os.close(before)
