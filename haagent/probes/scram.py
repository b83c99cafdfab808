"""SCRAM-SHA-256, the client's half (RFC 5802, RFC 7677). Pure, but for the nonce that is given."""

import base64
import binascii
import hashlib
import hmac
from functools import lru_cache

ITERATIONS_LIMIT = 20_000  # a server must not be able to stop the prober by asking for many


class Refused(Exception):
    """The server's message is no SCRAM, or its proof is wrong; the text says which."""


class Scram:
    """first() -> server's first -> final() -> server's final -> check()."""

    def __init__(self, password: str, nonce: str) -> None:
        self._password, self._nonce = password, nonce
        self._bare = f"n=,r={nonce}"  # PostgreSQL takes the name from its start-up message
        self._signature = b""

    def first(self) -> bytes:
        return f"n,,{self._bare}".encode()

    def final(self, server_first: bytes) -> bytes:
        """Raises Refused."""
        fields = attributes(server_first)
        nonce, count = fields.get("r", ""), fields.get("i", "")
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise Refused("the server does not repeat our nonce")
        if not count.isascii() or not count.isdigit() or not 1 <= int(count[:9]) <= ITERATIONS_LIMIT:
            raise Refused(f"the server asks for more than {ITERATIONS_LIMIT} iterations")
        try:
            salt = base64.b64decode(fields.get("s", ""), validate=True)
        except (binascii.Error, ValueError):
            raise Refused("the salt is not base64") from None
        salted = salted_password(self._password, salt, int(count[:9]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={nonce}"
        message = b",".join((self._bare.encode(), server_first, without_proof.encode("utf-8", "replace")))
        mask = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, mask, strict=True))).decode()
        self._signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        return f"{without_proof},p={proof}".encode("utf-8", "replace")

    def check(self, server_final: bytes) -> None:
        """Raises Refused."""
        if attributes(server_final).get("v", "") != base64.b64encode(self._signature).decode():
            raise Refused("the server does not know the password itself")


def attributes(message: bytes) -> dict[str, str]:
    parts = message.decode("utf-8", "replace").split(",")
    return {part[0]: part[2:] for part in parts if part[1:2] == "="}


@lru_cache(maxsize=256)
def salted_password(password: str, salt: bytes, iterations: int) -> bytes:
    """Kept: it costs milliseconds, and a server's salt stays."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
