"""Fetches what the page uses from npm, pinned and checked, and writes it to web/static/.

Run it after changing a pin or an icon, and commit what it writes: a hub serves only files of
its own, and building it needs no network. It goes through the `npm` command, so whichever
registry that is configured with is used.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

STATIC = Path(__file__).resolve().parent.parent / "web" / "static"
VENDOR = STATIC / "vendor"


class Package(NamedTuple):
    """A pinned package: ``files`` maps a path inside it to the name it gets in vendor/."""

    name: str
    version: str
    sha512: str
    licence: str | None
    files: dict[str, str]


PACKAGES = (
    Package(
        "@hotwired/turbo",
        "8.0.23",
        "GZ7cijxEZ6Ig71u7rD6LHaRv/wcE/hNsc+nEfiWOkLNqUgLOwo5MNGWOy5ZV9ZUDSiQx1no7YxjTNnT4O6//cQ==",
        None,  # its tarball carries none; MIT by its package.json
        {"dist/turbo.es2017-esm.js": "turbo.js"},
    ),
    Package(
        "@hotwired/stimulus",
        "3.2.2",
        "eGeIqNOQpXoPAIP7tC1+1Yc1yl1xnwYqg+3mzqxyrbE5pg5YFBZcA6YoTiByJB6DKAEsiWtl6tjTJS4IYtbB7A==",
        "LICENSE.md",
        {"dist/stimulus.js": "stimulus.js"},
    ),
    Package(
        "@fontsource-variable/inter",
        "5.3.0",
        "OupL48va4JNofb97w6NYeF9S7W/kHNKM0Er8Dem5nqi4jeOLrVJDoE8tZEpnMJmtkvNbB1EIPPwHcdkF6b1oUA==",
        "LICENSE",
        {"files/inter-latin-wght-normal.woff2": "inter.woff2"},
    ),
    Package(
        "@fontsource-variable/jetbrains-mono",
        "5.3.0",
        "F32xpS2NsGYoQi2ADSkKTgpJj7ozajsGgDJ8woTnqjmIB+dxDIqImjl4pXZVEExu8UFZ2ndhmX18EBS/hdz3Lw==",
        "LICENSE",
        {"files/jetbrains-mono-latin-wght-normal.woff2": "jetbrains-mono.woff2"},
    ),
    Package(
        "lucide-static",
        "1.62.0",
        "WBZA/m2PvkFpMGHDtsBck5P2A9G4ehLlYu4GwwICcmEm1BvYVgj00lCDxKRWLlbMlOibLaiwdQ88G5pHkSWgwA==",
        "LICENSE",
        {},
    ),
)

ICONS = (
    *("arrow-down", "arrow-right", "arrow-up", "book-open", "bot", "check", "check-check", "chevron-down"),
    *("chevron-left", "circle-check", "circle-dot", "circle-pause", "circle-slash", "circle-x", "clock"),
    *("command", "copy", "corner-down-left", "eraser", "external-link", "file-plus", "file-text", "folder"),
    *("git-branch", "git-fork", "globe", "key-round", "laptop", "layout-grid", "list-checks"),
    *("list-filter", "log-out", "map", "menu", "message-circle-question-mark", "message-square", "monitor"),
    *("panel-right", "pen-line", "pencil", "plug", "plus", "regex", "reply", "rotate-ccw"),
    *("shield-question-mark", "shrink", "square", "square-pen", "terminal", "triangle-alert", "wifi-off"),
    *("wrench", "x", "zap"),
)

MIT = """MIT License

{copyright}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def fetch(package: Package, folder: Path) -> tarfile.TarFile:
    """The package's tarball, refused unless it is the pinned one."""
    command = ["npm", "pack", "--json", "--silent", f"{package.name}@{package.version}"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    [path] = folder.glob("*.tgz")
    data = path.read_bytes()
    path.unlink()
    found = base64.b64encode(hashlib.sha512(data).digest()).decode()
    if found != package.sha512:
        sys.exit(f"{package.name}@{package.version} is not the pinned package: its sha512 is {found}")
    return tarfile.open(fileobj=io.BytesIO(data))


def read(tarball: tarfile.TarFile, path: str) -> bytes:
    member = tarball.extractfile(f"package/{path}")
    if member is None:
        sys.exit(f"the package has no {path}")
    return member.read()


def build_licence(package: Package, tarball: tarfile.TarFile, first_file: bytes) -> bytes:
    if package.licence is not None:
        return read(tarball, package.licence)
    copyright_line = next(line for line in first_file.decode().splitlines() if line.startswith("Copyright"))
    return MIT.format(copyright=copyright_line).encode()


def build_sprite(tarball: tarfile.TarFile) -> str:
    """One symbol per icon; how it is stroked is said by whoever uses it."""
    symbols = []
    for name in ICONS:
        svg = read(tarball, f"icons/{name}.svg").decode()
        inner = re.sub(r"\s+", " ", svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")])
        inner = inner.strip().replace("> <", "><")
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{inner}</symbol>')
    comment = "<!-- Icons of lucide-static (vendor/lucide-static.LICENSE), written by scripts/vendor.py -->"
    body = "\n".join(symbols)
    return f'{comment}\n<svg xmlns="http://www.w3.org/2000/svg">\n{body}\n</svg>\n'


def main() -> None:
    VENDOR.mkdir(parents=True, exist_ok=True)
    for old in VENDOR.iterdir():
        old.unlink()
    manifest = []
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            tarball = fetch(package, Path(folder))
            contents = {name: read(tarball, path) for path, name in package.files.items()}
            if package.name == "lucide-static":
                (STATIC / "icons.svg").write_text(build_sprite(tarball))
            for name, data in contents.items():
                (VENDOR / name).write_bytes(data)
            short = package.name.rpartition("/")[2]
            licence = build_licence(package, tarball, next(iter(contents.values()), b""))
            (VENDOR / f"{short}.LICENSE").write_bytes(licence)
            manifest.append(
                {
                    "name": package.name,
                    "version": package.version,
                    "sha512": package.sha512,
                    "files": {name: hashlib.sha512(data).hexdigest() for name, data in contents.items()},
                }
            )
            print(f"{package.name} {package.version}")
    (VENDOR / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
