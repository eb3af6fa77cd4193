"""ansible-core on the same hosts: a playbook of trivial tasks, and the CPU time of its whole process tree."""

from __future__ import annotations

import resource
import shutil
import sys
import sysconfig
import tempfile
from importlib import resources
from pathlib import Path

from skylift.gate.lab.cache import entry
from skylift.gate.lab.commands import run_sealed
from skylift.gate.lab.pypi import uv, uv_environment
from skylift.sshbench.farm import Farm
from skylift.sshbench.spent import Spent

MODULES = ("raw", "command")
PINS = (resources.files("skylift.sshbench") / "ansible-core.txt").read_text(encoding="ascii")
VERSION = PINS.partition("\n")[0].replace("==", " ")

_BUILD_LIMIT_S = 1800
_RUN_LIMIT_S = 3600
_BUILD = """
"$UV" venv --quiet --allow-existing --python "$PYTHON" "$FOLDER"
"$UV" pip install --quiet --no-deps --python "$FOLDER/bin/python" --requirement /dev/stdin
"""

# What makes it fast is on: pipelining, one connection per host that persists, and many forks.
_CONFIG = """\
[defaults]
inventory = {folder}/inventory
forks = {at_once}
gathering = explicit
local_tmp = {folder}/tmp
retry_files_enabled = False
[ssh_connection]
pipelining = True
control_path_dir = {folder}/cp
ssh_args = -F none -o ControlMaster=auto -o ControlPersist=600s -o ServerAliveInterval=0
"""
_VARIABLES = """\
[all:vars]
ansible_port={port}
ansible_user={user}
ansible_ssh_private_key_file={key}
ansible_ssh_common_args=-o UserKnownHostsFile={known} -o IdentitiesOnly=yes -o IdentityAgent=none
ansible_python_interpreter={python}
"""


def python_of_ansible() -> Path:
    """A Python that has ansible-core, built from its pins the first time; it is none of our dependencies.

    Raises:
        LabProblem: uv is not installed, or failed.
    """
    kept = entry("ansible", {"pins": PINS, "python": sys.version, "platform": sysconfig.get_platform()})
    kept.build(_fill)
    return kept.path / "bin/python"


def measure_ansible(farm: Farm, module: str, *, hosts: int, tasks: int, at_once: int) -> Spent:
    """Run ``true`` so many times on each of so many hosts, over connections made for it.

    What ends with a connection that persists is not counted against ansible-core.

    Raises:
        LabProblem: a task failed, or it took longer than an hour.
    """
    python = python_of_ansible()
    folder = Path(tempfile.mkdtemp(prefix="a-", dir=farm.folder))
    _write(folder, farm, hosts, at_once)
    play = [f"    - {{ansible.builtin.{module}: 'true'}}\n" for _ in range(tasks)]
    (folder / "play.yml").write_text("- hosts: all\n  tasks:\n" + "".join(play), encoding="ascii")
    theirs, ours = farm.cpu_s(), _cpu_of_children_s()
    run_sealed(
        [str(python), "-m", "ansible", "playbook", str(folder / "play.yml")],
        timeout_s=_RUN_LIMIT_S,
        env={"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_HOME": str(folder), "LC_ALL": "C.UTF-8"},
    )
    spent = Spent(hosts * tasks, _cpu_of_children_s() - ours, farm.cpu_s() - theirs)
    shutil.rmtree(folder)
    return spent


def _write(folder: Path, farm: Farm, hosts: int, at_once: int) -> None:
    access = farm.access
    named = "".join(f"{host} ansible_host={address}\n" for host, address in farm.first(hosts).items())
    variables = _VARIABLES.format(
        port=access.port, user=access.user, key=access.key, known=access.known_hosts, python=sys.executable
    )
    (folder / "inventory").write_text(named + variables, encoding="ascii")
    (folder / "ansible.cfg").write_text(_CONFIG.format(folder=folder, at_once=at_once), encoding="ascii")


def _fill(folder: Path) -> None:
    environment = {**uv_environment(), "FOLDER": str(folder), "PYTHON": sys.executable, "UV": uv()}
    run_sealed(["sh", "-euc", _BUILD], timeout_s=_BUILD_LIMIT_S, env=environment, input=PINS.encode())


def _cpu_of_children_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
