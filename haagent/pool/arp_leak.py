"""Whether anybody but the Active director answers for a virtual address of direct routing: an ARP leak. Pure.

A real server that answers ARP (IPv6: neighbour discovery) for the virtual address takes clients away from the
directors: no balancing, and no failover for them. The director asks as a host does that wants to know whether an
address is free (RFC 5227, RFC 4862), with no address of its own as the sender, so nobody learns anything from it.
Right answers are those of the Active director: on a Backup the MAC that answers for the Active's own address; anywhere
the virtual router MAC. A leak is said when two rounds agree, since roles may change between question and answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from haagent.config.model import Config
from haagent.pool.path import path_addresses


@dataclass(frozen=True, slots=True)
class ArpTest:
    """What is asked on one interface."""

    router: str
    interface: str
    vrid: int
    addresses: tuple[tuple[str, str], ...]  # virtual address, and a service that has it
    neighbours: tuple[tuple[str, str], ...]  # name and own address of each real server


@dataclass(frozen=True, slots=True, order=True)
class ArpAnswer:
    interface: str
    address: str
    mac: str  # "02:00:00:00:00:01"


@dataclass(frozen=True, slots=True)
class ArpVerdict:
    """Of one virtual address. `strangers`: MACs that answer and should not."""

    is_tested: bool
    sentence: str
    strangers: tuple[str, ...] = ()


def arp_tests(config: Config) -> tuple[ArpTest, ...]:
    """One for each router that holds an address whose path is checked."""
    tests = []
    for router in config.virtual_routers:
        held = {each.address for each in router.virtual_addresses + router.unadvertised_addresses}
        addresses: dict[str, str] = {}
        neighbours: dict[tuple[str, str], None] = {}
        for service in config.virtual_services:
            own = [each for each in path_addresses(service) if each in held]
            servers = [each for each in service.real_servers if each.forwarding_method == "direct_routing"]
            if service.path_check == "off" or not own or not servers:
                continue
            addresses |= {address: service.name for address in own if address not in addresses}
            neighbours |= {(each.name, each.address): None for each in servers}
        if addresses:
            vrid = router.vrid
            tests.append(ArpTest(router.name, router.interface, vrid, tuple(addresses.items()), tuple(neighbours)))
    return tuple(tests)


def virtual_router_macs(vrid: int) -> frozenset[str]:
    """RFC 9568 section 7.3: IPv4 and IPv6."""
    return frozenset((f"00:00:5e:00:01:{vrid:02x}", f"00:00:5e:00:02:{vrid:02x}"))


def arp_verdicts(
    test: ArpTest,
    answers: Iterable[ArpAnswer],
    before: Mapping[str, ArpVerdict],
    *,
    state: str,
    active_address: str,
    trouble: str = "",
) -> dict[str, ArpVerdict]:
    """By virtual address. `before`: of the round before; its `strangers` include those that are only suspected."""
    heard: dict[str, set[str]] = {}
    for answer in answers:
        if answer.interface == test.interface:
            heard.setdefault(answer.address, set()).add(answer.mac)
    right = set(virtual_router_macs(test.vrid))
    if not trouble and state == "backup":
        right |= heard.get(active_address, set())
        if not active_address or active_address not in heard:
            trouble = "the Active director is not known by its MAC"
    if not trouble and state not in ("active", "backup"):
        trouble = f"virtual router {test.router} takes no part"
    if trouble:
        return {address: ArpVerdict(False, f"ARP not tested: {trouble}") for address, _ in test.addresses}
    names: dict[str, str] = {}
    for name, own in test.neighbours:
        for mac in heard.get(own, ()):
            names.setdefault(mac, name)
    verdicts = {}
    for address, service in test.addresses:
        strangers = tuple(sorted(heard.get(address, set()) - right))
        last = before.get(address)
        confirmed = [mac for mac in strangers if last is not None and mac in last.strangers]
        sentence = "; ".join(_leak(mac, names.get(mac, ""), address, service) for mac in confirmed)
        verdicts[address] = ArpVerdict(True, sentence, strangers)
    return verdicts


def _leak(mac: str, name: str, address: str, service: str) -> str:
    if not name:
        return (
            f"{mac} answers ARP for {address} and is neither a director nor a real server that we know: clients may "
            "bypass the directors; find it, or see: haagent sniff"
        )
    return (
        f"{mac} ({name}) answers ARP for {address}: clients may bypass the directors; set arp_ignore=1 and "
        f"arp_announce=2 on {name} before it has the address, or take the address off its network adapter; "
        f"run: haagent recipe {service} --server {name} --os linux (or windows)"
    )
