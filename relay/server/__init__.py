"""Between a tenant's socket and the application: HTTP/1.1, on uvicorn.

uvicorn accepts, parses (httptools), drains and stops. Ours is what each request passes:
`bounded_request.py` says what a client may take to send one. On Kling's paths `exchange.py` answers
it in one write; both are on the path of every poll, where uvicorn's own cost a third of it. Pages
of Litestar's are sent by uvicorn's own exchange, which can stream (`page.py`).
"""
