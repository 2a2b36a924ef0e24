"""What the images of compose.yaml do at their start, tried in the lab's own root: the same Debian release."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.asterisk import Asterisk
from lab.ports import free_port
from lab.process import Instance, Server
from lab.roots import FORKY, ensure
from tests.fixtures.lab import need

pytestmark = pytest.mark.lab
CHECKOUT = Path(__file__).resolve().parent.parent.parent


def test_the_images_scripts_start_asterisk_and_call_it() -> None:
    need(FORKY)
    instance = Instance(ensure(FORKY), "docker")
    try:
        for name in ("etc", "scenarios", "docker"):
            (instance.folder / "share" / name).mkdir(parents=True)
            for path in (CHECKOUT / "lab" / name).iterdir():
                (instance.folder / "share" / name / path.name).write_bytes(path.read_bytes())
        share = f"{instance.inside}/share"
        environment = {
            "LAB_HERE": f"{instance.inside}/here",
            "LAB_TEMPLATES": f"{share}/etc",
            "LAB_SCENARIOS": f"{share}/scenarios",
            "LAB_SIP_PORT": str(free_port()),
            "LAB_HTTP_PORT": str(free_port()),
            "ASTERISK_ARI_PASSWORD": "secret",
            "TMPDIR": instance.inside,
        }
        server = Server(instance, ["sh", f"{share}/docker/start"], env=environment)
        server.start()
        try:
            running = ["asterisk", "-C", f"{instance.inside}/here/etc/asterisk.conf", "-rx", "core waitfullybooted"]
            server.wait_until(lambda: _run(instance, running, {}).returncode == 0, 20, "come up")
            left = [path for path in (instance.folder / "here" / "etc").iterdir() if _placeholders(path)]
            assert left == []
            words = 'Grüße, "you" & | \\ 100 %'
            call = _run(instance, ["sh", f"{share}/docker/call", "199", words, "key 1"], environment)
            assert call.returncode == 0, call.stderr
            assert f"AI_RESPONSE={words}" in call.stdout.splitlines()
        finally:
            server.stop()
    finally:
        instance.remove()


def test_the_scripts_know_every_placeholder_and_every_file(asterisk: Asterisk) -> None:
    script = (CHECKOUT / "lab" / "docker" / "start").read_text()
    for path in (asterisk.instance.folder / "etc").glob("*.conf"):
        assert (CHECKOUT / "lab" / "etc" / path.name).exists() or path.stem in script


def _placeholders(path: Path) -> bool:
    return any("@" in line.partition(";")[0] for line in path.read_text().splitlines())


def _run(instance: Instance, argv: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    settings = [f"{name}={value}" for name, value in environment.items()]
    inside = ["/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *settings, *argv]
    command = instance.root.entry.command(instance.root.path, inside)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd="/")
