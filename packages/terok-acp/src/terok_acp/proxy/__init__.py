"""The endpoint for programs that use the protocol's Python SDK; nothing else imports that."""
