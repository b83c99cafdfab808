"""Every bench, one after the other: `python -m bench [NAME ...]`. Prints; asserts nothing about time.

Each part runs beside its peer where there is one, prints ratios and its own noise, and says what it could not do.
"""

import argparse
import subprocess
import sys
from pathlib import Path

PARTS = {
    "outage": "what a client sees when the Active director's cable is cut, beside keepalived",
    "lateness": "when 10 ms advertisements really leave, idle and beside a whole load, beside keepalived",
    "routers": "255 virtual routers at 100 ms beside a whole load: false takeovers and CPU, beside keepalived",
    "handover": "what a client sees of a clean stop and of a handover, beside keepalived",
    "ipvs": "10,000 destinations programmed, beside `ipvsadm -R`",
    "scale": "40,000 real servers loaded and planned, 10,000 changed, reloaded and audited",
    "checks": "CPU per HTTP check beside keepalived and ldirectord, lag of 10,000, a hung half, detection, memory",
    "snmp": "a walk of the real servers through snmpd, beside keepalived",
    "memory": "resident memory of every process, 100 services with 10 real servers each",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="NAME", help=f"one of {', '.join(PARTS)}; default: all")
    wanted = parser.parse_args().parts or list(PARTS)
    if unknown := [part for part in wanted if part not in PARTS]:
        parser.error(f"no bench is called {', '.join(unknown)}")
    failed = []
    for part in wanted:
        print(f"\n=== {part}: {PARTS[part]}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{part}"], cwd=Path(__file__).parents[1]).returncode:
            failed.append(part)
    if failed:
        print(f"\nnot measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
