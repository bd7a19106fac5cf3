"""Checks a provider's signed statement on a delivery or change (Art. 11, 12): its key, its content, its truth."""

from collections.abc import Set as AbstractSet
from typing import Any, Final

from chengxin.auth.principal import Principal
from chengxin.errors import InBoth, conflict, invalid, precondition
from chengxin.values.provider_statement import ProviderStatement, change_statement, read_signed
from services.ingest.domain.lawful_change import LawfulChange
from services.ingest.domain.provider_terms import ProviderTerms
from services.ingest.domain.submission import Header

SIGNATURE_INVALID = invalid(
    "SIGNATURE_INVALID",
    "签名不能接受：{reason}。请用登记的客户端密钥重新签名：报送签 submission_id、entry_code、record_count 与 content_sha256（文件可用"
    " file_sha256），变更与撤销签 act、record_id、based_on_version 与 content_sha256",
    "The signature is not accepted: {reason}. Sign again by your client's registered key: of a delivery submission_id,"
    " entry_code, record_count and content_sha256 (of a file also file_sha256), of a change of a record act, record_id,"
    " based_on_version and content_sha256",
)
SIGNATURE_REQUIRED = precondition(
    "SIGNATURE_REQUIRED",
    "按归集协议（{document}），贵单位的报送、变更与撤销须附签名，请用登记的客户端密钥签名后再提交",
    "By the agreement {document} your deliveries, amendments and revocations must be signed; sign by your client's"
    " registered key",
)
SIGNATURE_DIFFERS = conflict(
    "SIGNATURE_DIFFERS",
    "签名载明的 {field} 为 {signed}，而实际提交的为 {actual}；请核对内容后重新签名，报送编号或请求编号可继续使用",
    "The signature says {field} {signed}, but what was sent is {actual}; check it and sign again, under the same id",
)

_REQUIRED_FIELDS: Final = frozenset({"submission_id", "entry_code", "record_count"})
_DIGEST_FIELDS: Final = frozenset({"content_sha256", "file_sha256"})
# A long random request id keeps others from guessing the items from the digest.
_SHORTEST_REQUEST_ID: Final = 16


def read_delivery_statement(
    header: Header, caller: Principal, terms: ProviderTerms | None, is_file: bool
) -> ProviderStatement | None:
    """Returns the provider's statement on a delivery, checked against its header.

    Returns None when the provider gave none and no agreement requires one. `is_file` is True when the system has the
    file; then the statement may name the file's digest instead of that of the records.
    Raises SIGNATURE_REQUIRED, SIGNATURE_INVALID, SIGNATURE_DIFFERS.
    """
    if (signed := _read_statement(header.signature, caller, terms)) is None:
        return None
    _must_name(signed, _REQUIRED_FIELDS, _DIGEST_FIELDS)
    accepted = _DIGEST_FIELDS if is_file else {"content_sha256"}
    if not accepted & signed.says.keys():
        lacking = sorted(accepted)
        told = InBoth(f"未说明 {' 或 '.join(lacking)}", f"it does not tell {' or '.join(lacking)}")
        raise SIGNATURE_INVALID(reason=told)
    must_agree(signed, submission_id=header.submission_id, entry_code=header.entry_code)
    if header.file_sha256:
        must_agree(signed, file_sha256=header.file_sha256)
    if header.record_count:
        must_agree(signed, record_count=header.record_count)
    return signed


def read_change_statement(
    change: LawfulChange, caller: Principal, terms: ProviderTerms | None
) -> ProviderStatement | None:
    """Returns the provider's statement on a change of one record.

    Returns None when the provider gave none and no agreement requires one. The statement names the version from which
    the change was made, so that it is valid once.
    Raises SIGNATURE_REQUIRED, SIGNATURE_INVALID, SIGNATURE_DIFFERS.
    """
    if (signed := _read_statement(change.signature, caller, terms)) is None:
        return None
    if not change.based_on_version:
        raise SIGNATURE_INVALID(
            reason=InBoth("签名的变更须说明 based_on_version", "a signed change tells based_on_version")
        )
    if len(change.request_id) < _SHORTEST_REQUEST_ID:
        raise SIGNATURE_INVALID(
            reason=InBoth(
                f"签名的变更须有至少 {_SHORTEST_REQUEST_ID} 个字符的随机 request_id",
                f"a signed change has a random request_id of at least {_SHORTEST_REQUEST_ID} characters",
            )
        )
    facts = change_statement(change.asked, change.record_id, change.based_on_version)
    _must_name(signed, facts.keys(), frozenset())
    must_agree(signed, **facts)
    return signed


def must_agree(signed: ProviderStatement, **facts: Any) -> None:
    """Raises SIGNATURE_DIFFERS when a field of the statement differs from the fact."""
    for field, actual in facts.items():
        if field in signed.says and signed.says[field] != actual:
            raise SIGNATURE_DIFFERS(field=field, signed=str(signed.says[field])[:80], actual=actual)


def _read_statement(signature: str, caller: Principal, terms: ProviderTerms | None) -> ProviderStatement | None:
    if not signature:
        if terms is not None and terms.signature_required:
            raise SIGNATURE_REQUIRED(document=terms.document or "-")
        return None
    try:
        signed = read_signed(signature)
    except ValueError as e:
        raise SIGNATURE_INVALID(reason=e) from None
    if not caller.client_key or signed.kid != caller.client_key:
        raise SIGNATURE_INVALID(
            reason=InBoth(
                "签名密钥不是客户端取得令牌所用的密钥", "the key is not the one by which the client obtained its token"
            )
        )
    return signed


def _must_name(signed: ProviderStatement, required: AbstractSet[str], optional: AbstractSet[str]) -> None:
    if missing := required - signed.says.keys():
        names = ", ".join(sorted(missing))
        raise SIGNATURE_INVALID(reason=InBoth(f"未说明 {names}", f"it does not tell {names}"))
    if unknown := signed.says.keys() - required - optional:
        names = ", ".join(sorted(unknown))[:80]
        raise SIGNATURE_INVALID(reason=InBoth(f"多出 {names}", f"it tells more than it should: {names}"))
