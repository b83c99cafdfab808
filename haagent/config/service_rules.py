"""What follows in a virtual service from its other values, where it was not said.

Works on drafts: a derived key that was left out is there as None, one that was wrong is not there and stays missing.
"""

from collections.abc import Iterable
from typing import Any

from haagent.config.model import SCHEDULER_FLAGS
from haagent.config.reading import Draft


def apply_rules(services: Iterable[Draft]) -> None:
    """Every derived value of a service, its real servers and its sorry server."""
    for service in services:
        for name, value in (("firewall_mark", 0), ("address", ""), ("port", 0), ("addresses", ()), ("ports", ())):
            _default(service, name, value)
        protocols = service.get("protocols")
        _default(service, "protocol", protocols[0] if protocols else "tcp")
        is_marked = bool(service.get("firewall_mark") and service.get("addresses"))
        _default(service, "protocols", (service.get("protocol") or "tcp",) if is_marked else ())
        own = (*(service.get("addresses") or ()), service.get("address") or "")
        family = "ipv6" if ":" in own[0] else "ipv4"
        _default(service, "family", family)
        _default(service, "persistence_prefix", 128 if service.get("family") == "ipv6" else 32)
        # Weight 0 under sh or mh without fallback drops that server's whole share (measured on Linux 6.1).
        _default(service, "scheduler_flags", ("fallback",) if service.get("scheduler") in SCHEDULER_FLAGS else ())
        servers = service.get("real_servers") or ()
        sorry = service.get("sorry_server")
        for server in (*servers, sorry) if sorry is not None else servers:
            _default(server, "port", service.get("port"))
            _default(server, "forwarding_method", service.get("forwarding_method"))
            if server.get("forwarding_method") == "tunneling":
                _default(server, "tunnel", service.get("tunnel"))


def _default(draft: Draft, name: str, value: Any) -> None:
    if name in draft.values and draft.values[name] is None:
        draft.values[name] = value
