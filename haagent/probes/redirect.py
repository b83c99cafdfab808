"""Where a redirect leads (RFC 9110 §15.4): another path, name, port or TLS, but always the same real server."""

from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of the real server."""

    is_secure: bool
    host: str  # as in the Host header; "": the probed address
    port: int
    path: str  # with the query
    method: str

    def name(self) -> str:
        """The host without its port, for SNI."""
        if self.host.startswith("["):
            return self.host[1:].partition("]")[0]
        return self.host.partition(":")[0]

    def url(self) -> str:
        return f"{'https' if self.is_secure else 'http'}://{self.host or '*'}{self.path}"


def target_of(location: str, status: int, before: Target) -> Target | None:
    """None: nothing that can be followed."""
    if not location or not all("!" <= each <= "~" for each in location):
        return None
    try:
        url = urlsplit(location)
        port = url.port
    except ValueError:
        return None
    method = before.method if status in (307, 308) or before.method == "HEAD" else "GET"
    if not url.scheme and not url.netloc:
        joined = urlsplit(urljoin("http://x" + before.path, location))
        path = (joined.path or "/") + (f"?{joined.query}" if joined.query else "")
        return replace(before, path=path, method=method)
    if url.scheme not in ("http", "https", "") or not url.hostname or url.username is not None:
        return None
    is_secure = url.scheme == "https" if url.scheme else before.is_secure
    path = (url.path if url.path.startswith("/") else "/" + url.path) + (f"?{url.query}" if url.query else "")
    return Target(is_secure, url.netloc, port or (443 if is_secure else 80), path, method)
