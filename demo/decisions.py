"""Licences and penalties: decisions of organs about companies and people. Pure."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from demo.dates import OPEN_ENDED, ago, ahead
from demo.world import DemoOrganisation, Organ, associations, companies, institutions, licence_of, organs, people

Items = dict[str, str]

# Columns: organ, decision, certificate, category, what is licensed, the character in its numbers.
_LICENCES: Final = (
    ("market_regulator", "食品经营许可决定书", "食品经营许可证", "普通", "食品经营（预包装食品销售）", "食"),
    (
        "housing_bureau",
        "建筑工程施工许可决定书",
        "建筑工程施工许可证",
        "核准",
        "房屋建筑工程施工，建筑面积12000平方米",
        "建",
    ),
    ("transport_bureau", "道路运输经营许可决定书", "道路运输经营许可证", "普通", "道路普通货物运输", "运"),
    ("environment_bureau", "排污许可决定书", "排污许可证", "普通", "废水、废气污染物排放", "环"),
    (
        "emergency_bureau",
        "危险化学品经营许可决定书",
        "危险化学品经营许可证",
        "普通",
        "危险化学品经营（不带储存设施）",
        "危",
    ),
    ("health_commission", "公共场所卫生许可决定书", "公共场所卫生许可证", "普通", "宾馆、美容店卫生许可", "卫"),
    ("education_bureau", "民办学校办学许可决定书", "民办学校办学许可证", "特许", "学历教育以外的文化教育培训", "教"),
    ("civil_affairs", "社会组织成立登记决定书", "社会组织法人登记证书", "登记", "准予成立登记", "民"),
)


def company_licences(since: date) -> Iterator[tuple[Organ, Items]]:
    """Licences of organisations: the demonstration company's, two rounds for the others; every fifth has expired."""
    bodies = [*companies(), *institutions(), *associations()]
    for number in range(80):
        body = bodies[number % len(bodies)]
        key, decision, certificate, category, content, character = _LICENCES[number % len(_LICENCES)]
        organ = organs()[key]
        expired = number % 5 == 4
        decided = ago(since, 60 + 9 * number + (1100 if expired else 0))
        yield (
            organ,
            licence_of(body, organ)
            | {
                "XK_XKWS": decision,
                "XK_WSH": f"演{character}许〔{decided[:4]}〕{number + 1}号",
                "XK_XKLB": category,
                "XK_XKZS": certificate,
                "XK_XKBH": f"YJ{character}{number + 1:06d}",
                "XK_NR": content,
                "XK_JDRQ": decided,
                "XK_YXQZ": decided,
                "XK_YXQZI": ago(since, 30) if expired else (OPEN_ENDED if number % 2 else ahead(since, 1200)),
                "XK_ZT": "2" if expired else "1",
                "BZ": "" if number % 7 else "证书遗失后补发",
            },
        )


# Columns: person, organ, decision, certificate, what is licensed, days left.
_PERSONAL_LICENCES: Final = (
    ("li_na", "health_commission", "公共场所卫生许可决定书", "公共场所卫生许可证", "美容店卫生许可", 900),
    ("li_na", "market_regulator", "食品经营登记决定书", "食品小作坊登记证", "糕点小作坊", -200),
    ("wang_qiang", "transport_bureau", "从业资格许可决定书", "道路运输从业资格证", "道路普通货物运输驾驶员", 1500),
    ("zhang_wei", "emergency_bureau", "特种作业许可决定书", "特种作业操作证", "高处作业", 400),
    ("liu_yang", "emergency_bureau", "特种作业许可决定书", "特种作业操作证", "危险化学品安全作业", 700),
    ("huang_yong", "market_regulator", "特种设备作业许可决定书", "特种设备作业人员证", "叉车司机", 300),
    ("he_jun", "police", "机动车驾驶许可决定书", "机动车驾驶证", "准驾车型B2", 2000),
    ("deng_li", "market_regulator", "仅销售预包装食品备案决定书", "食品经营许可证", "食品销售", 3000),
    ("lin_fang", "health_commission", "母婴保健技术许可决定书", "母婴保健技术考核合格证", "婚前医学检查", 650),
)


def personal_licences(since: date) -> Iterator[tuple[Organ, Items]]:
    """Licences of natural persons; one has expired."""
    for number, (key, organ_key, decision, certificate, content, days_left) in enumerate(_PERSONAL_LICENCES, 1):
        person, organ = people()[key], organs()[organ_key]
        decided = ago(since, 500 + number)
        yield (
            organ,
            {
                "XK_XDR_MC": person.name,
                "XK_XDR_LB": "自然人",
                "XK_XDR_ZJLX": "身份证",
                "XK_XDR_ZJHM": person.identity_number,
                "XK_XKWS": decision,
                "XK_WSH": f"演人许〔{decided[:4]}〕{number}号",
                "XK_XKLB": "认可" if "作业" in content or "司机" in content else "普通",
                "XK_XKZS": certificate,
                "XK_XKBH": f"YJR{number:06d}",
                "XK_NR": content,
                "XK_JDRQ": decided,
                "XK_YXQZ": decided,
                "XK_YXQZI": ahead(since, days_left),
                "XK_XKJG": organ.name,
                "XK_XKJGDM": organ.uscc,
                "XK_ZT": "1" if days_left > 0 else "2",
                "XK_LYDW": organ.name,
                "XK_LYDWDM": organ.uscc,
            },
        )


_FACT: Final = (
    "执法人员于检查日在当事人经营场所现场检查，发现当事人未按规定落实管理制度，相关台账记录不完整。"
    "经询问当事人并调取进货票据、监控录像及现场照片，上述事实有现场笔录、询问笔录、票据复印件等证据证实。"
)

# Columns: organ, violation, ground, category, content, fine, confiscated (万元), certificate.
_PENALTIES: Final = (
    ("market_regulator", "销售超过保质期的食品", "《中华人民共和国食品安全法》第一百二十四条第一款第五项",
     "罚款;没收违法所得", "没收违法所得人民币3260元；罚款人民币50000元", "5", "0.326", ""),
    ("housing_bureau", "未取得施工许可证擅自施工", "《建设工程质量管理条例》第五十七条", "罚款",
     "罚款人民币128000.50元", "12.80005", "", ""),
    ("transport_bureau", "超越许可事项从事道路货物运输经营", "《中华人民共和国道路运输条例》第六十三条",
     "暂扣许可证件", "暂扣道路运输经营许可证三十日", "", "", "道路运输经营许可证 YJ运000003"),
    ("environment_bureau", "超过排污许可证规定的排放浓度排放水污染物", "《排污许可管理条例》第三十四条",
     "罚款;责令停产停业", "罚款人民币300000元；责令停产整治", "30", "", ""),
    ("emergency_bureau", "未如实记录安全生产教育和培训情况", "《中华人民共和国安全生产法》第九十七条", "警告;罚款",
     "警告；罚款人民币20000元", "2", "", ""),
    ("health_commission", "未取得有效健康合格证明的人员直接为顾客服务", "《公共场所卫生管理条例实施细则》第三十八条",
     "警告", "警告，责令限期改正", "", "", ""),
    ("labour_bureau", "未依法与劳动者订立书面劳动合同", "《中华人民共和国劳动合同法实施条例》第三十三条", "罚款",
     "罚款人民币2000元", "0.2", "", ""),
    ("tax_bureau", "未按规定期限办理纳税申报", "《中华人民共和国税收征收管理法》第六十二条", "罚款", "罚款人民币1500元",
     "0.15", "", ""),
)  # fmt: skip


def company_penalties(since: date) -> Iterator[tuple[Organ, Items]]:
    """Penalties of organisations; every fourth is past its publication, two have texts as long as the entry allows."""
    bodies = [*companies(), *institutions()[:1], *associations()[:2]]
    for number in range(48):
        body = bodies[(number * 5) % len(bodies)]
        past = number % 4 == 3
        decided = ago(since, 20 + 6 * number + (1300 if past else 0))
        organ, penalty = _make_company_penalty(body, decided, number, _PENALTIES[number % len(_PENALTIES)])
        yield (
            organ,
            penalty
            | {
                "CF_SY": (_FACT * 60)[:4000] if number in (0, 9) else _FACT,
                "CF_YXQ": OPEN_ENDED if not past else ago(since, 200),
                "CF_GSJZQ": ago(since, 200) if past else ahead(since, 400 + 7 * number),
            },
        )
    yield from _late_penalties(since)


def _late_penalties(since: date) -> Iterator[tuple[Organ, Items]]:
    """Penalties that the environment bureau decided over a year ago and delivers only now.

    The search for anomalies asks about them.
    """
    bodies = companies()[1:]
    for number in range(200, 224):
        decided = ago(since, 400 + 9 * (number - 200))
        organ, penalty = _make_company_penalty(bodies[number % len(bodies)], decided, number, _PENALTIES[3])
        yield organ, penalty | {"CF_YXQ": OPEN_ENDED, "CF_GSJZQ": ahead(since, 300)}


def _make_company_penalty(
    body: DemoOrganisation, decided: str, number: int, row: tuple[str, ...]
) -> tuple[Organ, Items]:
    key, violation, ground, category, content, fine, confiscated, certificate = row
    organ = organs()[key]
    return organ, _make_penalty(organ, decided, number) | {
        "CF_XDR_MC": body.name,
        "CF_XDR_LB": "法人及非法人组织",
        "CF_XDR_SHXYM": body.uscc,
        "CF_FRDB": body.head.name,
        "CF_FR_ZJLX": "身份证",
        "CF_FR_ZJHM": body.head.identity_number,
        "CF_WFXW": violation,
        "CF_SY": _FACT,
        "CF_YJ": ground,
        "CF_CFLB": category,
        "CF_NR": content,
        "CF_NR_FK": fine,
        "CF_NR_WFFF": confiscated,
        "CF_NR_DXZZ": certificate,
    }


def _make_penalty(organ: Organ, decided: str, number: int) -> Items:
    return {
        "CF_WSH": f"演罚〔{decided[:4]}〕{organ.key[:3].upper()}{number + 1}号",
        "CF_JDRQ": decided,
        "CF_CFJG": organ.name,
        "CF_CFJGDM": organ.uscc,
        "CF_SJLY": organ.name,
        "CF_SJLYDM": organ.uscc,
    }


# Columns: person, organ, violation, ground, category, content, fine, whether it is past its publication.
_PERSONAL_PENALTIES: Final = (
    ("li_na", "market_regulator", "未经登记从事经营活动", "《无证无照经营查处办法》第十三条", "罚款",
     "罚款人民币800元", "0.08", False),
    ("li_na", "transport_bureau", "在公路建筑控制区内设置标志", "《中华人民共和国公路法》第八十一条", "警告", "警告", "", True),
    ("wang_qiang", "emergency_bureau", "未取得特种作业操作证上岗作业", "《中华人民共和国安全生产法》第九十七条", "罚款",
     "罚款人民币2000元", "0.2", False),
    ("zhang_wei", "environment_bureau", "露天焚烧产生有毒有害烟尘的物质", "《中华人民共和国大气污染防治法》第一百一十九条",
     "罚款", "罚款人民币500元", "0.05", False),
    ("he_jun", "police", "故意损毁公私财物", "《中华人民共和国治安管理处罚法》", "行政拘留", "行政拘留五日", "", False),
    ("he_jun", "health_commission", "出具虚假医学证明文件", "《中华人民共和国医师法》第五十六条", "吊销许可证件",
     "吊销医师执业证书", "", False),
    ("huang_yong", "market_regulator", "销售不符合标准的刀具", "《中华人民共和国产品质量法》第四十九条",
     "罚款;没收违法所得", "没收违法所得260元；罚款1300元", "0.13", True),
)  # fmt: skip


def personal_penalties(since: date) -> Iterator[tuple[Organ, Items]]:
    """Penalties of natural persons; two are past their publication."""
    for number, row in enumerate(_PERSONAL_PENALTIES, 101):
        key, organ_key, violation, ground, category, content, fine, past = row
        person, organ = people()[key], organs()[organ_key]
        yield (
            organ,
            _make_penalty(organ, ago(since, 1000 if past else number), number)
            | {
                "CF_XDR_MC": person.name,
                "CF_XDR_LB": "自然人",
                "CF_XDR_ZJLX": "身份证",
                "CF_XDR_ZJHM": person.identity_number,
                "CF_WFXW": violation,
                "CF_SY": _FACT,
                "CF_YJ": ground,
                "CF_CFLB": category,
                "CF_NR": content,
                "CF_NR_FK": fine,
                "CF_NR_WFFF": "0.026" if "没收" in category else "",
                "CF_NR_DXZZ": "医师执业证书" if "吊销" in category else "",
                "CF_YXQ": ago(since, 100) if past else ahead(since, 1000),
                "CF_GSJZQ": ago(since, 100) if past else ahead(since, 260),
            },
        )
