"""Recovery points of Kubernetes: when a backup is due, taking it, following it, judging it.

Belongs here: DR policies, Velero backups and restores, and the verdict on them. Does not belong
here: what recovery points cost (dbt), or the API through which people ask for a recovery.
"""
