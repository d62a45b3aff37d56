"""What Velero's custom resource definitions allow, by kind; written from its documented fields.

The API server refuses what is not of this shape. What only Velero's controllers refuse (a backup
that does not exist, a bad cron expression) is not here but in `validation`.
"""

from typing import Final

from oco_pipelines.resilience.standin.schema import (
    ANY,
    BOOLEAN,
    INTEGER,
    STRING,
    TIME,
    Json,
    listed,
    mapped,
    one_of,
    shape,
)

_STRINGS: Final = listed(STRING)
_SELECTOR: Final[Json] = {
    **shape(
        matchLabels=mapped(STRING),
        matchExpressions=listed(
            shape("key", "operator", key=STRING, operator=STRING, values=_STRINGS)
        ),
    ),
    "nullable": True,
}
_POLICY_REF: Final = shape("kind", "name", apiGroup=STRING, kind=STRING, name=STRING)
_ON_ERROR: Final = one_of("Continue", "Fail")
_EXEC: Final = shape(
    "command", container=STRING, command=_STRINGS, onError=_ON_ERROR, timeout=STRING
)
_HOOK_FILTERS: Final = {
    "name": STRING,
    "includedNamespaces": _STRINGS,
    "excludedNamespaces": _STRINGS,
    "includedResources": _STRINGS,
    "excludedResources": _STRINGS,
    "labelSelector": _SELECTOR,
}
_BACKUP_HOOKS: Final = shape(
    resources=listed(
        shape(
            "name",
            **_HOOK_FILTERS,
            pre=listed(shape("exec", exec=_EXEC)),
            post=listed(shape("exec", exec=_EXEC)),
        )
    )
)
_RESTORE_EXEC: Final = shape(
    "command",
    container=STRING,
    command=_STRINGS,
    onError=_ON_ERROR,
    execTimeout=STRING,
    waitTimeout=STRING,
    waitForReady=BOOLEAN,
)
_RESTORE_HOOKS: Final = shape(
    resources=listed(
        shape(
            "name",
            **_HOOK_FILTERS,
            postHooks=listed(
                shape(exec=_RESTORE_EXEC, init=shape(initContainers=listed(ANY), timeout=STRING))
            ),
        )
    )
)
_FILTERS: Final = {
    "includedNamespaces": _STRINGS,
    "excludedNamespaces": _STRINGS,
    "includedResources": _STRINGS,
    "excludedResources": _STRINGS,
    "labelSelector": _SELECTOR,
    "orLabelSelectors": listed(_SELECTOR),
    "includeClusterResources": {**BOOLEAN, "nullable": True},
    "itemOperationTimeout": STRING,
}
_BACKUP: Final = shape(
    **_FILTERS,
    metadata=shape(labels=mapped(STRING)),
    includedClusterScopedResources=_STRINGS,
    excludedClusterScopedResources=_STRINGS,
    includedNamespaceScopedResources=_STRINGS,
    excludedNamespaceScopedResources=_STRINGS,
    snapshotVolumes={**BOOLEAN, "nullable": True},
    ttl=STRING,
    storageLocation=STRING,
    volumeSnapshotLocations=_STRINGS,
    defaultVolumesToFsBackup={**BOOLEAN, "nullable": True},
    defaultVolumesToRestic={**BOOLEAN, "nullable": True},
    orderedResources=mapped(STRING),
    csiSnapshotTimeout=STRING,
    hooks=_BACKUP_HOOKS,
    resourcePolicy=_POLICY_REF,
    snapshotMoveData={**BOOLEAN, "nullable": True},
    datamover=STRING,
    uploaderConfig=shape(parallelFilesUpload=INTEGER),
    volumeGroupSnapshotLabelKey=STRING,
)
_HOOK_STATUS: Final = shape(hooksAttempted=INTEGER, hooksFailed=INTEGER)
_BACKUP_PHASES: Final = one_of(
    "New",
    "Queued",
    "ReadyToStart",
    "FailedValidation",
    "InProgress",
    "WaitingForPluginOperations",
    "WaitingForPluginOperationsPartiallyFailed",
    "Finalizing",
    "FinalizingPartiallyFailed",
    "Completed",
    "PartiallyFailed",
    "Failed",
    "Deleting",
)
_RESTORE_PHASES: Final = one_of(
    *(one for one in _BACKUP_PHASES["enum"] if one not in {"Queued", "ReadyToStart", "Deleting"})
)
_COUNTS: Final = dict.fromkeys(("errors", "warnings"), INTEGER)
_SPECS: Final[dict[str, tuple[Json, Json]]] = {
    "Backup": (
        _BACKUP,
        shape(
            **_COUNTS,
            phase=_BACKUP_PHASES,
            version=INTEGER,
            formatVersion=STRING,
            expiration=TIME,
            startTimestamp=TIME,
            completionTimestamp=TIME,
            queuePosition=INTEGER,
            validationErrors=_STRINGS,
            failureReason=STRING,
            progress=shape(totalItems=INTEGER, itemsBackedUp=INTEGER),
            volumeSnapshotsAttempted=INTEGER,
            volumeSnapshotsCompleted=INTEGER,
            csiVolumeSnapshotsAttempted=INTEGER,
            csiVolumeSnapshotsCompleted=INTEGER,
            backupItemOperationsAttempted=INTEGER,
            backupItemOperationsCompleted=INTEGER,
            backupItemOperationsFailed=INTEGER,
            hookStatus=_HOOK_STATUS,
        ),
    ),
    "Restore": (
        shape(
            **_FILTERS,
            backupName=STRING,
            scheduleName=STRING,
            namespaceMapping=mapped(STRING),
            restorePVs={**BOOLEAN, "nullable": True},
            restoreStatus=shape(includedResources=_STRINGS, excludedResources=_STRINGS),
            preserveNodePorts={**BOOLEAN, "nullable": True},
            existingResourcePolicy={**STRING, "nullable": True},
            resourceModifier=_POLICY_REF,
            hooks=_RESTORE_HOOKS,
            uploaderConfig=shape(parallelFilesDownload=INTEGER, writeSparseFiles=BOOLEAN),
        ),
        shape(
            **_COUNTS,
            phase=_RESTORE_PHASES,
            startTimestamp=TIME,
            completionTimestamp=TIME,
            validationErrors=_STRINGS,
            failureReason=STRING,
            progress=shape(totalItems=INTEGER, itemsRestored=INTEGER),
            restoreItemOperationsAttempted=INTEGER,
            restoreItemOperationsCompleted=INTEGER,
            restoreItemOperationsFailed=INTEGER,
            hookStatus=_HOOK_STATUS,
        ),
    ),
    "Schedule": (
        shape(
            "schedule",
            "template",
            template=_BACKUP,
            schedule=STRING,
            useOwnerReferencesInBackup={**BOOLEAN, "nullable": True},
            paused=BOOLEAN,
            skipImmediately={**BOOLEAN, "nullable": True},
        ),
        shape(
            phase=one_of("New", "Enabled", "FailedValidation"),
            lastBackup=TIME,
            lastSkipped=TIME,
            validationErrors=_STRINGS,
        ),
    ),
    "BackupStorageLocation": (
        shape(
            "objectStorage",
            "provider",
            provider=STRING,
            objectStorage=shape("bucket", bucket=STRING, prefix=STRING, caCert=STRING),
            config=mapped(STRING),
            credential=shape("key", key=STRING, name=STRING, optional=BOOLEAN),
            default=BOOLEAN,
            accessMode=one_of("ReadOnly", "ReadWrite"),
            backupSyncPeriod={**STRING, "nullable": True},
            validationFrequency={**STRING, "nullable": True},
        ),
        shape(
            phase=one_of("Available", "Unavailable"),
            lastSyncedTime=TIME,
            lastValidationTime=TIME,
            lastSyncedRevision=STRING,
            accessMode=one_of("ReadOnly", "ReadWrite"),
            message=STRING,
        ),
    ),
    "VolumeSnapshotLocation": (
        shape("provider", provider=STRING, config=mapped(STRING), credential=ANY),
        shape(phase=one_of("Available", "Unavailable")),
    ),
    "DeleteBackupRequest": (
        shape("backupName", backupName=STRING),
        shape(phase=one_of("New", "InProgress", "Processed"), errors=_STRINGS),
    ),
    "DownloadRequest": (
        shape(
            "target",
            target=shape(
                "kind",
                "name",
                name=STRING,
                kind=one_of(
                    "BackupLog",
                    "BackupContents",
                    "BackupVolumeSnapshots",
                    "BackupItemOperations",
                    "BackupResourceList",
                    "BackupResults",
                    "RestoreLog",
                    "RestoreResults",
                    "RestoreResourceList",
                    "RestoreItemOperations",
                    "CSIBackupVolumeSnapshots",
                    "CSIBackupVolumeSnapshotContents",
                    "BackupVolumeInfos",
                    "RestoreVolumeInfo",
                ),
            ),
        ),
        shape(phase=one_of("New", "Processed"), downloadURL=STRING, expiration=TIME),
    ),
    "ServerStatusRequest": (
        shape(),
        shape(
            phase=one_of("New", "Processed"),
            processedTimestamp=TIME,
            serverVersion=STRING,
            plugins=listed(shape("kind", "name", kind=STRING, name=STRING)),
        ),
    ),
}
_TRANSFER_PHASES: Final = one_of(
    "New", "Accepted", "Prepared", "InProgress", "Canceling", "Canceled", "Completed", "Failed"
)
for _kind in ("DataUpload", "DataDownload", "PodVolumeBackup"):
    _SPECS[_kind] = (ANY, {**ANY, "properties": {"phase": _TRANSFER_PHASES}})

SCHEMAS: Final[dict[str, Json]] = {
    kind: shape(apiVersion=STRING, kind=STRING, metadata=ANY, spec=spec, status=status)
    for kind, (spec, status) in _SPECS.items()
}
