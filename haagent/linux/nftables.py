"""The nftables rules that set firewall marks, by the program `nft`: list them, replace them. Decides nothing.

By subprocess and not by netlink of our own: the rules change with the configuration alone, a transaction of some
hundred rules takes milliseconds, and nft's text is what an administrator knows and can check.
"""

import json
import os
import shutil
import subprocess

from haagent.ipvs import marks
from haagent.ipvs.marks import MarkRule, Marks, decode, script

PROGRAM = "nft"
NO_NFT = "firewall marks and source NAT need the program nft: apt-get install nftables"
TIMEOUT = 30.0
ALIEN = frozenset({MarkRule("", "", (), 0)})  # our table holds what we did not put there: equal to nothing wanted


def observe() -> Marks | str:
    """The rules that are in force; ALIEN where somebody edited our table; or why they cannot be read."""
    listed = _nft(["-j", "list", "table", marks.FAMILY, marks.TABLE], "")
    if isinstance(listed, str):
        return listed
    if listed.returncode:
        return frozenset() if b"No such file" in listed.stderr else _complaint(listed)
    try:
        listing = json.loads(listed.stdout)
    except ValueError:
        return "nft lists our table in words that cannot be read"
    decoded = decode(listing) if isinstance(listing, dict) else None
    return ALIEN if decoded is None else decoded


def replace(wanted: Marks) -> str | None:
    """Make these rules the ones in force, in one transaction. None: done; or why nothing changed."""
    done = _nft(["-f", "-"], script(wanted))
    if isinstance(done, str):
        return done
    return _complaint(done) if done.returncode else None


def _nft(arguments: list[str], given: str) -> subprocess.CompletedProcess[bytes] | str:
    if shutil.which(PROGRAM) is None:
        return NO_NFT
    try:
        return subprocess.run(
            [PROGRAM, *arguments],
            input=given.encode(),
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
            env={**os.environ, "LC_ALL": "C"},  # its complaints are read
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nft does not answer: {error}"


def _complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return f"nft refuses: {said[0] if said else f'exit status {done.returncode}'}"
