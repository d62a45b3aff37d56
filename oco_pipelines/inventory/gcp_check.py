"""Whether the projects of an account can be listed; if not, what to grant, word for word."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from oco_pipelines.ingestion.bigquery_credentials import member_of
from oco_pipelines.ingestion.source_kinds import Finding
from oco_pipelines.inventory.gcp_access import Gcp
from oco_pipelines.inventory.gcp_metrics import MEASURES, question
from oco_pipelines.inventory.gcp_resources import TYPES
from oco_pipelines.inventory.missing_permission import MissingPermission
from oco_pipelines.inventory.windows import Window
from oco_warehouse.cloud_accounts.gcp_inventory import GcpInventoryOptions
from oco_warehouse.errors import OpenCloudOpsError

if TYPE_CHECKING:
    from oco_warehouse.cloud_accounts.account import Account

ROLES: Final = ("roles/cloudasset.viewer", "roles/monitoring.viewer", "roles/recommender.viewer")
SERVICES: Final = (
    *("cloudasset.googleapis.com", "monitoring.googleapis.com", "recommender.googleapis.com"),
)


def check_inventory(account: "Account", options: GcpInventoryOptions) -> list[Finding]:
    """Assets and metrics of every project."""
    try:
        gcp = Gcp(account, options)
    except OpenCloudOpsError as error:
        return [Finding("read the credentials", ok=False, detail=str(error))]
    found = []
    for project in options.projects:
        remedy = _remedy(project, member_of(gcp.credentials))
        found.append(_assets(gcp, project, remedy))
        if options.metrics:
            found.append(_metrics(gcp, project, remedy))
    return found


def _assets(gcp: Gcp, project: str, remedy: str) -> Finding:
    what = f"list project {project}"
    try:
        types = [name for names in TYPES.values() for name in names]
        count = sum(1 for _ in gcp.assets(project, types))
    except MissingPermission as denied:
        return Finding(what, ok=False, detail=f"{denied.permission} is missing", remedy=remedy)
    except OpenCloudOpsError as error:
        return Finding(what, ok=False, detail=str(error))
    return Finding(what, ok=True, detail=f"{count} resources of the kinds that are listed")


def _metrics(gcp: Gcp, project: str, remedy: str) -> Finding:
    what, now = f"read metrics of project {project}", datetime.now(UTC)
    measure = MEASURES[0]
    asked = question(measure, "ALIGN_MEAN", Window(now - timedelta(hours=2), now), None)
    try:
        count = sum(1 for _ in gcp.series(project, asked))
    except MissingPermission as denied:
        return Finding(what, ok=False, detail=f"{denied.permission} is missing", remedy=remedy)
    except OpenCloudOpsError as error:
        return Finding(what, ok=False, detail=str(error))
    return Finding(what, ok=True, detail=f"{count} series of {measure.type}")


def _remedy(project: str, member: str) -> str:
    lines = [f"gcloud services enable {' '.join(SERVICES)} --project={project}"]
    lines += [
        f"gcloud projects add-iam-policy-binding {project} --member={member} --role={role}"
        for role in ROLES
    ]
    return "\n".join(lines)
