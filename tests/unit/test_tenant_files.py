"""Tenant files: what YAML means in them, placeholders, included files; and the two demo tenants."""

from pathlib import Path
from typing import Any

import pytest

from m2n.tenant_files import TenantFileError, read_tenant_file
from m2n.tenant_validation import checked_tenant

VALUES = {"SIMULATOR_URL": "http://127.0.0.1:8003", "SIMULATOR_LOCALHOST_URL": "http://localhost:8003"}
DEMO = Path(__file__).parents[2] / "deploy" / "local" / "tenants"


def read(folder: Path, text: str, **values: str) -> Any:
    file = folder / "tenant.yaml"
    file.write_text(text, encoding="utf-8")
    return read_tenant_file(file, values)


def problem(folder: Path, text: str, **values: str) -> str:
    with pytest.raises(TenantFileError) as refused:
        read(folder, text, **values)
    return str(refused.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("20", 20),
        ("-3", -3),
        ("0.5", 0.5),
        ("no", "no"),
        ("on", "on"),
        ("10:30", "10:30"),
        ("2024-06-01", "2024-06-01"),
        ("007", "007"),
        ("1e3", "1e3"),
        ("1_000", "1_000"),
        ('"20"', "20"),
        ("+4915550200001", "+4915550200001"),
    ],
)
def test_what_yaml_means_here(tmp_path: Path, written: str, meant: object) -> None:
    found = read(tmp_path, f"value: {written}")["value"]
    assert (found, type(found)) == (meant, type(meant))


def test_placeholders_are_filled_in(tmp_path: Path) -> None:
    text = 'a: ["${URL}/x", plain]\nb: {c: "${URL}${PORT}"}\nd: "$5 and $URL"'
    found = read(tmp_path, text, URL="http://s", PORT=":80")
    assert found == {"a": ["http://s/x", "plain"], "b": {"c": "http://s:80"}, "d": "$5 and $URL"}


def test_a_value_is_not_looked_at_again(tmp_path: Path) -> None:
    assert read(tmp_path, 'a: "${X}"', X="${Y}")["a"] == "${Y}"


@pytest.mark.parametrize("written", ["${OTHER}", "${url}", "${}", "${ URL }"])
def test_a_name_that_was_not_given_is_an_error(tmp_path: Path, written: str) -> None:
    said = problem(tmp_path, f'a: [x, {{b: "{written}"}}]', URL="http://s")
    assert said.startswith("a[1].b: expected a value for ${")
    assert "given are: URL" in said


def test_an_included_file_is_bot_content(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "bot.yaml").write_text(
        "phrases: [no, 42, '${NOT_FILLED}']\nhandover: true", encoding="utf-8"
    )
    found = read(tmp_path, "content: !include content/bot.yaml")
    assert found == {"content": {"phrases": ["no", "42", "${NOT_FILLED}"], "handover": True}}


@pytest.mark.parametrize("name", ["../outside.yaml", "/etc/hostname", "link.yaml"])
def test_only_the_files_own_folder_is_included(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.yaml").write_text("secret: x", encoding="utf-8")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    assert "a file in the tenant file's folder" in problem(inside, f"content: !include {name}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "line 2: expected each name once"),
        ("a: &x [1]\nb: *x", "no references"),
        ("a: [1", "YAML, got an error"),
        ("a: !!python/object:os.system {}", "YAML, got an error"),
        ("a: !include missing.yaml", "a file that can be read"),
        ("[" * 5000, "YAML, got an error"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, text: str, said: str) -> None:
    assert said in problem(tmp_path, text)


@pytest.mark.parametrize("name", ["acme-bikes", "nordlicht"])
def test_the_demo_tenants_fit(name: str) -> None:
    document = read_tenant_file(DEMO / f"{name}.yaml", VALUES)
    tenant = checked_tenant(document)
    assert tenant.id == name
    bot = next(each for each in document["connections"] if each["kind"] == "engine")
    spoken = set(bot["settings"]["content"]["fallback"])
    assert spoken >= set(tenant.languages)


def _settings(document: Any, adapter: str) -> Any:
    return next(each["settings"] for each in document["connections"] if each["adapter"] == adapter)


def test_the_demo_tenants_differ() -> None:
    values = VALUES
    first, second = (read_tenant_file(DEMO / f"{name}.yaml", values) for name in ("acme-bikes", "nordlicht"))
    assert first["rules"]["handover"] != second["rules"]["handover"]
    assert first["languages"] != second["languages"]
    for adapter in ("whatsapp_twilio", "builtin"):
        one, other = (_settings(document, adapter) for document in (first, second))
        assert one != other
