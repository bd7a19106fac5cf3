"""A problem is a page for people and a document for programs, by what the request prefers (RFC 9110, 12.5.1)."""

import pytest

from chengxin.http.problem_answers import prefers_page

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize("accept", [FIREFOX, "text/html", "text/html, */*", "application/json;q=0.5, text/html"])
def test_who_names_html_first_gets_a_page(accept: str) -> None:
    assert prefers_page({"HTTP_ACCEPT": accept})


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "text/*",
        "application/json, text/html",
        "application/problem+json, text/html;q=0.9",
        "text/html;q=0.1, */*",
        "text/html;q=0",
        "text/html;q=x",
    ],
)
def test_all_others_get_a_document(accept: str) -> None:
    assert not prefers_page({"HTTP_ACCEPT": accept})
