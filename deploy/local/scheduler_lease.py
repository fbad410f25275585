"""The lease by which Dapr's scheduler leads, kept in its embedded etcd.

A scheduler that is stopped while sidecars are connected, or is killed, leaves its lease behind, and its successor waits
until that has expired: 20 seconds in which no sidecar becomes healthy. With a single scheduler the lease of the one
before can safely be revoked. (Seen with Dapr 1.18.2; go-etcd-cron revokes it with a client that is closed already.)

Only a lease with which an earlier run was seen leading is taken for one. etcd counts its runs itself: its term rises
with each start. What merely looks left behind may be the present one, and a leader that loses its lease starts anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

PROBE_LIMIT_S = 0.5


@dataclass(frozen=True)
class Led:
    """The lease with which the scheduler led in a term of its etcd."""

    term: int
    lease: str


class SchedulerLease:
    """Reads the leases over etcd's HTTP gateway; remembers in a file which one the scheduler led with, and when."""

    def __init__(self, etcd_url: str, memory: Path) -> None:
        self._url = etcd_url
        self._memory = memory
        self._led = _read(memory)

    def is_held(self) -> bool:
        """Whether the running scheduler leads. Revokes the lease of the one before, if it is still there."""
        try:
            term, leading = self._leading()
            if is_of_an_earlier_run(self._led, term, leading):
                self._post("lease/revoke", {"ID": self._led.lease})
                return False
        except httpx.HTTPError:
            return False
        if len(leading) != 1:
            return False
        self._remember(Led(term, leading[0]))
        return True

    def _leading(self) -> tuple[int, list[str]]:
        """etcd's term, and the leases that have the leader's key: more than one while a new one takes over."""
        answer = self._post("lease/leases", {})
        leases = [each["ID"] for each in answer.get("leases", [])]
        return int(answer["header"]["raft_term"]), [lease for lease in leases if self._has_keys(lease)]

    def _has_keys(self, lease: str) -> bool:
        return bool(self._post("lease/timetolive", {"ID": lease, "keys": True}).get("keys"))

    def _remember(self, led: Led) -> None:
        if led != self._led:
            self._led = led
            self._memory.write_text(f"{led.term} {led.lease}")

    def _post(self, method: str, body: Mapping[str, object]) -> dict[str, Any]:
        # No TLS on loopback; without `verify` each call would load the system's certificates.
        answer = httpx.post(
            f"{self._url}/v3/{method}",
            json=body,
            timeout=PROBE_LIMIT_S,
            trust_env=False,
            verify=False,  # noqa: S501
        )
        answer.raise_for_status()
        return answer.json()


def is_of_an_earlier_run(led: Led, term: int, leading: list[str]) -> bool:
    """Whether the lease that is remembered still leads though its scheduler has ended."""
    return led.lease in leading and led.term != term


def _read(memory: Path) -> Led:
    words = memory.read_text().split() if memory.exists() else []
    return Led(int(words[0]), words[1]) if len(words) == 2 else Led(0, "")
