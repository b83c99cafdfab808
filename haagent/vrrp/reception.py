"""What a virtual router makes of a datagram: every check of RFC 9568 section 7.1, and the sentence for a refusal.

Those of the codec come first, then those that need the router: its version, its peers, its password.
"""

from haagent.vrrp import advertisement as wire
from haagent.vrrp import advertisement_v2 as wire_v2
from haagent.vrrp.address import dotted
from haagent.vrrp.advertisement import Advertisement, Discard
from haagent.vrrp.auth_hmac import Authenticator
from haagent.vrrp.settings import RouterSettings
from haagent.vrrp.trailer import SIZE, split


def read(
    settings: RouterSettings | None,
    own: bytes,
    interface: str,
    message: bytes,
    ttl: int,
    source: bytes,
    destination: bytes,
    authenticator: Authenticator | None = None,
    utc: float = 0.0,
) -> Advertisement | Discard:
    """`settings`: of the router whose VRID the message has, None: nobody's. `own`: its source address on `interface`.

    A list of other addresses is no reason to refuse, in neither version (RFC 3768 section 7.1 allows the check, and
    with it every rolling change of addresses would end with two Active routers). A signature is looked at last, for it
    costs the most. Who has no `authenticator` refuses a signed advertisement for its length.
    """
    message, trailer = split(message, len(source)) if authenticator else (message, b"")
    peers = settings.peers_on(interface) if settings else None
    minimum_ttl = settings.minimum_ttl if settings and peers is not None else wire.TTL
    if settings and settings.version == 2 and len(source) == 4:
        heard = wire_v2.decode(message, ttl, minimum_ttl)
    else:
        heard = wire.decode(message, ttl, source, destination, minimum_ttl, trailer)
    if isinstance(heard, Discard):
        return heard
    if settings is None:
        return Discard.VRID
    if source == own:
        return Discard.OWN
    if (peers is None) != (destination == wire.GROUPS[len(source)]):
        return Discard.DESTINATION
    if peers is not None and source not in peers:
        return Discard.SOURCE
    if authenticator is not None and (refusal := authenticator.refusal(message, trailer, source, utc)):
        return refusal
    return _refusal_v2(heard, settings) or heard if heard.version == 2 else heard


def _refusal_v2(heard: Advertisement, settings: RouterSettings) -> Discard | None:
    """RFC 3768 section 7.1: what version 3 does not ask."""
    if refusal := wire_v2.refusal(heard, settings.password):
        return refusal
    return Discard.INTERVAL if heard.max_advertise_interval != settings.advertisement_interval else None


def complaint(reason: Discard, settings: RouterSettings, message: bytes, source: bytes) -> str:
    """A sentence, for what a configuration can cure and what would end with two Active routers; else nothing."""
    who = dotted(source)
    version = message[0] >> 4
    match reason:
        case Discard.VERSION if version in (2, 3):
            return f"{who} speaks VRRPv{version}, we VRRPv{settings.version}: neither hears the other"
        case Discard.INTERVAL if version == 2:
            return (
                f"{who} advertises every {message[5]} s, we every {settings.advertisement_interval:g} s:"
                " VRRPv2 routers must agree, else both become Active"
            )
        case Discard.AUTH_TYPE | Discard.AUTH_TYPE_MISMATCH:
            ours, _ = wire_v2.authentication(settings.password)
            return f"{who} uses authentication type {message[4]}, we type {ours}: neither hears the other"
        case Discard.AUTH_FAILURE:
            return f"{who} has another password: neither hears the other"
        case Discard.SOURCE:
            return f"{who} advertises to us and is none of our unicast peers"
    return _signature_complaint(reason, settings, message, who)


def _signature_complaint(reason: Discard, settings: RouterSettings, message: bytes, who: str) -> str:
    match reason, settings.auth_hmac:
        case Discard.LENGTH, None if split(message, settings.octets)[1]:
            return f"{who} signs its advertisements, and this router has no auth_hmac: it cannot hear {who}"
        case Discard.SIGNATURE_MISSING, _:
            return f'{who} does not sign its advertisements; auth_hmac with mode = "enforce" refuses them'
        case Discard.SIGNATURE_KEY, _:
            return f"{who} signs with key {message[1 - SIZE]}, which auth_hmac does not have here: it is not heard"
        case Discard.SIGNATURE_WRONG, _:
            return f"{who} signs with another key under the same id, or somebody forges its advertisements"
        case Discard.SIGNATURE_STALE, auth if auth is not None:
            return f"the clocks of {who} and of this host are more than {auth.time_window:g} s apart: set them right"
        case Discard.SIGNATURE_REPLAYED, _:
            return f"somebody replays advertisements of {who}, or its clock was set back"
    return ""
