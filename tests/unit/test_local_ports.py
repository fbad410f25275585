"""Ports: the message about a taken one, and two stacks that never meet."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.ports import HOST, PortBlock, assign, holder_of, is_free, public_ports
from deploy.local.problem import Problem
from deploy.local.services import Service

DESK = Service("handover-desk", "desk.app", public_port=8002)
ROUTER = Service("router", "router.app")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_variable_replaces_the_usual_port() -> None:
    assert public_ports([DESK, ROUTER], {"M2N_PORT_HANDOVER_DESK": "28002"}) == {"handover-desk": 28002}


def test_a_taken_port_is_named_with_its_holder_and_the_variable_to_set(taken: int) -> None:
    with pytest.raises(Problem) as caught:
        public_ports([DESK], {"M2N_PORT_HANDOVER_DESK": str(taken)})
    text = str(caught.value)
    assert f"Port {taken}" in text
    assert f"process {os.getpid()}" in text
    assert "M2N_PORT_HANDOVER_DESK=" in text


def test_two_services_cannot_have_one_port() -> None:
    twin = Service("tenants", "tenants.app", public_port=28003)
    with pytest.raises(Problem, match="taken by the service tenants"):
        public_ports([twin, DESK], {"M2N_PORT_HANDOVER_DESK": "28003"})


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "٣"])
def test_what_is_no_port_is_refused_with_the_name_of_the_variable(text: str) -> None:
    with pytest.raises(Problem, match="M2N_PORT_HANDOVER_DESK is"):
        public_ports([DESK], {"M2N_PORT_HANDOVER_DESK": text})


def test_a_port_is_free_again_after_its_server_ended(taken: int) -> None:
    assert not is_free(taken)
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    assert is_free(port)
    assert holder_of(port) is None


def test_taken_ports_are_passed_over_and_former_ones_kept(taken: int) -> None:
    block = range(taken, taken + 50)
    ports = assign(["a", "b"], block, {"b": taken})
    assert ports is not None
    assert taken not in ports.values()
    assert len(set(ports.values())) == 2
    assert assign(["b", "a"], block, ports) == ports
    assert assign(["a", "b"], range(taken, taken + 1), {}) is None


def test_two_stacks_get_different_blocks_and_the_same_one_again(tmp_path: Path) -> None:
    first = PortBlock(tmp_path / "first.json", tmp_path / "locks")
    second = PortBlock(tmp_path / "second.json", tmp_path / "locks")
    ours, theirs = first.take(["a", "b"]), second.take(["a", "b"])
    assert not set(ours.values()) & set(theirs.values())
    first.release()
    assert PortBlock(tmp_path / "first.json", tmp_path / "locks").take(["a", "b"]) == ours
