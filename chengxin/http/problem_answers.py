"""The answer that tells of a problem: a document to programs (RFC 9457), and to people in a browser a page that says the
same. Services and the edge answer by this alone, so no address shows a person JSON."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import msgspec
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from chengxin.auth.request_context import pick_language
from chengxin.errors import Problem
from chengxin.http.description import PROBLEM_JSON
from chengxin.http.page_shell import HTML, LANGUAGE, Templates, Words, chosen_language

_PAGE: Final = "text/html"
_DOCUMENTS: Final = (PROBLEM_JSON, "application/json")
# Headings by status; "away" for others that pass, "other" for the rest.
_WORDS: Final[Words] = {
    "problem.401": ("请先登录", "Please sign in"),
    "problem.403": ("无权进行此操作", "You may not do this"),
    "problem.404": ("没有可公开的信息或页面", "Nothing public here"),
    "problem.405": ("此地址不能这样使用", "This address is not used in this way"),
    "problem.away": ("暂时无法提供服务", "Not available at the moment"),
    "problem.other": ("无法完成此请求", "This could not be done"),
    "problem.again": ("重新打开此页", "Open this page again, from its beginning"),
    "problem.start": ("返回首页", "Back to the start page"),
    "problem.reference": ("查询编号", "For questions"),
}
_templates = Templates(Path(__file__).with_name("templates"), _WORDS)
# Too many requests is no fault of the reader's, and passes as the absence of a service does.
_TOO_MANY: Final = 429
_OURS: Final = 500
_encoder = msgspec.json.Encoder()


def prefers_page(environ: Mapping[str, Any]) -> bool:
    """Whether a request comes from a browser whose reader waits for a page: it names HTML before any document (RFC 9110,
    12.5.1). A program that takes everything gets what programs get."""
    accepted = environ.get("HTTP_ACCEPT", "")
    if _PAGE not in accepted:
        return False
    weights = dict(parse_accept_header(accepted, MIMEAccept))
    page = weights.get(_PAGE, 0)
    return page > max(weights.get(document, 0) for document in _DOCUMENTS) and page >= weights.get("*/*", 0)


def answer_to(problem: Problem, environ: Mapping[str, Any], request_id: str) -> tuple[list[tuple[str, str]], bytes]:
    """The header fields and the body of the answer to a request."""
    language = pick_language(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
    if prefers_page(environ):
        language = chosen_language(environ["QUERY_STRING"]) or language
        kind, body = HTML, _page(problem, environ, language, request_id).encode()
    else:
        kind, body = PROBLEM_JSON, _encoder.encode(problem.to_dict(language, request_id))
    headers = [("Content-Type", kind), ("Content-Language", language), ("Vary", "Accept, Accept-Language")]
    return [*headers, *when_again(problem)], body


def when_again(problem: Problem) -> list[tuple[str, str]]:
    """The header field that says when to try again, where that is known."""
    return [] if problem.retry_after is None else [("Retry-After", str(max(1, math.ceil(problem.retry_after))))]


def _page(problem: Problem, environ: Mapping[str, Any], language: str, request_id: str) -> str:
    return _templates.render(
        "problem.html",
        language,
        heading=_heading(problem.type.status),
        text=problem.text(language),
        told=[field.message for field in problem.fields],
        again=_without_parameters(environ),
        reference=f"{problem.code} {request_id}",
    )


def _heading(status: int) -> str:
    if (own := f"problem.{status}") in _WORDS:
        return own
    return "problem.away" if status == _TOO_MANY or status >= _OURS else "problem.other"


def _without_parameters(environ: Mapping[str, Any]) -> str:
    """The address without its parameters but the language; empty when it has no others, or is not for opening."""
    query = environ["QUERY_STRING"]
    if environ["REQUEST_METHOD"] != "GET" or all(name == LANGUAGE for name, _ in parse_qsl(query)):
        return ""
    language = chosen_language(query)
    return quote(environ["PATH_INFO"].encode("latin-1")) + (f"?{LANGUAGE}={language}" if language else "")
