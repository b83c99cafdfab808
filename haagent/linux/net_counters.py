"""How many frames each interface has received: /proc/net/dev of our own network namespace."""

from pathlib import Path

_FILE = Path("/proc/self/net/dev")


def frames_received(file: Path = _FILE) -> dict[str, int]:
    """By interface name; empty where the file cannot be read."""
    try:
        lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    counts = {}
    for line in lines:
        name, colon, numbers = line.rpartition(":")
        fields = numbers.split()
        if colon and len(fields) > 1 and fields[1].isdigit():  # bytes, packets, ...
            counts[name.strip()] = int(fields[1])
    return counts
