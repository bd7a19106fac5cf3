"""The public search among a million organisations, through the whole suite, against one find of a document by an indexed field.

Both are asked by as many connections, in turns, in one run; what is told is the time that 95 of 100 answers take at most.
`CHENGXIN_BENCH_NAMES` names another number of organisations.
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import psutil

from bench import floors
from bench.apps import running
from bench.figures import figure, interleaved
from bench.load import Target, percentiles
from services.disclosure.domain.text_normalisation import readings
from tests.city import City
from tests.support import until

NAMES: Final = 1_000_000
_PLACES: Final = [
    "阳江市",
    "阳江市江城区",
    "阳春市",
    "阳西县",
    "阳东区",
    "海陵岛",
    "广东",
    "阳江",
    "广东省阳江市",
    "江城",
    "东平镇",
    "闸坡镇",
    "珠海横琴",
    "深圳",
    "重庆",
]
_SIGNS: Final = (
    "海陵建筑工程恒泰金鑫盛源宏达永兴华瑞祥和顺安康健乐长青行云重石会朝单曾解调藏传种乾坤晟睿诚信德丰润泽楚湘粤桂闽浙"
    "东南西北中天地人日月星辰山水林田湖草沙光明正大宇宙洪荒博雅智慧创科数字云联网通飞腾跃龙凤麒麟虎豹狮象鹏鹰雁鸿燕雀鹤"
    "松柏竹梅兰菊荷莲桃李杏橙橘柚柑柠檬茶酒醋盐糖油米面粮豆麦稻谷"
)
_TRADES: Final = [
    "食品",
    "建筑工程",
    "贸易",
    "科技",
    "渔业",
    "水产",
    "五金",
    "刀剪",
    "物流",
    "运输",
    "装饰",
    "广告",
    "传媒",
    "酒店管理",
    "餐饮",
    "教育咨询",
    "房地产开发",
    "农业",
    "医疗器械",
    "电子商务",
    "信息技术",
    "环保",
    "机械设备",
    "服装",
    "旅游",
    "文化",
    "投资",
    "物业管理",
    "汽车服务",
]
_ENDS: Final = (
    ["有限公司"] * 75 + ["有限责任公司"] * 6 + ["股份有限公司"] * 3 + ["经营部", "商行", "店"] * 5 + ["合作社"]
)
_CODE_SIGNS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# As one transaction of a delivery changes them.
_TOGETHER: Final = 250
_QUERIES: Final = 200


def search(city: City) -> Iterator[Any]:
    """By a part of a name that few have, that most have, and of one sign; by pinyin initials; by code; and all in turn."""
    count = int(os.environ.get("CHENGXIN_BENCH_NAMES") or NAMES)
    rows = organisations(count)
    began = time.perf_counter()
    fill(city, rows)
    filled = time.perf_counter()
    last = f"/v1/public/subjects?q={rows[-1]['uscc']}"
    until(lambda: city.anybody.get(last)["total"], "the search has taken all in", 1800)
    caught_up = time.perf_counter()
    yield figure("search.names", [float(count)], "organisations")
    yield figure("search.fill", [filled - began], "s, the benchmark's own writing")
    yield figure("search.catch_up", [caught_up - filled], "s more until all are found")
    asked = queries(rows)
    edge = urlsplit(city.edge.http)
    db = city.store("disclosure")
    db[floors.COLLECTION].create_index("subject_ref")
    db[floors.COLLECTION].insert_one({"subject_ref": "search", "record": rows[0]})
    with running("bench.floors", "/", "indexed_find", city.store_uri("disclosure"), "search") as floor:
        targets = {"floor.indexed_find": [floor]} | {
            name: [Target(str(edge.hostname), int(edge.port or 0), path(q)) for q in texts]
            for name, texts in asked.items()
        }
        taken = interleaved({name: lambda t=target: percentiles(t, [95])[0] * 1000 for name, target in targets.items()})
    for name in asked:
        yield figure(name, taken[name], "ms p95", "floor.indexed_find", taken["floor.indexed_find"])
    yield figure("floor.indexed_find", taken["floor.indexed_find"], "ms p95")
    yield figure("search.memory", [resident(city) / 1e6], "MB resident, disclosure")
    yield figure("search.disk", [disk(city.home / "search") / 1e6], "MB")


def organisations(count: int) -> list[dict[str, Any]]:
    """Made-up companies as the collection `names` has them."""
    r = random.Random(2026)
    made = []
    for n in range(count):
        name = (
            r.choice(_PLACES)
            + "".join(r.choices(_SIGNS, k=r.choice((2, 2, 2, 3))))
            + r.choice(_TRADES)
            + r.choice(_ENDS)
        )
        code = f"9144170{r.randint(0, 9)}MA" + "".join(r.choices(_CODE_SIGNS, k=8))
        made.append({"_id": f"bench_{n:032d}", "kind": "enterprise", "uscc": code, "name": name})
    return made


def fill(city: City, rows: list[dict[str, Any]]) -> None:
    """Puts them where the projection of names does, many at a time."""
    db = city.store("disclosure")
    seq = int((db["counters"].find_one({"_id": "names.2"}) or {"n": 0})["n"])
    called = {"former": [], "named_at": "2026-11-01T00:00:00Z", "registered_at": "2026-11-01T00:00:00Z"}
    for start in range(0, len(rows), _TOGETHER * 4):
        batch = [
            row
            | called
            | {"until": "9999-12-31", "names": [[row["name"], "9999-12-31", 0]], "seq": seq + 1 + n // _TOGETHER}
            for n, row in enumerate(rows[start : start + _TOGETHER * 4])
        ]
        db["names.2"].insert_many(batch, ordered=False)
        seq = batch[-1]["seq"]
        db["counters"].update_one({"_id": "names.2"}, {"$set": {"n": seq}}, upsert=True)


def queries(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What is searched for, by what is measured."""
    r = random.Random(7)
    some = r.sample(rows, _QUERIES)
    names = [row["name"] for row in some]
    asked = {
        "search.public.part": [name[n : n + 4] for name in names if (n := r.randint(2, 5))],
        "search.public.name": names,
        "search.public.common": ["有限公司", "阳江", "科技", "公司", "工程", "限公"],
        "search.public.one_sign": list("海陵龙凤食有"),
        "search.public.initials": [readings(name)[0][n : n + 5] for name in names if (n := r.randint(0, 4)) >= 0],
        "search.public.code": [row["uscc"][: r.choice((10, 12, 18))] for row in some],
    }
    every = [query for texts in asked.values() for query in r.sample(texts, min(len(texts), 30))]
    r.shuffle(every)
    return {"search.public": every} | asked


def path(query: str) -> str:
    """How a query is asked."""
    return f"/v1/public/subjects?page_size=20&q={quote(query)}"


def resident(city: City) -> int:
    """Bytes of the disclosure service's processes."""
    process = psutil.Process(city.pids()["disclosure"])
    return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])


def disk(folder: Path) -> int:
    """Bytes of the files below it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
