"""The files that Kling made: read from its own hosts, and from nowhere else."""
