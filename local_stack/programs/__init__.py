"""Programs of this machine: their folders, ports, secrets, start and end; not what they are for."""
