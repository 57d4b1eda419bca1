"""Workflows as data: what is asked of a tenant, and which creates of Kling's that becomes.

A template is a TOML file: inputs, and steps whose bodies have holes. There is no code in it, and
nothing is computed: a hole is filled, a step is left out, or is made once for each of several.
The package's are in this folder; an operator's folder goes before it, file by file.
"""
