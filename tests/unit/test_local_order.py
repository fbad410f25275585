"""The order of starting, and what is said when a part is lost."""

from pathlib import Path

from deploy.local.parts import Part, Stage
from deploy.local.readiness import failed, first_fallen, waves
from deploy.local.scheduler_lease import Led, is_of_an_earlier_run
from deploy.local.supervision import Condition
from deploy.local.watch import losses

LOG = Path("/logs/part.log")


def part(name: str, stage: Stage) -> Part:
    return Part(name, stage, ("true",), {}, lambda: True)


def condition(name: str, pid: int, state: str = "RUNNING") -> Condition:
    return Condition(name, state, pid, LOG)


def test_stores_come_first_then_apps_and_sidecars_together() -> None:
    redis, app, sidecar = part("redis", Stage.STORES), part("app", Stage.APPS), part("app-dapr", Stage.SIDECARS)
    assert waves([sidecar, app, redis]) == [[redis], [sidecar, app]]
    assert waves([app]) == [[app]]


def test_a_part_that_ended_while_starting_is_found_before_those_that_need_it() -> None:
    watched = [part("app", Stage.APPS), part("app-dapr", Stage.SIDECARS)]
    fallen = {"app": condition("app", 0, "BACKOFF"), "app-dapr": condition("app-dapr", 0, "BACKOFF")}
    assert first_fallen(fallen, watched) is fallen["app"]
    assert first_fallen({"app": condition("app", 7), "app-dapr": condition("app-dapr", 8)}, watched) is None


def test_a_failed_part_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    text = str(failed(Condition("app", "BACKOFF", 0, log), "ended while the stack was starting"))
    assert text.startswith("app ended while the stack was starting.")
    assert "line 99" in text
    assert "line 80" not in text
    assert str(log) in text


def test_a_loss_and_a_return_are_said_once_each() -> None:
    up, gone, back = ({"app": condition("app", pid)} for pid in (7, 0, 8))
    assert "app has ended (process 7) and is being restarted" in losses(up, gone)[0]
    assert losses(gone, back) == ["app runs again (process 8)."]
    assert "process 7" in losses(up, back)[0]
    assert losses(back, back) == losses({}, up) == []
    assert "given up" in losses(up, {"app": condition("app", 0, "FATAL")})[0]


def test_only_a_lease_that_led_in_an_earlier_run_of_the_scheduler_is_revoked() -> None:
    assert is_of_an_earlier_run(Led(4, "a"), 5, ["a"])
    assert is_of_an_earlier_run(Led(4, "a"), 5, ["b", "a"])
    assert not is_of_an_earlier_run(Led(5, "a"), 5, ["a"]), "it is the present one"
    assert not is_of_an_earlier_run(Led(4, "a"), 5, ["b"])
    assert not is_of_an_earlier_run(Led(0, ""), 5, ["b"]), "nothing is known"
