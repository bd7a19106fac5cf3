"""Receipts (Art. 12): canonical JSON signed as a compact JWS, which a provider verifies without asking us."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.canonical import canonical
from chengxin.clock import rfc3339
from chengxin.delivery import content_sha256
from chengxin.tokens import public_jwk
from services.ingest.model import Receipt


class Signer:
    """Signs with one key; its public half is `jwk`."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.jwk = public_jwk(key)

    def sign(
        self, submission: Mapping[str, Any], digests: Sequence[str], at: datetime, signature: Mapping[str, str]
    ) -> Receipt:
        """The receipt of a submission with these batches, and with its provider's signed word, if it gave one."""
        content = content_sha256(digests)
        payload = {
            "submission_id": submission["submission_id"],
            "provider": submission["provider"],
            "entry_code": submission["entry_code"],
            "entry_version": submission["entry_version"],
            "counts": dict(submission["counts"]),
            "batches": len(digests),
            "content_sha256": content,
            "file_sha256": submission.get("file_sha256") or "",
            "closed_at": rfc3339(at),
        }
        if signature:
            payload["provider_signature"] = signature["jws"]
            payload["provider_client"] = signature["client_id"]
        header = {"kid": self.jwk["kid"], "typ": "chengxin-receipt+jws"}
        jws = jwt.api_jws.encode(canonical(payload), self._key, algorithm="EdDSA", headers=header)
        return Receipt(submission["submission_id"], payload["counts"], content, at, jws)


def kept(receipt: Receipt) -> dict[str, Any]:
    """A receipt as its submission keeps it."""
    return {"content_sha256": receipt.content_sha256, "closed_at": receipt.closed_at, "jws": receipt.jws}


def receipt_of(submission: Mapping[str, Any]) -> Receipt | None:
    """The receipt of a submission; None while it is open."""
    found = submission.get("receipt")
    if not found:
        return None
    return Receipt(
        submission["submission_id"],
        submission["counts"],
        found["content_sha256"],
        found["closed_at"],
        found["jws"],
    )
