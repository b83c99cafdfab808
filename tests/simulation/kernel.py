"""A host's kernel: it outlives the daemon, so a killed process leaves its addresses; it may refuse or be slow."""

from dataclasses import dataclass, field, replace

from haagent.ipvs.table import Table


@dataclass(slots=True)
class Kernel:
    addresses: set[bytes] = field(default_factory=set)  # virtual ones held
    table: Table = field(default_factory=dict)  # of IPVS
    refusing: int = 0  # faults that make it refuse every change now
    latency: float = 0.0  # seconds until a change is done

    def set_held(self, address: bytes, *, held: bool) -> bool:
        """Whether the kernel did it; adding what is there and removing what is not are no errors."""
        if self.refusing:
            return False
        if held:
            self.addresses.add(address)
        else:
            self.addresses.discard(address)
        return True

    def lose_destinations(self) -> None:
        """Somebody empties every service; the services stay."""
        self.table = {key: replace(service, destinations={}) for key, service in self.table.items()}
