"""TLS at the edges: the CA that a client trusts, the certificate that it shows, tokens bound to one (RFC 8705)."""

import base64
import hashlib
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chengxin.bounds import own

# Settings are read in processes that only keep another one: they import no more than they need.
if TYPE_CHECKING:
    import grpc
    import urllib3

_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")

own(
    __name__,
    "PoolManager",
    resource="Pools of connections to the gateway",
    total=1,
    why="One for each kind of its own calls",
)


@dataclass(frozen=True)
class Trust:
    """The CA that a server's certificate is from, and the certificate and key that a client shows, if any (PEM)."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None
    # Whether the client's tokens are bound to the certificate: then they are refused without it.
    bound: bool = False

    @classmethod
    def of_environment(cls) -> "Trust | None":
        """Reads `CHENGXIN_CA_FILE`, `CHENGXIN_CLIENT_CERT_FILE`, `CHENGXIN_CLIENT_KEY_FILE`; None without the first."""
        ca, certificate, key = (
            Path(value) if (value := os.environ.get(f"CHENGXIN_{name}_FILE")) else None
            for name in ("CA", "CLIENT_CERT", "CLIENT_KEY")
        )
        return cls(ca, certificate, key) if ca else None

    def channel_credentials(self) -> "grpc.ChannelCredentials":
        """The credentials for a gRPC channel."""
        import grpc

        shown = [file.read_bytes() if file else None for file in (self.key, self.certificate)]
        return grpc.ssl_channel_credentials(self.ca.read_bytes(), *shown)

    @property
    def thumbprint(self) -> str:
        """The thumbprint of the certificate to which tokens are bound; empty when they are not."""
        bound = self.certificate if self.bound else None
        return certificate_thumbprint(bound.read_bytes()) if bound else ""


def pool(trust: Trust | None, **options: Any) -> "urllib3.PoolManager":
    """A pool of HTTP connections that trusts the given CA alone, or those of the system."""
    import urllib3

    if trust is not None:
        options["ca_certs"] = str(trust.ca)
        if trust.certificate is not None:
            options |= {"cert_file": str(trust.certificate), "key_file": str(trust.key)}
    return urllib3.PoolManager(**options)


def certificate_thumbprint(pem: bytes) -> str:
    """`x5t#S256` of a certificate (RFC 8705 section 3.1): SHA-256 of its DER, base64url. Raises `ValueError`."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def confirmation(claims: Mapping[str, Any]) -> str:
    """The certificate that claims bind to (`cnf`), empty when they bind to none. Raises `ValueError` for another kind."""
    if "cnf" not in claims:
        return ""
    bound = claims["cnf"]
    found = bound.get("x5t#S256") if isinstance(bound, dict) and len(bound) == 1 else None
    if not isinstance(found, str) or not _THUMBPRINT.match(found):
        raise ValueError("cnf must be {x5t#S256: SHA-256 thumbprint of a certificate, base64url}")
    return found
