"""The portal: search and subject pages, without JavaScript, in two languages (Art. 15)."""

import re

import pytest

from tests.disclosure.running_disclosure import COMPANY, LI_NA, RunningDisclosure

NAME = "阳江市海陵食品有限公司"


def licence(city: RunningDisclosure, key: str = "a", name: str = NAME, code: str = COMPANY, **items: str) -> None:
    fields = {"XK_WSH": f"阳许字{key}号", "XK_NR": "食品经营", "XK_YXQZI": "2031-01-01", "XK_XKLB": "普通"} | items
    city.delivers(city.record("XZXK", code, name, key, **fields))


def page(city: RunningDisclosure, path: str, **headers: str) -> str:
    answer = city.anybody.get(path, **headers)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/html; charset=utf-8"
    return answer.text


def test_the_portal_has_a_search_form_that_needs_no_script(city: RunningDisclosure) -> None:
    html = page(city, "/")
    assert '<html lang="zh-CN">' in html
    assert '<label for="q">主体名称或统一社会信用代码</label>' in html
    assert "<script" not in html
    assert "http://" not in html and "https://" not in html  # noqa: PT018
    assert city.audit.events == []


def test_search_engines_keep_the_start_page_and_nothing_else(city: RunningDisclosure) -> None:
    licence(city)
    start = city.anybody.get("/")
    assert start.headers["X-Robots-Tag"] == "all"
    assert "noindex" not in start.text
    for path in ("/?q=海陵", f"/subjects/{city.ref(COMPANY)}", "/subjects/unknown"):
        answer = city.anybody.get(path, Accept="text/html")
        assert "X-Robots-Tag" not in answer.headers
        assert '<meta name="robots" content="noindex, nofollow, noarchive">' in answer.text


def test_results_link_to_the_subjects_page(city: RunningDisclosure) -> None:
    licence(city)
    html = page(city, "/?q=海陵")
    assert f'href="/subjects/{city.ref(COMPANY)}?lang=zh-CN">{NAME}</a>' in html
    assert "共 1 个主体" in html


def test_a_link_with_what_others_have_added_to_it_leads_to_the_page(city: RunningDisclosure) -> None:
    licence(city)
    html = page(city, f"/subjects/{city.ref(COMPANY)}?utm_source=newsletter&fbclid=1")
    assert NAME in html


def test_nothing_found_is_said_in_words(city: RunningDisclosure) -> None:
    html = page(city, "/?q=没有这家公司")
    assert "没有找到与“没有这家公司”相符、且有依法公开信息的主体。" in html


def test_a_subjects_page_groups_records_in_the_regulations_terms(city: RunningDisclosure) -> None:
    licence(city)
    city.delivers(city.record("QYDJ", COMPANY, NAME, "reg", JYFW="食品"))
    html = page(city, f"/subjects/{city.ref(COMPANY)}")
    assert html.index("基本信息") < html.index("行政许可与行政处罚信息")
    assert f"<title>{NAME} · 信用阳江</title>" in html
    assert "<dt>许可内容</dt><dd>食品经营</dd>" in html
    assert "披露至 2031-01-01" in html
    assert "阳江市市场监督管理局" in html
    assert "异议处理中" not in html
    city.objection("Y1", "a", True)
    assert "异议处理中" in page(city, f"/subjects/{city.ref(COMPANY)}")


def test_english_by_header_or_choice(city: RunningDisclosure) -> None:
    licence(city)
    by_header = page(city, f"/subjects/{city.ref(COMPANY)}", **{"Accept-Language": "en"})
    assert '<html lang="en">' in by_header
    assert "<dt>What is licensed</dt><dd>食品经营</dd>" in by_header
    assert "Administrative licensing and penalties" in page(city, f"/subjects/{city.ref(COMPANY)}?lang=en")
    assert '<html lang="zh-CN">' in page(city, "/?lang=zh-CN", **{"Accept-Language": "en"})


def test_what_records_say_is_never_markup(city: RunningDisclosure) -> None:
    evil = '<script>alert("x")</script>\'"&'
    licence(city, name=f"坏{evil}", XK_NR=evil)
    for path in (f"/subjects/{city.ref(COMPANY)}", "/?q=坏", "/?q=" + "%3Cscript%3Ealert(1)%3C/script%3E"):
        html = page(city, path)
        assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_subject_without_public_records_has_a_page_that_says_so(city: RunningDisclosure) -> None:

    def told() -> str:
        answer = city.anybody.get(f"/subjects/{city.ref(LI_NA)}", Accept="text/html")
        assert (answer.status_code, answer.mimetype) == (404, "text/html")
        # Each request has an id of its own.
        return re.sub("req_[0-9a-v]{26}", "", answer.text)

    before = told()
    assert "没有可公开的信息" in before
    # Nor does it reveal whether the system knows such a subject.
    city.delivers(city.record("SDQQF", LI_NA, "李娜", "water", QF_DH="1", QF_HH="2"))
    assert told() == before


def test_the_audit_service_away_is_a_page_too(city: RunningDisclosure) -> None:
    licence(city)
    city.audit.away = True
    answer = city.anybody.get(f"/subjects/{city.ref(COMPANY)}", Accept="text/html")
    assert answer.status_code == 503
    assert "暂时无法提供服务" in answer.text
    assert NAME not in answer.text


def test_a_long_subject_is_read_page_by_page(city: RunningDisclosure) -> None:
    city.delivers(
        *(city.record("XZXK", COMPANY, NAME, str(n), XK_WSH=f"文书{n}", XK_YXQZI="2031-01-01") for n in range(60))
    )
    first = page(city, f"/subjects/{city.ref(COMPANY)}")
    assert "文书59" in first and "文书9<" not in first  # noqa: PT018
    following = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "文书9<" in page(city, following)


def test_the_style_sheet_is_ours(city: RunningDisclosure) -> None:
    answer = city.app.test_client().get("/static/portal.css")
    assert (answer.status_code, answer.mimetype) == (200, "text/css")


@pytest.mark.parametrize(
    "query", ["海陵食品", "  海陵 食品 ", "阳江市海陵食品有限公司", "９１００００００", "91000000ma000901", COMPANY]
)
def test_a_company_is_found_by_parts_of_its_name_and_by_its_code(city: RunningDisclosure, query: str) -> None:
    licence(city)
    licence(city, "b", "阳江市东平渔业有限公司", "91000000MA0009028J")
    found = city.found(query)
    assert found[0]["subject_ref"] == city.ref(COMPANY)


@pytest.mark.parametrize("query", ["", "  ", "海陵渔业", "914", "陵海", "%"])
def test_what_matches_nothing_finds_nothing(city: RunningDisclosure, query: str) -> None:
    licence(city)
    assert city.found(query) == []


def test_the_very_name_comes_first_and_pages_follow(city: RunningDisclosure) -> None:
    for n in range(5):
        licence(city, str(n), f"阳江市海陵{n}店", f"9144170000000000{n}X")
    licence(city, "z", "海陵", COMPANY)
    first = city.anybody.get("/v1/public/subjects?q=海陵&page_size=4").json
    assert first["total"] == 6
    assert first["subjects"][0]["name"] == "海陵"
    second = city.anybody.get(f"/v1/public/subjects?q=海陵&page_size=4&page_token={first['next_page_token']}").json
    assert len(second["subjects"]) == 2
    assert second["next_page_token"] == ""
    refs = {s["subject_ref"] for s in (*first["subjects"], *second["subjects"])}
    assert len(refs) == 6


def test_what_was_searched_for_is_not_on_record(city: RunningDisclosure) -> None:
    licence(city)
    city.found("海陵食品")
    [event] = city.audit.of("subject.searched.public")
    assert "海陵" not in str(event)
    assert event["details"] == {"by": "name", "found": 1}
