"""What the token endpoint refuses, and the error of OAuth for each refusal (RFC 6749, RFC 8693)."""

import re
from collections.abc import Mapping
from typing import Final

from chengxin.errors import ProblemType, forbidden, invalid, unauthenticated, unavailable

CLIENT_NOT_AUTHENTICATED = unauthenticated(
    "CLIENT_NOT_AUTHENTICATED", "客户端断言不被接受：{reason}", "The client assertion is not accepted: {reason}"
)
ASSERTION_REPLAYED = unauthenticated(
    "ASSERTION_REPLAYED",
    "客户端断言已使用过，请为每次请求签发新的断言（新的 jti）",
    "The client assertion was used before; sign a new one with a new jti for each request",
)
CLIENT_SUSPENDED = forbidden(
    "CLIENT_SUSPENDED",
    "客户端 {client_id} 已被暂停，请联系信用中心",
    "Client {client_id} is suspended; ask the credit centre",
)
GRANT_UNSUPPORTED = invalid(
    "GRANT_UNSUPPORTED", "不支持的 grant_type，请用：{supported}", "This grant_type is not supported; use {supported}"
)
TOKEN_REQUEST_INVALID = invalid("TOKEN_REQUEST_INVALID", "令牌请求有误：{what}", "The token request is invalid: {what}")
SCOPE_NOT_ALLOWED = invalid(
    "SCOPE_NOT_ALLOWED", "scope 须为下列之一：{allowed}", "scope must be one role of this client: {allowed}"
)
PURPOSE_MISSING = invalid(
    "PURPOSE_MISSING", "缺少 purpose；协议载明的用途：{agreed}", "purpose is missing; agreed purposes are: {agreed}"
)
PURPOSE_NOT_AGREED = invalid(
    "PURPOSE_NOT_AGREED",
    "该用途不在贵单位的协议中；协议载明的用途：{agreed}",
    "This purpose is not in the agreement; agreed purposes are: {agreed}",
)
LEGAL_BASIS_NOT_ENTITLED = invalid(
    "LEGAL_BASIS_NOT_ENTITLED",
    "该法律依据未登记；已登记的依据：{entitled}",
    "This legal basis is not registered for the client; registered are: {entitled}",
)
EXCHANGE_NOT_ALLOWED = forbidden(
    "EXCHANGE_NOT_ALLOWED",
    "该客户端未登记 subject_authorized 角色，不能兑换授权码，请联系信用中心",
    "This client does not hold the role subject_authorized and exchanges no consent codes; ask the credit centre",
)
REVOKED_JUST_NOW = unavailable(
    "REVOKED_JUST_NOW",
    "该客户端的令牌刚被撤销，请在两秒后重新申请",
    "This client's tokens were revoked a moment ago; ask again in two seconds",
)
TARGET_NOT_OFFERED = invalid(
    "TARGET_NOT_OFFERED",
    "不能指定 {named}：令牌只用于本系统，请去掉该参数",
    "{named} cannot be chosen: a token is for this system alone; leave it out",
)
# What may stand in a description (RFC 6749, 5.2).
_NOT_DESCRIBED: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")

# The error of RFC 6749 (section 5.2) for each refusal at the token endpoint.
OAUTH_ERRORS: Final[Mapping[str, str]] = {
    kind.code: error
    for error, kinds in {
        "invalid_client": (CLIENT_NOT_AUTHENTICATED, ASSERTION_REPLAYED),
        "unauthorized_client": (CLIENT_SUSPENDED, EXCHANGE_NOT_ALLOWED),
        "unsupported_grant_type": (GRANT_UNSUPPORTED,),
        "invalid_request": (TOKEN_REQUEST_INVALID, PURPOSE_MISSING),
        "invalid_target": (TARGET_NOT_OFFERED,),
        "invalid_scope": (SCOPE_NOT_ALLOWED, PURPOSE_NOT_AGREED, LEGAL_BASIS_NOT_ENTITLED),
    }.items()
    for kind in kinds
} | dict.fromkeys(
    # Disclosure's refusals of a consent code: RFC 8693 section 2.2.2 names this error for a refused subject token.
    (
        "CONSENT_CODE_UNKNOWN",
        "CONSENT_OTHER_GRANTEE",
        "CONSENT_WITHDRAWN",
        "CONSENT_NOT_IN_TIME",
        "CONSENT_USED_UP",
    ),
    "invalid_request",
)


def oauth_status(kind: ProblemType) -> int:
    """Returns the HTTP status of a refusal at the token endpoint (RFC 6749 section 5.2)."""
    if kind.status in (429, 503):
        return kind.status
    return 401 if OAUTH_ERRORS.get(kind.code) == "invalid_client" else 400


def oauth_description(text: str) -> str:
    """Returns a text as `error_description` may have it: in ASCII, without quotation marks (RFC 6749 section 5.2)."""
    return _NOT_DESCRIBED.sub("?", text)
