"""Client assertions (RFC 7523): what they say, and the keys that sign them."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from chengxin.errors import InBoth

# A client assertion is good for at most `ASSERTION_SECONDS` (RFC 7523 leaves the limit to us); clocks may differ by
# `SKEW_SECONDS`.
ASSERTION_SECONDS: Final = 300
SKEW_SECONDS: Final = 5
_MAX_JTI_LENGTH: Final = 128


def assertion_fault(claims: Mapping[str, Any], client_id: str, audiences: Iterable[str], now: float) -> str | None:
    """Returns the fault in the claims of a client assertion whose signature is good (RFC 7523 section 3), or None."""
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        return InBoth("iss 和 sub 都须为 client_id", "iss and sub must both be the client_id")
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    if not isinstance(audience, str) or audience not in audiences:
        return InBoth("aud 只能是 issuer 或令牌地址", "aud must be the issuer or the token endpoint alone")
    exp, iat = _read_time(claims, "exp"), _read_time(claims, "iat")
    if exp is None or iat is None:
        return InBoth("exp 和 iat 须为数字", "exp and iat must be numbers")
    if exp <= now - SKEW_SECONDS:
        return InBoth("已过期", "it is expired")
    if exp > now + ASSERTION_SECONDS + SKEW_SECONDS:
        return InBoth(f"exp 最多提前 {ASSERTION_SECONDS} 秒", f"exp may be at most {ASSERTION_SECONDS} s ahead")
    starts = _read_time(claims, "nbf") if "nbf" in claims else iat
    if starts is None or max(starts, iat) > now + SKEW_SECONDS:
        return InBoth("尚未生效", "it is not valid yet")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= _MAX_JTI_LENGTH:
        return InBoth(
            f"jti 须为 1 至 {_MAX_JTI_LENGTH} 个字符的文字", f"jti must be a text of 1 to {_MAX_JTI_LENGTH} characters"
        )
    return None


def algorithm_of(jwk: Mapping[str, Any]) -> str:
    """Returns the one JWS algorithm for a registered public key. Raises `ValueError` for a key of another kind."""
    if "d" in jwk or "k" in jwk:
        raise ValueError(InBoth("只登记公钥", "only public keys are registered"))
    algorithm = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256"}.get((str(jwk.get("kty")), str(jwk.get("crv"))))
    if algorithm is None or jwk.get("alg", algorithm) != algorithm:
        raise ValueError(
            InBoth(
                "密钥须为 Ed25519（EdDSA）或 P-256（ES256）",
                "a registered key must be Ed25519 (EdDSA) or P-256 (ES256)",
            )
        )
    return algorithm


def _read_time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # An integer of many digits is no float.
    return float(value) if abs(value) <= sys.float_info.max else None
