"""Accounts, keys and credentials of the demonstration people, made once for a home and kept."""

import json
import secrets
import textwrap
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pyotp

from chengxin.auth.access_tokens import load_private_key
from chengxin.values.clock import SystemClock
from chengxin.values.jwk import public_jwk
from chengxin_cli.suite.home import make_private_key, write_private
from demo.world import REGION, catalog, companies, foreigners, licence_of, organs, people

# What organisations may do beside the supply of records: purposes of their agreements (Art. 17), provisions of law
# (Art. 16).
_PURPOSES: Final = {
    "market_regulator": ("routine_supervision", "administrative_approval"),
    "housing_bureau": ("qualification_review",),
    "transport_bureau": ("administrative_approval",),
    "labour_bureau": ("routine_supervision",),
    "trading_centre": ("procurement", "bidding"),
    "authority": ("commendation",),
}
_LEGAL_BASES: Final = {
    # The court asks what a debtor owns, and asks witnesses and organs for evidence.
    "court": ("《中华人民共和国民事诉讼法》第二百五十三条", "《中华人民共和国民事诉讼法》第七十条"),
    "police": ("《中华人民共和国刑事诉讼法》第五十四条",),
}
_PUBLIC: Final = ("bank", "credit_agency")
# The organisations that ask with the consent of the subject.
_BY_CONSENT: Final = ("bank",)

# Columns: username, name, role, organisation.
_OFFICERS: Final = (
    ("centre", "信用中心经办人", "centre", "centre"),
    ("authority", "信用办经办人", "authority", "authority"),
    ("supervisor", "监督检查员", "supervisor", "authority"),
    ("clerk", "市场监管局填报员", "provider", "market_regulator"),
)
_CITIZENS: Final = ("li_na", "wang_qiang", "zhang_wei", "liu_yang", "chen_jing", "huang_yong")
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"


def make_people(home: Path) -> None:
    """Writes `HOME/demo/`: keys, `accounts.json`, `credentials.json` and `credentials.txt`.

    A second run changes nothing.
    """
    directory = home / "demo"
    known = _read(directory / "credentials.json")
    clients = {key: _make_client(directory, key) for key in organs() if _list_roles(key)}
    credentials: dict[str, Any] = {
        # Records are dated by the day on which the world was made, so that they can be loaded again on another.
        "since": known.get("since") or SystemClock().today().isoformat(),
        "clients": {key: {"client_id": key, "key_file": f"keys/{key}.pem"} for key in clients},
        "officers": {name: known.get("officers", {}).get(name) or _make_secret(name) for name, *_ in _OFFICERS},
        "citizens": {
            key: {"name": p.name, "identity_number": p.identity_number, "represents": list(p.represents)}
            for key, p in [(key, people()[key]) for key in _CITIZENS] + list(foreigners().items())
        },
        "licence": licence_of(companies()[0], organs()["market_regulator"]),
    }
    accounts = {
        "clients": list(clients.values()),
        "officers": [_make_officer(*o, credentials["officers"][o[0]]) for o in _OFFICERS],
        "citizens": list(credentials["citizens"].values()),
    }
    _write(directory / "credentials.json", json.dumps(credentials, ensure_ascii=False, indent=1) + "\n")
    _write(directory / "accounts.json", json.dumps(accounts, ensure_ascii=False, indent=1) + "\n")
    _write(directory / "credentials.txt", _render_text(home, credentials, accounts))


def _list_roles(key: str) -> list[str]:
    provides = any(p["uscc"] == organs()[key].uscc for entry in catalog().values() for p in entry["providers"])
    granted = {
        "provider": provides,
        "agency": key in _PURPOSES,
        "statutory": key in _LEGAL_BASES,
        "public": key in _PUBLIC,
        "subject_authorized": key in _BY_CONSENT,
    }
    return [role for role, has in granted.items() if has]


def _make_client(directory: Path, key: str) -> dict[str, Any]:
    file = directory / "keys" / f"{key}.pem"
    make_private_key(file)
    organ = organs()[key]
    purposes = [
        {"purpose": purpose, "agreement": f"演共享〔2026〕{key}-{number}"}
        for number, purpose in enumerate(_PURPOSES.get(key, ()), 1)
    ]
    return {
        "client_id": key,
        "name": organ.name,
        "org": organ.uscc,
        "region": REGION,
        "roles": _list_roles(key),
        "purposes": purposes,
        "legal_bases": list(_LEGAL_BASES.get(key, ())),
        "jwk": public_jwk(load_private_key(file)),
    }


def _make_officer(username: str, name: str, role: str, organ: str, secret: dict[str, str]) -> dict[str, Any]:
    account = {"username": username, "name": name, "roles": [role], "org": organs()[organ].uscc, "region": REGION}
    return account | {"password": secret["password"], "totp_secret": secret["totp_secret"]}


def _make_secret(username: str) -> dict[str, str]:
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
    return {"username": username, "password": "-".join(groups), "totp_secret": pyotp.random_base32()}


def _render_text(home: Path, credentials: dict[str, Any], accounts: dict[str, Any]) -> str:
    citizens = [(c["name"], c["identity_number"], " ".join(c["represents"])) for c in credentials["citizens"].values()]
    officers = [(o["username"], o["password"], o["totp_secret"]) for o in credentials["officers"].values()]
    clients = [
        (
            c["client_id"],
            " ".join(c["roles"]),
            c["name"],
            " ".join([p["purpose"] for p in c["purposes"]] + c["legal_bases"]),
        )
        for c in accounts["clients"]
        if c["roles"] != ["provider"]
    ]
    providers = [c["client_id"] for c in accounts["clients"] if c["roles"] == ["provider"]]
    keys = home / "demo" / "keys"
    lines = [
        "Citizens / 市民: POST /v1/identity/demo",
        *_render_table([("name 姓名", "identity number 身份证号码", "represents 代表的单位"), *citizens]),
        "Officers / 工作人员: /officers/sign-in (clerk / 填报员: /report), POST /v1/identity/officers/sign-in;",
        "  code / 动态口令: python -m demo code clerk",
        *_render_table([("username 用户名", "password 密码", "TOTP secret 动态口令密钥"), *officers]),
        f"Clients / 接口客户端: private_key_jwt at POST /oauth/token; keys / 私钥: {keys}/<client_id>.pem",
        *_render_table([("client_id", "roles", "organisation 单位", "purposes, legal bases 用途、法律依据"), *clients]),
        "  providers 提供单位:",
        *textwrap.wrap(
            " ".join(providers), 100, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
        ),
        "Tokens by hand / 直接取令牌: python -m demo token li_na",
        "  python -m demo token housing_bureau scope=agency purpose=qualification_review",
    ]
    return "\n".join(lines) + "\n"


def _render_table(rows: list[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(_measure_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell + " " * (width - _measure_width(cell)) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()


def _measure_width(text: str) -> int:
    """Columns of a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _write(file: Path, text: str) -> None:
    if not file.exists() or file.read_text() != text:
        write_private(file, text.encode())
