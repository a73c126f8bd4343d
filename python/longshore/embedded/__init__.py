"""A private PostgreSQL beside the data: no installation, no port, no password.

Only the command line and the tests start it. With a DSN in the settings none of this runs.
"""
