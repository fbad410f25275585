"""A process dies or fails at a named point when that was ordered, once; else nothing happens."""

import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from m2n.crash_points import crash_point
crash_point("here")
print("went on")
crash_point("here")
"""


def run(orders: Path | None) -> "subprocess.CompletedProcess[str]":
    environment = {"PYTHONPATH": ":".join(sys.path)} | ({"M2N_CRASH_POINTS": str(orders)} if orders else {})
    return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)


def test_an_order_is_carried_out_once(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    assert run(tmp_path).returncode == -signal.SIGKILL
    assert run(tmp_path).returncode == 0


def test_an_order_can_be_to_fail(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("raise")
    failed = run(tmp_path)
    assert (failed.returncode, "AskedFor: here" in failed.stderr, failed.stdout) == (1, True, "")


def test_an_order_for_another_point_and_no_folder_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    assert run(tmp_path).stdout == "went on\n"
    assert run(None).stdout == "went on\n"
