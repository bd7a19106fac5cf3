"""Answers with pages, in the language that their reader asked for."""

from flask import Response, request

from chengxin.auth import request_context
from chengxin.http.page_shell import HTML, chosen_language
from chengxin.http.request_checks import must_be_readable, parameters
from chengxin.http.web import in_language


def page_language() -> str:
    """The language that the user chose (`?lang=`), else the browser's."""
    return chosen_language(request.query_string.decode("latin-1")) or request_context.language()


def asked_for(name: str) -> str:
    """A parameter of a page's address; empty when it is not there. Raises INPUT_INVALID for one that cannot be read."""
    given = parameters().get(name, "")
    must_be_readable({name: given})
    return given


def page(html: str, language: str, status: int = 200) -> Response:
    """A page as an answer."""
    return in_language(Response(html, status, content_type=HTML), language)
