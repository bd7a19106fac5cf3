"""What a provider signs of a delivery or a change: a statement with the digest of its content (Art. 11, 12).

The provider's client signs with this module, ingest verifies with it, and so can all who hold a receipt.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.errors import conflict
from chengxin.values.canonical_json import canonical, digest
from chengxin.values.jwk import public_jwk, thumbprint
from chengxin.values.outside_json import must_be_readable, read_json

TYPE: Final = "chengxin-delivery+jws"
AMENDMENT: Final = "amendment"
REVOCATION: Final = "revocation"
# The fields in which both a receipt and a statement describe what was delivered.
_CONTENT_FIELDS: Final = ("entry_code", "content_sha256", "file_sha256")
_LONGEST_JWS: Final = 4096
_ALGORITHMS: Final = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256"}
_encoder: Final = msgspec.json.Encoder(order="sorted")

SUBMISSION_CONFLICT = conflict(
    "SUBMISSION_CONFLICT",
    "报送编号 {submission_id} 已用于条目 {entry} 第 {version} 版的另一次报送，请换一个编号",
    "Submission id {submission_id} belongs to another delivery for entry {entry} version {version}; use a new one",
)


def batch_bytes(records: Iterable[tuple[int, Mapping[str, str]]]) -> bytes:
    """The JSON of `[[row, items], …]`, items by code; its SHA-256 is the batch's digest."""
    return _encoder.encode([(row, items) for row, items in records])


def content_sha256(digests: Iterable[str]) -> str:
    """SHA-256 over the 32-byte digests of all batches in order, lower-case hex."""
    return hashlib.sha256(b"".join(bytes.fromhex(d) for d in digests)).hexdigest()


@dataclass(frozen=True)
class ProviderStatement:
    """A provider's signed statement: its content, and the key that signed it (RFC 7638 thumbprint, public JWK)."""

    says: Mapping[str, Any]
    kid: str
    jwk: Mapping[str, str]


def sign(says: Mapping[str, Any], key: Ed25519PrivateKey) -> str:
    """Signs a statement on a delivery or a change: a compact JWS with the public key in its header."""
    jwk = {name: value for name, value in public_jwk(key).items() if name in ("kty", "crv", "x")}
    return jwt.api_jws.encode(canonical(dict(says)), key, algorithm="EdDSA", headers={"typ": TYPE, "jwk": jwk})


def read_signed(jws: str) -> ProviderStatement:
    """Reads a signed statement and verifies it by the key in its header. The caller must know whose key that is.

    Raises `ValueError` with the reason when it is not well formed or the key did not sign it.
    """
    if len(jws) > _LONGEST_JWS:
        raise ValueError(f"longer than {_LONGEST_JWS} characters")
    try:
        must_be_readable(jws)
        header = jwt.get_unverified_header(jws)
        jwk = header.get("jwk")
        if header.get("typ") != TYPE:
            raise ValueError(f"its typ is not {TYPE}")
        if not isinstance(jwk, dict) or "d" in jwk:
            raise ValueError("its header has no public jwk")
        algorithm = _ALGORITHMS.get((str(jwk.get("kty")), str(jwk.get("crv"))))
        if algorithm is None or header.get("alg") != algorithm:
            raise ValueError("its key must be Ed25519 (EdDSA) or P-256 (ES256)")
        payload = jwt.api_jws.decode(jws, jwt.PyJWK(jwk, algorithm).key, algorithms=[algorithm])
        says = read_json(payload)
        if not isinstance(says, dict):
            raise ValueError("it is not a JSON object")
        return ProviderStatement(says, thumbprint(jwk), jwk)
    # PyJWT lets some errors of malformed input through as they are.
    except (jwt.PyJWTError, KeyError, TypeError) as e:
        raise ValueError(str(e)[:120] or type(e).__name__) from None


def statement(
    submission_id: str, entry_code: str, record_count: int, content: str = "", file_sha256: str = ""
) -> dict[str, Any]:
    """The statement that a provider signs of a delivery: with the digest of its content, of its file, or of both."""
    digests = {"content_sha256": content, "file_sha256": file_sha256}
    return {
        "submission_id": submission_id,
        "entry_code": entry_code,
        "record_count": record_count,
        **{name: value for name, value in digests.items() if value},
    }


def must_be_about(says: Mapping[str, Any], stated: Mapping[str, Any]) -> None:
    """Raises SUBMISSION_CONFLICT unless the receipt `says` is about the delivery of the statement `stated`."""
    # A digest that is missing on either side is ignored.
    if any(says[name] and says[name] != stated[name] for name in _CONTENT_FIELDS if name in stated):
        raise SUBMISSION_CONFLICT(
            submission_id=says["submission_id"], entry=says["entry_code"], version=says["entry_version"]
        )


def digest_of(batches: Iterable[Sequence[tuple[int, Mapping[str, str]]]]) -> tuple[int, str]:
    """The number of records in the batches, and the digest of their content."""
    count, digests = 0, []
    for batch in batches:
        count += len(batch)
        digests.append(hashlib.sha256(batch_bytes(batch)).hexdigest())
    return count, content_sha256(digests)


@dataclass(frozen=True)
class ChangeStatement:
    """The content of a record's change; the signed statement holds the digest of all of it.

    The request's id is part of the digest and appears nowhere else. When it is random, those who see the digest cannot
    try out what the items may have been.
    """

    request_id: str
    reason: str
    document_number: str = ""
    effective_date: str = ""
    objection_no: str = ""
    # The full set of items after an amendment; None revokes.
    items: Mapping[str, str] | None = None

    @property
    def act(self) -> str:
        """What the change does to the record: `amendment` or `revocation`."""
        return REVOCATION if self.items is None else AMENDMENT

    def sha256(self) -> str:
        """SHA-256 over the canonical JSON of its fields, `items` of an amendment only; lower-case hex."""
        fields: dict[str, Any] = {
            "request_id": self.request_id,
            "reason": self.reason,
            "document_number": self.document_number,
            "effective_date": self.effective_date,
            "objection_no": self.objection_no,
        }
        return digest(canonical(fields if self.items is None else fields | {"items": dict(self.items)}))


def change_statement(asked: ChangeStatement, record_id: str, based_on_version: int) -> dict[str, Any]:
    """The statement that a provider signs of a change of a record, made from one of its versions."""
    return {
        "act": asked.act,
        "record_id": record_id,
        "based_on_version": based_on_version,
        "content_sha256": asked.sha256(),
    }
