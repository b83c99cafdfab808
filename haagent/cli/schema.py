"""`haagent schema`: the configuration's JSON Schema, for editors (taplo, VS Code's Even Better TOML)."""

import argparse
import sys

from haagent.config.schema import as_json, schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(_options: argparse.Namespace) -> int:
    sys.stdout.write(as_json(schema()))
    return 0
