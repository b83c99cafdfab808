"""What a virtual service may not say, each refused with the reason and the place; and the defaults that follow."""

from pathlib import Path

import pytest

from haagent.config.load import check, load
from haagent.config.model import Config, VirtualService

NAMES = '[director]\nnames = ["d1", "d2"]\n'


def service(more: str = "", servers: str = "", name: str = "s", method: str = "direct_routing") -> str:
    """Five lines before `more`."""
    return (
        f'[virtual_service.{name}]\naddress = "198.51.100.1"\nport = 80\nforwarding_method = "{method}"\n'
        f"real_servers = [{servers}]\n{more}\n"
    )


def marked(more: str = "", servers: str = "", name: str = "m", method: str = "direct_routing") -> str:
    """Four lines before `more`."""
    return (
        f'[virtual_service.{name}]\nfirewall_mark = 7\nforwarding_method = "{method}"\n'
        f"real_servers = [{servers}]\n{more}\n"
    )


def server(more: str = "", name: str = "a", address: str = "198.51.100.11") -> str:
    return f'{{ name = "{name}", address = "{address}"{more} }}'


def errors(directory: Path, text: str) -> list[str]:
    (directory / "a.toml").write_text(NAMES)
    (directory / "b.toml").write_text(text)
    return [str(error).removeprefix("b.toml:") for error in check(directory, None)]


IDLE = "keeps its share of the clients and refuses them all, and "
FLAG = ' gives that weight; expected the flag "fallback", or no scheduler_flags at all'

WRONG = {
    # an address with a port, an address with all ports, or a firewall mark
    "mark and address": (
        service("firewall_mark = 7"),
        [
            "2:1: virtual_service.s.address: a firewall mark stands for it; list it in addresses to have the mark set",
            "3:1: virtual_service.s.port: a firewall mark stands for it; list it in ports to have the mark set",
        ],
    ),
    "addresses without ports": (
        marked('addresses = ["198.51.100.1"]'),
        [
            "1:18: virtual_service.m.ports: missing; "
            'expected an array of ports and ranges, as in ["80", "8000-8010"], or "all"'
        ],
    ),
    "ports without addresses": (
        marked('ports = "all"'),
        ["1:18: virtual_service.m.addresses: missing; expected the addresses whose ports get the mark"],
    ),
    "protocols of a bare mark": (
        marked('protocols = ["udp"]'),
        ["5:1: virtual_service.m.protocols: without addresses nothing is marked here; leave protocols out"],
    ),
    "addresses without a mark": (
        service('addresses = ["198.51.100.2"]'),
        ["6:1: virtual_service.s.addresses: only a firewall_mark ties several of them together; give the service one"],
    ),
    "ports without a mark": (
        service('ports = ["80", "443"]'),
        ["6:1: virtual_service.s.ports: only a firewall_mark ties several ports together; give the service one"],
    ),
    "port and all ports": (
        service('ports = "all"'),
        ["6:1: virtual_service.s.ports: stands beside port; leave one of them out"],
    ),
    "all ports without persistence": (
        service('ports = "all"').replace("port = 80\n", ""),
        [
            "5:1: virtual_service.s.ports: the kernel serves all ports of an address only to clients that stay with "
            "their real server; give it a persistence_timeout, or a firewall_mark and addresses"
        ],
    ),
    "two families under one mark": (
        marked('addresses = ["198.51.100.1", "2001:db8::1"]\nports = "all"'),
        [
            "5:30: virtual_service.m.addresses[1]: 2001:db8::1 is not ipv4; "
            "the kernel has a service of its own for each family"
        ],
    ),
    "another family": (
        service('family = "ipv6"'),
        [
            "2:1: virtual_service.s.address: 198.51.100.1 is not ipv6; "
            "the kernel has a service of its own for each family"
        ],
    ),
    "protocol beside protocols": (
        marked('addresses = ["198.51.100.1"]\nports = "all"\nprotocol = "sctp"\nprotocols = ["tcp", "udp"]'),
        ["7:1: virtual_service.m.protocol: sctp is not one of protocols; leave protocol out"],
    ),
    "one mark twice": (
        marked() + marked(name="n"),
        ["7:1: virtual_service.n.firewall_mark: mark 7 of ipv4 is virtual_service.m already"],
    ),
    "a marked port has a service of its own": (
        marked('addresses = ["198.51.100.1"]\nports = ["80-90"]') + service(),
        ["9:1: virtual_service.s.port: 198.51.100.1 tcp 80 gets the firewall mark of virtual_service.m already"],
    ),
    "a port gets two marks": (
        marked('addresses = ["198.51.100.1"]\nports = ["80-90"]')
        + marked('addresses = ["198.51.100.1"]\nports = ["85"]', name="n").replace("= 7", "= 8"),
        ["12:1: virtual_service.n.ports: 198.51.100.1 tcp 85 gets the firewall mark of virtual_service.m already"],
    ),
    # scheduling
    "mh without fallback quiesces": (
        service('scheduler = "mh"\nscheduler_flags = []\nwhen_down = "quiesce"'),
        [
            "7:1: virtual_service.s.scheduler_flags: under mh without fallback, a server with weight 0 "
            + IDLE
            + 'when_down = "quiesce"'
            + FLAG
        ],
    ),
    "sh without fallback has a server of weight 0": (
        service('scheduler = "sh"\nscheduler_flags = ["port"]', server(", weight = 0")),
        [
            "7:1: virtual_service.s.scheduler_flags: under sh without fallback, a server with weight 0 "
            + IDLE
            + "virtual_service.s.real_servers[0].weight"
            + FLAG
        ],
    ),
    "ovf for datagrams": (
        service('protocol = "udp"\nscheduler = "ovf"'),
        ["7:1: virtual_service.s.scheduler: ovf counts active connections, and UDP has none; expected another"],
    ),
    "one packet of a connection": (
        service("one_packet = true"),
        ['6:1: virtual_service.s.one_packet: tcp has connections; expected protocol = "udp"'],
    ),
    # persistence
    "one packet that stays": (
        service('protocol = "udp"\none_packet = true\npersistence_timeout = 1'),
        ["7:1: virtual_service.s.one_packet: schedules every datagram anew, and persistence_timeout keeps the client"],
    ),
    "engine without persistence": (
        service('protocol = "udp"\npersistence_engine = "sip"'),
        [
            "7:1: virtual_service.s.persistence_engine: says how clients are told apart; give a persistence_timeout",
        ],
    ),
    "engine over tcp": (
        service('persistence_engine = "sip"\npersistence_timeout = 1'),
        [
            '6:1: virtual_service.s.persistence_engine: the kernel reads SIP in UDP alone; expected protocol = "udp"',
        ],
    ),
    "prefix of the other family": (
        service("persistence_prefix = 64\npersistence_timeout = 1"),
        ["6:1: virtual_service.s.persistence_prefix: 64 is longer than an ipv4 address; at most 32"],
    ),
    "prefix for nothing": (
        service("persistence_prefix = 24"),
        ["6:1: virtual_service.s.persistence_prefix: has no effect without a persistence_timeout"],
    ),
    # quorum and what else decides who serves
    "hysteresis as large as the quorum": (
        service("quorum = 2\nquorum_hysteresis = 2"),
        [
            "7:1: virtual_service.s.quorum_hysteresis: 2 is not below the quorum 2, "
            "so it would be lost with the last server alone"
        ],
    ),
    "a quorum out of reach": (
        service("quorum = 3\nquorum_hysteresis = 1", f"{server(', weight = 3')}, {server(', tier = 2', 'b', '::1')}"),
        [
            "5:86: virtual_service.s.real_servers[1].address: ::1 is not ipv4, as the service is: "
            "only tunneling carries both",
            "6:1: virtual_service.s.quorum: is reached at 4 (with its hysteresis), "
            "but the weights of a tier sum up to 3 at most",
        ],
    ),
    "freeze and sorry server": (
        service('minimum_healthy_fraction = 0.3\nsorry_server = { address = "198.51.100.9" }'),
        [
            "6:1: virtual_service.s.minimum_healthy_fraction: keeps the real servers that served last, "
            "so the sorry server would never serve; leave one of them out"
        ],
    ),
    "the role of no router": (
        service('active_only = "web"'),
        ['6:1: virtual_service.s.active_only: there is no virtual router "web"; there are no virtual routers at all'],
    ),
    # real servers
    "a check without a port": (
        '[check.c]\ntype = "tcp"\n' + marked('check = ["c"]', server()),
        ["7:10: virtual_service.m.check[0]: the service has no one port to check; give check.c a port"],
    ),
    "a mapped port of a mark": (
        marked("", server(", port = 81")),
        [
            "4:58: virtual_service.m.real_servers[0].port: port 81 is not what the clients use: under direct_routing "
            "the kernel changes only the frame's destination, never the port; leave port out, or use masquerading"
        ],
    ),
    "lower above upper": (
        service("", server(", upper_threshold = 5, lower_threshold = 6")),
        ["5:79: virtual_service.s.real_servers[0].lower_threshold: 6 is above the upper_threshold 5"],
    ),
    "lower alone": (
        service("", server(", lower_threshold = 6")),
        ["5:58: virtual_service.s.real_servers[0].lower_threshold: has no effect without an upper_threshold"],
    ),
    "another family without a tunnel": (
        service("", server(address="2001:db8::11")),
        [
            "5:31: virtual_service.s.real_servers[0].address: 2001:db8::11 is not ipv4, as the service is: "
            "only tunneling carries both"
        ],
    ),
    # tunnels
    "gue without a port": (
        service('tunnel = { type = "gue" }', method="tunneling"),
        ["6:1: virtual_service.s.tunnel: gue goes over UDP; give it the port on which the real servers decapsulate"],
    ),
    "ipip with a port": (
        service("tunnel = { port = 6080 }", method="tunneling"),
        ["6:12: virtual_service.s.tunnel.port: ipip has no port; leave it out"],
    ),
    "ipip with a checksum": (
        service("", server(', tunnel = { checksum = "checksum" }'), method="tunneling"),
        [
            "5:69: virtual_service.s.real_servers[0].tunnel.checksum: ipip has no checksum; "
            "leave it out, or use gue or gre"
        ],
    ),
    "gre with a remote checksum": (
        service('tunnel = { type = "gre", checksum = "remote_checksum" }', method="tunneling"),
        ['6:26: virtual_service.s.tunnel.checksum: only gue has remote_checksum; expected "none" or "checksum"'],
    ),
    "a tunnel that nobody uses": (
        service('tunnel = { type = "gre" }', server()),
        ['6:1: virtual_service.s.tunnel: nobody here has forwarding_method = "tunneling"'],
    ),
    "a tunnel under direct routing": (
        service("", server(', tunnel = { type = "gre" }')),
        [
            "5:58: virtual_service.s.real_servers[0].tunnel: has no effect under direct_routing; "
            'expected forwarding_method = "tunneling"'
        ],
    ),
    # tracks
    "no fraction": (
        '[virtual_router.r]\ninterface = "eth0"\nvrid = 1\nvirtual_addresses = ["198.51.100.1"]\n'
        'track = [{ pool = "s", when = "below_fraction", fault = true }]\n' + service(),
        ["5:24: virtual_router.r.track[0].when: below which fraction? Give it one, as in fraction = 0.5"],
    ),
    "nobody to compare with": (
        '[virtual_router.r]\ninterface = "eth0"\nvrid = 1\nvirtual_addresses = ["198.51.100.1"]\n'
        'track = [{ pool = "s", when = "empty_here", fault = true }]\n' + service(),
        ["5:24: virtual_router.r.track[0].when: only a peer can say so; join the directors by [peers] addresses"],
    ),
    "a fraction of nothing": (
        '[virtual_router.r]\ninterface = "eth0"\nvrid = 1\nvirtual_addresses = ["198.51.100.1"]\n'
        'track = [{ pool = "s", fraction = 0.5, fault = true }]\n' + service(),
        ['5:24: virtual_router.r.track[0].fraction: has no effect; expected when = "below_fraction"'],
    ),
}


@pytest.mark.parametrize(("text", "wanted"), WRONG.values(), ids=WRONG.keys())
def test_wrong(tmp_path: Path, text: str, wanted: list[str]) -> None:
    assert errors(tmp_path, text) == wanted


RIGHT = {
    "the same mark in both families": marked() + marked('family = "ipv6"', name="n"),
    "a marked port and its neighbour": marked('addresses = ["198.51.100.1"]\nports = ["81-90"]') + service(),
    "tcp and udp marked apart": marked('addresses = ["198.51.100.1"]\nports = ["80"]\nprotocol = "udp"') + service(),
    "all ports beside one": service()
    + service('ports = "all"\npersistence_timeout = 9', name="all").replace("port = 80\n", ""),
    "ovf for connections": service('scheduler = "ovf"'),
    "datagrams one by one": service('protocol = "udp"\none_packet = true'),
    "mh without fallback": service('scheduler = "mh"\nscheduler_flags = []'),
    "ipv4 in ipv6 by a tunnel": service("", server(address="2001:db8::11"), method="tunneling"),
    "one server by another tunnel": service(
        'tunnel = { type = "gue", port = 6080 }', server(', tunnel = { type = "gre" }'), method="tunneling"
    ),
    "another port of a masqueraded mark": marked("", server(", port = 81"), method="masquerading"),
    "a check with a port": '[check.c]\ntype = "tcp"\nport = 80\n' + marked('check = ["c"]', server()),
    "ipv6 where routers hold ipv4 alone": '[virtual_router.r]\ninterface = "eth0"\nvrid = 1\n'
    'virtual_addresses = ["198.51.100.1"]\n' + service().replace("198.51.100.1", "2001:db8::1"),
    "quorum by the larger tier": service(
        "quorum = 2", f"{server(', weight = 2')}, {server(', tier = 2', 'b', '198.51.100.12')}"
    ),
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT.keys())
def test_right(tmp_path: Path, text: str) -> None:
    assert errors(tmp_path, text) == []


def only(directory: Path, text: str) -> VirtualService:
    (directory / "a.toml").write_text(NAMES + text)
    config = load(directory, "d1")
    assert isinstance(config, Config), config
    return config.virtual_services[0]


def test_the_family_and_the_whole_prefix_follow_from_the_address(tmp_path: Path) -> None:
    found = only(tmp_path, service().replace("198.51.100.1", "2001:DB8::0:1"))
    assert (found.address, found.family, found.persistence_prefix) == ("2001:db8::1", "ipv6", 128)


def test_the_protocols_of_a_mark_follow_from_the_protocol(tmp_path: Path) -> None:
    found = only(tmp_path, marked('addresses = ["198.51.100.1"]\nports = "all"\nprotocol = "udp"'))
    assert found.protocols == ("udp",)
    assert only(tmp_path, marked()).protocols == ()


def test_real_servers_take_the_tunnel_where_they_use_one(tmp_path: Path) -> None:
    servers = f"{server()}, {server(', forwarding_method = ' + chr(34) + 'tunneling' + chr(34), 'b', '198.51.100.12')}"
    one, two = only(tmp_path, service('tunnel = { type = "gue", port = 6080 }', servers)).real_servers
    assert one.tunnel is None
    assert two.tunnel is not None
    assert (two.tunnel.type, two.tunnel.port) == ("gue", 6080)
