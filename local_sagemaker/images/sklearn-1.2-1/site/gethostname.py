"""Stands in for the C extension of AWS's training toolkit, which gives MPI's hosts their names.

The toolkit imports it whatever it runs. Here there is one host, so no MPI and nothing to rename.
"""
