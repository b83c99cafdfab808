"""One look at every interface's addresses, for a command that runs once. (`links.py` is for who keeps looking.)"""

import socket
from collections.abc import Iterator

from haagent.linux.netlink import NetlinkFailure, NetlinkSocket, split_messages
from haagent.linux.rtnetlink import AddressHeard, Heard, LinkHeard, get_addresses, get_links, parse
from haagent.vrrp.address import dotted


def interface_addresses() -> list[tuple[str, str, int]] | NetlinkFailure:
    """(interface, text of the address, prefix length) of each."""
    sock = NetlinkSocket.open(socket.NETLINK_ROUTE)
    if isinstance(sock, NetlinkFailure):
        return sock
    try:
        links, addresses = sock.dump(get_links()), sock.dump(get_addresses())
    finally:
        sock.close()
    if isinstance(links, NetlinkFailure):
        return links
    if isinstance(addresses, NetlinkFailure):
        return addresses
    heard = [*_parsed(links), *_parsed(addresses)]
    names = {each.index: each.name for each in heard if isinstance(each, LinkHeard)}
    return [
        (names.get(each.index, ""), dotted(each.address[0]), each.address[1])
        for each in heard
        if isinstance(each, AddressHeard)
    ]


def _parsed(messages: list[bytes]) -> Iterator[Heard | None]:
    return (parse(message) for octets in messages for message in split_messages(octets))
