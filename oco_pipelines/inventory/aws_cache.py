"""ElastiCache clusters: each is a node, or the nodes of a memcached cluster."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.aws_tags import tags_by_arn, told_of
from oco_pipelines.inventory.facts import aws_family, known, moment
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.cache-cluster"


def caches(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """The clusters of a place, with their tags."""
    tags = tags_by_arn(aws, place, "elasticache:cluster")
    for page in aws.pages("elasticache", place.region, "describe_cache_clusters"):
        for one in page["CacheClusters"]:
            arn = one.get("ARN") or _arn(place, one["CacheClusterId"])
            yield cache(place, {**as_json(one), "ARN": arn, "Tags": told_of(tags, arn)})


def cache(place: Place, document: Mapping[str, Any]) -> FoundResource:
    """Of a document of DescribeCacheClusters."""
    size = document.get("CacheNodeType")
    family, generation = aws_family(size)
    facts = known(
        created_at=moment(document.get("CacheClusterCreateTime")),
        family=family,
        generation=generation,
        engine=document.get("Engine"),
        encrypted=document.get("AtRestEncryptionEnabled"),
    )
    return place.resource(KIND, document["ARN"], document).found(
        facts,
        name=document.get("CacheClusterId"),
        state=document.get("CacheClusterStatus"),
        size=size,
    )


def _arn(place: Place, name: str) -> str:
    return place.arn("elasticache", f"cluster:{name}")
