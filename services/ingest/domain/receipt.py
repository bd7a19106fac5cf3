"""Receipts (Art. 12): canonical JSON signed as a compact JWS, which a provider verifies without asking the system."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.values.canonical_json import canonical
from chengxin.values.clock import rfc3339
from chengxin.values.jwk import public_jwk
from chengxin.values.provider_statement import change_statement, content_sha256
from services.ingest.domain.lawful_change import LawfulChange
from services.ingest.domain.submission import Receipt, RecordOutcome


class ReceiptSigner:
    """Signs with one key; its public half is `jwk`."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.jwk = public_jwk(key)

    def sign(
        self, submission: Mapping[str, Any], digests: Sequence[str], at: datetime, signature: Mapping[str, str]
    ) -> Receipt:
        """Returns the receipt of a submission with these batches, with the provider's signed statement, if any."""
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
        jws = self._sign_payload(payload, signature)
        return Receipt(submission["submission_id"], payload["counts"], content, at, jws)

    def sign_change(
        self,
        change: LawfulChange,
        record: Mapping[str, Any],
        became: RecordOutcome,
        at: datetime,
        signature: Mapping[str, str],
    ) -> str:
        """Returns the receipt of a change; `record` is the version before it.

        The receipt includes the provider's signed statement, if any.
        """
        payload = change_statement(change.asked, change.record_id, record["version"]) | {
            "provider": record["provider"],
            "entry_code": record["entry_code"],
            "outcome": became.outcome.value,
            "version": became.version,
            "late_working_days": became.late_working_days,
            "recorded_at": rfc3339(at),
        }
        return self._sign_payload(payload, signature)

    def _sign_payload(self, payload: dict[str, Any], signature: Mapping[str, str]) -> str:
        if signature:
            statement = {"provider_signature": signature["jws"], "provider_client": signature["client_id"]}
            payload = payload | statement
        header = {"kid": self.jwk["kid"], "typ": "chengxin-receipt+jws"}
        return jwt.api_jws.encode(canonical(payload), self._key, algorithm="EdDSA", headers=header)


def receipt_to_dict(receipt: Receipt) -> dict[str, Any]:
    """Returns the fields of a receipt that its submission stores."""
    return {"content_sha256": receipt.content_sha256, "closed_at": receipt.closed_at, "jws": receipt.jws}


def receipt_of(submission: Mapping[str, Any]) -> Receipt | None:
    """Returns the receipt of a submission; None while it is open."""
    receipt = submission.get("receipt")
    if not receipt:
        return None
    return Receipt(
        submission["submission_id"],
        submission["counts"],
        receipt["content_sha256"],
        receipt["closed_at"],
        receipt["jws"],
    )
