"""The admin API: REST over a Unix socket, for the commands and for whoever reads OpenAPI.

``routes``  what can be asked
``server``  how it is served, in the event loop of the system itself
"""
