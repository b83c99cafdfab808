"""Small configurations for tests of the core, the view and the commands."""

from haagent.config.model import (
    Check,
    Config,
    Director,
    HttpCheck,
    InterfaceAddress,
    PoolTrack,
    RealServer,
    SorryServer,
    TcpCheck,
    VirtualRouter,
    VirtualService,
)

SERVICE_ADDRESS = "198.51.100.100"


def real_server(number: int, *, weight: int = 1, port: int = 80) -> RealServer:
    return RealServer(
        name=f"rs{number}",
        address=f"198.51.100.{10 + number}",
        port=port,
        weight=weight,
        forwarding_method="direct_routing",
    )


def service(
    *servers: RealServer,
    name: str = "web",
    port: int = 80,
    checks: tuple[str, ...] = ("http",),
    sorry: bool = False,
    when_down: str = "remove",
    scheduler: str = "wlc",
    scheduler_flags: tuple[str, ...] = (),
) -> VirtualService:
    return VirtualService(
        name=name,
        address=SERVICE_ADDRESS,
        port=port,
        scheduler=scheduler,
        scheduler_flags=scheduler_flags,
        forwarding_method="direct_routing",
        checks=checks,
        when_down=when_down,  # type: ignore[arg-type]
        sorry_server=SorryServer(address="198.51.100.99", port=port, forwarding_method="masquerading")
        if sorry
        else None,
        real_servers=servers,
    )


def router(*, track: tuple[PoolTrack, ...] = ()) -> VirtualRouter:
    return VirtualRouter(
        name="web",
        interface="eth0",
        vrid=51,
        priority=200,
        virtual_addresses=(InterfaceAddress(SERVICE_ADDRESS, 24),),
        track=track,
    )


def config(
    *services: VirtualService,
    checks: tuple[Check, ...] = (HttpCheck(name="http"), TcpCheck(name="tcp")),
    routers: tuple[VirtualRouter, ...] = (),
) -> Config:
    return Config(
        director=Director(name="d1", names=("d1", "d2")),
        virtual_routers=routers,
        checks=checks,
        virtual_services=services,
    )
