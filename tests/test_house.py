"""The house keeps its own rules: layers, settings and what the wheel carries."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from pydantic import BaseModel

from alertd import plugins
from alertd.cli.common import channel_settings
from alertd.demo import ports
from alertd.example import example
from alertd.settings import Settings, load

ROOT = Path(__file__).parent.parent
ANY_PORTS = [part for name in ports.DEFAULTS for part in (f"--{name}-port", "0")]
BIN = Path(sys.executable).parent
SITE = Path(pytest.__file__).parent.parent
EXAMPLE = ROOT / "alertd.toml.example"


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_import_contract_holds() -> None:
    done = run(BIN / "lint-imports", "--no-cache")
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.timeout(600)
def test_every_type_holds() -> None:
    """Here, and not before the tests: a minute of one processor beside what the other does."""
    done = run(BIN / "mypy")
    assert done.returncode == 0, done.stdout


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_nobody_imports_a_channel() -> None:
    files = [*(ROOT / "alertd").rglob("*.py"), *(ROOT / "channels").rglob("*.py")]
    assert files
    guilty = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in files
        for name in imported(file)
        if re.match(r"(alertd\.)?channels(\.|$)", name)
    }
    assert not guilty


def described(model: type[BaseModel], path: str = "") -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for name, info in model.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += described(inner, f"{path}{name}.")
        else:
            found.append((f"{path}{name}", info.description))
    return found


def test_every_setting_says_what_it_means() -> None:
    models = {"": Settings, **{f"channels.{n}.": m for n, m in channel_settings().items()}}
    silent = [
        name
        for path, model in models.items()
        for name, description in described(model, path)
        if not description
    ]
    assert not silent


def test_the_example_file_is_what_the_settings_say() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == example(channel_settings()), (
        "renew it: alertd check --example > alertd.toml.example"
    )


def test_the_example_holds_every_key() -> None:
    table = ""
    written = set()
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if section := re.fullmatch(r"# \[(.+)\]", line):
            table = f"{section[1]}."
        elif key := re.match(r"##? ([a-z_]+) =", line):
            written.add(f"{table}{key[1]}")
    models = {"": Settings, **{f"channels.{n}.": m for n, m in channel_settings().items()}}
    keys = {name for path, model in models.items() for name, _ in described(model, path)}
    assert written == keys - {"channels"}


def test_the_example_uncommented_loads(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    file = tmp_path / "alertd.toml"
    file.write_text(re.sub(r"^# (\[.+\]|[a-z_]+ = .+)$", r"\1", text, flags=re.MULTILINE))
    (tmp_path / "secrets").mkdir()
    environ = {"ALERTD_SECRETS_DIR": str(tmp_path / "secrets")}
    settings = load(file, environ, channel_settings())
    assert set(settings.channels) == set(plugins.BUILT_IN)
    assert settings.trusted_proxies == ()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_takes_one_name_and_carries_the_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"alertd"}
    for needed in (
        "alertd/channels/sms.py",
        "alertd/config/defaults.toml",
        "alertd/config/rulesets/amber-alert-hellas.toml",
        "alertd/templates/locale/el/LC_MESSAGES/alertd.po",
        "alertd/py.typed",
    ):
        assert needed in names
    packages = [name for name in names if name.endswith("/__init__.py")]
    assert {p.rsplit("/", 1)[0] for p in packages} >= {"alertd", "alertd/channels", "alertd/web"}


def test_the_wheel_dispatches_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env")
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    # The dependencies are this environment's; its own alertd is behind a .pth, not read there.
    (site / "dependencies.pth").write_text(f"{SITE}\n")
    python = tmp_path / "env/bin/python"
    where = run(python, "-c", "import alertd; print(alertd.__file__)", cwd=tmp_path)
    assert where.stdout.startswith(str(site)), where.stdout + where.stderr
    done = run(python, "-m", "alertd", "demo", "--once", *ANY_PORTS, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nobody missed" in done.stdout


def declared() -> tuple[set[str], set[str]]:
    """Give what alertd needs, and what its tests may use besides."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed, dev = (
        {re.split(r"[\[<>=;, ]", each)[0].lower() for each in wanted}
        for wanted in (project["dependencies"], project["optional-dependencies"]["dev"])
    )
    return needed, needed | dev


@pytest.mark.parametrize(("folder", "kind"), [("alertd", 0), ("channels", 0), ("tests", 1)])
def test_whatever_is_imported_is_a_declared_dependency(folder: str, kind: int) -> None:
    known = packages_distributions()
    ours = {"alertd", "channels", "tests", "conftest"}
    names = {
        name.split(".")[0]
        for file in (ROOT / folder).rglob("*.py")
        for name in imported(file)
        if not name.startswith("None")
    }
    foreign = names - ours - set(sys.stdlib_module_names)
    undeclared = {
        name
        for name in foreign
        if not {dist.lower().replace("_", "-") for dist in known.get(name, [name])}
        & declared()[kind]
    }
    assert not undeclared


def test_the_lock_names_no_host_and_covers_what_is_needed() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--" not in lock
    pinned = {line.split("==")[0] for line in lock.splitlines()}
    assert declared()[1] <= pinned
