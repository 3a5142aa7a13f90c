"""Models, endpoint configs and endpoints: real processes that answer InvokeEndpoint."""
