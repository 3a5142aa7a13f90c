"""An endpoint: which version it should serve, the change, its verification, the flip back.

It knows endpoints of any pipeline; it must not know columns, targets or metrics: a version names
its own smoke test.
"""
