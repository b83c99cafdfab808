"""Entries of the kernel's table in words: for a plan, for the history of what somebody else did. Pure."""

from ipaddress import ip_address

from haagent.ipvs.table import (
    FLAG_ONEPACKET,
    FLAG_SCHED1,
    FLAG_SCHED2,
    PROTOCOL_SCTP,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
    Destination,
    DestinationKey,
    Forwarding,
    Service,
    ServiceKey,
)

_PROTOCOLS = {PROTOCOL_TCP: "tcp", PROTOCOL_UDP: "udp", PROTOCOL_SCTP: "sctp"}


def service_name(key: ServiceKey) -> str:
    if key.firewall_mark:
        return f"firewall mark {key.firewall_mark}" + (" ipv6" if key.address else "")
    return f"{_PROTOCOLS.get(key.protocol, key.protocol)} {host_port(key.address, key.port)}"


def host_port(address: bytes, port: int) -> str:
    """ "192.0.2.1:80" or "[2001:db8::1]:80"."""
    text = str(ip_address(address))
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def destination_name(key: ServiceKey, target: DestinationKey) -> str:
    return f"{service_name(key)} -> {host_port(target.address, target.port)}"


def service_text(service: Service) -> str:
    """As much as differs from the plainest service."""
    words = [service.scheduler]
    words += [word for flag, word in ((FLAG_SCHED1, "fallback"), (FLAG_SCHED2, "port")) if service.flags & flag]
    if service.flags & FLAG_ONEPACKET:
        words.append("one packet")
    if service.persistence_timeout:
        words.append(f"persistent {service.persistence_timeout} s")
        words += [f"mask {_mask(service.netmask)}"] if service.netmask not in (0xFFFFFFFF, 128) else []
        words += [service.persistence_engine] if service.persistence_engine else []
    return " ".join(words)


def _mask(netmask: int) -> str:
    return str(ip_address(netmask)) if netmask > 128 else f"/{netmask}"


_TUNNELS = {0: "ipip", 1: "gue", 2: "gre"}


def destination_text(destination: Destination) -> str:
    words = [destination.forwarding.name.lower(), f"weight {destination.weight}"]
    if destination.forwarding is Forwarding.TUNNELING and destination.tunnel_type:
        words.append(_TUNNELS.get(destination.tunnel_type, f"type {destination.tunnel_type}"))
        words += [f"port {destination.tunnel_port}"] if destination.tunnel_port else []
        words += [f"flags {destination.tunnel_flags:#x}"] if destination.tunnel_flags else []
    if destination.upper_threshold or destination.lower_threshold:
        words.append(f"thresholds {destination.lower_threshold}-{destination.upper_threshold}")
    return " ".join(words)
