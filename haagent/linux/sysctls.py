"""Kernel parameters under /proc/sys: read and write them. Names are those of sysctl(8); a failure is a sentence."""

from collections.abc import Iterable, Mapping
from pathlib import Path

PROC_SYS = Path("/proc/sys")
_SWAP = str.maketrans("./", "/.")  # a dot in an interface's name is a slash in the parameter's, as in sysctl(8)


def path_of(name: str, root: Path = PROC_SYS) -> Path:
    return root / name.translate(_SWAP)


def read(names: Iterable[str], root: Path = PROC_SYS) -> tuple[dict[str, str], list[str]]:
    """The values of those that exist, tabs as spaces; and a sentence for each of the others."""
    values: dict[str, str] = {}
    failures: list[str] = []
    for name in names:
        try:
            values[name] = " ".join(path_of(name, root).read_text().split())
        except FileNotFoundError:
            failures.append(f"the kernel has no {name}")
        except (OSError, ValueError) as error:
            failures.append(f"{name} cannot be read: {error}")
    return values, failures


def forwards_ipv6(interface: str, root: Path = PROC_SYS) -> bool:
    """Whether the kernel is an IPv6 router there, which neighbor advertisements have to say (RFC 4861 section 4.4)."""
    name = f"net.ipv6.conf.{interface.replace('.', '/')}.forwarding"
    return read((name,), root)[0].get(name, "0") != "0"


def write(values: Mapping[str, str], root: Path = PROC_SYS) -> list[str]:
    """A sentence for each that the kernel refused; the others are set."""
    failures = []
    for name, value in values.items():
        try:
            with path_of(name, root).open("r+") as file:
                file.write(value)
        except OSError as error:
            failures.append(f"{name} cannot be set to {value}: {error.strerror}")
    return failures
