"""A Kubernetes API with a Velero in it, on loopback, for tests and the demo.

Belongs here: as much of the API's contract as our gateway and kubectl use, and Velero's phases with
its faults. Does not belong here: anything that production code imports; nothing here is imported by
the rest of the domain.
"""

from oco_pipelines.resilience.standin.cluster import (
    StandinCluster,
    standin_cluster,
    standin_clusters,
)

__all__ = ["StandinCluster", "standin_cluster", "standin_clusters"]
