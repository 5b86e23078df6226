"""The names that programs and the layers above rely on."""

from __future__ import annotations

from pathlib import Path

import terok_sandbox

PROMISED = """
SandboxConfig SandboxConfigView Sandbox RunSpec VolumeSpec Sharing LifecycleHooks PerContainerResources
allocate_per_container_resources GpuConfigError SAFE_ANNOTATION_KEYS ContainerRuntime PodmanRuntime KrunRuntime
FakeRuntime CredentialDB SSHManager VaultStatus GitGate GateServer Shield ShieldState ClearanceHub ClearanceClient
ClearanceEvent DoctorCheck CheckVerdict COMMANDS Activity ActivityFeed Budget
"""
METHODS = {
    terok_sandbox.Sandbox: """run create start stop rm copy_to stream_logs wait_for_exit mint_gate_token gate_url
        pre_start_args cleanup shield_state shield_up shield_down shield_quarantine activity budget decide_budget""",
    terok_sandbox.ContainerRuntime: """container containers_with_prefix image images exec exec_stdio force_remove
        reserve_port events""",
    terok_sandbox.GitGate: """sync pending_ops apply_pending_ops backups compare_vs_upstream branch_heads review
        promote""",
}


def test_every_promised_name_is_exported_and_there() -> None:
    assert set(PROMISED.split()) <= set(terok_sandbox.__all__)
    source = Path(terok_sandbox.__file__).read_text()
    namespace = {"__name__": "terok_sandbox", "__package__": "terok_sandbox"}
    exec(source.replace("with lazy_imports(globals()):", "if True:"), namespace)
    seen = {name for name in namespace if not name.startswith("__")} - {"annotations", "lazy_imports"}
    assert sorted(seen) == terok_sandbox.__all__
    assert [name for name in terok_sandbox.__all__ if namespace.get(name) is not getattr(terok_sandbox, name)] == []
    missing = [(owner.__name__, name) for owner, names in METHODS.items() for name in names.split()
               if not hasattr(owner, name)]  # fmt: skip
    assert missing == []
