"""Whether the result of a step exists already, and how a later run takes it.

It knows steps by the content of what goes in; it must not know pipelines or metrics.
"""
