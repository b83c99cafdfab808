"""The virtual router's MAC address (RFC 9568 section 7.3) and the name of the interface that has it here."""

PREFIXES = {4: bytes.fromhex("00005e0001"), 16: bytes.fromhex("00005e0002")}  # by the octets of an address
_FAMILIES = {4: "4", 16: "6"}


def virtual_mac(octets: int, vrid: int) -> bytes:
    return PREFIXES[octets] + bytes((vrid,))


def interface_name(octets: int, vrid: int, parent: int) -> str:
    """`parent`: the index of the interface below it. At most 15 characters, as the kernel wants."""
    return f"hav{_FAMILIES[octets]}-{vrid}-{parent}"


def router_of(name: str, mac: bytes) -> tuple[int, int, int] | None:
    """(octets, VRID, index of the parent) where the interface is one that we make; None: it is somebody else's."""
    for octets, family in _FAMILIES.items():
        head, _, parent = name.removeprefix(f"hav{family}-").partition("-")
        if name.startswith(f"hav{family}-") and head.isdecimal() and parent.isdecimal():
            vrid = int(head)
            is_ours = 0 < vrid < 256 and mac == virtual_mac(octets, vrid)
            return (
                (octets, vrid, int(parent)) if is_ours and name == interface_name(octets, vrid, int(parent)) else None
            )
    return None
