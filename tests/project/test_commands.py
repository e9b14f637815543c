"""`make up` and `make test` on machines that lack something: what they choose, install and say.

The scripts run with a PATH of ours: the usual small tools, and stand-ins that note how they were called.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = [
    *("basename", "cat", "chmod", "cksum", "cp", "dirname", "env", "grep", "id"),
    *("mkdir", "mktemp", "mv", "rm", "sh", "true", "uname"),
]
PYTHON = """#!/bin/sh
# A Python that can make environments; one made by it notes what is installed with it.
echo "$(basename "$0") $*" >>"$CALLS"
case "$*" in
*"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
--version) echo Python 3.12.0 ;;
esac
"""
UV = """#!/bin/sh
echo "uv $*" >>"$CALLS"
case "$1" in
venv) mkdir -p .venv/bin && printf '#!/bin/sh\\ntrue\\n' >.venv/bin/python && chmod +x .venv/bin/python ;;
esac
"""


@dataclass
class Bench:
    """A clone with the scripts only, and a machine with what the test puts on it."""

    root: Path

    @property
    def clone(self) -> Path:
        return self.root / "clone"

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def put(self, name: str, script: str) -> None:
        path = self.root / "bin" / name
        path.write_text(script)
        path.chmod(0o755)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.root / "bin"), "HOME": str(self.root), "CALLS": str(self.root / "calls")}
        return subprocess.run(
            [str(self.clone / words[0]), *words[1:]], env=environment, capture_output=True, text=True, check=False
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    (tmp_path / "bin").mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (tmp_path / "bin" / name).symlink_to(found)
    shutil.copytree(ROOT / "scripts", bench.clone / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (bench.clone / "tests" / "support").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "support" / "claude-version", bench.clone / "tests" / "support")
    (bench.clone / "pyproject.toml").write_text("one")
    return bench


def list_installs(bench: Bench) -> list[str]:
    return [call for call in bench.calls if "pip install" in call]


def test_a_shim_that_does_not_run_is_passed_over(bench: Bench) -> None:
    bench.put("python3", "#!/bin/sh\nexit 127\n")
    bench.put("python3.12", PYTHON)
    done = bench.run("scripts/venv.sh", "hub")
    assert done.returncode == 0, done.stderr
    assert any(call.startswith("python3.12 -m venv") for call in bench.calls)
    assert [call.endswith("--editable .[hub]") for call in list_installs(bench)] == [True]


def test_it_installs_again_only_when_the_project_changed(bench: Bench) -> None:
    bench.put("python3", PYTHON)
    for _ in range(2):
        assert bench.run("scripts/venv.sh", "hub").returncode == 0
    assert len(list_installs(bench)) == 1
    (bench.clone / "pyproject.toml").write_text("two")
    assert bench.run("scripts/venv.sh", "hub").returncode == 0
    assert len(list_installs(bench)) == 2


def test_make_up_does_not_take_the_tools_of_make_test_away(bench: Bench) -> None:
    bench.put("python3", PYTHON)
    bench.run("scripts/venv.sh", "hub")
    bench.run("scripts/venv.sh", "dev")
    bench.run("scripts/venv.sh", "hub")
    assert len(list_installs(bench)) == 2
    (bench.clone / "pyproject.toml").write_text("two")
    bench.run("scripts/venv.sh", "hub")
    assert list_installs(bench)[-1].endswith("--editable .[dev]")


def test_a_failed_installation_is_tried_again(bench: Bench) -> None:
    bench.put("python3", PYTHON.replace("case", 'case "$*" in *"pip install"*) exit 1 ;; esac\ncase', 1))
    for _ in range(2):
        done = bench.run("scripts/venv.sh", "hub")
        assert done.returncode == 1
        assert "installing failed" in done.stderr
    assert len(list_installs(bench)) == 2


def test_uv_is_used_when_it_is_there(bench: Bench) -> None:
    bench.put("uv", UV)
    done = bench.run("scripts/venv.sh", "hub")
    assert done.returncode == 0, done.stderr
    assert any(call.startswith("uv venv") for call in bench.calls)
    assert any(call.startswith("uv pip install") and call.endswith("--editable .[hub]") for call in bench.calls)


def test_no_python_is_said_in_one_line(bench: Bench) -> None:
    done = bench.run("scripts/venv.sh", "hub")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Python 3.11 or newer" in done.stderr


def test_missing_tools_that_cannot_be_installed_are_named_in_one_line(bench: Bench) -> None:
    for name, reason in (("", "there is no apt-get"), ("apt-get", "as root")):
        if name:
            bench.put(name, "#!/bin/sh\nexit 1\n")
        (bench.root / "bin" / "id").unlink()
        bench.put("id", "#!/bin/sh\necho 1000\n")
        done = bench.run("scripts/test_tools.sh")
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "tmux chromium npm" in done.stderr
        assert reason in done.stderr
        assert "make test-fast" in done.stderr


def test_missing_tools_are_installed_and_named_first(bench: Bench) -> None:
    (bench.root / "bin" / "id").unlink()
    bench.put("id", "#!/bin/sh\necho 0\n")
    bench.put("tmux", "#!/bin/sh\ntrue\n")
    bench.put("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$CALLS"\n')
    version = (ROOT / "tests" / "support" / "claude-version").read_text().strip()
    npm = f"""#!/bin/sh
echo "npm $*" >>"$CALLS"
[ "$1" = --version ] && exit
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/node_modules/@anthropic-ai/claude-code-linux-x64"
printf '#!/bin/sh\\necho "{version} (Claude Code)"\\n' >"$2/node_modules/@anthropic-ai/claude-code-linux-x64/claude"
chmod +x "$2/node_modules/@anthropic-ai/claude-code-linux-x64/claude"
"""
    bench.put("npm", npm)
    done = bench.run("scripts/test_tools.sh")
    assert done.returncode == 0, done.stderr
    assert "installing Debian packages: chromium" in done.stderr
    assert f"installing @anthropic-ai/claude-code@{version} from npm" in done.stderr
    assert any(
        call.startswith("apt-get") and call.endswith("install --yes --no-install-recommends chromium")
        for call in bench.calls
    )
    assert [path.name for path in (bench.root / ".cache" / "heliograph-test").iterdir()] == [f"claude-{version}"]

    bench.put("chromium", "#!/bin/sh\ntrue\n")
    again = bench.run("scripts/test_tools.sh")
    assert (again.returncode, again.stderr) == (0, "")
    assert sum(" install " in call for call in bench.calls if call.startswith("npm")) == 1


def test_ci_runs_make_test_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "exec make test"]
