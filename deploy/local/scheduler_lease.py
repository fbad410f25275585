"""The lease by which Dapr's scheduler leads, kept in its embedded etcd.

A scheduler that is stopped while sidecars are connected leaves its lease behind, and its successor waits until that has
expired: 20 seconds in which no sidecar becomes healthy. With a single scheduler the lease of the one before can safely
be revoked. (Seen with Dapr 1.18.2; go-etcd-cron revokes it with a client that is closed already.)
"""

from pathlib import Path
from typing import Any

import httpx

PROBE_LIMIT_S = 0.5


class SchedulerLease:
    """Reads the leases over etcd's HTTP gateway; remembers in a file which one the last scheduler led with."""

    def __init__(self, etcd_url: str, memory: Path) -> None:
        self._url = etcd_url
        self._memory = memory
        self._of_last_run = memory.read_text() if memory.exists() else ""

    def is_held(self) -> bool:
        """Whether the running scheduler leads. Revokes the lease of the one before, if it is still there."""
        try:
            leases = self._leases_with_keys()
            stale = stale_leases(leases, self._of_last_run)
            for lease in stale:
                self._post("lease/revoke", {"ID": lease})
        except httpx.HTTPError:
            return False
        leading = [lease for lease, keys in leases.items() if keys]
        if stale or len(leading) != 1:
            return False
        self._memory.write_text(leading[0])
        return True

    def _leases_with_keys(self) -> dict[str, bool]:
        listed = self._post("lease/leases", {}).get("leases", [])
        return {
            each["ID"]: bool(self._post("lease/timetolive", {"ID": each["ID"], "keys": True}).get("keys"))
            for each in listed
        }

    def _post(self, method: str, body: dict[str, object]) -> dict[str, Any]:
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


def stale_leases(leases: dict[str, bool], of_last_run: str) -> list[str]:
    """Which leases (id to whether keys hang on it) belong to a scheduler that is gone.

    It is the one remembered from the last run, or one with the leader's key beside another lease that waits for it.
    """
    waiting = any(not keys for keys in leases.values())
    return [lease for lease, keys in leases.items() if keys and (waiting or lease == of_last_run)]
