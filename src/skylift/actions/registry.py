"""All kinds of action, by the name that plans carry."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from skylift.actions.action import Action
from skylift.actions.automation import GiveAutomationBack, PauseAutomation
from skylift.actions.await_ended import AwaitEnded
from skylift.actions.await_heard import AwaitHeard
from skylift.actions.await_report import AwaitReport
from skylift.actions.backend_traffic import AwaitQuiet, DrainBackend, UndrainBackend
from skylift.actions.backups import BackUpDatabase, RehearseRestore, RestoreDatabase
from skylift.actions.closing import AwaitIdle, CloseService, OpenService
from skylift.actions.host_turn import RebootHost, RemoveCanary, TryHost
from skylift.actions.lower_version import LowerVersion
from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.network_agents import AwaitAgents, CloseAgents, OpenAgents, TryAgents
from skylift.actions.parking import ParkPool, UnparkPool
from skylift.actions.prepare import CheckReadiness, StageArtifact
from skylift.actions.prove import CreateWitnesses, VerifyComponent, VerifyWitnesses
from skylift.actions.run_before_start import RunBeforeStart
from skylift.actions.run_command import RunCommand
from skylift.actions.service_run import AwaitHealthy, StartService, StopService, WarmUpBackend
from skylift.actions.storage_host import AwaitStorage, KeepIn, LetOut, RebootStorageHost
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.actions.unit_start import DisableUnit, EnableUnit
from skylift.actions.verify_pin import VerifyPin
from skylift.actions.volume_host import AwaitExports, RebootVolumeHost

KINDS: Mapping[str, type[Action]] = MappingProxyType(
    {
        action.kind: action
        for action in (
            AwaitAgents,
            AwaitEnded,
            AwaitExports,
            AwaitHealthy,
            AwaitHeard,
            AwaitIdle,
            AwaitQuiet,
            AwaitReport,
            AwaitStorage,
            BackUpDatabase,
            CheckReadiness,
            CloseAgents,
            CloseService,
            CreateWitnesses,
            DisableUnit,
            DrainBackend,
            EnableUnit,
            GiveAutomationBack,
            KeepIn,
            LetOut,
            LowerVersion,
            MigrateSchema,
            OpenAgents,
            OpenService,
            ParkPool,
            PauseAutomation,
            RebootHost,
            RebootStorageHost,
            RebootVolumeHost,
            RehearseRestore,
            RestoreDatabase,
            RemoveCanary,
            RunBeforeStart,
            RunCommand,
            StageArtifact,
            StartService,
            StopService,
            SwitchArtifact,
            TryAgents,
            TryHost,
            UndrainBackend,
            UnparkPool,
            VerifyComponent,
            VerifyPin,
            VerifyWitnesses,
            WarmUpBackend,
        )
    }
)
