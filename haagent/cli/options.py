"""Options that several verbs share: which configuration, which director, which daemon."""

import argparse
import socket
import sys
from pathlib import Path

from haagent.config.load import check, load
from haagent.config.model import Config
from haagent.control.paths import control_socket

DEFAULT_DIRECTORY = Path("/etc/haagent/haagent.conf.d")


def add_configuration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--config", type=Path, default=DEFAULT_DIRECTORY, metavar="DIR", help=f"default: {DEFAULT_DIRECTORY}"
    )
    parser.add_argument("--name", help="which director of the configuration we are; default: the host's name")


def add_daemon(parser: argparse.ArgumentParser) -> None:
    add_configuration(parser)
    parser.add_argument("--socket", type=Path, help="the daemon's control socket; default: from the configuration")


def load_or_complain(options: argparse.Namespace) -> Config | None:
    """None: every error has been printed, those too that only another director of the directory would meet."""
    config = check(options.config, None) or load(options.config, options.name)
    if isinstance(config, list):
        for error in config:
            print(f"{options.config}/{error}" if error.file else error, file=sys.stderr)
        print(f"{len(config)} error{'s' if len(config) > 1 else ''}", file=sys.stderr)
        return None
    return config


def find_socket(options: argparse.Namespace) -> Path | None:
    """Where the daemon listens. A broken configuration on disk must not hide a running daemon: then the default place.

    None: it cannot be told, and why has been printed.
    """
    if options.socket:
        return Path(options.socket)
    config = load(options.config, options.name)
    if not isinstance(config, list):
        return control_socket(config.director)
    for name in (options.name, socket.gethostname(), socket.gethostname().split(".")[0]):
        candidate = Path("/run/haagent") / (name or "") / "control.sock"
        if name and candidate.exists():
            return candidate
    print(*config, sep="\n", file=sys.stderr)
    print("the configuration does not tell where the daemon listens: name it with --socket", file=sys.stderr)
    return None
