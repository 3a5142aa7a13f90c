"""Model package versions: registering once, approving, and the asset that stands for them.

It knows versions and their groups; it must not know endpoints.
"""
