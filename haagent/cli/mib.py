"""`haagent mib`: where the MIB files are, for snmpwalk's -M option."""

import argparse
import sys
import sysconfig
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(_options: argparse.Namespace) -> int:
    for folder in (Path(__file__).parents[2] / "mibs", Path(sysconfig.get_path("data")) / "share/haagent/mibs"):
        if folder.is_dir():
            print(folder)
            return 0
    print("haagent: the MIB files were not installed with this package", file=sys.stderr)
    return 1
