"""The list of the variables that programs of ours read is complete, so that a right one is never called misspelt."""

import importlib

from common.setting_names import KNOWN
from wa.doctor.checks import DoctorSettings
from wa.journal import JournalSettings

SERVICES = ("ingress", "conversation", "sender", "accounts")


def test_the_known_variables_are_those_that_a_program_reads():
    services = [importlib.import_module(f"{name}.settings").Settings for name in SERVICES]
    read = {name.upper() for settings in (*services, DoctorSettings, JournalSettings) for name in settings.model_fields}
    assert read == KNOWN
