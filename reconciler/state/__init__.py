"""Where a project keeps what it owns and what it last applied."""
