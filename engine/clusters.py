"""Executors that start workers elsewhere: SLURM jobs, Kubernetes pods, processes on other machines by SSH.

Each is a frozen description; Dask's own package for it does the work and is imported when it is needed. Every worker
is one process with one thread, and needs the same versions of everything as this process, for the same bits.
"""

import os
import shutil
import socket
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ClusterError
from engine.execute import Distributed, client_of, launcher, positive, started

_KUBECLUSTER = "dask_kubernetes.operator.kubecluster.kubecluster"
_IDLE = 1800
"""Seconds after which the operator removes pods that have nothing to do: should this process be killed."""
_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class Elsewhere(Distributed):
    """A cluster that lives as long as one map, or as ``open()`` keeps it."""

    __slots__ = ()
    timeout: float

    @property
    def patience(self) -> float:
        """Seconds to wait for a cluster that has no workers any more: as long as for the first."""
        return self.timeout

    @abstractmethod
    def cluster(self) -> AbstractContextManager[Any]:
        """Cluster with its workers under way, for as long as the context lasts."""

    @property
    @abstractmethod
    def waiting(self) -> str:
        """Where to look when no worker comes."""

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """Start the cluster and wait for its first worker."""
        self.check()
        with self.cluster() as cluster, client_of(cluster, self.timeout, self.waiting) as client:
            yield client


@dataclass(frozen=True, slots=True)
class Slurm(Elsewhere):
    """Workers in jobs of a SLURM cluster, submitted with ``sbatch`` from where this runs.

    Attributes
    ----------
    workers
        Worker processes in all; jobs of ``cores`` of them each are submitted.
    cores
        Processors of one job, each for one worker.
    memory
        Memory of one job, such as ``8GB``.
    walltime
        Longest time a job may take, ``HH:MM:SS``. Work of a job that ends is done by others; chunks in a store stay.
    queue, account
        Partition and account; None for the cluster's defaults.
    directives
        Further options of ``sbatch``, such as ``--constraint=avx512``.
    prologue
        Commands before the worker starts, such as ``source /shared/trialtwin/bin/activate``.
    interface
        Network interface by which jobs reach this process, such as ``ib0``.
    python
        Python of the jobs; None for the path of this one.
    timeout
        Seconds to wait for the first job.
    """

    workers: int
    cores: int = 1
    memory: str = "4GB"
    walltime: str = "01:00:00"
    queue: str | None = None
    account: str | None = None
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    interface: str | None = None
    python: str | None = None
    timeout: float = 600.0

    def __post_init__(self) -> None:
        """Refuse no workers, no cores."""
        positive("cluster.workers", self.workers)
        positive("cluster.cores", self.cores)

    def width(self) -> int:
        """Number of workers."""
        return self.workers

    def check(self) -> None:
        """See that jobs can be submitted from here."""
        launcher("dask_jobqueue", "SLURMCluster")
        if shutil.which("sbatch") is None:
            raise ClusterError("cluster: there is no `sbatch` here; start from a machine that submits SLURM jobs")

    def script(self, scheduler: str = "tcp://SCHEDULER:8786") -> str:
        """Job script as it is submitted, for the scheduler at an address."""
        job = launcher("dask_jobqueue.slurm", "SLURMJob")(scheduler=scheduler, name="worker", **self._job())
        return str(job.job_script())

    @property
    def waiting(self) -> str:
        """Where to look when no worker comes."""
        return "`squeue --me` shows whether the jobs wait or failed; raise cluster.timeout for a busy queue"

    @contextmanager
    def cluster(self) -> Iterator[Any]:
        """Submit the jobs; they are cancelled at the end."""
        options = {**self._job(), "scheduler_options": {"dashboard_address": ":0"}}
        with started("dask_jobqueue", "SLURMCluster", options) as cluster:
            cluster.scale(jobs=-(-self.workers // self.cores))
            yield cluster

    def _job(self) -> dict[str, Any]:
        given = {"queue": self.queue, "account": self.account, "interface": self.interface, "python": self.python}
        return {
            "job_name": "trialtwin",
            "cores": self.cores,
            "processes": self.cores,
            "memory": self.memory,
            "walltime": self.walltime,
            "job_extra_directives": list(self.directives),
            "job_script_prologue": list(self.prologue),
            **{name: value for name, value in given.items() if value is not None},
        }


@dataclass(frozen=True, slots=True)
class Kubernetes(Elsewhere):
    """Workers in pods of a Kubernetes cluster that has Dask's operator.

    Attributes
    ----------
    workers
        Number of pods, one worker each.
    image
        Container image with Python and trialtwin, the same versions as here.
    namespace, name
        Where the pods live and what they are called.
    cpu, memory
        What one pod is given, in Kubernetes' words: ``1``, ``4Gi``.
    timeout
        Seconds to wait for the first pod.
    """

    workers: int
    image: str
    namespace: str = "default"
    name: str = "trialtwin"
    cpu: str = "1"
    memory: str = "4Gi"
    timeout: float = 600.0

    def __post_init__(self) -> None:
        """Refuse no workers, no image."""
        positive("cluster.workers", self.workers)
        if not self.image:
            raise ClusterError("cluster.image: wants a container image that has trialtwin, got none")

    def width(self) -> int:
        """Number of workers."""
        return self.workers

    def check(self) -> None:
        """See that there is a Kubernetes cluster to ask."""
        launcher("dask_kubernetes.operator", "KubeCluster")
        config = [Path(path) for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
        places = [*(config or [Path.home() / ".kube" / "config"]), _TOKEN]
        if not any(path.is_file() for path in places):
            raise ClusterError(
                f"cluster: no configuration of Kubernetes at {', '.join(map(str, places))}; set KUBECONFIG"
            )

    def spec(self) -> dict[str, Any]:
        """Specification of the DaskCluster that the operator is asked for."""
        made: dict[str, Any] = launcher("dask_kubernetes.operator", "make_cluster_spec")(name=self.name, **self._pods())
        return made

    @property
    def waiting(self) -> str:
        """Where to look when no worker comes."""
        return f"`kubectl -n {self.namespace} get pods` shows what they wait for; raise cluster.timeout for a busy one"

    @contextmanager
    def cluster(self) -> Iterator[Any]:
        """Ask the operator for scheduler and workers; they are removed at the end."""
        asked = {
            "namespace": self.namespace,
            "custom_cluster_spec": self.spec(),
            "resource_timeout": round(self.timeout),
            "create_mode": launcher(_KUBECLUSTER, "CreateMode").CREATE_ONLY,  # never another's of the same name
            "shutdown_on_close": True,
            "quiet": True,
        }
        with started("dask_kubernetes.operator", "KubeCluster", asked) as cluster:
            yield cluster

    def _pods(self) -> dict[str, Any]:
        size = {"cpu": self.cpu, "memory": self.memory}
        return {
            "image": self.image,
            "n_workers": self.workers,
            "resources": {"requests": size, "limits": size},
            "worker_command": ["dask-worker", "--nthreads", "1"],
            "idle_timeout": _IDLE,
        }


@dataclass(frozen=True, slots=True)
class SSH(Elsewhere):
    """Workers on machines that are reached by SSH.

    Attributes
    ----------
    hosts
        Machines with workers.
    workers
        Worker processes on each.
    scheduler
        Machine of the scheduler; None for the first of the hosts.
    user, port, key, known_hosts
        How to log in: name, port of SSH, file of a private key, file of the machines' known keys; None as ``ssh`` does.
    python
        Python of the other machines; None for the path of this one.
    timeout
        Seconds to wait for a machine to answer, and for the first worker.
    """

    hosts: tuple[str, ...]
    workers: int = 1
    scheduler: str | None = None
    user: str | None = None
    port: int = 22
    key: str | None = None
    known_hosts: str | None = None
    python: str | None = None
    timeout: float = 60.0

    def __post_init__(self) -> None:
        """Refuse no hosts, no workers."""
        if isinstance(self.hosts, str) or not self.hosts:
            raise ClusterError(f"cluster.hosts: wants a list of machines, got {self.hosts!r}")
        positive("cluster.workers", self.workers)

    def width(self) -> int:
        """Number of workers on all machines."""
        return self.workers * len(self.hosts)

    def check(self) -> None:
        """See that every machine answers at SSH's port."""
        launcher("asyncssh", "connect")
        for host in dict.fromkeys(self._machines()):
            try:
                socket.create_connection((host, self.port), timeout=min(self.timeout, 5.0)).close()
            except OSError as error:
                raise ClusterError(f"cluster.hosts: {host} does not answer at port {self.port} ({error})") from error

    def options(self) -> dict[str, Any]:
        """What Dask's ``SSHCluster`` is given."""
        given = {"username": self.user, "known_hosts": self.known_hosts}
        login = {name: value for name, value in given.items() if value is not None}
        keys = {"client_keys": [self.key]} if self.key is not None else {}
        return {
            "hosts": self._machines(),
            "connect_options": {"port": self.port, **login, **keys},
            "worker_options": {"nthreads": 1, "n_workers": self.workers},
            "scheduler_options": {"port": 0, "dashboard_address": ":0"},
            "remote_python": self.python,
        }

    @property
    def waiting(self) -> str:
        """Where to look when no worker comes."""
        return "see that `python -m distributed.cli.dask_spec` works on the machines, with trialtwin installed"

    @contextmanager
    def cluster(self) -> Iterator[Any]:
        """Start scheduler and workers on the machines; they end with the connection."""
        with started("distributed", "SSHCluster", self.options()) as cluster:
            yield cluster

    def _machines(self) -> list[str]:
        return [self.scheduler or self.hosts[0], *self.hosts]
