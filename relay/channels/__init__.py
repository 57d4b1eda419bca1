"""The operator's Kling accounts, and which of them takes a task. Keys are sealed at rest."""
