"""What is no name of an organisation or a person."""

import pytest

from chengxin.values.name_faults import name_fault


@pytest.mark.parametrize("name", ["李**", "李＊娜", "李××", "*娜", "李○○", "欧阳○", "李●●", "阳江市**公司"])
def test_a_masked_name_is_no_name(name: str) -> None:
    assert name_fault(name) == "masked"


@pytest.mark.parametrize("name", ["·", "。", "123", "（）", "=1+1"])
def test_signs_are_no_name(name: str) -> None:
    assert name_fault(name) == "letters"


@pytest.mark.parametrize(
    "name", ["第一○○医院", "三○○一厂", "二○○八", "李娜", "买买提·吐尔逊", "E*TRADE Asia", "Jonas Nilsson", "7-11便利店"]
)
def test_a_name_is_one(name: str) -> None:
    assert name_fault(name) is None
