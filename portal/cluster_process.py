"""One django-q2 cluster, run so that none of its processes outlives the one that started it.

django-q2's workers go on working when their parent is killed; a cluster started anew would then be there twice. So every process of the
tree asks the kernel to be killed with its parent, and the group of them can be killed as one.
"""

import ctypes
import os
import signal
import sys

from django_q.cluster import Cluster

from portal import shutdown

WATCHDOG = "PORTAL_WATCHDOG"  # the process id of the watchdog that started this cluster
PR_SET_PDEATHSIG = 1
_parent = 0


class StoppingCluster(Cluster):
    def stop(self) -> bool:
        shutdown.tell()
        return super().stop()


def run() -> None:
    """Answer the rings of the cluster that Q_CLUSTER_NAME names, until SIGTERM or the death of the watchdog."""
    die_with(int(os.environ[WATCHDOG]))
    os.register_at_fork(before=_remember, after_in_child=_follow)
    StoppingCluster().start()


def die_with(parent: int) -> None:
    """This process is killed when `parent`, which started it, ends. Linux only; elsewhere the group is killed when it is missed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)


def _remember() -> None:
    global _parent
    _parent = os.getpid()


def _follow() -> None:
    die_with(_parent)
