"""Every job is taken by one board or given back, in whichever order boards work, wait and are taken out."""

from __future__ import annotations

import random
import threading

import pytest

from edgeq.hil.jobs import Job, Kind
from edgeq.hil.schedule import Schedule

KIND, OTHER = Kind("esp32-wrover-b", "host"), Kind("esp32-wrover-b", "qemu_lx6")


def jobs(board: str, count: int) -> list[Job]:
    return [Job("m", board, "native", number) for number in range(1, count + 1)]


def test_a_board_takes_its_own_jobs_in_their_order() -> None:
    schedule = Schedule([*jobs("a", 3), *jobs("b", 1)], {"a": KIND, "b": KIND}, substitute=False)
    assert [schedule.take("a") for _ in range(4)] == [*jobs("a", 3), None]
    assert schedule.put_out("b", schedule.take("b")) == jobs("b", 1)
    assert schedule.take("b") is None


def test_what_a_board_leaves_goes_to_one_of_its_kind() -> None:
    kinds = {"a": KIND, "b": KIND, "c": OTHER}
    schedule = Schedule([*jobs("a", 3), *jobs("b", 1), *jobs("c", 1)], kinds, substitute=True)
    under_way = schedule.take("a")
    assert schedule.put_out("a", under_way) == []
    assert [schedule.take("b") for _ in range(5)] == [*jobs("b", 1), *jobs("a", 3), None]
    assert schedule.put_out("c", schedule.take("c")) == jobs("c", 1)


def test_the_last_of_a_kind_gives_back_what_all_of_them_left() -> None:
    schedule = Schedule([*jobs("a", 2), *jobs("b", 2)], {"a": KIND, "b": KIND}, substitute=True)
    assert schedule.put_out("a", schedule.take("a")) == []
    assert schedule.put_out("b") == [*jobs("b", 2), *jobs("a", 2)]


def test_a_board_without_work_waits_for_what_others_may_leave() -> None:
    schedule = Schedule(jobs("a", 2), {"a": KIND, "b": KIND}, substitute=True)
    under_way, taken = schedule.take("a"), []
    waiter = threading.Thread(target=lambda: taken.extend(iter(lambda: schedule.take("b"), None)))
    waiter.start()
    schedule.put_out("a", under_way)
    waiter.join(timeout=30)
    assert taken == jobs("a", 2)


def test_a_stop_lets_nobody_wait() -> None:
    schedule = Schedule(jobs("a", 2), {"a": KIND, "b": KIND}, substitute=True)
    schedule.take("a")
    waiter = threading.Thread(target=schedule.take, args=("b",))
    waiter.start()
    schedule.stop()
    waiter.join(timeout=30)
    assert not waiter.is_alive() and schedule.take("a") is None


@pytest.mark.parametrize("substitute", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_no_job_is_lost_or_done_twice(seed: int, substitute: bool) -> None:
    rng = random.Random(seed)
    kinds = {f"b{i}": rng.choice((KIND, OTHER)) for i in range(6)}
    every = [job for board in kinds for job in jobs(board, rng.randrange(12))]
    schedule = Schedule(every, kinds, substitute=substitute)
    done, lost, guard = [], [], threading.Lock()

    def work(board: str, dies: random.Random) -> None:
        while (job := schedule.take(board)) is not None:
            dead = dies.random() < 0.1
            with guard:
                (lost.extend(schedule.put_out(board, job)) if dead else done.append(job))

    threads = [threading.Thread(target=work, args=(board, random.Random(f"{seed} {board}"))) for board in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert sorted(job.id for job in [*done, *lost]) == sorted(job.id for job in every)
