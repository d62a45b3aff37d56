"""The kinds of resources that inventory knows: Cloud Custodian's names with their provider.

A policy's `resource: aws.ec2` therefore needs no mapping. A kind that Cloud Custodian has no name
for has one of ours.
"""

from typing import Final

RESOURCE_TYPES: Final[frozenset[str]] = frozenset(
    {
        *("aws.ec2", "aws.ebs", "aws.ebs-snapshot", "aws.ami", "aws.network-addr", "aws.elb"),
        *("aws.app-elb", "aws.nat-gateway", "aws.rds", "aws.rds-snapshot", "aws.s3"),
        *("aws.lambda", "aws.cache-cluster"),
        *("azure.vm", "azure.disk", "azure.snapshot", "azure.publicip", "azure.loadbalancer"),
        *("azure.sqldatabase", "azure.storage", "azure.networkinterface", "azure.image"),
        *("gcp.instance", "gcp.disk", "gcp.snapshot", "gcp.image", "gcp.compute-address"),
        *("gcp.loadbalancer-forwarding-rule", "gcp.sql-instance", "gcp.bucket"),
        *("k8s.namespace", "k8s.deployment"),
    }
)
