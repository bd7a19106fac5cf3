"""Where a request comes from: the address of its connection, or what a trusted proxy in front of the gateway says."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# `for=192.0.2.60`, `For="[2001:db8::17]:4711"`, among other pairs (RFC 7239 section 4).
_FORWARDED_FOR: Final = re.compile(r"""(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^\s;"]*))""", re.IGNORECASE)


class Origins:
    """Finds the origin of requests. `trusted` are the networks of the proxies that are believed.

    Each proxy adds the address of its own caller at the end, so the list is read backwards, as long as it was written
    by somebody who is believed. Whatever stands before that, anybody may have written.
    """

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)

    def is_trusted(self, host: str) -> bool:
        """Returns whether what comes from this host was passed on by a trusted proxy."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        # A socket for both versions tells of IPv4 addresses in IPv6's clothes.
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._trusted)

    def of(self, peer: str, forwarded: str, x_forwarded_for: str) -> str:
        """Returns the origin of a request: an IPv4 address or the /64 of an IPv6 address.

        `peer` is the transport's peer in any form that `address_of` reads, the others are the headers of RFC 7239 and
        its forerunner; empty when they are not there.
        """
        host = _host_of(peer)
        if self._trusted:
            hops = [*_hops_of_forwarded(forwarded)] if forwarded else x_forwarded_for.split(",")
            while hops and self.is_trusted(host):
                named = _host_of(hops.pop().strip())
                if not _is_address(named):
                    # A proxy that hides its caller (`for=_x`, `for=unknown`): the proxy itself is the origin.
                    break
                host = named
        return _network_of(host)

    def of_call(self, peer: str, metadata: Mapping[str, str]) -> str:
        """Returns the origin of a gRPC call by its metadata, which a proxy writes as it writes headers."""
        return self.of(peer, metadata.get("forwarded", ""), metadata.get("x-forwarded-for", ""))


def _hops_of_forwarded(header: str) -> Iterator[str]:
    for element in header.split(","):
        found = _FORWARDED_FOR.search(element)
        yield (found[1] or found[2] or "") if found else ""


def address_of(peer: str) -> str:
    """Returns the address of a transport's peer (`127.0.0.1:5000`, `ipv4:…`, `ipv6:%5B::1%5D:5000`).

    For IPv6 this is the network of 64 bits, because one host can use any number of addresses in it.
    """
    return _network_of(_host_of(peer))


def _host_of(peer: str) -> str:
    text = peer.removeprefix("ipv4:").removeprefix("ipv6:").replace("%5B", "[").replace("%5D", "]")
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _network_of(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    # The /64 of an IPv4 address in IPv6's clothes would be the whole of IPv4.
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
