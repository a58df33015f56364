"""Devices, uploads, and packages that become knowledge."""
