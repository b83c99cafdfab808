"""The commands that prepare the real servers of a service, for one operating system. Pure."""

from collections.abc import Iterator
from typing import Literal, get_args

from haagent.config.model import Config, VirtualService
from haagent.recipe import linux, windows
from haagent.recipe.site import sites

System = Literal["linux", "windows", "windows-2003"]
SYSTEMS: tuple[System, ...] = get_args(System)


def recipe(config: Config, service: VirtualService, system: System, server: str = "") -> Iterator[str]:
    """Lines; of one real server where it is named."""
    is_first = True
    for site in sites(config, service):
        if server and site.server != server:
            continue
        if not is_first:
            yield ""
        is_first = False
        yield from linux.recipe(site) if system == "linux" else windows.recipe(site, system)
