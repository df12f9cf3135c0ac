"""Plugins that only observe: enabled by name, they write down how a training goes."""
