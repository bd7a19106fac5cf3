"""Where a request comes from: what a trusted proxy says counts, and what anybody else says does not. Pure."""

import ipaddress

import pytest

from gateway.edge.origins import Origins

PROXIES = Origins((ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::7/128")))


@pytest.mark.parametrize(
    ("peer", "forwarded", "x_forwarded_for", "origin"),
    [
        ("192.0.2.9", "", "203.0.113.1", "192.0.2.9"),
        ("192.0.2.9", "for=203.0.113.1", "", "192.0.2.9"),
        ("10.0.0.1", "", "", "10.0.0.1"),
        ("10.0.0.1", "", "203.0.113.1", "203.0.113.1"),
        # Whatever the caller wrote itself stands before what the proxy added.
        ("10.0.0.1", "", "127.0.0.1, 203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "", "203.0.113.1, 10.0.0.2", "203.0.113.1"),
        ("10.0.0.1", "", "10.9.9.9, 10.0.0.2", "10.9.9.9"),
        ("10.0.0.1:5000", "for=127.0.0.1, for=203.0.113.1;proto=https", "198.51.100.1", "203.0.113.1"),
        ("10.0.0.1", 'proto=https; For="[2001:db8:1:2::17]:4711"', "", "2001:db8:1:2::/64"),
        ("2001:db8::7", "", "203.0.113.1", "203.0.113.1"),
        ("2001:db8::8", "", "203.0.113.1", "2001:db8::/64"),
        ("ipv4:10.0.0.1:80", "for=unknown", "", "10.0.0.1"),
        ("10.0.0.1", "for=_hidden, for=10.0.0.3", "", "10.0.0.3"),
        ("10.0.0.1", "nonsense", "203.0.113.1", "10.0.0.1"),
        ("10.0.0.1", "", "'; drop", "10.0.0.1"),
        ("10.0.0.1", "", "::ffff:203.0.113.1", "203.0.113.1"),
        ("", "", "203.0.113.1", ""),
    ],
)
def test_the_origin_is_the_last_that_somebody_believed_has_named(
    peer: str, forwarded: str, x_forwarded_for: str, origin: str
) -> None:
    assert PROXIES.of(peer, forwarded, x_forwarded_for) == origin


@pytest.mark.parametrize("header", ["203.0.113.1", "for=203.0.113.1"])
def test_without_trusted_proxies_the_caller_is_who_connects(header: str) -> None:
    assert Origins(()).of("10.0.0.1:99", header, header) == "10.0.0.1"


def test_two_hosts_of_one_ipv6_network_are_one_origin() -> None:
    assert len({Origins(()).of(peer, "", "") for peer in ("2001:db8::1", "[2001:db8::ffff:2]:80")}) == 1
