"""The link with a board: frames and messages (pure), a session, transports. See docs/link-protocol.md."""
