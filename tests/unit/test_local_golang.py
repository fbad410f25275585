"""What a newcomer without the right Go is told."""

import pytest

from deploy.local.golang import installed_version, required_dapr, required_go, version_problem
from deploy.local.places import DAPR_MODULE

GO_MOD = "module x\n\ngo 1.26.5\n\nrequire (\n\tgithub.com/dapr/dapr v1.18.2 // indirect\n)\n"


def problem_of(output: str | None) -> str:
    return str(version_problem(output, wanted=(1, 26, 5), dapr="1.18.2") or "")


def test_versions_come_from_go_mod() -> None:
    assert required_go(GO_MOD) == (1, 26, 5)
    assert required_dapr(GO_MOD) == "1.18.2"
    real = (DAPR_MODULE / "go.mod").read_text()
    assert required_go(real) >= (1, 26, 5)
    assert required_dapr(real).startswith("1.18.")


def test_missing_go_is_said_with_the_version_to_install() -> None:
    text = problem_of(None)
    assert text.startswith("Go is missing")
    assert "install Go 1.26.5 or newer" in text


@pytest.mark.parametrize("version", ["go1.26.4", "go1.26", "go1.9.9"])
def test_an_old_go_is_refused_by_its_version(version: str) -> None:
    text = problem_of(f"go version {version} linux/amd64\n")
    assert f"Go {version.removeprefix('go')} is too old" in text
    assert "1.26.5" in text


@pytest.mark.parametrize("version", ["go1.26.5", "go1.26.10", "go1.27", "go2.0"])
def test_a_new_enough_go_is_taken(version: str) -> None:
    assert problem_of(f"go version {version} darwin/arm64\n") == ""


def test_what_is_no_release_is_refused() -> None:
    assert installed_version("go version devel +abc linux/amd64") is None
    assert "too old" in problem_of("go: go.mod requires go >= 1.26.5 (running something)")
