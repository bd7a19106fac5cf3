"""A provider's signed word on a delivery (Art. 12): whose key, what it says, and whether that is what came. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from chengxin.delivery import Signed, read_signed
from chengxin.errors import conflict, invalid, precondition
from chengxin.principal import Principal
from services.ingest.model import Header

SIGNATURE_INVALID = invalid(
    "SIGNATURE_INVALID",
    "报送签名不能接受：{reason}。请用登记的客户端密钥，对 submission_id、entry_code、record_count 与 content_sha256（文件可用"
    " file_sha256）重新签名",
    "The signature is not accepted: {reason}. Sign submission_id, entry_code, record_count and content_sha256 (of a file"
    " also file_sha256) by your client's registered key",
)
SIGNATURE_REQUIRED = precondition(
    "SIGNATURE_REQUIRED",
    "按归集协议（{document}），贵单位的报送须附签名，请用登记的客户端密钥签名后报送",
    "By the agreement {document} your deliveries must be signed; sign by your client's registered key",
)
SIGNATURE_DIFFERS = conflict(
    "SIGNATURE_DIFFERS",
    "签名载明的 {field} 为 {signed}，而本次报送为 {actual}；请核对内容后重新签名，同一报送编号可继续使用",
    "The signature says {field} {signed}, but what was delivered is {actual}; check it and sign again, under the same id",
)

_TOLD: Final = frozenset({"submission_id", "entry_code", "record_count"})
_DIGESTS: Final = frozenset({"content_sha256", "file_sha256"})


def word_on(header: Header, caller: Principal, agreement: Mapping[str, Any] | None, is_file: bool) -> Signed | None:
    """The provider's word on a delivery, as far as its header goes; None where none is given and none is agreed.

    `is_file` tells whether we have the file, so that its digest is as good as that of the records.
    Raises SIGNATURE_REQUIRED, SIGNATURE_INVALID, SIGNATURE_DIFFERS.
    """
    if not header.signature:
        if agreement and agreement.get("signature_required"):
            raise SIGNATURE_REQUIRED(document=agreement.get("document") or "-")
        return None
    try:
        signed = read_signed(header.signature)
    except ValueError as e:
        raise SIGNATURE_INVALID(reason=e) from None
    if not caller.client_key or signed.kid != caller.client_key:
        raise SIGNATURE_INVALID(reason="the key is not the one by which the client obtained its token")
    if missing := _TOLD - signed.says.keys():
        raise SIGNATURE_INVALID(reason=f"it does not tell {', '.join(sorted(missing))}")
    if unknown := signed.says.keys() - _TOLD - _DIGESTS:
        raise SIGNATURE_INVALID(reason=f"it tells more than it should: {', '.join(sorted(unknown))[:80]}")
    enough = _DIGESTS if is_file else {"content_sha256"}
    if not enough & signed.says.keys():
        raise SIGNATURE_INVALID(reason=f"it does not tell {' or '.join(sorted(enough))}")
    must_agree(signed, submission_id=header.submission_id, entry_code=header.entry_code)
    if header.file_sha256:
        must_agree(signed, file_sha256=header.file_sha256)
    if header.record_count:
        must_agree(signed, record_count=header.record_count)
    return signed


def must_agree(signed: Signed, **facts: Any) -> None:
    """Raises SIGNATURE_DIFFERS where the word says something else than is the case."""
    for field, actual in facts.items():
        if field in signed.says and signed.says[field] != actual:
            raise SIGNATURE_DIFFERS(field=field, signed=str(signed.says[field])[:80], actual=actual)
