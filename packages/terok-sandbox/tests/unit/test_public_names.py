from __future__ import annotations

import terok_sandbox
from terok_sandbox import Sandbox

NAMES = """
Sandbox SandboxConfig SandboxConfigView RunSpec VolumeSpec Sharing LifecycleHooks PerContainerResources
allocate_per_container_resources GpuConfigError SAFE_ANNOTATION_KEYS ContainerRuntime PodmanRuntime KrunRuntime
FakeRuntime CredentialDB GitGate DoctorCheck CheckVerdict
"""
METHODS = "run create start stop rm copy_to stream_logs wait_for_exit mint_gate_token gate_url pre_start_args cleanup"


def test_the_names_that_programs_rely_on_are_there() -> None:
    for name in NAMES.split():
        assert name in terok_sandbox.__all__
        assert getattr(terok_sandbox, name) is not None
    assert all(callable(getattr(Sandbox, name)) for name in METHODS.split())
