"""A shell beside a lab that is up, for its user to explore: what the nodes are, how to enter one, how to leave."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from haagent.lab.namespaces import Lab


def explore(lab: Lab) -> None:
    """A shell beside the lab; returns when the user leaves it. Ctrl-C belongs to the shell meanwhile."""
    name = lab.topology.name
    print(f"\nThe lab {name} stays up until you leave this shell (exit, or Ctrl-D). Its nodes:\n")
    for node in lab.topology.nodes:
        what = "switch" if node.kind == "bridge" else " ".join(node.command) or node.labels.get("role", "")
        print(f"  {lab.namespace(node.name):<24} {what}")
    first = next((node.name for node in lab.topology.nodes if node.kind == "linux"), None)
    if first is not None:
        namespace, pid = lab.namespace(first), lab.pid(first)
        print(f"\nIn a node's network:       ip netns exec {namespace} ip address")
        print(f"In the whole node:         nsenter -t {pid} -a COMMAND   (its own files, processes, host name)")
        print(f"                           in this shell: node {first} COMMAND\n", flush=True)
    pids = " ".join(f"{node.name}) echo {lab.pid(node.name)};;" for node in lab.topology.nodes if node.kind == "linux")
    script = (
        f'node() {{ local p; p=$(case "$1" in {pids} esac); shift; nsenter -t "$p" -a "$@"; }}; export -f node; '
        f'PS1="lab {name}# "; export PS1; exec bash --norc --noprofile -i'
    )
    before = signal.signal(signal.SIGINT, lambda number, frame: None)  # a handler, unlike SIG_IGN, is not inherited
    try:
        path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}"
        subprocess.run(["bash", "-c", script], env=os.environ | {"PATH": path}, check=False)
    finally:
        signal.signal(signal.SIGINT, before)
