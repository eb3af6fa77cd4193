"""The invariants of a simulated run, in words: by the name under which a violation is told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RULES: Mapping[str, str] = MappingProxyType(
    {
        "approved": "Nothing begins in a stage that waits for a word, nor what has no way back unnamed.",
        "at once": "No more steps are in flight than the policy allows.",
        "back": "No backend that the run stopped is let back into its pool before its service runs.",
        "batch": "No more backends of a pool are out than the policy allows, and never all but as announced.",
        "bug": "No process ends with an error that is no problem.",
        "chain": "Every row on disk is what was written.",
        "closed": "A run is closed as complete with every step done or skipped, or as aborted if given up.",
        "contract": "Nothing is removed from a schema while a process lives that may use it.",
        "drift": "A plan is applied only if the facts that it relies on hold.",
        "ends": "Every run comes to an end: within 90 processes, each of them within 6,000 s "
        "or four times the longest deadline.",
        "event first": "Every change is asked for by a step of which the disk says that it runs.",
        "fold": "No event contradicts those before it.",
        "given back": "In the end nothing that the run took is out, closed or held, but for what is named.",
        "given up": "A run that was given up begins nothing anew.",
        "goes back": "A run that goes back is paused by its operator alone.",
        "goal": "A run that is said to be complete is at its goal, as validate sees it.",
        "in use": "No service is stopped with requests in flight.",
        "last": "The last backend in use of a pool is not drained.",
        "lease": "No second process works on the cloud, and who works there is named.",
        "not ours": "What others had closed before the run stays closed.",
        "once": "No command runs twice at a time, nor again once it ended well.",
        "order": "No step starts before all that it waits for is done, or while it runs.",
        "paused": "Nothing starts in a paused run.",
        "plan": "Checks let the plan of a healthy cloud pass.",
        "reload": "What a new process reads from the disk is what was written, event by event.",
        "remedy": "Whatever fails or is refused says what to do.",
        "users": "No request fails but for those that a fault itself makes fail.",
        "work": "No server and no stack is lost that users asked for, but for those that a fault cuts.",
        "writer": "What is done is written by the process that has the lease.",
    }
)
