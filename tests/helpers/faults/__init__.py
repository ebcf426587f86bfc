"""Faults as data, and the driver that lets runs endure them: `table` has the faults, `driver` what must hold afterwards.

Nothing is drawn here: any sequence of faults will do, also a random one (`walk`).
"""
