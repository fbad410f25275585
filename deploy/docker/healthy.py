"""Health check of a container: exits with 1 unless the app, and its sidecar where there is one, answer 2xx.

    python healthy.py [PATH]

PATH is the app's health path, /health when left out. APP_PORT and DAPR_HTTP_PORT say where the two listen. It runs in
images without the project, too, so it needs Python alone.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

PROBE_LIMIT_S = 1
SIDECAR_PATH = "/v1.0/healthz"


def answers(port: int, path: str) -> bool:
    """Whether a GET on loopback is answered with a 2xx in time."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PROBE_LIMIT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status // 100 == 2
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main(path: str = "/health") -> int:
    """The exit code."""
    probes = {os.environ["APP_PORT"]: path}
    if "DAPR_HTTP_PORT" in os.environ:
        probes[os.environ["DAPR_HTTP_PORT"]] = SIDECAR_PATH
    return 0 if all(answers(int(port), wanted) for port, wanted in probes.items()) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
