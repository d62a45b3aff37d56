"""Which kinds of resources rules speak of, and what their states are called."""

from typing import Final

import polars as pl

INSTANCES: Final = ("aws.ec2", "azure.vm", "gcp.instance")
VOLUMES: Final = ("aws.ebs", "azure.disk", "gcp.disk")
SNAPSHOTS: Final = ("aws.ebs-snapshot", "aws.rds-snapshot", "azure.snapshot", "gcp.snapshot")
IMAGES: Final = ("aws.ami", "azure.image", "gcp.image")
ADDRESSES: Final = ("aws.network-addr", "azure.publicip", "gcp.compute-address")
LOAD_BALANCERS: Final = (
    *("aws.elb", "aws.app-elb", "azure.loadbalancer"),
    "gcp.loadbalancer-forwarding-rule",
)
NAT_GATEWAYS: Final = ("aws.nat-gateway",)
DATABASES: Final = ("aws.rds", "aws.cache-cluster", "azure.sqldatabase", "gcp.sql-instance")
BUCKETS: Final = ("aws.s3", "azure.storage", "gcp.bucket")

_STATE: Final = pl.col("state").str.to_lowercase()
# A state that nobody stated is no reason to think that it is off.
RUNNING: Final = _STATE.is_null() | _STATE.is_in(
    ["running", "vm running", "available", "online", "runnable", "ready", "active", "succeeded"]
)
# Azure's "VM stopped" is still paid for: only a deallocated machine is off.
STOPPED: Final = _STATE.is_in(["stopped", "terminated", "suspended", "vm deallocated"])
