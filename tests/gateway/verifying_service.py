"""The part of a service that verifies tokens and fetches revocations."""

from chengxin.auth.access_tokens import TokenSource, Verifier, fetch_jwks, load_private_key
from chengxin.auth.revocation import Revocations, fetch_revocations
from tests.gateway.conftest import RunningGateway


def as_a_service(gate: RunningGateway) -> tuple[Verifier, Revocations]:
    """What every service's composition root wires."""
    key = load_private_key(gate.home.key_file("disclosure"))
    source = TokenSource(f"{gate.issuer}/oauth/token", f"{gate.issuer}/oauth/token", "disclosure", key, scope="service")
    revocations = Revocations(fetch_revocations(gate.issuer, source))
    jwks = fetch_jwks(f"{gate.issuer}/.well-known/jwks.json")
    return Verifier(gate.issuer, "chengxin", jwks, revocations, demo=True), revocations
