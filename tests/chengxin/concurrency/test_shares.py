"""Nobody takes more than a share, strangers leave the rest to others, and what is given back is free again."""

import threading

from chengxin.bounds import Bound
from chengxin.concurrency.shares import Claimant, Held, Shares

BANK, COURT = Claimant("bank", proven=True), Claimant("court", proven=True)
STRANGER, OTHER_STRANGER = Claimant("192.0.2.1"), Claimant("192.0.2.2")


def shares(total: int = 4, share: int | str = 2, strangers: int | None = None) -> Shares:
    return Shares(Bound("here", (), "places", total, share, 1.0, "a test", strangers))


def test_a_caller_gets_no_more_than_its_share_and_others_get_theirs() -> None:
    places = shares()
    held = [places.take(BANK), places.take(BANK)]
    assert all(held)
    assert places.take(BANK) is None
    assert places.take(COURT)


def test_all_together_get_no_more_than_there_is() -> None:
    places = shares(total=3, share="one organisation may need all")
    assert all([places.take(BANK), places.take(BANK), places.take(COURT)])
    assert places.take(STRANGER) is None


def test_strangers_together_leave_the_rest_to_whom_is_known() -> None:
    places = shares(total=3, strangers=2)
    assert places.take(STRANGER)
    assert places.take(OTHER_STRANGER)
    assert places.take(Claimant("192.0.2.3")) is None
    assert places.take(BANK)


def test_what_is_released_is_free_again_once() -> None:
    places = shares(total=1)
    held = places.take(STRANGER)
    assert held
    held.release()
    held.release()
    with places.take(BANK) or Held(places, BANK, 0):
        assert places.take(STRANGER) is None
    assert places.take(STRANGER)


def test_bytes_are_shared_like_places() -> None:
    disk = shares(total=100, share=60)
    assert disk.take(BANK, 61) is None
    held = disk.take(BANK, 60)
    assert held
    assert disk.take(COURT, 41) is None
    assert disk.take(COURT, 40)


def test_many_threads_never_hold_more_than_there_is() -> None:
    places, taken, begin = shares(total=8, share=1), [], threading.Event()

    def take(number: int) -> None:
        begin.wait()
        taken.append(places.take(Claimant(f"{number}", proven=True)))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    begin.set()
    for thread in threads:
        thread.join()
    assert len([held for held in taken if held]) == 8
