"""Between a tenant's socket and the application: HTTP/1.1, on uvicorn.

uvicorn accepts, parses (httptools), drains and stops. Ours is what each request passes:
`bounded_request.py` says what a client may take to send one, and `exchange.py` answers it in one
write. Both are on the path of every poll, where uvicorn's own cost a third of it.
"""
