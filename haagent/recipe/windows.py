"""The commands that make a Windows machine with IIS a real server. Pure text, for an operator to run as Administrator.

Direct routing wants the virtual address on a loopback adapter. Windows since Vista and 2008 is a strong host: it takes
no packet for an address of another adapter and sends none from it, unless told so (weakhostreceive, weakhostsend). XP
and 2003 are weak hosts and need the adapter alone.
"""

from collections.abc import Iterator
from typing import Literal

from haagent.recipe.site import Site, is_ipv6

Version = Literal["windows", "windows-2003"]
DEVICE = {
    "windows": "Microsoft KM-TEST Loopback Adapter (up to 2008 R2: Microsoft Loopback Adapter)",
    "windows-2003": "Microsoft Loopback Adapter",
}
HOW = {
    "windows": "Device Manager, Action, Add legacy hardware, Install manually, Network adapters, Microsoft",
    "windows-2003": "Control Panel, Add Hardware, Add a new device, Install manually, Network adapters, Microsoft",
}


def recipe(site: Site, version: Version) -> Iterator[str]:
    yield f"# {site.server} ({site.address}) as a real server of {site.service}: {site.method.replace('_', ' ')}"
    match site.method:
        case "direct_routing":
            yield from _adapter(site, version)
            if version == "windows":
                yield from _weak_host(site)
            yield from _firewall(site, version)
            yield from _binding(site, version)
        case "masquerading":
            gateways = [each for each in site.gateways if is_ipv6(each) == is_ipv6(site.address)]
            gateway = gateways[0] if gateways else "THE_DIRECTORS_ADDRESS_IN_THIS_NETWORK"
            yield "# Answers must go back through the Active director: it is the default gateway."
            yield f'netsh interface ip set address name="net" gateway={gateway} gwmetric=1'
            yield from _firewall(site, version)
        case "tunneling":
            yield "# Windows takes no IP in IP apart as a tunnel of IPVS does: use direct_routing or masquerading."
            return
    yield from _page(site)
    yield from _verify(site)


def _adapter(site: Site, version: Version) -> Iterator[str]:
    yield ""
    yield f"# 1. The adapter, once: {HOW[version]}:"
    yield f"#    {DEVICE[version]}. It is not the Loopback Pseudo-Interface 1."
    yield '#    Call it "loopback" and the network adapter "net". On "loopback" leave TCP/IP alone ticked: no'
    yield "#    Client for Microsoft Networks, no File and Printer Sharing; no gateway, no DNS server, no"
    yield "#    registration in DNS, no NetBIOS over TCP/IP."
    if version == "windows":
        yield "#    PowerShell (2012 and newer):"
        yield (
            "#      Get-NetAdapter -InterfaceDescription 'Microsoft KM-TEST Loopback Adapter*' | "
            "Rename-NetAdapter -NewName loopback"
        )
        yield (
            f"#      Get-NetAdapter -InterfaceIndex (Get-NetIPAddress -IPAddress {site.address}).InterfaceIndex | "
            "Rename-NetAdapter -NewName net"
        )
    yield ""
    yield "# 2. The virtual address, alone in its network:"
    for address in site.virtual_addresses:
        if version == "windows-2003":
            yield f'netsh interface ip set address name="loopback" source=static addr={address} mask=255.255.255.255'
        elif is_ipv6(address):
            yield f'netsh interface ipv6 add address interface="loopback" address={address}/128'
        else:
            yield f'netsh interface ipv4 add address name="loopback" address={address} mask=255.255.255.255'
    if version == "windows-2003":
        yield "#    and on the adapter: Advanced, no automatic metric, interface metric 254"
        return
    for family in _families(site):
        yield f'netsh interface {family} set interface "loopback" metric=254'
    for address in site.virtual_addresses:
        yield (
            f"#    PowerShell: New-NetIPAddress -InterfaceAlias loopback -IPAddress {address} "
            f"-PrefixLength {128 if is_ipv6(address) else 32} -SkipAsSource $true"
        )


def _families(site: Site) -> list[str]:
    return sorted({"ipv6" if is_ipv6(each) else "ipv4" for each in site.virtual_addresses})


def _weak_host(site: Site) -> Iterator[str]:
    yield ""
    yield "# 3. The weak host model (2008 and newer):"
    for family in _families(site):
        yield f'netsh interface {family} set interface "net" weakhostreceive=enabled'
        yield f'netsh interface {family} set interface "loopback" weakhostreceive=enabled'
        yield f'netsh interface {family} set interface "loopback" weakhostsend=enabled'
        if family == "ipv6":
            yield 'netsh interface ipv6 set interface "loopback" dadtransmits=0'
            yield 'netsh interface ipv6 set interface "loopback" routerdiscovery=disabled'
    yield "#    PowerShell:"
    yield "#      Set-NetIPInterface -InterfaceAlias net -WeakHostReceive Enabled"
    yield "#      Set-NetIPInterface -InterfaceAlias loopback -WeakHostReceive Enabled -WeakHostSend Enabled"
    yield "#    An upgrade of Windows in place may remove the adapter: then again from 1."


def _firewall(site: Site, version: Version) -> Iterator[str]:
    yield ""
    yield "# The firewall: the port, in every profile (the loopback adapter is in the public one):"
    for protocol in site.protocols:
        if protocol == "sctp":
            continue
        name = f"haagent {site.service} {protocol}"
        port = str(site.port) if site.port else "any"
        if version == "windows-2003":
            yield (
                f'netsh firewall add portopening protocol={protocol.upper()} port={port} name="{name}" '
                "mode=ENABLE profile=ALL"
            )
        else:
            yield (
                f'netsh advfirewall firewall add rule name="{name}" dir=in action=allow protocol={protocol.upper()} '
                f"localport={port} profile=any"
            )
            ports = f" -LocalPort {port}" if site.port else ""
            yield (
                f"#    PowerShell: New-NetFirewallRule -DisplayName '{name}' -Direction Inbound -Action Allow "
                f"-Protocol {protocol.upper()}{ports} -Profile Any"
            )


def _binding(site: Site, version: Version) -> Iterator[str]:
    if "tcp" not in site.protocols:
        return
    yield ""
    yield "# IIS: the site's binding must take the virtual address: all unassigned addresses (*), or one of its own."
    if version == "windows-2003":
        yield "#    IIS Manager, the site, Properties, Web Site, IP address: (All Unassigned)"
        return
    for address in site.virtual_addresses:
        shown = f"[{address}]" if is_ipv6(address) else address
        added = f"/+bindings.[protocol='http',bindingInformation='{shown}:{site.port}:']"
        yield f"#    %windir%\\system32\\inetsrv\\appcmd set site SITE {added}"
    yield "netsh http show iplisten"
    yield "#    must be empty, or hold the virtual address and the server's own:"
    for address in (*site.virtual_addresses, site.address):
        yield f"#    netsh http add iplisten ipaddress={address}"


def _page(site: Site) -> Iterator[str]:
    for page in site.pages:
        windows_path = page.path.replace("/", "\\")
        body = page.body.replace("'", "''")
        yield ""
        yield "# The page that the check asks for, in ASCII (Notepad might save UTF-16) and under this very name"
        yield "# (Explorer hides suffixes: not check.txt.txt). PowerShell:"
        yield f"#    Set-Content -Encoding Ascii -NoNewline -Path C:\\inetpub\\wwwroot{windows_path} -Value '{body}'"
        yield f'cmd /c "<nul set /p={page.body}>C:\\inetpub\\wwwroot{windows_path}"'
        if page.host:
            yield f"#    in the site that is bound to {page.host}"


def _verify(site: Site) -> Iterator[str]:
    yield ""
    yield "# Then, on a director:"
    yield f"#    haagent why {site.service}/{site.server}"
