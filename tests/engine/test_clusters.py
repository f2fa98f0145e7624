"""Workers elsewhere: what is asked of SLURM, Kubernetes and SSH, and that it works where it can be had."""

import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine import configuration, executors
from engine.clusters import SSH, Kubernetes, Slurm
from engine.errors import ClusterError

EACH = [Slurm(8, cores=4), Kubernetes(8, "registry.example/trialtwin:1"), SSH(("one", "two"), workers=4)]


def square(x: float) -> float:
    return x * x


@pytest.mark.parametrize("executor", EACH, ids=lambda one: type(one).__name__)
def test_an_executor_is_a_value_that_travels(executor):
    assert pickle.loads(pickle.dumps(executor)) == executor
    assert executor.width() == 8
    assert isinstance(executor, executors.Executor)
    assert getattr(executors, type(executor).__name__) is type(executor)


@pytest.mark.parametrize("name", ["serial", "threads", "local", "slurm"])
def test_configuration_files_make_executors(name):
    assert isinstance(configuration.build("cluster", name), executors.Executor)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Slurm(0), r"cluster\.workers: wants a whole number of at least 1, got 0"),
        (lambda: Slurm(8, cores=0), r"cluster\.cores"),
        (lambda: Kubernetes(1, ""), r"cluster\.image: wants a container image"),
        (lambda: SSH("one"), r"cluster\.hosts: wants a list of machines, got 'one'"),
        (lambda: SSH(()), r"cluster\.hosts"),
        (lambda: SSH(("one",), workers=True), r"cluster\.workers"),
    ],
)
def test_what_cannot_be_is_refused_by_field(wrong, message):
    with pytest.raises(ClusterError, match=message):
        wrong()


# ---- SLURM
def test_slurm_job_script():
    script = Slurm(
        32, cores=4, memory="8GB", walltime="02:30:00", queue="short", account="pmx", python="/shared/bin/python",
        directives=("--constraint=avx512",), prologue=("module load gcc",), interface="ib0",
    ).script("tcp://10.1.2.3:4567")  # fmt: skip
    lines = script.splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    for wanted in ("-J trialtwin", "-p short", "-A pmx", "--cpus-per-task=4", "--mem=8G", "-t 02:30:00",
                   "--constraint=avx512"):  # fmt: skip
        assert f"#SBATCH {wanted}" in lines
    assert lines[-2] == "module load gcc"
    assert lines[-1].startswith("/shared/bin/python -m distributed.cli.dask_worker tcp://10.1.2.3:4567 ")
    for wanted in ("--nthreads 1 ", "--nworkers 4 ", "--interface ib0"):
        assert wanted in lines[-1] + " "


def test_slurm_wants_sbatch(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ClusterError, match="there is no `sbatch` here"):
        Slurm(1).check()


@pytest.fixture
def scheduler_of_jobs(tmp_path, monkeypatch) -> Path:
    """Stand-in for SLURM: a job is a process here; its script and its end are noted."""
    programs = {
        "sbatch": f"""cp "$1" {tmp_path}/job.sh
setsid bash {tmp_path}/job.sh > {tmp_path}/log 2>&1 &
echo "Submitted batch job $!" """,
        "scancel": f'echo "$@" >> {tmp_path}/cancelled; kill -TERM -- -"$1"',
    }
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        path = tmp_path / "bin" / name
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_slurm_jobs_work_and_are_cancelled(scheduler_of_jobs):
    executor = Slurm(1, memory="1GB", timeout=30)
    executor.check()
    assert list(executor.map(square, range(20))) == [x * x for x in range(20)]
    assert "#SBATCH --mem=" in (scheduler_of_jobs / "job.sh").read_text()
    assert (scheduler_of_jobs / "cancelled").exists()


def test_a_job_that_never_starts_is_told(scheduler_of_jobs):
    (scheduler_of_jobs / "bin" / "sbatch").write_text("#!/usr/bin/env bash\necho 'Submitted batch job 7'\n")
    with pytest.raises(ClusterError, match=r"no worker within 1 s; `squeue --me` shows"):
        list(Slurm(1, timeout=1).map(square, range(3)))


# ---- Kubernetes
def test_kubernetes_specification():
    spec = Kubernetes(6, "registry.example/trialtwin:1", name="oc", cpu="2", memory="3Gi").spec()
    assert spec["kind"] == "DaskCluster"
    assert spec["metadata"]["name"] == "oc"
    worker = spec["spec"]["worker"]
    assert worker["replicas"] == 6
    (container,) = worker["spec"]["containers"]
    assert container["image"] == "registry.example/trialtwin:1"
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "3Gi"},
        "limits": {"cpu": "2", "memory": "3Gi"},
    }
    assert container["args"][:3] == ["dask-worker", "--nthreads", "1"]
    assert spec["spec"]["scheduler"]["spec"]["containers"][0]["image"] == "registry.example/trialtwin:1"


def test_kubernetes_wants_a_configuration(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ClusterError, match=r"no configuration of Kubernetes at .*none.*set KUBECONFIG"):
        Kubernetes(1, "image").check()


# ---- SSH
def test_ssh_options():
    found = SSH(("one", "two"), workers=3, user="me", port=2222, key="id", known_hosts="known", python="py").options()
    assert found["hosts"] == ["one", "one", "two"]
    assert found["connect_options"] == {"port": 2222, "username": "me", "known_hosts": "known", "client_keys": ["id"]}
    assert found["worker_options"] == {"nthreads": 1, "n_workers": 3}
    assert found["remote_python"] == "py"
    assert SSH(("one",), scheduler="head").options()["hosts"] == ["head", "one"]


def test_ssh_wants_machines_that_answer():
    with pytest.raises(ClusterError, match=r"cluster\.hosts: 127\.0\.0\.1 does not answer at port 9"):
        SSH(("127.0.0.1",), port=9).check()


SERVER = """
import asyncio, contextlib, os, signal, sys
import asyncssh

async def perform(process):
    pipe = asyncio.subprocess.PIPE
    found = await asyncio.create_subprocess_shell(
        process.command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    await process.redirect(stdin=found.stdin, stdout=found.stdout, stderr=found.stderr)
    ends = [asyncio.ensure_future(found.wait()), asyncio.ensure_future(process.wait_closed())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(found.pid, signal.SIGKILL)  # as a server does when the connection is closed
    process.exit(await found.wait())

async def serve(folder):
    own, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    user.write_private_key(folder + "/id")
    user.write_public_key(folder + "/allowed")
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[own], authorized_client_keys=folder + "/allowed", process_factory=perform,
        encoding=None)
    with open(folder + "/known", "w") as file:
        file.write(f"[127.0.0.1]:{server.get_port()} {own.export_public_key().decode()}")
    print(server.get_port(), flush=True)
    await server.wait_closed()

asyncio.run(serve(sys.argv[1]))
"""


@pytest.fixture
def here(tmp_path):
    """Port of an SSH server on this machine, which is all Python; its key and the list of known hosts are files."""
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        yield int(server.stdout.readline())
        server.kill()


def test_ssh_works_on_this_machine(here, tmp_path):
    executor = SSH(
        ("127.0.0.1",), user="anyone", port=here, key=str(tmp_path / "id"), known_hosts=str(tmp_path / "known")
    )
    executor.check()
    assert list(executor.map(square, range(20))) == [x * x for x in range(20)]
