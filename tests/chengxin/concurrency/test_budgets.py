"""A budget: what one caller uses up is bounded over time, and the others have theirs."""

from chengxin.concurrency.budgets import Budget
from chengxin.concurrency.shares import Claimant

A, B = Claimant("a"), Claimant("b")


def test_a_budget_comes_back_with_time() -> None:
    now = [0.0]
    budget = Budget(2, 10, lambda: now[0])
    assert [budget.take(A, 6), budget.take(A, 6), budget.take(B, 6)] == [0, 1, 0]
    now[0] = 1
    assert budget.take(A, 6) == 0


def test_what_was_used_beyond_the_budget_is_owed() -> None:
    now = [0.0]
    budget = Budget(2, 10, lambda: now[0])
    budget.spend(A, 30)
    assert (budget.owes(A), budget.owes(B)) == (10, 0)
    now[0] = 10
    assert budget.owes(A) == 0


def test_a_budget_remembers_a_bounded_number_of_callers() -> None:
    budget = Budget(1, 1, lambda: 0)
    budget.spend(A, 2)
    assert budget.owes(A) == 1
    for n in range(50_000):
        budget.spend(Claimant(str(n)), 1)
    assert budget.owes(A) == 0
