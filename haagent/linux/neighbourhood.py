"""Who is beside this host on a segment, as the kernel knows it without asking: our own MACs, and the gateways."""

import fcntl
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

_SIOCGIFHWADDR = 0x8927
_RTF_UP, _RTF_GATEWAY = 0x1, 0x2  # linux/route.h
_PROC_NET = Path("/proc/thread-self/net")


def own_macs() -> frozenset[str]:
    """Of every Ethernet interface; the kernel may answer on one for the addresses of another."""
    macs = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sock, _SIOCGIFHWADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:  # gone since
                continue
            macs.add(answer[18:24].hex(":"))
    return frozenset(macs - {"00:00:00:00:00:00"})


def gateways(interface: str, folder: Path = _PROC_NET) -> tuple[str, ...]:
    """Next hops of default routes through the interface, IPv4 first."""
    found: dict[str, None] = {}
    for line in _lines(folder / "route"):
        name, destination, gateway, flags, *_ = line
        if name == interface and destination == "00000000" and _is_gateway(flags):
            found[str(IPv4Address(bytes.fromhex(gateway)[::-1]))] = None  # little-endian here
    for line in _lines(folder / "ipv6_route"):
        if line[-1] == interface and line[1] == "00" and _is_gateway(line[8]):
            found[str(IPv6Address(bytes.fromhex(line[4])))] = None
    return tuple(found)


def _is_gateway(flags: str) -> bool:
    return int(flags, 16) & (_RTF_UP | _RTF_GATEWAY) == _RTF_UP | _RTF_GATEWAY


def _lines(path: Path) -> list[list[str]]:
    """The words of each line; nothing where the kernel has no such family."""
    try:
        return [line.split() for line in path.read_text().splitlines() if line[:5] != "Iface"]
    except OSError:
        return []
