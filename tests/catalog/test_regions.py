"""The code list of regions (GB/T 2260)."""

import re

from chengxin.values.region_codes import current_name
from services.catalog.domain.regions import regions
from tests.catalog.conftest import RunningCatalog


def test_the_list_has_every_level_of_the_country() -> None:
    names = {value.code: value.name.zh for value in regions()}
    assert all(re.fullmatch(r"[1-9]\d{5}", code) for code in names)
    assert list(names) == sorted(names)
    provinces = [code for code in names if code.endswith("0000")]
    prefectures = [code for code in names if code.endswith("00") and not code.endswith("0000")]
    assert len(provinces) == 34
    assert len(prefectures) > 330
    assert len(names) > 3_500
    yangjiang = {code: name for code, name in names.items() if code.startswith("4417")}
    assert yangjiang == {
        "441700": "阳江市",
        "441701": "市辖区",
        "441702": "江城区",
        "441704": "阳东区",
        "441721": "阳西县",
        "441781": "阳春市",
    }


def test_a_code_names_what_it_stands_for_today() -> None:
    assert current_name("[-1991]东郊区,[1992-]东丽区") == "东丽区"
    assert current_name("[1988-1994]阳春县") == ""
    assert current_name("东城区") == "东城区"
    assert current_name("") == ""


def test_everybody_reads_the_list(catalog: RunningCatalog) -> None:
    shown = catalog.anybody.get("/v1/catalog/code-lists/region").json
    names = {value["code"]: value["name"] for value in shown["values"]}
    assert names["441702"] == {"zh": "江城区", "en": "Jiangcheng District"}
    assert names["110101"]["zh"] == "东城区"
