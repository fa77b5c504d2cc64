"""A SLURM cluster on one machine, for tests: accounting, a partition of CPU nodes and one of GPU nodes.

    python tests/e2e/slurm_cluster.py up      # prints sinfo
    python tests/e2e/slurm_cluster.py down

The daemons are the distribution's (Debian and Ubuntu: apt install slurm-wlm slurmdbd mariadb-server munge) and are run
by root, without system services. GPUs are only names: jobs get CUDA_VISIBLE_DEVICES and find no driver.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(os.environ.get("SLURM_ROOT", Path(tempfile.gettempdir()) / "leukoflow-slurm"))
DAEMONS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd")
CONFIGS = ("slurm.conf", "gres.conf", "cgroup.conf")
NODES = {"c1": 0, "c2": 0, "g1": 1, "g2": 1}
"""Nodes and their GPUs."""
CLUSTER_PORT, DATABASE_PORT = 16817, 16819

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/state/%n
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd.%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
SlurmdTimeout=20
KillWait=5
OverTimeLimit=0
MinJobAge=300
# More processors than there are: the nodes share one machine.
SlurmdParameters=config_overrides
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={database_port}
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
{nodes}
PartitionName=cpu Nodes={cpu} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={gpu} MaxTime=INFINITE State=UP
"""
SLURMDBD_CONF = """\
AuthType=auth/munge
DbdHost=localhost
DbdPort={database_port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
LogFile={root}/log/slurmdbd.log
PidFile={root}/run/slurmdbd.pid
"""


def missing() -> str:
    """Why no cluster can be brought up here; empty if one can."""
    lacking = [name for name in DAEMONS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if lacking:
        return f"{lacking[0]} is not installed (apt install slurm-wlm slurmdbd mariadb-server munge)"
    return "" if os.geteuid() == 0 else "a SLURM cluster is brought up by root"


def up() -> None:
    """Start all daemons and wait until every node is idle."""
    down()
    shutil.rmtree(ROOT, ignore_errors=True)
    for name in ("etc", "log", "state", "run", "mysql", "dev"):
        (ROOT / name).mkdir(parents=True)
    _munge()
    _database()
    _configure()
    _wait("the database daemon", lambda: _listens(DATABASE_PORT))
    _call("sacctmgr", "-i", "add", "cluster", "test")
    start_controller()
    for node in NODES:
        start_node(node)
    _wait("idle nodes", lambda: set(states().values()) == {"idle"})
    _call("sacctmgr", "-i", "add", "account", "default", "Description=tests", "Organization=tests")
    _call("sacctmgr", "-i", "add", "user", "root", "Account=default")


def down() -> None:
    """Stop what was started, in reverse order."""
    if (ROOT / "pids").exists():
        started = [line.split() for line in (ROOT / "pids").read_text().splitlines()]
        for _, pid in reversed(started):
            _kill(int(pid), signal.SIGTERM)
        _wait("daemons to stop", lambda: not any(_alive(int(pid)) for _, pid in started))
        (ROOT / "pids").unlink()
    for name in CONFIGS:
        link = Path("/etc/slurm") / name
        if link.is_symlink() and link.readlink() == ROOT / "etc" / name:
            link.unlink()


def start_controller(clean: bool = True) -> None:
    """Start slurmctld, with or without forgetting its jobs."""
    _start("slurmctld", "slurmctld", "-D", *(["-c"] if clean else []))
    _wait("slurmctld", lambda: _listens(CLUSTER_PORT))


def start_node(node: str) -> None:
    """Start one node's slurmd."""
    _start(f"slurmd.{node}", "slurmd", "-D", "-N", node)


def stop(name: str, by: signal.Signals = signal.SIGTERM) -> None:
    """Stop one daemon, `slurmctld` or `slurmd.NODE`."""
    lines = (ROOT / "pids").read_text().splitlines()
    for line in lines:
        daemon, pid = line.split()
        if daemon == name:
            _kill(int(pid), by)
            _wait(f"{name} to stop", lambda pid=pid: not _alive(int(pid)))
    (ROOT / "pids").write_text("".join(f"{line}\n" for line in lines if line.split()[0] != name))


def states() -> dict[str, str]:
    """State of each node, as sinfo says; empty if the controller does not answer."""
    done = subprocess.run(["sinfo", "-h", "-N", "-o", "%N %T"], capture_output=True, text=True)
    return dict(line.split() for line in done.stdout.splitlines())


def _munge() -> None:
    """Its own key, but the default socket: sacct and slurmdbd look nowhere else."""
    key = ROOT / "etc/munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    socket_file = Path("/run/munge/munge.socket.2")
    socket_file.parent.mkdir(exist_ok=True)
    socket_file.unlink(missing_ok=True)
    options = {"key-file": key, "socket": socket_file, "pid-file": ROOT / "run/munged.pid"}
    options |= {"log-file": ROOT / "log/munged.log", "seed-file": ROOT / "etc/munge.seed"}
    _start("munged", "munged", "-F", "--force", *(f"--{name}={value}" for name, value in options.items()))
    _wait("munge", socket_file.exists)


def _database() -> None:
    data, file = ROOT / "mysql", ROOT / "run/mysql.sock"
    _call("mysql_install_db", "--user=root", f"--datadir={data}", "--auth-root-authentication-method=normal")
    options = ("--no-defaults", "--user=root", f"--datadir={data}", f"--socket={file}", "--skip-networking")
    _start("mariadbd", "mariadbd", *options, f"--pid-file={ROOT}/run/mysql.pid", "--innodb-buffer-pool-size=64M")
    _wait("the database", file.exists)
    _call("mysql", "--no-defaults", "-uroot", "-S", str(file), "-e", "create database slurm_acct_db")
    text = SLURMDBD_CONF.format(root=ROOT, database_port=DATABASE_PORT)
    (ROOT / "etc/slurmdbd.conf").write_text(text)
    (ROOT / "etc/slurmdbd.conf").chmod(0o600)
    environment = {"MYSQL_UNIX_PORT": str(file), "SLURM_CONF": str(ROOT / "etc/slurm.conf")}
    (ROOT / "etc/slurm.conf").touch()
    _start("slurmdbd", "slurmdbd", "-D", environment=environment)


def _configure() -> None:
    """Write the configuration, and link it where jobs look for it: their environment does not hold SLURM_CONF."""
    host = socket.gethostname().split(".")[0]
    nodes, gpus = [], []
    for number, (node, count) in enumerate(NODES.items(), 1):
        gres = f" Gres=gpu:{count}" if count else ""
        at = f"NodeHostname={host} NodeAddr=127.0.0.1 Port={CLUSTER_PORT + 3 + number}"
        nodes.append(f"NodeName={node} {at} CPUs=8 RealMemory=16000{gres} State=UNKNOWN")
        for gpu in range(count):
            device = ROOT / f"dev/{node}.gpu{gpu}"
            os.mknod(device, 0o20666, os.makedev(1, 3))  # SLURM counts character devices only
            gpus.append(f"NodeName={node} Name=gpu File={device}")
    by_kind = [",".join(node for node, count in NODES.items() if bool(count) == kind) for kind in (False, True)]
    values = {"host": host, "root": ROOT, "port": CLUSTER_PORT, "database_port": DATABASE_PORT}
    text = SLURM_CONF.format(nodes="\n".join(nodes), cpu=by_kind[0], gpu=by_kind[1], **values)
    (ROOT / "etc/slurm.conf").write_text(text)
    (ROOT / "etc/gres.conf").write_text("\n".join([*gpus, ""]))
    (ROOT / "etc/cgroup.conf").write_text("CgroupAutomount=no\nCgroupPlugin=cgroup/v1\n")
    Path("/etc/slurm").mkdir(exist_ok=True)
    for name in CONFIGS:
        link = Path("/etc/slurm") / name
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT / "etc" / name)


def _start(name: str, *command: str, environment: dict[str, str] | None = None) -> None:
    path = f"{os.environ['PATH']}:/usr/sbin"
    with open(ROOT / f"log/{name}.out", "wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PATH": path} | (environment or {}),
            start_new_session=True,
        )
    with open(ROOT / "pids", "a") as pids:
        pids.write(f"{name} {process.pid}\n")


def _call(*command: str) -> None:
    path = f"{os.environ['PATH']}:/usr/sbin"
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PATH": path})
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stdout}{done.stderr}")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _kill(pid: int, by: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, by)


def _wait(what: str, ready: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds:.0f} s for {what}; see {ROOT}/log")
        time.sleep(0.1)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("up", "down"):
        raise SystemExit(f"usage: {sys.argv[0]} up | down")
    if sys.argv[1] == "up":
        if missing():
            raise SystemExit(f"error: {missing()}")
        up()
        subprocess.run(["sinfo"])
    else:
        down()
