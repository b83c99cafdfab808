"""`haagent check`: is the configuration valid, for one director or for all that the directory serves?"""

import argparse
import sys
from pathlib import Path

from haagent.cli.options import DEFAULT_DIRECTORY
from haagent.config.error import ConfigError
from haagent.config.load import load_all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        "--config",
        dest="directory",
        metavar="DIR",
        type=Path,
        default=DEFAULT_DIRECTORY,
        help="directory of *.toml files (default: %(default)s)",
    )
    parser.add_argument("--name", help="the director to check for (default: all of them)")


def run(arguments: argparse.Namespace) -> int:
    """Prints every error to stderr and returns 1, or one line to stdout and returns 0."""
    directory: Path = arguments.directory
    loaded = load_all(directory, arguments.name)
    if isinstance(loaded, dict):
        print(f"{directory}: valid for {', '.join(loaded)}")
        return 0
    for error in loaded:
        print(line(directory, error), file=sys.stderr)
    print("1 error" if len(loaded) == 1 else f"{len(loaded)} errors", file=sys.stderr)
    return 1


def line(directory: Path, error: ConfigError) -> str:
    """The error with the file as the caller can open it."""
    return f"{directory}/{error}" if error.file else str(error)
